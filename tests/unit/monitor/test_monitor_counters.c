/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "log_case.h"
#include "temp_home.h"

static void models_are_told_apart_with_their_policies(void **state) {
    tm_monitor *monitor = log_case_open(*state, "drop", 0);
    const tm_log_terms part = {.policy = TM_LOG_SAMPLE, .share = 0};
    tm__monitor_declare(monitor, "late", &part);
    assert_int_equal(log_case_answers(monitor, "mill", "a", 4), 0);
    assert_int_equal(log_case_answers(monitor, "late", "a", 3), 0);
    assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
    assert_int_equal(log_case_count(monitor, NULL, "accepted"), 7);
    assert_int_equal(log_case_count(monitor, "mill", "written"), 4);
    assert_int_equal(log_case_count(monitor, "late", "sampled_out"), 3);
    json_t *const counters = tm__monitor_counters(monitor);
    const json_t *const late = json_array_get(json_object_get(counters, "models"), 1);
    assert_string_equal(tm__json_text(late, "model", ""), "late");
    assert_string_equal(tm__json_text(late, "policy", ""), "sample");
    assert_false(tm__json_bool(counters, "broken", true));
    json_decref(counters);
    tm__monitor_declare(monitor, "late", NULL);
    assert_int_equal(log_case_answers(monitor, "late", "b", 3), 0);
    assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
    assert_int_equal(log_case_count(monitor, "late", "written"), 3);
    tm__monitor_close(monitor);
}

static void a_home_without_a_log_has_counted_nothing(void **state) {
    tm_monitor *monitor = log_case_read(*state);
    assert_int_equal(log_case_count(monitor, NULL, "accepted"), 0);
    log_case_check_sums(monitor);
    tm__monitor_close(monitor);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(models_are_told_apart_with_their_policies),
        TEST(a_home_without_a_log_has_counted_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
