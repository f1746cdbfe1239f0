/* SPDX-License-Identifier: Apache-2.0 */
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
#include "failing_disk.h"
#include "store/db.h"
#include "support.h"

static char folder[64];
static char path[128];

static const tm_migration first[] = {
    {1, "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT UNIQUE, x REAL, b BLOB) STRICT;", NULL},
    {0, NULL, NULL}};
static const tm_migration second[] = {
    {1, "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT UNIQUE, x REAL, b BLOB) STRICT;", NULL},
    {2, "ALTER TABLE t ADD COLUMN extra TEXT; CREATE INDEX t_extra ON t(extra);", NULL},
    {0, NULL, NULL}};
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

static const tm_db_options make = {.create = true, .migrations = first, .application_id = 77};

static int set_up(void **state) {
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/tm_db_XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    snprintf(path, sizeof(path), "%s/a.db", folder);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    char command[128];
    test_disk_fail_at(0, false);
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command);
}

static tm_db *open_ok(const tm_db_options *options) {
    tm_db *db = NULL;
    tm_err err = {0};
    if (tm__db_open(path, options, &db, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return db;
}

static int64_t number(tm_db *db, const char *sql) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    assert_int_equal(tm__stmt_init(db, sql, &stmt, NULL), TM_OK);
    assert_int_equal(tm__stmt_step(stmt, &has_row, NULL), TM_OK);
    assert_true(has_row);
    const int64_t value = tm__stmt_i64(stmt, 0);
    tm__stmt_done(stmt);
    return value;
}

static tm_status insert(tm_db *db, const char *name, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db, "INSERT INTO t(name, x, b) VALUES(?, ?, ?)", &stmt, err));
    tm__stmt_bind_text(stmt, 1, name);
    tm__stmt_bind_f64(stmt, 2, 0.1);
    tm__stmt_bind_blob(stmt, 3, "\0\1", 2);
    const tm_status st = tm__stmt_run(stmt, err);
    tm__stmt_done(stmt);
    return st;
}

