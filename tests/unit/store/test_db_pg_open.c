/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "db_case.h"
#include "store/db_pg_priv.h"
#include "support.h"

static void a_place_that_says_nothing_is_refused(void **state) {
    (void)state;
    static const char *const places[] = {
        "",
        "[]",
        "{\"postgres\": {}}",
        "{\"postgres\": {\"dsn_file\": \"relative\", \"schema\": \"s\"}}",
        "{\"postgres\": {\"dsn_file\": \"/x\", \"schema\": \"\"}}",
        "{\"postgres\": {\"dsn_file\": \"/x\"}}",
    };
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        tm_db *db = NULL;
        tm_err err = {0};
        assert_int_equal(tm__fs_replace("a.json", places[i], strlen(places[i]), NULL), TM_OK);
        assert_int_equal(tm__db_open("a.json", &db_case_make, &db, &err), TM_E_DATA);
        assert_null(db);
        assert_string_equal(err.data_path, "a.json");
    }
    static const char later[] =
        "{\"postgres\": {\"dsn_file\": \"/x\", \"schema\": \"s\", \"shards\": 3}}";
    tm_db *db = NULL;
    assert_int_equal(tm__fs_replace("a.json", later, strlen(later), NULL), TM_OK);
    assert_int_equal(tm__db_open("a.json", &db_case_make, &db, NULL), TM_E_UNSUPPORTED);
    assert_int_equal(tm__db_open("none.json", &db_case_make, &db, NULL), TM_E_NOT_FOUND);
}

static void a_server_that_is_not_there_is_unavailable(void **state) {
    (void)state;
    char folder[512], text[600];
    tm_db *db = NULL;
    tm_err err = {0};
    static const char dsn[] = "host=127.0.0.1 port=1 user=u dbname=d";
    assert_int_equal(tm__fs_publish_secret("there.dsn", dsn, strlen(dsn), NULL), TM_OK);
    assert_non_null(getcwd(folder, sizeof(folder)));
    snprintf(text, sizeof(text),
             "{\"postgres\": {\"dsn_file\": \"%s/there.dsn\", \"schema\": \"s\"}}", folder);
    assert_int_equal(tm__fs_replace("a.json", text, strlen(text), NULL), TM_OK);
    assert_int_equal(tm__db_open("a.json", &db_case_make, &db, &err), TM_E_UNAVAILABLE);
    assert_null(db);
    assert_string_equal(err.message, "nothing listens where the DSN says");
}

static void a_newer_or_foreign_schema_is_refused(void **state) {
    (void)state;
    db_case_needs_postgres();
    tm_db_options options = db_case_make;
    tm_db *db = NULL;
    (void)db_case_set_up(NULL);
    options.create = false;
    assert_int_equal(tm__db_open(db_case_path(), &options, &db, NULL), TM_E_NOT_FOUND);
    options.create = true;
    options.migrations = db_case_second;
    tm__db_close(db_case_open(&options));
    options.migrations = db_case_first;
    assert_int_equal(tm__db_open(db_case_path(), &options, &db, NULL), TM_E_UNSUPPORTED);
    options.application_id = 78;
    assert_int_equal(tm__db_open(db_case_path(), &options, &db, NULL), TM_E_DATA);
    options = db_case_make;
    options.create = false;
    options.read_only = true;
    assert_int_equal(tm__db_open(db_case_path(), &options, &db, NULL), TM_E_UNSUPPORTED);
    (void)db_case_tear_down(NULL);
}

static tm_status die(tm_db *db, tm_err *err) {
    (void)db;
    (void)err;
    _exit(9);
}

static void a_migration_that_was_killed_goes_on_at_the_next_start(void **state) {
    (void)state;
    db_case_needs_postgres();
    static const tm_migration dying[] = {
        DB_CASE_FIRST,
        {2, "ALTER TABLE t ADD COLUMN extra TEXT; DELETE FROM t", die},
        {0, NULL, NULL}};
    tm_db_options options = {.create = true, .migrations = dying, .application_id = 77};
    int status = 0;
    uint32_t format = 0;
    (void)db_case_set_up(NULL);
    db_case_fill(3);
    const pid_t child = fork();
    if (child == 0) {
        tm_db *db = NULL;
        _exit(tm__db_open(db_case_path(), &options, &db, NULL) == TM_OK ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), 9);
    options.migrations = db_case_second; /* a start of the program as it is */
    tm_db *db = db_case_open(&options);
    assert_int_equal(tm__db_format(db, &format, NULL), TM_OK);
    assert_int_equal(format, 2);
    assert_int_equal(db_case_number(db, "SELECT count(*) FROM t WHERE extra IS NULL"), 3);
    tm__db_close(db);
    (void)db_case_tear_down(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_place_that_says_nothing_is_refused),
        cmocka_unit_test(a_server_that_is_not_there_is_unavailable),
        cmocka_unit_test(a_newer_or_foreign_schema_is_refused),
        cmocka_unit_test(a_migration_that_was_killed_goes_on_at_the_next_start),
    };
    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
