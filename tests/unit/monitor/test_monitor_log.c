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

/* What the writer does when a try failed and it cannot know how far it came. */
static void an_answer_written_twice_counts_once(void **state) {
    tm_db *db = open_log(*state);
    static const double output = 0.5;
    tm_tally tally = {.stamp_us = 1};
    tm_stream *streams = NULL;
    const tm_stream spec = {.route = (char[]){"r"},
                            .arm = (char[]){""},
                            .model = (char[]){"m"},
                            .columns = (char[]){"[]"},
                            .version = 1,
                            .share = 1};
    tm_stream *stream = tm__stream_find(&streams, &spec);
    const tm_answer answer = {
        .id = "A", .event_us = TM_INT_MISSING, .outputs = &output, .n_outputs = 1};
    tm_buf runs;
    tm__buf_init(&runs, 4096);
    tm_run run = {.stream = stream, .n = 1};
    assert_true(tm__buf_append(&runs, &run, sizeof(run)));
    assert_true(tm__answer_append(&answer, &runs));
    run.size = (uint32_t)(runs.len - sizeof(run));
    memcpy(runs.data, &run, sizeof(run));
    tm_block_batch batch = {.db = db, .runs = &runs, .tally = &tally};
    assert_int_equal(tm__block_write_locked(&batch, stream, NULL), TM_OK);
    batch.must_look = true;
    assert_int_equal(tm__block_write_locked(&batch, stream, NULL), TM_OK);
    assert_int_equal(tally.n_written, 1);
    tm__buf_done(&runs);
    tm__streams_free(streams);
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
        tm_block block;
        tm__block_init(&block, db);
        tm_tally tally = {.stamp_us = 1};
        tm_label_result result = TM_LABEL_JOINED;
        const char id[2] = {(char)('A' + (int)i), '\0'};
        tm_label label = {.prediction_id = id, .value = cases[i].first};
        assert_int_equal(tm__log_label_locked(&block, &label, &tally, &result, NULL), TM_OK);
        assert_int_equal(result, TM_LABEL_WAITING);
        label.value = cases[i].second;
        assert_int_equal(tm__log_label_locked(&block, &label, &tally, &result, NULL), TM_OK);
        assert_int_equal(result, cases[i].want);
        tm__block_done(&block);
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
