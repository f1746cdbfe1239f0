/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>

#include "base/clock.h"
#include "log_case.h"
#include "monitor/monitor_priv.h"
#include "monitor_case.h"

/* What is old goes with its label and all that points to it; what is young, and other models',
 * stay. */
static void old_answers_go_with_all_that_points_to_them(void **state) {
    const int64_t now_us = tm__now_us();
    const tm_given old[] = {{1, 1000, 5, "ship", "{\"x\":1}", 0.25, "yes"},
                            {1, 2000, NO_TIME, "boat", "{\"x\":2}", 0.25, NULL}};
    const tm_given young[] = {{1, now_us, 5, "ship", "{\"x\":1}", 0.25, "no"}};
    const tm_log_terms terms = {.share = 1, .keep_us = INT64_C(86400000000)};
    json_t *found = NULL;
    tm_monitor *monitor = open_monitor(*state);
    log_answers(monitor, old, 2, 0);
    assert_int_equal(log_case_answers(monitor, "other", "o", 3), 0);
    assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
    log_answers(monitor, young, 1, 2);
    assert_int_equal(number_of(*state, "SELECT count(*) FROM moments"), 3);
    tm__monitor_declare(monitor, "tiny", &terms);
    log_case_wait(monitor, "removed", 2);
    assert_int_equal(log_case_count(monitor, "tiny", "written"), 3);
    log_case_check_sums(monitor);
    assert_int_equal(tm__monitor_find(monitor, "0", &found, NULL), TM_E_NOT_FOUND);
    assert_int_equal(tm__monitor_find(monitor, "2", &found, NULL), TM_OK);
    assert_string_equal(tm__json_text(found, "label", ""), "no");
    json_decref(found);
    assert_int_equal(tm__monitor_find(monitor, "o1", &found, NULL), TM_OK);
    json_decref(found);
    assert_int_equal(number_of(*state, "SELECT count(*) FROM moments"), 1);
    assert_int_equal(number_of(*state, "SELECT count(*) FROM labels"), 1);
    assert_int_equal(number_of(*state, "SELECT count(*) FROM spans WHERE first_seq NOT IN"
                                       " (SELECT first_seq FROM blocks)"),
                     0);
    tm__monitor_close(monitor);
}

/* The newest block stays, or the next answers would have numbers that were used. */
static void bytes_are_bounded_and_numbers_go_on(void **state) {
    const tm_log_terms terms = {.share = 1, .keep_bytes = 4096};
    tm_monitor *monitor = open_monitor(*state);
    for (int i = 0; i < 40; i++) {
        char prefix[16];
        (void)snprintf(prefix, sizeof(prefix), "%d-", i);
        assert_int_equal(log_case_answers(monitor, "mill", prefix, 10), 0);
        assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
    }
    const int64_t last = number_of(*state, "SELECT max(first_seq + n) FROM blocks");
    tm__monitor_declare(monitor, "mill", &terms);
    for (int i = 0;
         i < TEST_LOOKS && number_of(*state, "SELECT sum(length(data)) FROM blocks") > 4096; i++) {
        tm__sleep_ms(10);
    }
    assert_true(number_of(*state, "SELECT sum(length(data)) FROM blocks") <= 4096);
    assert_true(number_of(*state, "SELECT sum(length(data)) FROM blocks") > 2000);
    /* Counted once it is on disk. */
    log_case_wait(monitor, "removed", 400 - number_of(*state, "SELECT sum(n) FROM blocks"));
    assert_int_equal(log_case_answers(monitor, "mill", "next", 1), 0);
    assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
    assert_int_equal(number_of(*state, "SELECT max(first_seq) FROM blocks"), last);
    tm__monitor_close(monitor);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(old_answers_go_with_all_that_points_to_them),
        TEST(bytes_are_bounded_and_numbers_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
