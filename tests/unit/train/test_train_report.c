/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "train/train_priv.h"
#include "train_case.h"

static void a_column_that_gives_the_target_away_is_named(void **state) {
    (void)state;
    const train_case options = {0};
    /* `amount` is the number that the label is cut from; without it nothing reaches 0.98. */
    const tm_train_options train = {.target = "label"};
    tm_table *table = train_case_table(&options, 3000);
    tm_train_data data;
    tm_ctx ctx = {0};
    json_t *leaks = NULL;
    assert_int_equal(tm__train_data_init(&data, table, NULL, &train, NULL), TM_OK);
    assert_int_equal(tm__train_leaks(&ctx, &data, 1, &leaks, NULL), TM_OK);
    assert_int_equal(json_array_size(leaks), 1);
    assert_string_equal(tm__json_text(json_array_get(leaks, 0), "column", ""), "amount");
    json_decref(leaks);
    tm__train_data_done(&data);
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_column_that_gives_the_target_away_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
