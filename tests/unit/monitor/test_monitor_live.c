/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor_case.h"

#include <string.h>

#include "base/clock.h"
#include "monitor/monitor_live.h"

#define HOUR INT64_C(3600000000)

static json_t *report_of(tm_monitor *monitor, const tm_bundle *bundle, tm_live_options options) {
    json_t *report = NULL;
    tm_err err = {0};
    options.model = "tiny";
    if (tm__monitor_live_report(monitor, bundle, &options, &report, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return report;
}

static const tm_live_options all = {.from_us = INT64_MIN, .until_us = INT64_MAX, .window_us = HOUR};

static const json_t *at(const json_t *report, const char *part, const char *list, size_t i) {
    return json_array_get(json_object_get(json_object_get(report, part), list), i);
}

static double score(const json_t *entry, const char *name, const char *member) {
    const json_t *scores = json_object_get(entry, "scores");
    for (size_t i = 0; i < json_array_size(scores); i++) {
        const json_t *one = json_array_get(scores, i);
        if (strcmp(tm__json_text(one, "score", ""), name) == 0) {
            return tm__json_f64(one, member, -1);
        }
    }
    return -2;
}

static const tm_given given[] = {
    {1, 1 * HOUR, 90 * HOUR, "a", "{}", 0.9, "yes"},
    {1, 1 * HOUR + 1, 90 * HOUR, "b", "{}", 0.2, NULL},
    {2, 3 * HOUR, 91 * HOUR, "c", "{}", 0.4, "yes"},
    {1, 3 * HOUR, 92 * HOUR, "d", "{}", 0.1, "no"},
};

static void a_label_of_no_class_is_counted(void **state) {
    static const tm_given odd[] = {{1, HOUR, HOUR, "a", "{}", 0.9, "maybe"},
                                   {1, HOUR, HOUR, "b", "{}", 0.9, "true"}};
    tm_monitor *monitor = open_monitor(*state);
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    tm__clock_fix(5 * HOUR);
    log_answers(monitor, odd, 2, 0);
    json_t *report = report_of(monitor, bundle, all);
    const json_t *coverage = json_object_get(report, "coverage");
    assert_int_equal(tm__json_i64(coverage, "labelled", -1), 2);
    assert_int_equal(tm__json_i64(coverage, "other_class", -1), 1);
    json_decref(report);
    tm__bundle_unref(bundle);
    tm__monitor_close(monitor);
}

static void windows_follow_one_another_with_what_is_open(void **state) {
    tm_monitor *monitor = open_monitor(*state);
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    tm__clock_fix(5 * HOUR);
    log_answers(monitor, given, 4, 0);
    json_t *report = report_of(monitor, bundle, all);
    const json_t *live = json_object_get(report, "live");
    assert_int_equal(json_array_size(json_object_get(live, "windows")), 3);
    const json_t *first = at(report, "live", "windows", 0);
    assert_int_equal(tm__json_i64(first, "answers", -1), 2);
    assert_int_equal(tm__json_i64(first, "labelled", -1), 1);
    assert_true(tm__json_f64(first, "coverage", 0) == 0.5);
    assert_string_equal(tm__json_text(first, "from", ""), "1970-01-01T01:00:00Z");
    assert_string_equal(tm__json_text(first, "until", ""), "1970-01-01T02:00:00Z");
    assert_true(score(first, "accuracy", "value") == 1);
    assert_true(score(first, "accuracy", "worst") == 0.5 && score(first, "accuracy", "best") == 1);
    const json_t *empty = at(report, "live", "windows", 1);
    assert_int_equal(tm__json_i64(empty, "answers", -1), 0);
    assert_true(json_is_null(json_object_get(empty, "coverage")));
    assert_int_equal(json_array_size(json_object_get(empty, "scores")), 0);
    assert_true(score(live, "accuracy", "value") > 0.66 && score(live, "accuracy", "value") < 0.67);
    assert_true(score(live, "accuracy", "worst") == 0.5 && score(live, "accuracy", "best") == 0.75);
    const json_t *coverage = json_object_get(report, "coverage");
    assert_int_equal(tm__json_i64(coverage, "answers", -1), 4);
    assert_true(tm__json_f64(coverage, "share", 0) == 0.75);
    json_decref(report);
    tm__bundle_unref(bundle);
    tm__monitor_close(monitor);
}

static void a_label_is_in_the_window_in_which_it_came(void **state) {
    tm_monitor *monitor = open_monitor(*state);
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    tm__clock_fix(50 * HOUR + HOUR / 2);
    log_answers(monitor, given, 4, 0);
    tm_live_options late = all; /* the answers are older than the time asked for */
    late.from_us = 40 * HOUR;
    json_t *report = report_of(monitor, bundle, late);
    assert_int_equal(tm__json_i64(json_object_get(report, "coverage"), "answers", -1), 0);
    const json_t *arrival = at(report, "live", "arrivals", 0);
    assert_int_equal(tm__json_i64(arrival, "labels", -1), 3);
    assert_string_equal(tm__json_text(arrival, "from", ""), "1970-01-03T02:00:00Z");
    assert_true(score(arrival, "accuracy", "value") > 0.66);
    assert_true(score(arrival, "accuracy", "worst") == -1); /* null: nothing is open */
    json_decref(report);
    tm__bundle_unref(bundle);
    tm__monitor_close(monitor);
}

static void rows_have_their_own_times_and_versions_are_apart(void **state) {
    tm_monitor *monitor = open_monitor(*state);
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    tm__clock_fix(5 * HOUR);
    log_answers(monitor, given, 4, 0);
    tm_live_options own = all;
    own.is_by_row = true;
    own.version = 1;
    json_t *report = report_of(monitor, bundle, own);
    assert_string_equal(tm__json_text(report, "clock", ""), "row");
    assert_int_equal(tm__json_i64(json_object_get(report, "coverage"), "answers", -1), 3);
    assert_string_equal(tm__json_text(at(report, "live", "windows", 0), "from", ""),
                        "1970-01-04T18:00:00Z");
    assert_int_equal(tm__json_i64(at(report, "live", "windows", 1), "answers", -1), 0);
    json_decref(report);
    tm__bundle_unref(bundle);
    tm__monitor_close(monitor);
}

static void what_is_expected_stands_beside_what_came(void **state) {
    tm_monitor *monitor = open_monitor(*state);
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    tm__clock_fix(5 * HOUR);
    log_answers(monitor, given, 4, 0);
    json_t *report = report_of(monitor, bundle, all);
    const json_t *estimated = json_object_get(report, "estimated");
    assert_string_equal(tm__json_text(estimated, "method", ""), "cbpe");
    assert_int_equal(json_array_size(json_object_get(estimated, "assumes")), 3);
    assert_true(score(estimated, "accuracy", "value") > 0.7999);
    assert_true(score(estimated, "accuracy", "value") < 0.8001); /* .9 + .8 + .6 + .9 of four */
    assert_true(score(estimated, "accuracy", "realised") > 0.66);
    assert_true(score(estimated, "brier", "of_labelled") > 0);
    assert_int_equal(json_array_size(json_object_get(estimated, "windows")), 3);
    json_decref(report);
    tm__bundle_unref(bundle);
    tm__monitor_close(monitor);
}

static void an_empty_log_and_too_many_windows_are_told(void **state) {
    tm_monitor *monitor = open_monitor(*state);
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    tm_live_options options = all;
    json_t *report = report_of(monitor, bundle, all);
    assert_int_equal(json_array_size(json_object_get(json_object_get(report, "live"), "windows")),
                     0);
    assert_true(json_is_null(json_object_get(json_object_get(report, "coverage"), "share")));
    json_decref(report);
    log_answers(monitor, given, 4, 0);
    options.model = "tiny";
    options.window_us = 1000000;
    assert_int_equal(tm__monitor_live_report(monitor, bundle, &options, &report, NULL), TM_E_USAGE);
    tm__bundle_unref(bundle);
    tm__monitor_close(monitor);
}

static int end(void **state) {
    tm__clock_fix(INT64_MIN);
    return tm__temp_home_close(state);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, end)

int main(void) {
    static const struct CMUnitTest tests[] = {
        TEST(a_label_of_no_class_is_counted),
        TEST(windows_follow_one_another_with_what_is_open),
        TEST(a_label_is_in_the_window_in_which_it_came),
        TEST(rows_have_their_own_times_and_versions_are_apart),
        TEST(what_is_expected_stands_beside_what_came),
        TEST(an_empty_log_and_too_many_windows_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
