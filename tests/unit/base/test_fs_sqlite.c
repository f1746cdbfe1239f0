/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <sqlite3.h>
#include <stdio.h>

#include "base/fs.h"
#include "failing_disk.h"
#include "support.h"

static test_folder folder;
static char path[128];

static int set_up(void **state) {
    (void)state;
    test_folder_make(&folder);
    test_folder_join(&folder, "t.db", path, sizeof(path));
    return tm__sqlite_vfs_init(NULL) == TM_OK ? 0 : 1;
}

static int tear_down(void **state) {
    (void)state;
    test_disk_fail_at(0, false);
    test_folder_remove(&folder);
    return 0;
}

static sqlite3 *open_db(const char *journal) {
    sqlite3 *db = NULL;
    char text[64];
    snprintf(text, sizeof(text), "PRAGMA journal_mode=%s; PRAGMA synchronous=FULL", journal);
    assert_int_equal(
        sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "tidemill"),
        SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    return db;
}

static int count_rows(sqlite3 *db) {
    sqlite3_stmt *statement = NULL;
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT count(*), sum(x = 2 * y) FROM t", -1, &statement, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    const int n = sqlite3_column_int(statement, 0);
    assert_int_equal(sqlite3_column_int(statement, 1), n);
    sqlite3_finalize(statement);
    return n;
}

static void it_registers_once_or_more(void **state) {
    (void)state;
    assert_int_equal(tm__sqlite_vfs_init(NULL), TM_OK);
    assert_non_null(sqlite3_vfs_find("tidemill"));
    assert_string_not_equal(sqlite3_vfs_find(NULL)->zName, "tidemill");
}

static void writes_and_syncs_pass_the_seam(void **state) {
    (void)state;
    sqlite3 *db = open_db("WAL");
    const uint64_t n_calls = test_disk_calls();
    assert_int_equal(
        sqlite3_exec(db, "CREATE TABLE t(x, y); INSERT INTO t VALUES (2, 1)", NULL, NULL, NULL),
        SQLITE_OK);
    assert_true(test_disk_calls() > n_calls + 3);
    assert_int_equal(count_rows(db), 1);
    sqlite3_close(db);
}

/* Fail each write and sync of a transaction in turn: after opening anew it is whole or absent. */
static void a_transaction_is_whole_whatever_fails(void **state) {
    const char *journal = *state;
    sqlite3 *db = open_db(journal);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE t(x, y)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    int n_rows = 0;
    unsigned n_failures = 0;
    for (uint64_t nth = 1;; nth++) {
        db = open_db(journal);
        assert_int_equal(count_rows(db), n_rows);
        test_disk_fail_at(nth, true);
        const int result = sqlite3_exec(
            db, "BEGIN; INSERT INTO t VALUES (4, 2); INSERT INTO t VALUES (6, 3); COMMIT", NULL,
            NULL, NULL);
        sqlite3_close(db);
        test_disk_fail_at(0, false);
        db = open_db(journal);
        const int n_now = count_rows(db);
        assert_true(n_now == n_rows || n_now == n_rows + 2);
        sqlite3_close(db);
        if (result == SQLITE_OK) {
            assert_int_equal(n_now, n_rows + 2);
            break;
        }
        n_failures++;
        n_rows = n_now;
    }
    assert_true(n_failures >= 3);
}

static void a_file_whose_sync_failed_is_never_used_again(void **state) {
    (void)state;
    sqlite3 *db = open_db("DELETE");
    sqlite3_file *file = NULL;
    assert_int_equal(sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file), SQLITE_OK);
    test_disk_fail_at(1, false);
    assert_int_equal(file->pMethods->xSync(file, SQLITE_SYNC_NORMAL), SQLITE_IOERR_FSYNC);
    test_disk_fail_at(0, false);
    const uint64_t n_calls = test_disk_calls();
    assert_int_equal(file->pMethods->xSync(file, SQLITE_SYNC_NORMAL), SQLITE_IOERR_FSYNC);
    assert_int_equal(file->pMethods->xWrite(file, "x", 1, 0), SQLITE_IOERR_WRITE);
    assert_int_equal(test_disk_calls(), n_calls);
    sqlite3_close(db);
}

static char wal[] = "WAL";
static char rollback[] = "DELETE";

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_registers_once_or_more, set_up, tear_down),
        cmocka_unit_test_setup_teardown(writes_and_syncs_pass_the_seam, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_whose_sync_failed_is_never_used_again, set_up,
                                        tear_down),
        {"a_transaction_in_the_wal_is_whole_whatever_fails", a_transaction_is_whole_whatever_fails,
         set_up, tear_down, wal},
        {"a_transaction_with_a_journal_is_whole_whatever_fails",
         a_transaction_is_whole_whatever_fails, set_up, tear_down, rollback},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
