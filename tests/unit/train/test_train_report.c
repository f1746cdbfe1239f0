/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "train/train_priv.h"
#include "train_case.h"

static void the_threshold_has_the_largest_f1(void **state) {
    (void)state;
    double y[200];
    double pred[200];
    for (int i = 0; i < 200; i++) {
        pred[i] = (double)((i * 73) % 200) / 200.0;
        y[i] = pred[i] + 0.3 * ((i * 31) % 7) / 7.0 > 0.8;
    }
    tm_threshold found;
    tm__threshold_fit(y, pred, NULL, 200, &found);
    double best = 0.0;
    double at_found = 0.0;
    for (int cut = 0; cut < 200; cut++) {
        double tp = 0;
        double called = 0;
        double positives = 0;
        for (int i = 0; i < 200; i++) {
            tp += pred[i] >= pred[cut] && y[i] == 1.0;
            called += pred[i] >= pred[cut];
            positives += y[i] == 1.0;
        }
        const double f1 = 2 * tp / (called + positives);
        best = f1 > best ? f1 : best;
        at_found = pred[cut] == found.value ? f1 : at_found;
    }
    assert_true(fabs(best - at_found) < 1e-12);
    assert_true(found.precision > 0 && found.recall > 0 && found.rate > 0);
}

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
        cmocka_unit_test(the_threshold_has_the_largest_f1),
        cmocka_unit_test(a_column_that_gives_the_target_away_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