static void values_come_back_as_they_went_in(void **state) {
    (void)state;
    tm_db *db = open_ok(&make);
    assert_int_equal(insert(db, "a", NULL), TM_OK);
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

static void a_file_opens_with_the_safe_settings(void **state) {
    (void)state;
    tm_db *db = open_ok(&make);
    assert_int_equal(number(db, "PRAGMA synchronous"), 2);
    assert_int_equal(number(db, "PRAGMA foreign_keys"), 1);
    assert_int_equal(number(db, "PRAGMA trusted_schema"), 0);
    assert_int_equal(number(db, "PRAGMA cell_size_check"), 1);
    assert_int_equal(number(db, "PRAGMA user_version"), 1);
    assert_int_equal(number(db, "PRAGMA application_id"), 77);
    tm__db_close(db);
}

static void a_statement_in_use_may_be_started_again(void **state) {
    (void)state;
    tm_db *db = open_ok(&make);
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

static void a_rolled_back_transaction_leaves_nothing(void **state) {
    (void)state;
    tm_db *db = open_ok(&make);
    assert_int_equal(tm__db_begin(db, NULL), TM_OK);
    assert_int_equal(insert(db, "a", NULL), TM_OK);
    tm__db_rollback(db);
    tm__db_rollback(db);
    assert_int_equal(number(db, "SELECT count(*) FROM t"), 0);
    tm__db_close(db);
}

static void data_version_moves_with_the_commits_of_others(void **state) {
    (void)state;
    tm_db *a = open_ok(&make), *b = open_ok(&make);
    int64_t before = 0, after = 0;
    assert_int_equal(tm__db_data_version(a, &before, NULL), TM_OK);
    assert_int_equal(insert(b, "b", NULL), TM_OK);
    assert_int_equal(tm__db_data_version(a, &after, NULL), TM_OK);
    assert_true(after > before);
    tm__db_close(a);
    tm__db_close(b);
}

static void a_second_equal_name_is_a_conflict(void **state) {
    (void)state;
    tm_db *db = open_ok(&make);
    tm_err err = {0};
    assert_int_equal(insert(db, "a", NULL), TM_OK);
    assert_int_equal(insert(db, "a", &err), TM_E_CONFLICT);
    assert_non_null(strstr(err.message, path));
    assert_int_equal(insert(db, "b", NULL), TM_OK);
    tm__db_close(db);
}

static void migrations_are_applied_once_and_whole(void **state) {
    (void)state;
    tm_db_options options = make;
    tm__db_close(open_ok(&options));
    tm_db *db = NULL;
    options.migrations = broken;
    assert_int_not_equal(tm__db_open(path, &options, &db, NULL), TM_OK);
    assert_null(db);
    options.migrations = failing_run;
    assert_int_equal(tm__db_open(path, &options, &db, NULL), TM_E_DATA);
    assert_null(db);
    options.migrations = first;
    db = open_ok(&options);
    assert_int_equal(number(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'half'"), 0);
    assert_int_equal(number(db, "PRAGMA user_version"), 1);
    tm__db_close(db);
    options.migrations = second;
    db = open_ok(&options);
    assert_int_equal(number(db, "PRAGMA user_version"), 2);
    tm__db_close(db);
    tm__db_close(open_ok(&options));
}

static void a_migration_may_run_code(void **state) {
    (void)state;
    tm_db *db = open_ok(&make);
    assert_int_equal(tm__db_exec(db, "INSERT INTO t(x) VALUES(1.5)", NULL), TM_OK);
    tm__db_close(db);
    tm_db_options options = make;
    options.migrations = with_run;
    for (int i = 0; i < 2; i++) { /* once, not at each opening */
        db = open_ok(&options);
        assert_int_equal(number(db, "SELECT x FROM t"), 3);
        tm__db_close(db);
    }
}

static void a_newer_or_foreign_or_damaged_file_is_refused(void **state) {
    (void)state;
    tm_db *db = NULL;
    tm_err err = {0};
    tm_db_options options = make;
    options.create = false;
    assert_int_equal(tm__db_open(path, &options, &db, &err), TM_E_NOT_FOUND);
    options.create = true;
    options.migrations = second;
    tm__db_close(open_ok(&options));
    options.migrations = first;
    assert_int_equal(tm__db_open(path, &options, &db, &err), TM_E_UNSUPPORTED);
    options.application_id = 78;
    assert_int_equal(tm__db_open(path, &options, &db, &err), TM_E_DATA);
    assert_int_equal(tm__fs_remove(path, NULL), TM_OK);
    assert_int_equal(
        tm__fs_publish(path, "this is no database, but long enough for a header", 49, NULL), TM_OK);
    assert_int_equal(tm__db_open(path, &make, &db, &err), TM_E_INTEGRITY);
    assert_string_equal(err.data_path, path);
    assert_null(db);
}

/* Bytes of the file; the caller frees them. */
static char *file_bytes(size_t *out_len) {
    FILE *file = fopen(path, "rb");
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

static void a_refused_file_keeps_every_byte(void **state) {
    (void)state;
    static const struct {
        const char *name;
        uint32_t application_id;
        const tm_migration *migrations;
        tm_status want;
    } cases[] = {
        {"newer", 77, first, TM_E_UNSUPPORTED},
        {"foreign", 78, second, TM_E_DATA},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_db_options options = make;
        tm_db *db = NULL;
        size_t len = 0, len_after = 0;
        options.migrations = second;
        db = open_ok(&options);
        /* A later release, or another program, need not keep a write-ahead log. */
        assert_int_equal(tm__db_exec(db, "PRAGMA journal_mode=DELETE", NULL), TM_OK);
        tm__db_close(db);
        char *before = file_bytes(&len);
        options.application_id = cases[i].application_id;
        options.migrations = cases[i].migrations;
        print_message("%s\n", cases[i].name);
        assert_int_equal(tm__db_open(path, &options, &db, NULL), cases[i].want);
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
    tm_db_options options = make;
    options.migrations = second;
    snprintf(log, sizeof(log), "%s-wal", path);
    const pid_t writer = fork();
    if (writer == 0) { /* ends without closing, as a killed program does */
        _exit(tm__db_open(path, &options, &db, NULL) == TM_OK && insert(db, "a", NULL) == TM_OK
                  ? 0
                  : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(writer, &status, 0), writer);
    assert_int_equal(status, 0);
    const uint64_t size_bytes = tm__fs_info(log).size_bytes;
    assert_true(size_bytes > 0);
    assert_int_equal(tm__db_open(path, &make, &db, NULL), TM_E_UNSUPPORTED);
    assert_int_equal(tm__fs_info(log).size_bytes, size_bytes);
    db = open_ok(&options);
    assert_int_equal(number(db, "SELECT count(*) FROM t"), 1);
    tm__db_close(db);
}

static void an_older_program_stops_writing_when_a_newer_one_migrates(void **state) {
    (void)state;
    tm_err err = {0};
    tm_db_options newer = make;
    newer.migrations = second;
    tm_db *old = open_ok(&make);
    assert_int_equal(insert(old, "before", NULL), TM_OK);
    tm__db_close(open_ok(&newer));
    assert_int_equal(tm__db_begin(old, &err), TM_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "format 2"));
    assert_non_null(strstr(err.message, path));
    assert_int_equal(tm__db_begin(old, NULL), TM_E_UNSUPPORTED);
    tm__db_close(old);
    tm_db *new = open_ok(&newer);
    assert_int_equal(tm__db_begin(new, NULL), TM_OK);
    assert_int_equal(insert(new, "after", NULL), TM_OK);
    assert_int_equal(tm__db_commit(new, NULL), TM_OK);
    tm__db_close(new);
}

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

static void fill(int n) {
    tm_db *db = open_ok(&make);
    char sql[200];
    snprintf(sql, sizeof(sql),
             "INSERT INTO t(name, x) SELECT 'n' || value, value FROM (WITH RECURSIVE c(value) AS"
             " (SELECT 1 UNION ALL SELECT value + 1 FROM c WHERE value < %d) SELECT * FROM c)",
             n);
    assert_int_equal(tm__db_exec(db, sql, NULL), TM_OK);
    tm__db_close(db);
}

static void an_older_file_is_migrated_once_by_sixteen_programs(void **state) {
    (void)state;
    enum { n_programs = 16 };
    tm_db_options newer = make;
    pid_t pids[n_programs];
    int gate[2];
    newer.migrations = rebuilt;
    fill(3000);
    assert_int_equal(pipe(gate), 0);
    for (int i = 0; i < n_programs; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            char go;
            tm_db *db = NULL;
            close(gate[1]);
            (void)!read(gate[0], &go, 1);
            const bool ok = tm__db_open(path, &newer, &db, NULL) == TM_OK &&
                            number(db, "SELECT count(*) FROM runs") == 1 &&
                            number(db, "SELECT count(*) FROM t WHERE y = 2 * x") == 3000;
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

static void a_killed_migration_leaves_the_old_or_the_new(void **state) {
    (void)state;
    tm_db_options newer = make;
    int n_old = 0, n_new = 0;
    newer.migrations = rebuilt;
    for (int round = 0; round < 40; round++) {
        fill(4000);
        const pid_t child = fork();
        if (child == 0) {
            tm_db *db = NULL;
            _exit(tm__db_open(path, &newer, &db, NULL) == TM_OK ? 0 : 1);
        }
        usleep((useconds_t)(round * 700));
        (void)kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        const tm_db_options reading = {
            .read_only = true, .migrations = rebuilt, .application_id = 77};
        tm_db *db = NULL;
        const tm_status st = tm__db_open(path, &reading, &db, NULL);
        assert_true(st == TM_OK || st == TM_E_UNSUPPORTED); /* the latter: still the old format */
        st == TM_OK ? n_new++ : n_old++;
        tm__db_close(db);
        db = open_ok(st == TM_OK ? &newer : &make);
        assert_int_equal(tm__db_check(db, NULL), TM_OK);
        assert_int_equal(number(db, "SELECT count(*) FROM t"), 4000);
        assert_int_equal(
            number(db, "SELECT count(*) FROM sqlite_schema WHERE name IN ('t2', 'runs')"),
            st == TM_OK ? 1 : 0);
        tm__db_close(db);
        db = open_ok(&newer);
        assert_int_equal(number(db, "SELECT n FROM runs"), 4000);
        tm__db_close(db);
        char other[160];
        static const char *const suffixes[] = {"", "-wal", "-shm"};
        for (size_t i = 0; i < 3; i++) {
            snprintf(other, sizeof(other), "%s%s", path, suffixes[i]);
            assert_int_equal(tm__fs_remove(other, NULL), TM_OK);
        }
    }
    print_message("killed: %d left the old format, %d the new\n", n_old, n_new);
    assert_true(n_old > 0);
}

static void a_read_only_connection_does_not_migrate(void **state) {
    (void)state;
    tm__db_close(open_ok(&make));
    const tm_db_options newer = {.read_only = true, .migrations = second, .application_id = 77};
    tm_db *db = NULL;
    tm_err err = {0};
    assert_int_equal(tm__db_open(path, &newer, &db, &err), TM_E_UNSUPPORTED);
    assert_null(db);
    assert_non_null(strstr(err.message, "has format 1 and needs 2"));
    /* A file that its writer has not come to yet. */
    assert_int_equal(tm__fs_remove(path, NULL), TM_OK);
    assert_int_equal(tm__fs_publish_secret(path, "", 0, NULL), TM_OK);
    assert_int_equal(tm__db_open(path, &newer, &db, &err), TM_E_NOT_FOUND);
    assert_null(db);
}

static void a_read_only_connection_sees_what_is_written(void **state) {
    (void)state;
    tm_db *writer = open_ok(&make);
    tm_db_options options = make;
    options.create = false;
    options.read_only = true;
    tm_db *reader = open_ok(&options);
    assert_int_equal(insert(writer, "a", NULL), TM_OK);
    assert_int_equal(number(reader, "SELECT count(*) FROM t"), 1);
    assert_int_equal(insert(reader, "b", NULL), TM_E_NOT_ALLOWED);
    tm__db_close(reader);
    tm__db_close(writer);
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
            tm_db_options options = make;
            options.migrations = second;
            snprintf(name, sizeof(name), "p%d", i);
            int code = tm__db_open(path, &options, &db, NULL) == TM_OK ? 0 : 1;
            if (code == 0) {
                code = insert(db, name, NULL) == TM_OK ? 0 : 2;
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
    tm_db_options options = make;
    options.migrations = second;
    tm_db *db = open_ok(&options);
    assert_int_equal(number(db, "SELECT count(*) FROM t"), n_processes);
    tm__db_close(db);
}

/* Whatever write or sync fails, once: the file is not opened, or it is in the mode it must be in.
 */
static void a_file_that_cannot_change_its_mode_is_not_opened(void **state) {
    (void)state;
    unsigned n_failed = 0;
    for (uint64_t n = 1; n < 200; n++) {
        (void)tear_down(NULL);
        (void)set_up(NULL);
        tm_db *db = NULL;
        test_disk_fail_at(n, false);
        const tm_status st = tm__db_open(path, &make, &db, NULL);
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
        (void)tear_down(NULL);
        (void)set_up(NULL);
        tm_db *db = open_ok(&make);
        assert_int_equal(insert(db, "before", NULL), TM_OK);
        test_disk_fail_at(n, false);
        tm_err err = {0};
        const tm_status st = insert(db, "during", &err);
        test_disk_fail_at(0, false);
        if (st != TM_OK) {
            assert_true(st == TM_E_IO || st == TM_E_UNAVAILABLE);
            assert_non_null(strstr(err.message, path));
        }
        /* After a failed sync nothing more goes through this connection, though the disk is sound.
         */
        const bool is_closed = st != TM_OK && insert(db, "after", &err) != TM_OK;
        if (is_closed) {
            n_closed++;
            assert_int_equal(err.status, TM_E_IO);
            assert_non_null(strstr(err.message, "is closed to use after a failed sync"));
            assert_int_equal(tm__db_begin(db, &err), TM_E_IO);
        }
        tm__db_close(db);
        db = open_ok(&make);
        assert_int_equal(number(db, "SELECT count(*) FROM t WHERE name = 'after'"),
                         st != TM_OK && !is_closed);
        assert_int_equal(number(db, "SELECT count(*) FROM t WHERE name = 'before'"), 1);
        if (st == TM_OK) {
            assert_int_equal(number(db, "SELECT count(*) FROM t"), 2);
            tm__db_close(db);
            assert_true(n > 1 && n_closed > 0);
            return;
        }
        assert_int_equal(number(db, "SELECT count(*) FROM pragma_integrity_check WHERE "
                                    "integrity_check = 'ok'"),
                         1);
        tm__db_close(db);
    }
    fail_msg("the insert never succeeded");
}

static void a_copy_is_whole_while_another_process_writes(void **state) {
    (void)state;
    char to[160];
    tm_db *db = open_ok(&make);
    snprintf(to, sizeof(to), "%s/copy.db", folder);
    const pid_t writer = fork();
    if (writer == 0) {
        /* Pairs: each commit adds one row and takes nothing away, so that rows and marks agree. */
        tm_db *own = NULL;
        if (tm__db_open(path, &make, &own, NULL) != TM_OK) {
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
    while (number(db, "SELECT count(*) FROM t") == 0) {
        assert_int_equal(waitpid(writer, NULL, WNOHANG), 0); /* it runs until it is killed */
    }
    for (int round = 0; round < 20; round++) {
        const tm_ctx ctx = {0};
        const int64_t before = number(db, "SELECT count(*) FROM t");
        tm_err err = {0};
        if (tm__db_copy(db, &ctx, to, &err) != TM_OK) {
            fail_msg("%s", err.message);
        }
        const tm_db_options as_copy = {
            .read_only = true, .migrations = first, .application_id = 77};
        tm_db *copy = NULL;
        assert_int_equal(tm__db_open(to, &as_copy, &copy, NULL), TM_OK);
        assert_int_equal(tm__db_check(copy, NULL), TM_OK);
        assert_true(number(copy, "SELECT count(*) FROM t") >= before);
        assert_int_equal(number(copy, "SELECT count(*) FROM t WHERE x = 1"),
                         number(copy, "SELECT count(*) FROM t WHERE x = 2"));
        tm__db_close(copy);
        assert_int_equal(remove(to), 0);
    }
    assert_int_equal(kill(writer, SIGKILL), 0);
    assert_int_equal(waitpid(writer, NULL, 0), writer);
    assert_true(number(db, "SELECT count(*) FROM t") > 0);
    tm__db_close(db);
}

static void a_damaged_page_shows_in_a_check(void **state) {
    (void)state;
    tm_db *db = open_ok(&make);
    uint32_t format = 0;
    tm_err err = {0};
    assert_int_equal(tm__db_format(db, &format, NULL), TM_OK);
    assert_int_equal(format, 1);
    assert_int_equal(tm__db_check(db, NULL), TM_OK);
    for (int i = 0; i < 300; i++) {
        char name[32];
        snprintf(name, sizeof(name), "name%d", i);
        assert_int_equal(insert(db, name, NULL), TM_OK);
    }
    tm__db_close(db);
    /* Zeros over a page in the middle. */
    FILE *file = fopen(path, "r+b");
    static const char zeros[4096];
    assert_non_null(file);
    assert_int_equal(fseek(file, 4 * 4096, SEEK_SET), 0);
    assert_int_equal(fwrite(zeros, 1, sizeof(zeros), file), sizeof(zeros));
    assert_int_equal(fclose(file), 0);
    db = open_ok(&make);
    assert_int_equal(tm__db_check(db, &err), TM_E_INTEGRITY);
    assert_non_null(strstr(err.message, "a.db"));
    tm__db_close(db);
}

static bool open_and_close(void *arg) {
    (void)arg;
    tm_db *db = NULL;
    const tm_status st = tm__db_open(path, &make, &db, NULL);
    assert_true(st == TM_OK || (st == TM_E_NOMEM && db == NULL));
    tm__db_close(db);
    return st == TM_OK;
}

static void opening_leaks_nothing_when_memory_runs_out(void **state) {
    (void)state;
    tm__db_close(open_ok(&make));
    test_each_mem_fault(open_and_close, NULL);
}

static void what_failed_for_want_of_memory_is_not_in_the_next_commit(void **state) {
    (void)state;
    tm_db *db = open_ok(&make);
    for (int forever = 0; forever < 2; forever++) {
        assert_int_equal(tm__db_begin(db, NULL), TM_OK);
        assert_int_equal(tm__db_exec(db, "INSERT INTO t(name) VALUES('half')", NULL), TM_OK);
        tm__mem_fail_at(1, forever == 1);
        assert_int_equal(tm__db_exec(db, "INSERT INTO t(name) VALUES('rest')", NULL), TM_E_NOMEM);
        tm__db_rollback(db);
        tm__mem_fail_at(0, false);
        assert_int_equal(tm__db_begin(db, NULL), TM_OK);
        assert_int_equal(tm__db_commit(db, NULL), TM_OK);
        assert_int_equal(number(db, "SELECT count(*) FROM t"), 0);
    }
    tm__db_close(db);
}

/* SQLite gives NULL for a value that it has no memory for, which must not be taken for null. */
static void a_value_that_was_lost_stops_the_commit(void **state) {
    (void)state;
    tm_db *db = open_ok(&make);
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

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(values_come_back_as_they_went_in),
        TEST(a_file_opens_with_the_safe_settings),
        TEST(a_statement_in_use_may_be_started_again),
        TEST(a_rolled_back_transaction_leaves_nothing),
        TEST(data_version_moves_with_the_commits_of_others),
        TEST(a_second_equal_name_is_a_conflict),
        TEST(migrations_are_applied_once_and_whole),
        TEST(a_migration_may_run_code),
        TEST(a_newer_or_foreign_or_damaged_file_is_refused),
        TEST(a_read_only_connection_sees_what_is_written),
        TEST(a_read_only_connection_does_not_migrate),
        TEST(many_processes_make_a_fresh_file_at_once),
        TEST(a_file_that_cannot_change_its_mode_is_not_opened),
        TEST(a_failed_write_never_loses_an_acknowledged_row),
        TEST(a_refused_file_keeps_every_byte),
        TEST(a_refused_file_keeps_its_write_ahead_log),
        TEST(an_older_program_stops_writing_when_a_newer_one_migrates),
        TEST(an_older_file_is_migrated_once_by_sixteen_programs),
        TEST(a_killed_migration_leaves_the_old_or_the_new),
        TEST(a_copy_is_whole_while_another_process_writes),
        TEST(a_damaged_page_shows_in_a_check),
        TEST(opening_leaks_nothing_when_memory_runs_out),
        TEST(what_failed_for_want_of_memory_is_not_in_the_next_commit),
        TEST(a_value_that_was_lost_stops_the_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
