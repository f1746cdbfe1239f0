/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "train/train_priv.h"
#include "train_case.h"

static void a_window_reads_back_as_it_was_written(void **state) {
    static const tm_row_window windows[] = {{.kind = TM_ROWS_ALL},
                                            {.kind = TM_ROWS_SLIDING, .rows = 5000},
                                            {.kind = TM_ROWS_WEIGHTED, .rows = 70},
                                            {.kind = TM_ROWS_CUT, .rows = 10}};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        tm_row_window read;
        json_t *const json = tm__row_window_json(&windows[i]);
        assert_int_equal(tm__row_window_from_json(json, &read, NULL), TM_OK);
        assert_int_equal(read.kind, windows[i].kind);
        assert_int_equal(read.rows, windows[i].rows);
        json_decref(json);
    }
    tm_row_window none;
    assert_int_equal(tm__row_window_from_json(NULL, &none, NULL), TM_OK);
    assert_int_equal(none.kind, TM_ROWS_UNSAID);
}

static void a_record_of_no_window_is_refused(void **state) {
    static const char *const bad[] = {
        "{}", "{\"kind\": \"sideways\", \"rows\": 5}", "{\"kind\": \"sliding\"}",
        "{\"kind\": \"cut\", \"rows\": -1}", "{\"kind\": \"all\", \"rows\": 5}"};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        json_t *const json = json_loads(bad[i], 0, NULL);
        tm_row_window read;
        assert_int_equal(tm__row_window_from_json(json, &read, NULL), TM_E_DATA);
        json_decref(json);
    }
}

static void a_row_counts_half_for_each_half_life(void **state) {
    (void)state;
    assert_true(tm__age_weight(0, 100) == 1.0);
    assert_true(fabs(tm__age_weight(100, 100) - 0.5) < 1e-12);
    assert_true(fabs(tm__age_weight(300, 100) - 0.125) < 1e-12);
    assert_true(tm__age_weight(1e9, 1) > 0);
}

/* Rows of a table that is not in order of its time column. */
static void age_is_time_where_all_rows_have_one(void **state) {
    const train_case shuffled = {.is_shuffled = true};
    tm_table *const table = train_case_table(&shuffled, 60);
    const int64_t *const at = tm__table_column(table, tm__table_find(table, "at"))->ints;
    uint32_t rows[60];
    (void)state;
    for (uint32_t i = 0; i < 60; i++) {
        rows[i] = 59 - i;
    }
    assert_int_equal(tm__rows_by_age(table, "at", rows, 60, NULL), TM_OK);
    for (uint32_t i = 1; i < 60; i++) {
        assert_true(at[rows[i - 1]] <= at[rows[i]]);
    }
    assert_int_equal(tm__rows_by_age(table, NULL, rows, 60, NULL), TM_OK);
    for (uint32_t i = 0; i < 60; i++) {
        assert_int_equal(rows[i], i);
    }
    tm__table_unref(table);
}

static tm_train_data data_of(tm_table *table, const tm_row_window *window) {
    tm_train_options options = {.target = "label", .time = "at", .window = *window};
    tm_train_data data;
    tm_err err = {0};
    if (tm__train_data_init(&data, table, NULL, &options, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return data;
}

static void the_newest_rows_are_those_of_the_latest_times(void **state) {
    const train_case shuffled = {.is_shuffled = true, .missing_every = 7};
    tm_table *const table = train_case_table(&shuffled, 200);
    const int64_t *const at = tm__table_column(table, tm__table_find(table, "at"))->ints;
    tm_train_data all = data_of(table, &(tm_row_window){.kind = TM_ROWS_ALL});
    tm_train_data newest = data_of(table, &(tm_row_window){.kind = TM_ROWS_SLIDING, .rows = 50});
    (void)state;
    assert_int_equal(newest.n_train, 50);
    assert_int_equal(newest.n_test, all.n_test);
    int64_t oldest = INT64_MAX;
    for (uint64_t i = 0; i < 50; i++) {
        oldest = at[newest.train[i]] < oldest ? at[newest.train[i]] : oldest;
    }
    uint64_t n_newer = 0;
    for (uint64_t i = 0; i < all.n_train; i++) {
        n_newer += at[all.train[i]] >= oldest ? 1 : 0;
    }
    assert_int_equal(n_newer, 50);
    tm__train_data_done(&newest);
    tm__train_data_done(&all);
    tm__table_unref(table);
}

static void weights_fall_with_age_and_test_rows_keep_theirs(void **state) {
    const train_case ordered = {0};
    tm_table *const table = train_case_table(&ordered, 100);
    tm_train_data data = data_of(table, &(tm_row_window){.kind = TM_ROWS_WEIGHTED, .rows = 10});
    (void)state;
    for (uint64_t i = 0; i < data.n_train; i++) {
        assert_true(data.weights[data.train[i]] ==
                    tm__age_weight((double)(data.n_train - 1 - i), 10));
    }
    for (uint64_t i = 0; i < data.n_test; i++) {
        assert_true(data.weights[data.test[i]] == 1.0);
    }
    tm__train_data_done(&data);
    tm__table_unref(table);
}

static void what_cannot_be_learned_from_is_an_error(void **state) {
    const train_case ordered = {0};
    tm_table *const table = train_case_table(&ordered, 100);
    tm_train_options options = {.target = "label", .window = {.kind = TM_ROWS_SLIDING, .rows = 9}};
    tm_train_data data;
    tm_err err = {0};
    (void)state;
    assert_int_equal(tm__train_data_init(&data, table, NULL, &options, &err), TM_E_DATA);
    assert_string_equal(err.message, "a window of 9 rows is too small to learn from");
    tm__table_unref(table);
}

static void a_window_is_in_the_record_when_it_was_said(void **state) {
    tm_train_options options = {.target = "label"};
    tm_train_result results[2];
    const train_case ordered = {0};
    tm_table *const table = train_case_table(&ordered, 300);
    tm_ctx ctx = {0};
    static const char *const params[] = {"linear.max_iter=5"};
    (void)state;
    options.learners = "linear";
    options.params = params;
    options.n_params = 1;
    for (uint32_t i = 0; i < 2; i++) {
        options.window = (tm_row_window){.kind = i == 0 ? TM_ROWS_UNSAID : TM_ROWS_SLIDING,
                                         .rows = i == 0 ? 0 : 100};
        assert_int_equal(tm__train_run(&ctx, table, NULL, &options, &results[i], NULL), TM_OK);
    }
    assert_null(json_object_get(results[0].report, "window"));
    assert_int_equal(tm__json_i64(json_object_get(results[1].report, "window"), "rows", 0), 100);
    assert_int_equal(tm__json_i64(results[1].report, "rows", 0), 100);
    for (uint32_t i = 0; i < 2; i++) {
        tm__train_result_done(&results[i]);
    }
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_reads_back_as_it_was_written),
        cmocka_unit_test(a_record_of_no_window_is_refused),
        cmocka_unit_test(a_row_counts_half_for_each_half_life),
        cmocka_unit_test(age_is_time_where_all_rows_have_one),
        cmocka_unit_test(the_newest_rows_are_those_of_the_latest_times),
        cmocka_unit_test(weights_fall_with_age_and_test_rows_keep_theirs),
        cmocka_unit_test(what_cannot_be_learned_from_is_an_error),
        cmocka_unit_test(a_window_is_in_the_record_when_it_was_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
