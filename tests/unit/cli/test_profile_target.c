/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/profile_target.h"

#include <math.h>
#include <string.h>

#include "test.h"

/* x of 0 .. 999; land by thirds; y is yes from x = 500 on. */
static tm_table *make_table(void) {
    tm_table_builder *const b = tm__builder_create();
    tm_table *table = NULL;
    assert_int_equal(tm__builder_add_column(b, "x", TM_TYPE_INT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "minus", TM_TYPE_FLOAT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "land", TM_TYPE_TEXT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "y", TM_TYPE_TEXT, NULL), TM_OK);
    for (int64_t row = 0; row < 1000; row++) {
        const tm_str lands[] = {TM_STR("NL"), TM_STR("BE"), TM_STR("DE")};
        const tm_cell cells[] = {
            {.type = TM_TYPE_INT, .i64 = row},
            {.type = TM_TYPE_FLOAT, .f64 = -(double)row / 2},
            {.type = TM_TYPE_TEXT, .text = lands[row * 3 / 1000]},
            {.type = TM_TYPE_TEXT, .text = row >= 500 ? TM_STR("yes") : TM_STR("no")}};
        assert_int_equal(tm__builder_add_row(b, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(b, &table, NULL), TM_OK);
    return table;
}

static void numbers_are_correlated(void **state) {
    (void)state;
    tm_table *const table = make_table();
    json_t *const c = tm__profile_correlations(table);
    assert_int_equal(json_array_size(json_object_get(c, "columns")), 2);
    const json_t *const row = json_array_get(json_object_get(c, "values"), 0);
    assert_true(fabs(json_number_value(json_array_get(row, 1)) + 1) < 1e-12);
    json_decref(c);
    tm__table_unref(table);
}

static void a_target_is_followed_along_each_column(void **state) {
    (void)state;
    tm_table *const table = make_table();
    json_t *const columns =
        json_pack("[{s:s, s:b}, {s:s, s:b}, {s:s, s:b}]", "name", "x", "identifier", 0, "name",
                  "minus", "identifier", 0, "name", "land", "identifier", 1);
    json_t *const t = tm__profile_target(table, 3, columns, false);
    assert_string_equal(tm__json_text(t, "positive", ""), "yes");
    assert_true(tm__json_f64(t, "mean", 0) == 0.5);
    const json_t *const list = json_object_get(t, "columns");
    assert_int_equal(json_array_size(list), 3);
    for (size_t i = 0; i < 3; i++) {
        const json_t *const entry = json_array_get(list, i);
        const json_t *const by = json_object_get(entry, "by");
        if (strcmp(tm__json_text(entry, "column", ""), "land") == 0) {
            assert_null(by); /* its values are not shown */
        } else if (strcmp(tm__json_text(entry, "column", ""), "x") == 0) {
            assert_int_equal(json_array_size(by), 10);
            assert_string_equal(tm__json_text(json_array_get(by, 0), "label", ""), "0 to 99");
            assert_true(tm__json_f64(json_array_get(by, 4), "value", -1) == 0);
            assert_true(tm__json_f64(json_array_get(by, 5), "value", -1) == 1);
            assert_int_equal(tm__json_i64(json_array_get(by, 9), "rows", 0), 100);
        }
    }
    json_decref(t);
    json_t *const open = tm__profile_target(table, 3, columns, true);
    for (size_t i = 0; i < 3; i++) {
        assert_non_null(json_object_get(json_array_get(json_object_get(open, "columns"), i), "by"));
    }
    json_decref(open);
    json_decref(columns);
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_correlated),
        cmocka_unit_test(a_target_is_followed_along_each_column),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
