/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>

#include "monitor/alert_teller.h"
#include "temp_home.h"

static tm_status settings(void *arg, const char *model, json_t **out, tm_err *err) {
    (void)arg;
    (void)model;
    *out = json_pack("{s:I, s:[{s:s}, {s:s}, {}]}", "false_alarm_us", (json_int_t)777, "receivers",
                     "name", "ops", "name", "am");
    return tm__json_check(err);
}

static void say(void *arg, const tm_alert_raise *raise, const char *text) {
    uint32_t *const n = arg;
    assert_non_null(text);
    *n += raise != NULL ? raise->n_receivers : 100;
}

static void an_alert_goes_to_the_receivers_of_its_model_once(void **state) {
    uint32_t n = 0;
    tm_teller teller = {.home = *state, .settings = settings, .say = say, .arg = &n};
    const tm_alert_raise raise = {.model = "m",
                                  .version = 1,
                                  .kind = "traffic",
                                  .subject = "volume",
                                  .at_us = 5,
                                  .summary = "s"};
    assert_int_equal(tm__teller_budget_us(&teller, "m"), 777);
    assert_int_equal(tm__teller_raise(&teller, &raise, NULL), TM_OK);
    assert_int_equal(tm__teller_raise(&teller, &raise, NULL), TM_OK);
    assert_int_equal(n, 2); /* two receivers, told once */
    tm__teller_problem(&teller, "why");
    assert_int_equal(n, 102);
    int64_t last_us = 0;
    assert_int_equal(tm__alert_last(teller.store, &raise, &last_us, NULL), TM_OK);
    assert_int_equal(last_us, 5);
    const tm_alert_raise other = {.model = "m", .kind = "traffic", .subject = "latency"};
    assert_int_equal(tm__alert_last(teller.store, &other, &last_us, NULL), TM_OK);
    assert_true(last_us == INT64_MIN);
    tm__teller_done(&teller);
    tm__teller_done(&teller);
}

static void a_window_has_its_own_time_or_what_passed_and_a_day_at_most(void **state) {
    static const struct {
        int64_t before, at, want;
    } cases[] = {{INT64_MIN, 500, 60},
                 {100, 500, 400},
                 {100, 120, 60},
                 {500, 100, 60},
                 {0, 5 * TM_DAY_US, TM_DAY_US},
                 {-INT64_MAX, INT64_MAX, TM_DAY_US}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const double share = tm__budget_share(1000, cases[i].before, cases[i].at, 60);
        assert_true(fabs(share - (double)cases[i].want / 1000) < 1e-9);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_alert_goes_to_the_receivers_of_its_model_once,
                                        tm__temp_home_open, tm__temp_home_close),
        cmocka_unit_test(a_window_has_its_own_time_or_what_passed_and_a_day_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
