/* SPDX-License-Identifier: Apache-2.0 */
/* What every engine keeps: a file of SQLite here, and PostgreSQL where TIDEMILL_TEST_DSN says so
 * (tests/e2e/test_store_postgres.py). */
#include "test.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "db_case.h"
#include "store/db.h"

static tm_status double_x(tm_db *db, tm_err *err) {
    return tm__db_exec(db, "UPDATE t SET x = x * 2", err);
}
static const tm_migration with_run[] = {
    {1, "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT UNIQUE, x REAL, b BLOB) STRICT;", NULL},
    {2, "ALTER TABLE t ADD COLUMN extra TEXT;", .run_locked = double_x},
    {0, NULL, NULL}};
static tm_status fail_run(tm_db *db, tm_err *err) {
    (void)db;
    return TM_FAIL(err, TM_E_DATA, "no");
}
static const tm_migration failing_run[] = {
    {1, "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT UNIQUE, x REAL, b BLOB) STRICT;", NULL},
    {2, "CREATE TABLE half(id INTEGER) STRICT;", .run_locked = fail_run},
    {0, NULL, NULL}};
static const tm_migration broken[] = {
    {1, "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT UNIQUE, x REAL, b BLOB) STRICT;", NULL},
    {2, "CREATE TABLE half(id INTEGER); CREATE TABLE t(id INTEGER);", NULL},
    {0, NULL, NULL}};

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

static void values_come_back_as_they_went_in(void **state) {
    (void)state;
    tm_db *db = db_case_open(&db_case_make);
    assert_int_equal(db_case_insert(db, "a", NULL), TM_OK);
    assert_int_equal(tm__db_last_id(db), 1);
    assert_int_equal(tm__db_changes(db), 1);
    tm_stmt *stmt = NULL;
    bool has_row = false;
    assert_int_equal(
        tm__stmt_init(db, "SELECT name, x, b, NULL FROM t WHERE name = ?", &stmt, NULL), TM_OK);
    tm__stmt_bind_str(stmt, 1, TM_STR("a"));
    assert_int_equal(tm__stmt_step(stmt, &has_row, NULL), TM_OK);
    assert_true(has_row);
    assert_string_equal(tm__stmt_text(stmt, 0), "a");
    assert_true(tm__stmt_f64(stmt, 1) == 0.1);
    assert_int_equal(tm__stmt_blob(stmt, 2).len, 2);
    assert_memory_equal(tm__stmt_blob(stmt, 2).ptr, "\0\1", 2);
    assert_true(tm__stmt_is_null(stmt, 3));
    assert_int_equal(tm__stmt_step(stmt, &has_row, NULL), TM_OK);
    assert_false(has_row);
    tm__stmt_done(stmt);
    tm__db_close(db);
}

static void a_statement_in_use_may_be_started_again(void **state) {
    (void)state;
    tm_db *db = db_case_open(&db_case_make);
    tm_stmt *a = NULL, *b = NULL;
    bool has_row = false;
    const char *sql = "SELECT ? + 1";
    assert_int_equal(tm__stmt_init(db, sql, &a, NULL), TM_OK);
    assert_int_equal(tm__stmt_init(db, sql, &b, NULL), TM_OK);
    assert_ptr_not_equal(a, b);
    tm__stmt_bind_i64(a, 1, 1);
    tm__stmt_bind_i64(b, 1, 2);
    assert_int_equal(tm__stmt_step(a, &has_row, NULL), TM_OK);
    assert_int_equal(tm__stmt_step(b, &has_row, NULL), TM_OK);
    assert_int_equal(tm__stmt_i64(a, 0), 2);
    assert_int_equal(tm__stmt_i64(b, 0), 3);
    tm__stmt_done(a);
    tm__stmt_done(b);
    tm_stmt *c = NULL;
    assert_int_equal(tm__stmt_init(db, sql, &c, NULL), TM_OK);
    assert_ptr_equal(a, c);
    /* Nothing stays bound. */
    assert_int_equal(tm__stmt_step(c, &has_row, NULL), TM_OK);
    assert_true(tm__stmt_is_null(c, 0));
    tm__stmt_done(c);
    tm__db_close(db);
}

