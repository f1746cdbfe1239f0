/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/clock.h"
#include "base/ctx.h"
#include "base/json.h"
#include "monitor/monitor.h"
#include "serve/expiry.h"
#include "temp_home.h"

#define DAY_US INT64_C(86400000000)
#define MINUTES_NS(n) ((uint64_t)(n)*UINT64_C(60000000000) + 1)
#define MINUTES_US(n) ((int64_t)(n)*INT64_C(60000000))

static int64_t count(const tm_home *home, const char *result) {
    tm_monitor *monitor = NULL;
    assert_int_equal(tm__monitor_open(home, &(tm_monitor_options){0}, &monitor, NULL), TM_OK);
    json_t *counters = tm__monitor_counters(monitor);
    const int64_t n = tm__json_i64(json_object_get(counters, "labels"), result, -1);
    json_decref(counters);
    tm__monitor_close(monitor);
    return n;
}

/* Now is when the label is received, by the real clock. */
static void store(const tm_home *home) {
    const tm_label label = {
        .prediction_id = "nobody", .value = "yes", .observed_us = TM_INT_MISSING};
    tm_label_result got;
    assert_int_equal(tm__monitor_labels_beside(home, &(tm_ctx){0}, &label, 1, &got, NULL, NULL),
                     TM_OK);
    assert_int_equal(got, TM_LABEL_WAITING);
}

static void a_label_waits_as_long_as_declared_and_is_counted(void **state) {
    const int64_t start_us = tm__now_us();
    tm_expiry e = {.home = *state, .wait_us = 2 * DAY_US};
    tm__expiry_step(&e, (tm_expiry_now){MINUTES_NS(0), start_us}); /* no log: nothing to do */
    tm__expiry_step(&e, (tm_expiry_now){MINUTES_NS(10), start_us + MINUTES_US(10)});
    store(*state);
    for (int hour = 1; hour <= 47; hour++) {
        tm__expiry_step(&e,
                        (tm_expiry_now){MINUTES_NS(60 * hour), start_us + MINUTES_US(60 * hour)});
    }
    assert_int_equal(count(*state, "waiting"), 1);
    for (int hour = 48; hour <= 50; hour++) {
        tm__expiry_step(&e,
                        (tm_expiry_now){MINUTES_NS(60 * hour), start_us + MINUTES_US(60 * hour)});
    }
    assert_int_equal(count(*state, "waiting"), 0);
    assert_int_equal(count(*state, "expired"), 1);
    store(*state); /* it is new again */
    assert_int_equal(count(*state, "waiting"), 1);
}

static void a_clock_that_jumps_removes_nothing(void **state) {
    const int64_t start_us = tm__now_us();
    tm_expiry e = {.home = *state};
    store(*state);
    tm__expiry_step(&e, (tm_expiry_now){MINUTES_NS(0), start_us});
    tm__expiry_step(&e, (tm_expiry_now){MINUTES_NS(10), start_us + 400 * DAY_US});
    assert_int_equal(count(*state, "waiting"), 1);
    tm__expiry_step(&e, (tm_expiry_now){MINUTES_NS(20), start_us + MINUTES_US(20)}); /* back */
    tm__expiry_step(&e, (tm_expiry_now){MINUTES_NS(30), start_us + MINUTES_US(30)});
    assert_int_equal(count(*state, "waiting"), 1);
    /* Between two looks nothing is done, whatever the time. */
    tm__expiry_step(&e, (tm_expiry_now){MINUTES_NS(31), start_us + 400 * DAY_US});
    assert_int_equal(count(*state, "waiting"), 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_label_waits_as_long_as_declared_and_is_counted),
        TEST(a_clock_that_jumps_removes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
