/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "loop/loop_sink_priv.h"
#include "monitor/monitor.h"
#include "sink_case.h"
#include "source/intake_priv.h"
#include "temp_home.h"
#include "test.h"

#define FILES_MAX ((size_t)1 << 20)

static tm_ctx ctx;

static void add(const tm_home *home, const char *kind, uint32_t batch_rows) {
    json_t *spec = tm__sink_case_spec(home, kind, batch_rows);
    assert_int_equal(tm__sink_add(home, "s", spec, NULL), TM_OK);
    json_decref(spec);
}

/* Rows that a run wrote. */
static int64_t run(const tm_home *home) {
    json_t *result = NULL;
    tm_err err = {0};
    if (tm__sink_run(&ctx, home, "s", &result, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    const int64_t n = tm__json_i64(result, "rows", -1);
    json_decref(result);
    return n;
}

static int64_t logged(const tm_home *home) {
    tm_monitor *monitor = NULL;
    const tm_monitor_options options = {.can_write = false};
    assert_int_equal(tm__monitor_open(home, &options, &monitor, NULL), TM_OK);
    json_t *counters = tm__monitor_counters(monitor);
    const int64_t n = tm__json_i64(counters, "written", -1);
    json_decref(counters);
    tm__monitor_close(monitor);
    return n;
}

static uint32_t count(const char *text, const char *part) {
    uint32_t n = 0;
    for (const char *p = strstr(text, part); p != NULL; p = strstr(p + 1, part)) {
        n++;
    }
    return n;
}

static void each_row_is_written_and_logged_once(void **state) {
    tm__sink_case_make(*state);
    add(*state, "csv", 40);
    assert_int_equal(run(*state), 0);
    tm__sink_case_push(*state, 0, 100);
    assert_int_equal(run(*state), 100);
    assert_int_equal(run(*state), 0);
    tm__sink_case_push(*state, 100, 7);
    assert_int_equal(run(*state), 7);
    tm_buf files;
    tm__buf_init(&files, FILES_MAX);
    assert_int_equal(tm__sink_case_files(*state, &files), 4);
    assert_int_equal(logged(*state), 107);
    for (int i = 0; i < 107; i++) {
        char line[32];
        snprintf(line, sizeof(line), "\n%d,", i);
        assert_int_equal(count((const char *)files.data, line), 1);
    }
    tm__buf_done(&files);
}

static void a_batch_has_the_version_that_its_plan_names(void **state) {
    tm__sink_case_make(*state);
    add(*state, "csv", 1000);
    tm__sink_case_push(*state, 0, 10);
    assert_int_equal(run(*state), 10);
    assert_int_equal(tm__sink_case_train(*state, true), 2);
    tm__sink_case_push(*state, 10, 10);
    assert_int_equal(run(*state), 10);
    tm_buf files;
    tm__buf_init(&files, FILES_MAX);
    (void)tm__sink_case_files(*state, &files);
    assert_int_equal(count((const char *)files.data, ",made,1,"), 10);
    assert_int_equal(count((const char *)files.data, ",made,2,"), 10);
    tm__buf_done(&files);
}

/* As when another program holds them: a constraint is a conflict, too, and needs no waiting. */
static void tables_that_are_held_stop_no_sink(void **state) {
    tm_db *db = NULL;
    json_t *result = NULL, *shown = NULL;
    tm__sink_case_make(*state);
    add(*state, "csv", 1000);
    tm__sink_case_push(*state, 0, 10);
    assert_int_equal(tm__intake_db_open(*state, true, &db, NULL), TM_OK);
    assert_int_equal(tm__db_exec(db,
                                 "CREATE TRIGGER held BEFORE UPDATE ON sinks WHEN NEW.status ="
                                 " 'ready' BEGIN SELECT RAISE(ABORT, 'held'); END",
                                 NULL),
                     TM_OK);
    assert_int_equal(tm__sink_run(&ctx, *state, "s", &result, NULL), TM_E_UNAVAILABLE);
    assert_int_equal(tm__sink_show(*state, "s", &shown, NULL), TM_OK);
    assert_string_equal(tm__json_text(shown, "status", ""), "retrying");
    json_decref(shown);
    assert_int_equal(tm__db_exec(db, "DROP TRIGGER held", NULL), TM_OK);
    tm__db_close(db);
    assert_int_equal(run(*state), 10);
}

/* ---- Stopped at each change of the disk ---- */

static _Atomic int n_until_full; /* batches are written in a thread */

static int fill_up(const tm_disk_event *event) {
    (void)event;
    return n_until_full-- > 0 ? 0 : ENOSPC;
}

/* What a run that was stopped left, ended by another with another champion. */
static void end_run(const tm_home *home, int64_t n_logged_before) {
    json_t *shown = NULL;
    tm_buf before, after;
    tm__buf_init(&before, FILES_MAX);
    tm__buf_init(&after, FILES_MAX);
    (void)tm__sink_case_files(home, &before);
    assert_int_equal(tm__sink_show(home, "s", &shown, NULL), TM_OK);
    tm__sink_case_promote(home, 2);
    assert_int_equal(tm__json_i64(shown, "rows", -1) + run(home), 60);
    assert_int_equal(logged(home) - n_logged_before, 60);
    assert_int_equal(tm__sink_case_files(home, &after), 3);
    /* Files are in the order of their batches: those that were there are there, byte for byte. */
    assert_true(after.len >= before.len);
    assert_memory_equal(after.data, before.data, before.len);
    json_decref(shown);
    tm__buf_done(&before);
    tm__buf_done(&after);
}

/* The disk is full from the n-th change on, for each n-th of `step`; then there is room again. */
static void stop_often(const tm_home *home, const char *kind, int step) {
    tm__sink_case_make(home);
    assert_int_equal(tm__sink_case_train(home, false), 2);
    tm__sink_case_push(home, 0, 60);
    bool is_done = false;
    for (int n = 0; !is_done; n += step) {
        json_t *result = NULL;
        tm_err err = {0};
        add(home, kind, 25);
        const int64_t n_logged = logged(home);
        n_until_full = n;
        tm__disk_watch(fill_up);
        is_done = tm__sink_run(&ctx, home, "s", &result, &err) == TM_OK;
        tm__disk_watch(NULL);
        end_run(home, n_logged);
        tm__sink_case_promote(home, 1);
        json_decref(result);
        assert_int_equal(tm__sink_remove(home, "s", NULL), TM_OK);
        tm__sink_case_clear(home);
    }
}

static void a_full_disk_loses_and_repeats_no_line_of_csv(void **state) {
    stop_often(*state, "csv", 11);
}

static void a_full_disk_loses_and_repeats_no_row_of_parquet(void **state) {
    stop_often(*state, "parquet", 41);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(each_row_is_written_and_logged_once),
        TEST(a_batch_has_the_version_that_its_plan_names),
        TEST(tables_that_are_held_stop_no_sink),
        TEST(a_full_disk_loses_and_repeats_no_line_of_csv),
        TEST(a_full_disk_loses_and_repeats_no_row_of_parquet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