/* Rows that a loop sees before `stop` of them. */
static uint32_t rows_until(tm_db *db, uint32_t stop, tm_status *st) {
    tm_stmt *stmt = NULL;
    tm_err err = {0};
    uint32_t n = 0;
    assert_int_equal(tm__stmt_init(db, "SELECT name FROM t ORDER BY name", &stmt, NULL), TM_OK);
    while (n < stop && tm__stmt_next(stmt, st, &err)) {
        assert_int_equal(tm__stmt_text(stmt, 0)[0], 'a' + (int)n++);
    }
    tm__stmt_done(stmt);
    return n;
}

static void a_loop_over_rows_ends_with_them_or_with_a_failure(void **state) {
    (void)state;
    tm_db *db = db_case_open(&db_case_make);
    tm_status st = TM_OK;
    assert_int_equal(rows_until(db, 9, &st), 0);
    assert_int_equal(db_case_insert(db, "a", NULL), TM_OK);
    assert_int_equal(db_case_insert(db, "b", NULL), TM_OK);
    assert_int_equal(rows_until(db, 9, &st), 2);
    assert_int_equal(rows_until(db, 1, &st), 1);
    assert_int_equal(st, TM_OK);
    st = TM_E_DATA; /* what a body leaves ends the loop, and stays */
    assert_int_equal(rows_until(db, 9, &st), 0);
    assert_int_equal(st, TM_E_DATA);
    tm__db_close(db);
}

static void a_statement_without_rows_is_run_and_done(void **state) {
    (void)state;
    tm_db *db = db_case_open(&db_case_make);
    for (int i = 0; i < 2; i++) {
        tm_stmt *stmt = NULL;
        assert_int_equal(tm__stmt_init(db, "INSERT INTO t(name, x) VALUES(?1, 1.0)", &stmt, NULL),
                         TM_OK);
        tm__stmt_bind_text(stmt, 1, "a"); /* of which there is one */
        assert_true((tm__stmt_run_done(stmt, NULL) == TM_OK) == (i == 0));
    }
    assert_int_equal(db_case_number(db, "SELECT count(*) FROM t"), 1);
    tm__db_close(db);
}

static void a_rolled_back_transaction_leaves_nothing(void **state) {
    (void)state;
    tm_db *db = db_case_open(&db_case_make);
    assert_int_equal(tm__db_begin(db, NULL), TM_OK);
    assert_int_equal(db_case_insert(db, "a", NULL), TM_OK);
    tm__db_rollback(db);
    tm__db_rollback(db);
    assert_int_equal(db_case_number(db, "SELECT count(*) FROM t"), 0);
    tm__db_close(db);
}

static void a_transaction_ends_as_its_work_did(void **state) {
    (void)state;
    tm_db *db = db_case_open(&db_case_make);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tm__db_begin(db, NULL), TM_OK);
        assert_int_equal(db_case_insert(db, i == 0 ? "a" : "b", NULL), TM_OK);
        const tm_status st = i == 0 ? TM_E_DATA : TM_OK;
        assert_int_equal(tm__db_end(db, st, NULL), st);
        assert_false(tm__db_is_in_transaction(db));
        assert_int_equal(db_case_number(db, "SELECT count(*) FROM t"), i);
    }
    tm__db_close(db);
}

static void data_version_moves_with_the_commits_of_others(void **state) {
    (void)state;
    tm_db *a = db_case_open(&db_case_make), *b = db_case_open(&db_case_make);
    int64_t before = 0, after = 0;
    assert_int_equal(tm__db_data_version(a, &before, NULL), TM_OK);
    assert_int_equal(db_case_insert(b, "b", NULL), TM_OK);
    assert_int_equal(tm__db_data_version(a, &after, NULL), TM_OK);
    assert_true(after > before);
    tm__db_close(a);
    tm__db_close(b);
}

static void a_second_equal_name_is_a_conflict(void **state) {
    (void)state;
    tm_db *db = db_case_open(&db_case_make);
    tm_err err = {0};
    assert_int_equal(db_case_insert(db, "a", NULL), TM_OK);
    assert_int_equal(db_case_insert(db, "a", &err), TM_E_CONFLICT);
    assert_non_null(strstr(err.message, db_case_path()));
    assert_int_equal(db_case_insert(db, "b", NULL), TM_OK);
    tm__db_close(db);
}

