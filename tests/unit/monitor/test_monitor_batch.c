/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "logged.h"
#include "monitor/monitor_priv.h"
#include "temp_home.h"

#define N 300
#define WIDE 20000 /* bytes of a value, so that a batch has several pieces */

static const char *const columns[] = {"x", "c"};
static const tm_stream_spec spec = {
    .route = "job", .model = "m", .version = 2, .columns = columns, .n_columns = 2};

static void id_of(int i, char out[27]) {
    snprintf(out, 27, "01K0000000ABCDEF%010d", i);
}

/* Answers first .. end - 1 of the batch. */
static void append(tm_buf *out, int first, int end) {
    static char wide[WIDE];
    memset(wide, 'w', sizeof(wide));
    for (int i = first; i < end; i++) {
        char entity[16];
        const double output = i;
        const tm_cell cells[] = {{.type = TM_TYPE_INT, .i64 = i},
                                 {.type = TM_TYPE_TEXT, .text = {wide, sizeof(wide)}}};
        snprintf(entity, sizeof(entity), "e%d", i);
        tm_answer answer = {.event_us = 7,
                            .entity = tm__str(entity),
                            .cells = cells,
                            .n_cells = 2,
                            .outputs = &output,
                            .n_outputs = 1};
        id_of(i, answer.id);
        assert_true(tm__answer_append(&answer, out));
    }
}

static void add(tm_job_log *log, int first, int end) {
    tm_buf bytes;
    tm__buf_init(&bytes, TM_MONITOR_BYTES);
    append(&bytes, first, end);
    const tm_answers answers = {.bytes = &bytes, .at_us = 1000};
    assert_int_equal(tm__job_log_add(log, &answers, NULL), TM_OK);
    tm__buf_done(&bytes);
}

static tm_job_log *open_job(const tm_home *home) {
    tm_job_log *log = NULL;
    assert_int_equal(tm__job_log_open(home, "sink.1", &log, NULL), TM_OK);
    return log;
}

static tm_monitor *open_server(const tm_home *home) {
    tm_monitor *monitor = NULL;
    const tm_monitor_options options = {.can_write = true};
    assert_int_equal(tm__monitor_open(home, &options, &monitor, NULL), TM_OK);
    return monitor;
}

static void serve_one(tm_monitor *monitor, int i) {
    char id[27], row[32];
    const double output = 0.5;
    snprintf(id, sizeof(id), "01K1111111ABCDEF%010d", i);
    snprintf(row, sizeof(row), "{\"x\":%d}", i);
    const tm_logged one = {.id = id,
                           .model = "m",
                           .version = 1,
                           .at_us = 5,
                           .row = row,
                           .outputs = &output,
                           .n_outputs = 1};
    assert_true(tm__logged_answer(monitor, &one));
    assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
}

/* Each answer of the batch stands in the log once, and it is the right one. */
static void check_log(const tm_home *home, int n_served) {
    tm_db *db = NULL;
    tm_block block;
    int64_t seq = 0;
    bool seen[N] = {false};
    assert_int_equal(tm__log_open(tm__home_log_db(home), false, &db, NULL), TM_OK);
    tm__block_init(&block, db);
    for (int i = 0; i < N; i++) {
        char id[27];
        id_of(i, id);
        assert_int_equal(tm__block_find(&block, tm__str(id), &seq, NULL), TM_OK);
        assert_true(seq > 0);
        assert_int_equal(tm__record_output(&block.record, 0), i);
    }
    int n = 0;
    for (seq = 1; tm__block_seek(&block, seq, NULL) == TM_OK; seq++) {
        if (block.record.id.ptr[3] == '0') {
            const int i = (int)tm__record_output(&block.record, 0);
            assert_false(seen[i]);
            seen[i] = true;
            n++;
        }
    }
    assert_int_equal(n, N);
    assert_int_equal(seq - 1, N + n_served);
    tm__block_done(&block);
    tm__db_close(db);
}

