/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor_case.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "errors_case.h"
#include "monitor/label_errors.h"

static const tm_errors_ask ask = {"tiny", 1, INT64_MIN};

static void errors_are_read_in_the_order_in_which_labels_came(void **state) {
    static const tm_given given[] = {
        {1, 1, NO_TIME, "a", "{}", 0.9, "yes"},  {1, 1, NO_TIME, "b", "{}", 0.2, NULL},
        {2, 1, NO_TIME, "c", "{}", 0.4, "yes"},  {1, 1, NO_TIME, "d", "{}", 0.25, "no"},
        {1, 1, NO_TIME, "e", "{}", 0.5, "what"},
    };
    errors_case c = {.monitor = open_monitor(*state)};
    tm_bundle *const bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    tm_label_errors rows = {0};
    tm__clock_fix(MINUTE);
    log_answers(c.monitor, given, 5, 0);
    assert_int_equal(tm__errors_read(c.monitor, bundle, &ask, &rows, NULL), TM_OK);
    assert_int_equal(rows.n, 3);
    assert_true(fabs(rows.rows[0].error - 0.01) < 1e-12);
    assert_true(fabs(rows.rows[1].error - 0.0625) < 1e-12);
    assert_true(rows.rows[2].error == 1); /* a class that training never saw */
    assert_true(rows.rows[0].joined_us < rows.rows[1].joined_us);
    const tm_errors_ask later = {"tiny", 1, rows.rows[0].joined_us};
    tm__mem_free(rows.rows);
    rows = (tm_label_errors){0};
    assert_int_equal(tm__errors_read(c.monitor, bundle, &later, &rows, NULL), TM_OK);
    assert_int_equal(rows.n, 2);
    tm__mem_free(rows.rows);
    tm__bundle_unref(bundle);
    tm__monitor_close(c.monitor);
}

static void the_report_says_when_the_error_changed_and_by_how_much(void **state) {
    errors_case c = errors_open(*state);
    tm_bundle *const bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    json_t *report = NULL;
    assert_int_equal(tm__errors_report(c.monitor, bundle, &ask, 0, &report, NULL), TM_OK);
    assert_int_equal(tm__json_i64(report, "labels", -1), 0);
    assert_true(json_is_null(json_object_get(report, "mean")));
    json_decref(report);
    for (int minute = 0; minute < 60; minute++) {
        errors_minute(&c, minute, minute < 30 ? 10 : 60);
    }
    assert_int_equal(tm__errors_report(c.monitor, bundle, &ask, 0, &report, NULL), TM_OK);
    const json_t *const changes = json_object_get(report, "changes");
    assert_string_equal(tm__json_text(report, "error", ""), "brier");
    assert_int_equal(tm__json_i64(report, "labels", 0), 60 * LABELS);
    assert_int_equal(json_array_size(changes), 1);
    const json_t *const change = json_array_get(changes, 0);
    assert_true(tm__json_bool(change, "rose", false));
    assert_true(fabs(tm__json_f64(change, "was", 0) - 0.09) < 0.03);
    assert_true(fabs(tm__json_f64(change, "is", 0) - 0.49) < 0.15);
    assert_true(strncmp(tm__json_text(change, "since", ""), "1970-01-01T00:2", 15) >= 0);
    assert_true(strncmp(tm__json_text(change, "told", ""), "1970-01-01T00:3", 15) == 0);
    assert_true(fabs(tm__json_f64(report, "mean", 0) - 0.49) < 0.05);
    json_decref(report);
    tm__bundle_unref(bundle);
    tm__monitor_close(c.monitor);
}

static void numbers_have_errors_in_their_unit(void **state) {
    tm_bundle *const bundle =
        tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7, .task = "regression"});
    const double scale = tm__errors_scale(bundle);
    assert_true(isnan(scale) || scale > 0); /* known by the test's RMSE or the reference */
    assert_string_equal(tm__errors_name(bundle), "absolute");
    tm__bundle_unref(bundle);
}

/* Clocks that jump: a minute is what has one stamp's minute, and nothing waits. */
static void a_jump_of_the_clock_ends_a_minute(void **state) {
    static const int64_t minutes[] = {5, 5, 700000, 700001, 700001};
    tm_errors errors = {.budget_us = INT64_C(2592000000000)};
    (void)state;
    for (size_t i = 0; i < sizeof(minutes) / sizeof(minutes[0]); i++) {
        for (int64_t k = 0; k < 40; k++) {
            const tm_label_error row = {minutes[i] * MINUTE + k, k % 2 == 0 ? 0.0 : NAN};
            tm__errors_add(&errors, &row);
        }
    }
    assert_int_equal(errors.looked_us, 700000 * MINUTE);
    tm__errors_end_minute(&errors);
    tm__errors_end_minute(&errors);
    assert_int_equal(errors.looked_us, 700001 * MINUTE);
    assert_int_equal(errors.adwin.n, 100);
    assert_int_equal(errors.n_changes, 0);
    const tm_label_error one = {700005 * MINUTE, 0}; /* too few for a look: they wait for others */
    tm__errors_add(&errors, &one);
    tm__errors_end_minute(&errors);
    assert_int_equal(errors.looked_us, 700001 * MINUTE);
}

#define HOME(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        HOME(errors_are_read_in_the_order_in_which_labels_came),
        HOME(the_report_says_when_the_error_changed_and_by_how_much),
        HOME(numbers_have_errors_in_their_unit),
        HOME(a_jump_of_the_clock_ends_a_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
