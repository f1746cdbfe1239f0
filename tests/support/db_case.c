/* SPDX-License-Identifier: Apache-2.0 */
#include "db_case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#include "base/fs.h"
#include "failing_disk.h"

static char folder[64];
static char path[128];

const tm_migration db_case_first[] = {DB_CASE_FIRST, {0, NULL, NULL}};
const tm_migration db_case_second[] = {
    DB_CASE_FIRST,
    {2, "ALTER TABLE t ADD COLUMN extra TEXT; CREATE INDEX t_extra ON t(extra);", NULL},
    {0, NULL, NULL}};
const tm_db_options db_case_make = {
    .create = true, .migrations = db_case_first, .application_id = 77};

bool db_case_is_postgres(void) {
    return getenv("TIDEMILL_TEST_DSN") != NULL;
}

const char *db_case_folder(void) {
    return folder;
}

const char *db_case_path(void) {
    return path;
}

int db_case_set_up(void **state) {
    (void)state;
    char text[300];
    snprintf(folder, sizeof(folder), "/tmp/tm_db_XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    if (!db_case_is_postgres()) {
        snprintf(path, sizeof(path), "%s/a.db", folder);
        return 0;
    }
    snprintf(path, sizeof(path), "%s/a.json", folder);
    snprintf(text, sizeof(text), "{\"postgres\": {\"dsn_file\": \"%s\", \"schema\": \"%s\"}}",
             getenv("TIDEMILL_TEST_DSN"), strrchr(folder, '/') + 1);
    return tm__fs_publish(path, text, strlen(text), NULL) == TM_OK ? 0 : 1;
}

int db_case_tear_down(void **state) {
    (void)state;
    char command[128];
    test_disk_fail_at(0, false);
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command);
}

tm_db *db_case_open(const tm_db_options *options) {
    tm_db *db = NULL;
    tm_err err = {0};
    if (tm__db_open(path, options, &db, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return db;
}

int64_t db_case_number(tm_db *db, const char *sql) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    assert_int_equal(tm__stmt_init(db, sql, &stmt, NULL), TM_OK);
    assert_int_equal(tm__stmt_step(stmt, &has_row, NULL), TM_OK);
    assert_true(has_row);
    const int64_t value = tm__stmt_i64(stmt, 0);
    tm__stmt_done(stmt);
    return value;
}

tm_status db_case_insert(tm_db *db, const char *name, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db, "INSERT INTO t(name, x, b) VALUES(?, ?, ?)", &stmt, err));
    tm__stmt_bind_text(stmt, 1, name);
    tm__stmt_bind_f64(stmt, 2, 0.1);
    tm__stmt_bind_blob(stmt, 3, "\0\1", 2);
    const tm_status st = tm__stmt_run(stmt, err);
    tm__stmt_done(stmt);
    return st;
}

void db_case_fill(int n) {
    tm_db *db = db_case_open(&db_case_make);
    char sql[200];
    snprintf(sql, sizeof(sql),
             "INSERT INTO t(name, x) SELECT 'n' || value, value FROM (WITH RECURSIVE c(value) AS"
             " (SELECT 1 UNION ALL SELECT value + 1 FROM c WHERE value < %d) SELECT * FROM c) r",
             n);
    assert_int_equal(tm__db_exec(db, sql, NULL), TM_OK);
    tm__db_close(db);
}

int db_case_pg_set_up(void **state) {
    return db_case_is_postgres() ? db_case_set_up(state) : 0;
}

int db_case_pg_tear_down(void **state) {
    return db_case_is_postgres() ? db_case_tear_down(state) : 0;
}

void db_case_needs_postgres(void) {
    if (!db_case_is_postgres()) {
        fail_msg("TIDEMILL_TEST_DSN names no server; tests/e2e/test_store_postgres.py starts one");
    }
}
