/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "drift_case.h"
#include "monitor/drift_alarm.h"
#include "temp_home.h"

static void an_alarm_says_what_moved_and_what_it_costs(void **state) {
    drift_case c;
    tm_teller teller = {.home = *state};
    drift_case_open(&c, 1);
    drift_case_rows(&c, 500, 23);
    const uint32_t age = drift_case_column(&c, "age");
    const tm_drift_column of = {
        .weight = 0.01,
        .alarm = {
            .cell = 5, .was = 0.01, .is = 0.345, .n_rows = 500, .evidence = 200, .is_rise = true}};
    const tm_drift_alarm alarm = {.bundle = c.bundle,
                                  .model = "mill",
                                  .version = 3,
                                  .column = age,
                                  .is = c.counts.counts + c.plan->first[age],
                                  .at_us = 7,
                                  .of = &of};
    assert_int_equal(tm__drift_alarm_raise(&teller, &alarm, NULL), TM_OK);
    tm__teller_done(&teller);
    json_t *list = NULL;
    assert_int_equal(tm__alert_list(*state, &(tm_alert_filter){0}, &list, NULL), TM_OK);
    const json_t *const alert = json_array_get(list, 0);
    assert_string_equal(tm__json_text(alert, "summary", ""),
                        "'age' moved: missing values: 1.00 % -> 34.5 %");
    assert_string_equal(tm__json_text(alert, "subject", ""), "age");
    const json_t *const detail = json_object_get(alert, "detail");
    assert_true(json_number_value(json_object_get(detail, "evidence_needed")) == 100);
    assert_non_null(json_object_get(detail, "cost"));
    json_decref(list);
    drift_case_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_alarm_says_what_moved_and_what_it_costs,
                                        tm__temp_home_open, tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
