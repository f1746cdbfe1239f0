/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/system.h"
#include "failing_disk.h"
#include "store/db_sweep.h"
#include "support.h"

#define PAGES 64u
#define PAGE 4096u

static char folder[64];
static char path[128], log_path[136];

static const tm_migration tables[] = {
    {1, "CREATE TABLE t(id INTEGER PRIMARY KEY, b BLOB) STRICT;", NULL}, {0, NULL, NULL}};
static const tm_db_options make = {.create = true, .migrations = tables, .application_id = 77};

typedef struct swept {
    tm_db *writer;
    tm_db_sweep *sweep;
} swept;

static int set_up(void **state) {
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/tm_db_sweep_XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    snprintf(path, sizeof(path), "%s/a.db", folder);
    snprintf(log_path, sizeof(log_path), "%s-wal", path);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    char command[128];
    test_disk_fail_at(0, false);
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command);
}

static tm_db *open_ok(void) {
    tm_db *db = NULL;
    assert_int_equal(tm__db_open(path, &make, &db, NULL), TM_OK);
    return db;
}

static swept start(void) {
    swept s = {.writer = open_ok()};
    const tm_db_sweep_spec spec = {.writer = s.writer, .own = open_ok(), .n_pages = PAGES};
    assert_int_equal(tm__db_sweep_start(&spec, &s.sweep, NULL), TM_OK);
    return s;
}

static void stop(swept *s) {
    tm__db_sweep_stop(s->sweep);
    tm__db_close(s->writer);
}

/* A row of one page or so. */
static tm_status add_row(tm_db *db) {
    TM_TRY(tm__db_begin(db, NULL));
    const tm_status st = tm__db_exec(db, "INSERT INTO t(b) VALUES (zeroblob(4000))", NULL);
    if (st != TM_OK) {
        tm__db_rollback(db);
        return st;
    }
    return tm__db_commit(db, NULL);
}

static int64_t rows_of(tm_db *db) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    assert_int_equal(tm__stmt_init(db, "SELECT count(*) FROM t", &stmt, NULL), TM_OK);
    assert_int_equal(tm__stmt_step(stmt, &has_row, NULL), TM_OK);
    const int64_t n = tm__stmt_i64(stmt, 0);
    tm__stmt_done(stmt);
    return n;
}

static void test_the_log_of_a_busy_writer_stays_short(void **state) {
    (void)state;
    swept s = start();
    for (int i = 0; i < 4000; i++) {
        assert_int_equal(add_row(s.writer), TM_OK);
    }
    /* Eight times ahead at the most, and what the pages of one transaction need. */
    assert_true(tm__fs_info(log_path).size_bytes < (uint64_t)(PAGES * 9 + 32) * (PAGE + 24));
    assert_int_equal(rows_of(s.writer), 4000);
    stop(&s);
    tm_db *db = open_ok();
    assert_int_equal(rows_of(db), 4000);
    assert_int_equal(tm__db_check(db, NULL), TM_OK);
    tm__db_close(db);
}

static void test_little_is_left_in_the_log(void **state) {
    (void)state;
    swept s = start();
    for (uint32_t i = 0; i < PAGES / 4; i++) {
        assert_int_equal(add_row(s.writer), TM_OK);
    }
    /* Nobody was asked to copy anything yet: the file has its first pages alone. */
    assert_true(tm__fs_info(path).size_bytes <= 4 * (uint64_t)PAGE);
    stop(&s);
    assert_true(tm__fs_info(path).size_bytes >= PAGES / 4 * (uint64_t)PAGE);
}

static void test_a_failing_disk_loses_nothing(void **state) {
    (void)state;
    for (uint64_t nth = 1; nth < 1200; nth += 37) {
        swept s = start();
        const int64_t before = rows_of(s.writer);
        int64_t n = 0;
        test_disk_fail_at(nth, true);
        for (int i = 0; i < 300; i++) {
            n += add_row(s.writer) == TM_OK;
        }
        test_disk_fail_at(0, false);
        stop(&s);
        tm_db *db = open_ok();
        assert_true(rows_of(db) >= before + n);
        assert_int_equal(tm__db_check(db, NULL), TM_OK);
        tm__db_close(db);
    }
}

static void test_after_a_stop_sqlite_copies_again(void **state) {
    (void)state;
    swept s = start();
    tm__db_sweep_stop(s.sweep);
    s.sweep = NULL;
    for (int i = 0; i < 3000; i++) {
        assert_int_equal(add_row(s.writer), TM_OK);
    }
    assert_true(tm__fs_info(log_path).size_bytes < 1100 * (uint64_t)(PAGE + 24));
    tm__db_sweep_stop(NULL);
    stop(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_log_of_a_busy_writer_stays_short, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_little_is_left_in_the_log, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_failing_disk_loses_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_after_a_stop_sqlite_copies_again, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
