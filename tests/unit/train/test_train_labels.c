/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "support.h"
#include "test.h"
#include "train/train_priv.h"

#define DAY INT64_C(86400000000)

/* Rows at days, some without a time or a label. */
static tm_table *make_rows(const int *days, const int *labels, int n) {
    tm_table_builder *const b = tm__builder_create();
    tm_table *table = NULL;
    assert_int_equal(tm__builder_add_column(b, "at", TM_TYPE_TIME, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "y", TM_TYPE_INT, NULL), TM_OK);
    for (int i = 0; i < n; i++) {
        const tm_cell cells[] = {
            {.type = days[i] == 9999 ? TM_TYPE_NONE : TM_TYPE_TIME, .i64 = days[i] * DAY},
            {.type = labels[i] < 0 ? TM_TYPE_NONE : TM_TYPE_INT, .i64 = labels[i]}};
        assert_int_equal(tm__builder_add_row(b, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(b, &table, NULL), TM_OK);
    return table;
}

static void rows_are_counted_by_period(void **state) {
    (void)state;
    static const int days[] = {-3, -2, 0, 0, 5, 9999, 30}, labels[] = {1, 0, 1, -1, 1, 1, -1};
    const tm_label_rows_options options = {.target = "y", .time = "at", .now_us = 40 * DAY};
    tm_table *table = make_rows(days, labels, 7);
    json_t *out = NULL;
    assert_int_equal(tm__train_label_rows(table, &options, &out, NULL), TM_OK);
    const json_t *time = json_object_get(out, "time");
    const json_t *periods = json_object_get(time, "periods");
    assert_int_equal(tm__json_i64(out, "rows", 0), 7);
    assert_int_equal(tm__json_i64(out, "labelled", 0), 5);
    assert_int_equal(tm__json_i64(time, "missing", 0), 1);
    assert_true(tm__json_f64(time, "newest_label_age_seconds", 0) == 35 * 86400.0);
    assert_true(tm__json_f64(time, "oldest_label_age_seconds", 0) == 43 * 86400.0);
    assert_true(tm__json_f64(periods, "width_seconds", 0) == 7 * 86400.0);
    const json_t *list = json_object_get(periods, "list");
    static const int rows[] = {2, 3, 1}, labelled[] = {2, 2, 0};
    assert_int_equal(json_array_size(list), 3);
    for (size_t i = 0; i < 3; i++) {
        const json_t *entry = json_array_get(list, i);
        assert_int_equal(tm__json_i64(entry, "rows", 0), rows[i]);
        assert_int_equal(tm__json_i64(entry, "labelled", 0), labelled[i]);
    }
    assert_string_equal(tm__json_text(json_array_get(list, 0), "from", ""), "1969-12-25T00:00:00Z");
    json_decref(out);
    tm__table_unref(table);
}

static void times_at_the_ends_of_the_range_are_taken(void **state) {
    (void)state;
    static const int days[] = {-100000000, 100000000}, labels[] = {1, 1};
    const tm_label_rows_options options = {.target = "y", .time = "at", .now_us = 0};
    tm_table *table = make_rows(days, labels, 2);
    json_t *out = NULL;
    assert_int_equal(tm__train_label_rows(table, &options, &out, NULL), TM_OK);
    assert_int_equal(json_array_size(json_object_get(
                         json_object_get(json_object_get(out, "time"), "periods"), "list")),
                     2);
    json_decref(out);
    tm__table_unref(table);
}

static void without_a_time_there_are_no_ages(void **state) {
    (void)state;
    static const int days[] = {1, 9999}, labels[] = {1, -1};
    tm_label_rows_options options = {.target = "y"};
    tm_table *table = make_rows(days, labels, 2);
    json_t *out = NULL;
    assert_int_equal(tm__train_label_rows(table, &options, &out, NULL), TM_OK);
    assert_true(json_is_null(json_object_get(out, "time")));
    json_decref(out);
    tm_err err = {0};
    options.time = "y";
    assert_int_equal(tm__train_label_rows(table, &options, &out, &err), TM_E_USAGE);
    options.time = "att";
    assert_int_equal(tm__train_label_rows(table, &options, &out, &err), TM_E_USAGE);
    assert_non_null(strstr(err.hint, "'at'"));
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_counted_by_period),
        cmocka_unit_test(times_at_the_ends_of_the_range_are_taken),
        cmocka_unit_test(without_a_time_there_are_no_ages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
