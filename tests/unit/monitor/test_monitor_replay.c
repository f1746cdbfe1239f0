/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/clock.h"
#include "failing_disk.h"
#include "log_case.h"
#include "monitor/monitor_priv.h"
#include "temp_home.h"

#define N 500u

/* All but what fits in a queue of four waits in a file; the log is closed. */
static void spill_some(const tm_home *home) {
    tm_monitor *monitor = log_case_open(home, "spill", 4);
    log_case_hold_disk("log.db-wal");
    assert_int_equal(log_case_answers(monitor, "mill", "a", N), 0);
    log_case_close_held(monitor);
}

static void a_label_that_came_first_joins_an_answer_out_of_a_file(void **state) {
    const tm_label label = {.prediction_id = "a499", .value = "yes", .observed_us = TM_INT_MISSING};
    tm_label_result result = TM_LABEL_JOINED;
    const tm_ctx ctx = {0};
    spill_some(*state);
    assert_int_equal(tm__monitor_labels_beside(*state, &ctx, &label, 1, &result, NULL, NULL),
                     TM_OK);
    assert_int_equal(result, TM_LABEL_WAITING);
    tm_monitor *monitor = log_case_open(*state, "drop", 0);
    log_case_wait(monitor, "written", N);
    json_t *found = NULL;
    assert_int_equal(tm__monitor_find(monitor, "a499", &found, NULL), TM_OK);
    assert_string_equal(tm__json_text(found, "label", ""), "yes");
    assert_string_equal(tm__json_text(found, "model", ""), "mill");
    json_decref(found);
    tm__monitor_close(monitor);
}

/* Whichever write fails while files are read: each answer is in the log once, in the end. */
static void a_failed_write_makes_none_come_twice(void **state) {
    spill_some(*state);
    for (uint64_t n = 1; n < 12; n++) {
        tm_monitor *monitor = log_case_open(*state, "drop", 0);
        test_disk_fail_at(n, false);
        tm__sleep_ms(60);
        test_disk_fail_at(0, false);
        log_case_check_sums(monitor);
        tm__monitor_close(monitor);
    }
    tm_monitor *monitor = log_case_open(*state, "drop", 0);
    log_case_wait(monitor, "written", N);
    assert_int_equal(log_case_count(monitor, NULL, "accepted"), N);
    log_case_check_sums(monitor);
    tm__monitor_close(monitor);
    tm_db *db = NULL;
    tm_stmt *stmt = NULL;
    bool has_row = false;
    assert_int_equal(tm__log_open(tm__home_log_db(*state), false, &db, NULL), TM_OK);
    assert_int_equal(tm__stmt_init(db, "SELECT sum(n) FROM blocks", &stmt, NULL), TM_OK);
    assert_int_equal(tm__stmt_step(stmt, &has_row, NULL), TM_OK);
    assert_int_equal(tm__stmt_i64(stmt, 0), N);
    tm__stmt_done(stmt);
    tm__db_close(db);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_label_that_came_first_joins_an_answer_out_of_a_file),
        TEST(a_failed_write_makes_none_come_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