static void a_batch_goes_on_where_it_was_stopped_while_the_server_writes(void **state) {
    tm_monitor *monitor = open_server(*state);
    uint64_t n = 99;
    int n_served = 0;
    for (int first = 0; first < N; first += 100) {
        tm_job_log *log = open_job(*state);
        assert_int_equal(tm__job_log_begin(log, "b-1", &spec, &n, NULL), TM_OK);
        assert_int_equal(n, first);
        serve_one(monitor, n_served++);
        add(log, first, first + 50);
        serve_one(monitor, n_served++);
        add(log, first + 50, first + 100);
        tm__job_log_close(log); /* as a kill leaves it */
    }
    serve_one(monitor, n_served++);
    json_t *counters = tm__monitor_counters(monitor);
    assert_int_equal(tm__json_i64(counters, "written", 0), N + n_served);
    json_decref(counters);
    tm__monitor_close(monitor);
    check_log(*state, n_served);
    tm_job_log *log = open_job(*state);
    assert_int_equal(tm__job_log_begin(log, "b-1", &spec, &n, NULL), TM_OK);
    assert_int_equal(n, N);
    assert_int_equal(tm__job_log_begin(log, "b-2", &spec, &n, NULL), TM_OK);
    assert_int_equal(n, 0);
    add(log, N, N + 1); /* the batch before is forgotten by then */
    assert_int_equal(tm__job_log_begin(log, "b-1", &spec, &n, NULL), TM_OK);
    assert_int_equal(n, 0);
    tm__job_log_close(log);
}

static void labels_join_what_a_batch_answered(void **state) {
    tm_monitor *monitor = open_server(*state);
    uint64_t n = 0;
    char id[27];
    tm_label_result results[3];
    id_of(1, id);
    tm_label labels[] = {{.prediction_id = id, .value = "yes", .observed_us = TM_INT_MISSING},
                         {.model = "m",
                          .entity = "e2",
                          .event_us = 7,
                          .value = "no",
                          .observed_us = TM_INT_MISSING}};
    assert_int_equal(tm__monitor_labels(monitor, labels, 2, results, NULL), TM_OK);
    assert_int_equal(results[0], TM_LABEL_WAITING);
    assert_int_equal(results[1], TM_LABEL_WAITING);
    tm_job_log *log = open_job(*state);
    assert_int_equal(tm__job_log_begin(log, "b-1", &spec, &n, NULL), TM_OK);
    add(log, 0, 10);
    tm__job_log_close(log);
    char later_id[27];
    id_of(3, later_id);
    labels[0].prediction_id = later_id;
    assert_int_equal(tm__monitor_labels(monitor, labels, 1, results, NULL), TM_OK);
    assert_int_equal(results[0], TM_LABEL_JOINED);
    json_t *counters = tm__monitor_counters(monitor);
    const json_t *by_result = json_object_get(counters, "labels");
    assert_int_equal(tm__json_i64(by_result, "joined", 0), 3);
    assert_int_equal(tm__json_i64(by_result, "waiting", -1), 0);
    json_decref(counters);
    tm__monitor_close(monitor);
}

static void a_job_that_runs_twice_is_a_conflict(void **state) {
    uint64_t n = 0;
    tm_buf bytes;
    tm_job_log *a = open_job(*state), *b = open_job(*state);
    assert_int_equal(tm__job_log_begin(a, "b-1", &spec, &n, NULL), TM_OK);
    assert_int_equal(tm__job_log_begin(b, "b-1", &spec, &n, NULL), TM_OK);
    add(a, 0, 5);
    tm__buf_init(&bytes, TM_MONITOR_BYTES);
    append(&bytes, 0, 5);
    const tm_answers answers = {.bytes = &bytes, .at_us = 1000};
    assert_int_equal(tm__job_log_add(b, &answers, NULL), TM_E_CONFLICT);
    tm__buf_done(&bytes);
    tm__job_log_close(a);
    tm__job_log_close(b);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_batch_goes_on_where_it_was_stopped_while_the_server_writes),
        TEST(labels_join_what_a_batch_answered),
        TEST(a_job_that_runs_twice_is_a_conflict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
