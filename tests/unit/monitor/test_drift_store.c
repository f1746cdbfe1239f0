/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "monitor/drift_store.h"
#include "temp_home.h"

/* Windows here are one byte a row. */
static bool join(void *arg, tm_str before, tm_buf *out) {
    const uint32_t n = *(const uint32_t *)arg;
    if (before.len > 0 && before.ptr[0] == 'x') {
        return false; /* of another kind */
    }
    (void)tm__buf_append(out, before.ptr, before.len);
    for (uint32_t i = 0; i < n; i++) {
        tm__buf_byte(out, 'a');
    }
    return true;
}

static void add(tm_drift_store *store, uint32_t n, int64_t at_us) {
    tm_db *const db = tm__drift_store_db(store);
    const tm_drift_window_add one = {
        .key = {"m", 1}, .at_us = at_us, .n_rows = n, .merge = join, .arg = &n};
    assert_int_equal(tm__db_begin(db, NULL), TM_OK);
    assert_int_equal(tm__drift_store_add_locked(store, &one, NULL), TM_OK);
    assert_int_equal(tm__db_commit(db, NULL), TM_OK);
}

typedef struct seen {
    uint64_t n_rows;
    uint32_t n[TM_SPANS];
    int64_t last_us;
} seen;

static bool see(void *arg, const tm_drift_window *window) {
    seen *const s = arg;
    assert_int_equal(window->bytes.len, window->n_rows);
    assert_true(window->at_us > s->last_us);
    s->last_us = window->at_us;
    s->n_rows += window->n_rows;
    s->n[window->span]++;
    return true;
}

static seen read_all(tm_drift_store *store, int64_t from_us) {
    const tm_drift_window_key key = {"m", 1};
    seen s = {.last_us = INT64_MIN};
    assert_int_equal(tm__drift_store_read(store, &key, from_us, see, &s, NULL), TM_OK);
    return s;
}

static void nothing_is_made_by_reading(void **state) {
    tm_drift_store *store = NULL;
    assert_int_equal(tm__drift_store_open(*state, false, &store, NULL), TM_OK);
    assert_null(store);
    /* Another process is just making it. */
    char path[600];
    (void)snprintf(path, sizeof(path), "%s/watch.db", tm__home_path(*state));
    assert_int_equal(tm__fs_publish_secret(path, "", 0, NULL), TM_OK);
    assert_int_equal(tm__drift_store_open(*state, false, &store, NULL), TM_OK);
    assert_null(store);
    assert_int_equal(tm__fs_remove(path, NULL), TM_OK);
}

static void each_row_is_read_once_whatever_the_span(void **state) {
    tm_drift_store *store = NULL;
    assert_int_equal(tm__drift_store_open(*state, true, &store, NULL), TM_OK);
    uint64_t n = 0;
    for (int64_t minute = 0; minute < 4000; minute += 2) { /* more than are kept as minutes */
        add(store, 3, 1000 * TM_DAY_US + minute * TM_MINUTE_US + 17);
        n += 3;
    }
    const seen s = read_all(store, INT64_MIN);
    assert_int_equal(s.n_rows, n);
    assert_true(s.n[TM_SPAN_MINUTE] > 1400 && s.n[TM_SPAN_MINUTE] <= TM_KEPT_MINUTES);
    assert_true(s.n[TM_SPAN_HOUR] > 10);
    const seen late = read_all(store, 1000 * TM_DAY_US + 3990 * TM_MINUTE_US);
    assert_int_equal(late.n_rows, 15);
    tm__drift_store_close(store);
}

static void a_clock_that_jumps_loses_nothing(void **state) {
    static const int64_t times[] = {0, 50000 * TM_DAY_US, -TM_DAY_US, 60 * TM_MINUTE_US};
    tm_drift_store *store = NULL;
    assert_int_equal(tm__drift_store_open(*state, true, &store, NULL), TM_OK);
    for (unsigned i = 0; i < 40; i++) {
        add(store, 1, times[i % 4] + i);
    }
    assert_int_equal(read_all(store, INT64_MIN).n_rows, 40);
    tm__drift_store_close(store);
}

static void a_window_of_another_kind_gives_way(void **state) {
    tm_drift_store *store = NULL;
    assert_int_equal(tm__drift_store_open(*state, true, &store, NULL), TM_OK);
    add(store, 5, 0);
    tm_stmt *stmt = NULL;
    assert_int_equal(
        tm__stmt_init(tm__drift_store_db(store), "UPDATE windows SET data = ?", &stmt, NULL),
        TM_OK);
    tm__stmt_bind_blob(stmt, 1, "x", 1);
    assert_int_equal(tm__stmt_run(stmt, NULL), TM_OK);
    tm__stmt_done(stmt);
    add(store, 2, 0);
    assert_int_equal(read_all(store, INT64_MIN).n_rows, 2);
    tm__drift_store_close(store);
}

/* The server makes the file first, and its tables a moment later. */
static void what_is_just_being_made_is_not_copied(void **state) {
    const tm_home *const home = *state;
    const tm_ctx ctx = {0};
    char *const to = tm__fs_join(tm__home_path(home), "copy.db");
    assert_int_equal(tm__drift_store_copy(home, &ctx, to, NULL), TM_OK);
    tm_file *file = NULL;
    assert_int_equal(tm__file_open(tm__home_watch_db(home), TM_OPEN_CREATE, &file, NULL), TM_OK);
    tm__file_close(file);
    assert_int_equal(tm__drift_store_copy(home, &ctx, to, NULL), TM_OK);
    assert_int_equal(tm__fs_info(to).kind, TM_PATH_NONE);
    tm__mem_free(to);
}

#define HOME(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        HOME(nothing_is_made_by_reading),
        HOME(each_row_is_read_once_whatever_the_span),
        HOME(a_clock_that_jumps_loses_nothing),
        HOME(a_window_of_another_kind_gives_way),
        HOME(what_is_just_being_made_is_not_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
