/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>

#include "serve/pressure.h"
#include "temp_home.h"
#include "tiny_bundle.h"

#define GOOD "{\"x\":0.5,\"c\":\"a\",\"day\":\"2024-01-01\"}\n"

static tm_pressure_report press(const tm_home *home, const char *lines, double rate,
                                double seconds) {
    tm_bundle *bundle = tm__tiny_bundle_create(home, &(tm_tiny_bundle){.auc = 0.7});
    const tm_pressure_options options = {.lines = tm__str(lines), .rate = rate, .seconds = seconds};
    tm_pressure_report report = {0};
    assert_int_equal(tm__pressure_run(bundle, &options, &report, NULL), TM_OK);
    tm__bundle_unref(bundle);
    return report;
}

/* Same where all that is due is asked: a machine that stood still for a second is asked again. */
static tm_pressure_report press_all(const tm_home *home, const char *lines, double rate,
                                    double seconds) {
    tm_pressure_report r = press(home, lines, rate, seconds);
    for (int i = 0; i < 100 && r.n_answered + r.n_refused < r.n_due; i++) {
        r = press(home, lines, rate, seconds);
    }
    return r;
}

static void what_is_due_is_answered_when_it_is_due(void **state) {
    const tm_pressure_report r =
        press_all(*state, GOOD "{\"x\":null,\"c\":null,\"day\":null}\n", 500, 0.1);
    assert_int_equal(r.n_due, 50);
    assert_int_equal(r.n_answered, 50);
    assert_int_equal(r.n_refused, 0);
    assert_true(r.seconds > 0.09); /* not as fast as it can */
    assert_true(r.p50_us > 0 && r.p50_us <= r.p99_us && r.p99_us <= r.max_us);
}

static void what_is_refused_is_counted_apart(void **state) {
    const tm_pressure_report r = press_all(*state, GOOD "{\"x\":\"far\"}\n", 1000, 0.02);
    assert_int_equal(r.n_answered, 10);
    assert_int_equal(r.n_refused, 10);
    const tm_pressure_report none = press(*state, "{\"x\":\"far\"}\n", 1000, 0.01);
    assert_true(none.n_answered == 0 && isnan(none.p99_us));
}

/* More than one thread can do: it gives up, and says how far it came. */
static void a_rate_that_is_too_high_is_not_kept_up_with(void **state) {
    const tm_pressure_report r = press(*state, GOOD, 50000000, 0.05);
    assert_true(r.n_answered < r.n_due);
    assert_true(r.max_us > 100000); /* from when it was due */
}

static void without_a_row_nothing_is_asked(void **state) {
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    const tm_pressure_options options = {.rate = 10, .seconds = 0.1};
    tm_pressure_report report = {0};
    assert_int_equal(tm__pressure_run(bundle, &options, &report, NULL), TM_E_USAGE);
    tm__bundle_unref(bundle);
}

#define IN_HOME(test) cmocka_unit_test_setup_teardown(test, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_HOME(what_is_due_is_answered_when_it_is_due),
        IN_HOME(what_is_refused_is_counted_apart),
        IN_HOME(a_rate_that_is_too_high_is_not_kept_up_with),
        IN_HOME(without_a_row_nothing_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