static void migrations_are_applied_once_and_whole(void **state) {
    (void)state;
    tm_db_options options = db_case_make;
    tm__db_close(db_case_open(&options));
    tm_db *db = NULL;
    options.migrations = broken;
    assert_int_not_equal(tm__db_open(db_case_path(), &options, &db, NULL), TM_OK);
    assert_null(db);
    options.migrations = failing_run;
    assert_int_equal(tm__db_open(db_case_path(), &options, &db, NULL), TM_E_DATA);
    assert_null(db);
    options.migrations = db_case_first;
    db = db_case_open(&options);
    uint32_t format = 0;
    tm_stmt *stmt = NULL;
    bool has_row = false;
    const bool has_half = tm__stmt_init(db, "SELECT count(*) FROM half", &stmt, NULL) == TM_OK &&
                          tm__stmt_step(stmt, &has_row, NULL) == TM_OK;
    tm__stmt_done(stmt);
    assert_false(has_half);
    assert_int_equal(tm__db_format(db, &format, NULL), TM_OK);
    assert_int_equal(format, 1);
    tm__db_close(db);
    options.migrations = db_case_second;
    db = db_case_open(&options);
    assert_int_equal(tm__db_format(db, &format, NULL), TM_OK);
    assert_int_equal(format, 2);
    tm__db_close(db);
    tm__db_close(db_case_open(&options));
}

static void a_migration_may_run_code(void **state) {
    (void)state;
    tm_db *db = db_case_open(&db_case_make);
    assert_int_equal(tm__db_exec(db, "INSERT INTO t(x) VALUES(1.5)", NULL), TM_OK);
    tm__db_close(db);
    tm_db_options options = db_case_make;
    options.migrations = with_run;
    for (int i = 0; i < 2; i++) { /* once, not at each opening */
        db = db_case_open(&options);
        assert_int_equal(db_case_number(db, "SELECT x FROM t"), 3);
        tm__db_close(db);
    }
}

static void a_read_only_connection_sees_what_is_written(void **state) {
    (void)state;
    tm_db *writer = db_case_open(&db_case_make);
    tm_db_options options = db_case_make;
    options.create = false;
    options.read_only = true;
    tm_db *reader = db_case_open(&options);
    assert_int_equal(db_case_insert(writer, "a", NULL), TM_OK);
    assert_int_equal(db_case_number(reader, "SELECT count(*) FROM t"), 1);
    assert_int_equal(db_case_insert(reader, "b", NULL), TM_E_NOT_ALLOWED);
    tm__db_close(reader);
    tm__db_close(writer);
}

static void an_older_program_stops_writing_when_a_newer_one_migrates(void **state) {
    (void)state;
    tm_err err = {0};
    tm_db_options newer = db_case_make;
    newer.migrations = db_case_second;
    tm_db *old = db_case_open(&db_case_make);
    assert_int_equal(db_case_insert(old, "before", NULL), TM_OK);
    tm__db_close(db_case_open(&newer));
    assert_int_equal(tm__db_begin(old, &err), TM_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "format 2"));
    assert_non_null(strstr(err.message, db_case_path()));
    assert_int_equal(tm__db_begin(old, NULL), TM_E_UNSUPPORTED);
    tm__db_close(old);
    tm_db *new = db_case_open(&newer);
    assert_int_equal(tm__db_begin(new, NULL), TM_OK);
    assert_int_equal(db_case_insert(new, "after", NULL), TM_OK);
    assert_int_equal(tm__db_commit(new, NULL), TM_OK);
    tm__db_close(new);
}

static void an_older_file_is_migrated_once_by_sixteen_programs(void **state) {
    (void)state;
    enum { n_programs = 16 };
    tm_db_options newer = db_case_make;
    pid_t pids[n_programs];
    int gate[2];
    newer.migrations = rebuilt;
    db_case_fill(3000);
    assert_int_equal(pipe(gate), 0);
    for (int i = 0; i < n_programs; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            char go;
            tm_db *db = NULL;
            close(gate[1]);
            (void)!read(gate[0], &go, 1);
            const bool ok = tm__db_open(db_case_path(), &newer, &db, NULL) == TM_OK &&
                            db_case_number(db, "SELECT count(*) FROM runs") == 1 &&
                            db_case_number(db, "SELECT count(*) FROM t WHERE y = 2 * x") == 3000;
            tm__db_close(db);
            _exit(ok ? 0 : 1);
        }
    }
    close(gate[0]);
    close(gate[1]);
    for (int i = 0; i < n_programs; i++) {
        int status = 0;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
}

