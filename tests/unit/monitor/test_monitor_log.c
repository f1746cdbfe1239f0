/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/clock.h"
#include "monitor/monitor_priv.h"
#include "temp_home.h"

static tm_db *open_log(const tm_home *home) {
    tm_db *db = NULL;
    assert_int_equal(tm__log_open(tm__home_log_db(home), true, &db, NULL), TM_OK);
    assert_int_equal(tm__db_begin(db, NULL), TM_OK);
    return db;
}

static void close_log(tm_db *db) {
    assert_int_equal(tm__db_commit(db, NULL), TM_OK);
    tm__db_close(db);
}

static tm_answer answer_of(const char *id) {
    static const double outputs[] = {0.5};
    tm_answer answer = {.at_us = 1,
                        .event_us = TM_INT_MISSING,
                        .route = "r",
                        .model = "m",
                        .version = 1,
                        .row_json = "{}",
                        .outputs = outputs,
                        .n_outputs = 1};
    (void)tm__str_copy(answer.id, sizeof(answer.id), tm__str(id));
    return answer;
}

static void an_answer_written_twice_counts_once(void **state) {
    tm_db *db = open_log(*state);
    tm_tally tally = {.stamp_us = 1};
    const tm_answer answer = answer_of("A");
    assert_int_equal(tm__log_answer_locked(db, &answer, &tally, NULL), TM_OK);
    assert_int_equal(tm__log_answer_locked(db, &answer, &tally, NULL), TM_OK);
    assert_int_equal(tally.n_written, 1);
    close_log(db);
}

static void stamps_grow_though_the_clock_does_not(void **state) {
    static const int64_t clocks[] = {1000, 1000, 500, 2000};
    static const int64_t want[] = {1000, 1001, 1002, 2000};
    tm_db *db = open_log(*state);
    for (size_t i = 0; i < 4; i++) {
        int64_t stamp_us = 0;
        tm__clock_fix(clocks[i]);
        assert_int_equal(tm__log_stamp_locked(db, &stamp_us, NULL), TM_OK);
        assert_int_equal(stamp_us, want[i]);
    }
    close_log(db);
}

static void a_label_is_equal_as_text_or_as_a_number(void **state) {
    static const struct {
        const char *first, *second;
        tm_label_result want;
    } cases[] = {
        {"yes", "yes", TM_LABEL_DUPLICATE}, {"yes", "Yes", TM_LABEL_CONFLICT},
        {"1", "1.0", TM_LABEL_DUPLICATE},   {"1", "1.5", TM_LABEL_CONFLICT},
        {"1", "one", TM_LABEL_CONFLICT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_db *db = open_log(*state);
        tm_tally tally = {.stamp_us = 1};
        tm_label_result result = TM_LABEL_JOINED;
        const char id[2] = {(char)('A' + (int)i), '\0'};
        tm_label label = {.prediction_id = id, .value = cases[i].first};
        assert_int_equal(tm__log_label_locked(db, &label, &tally, &result, NULL), TM_OK);
        assert_int_equal(result, TM_LABEL_WAITING);
        label.value = cases[i].second;
        assert_int_equal(tm__log_label_locked(db, &label, &tally, &result, NULL), TM_OK);
        assert_int_equal(result, cases[i].want);
        close_log(db);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_answer_written_twice_counts_once),
        TEST(stamps_grow_though_the_clock_does_not),
        TEST(a_label_is_equal_as_text_or_as_a_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
