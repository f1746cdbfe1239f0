/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "source/rows_from.h"
#include "temp_home.h"

static void a_text_is_a_query_a_source_or_a_path(void **state) {
    const char *const dir = tm__home_path(*state);
    static const struct {
        const char *text, *key;
    } cases[] = {
        {"SELECT 1", "sql"},      {" with a as (select 1) from a", "sql"},
        {"payments", "source"},   {"selected", "source"},
        {"payments.csv", "path"}, {"a/b", "path"},
        {"payments-*", "path"},   {"snapshots", "path"}, /* a folder of that name */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *from = tm__rows_from_text(cases[i].text, dir);
        assert_string_equal(json_string_value(json_object_get(from, cases[i].key)), cases[i].text);
        json_decref(from);
    }
}

static void rows_come_from_where_it_says(void **state) {
    const tm_home *const home = *state;
    char path[512];
    tm_ctx ctx = {0};
    tm_table *table = NULL;
    tm_err err = {0};
    (void)snprintf(path, sizeof(path), "%s/p.csv", tm__home_path(home));
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(fputs("a,b\n1,x\n2,y\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    json_t *from = json_pack("{s:s}", "path", "p.csv");
    assert_int_equal(tm__rows_from_read(&ctx, home,
                                        &(tm_rows_ask){.from = from, .dir = tm__home_path(home)},
                                        &table, NULL),
                     TM_OK);
    assert_int_equal(tm__table_rows(table), 2);
    tm__table_unref(table);
    json_decref(from);
    from = json_pack("{s:s}", "source", "nobody");
    assert_int_equal(tm__rows_from_read(&ctx, home, &(tm_rows_ask){.from = from}, &table, &err),
                     TM_E_NOT_FOUND);
    json_decref(from);
    from = json_object();
    assert_int_equal(tm__rows_from_read(&ctx, home, &(tm_rows_ask){.from = from}, &table, &err),
                     TM_E_USAGE);
    json_decref(from);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_text_is_a_query_a_source_or_a_path, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(rows_come_from_where_it_says, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