static void many_processes_make_a_fresh_file_at_once(void **state) {
    (void)state;
    enum { n_processes = 16 };
    int gate[2];
    pid_t pids[n_processes];
    assert_int_equal(pipe(gate), 0);
    for (int i = 0; i < n_processes; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            char go, name[16];
            tm_db *db = NULL;
            close(gate[1]);
            (void)!read(gate[0], &go, 1); /* all start when the other end closes */
            tm_db_options options = db_case_make;
            options.migrations = db_case_second;
            snprintf(name, sizeof(name), "p%d", i);
            int code = tm__db_open(db_case_path(), &options, &db, NULL) == TM_OK ? 0 : 1;
            if (code == 0) {
                code = db_case_insert(db, name, NULL) == TM_OK ? 0 : 2;
                tm__db_close(db);
            }
            _exit(code);
        }
    }
    close(gate[0]);
    close(gate[1]);
    for (int i = 0; i < n_processes; i++) {
        int status = 0;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    tm_db_options options = db_case_make;
    options.migrations = db_case_second;
    tm_db *db = db_case_open(&options);
    assert_int_equal(db_case_number(db, "SELECT count(*) FROM t"), n_processes);
    tm__db_close(db);
}

static void behind_a_fence_nothing_is_written(void **state) {
    (void)state;
    static const char fence[] = "SELECT count(*) FROM t";
    tm_err err = {0};
    db_case_fill(3);
    tm_db *db = db_case_open(&db_case_make), *other = db_case_open(&db_case_make);
    tm__db_fence(db, fence, 3);
    assert_int_equal(tm__db_begin(db, NULL), TM_OK);
    assert_int_equal(db_case_insert(db, "own", NULL), TM_OK); /* asked in the beginning only */
    assert_int_equal(tm__db_commit(db, NULL), TM_OK);
    tm__db_fence(db, fence, 4);
    assert_int_equal(tm__db_begin(db, NULL), TM_OK);
    tm__db_rollback(db);
    assert_int_equal(db_case_insert(other, "next", NULL), TM_OK);
    assert_int_equal(tm__db_begin(db, &err), TM_E_CONFLICT);
    assert_non_null(strstr(err.message, "epoch 4 is over, another leader holds 5"));
    assert_false(tm__db_is_in_transaction(db));
    assert_int_equal(db_case_insert(other, "free", NULL), TM_OK); /* it holds no lock */
    if (db_case_is_postgres()) {
        assert_int_equal(db_case_insert(db, "alone", NULL), TM_E_CONFLICT);
        assert_int_equal(tm__db_exec(db, "DELETE FROM t", NULL), TM_E_CONFLICT);
    }
    assert_int_equal(db_case_number(db, fence), 6); /* who only reads is not asked */
    tm__db_fence(db, NULL, 0);
    assert_int_equal(db_case_insert(db, "again", NULL), TM_OK);
    tm__db_close(db);
    tm__db_close(other);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, db_case_set_up, db_case_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(values_come_back_as_they_went_in),
        TEST(a_statement_in_use_may_be_started_again),
        TEST(a_loop_over_rows_ends_with_them_or_with_a_failure),
        TEST(a_statement_without_rows_is_run_and_done),
        TEST(a_rolled_back_transaction_leaves_nothing),
        TEST(a_transaction_ends_as_its_work_did),
        TEST(data_version_moves_with_the_commits_of_others),
        TEST(a_second_equal_name_is_a_conflict),
        TEST(behind_a_fence_nothing_is_written),
        TEST(migrations_are_applied_once_and_whole),
        TEST(a_migration_may_run_code),
        TEST(a_read_only_connection_sees_what_is_written),
        TEST(an_older_program_stops_writing_when_a_newer_one_migrates),
        TEST(an_older_file_is_migrated_once_by_sixteen_programs),
        TEST(many_processes_make_a_fresh_file_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
