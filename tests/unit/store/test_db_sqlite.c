/* SPDX-License-Identifier: Apache-2.0 */
/* What is so of a file of SQLite alone. */
#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "db_case.h"
#include "failing_disk.h"
#include "store/db.h"
#include "support.h"

/* Long enough to be hit by a signal, and of several statements: rows are copied, counted, and the
 * old table goes. */
static const tm_migration rebuilt[] = {
    {1, "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT UNIQUE, x REAL, b BLOB) STRICT;", NULL},
    {2,
     "CREATE TABLE runs(n INTEGER); INSERT INTO runs SELECT count(*) FROM t;"
     "CREATE TABLE t2(id INTEGER PRIMARY KEY, name TEXT UNIQUE, x REAL, b BLOB, y REAL) STRICT;"
     "INSERT INTO t2 SELECT id, name, x, b, x * 2 FROM t; DROP TABLE t;"
     "ALTER TABLE t2 RENAME TO t; CREATE INDEX t_y ON t(y, name);",
     NULL},
    {0, NULL, NULL}};

/* Bytes of the file; the caller frees them. */
static char *file_bytes(size_t *out_len) {
    FILE *file = fopen(db_case_path(), "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *out_len = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*out_len);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *out_len, file), *out_len);
    assert_int_equal(fclose(file), 0);
    return bytes;
}

static void a_file_opens_with_the_safe_settings(void **state) {
    (void)state;
    tm_db *db = db_case_open(&db_case_make);
    assert_int_equal(db_case_number(db, "PRAGMA synchronous"), 2);
    assert_int_equal(db_case_number(db, "PRAGMA foreign_keys"), 1);
    assert_int_equal(db_case_number(db, "PRAGMA trusted_schema"), 0);
    assert_int_equal(db_case_number(db, "PRAGMA cell_size_check"), 1);
    assert_int_equal(db_case_number(db, "PRAGMA secure_delete"), 1);
    assert_int_equal(db_case_number(db, "PRAGMA user_version"), 1);
    assert_int_equal(db_case_number(db, "PRAGMA application_id"), 77);
    tm__db_close(db);
}

/* Also on the connection that made the file, whose pages were of another size before. */
static void as_much_of_a_file_is_in_memory_whatever_its_pages(void **state) {
    (void)state;
    tm_db_options options = db_case_make;
    options.page_bytes = 16384;
    for (int is_there = 0; is_there < 2; is_there++) {
        const uint64_t before = tm__mem_bytes();
        tm_db *db = db_case_open(&options);
        assert_int_equal(db_case_number(db, "PRAGMA page_size"), 16384);
        assert_int_equal(
            tm__db_exec(db,
                        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
                        " WHERE i < 2000) INSERT INTO t(b) SELECT zeroblob(8000) FROM n",
                        NULL),
            TM_OK);
        assert_int_equal(db_case_number(db, "SELECT count(*) FROM t WHERE b = x'00'"), 0);
        assert_in_range(tm__mem_bytes() - before, 1, 2500000);
        tm__db_close(db);
    }
}

static void what_was_deleted_is_not_in_the_file(void **state) {
    (void)state;
    static const char value[] = "somebody who was here";
    tm_map map;
    tm_db *db = db_case_open(&db_case_make);
    assert_int_equal(tm__db_exec(db,
                                 "CREATE TABLE gone(x TEXT);"
                                 "INSERT INTO gone VALUES('somebody who was here'),"
                                 " (printf('%.*c%s', 50000, 'x', 'somebody who was here'));",
                                 NULL),
                     TM_OK);
    for (int is_gone = 0; is_gone < 2; is_gone++) {
        tm__db_close(db); /* the last one copies the log into the file */
        assert_int_equal(tm__map_open(db_case_path(), &map, NULL), TM_OK);
        assert_int_equal(memmem(map.data, map.len, value, sizeof(value) - 1) == NULL, is_gone);
        tm__map_close(&map);
        db = db_case_open(&db_case_make);
        assert_int_equal(tm__db_exec(db, "DELETE FROM gone", NULL), TM_OK);
    }
    tm__db_close(db);
}

static void a_newer_or_foreign_or_damaged_file_is_refused(void **state) {
    (void)state;
    tm_db *db = NULL;
    tm_err err = {0};
    tm_db_options options = db_case_make;
    options.create = false;
    assert_int_equal(tm__db_open(db_case_path(), &options, &db, &err), TM_E_NOT_FOUND);
    options.create = true;
    options.migrations = db_case_second;
    tm__db_close(db_case_open(&options));
    options.migrations = db_case_first;
    assert_int_equal(tm__db_open(db_case_path(), &options, &db, &err), TM_E_UNSUPPORTED);
    options.application_id = 78;
    assert_int_equal(tm__db_open(db_case_path(), &options, &db, &err), TM_E_DATA);
    assert_int_equal(tm__fs_remove(db_case_path(), NULL), TM_OK);
    assert_int_equal(tm__fs_publish(db_case_path(),
                                    "this is no database, but long enough for a header", 49, NULL),
                     TM_OK);
    assert_int_equal(tm__db_open(db_case_path(), &db_case_make, &db, &err), TM_E_INTEGRITY);
    assert_string_equal(err.data_path, db_case_path());
    assert_null(db);
}

static void a_read_only_connection_does_not_migrate(void **state) {
    (void)state;
    tm__db_close(db_case_open(&db_case_make));
    const tm_db_options newer = {
        .read_only = true, .migrations = db_case_second, .application_id = 77};
    tm_db *db = NULL;
    tm_err err = {0};
    assert_int_equal(tm__db_open(db_case_path(), &newer, &db, &err), TM_E_UNSUPPORTED);
    assert_null(db);
    assert_non_null(strstr(err.message, "has format 1 and needs 2"));
    /* A file that its writer has not come to yet. */
    assert_int_equal(tm__fs_remove(db_case_path(), NULL), TM_OK);
    assert_int_equal(tm__fs_publish_secret(db_case_path(), "", 0, NULL), TM_OK);
    assert_int_equal(tm__db_open(db_case_path(), &newer, &db, &err), TM_E_NOT_FOUND);
    assert_null(db);
}

/* Whatever write or sync fails, once: the file is not opened, or it is in the mode it must be in.
 */
static void a_file_that_cannot_change_its_mode_is_not_opened(void **state) {
    (void)state;
    unsigned n_failed = 0;
    for (uint64_t n = 1; n < 200; n++) {
        (void)db_case_tear_down(NULL);
        (void)db_case_set_up(NULL);
        tm_db *db = NULL;
        test_disk_fail_at(n, false);
        const tm_status st = tm__db_open(db_case_path(), &db_case_make, &db, NULL);
        test_disk_fail_at(0, false);
        if (st == TM_OK) {
            tm_stmt *stmt = NULL;
            bool has_row = false;
            assert_int_equal(tm__stmt_init(db, "PRAGMA journal_mode", &stmt, NULL), TM_OK);
            assert_int_equal(tm__stmt_step(stmt, &has_row, NULL), TM_OK);
            assert_string_equal(tm__stmt_text(stmt, 0), "wal");
            tm__stmt_done(stmt);
            tm__db_close(db);
            break;
        }
        n_failed++;
    }
    assert_true(n_failed > 10);
}

/* Whatever write fails: an insert that was acknowledged is there, and one that failed is not half.
 */
static void a_failed_write_never_loses_an_acknowledged_row(void **state) {
    (void)state;
    unsigned n_closed = 0;
    for (uint64_t n = 1; n < 200; n++) {
        (void)db_case_tear_down(NULL);
        (void)db_case_set_up(NULL);
        tm_db *db = db_case_open(&db_case_make);
        assert_int_equal(db_case_insert(db, "before", NULL), TM_OK);
        test_disk_fail_at(n, false);
        tm_err err = {0};
        const tm_status st = db_case_insert(db, "during", &err);
        test_disk_fail_at(0, false);
        if (st != TM_OK) {
            assert_true(st == TM_E_IO || st == TM_E_UNAVAILABLE);
            assert_non_null(strstr(err.message, db_case_path()));
        }
        /* After a failed sync nothing more goes through this connection, though the disk is sound.
         */
        const bool is_closed = st != TM_OK && db_case_insert(db, "after", &err) != TM_OK;
        if (is_closed) {
            n_closed++;
            assert_int_equal(err.status, TM_E_IO);
            assert_non_null(strstr(err.message, "is closed to use after a failed sync"));
            assert_int_equal(tm__db_begin(db, &err), TM_E_IO);
        }
        tm__db_close(db);
        db = db_case_open(&db_case_make);
        assert_int_equal(db_case_number(db, "SELECT count(*) FROM t WHERE name = 'after'"),
                         st != TM_OK && !is_closed);
        assert_int_equal(db_case_number(db, "SELECT count(*) FROM t WHERE name = 'before'"), 1);
        if (st == TM_OK) {
            assert_int_equal(db_case_number(db, "SELECT count(*) FROM t"), 2);
            tm__db_close(db);
            assert_true(n > 1 && n_closed > 0);
            return;
        }
        assert_int_equal(db_case_number(db, "SELECT count(*) FROM pragma_integrity_check WHERE "
                                            "integrity_check = 'ok'"),
                         1);
        tm__db_close(db);
    }
    fail_msg("the insert never succeeded");
}

static void a_refused_file_keeps_every_byte(void **state) {
    (void)state;
    static const struct {
        const char *name;
        uint32_t application_id;
        const tm_migration *migrations;
        tm_status want;
    } cases[] = {
        {"newer", 77, db_case_first, TM_E_UNSUPPORTED},
        {"foreign", 78, db_case_second, TM_E_DATA},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_db_options options = db_case_make;
        tm_db *db = NULL;
        size_t len = 0, len_after = 0;
        options.migrations = db_case_second;
        db = db_case_open(&options);
        /* A later release, or another program, need not keep a write-ahead log. */
        assert_int_equal(tm__db_exec(db, "PRAGMA journal_mode=DELETE", NULL), TM_OK);
        tm__db_close(db);
        char *before = file_bytes(&len);
        options.application_id = cases[i].application_id;
        options.migrations = cases[i].migrations;
        print_message("%s\n", cases[i].name);
        assert_int_equal(tm__db_open(db_case_path(), &options, &db, NULL), cases[i].want);
        char *after = file_bytes(&len_after);
        assert_int_equal(len, len_after);
        assert_memory_equal(before, after, len);
        free(before);
        free(after);
    }
}

static void a_refused_file_keeps_its_write_ahead_log(void **state) {
    (void)state;
    char log[160];
    tm_db *db = NULL;
    tm_db_options options = db_case_make;
    options.migrations = db_case_second;
    snprintf(log, sizeof(log), "%s-wal", db_case_path());
    const pid_t writer = fork();
    if (writer == 0) { /* ends without closing, as a killed program does */
        _exit(tm__db_open(db_case_path(), &options, &db, NULL) == TM_OK &&
                      db_case_insert(db, "a", NULL) == TM_OK
                  ? 0
                  : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(writer, &status, 0), writer);
    assert_int_equal(status, 0);
    const uint64_t size_bytes = tm__fs_info(log).size_bytes;
    assert_true(size_bytes > 0);
    assert_int_equal(tm__db_open(db_case_path(), &db_case_make, &db, NULL), TM_E_UNSUPPORTED);
    assert_int_equal(tm__fs_info(log).size_bytes, size_bytes);
    db = db_case_open(&options);
    assert_int_equal(db_case_number(db, "SELECT count(*) FROM t"), 1);
    tm__db_close(db);
}

static void a_killed_migration_leaves_the_old_or_the_new(void **state) {
    (void)state;
    tm_db_options newer = db_case_make;
    int n_old = 0, n_new = 0;
    newer.migrations = rebuilt;
    for (int round = 0; round < 40 || (n_old == 0 && round < 1000); round++) {
        db_case_fill(4000);
        const pid_t child = fork();
        if (child == 0) {
            tm_db *db = NULL;
            _exit(tm__db_open(db_case_path(), &newer, &db, NULL) == TM_OK ? 0 : 1);
        }
        usleep((useconds_t)(round % 40 * 700));
        (void)kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        const tm_db_options reading = {
            .read_only = true, .migrations = rebuilt, .application_id = 77};
        tm_db *db = NULL;
        const tm_status st = tm__db_open(db_case_path(), &reading, &db, NULL);
        assert_true(st == TM_OK || st == TM_E_UNSUPPORTED); /* the latter: still the old format */
        st == TM_OK ? n_new++ : n_old++;
        tm__db_close(db);
        db = db_case_open(st == TM_OK ? &newer : &db_case_make);
        assert_int_equal(tm__db_check(db, NULL), TM_OK);
        assert_int_equal(db_case_number(db, "SELECT count(*) FROM t"), 4000);
        assert_int_equal(
            db_case_number(db, "SELECT count(*) FROM sqlite_schema WHERE name IN ('t2', 'runs')"),
            st == TM_OK ? 1 : 0);
        tm__db_close(db);
        db = db_case_open(&newer);
        assert_int_equal(db_case_number(db, "SELECT n FROM runs"), 4000);
        tm__db_close(db);
        char other[160];
        static const char *const suffixes[] = {"", "-wal", "-shm"};
        for (size_t i = 0; i < 3; i++) {
            snprintf(other, sizeof(other), "%s%s", db_case_path(), suffixes[i]);
            assert_int_equal(tm__fs_remove(other, NULL), TM_OK);
        }
    }
    print_message("killed: %d left the old format, %d the new\n", n_old, n_new);
    assert_true(n_old > 0);
}

static void a_copy_is_whole_while_another_process_writes(void **state) {
    (void)state;
    char to[160];
    tm_db *db = db_case_open(&db_case_make);
    snprintf(to, sizeof(to), "%s/copy.db", db_case_folder());
    const pid_t writer = fork();
    if (writer == 0) {
        /* Pairs: each commit adds one row and takes nothing away, so that rows and marks agree. */
        tm_db *own = NULL;
        if (tm__db_open(db_case_path(), &db_case_make, &own, NULL) != TM_OK) {
            _exit(1);
        }
        for (int i = 0;; i++) {
            char sql[160];
            snprintf(sql, sizeof(sql),
                     "INSERT INTO t(name, x) VALUES('row%d', 1); INSERT INTO t(name, x)"
                     " VALUES('mark%d', 2)",
                     i, i);
            if (tm__db_begin(own, NULL) != TM_OK || tm__db_exec(own, sql, NULL) != TM_OK ||
                tm__db_commit(own, NULL) != TM_OK) {
                _exit(1);
            }
        }
    }
    while (db_case_number(db, "SELECT count(*) FROM t") == 0) {
        assert_int_equal(waitpid(writer, NULL, WNOHANG), 0); /* it runs until it is killed */
    }
    for (int round = 0; round < 20; round++) {
        const tm_ctx ctx = {0};
        const int64_t before = db_case_number(db, "SELECT count(*) FROM t");
        tm_err err = {0};
        if (tm__db_copy(db, &ctx, to, &err) != TM_OK) {
            fail_msg("%s", err.message);
        }
        const tm_db_options as_copy = {
            .read_only = true, .migrations = db_case_first, .application_id = 77};
        tm_db *copy = NULL;
        assert_int_equal(tm__db_open(to, &as_copy, &copy, NULL), TM_OK);
        assert_int_equal(tm__db_check(copy, NULL), TM_OK);
        assert_true(db_case_number(copy, "SELECT count(*) FROM t") >= before);
        assert_int_equal(db_case_number(copy, "SELECT count(*) FROM t WHERE x = 1"),
                         db_case_number(copy, "SELECT count(*) FROM t WHERE x = 2"));
        tm__db_close(copy);
        assert_int_equal(remove(to), 0);
    }
    assert_int_equal(kill(writer, SIGKILL), 0);
    assert_int_equal(waitpid(writer, NULL, 0), writer);
    assert_true(db_case_number(db, "SELECT count(*) FROM t") > 0);
    tm__db_close(db);
}

static void a_damaged_page_shows_in_a_check(void **state) {
    (void)state;
    tm_db *db = db_case_open(&db_case_make);
    uint32_t format = 0;
    tm_err err = {0};
    assert_int_equal(tm__db_format(db, &format, NULL), TM_OK);
    assert_int_equal(format, 1);
    assert_int_equal(tm__db_check(db, NULL), TM_OK);
    for (int i = 0; i < 300; i++) {
        char name[32];
        snprintf(name, sizeof(name), "name%d", i);
        assert_int_equal(db_case_insert(db, name, NULL), TM_OK);
    }
    tm__db_close(db);
    /* Zeros over a page in the middle. */
    FILE *file = fopen(db_case_path(), "r+b");
    static const char zeros[4096];
    assert_non_null(file);
    assert_int_equal(fseek(file, 4 * 4096, SEEK_SET), 0);
    assert_int_equal(fwrite(zeros, 1, sizeof(zeros), file), sizeof(zeros));
    assert_int_equal(fclose(file), 0);
    db = db_case_open(&db_case_make);
    assert_int_equal(tm__db_check(db, &err), TM_E_INTEGRITY);
    assert_non_null(strstr(err.message, "a.db"));
    tm__db_close(db);
}

static bool open_and_close(void *arg) {
    (void)arg;
    tm_db *db = NULL;
    const tm_status st = tm__db_open(db_case_path(), &db_case_make, &db, NULL);
    assert_true(st == TM_OK || (st == TM_E_NOMEM && db == NULL));
    tm__db_close(db);
    return st == TM_OK;
}

static void opening_leaks_nothing_when_memory_runs_out(void **state) {
    (void)state;
    tm__db_close(db_case_open(&db_case_make));
    test_each_mem_fault(open_and_close, NULL);
}

static void what_failed_for_want_of_memory_is_not_in_the_next_commit(void **state) {
    (void)state;
    tm_db *db = db_case_open(&db_case_make);
    for (int forever = 0; forever < 2; forever++) {
        assert_int_equal(tm__db_begin(db, NULL), TM_OK);
        assert_int_equal(tm__db_exec(db, "INSERT INTO t(name) VALUES('half')", NULL), TM_OK);
        tm__mem_fail_at(1, forever == 1);
        assert_int_equal(tm__db_exec(db, "INSERT INTO t(name) VALUES('rest')", NULL), TM_E_NOMEM);
        tm__db_rollback(db);
        tm__mem_fail_at(0, false);
        assert_int_equal(tm__db_begin(db, NULL), TM_OK);
        assert_int_equal(tm__db_commit(db, NULL), TM_OK);
        assert_int_equal(db_case_number(db, "SELECT count(*) FROM t"), 0);
    }
    tm__db_close(db);
}

/* SQLite gives NULL for a value that it has no memory for, which must not be taken for null. */
static void a_value_that_was_lost_stops_the_commit(void **state) {
    (void)state;
    tm_db *db = db_case_open(&db_case_make);
    tm_stmt *stmt = NULL;
    bool has_row = false;
    tm_err err = {0};
    assert_int_equal(tm__db_begin(db, NULL), TM_OK);
    /* A number read as a text takes memory, from a small store of SQLite's own first. */
    char sql[8000] = "SELECT 1";
    for (size_t len = strlen(sql); len + 3 < sizeof(sql) && len < 3000; len += 2) {
        memcpy(sql + len, ",1", 3);
    }
    assert_int_equal(tm__stmt_init(db, sql, &stmt, NULL), TM_OK);
    assert_int_equal(tm__stmt_step(stmt, &has_row, NULL), TM_OK);
    tm__json_reset();
    tm__mem_fail_at(1, true);
    int n_read = 0;
    while (n_read < 1400 && tm__stmt_text(stmt, n_read) != NULL) {
        n_read++;
    }
    tm__mem_fail_at(0, false);
    assert_true(n_read < 1400);
    tm__stmt_done(stmt);
    assert_false(tm__json_is_whole());
    tm__json_reset();
    assert_int_equal(tm__db_commit(db, &err), TM_E_NOMEM);
    assert_int_equal(tm__db_begin(db, NULL), TM_OK);
    assert_int_equal(tm__db_commit(db, NULL), TM_OK);
    tm__db_close(db);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, db_case_set_up, db_case_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_file_opens_with_the_safe_settings),
        TEST(as_much_of_a_file_is_in_memory_whatever_its_pages),
        TEST(what_was_deleted_is_not_in_the_file),
        TEST(a_newer_or_foreign_or_damaged_file_is_refused),
        TEST(a_read_only_connection_does_not_migrate),
        TEST(a_file_that_cannot_change_its_mode_is_not_opened),
        TEST(a_failed_write_never_loses_an_acknowledged_row),
        TEST(a_refused_file_keeps_every_byte),
        TEST(a_refused_file_keeps_its_write_ahead_log),
        TEST(a_killed_migration_leaves_the_old_or_the_new),
        TEST(a_copy_is_whole_while_another_process_writes),
        TEST(a_damaged_page_shows_in_a_check),
        TEST(opening_leaks_nothing_when_memory_runs_out),
        TEST(what_failed_for_want_of_memory_is_not_in_the_next_commit),
        TEST(a_value_that_was_lost_stops_the_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
