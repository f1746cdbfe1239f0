/* SPDX-License-Identifier: Apache-2.0 */
/* Rows from a file to a server and back; what needs a server runs where TIDEMILL_TEST_DSN names
 * one.
 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "db_case.h"
#include "store/db_move.h"

static const tm_db_options moving = {
    .create = true, .is_moving = true, .migrations = db_case_first, .application_id = 77};

static const char *file_path(void) {
    static char path[160];
    snprintf(path, sizeof(path), "%s/file.db", db_case_folder());
    return path;
}

static tm_db *open_at(const char *path, const tm_db_options *options) {
    tm_db *db = NULL;
    tm_err err = {0};
    if (tm__db_open(path, options, &db, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return db;
}

static void a_place_that_is_half_is_refused_by_name(void **state) {
    (void)state;
    tm_err err = {0};
    tm_db *db = open_at(db_case_path(), &moving), *other = NULL;
    assert_int_equal(tm__db_standing(db), TM_DB_HALF);
    tm__db_close(db);
    assert_int_equal(tm__db_open(db_case_path(), &db_case_make, &other, &err), TM_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "half-applied"));
    assert_non_null(strstr(err.hint, "store migrate"));
    db = open_at(db_case_path(), &moving); /* who moves goes on */
    assert_int_equal(tm__db_standing(db), TM_DB_HALF);
    assert_string_equal(tm__db_path(db), db_case_path());
    tm__db_close(db);
}

static void nothing_that_stands_is_migrated_or_made_half(void **state) {
    (void)state;
    static const tm_db_options newer = {
        .create = true, .is_moving = true, .migrations = db_case_second, .application_id = 77};
    tm_err err = {0};
    uint32_t format = 0;
    tm_db *made = db_case_open(&db_case_make), *db = NULL;
    tm__db_close(made);
    db = open_at(db_case_path(), &newer);
    assert_int_equal(tm__db_standing(db), TM_DB_STANDS);
    assert_int_equal(tm__db_format(db, &format, NULL), TM_OK);
    assert_int_equal(format, 1);
    tm__db_close(db);
    static const tm_db_options second = {
        .create = true, .migrations = db_case_second, .application_id = 77};
    tm__db_close(db_case_open(&second));
    assert_int_equal(tm__db_open(db_case_path(), &moving, &db, &err), TM_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "has format 2"));
}

static void fill(tm_db *db) {
    assert_int_equal(tm__db_exec(db,
                                 "INSERT INTO t(id, name, x, b) VALUES(7, 'it''s', 0.1, NULL);"
                                 "INSERT INTO t(id, name, x, b) VALUES(-3, '', -1e300, NULL);"
                                 "INSERT INTO t(id, name, x, b) VALUES(9, NULL, NULL, NULL)",
                                 NULL),
                     TM_OK);
    assert_int_equal(db_case_insert(db, "\xc3\xa9\xf0\x9f\x8c\x8a", NULL), TM_OK);
}

static void all_values_come_through_there_and_back(void **state) {
    (void)state;
    static const tm_db_options file = {
        .create = true, .migrations = db_case_first, .application_id = 77};
    tm_db_moved there = {0}, back = {0};
    tm_err err = {0};
    int64_t n_users = -1;
    tm_db *db = open_at(file_path(), &file);
    fill(db);
    tm__db_close(db);
    tm_db *from = open_at(file_path(), &moving), *to = open_at(db_case_path(), &moving);
    assert_int_equal(tm__db_move(from, to, &there, &err), TM_OK);
    assert_int_equal(there.n_tables, 1);
    assert_int_equal(there.n_rows, 4);
    assert_int_equal(tm__db_standing(from), TM_DB_MOVED);
    assert_int_equal(tm__db_standing(to), TM_DB_STANDS);
    assert_int_equal(tm__db_users(from, &n_users, NULL), TM_OK);
    assert_int_equal(n_users, 0);
    tm__db_close(from);
    assert_int_equal(tm__db_open(file_path(), &file, &from, &err), TM_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "were moved"));
    tm_db *user = db_case_open(&db_case_make); /* an ordinary one by now */
    assert_int_equal(tm__db_users(to, &n_users, NULL), TM_OK);
    assert_int_equal(n_users, 1);
    assert_int_equal(db_case_insert(user, "next", NULL), TM_OK); /* by a number of its own */
    assert_int_equal(db_case_number(user, "SELECT max(id) FROM t"), 11);
    assert_int_equal(tm__db_exec(user, "DELETE FROM t WHERE name = 'next'", NULL), TM_OK);
    tm__db_close(user);
    char path[170];
    snprintf(path, sizeof(path), "%s/back.db", db_case_folder());
    tm_db *home = open_at(path, &moving);
    assert_int_equal(tm__db_move(to, home, &back, &err), TM_OK);
    assert_true(tm__hash_eq(&there.hash, &back.hash));
    assert_int_equal(tm__db_begin(to, NULL), TM_OK); /* who moved it knows that */
    tm__db_rollback(to);
    tm__db_close(to);
    tm__db_close(home);
    assert_int_equal(tm__db_open(db_case_path(), &db_case_make, &to, &err), TM_E_UNSUPPORTED);
    db = open_at(path, &file);
    assert_int_equal(db_case_number(db, "SELECT count(*) FROM t WHERE b = X'0001'"), 1);
    tm__db_close(db);
}

static void what_has_other_rules_refuses_and_both_stay(void **state) {
    (void)state;
    static const tm_db_options file = {
        .create = true, .migrations = db_case_first, .application_id = 77};
    tm_db_moved moved = {0};
    tm_db *db = open_at(file_path(), &file);
    fill(db);
    tm__db_close(db);
    tm_db *from = open_at(file_path(), &moving), *to = open_at(db_case_path(), &moving);
    assert_int_equal(tm__db_begin(to, NULL), TM_OK);
    assert_int_equal(tm__db_exec(to, "ALTER TABLE t ADD CHECK (id > 0)", NULL), TM_OK);
    assert_int_equal(tm__db_commit(to, NULL), TM_OK);
    assert_int_equal(tm__db_move(from, to, &moved, NULL), TM_E_CONFLICT);
    assert_int_equal(tm__db_standing(from), TM_DB_STANDS);
    assert_int_equal(tm__db_standing(to), TM_DB_HALF);
    assert_int_equal(db_case_number(to, "SELECT count(*) FROM t"), 0);
    tm__db_close(from);
    tm__db_close(to);
    db = open_at(file_path(), &file);
    assert_int_equal(db_case_number(db, "SELECT count(*) FROM t"), 4);
    tm__db_close(db);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, db_case_set_up, db_case_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_place_that_is_half_is_refused_by_name),
        TEST(nothing_that_stands_is_migrated_or_made_half),
    };
    /* From a file to a server and back: tests/e2e/test_store_postgres.py starts one. */
    const struct CMUnitTest with_server[] = {
        TEST(all_values_come_through_there_and_back),
        TEST(what_has_other_rules_refuses_and_both_stay),
    };
    const int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    return n_failed == 0 && db_case_is_postgres() ? cmocka_run_group_tests(with_server, NULL, NULL)
                                                  : n_failed;
}
