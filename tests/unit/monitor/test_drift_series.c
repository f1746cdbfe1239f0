/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "drift_case.h"
#include "monitor/drift_series.h"
#include "monitor/drift_watch.h"
#include "temp_home.h"

static void minutes(tm_drift_watch *watch, drift_case *c, int64_t from, int64_t end, double moved) {
    for (int64_t i = from; i < end; i++) {
        const tm_drift_news news = {
            .bundle = c->bundle, .model = "mill", .version = 3, .counts = &c->counts};
        drift_case_rows(c, 50, moved);
        tm__drift_watch_step(watch, i * TM_MINUTE_US); /* of what was before */
        assert_int_equal(tm__drift_watch_add(watch, &news, i * TM_MINUTE_US + 5, NULL), TM_OK);
        tm__drift_watch_step(watch, i * TM_MINUTE_US + 10);
    }
}

static json_t *series_of(tm_home *home, const tm_bundle *bundle, const char *column) {
    const tm_drift_series_ask ask = {.model = "mill", .version = 3, .column = column};
    json_t *series = NULL;
    assert_int_equal(tm__drift_series(home, bundle, &ask, &series, NULL), TM_OK);
    return series;
}

static double sum_of(const json_t *points, const char *name, size_t from, size_t end) {
    double sum = 0;
    for (size_t i = from; i < end; i++) {
        sum += tm__json_f64(json_array_get(points, i), name, 0);
    }
    return sum;
}

static void evidence_rises_to_an_alarm_where_a_column_moves(void **state) {
    drift_case c;
    tm_teller teller = {.home = *state};
    drift_case_open(&c, 1);
    tm_drift_watch *const watch = tm__drift_watch_create(&teller);
    minutes(watch, &c, 0, 100, 0);
    minutes(watch, &c, 100, 160, 23);
    tm__drift_watch_free(watch);
    json_t *series = series_of(*state, c.bundle, "age");
    const json_t *points = json_object_get(series, "points");
    const size_t n = json_array_size(points);
    assert_string_equal(tm__json_text(series, "kind", ""), "numbers");
    assert_int_equal(tm__json_i64(series, "width_seconds", 0), 60);
    assert_true(n >= 159 && n <= 160); /* the last minute is not over */
    assert_true(sum_of(points, "rows", 0, n) == 50.0 * 160);
    assert_true(sum_of(points, "alarms", 0, 100) == 0);
    assert_true(sum_of(points, "alarms", 100, n) >= 1);
    assert_true(sum_of(points, "psi", 100, n) > 10 * sum_of(points, "psi", 0, 60));
    json_decref(series);
    series = series_of(*state, c.bundle, "city"); /* which did not move */
    assert_true(sum_of(json_object_get(series, "points"), "alarms", 0, n) == 0);
    json_decref(series);
    series = series_of(*state, c.bundle, NULL);
    assert_string_equal(tm__json_text(series, "kind", ""), "answers");
    json_decref(series);
    tm__teller_done(&teller);
    drift_case_close(&c);
}

static void many_windows_are_few_points_and_none_is_an_empty_list(void **state) {
    drift_case c;
    tm_teller teller = {.home = *state};
    drift_case_open(&c, 1);
    json_t *series = series_of(*state, c.bundle, "age");
    assert_int_equal(json_array_size(json_object_get(series, "points")), 0);
    json_decref(series);
    tm_drift_watch *const watch = tm__drift_watch_create(&teller);
    minutes(watch, &c, 0, 450, 0);
    tm__drift_watch_free(watch);
    series = series_of(*state, c.bundle, "age");
    assert_int_equal(tm__json_i64(series, "width_seconds", 0), 300);
    assert_int_equal(json_array_size(json_object_get(series, "points")), 90);
    json_decref(series);
    tm__teller_done(&teller);
    drift_case_close(&c);
}

static void a_column_that_is_not_there_is_not_found(void **state) {
    drift_case c;
    drift_case_open(&c, 1);
    const tm_drift_series_ask ask = {.model = "mill", .version = 3, .column = "nothing"};
    json_t *series = NULL;
    assert_int_equal(tm__drift_series(*state, c.bundle, &ask, &series, NULL), TM_E_NOT_FOUND);
    assert_null(series);
    drift_case_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(evidence_rises_to_an_alarm_where_a_column_moves,
                                        tm__temp_home_open, tm__temp_home_close),
        cmocka_unit_test_setup_teardown(many_windows_are_few_points_and_none_is_an_empty_list,
                                        tm__temp_home_open, tm__temp_home_close),
        cmocka_unit_test_setup_teardown(a_column_that_is_not_there_is_not_found, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
