/* SPDX-License-Identifier: Apache-2.0 */
/* Values of PostgreSQL as tm_stmt gives them; runs where TIDEMILL_TEST_DSN names a server. */
#include "test.h"

#include <float.h>
#include <string.h>

#include "db_case.h"
#include "store/db_pg_priv.h"

static int set_up(void **state) {
    return db_case_is_postgres() ? db_case_set_up(state) : 0;
}

static int tear_down(void **state) {
    return db_case_is_postgres() ? db_case_tear_down(state) : 0;
}

static tm_stmt *start(tm_db *db, const char *sql) {
    tm_stmt *stmt = NULL;
    assert_int_equal(tm__stmt_init(db, sql, &stmt, NULL), TM_OK);
    return stmt;
}

static void step(tm_stmt *stmt) {
    bool has_row = false;
    tm_err err = {0};
    if (tm__stmt_step(stmt, &has_row, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    assert_true(has_row);
}

static void every_kind_of_value(void **state) {
    (void)state;
    if (!db_case_is_postgres()) {
        fail_msg("TIDEMILL_TEST_DSN names no server; tests/e2e/test_store_postgres.py starts one");
    }
    tm_db *db = db_case_open(&db_case_make);
    uint8_t bytes[256];
    for (int i = 0; i < 256; i++) {
        bytes[i] = (uint8_t)i;
    }
    tm_stmt *stmt = start(db, "INSERT INTO t(id, name, x, b) VALUES(?1, ?2, ?3, ?4)"
                              " RETURNING id, name, x, b, id > 5 AS big, NULL AS none");
    tm__stmt_bind_i64(stmt, 1, INT64_MAX);
    tm__stmt_bind_text(stmt, 2, "it's é");
    tm__stmt_bind_f64(stmt, 3, DBL_MIN);
    tm__stmt_bind_blob_view(stmt, 4, bytes, sizeof(bytes));
    step(stmt);
    assert_true(tm__stmt_i64(stmt, 0) == INT64_MAX);
    assert_string_equal(tm__stmt_text(stmt, 1), "it's é");
    assert_true(tm__stmt_f64(stmt, 2) == DBL_MIN);
    assert_int_equal(tm__stmt_blob(stmt, 3).len, sizeof(bytes));
    assert_memory_equal(tm__stmt_blob(stmt, 3).ptr, bytes, sizeof(bytes));
    assert_int_equal(tm__stmt_i64(stmt, 4), 1);
    assert_true(tm__stmt_is_null(stmt, 5));
    assert_int_equal(tm__stmt_i64(stmt, 5), 0);
    assert_null(tm__stmt_text(stmt, 5));
    assert_int_equal(tm__stmt_blob(stmt, 5).len, 0);
    assert_int_equal(tm__stmt_n_cols(stmt), 6);
    static const tm_db_type want[] = {TM_DB_INT,  TM_DB_TEXT, TM_DB_REAL,
                                      TM_DB_BLOB, TM_DB_INT,  TM_DB_NULL};
    for (int i = 0; i < 6; i++) {
        assert_int_equal(tm__stmt_type(stmt, i), want[i]);
    }
    tm__stmt_done(stmt);
    assert_int_equal(tm__db_changes(db), 1);
    tm__db_close(db);
}

/* A statement is prepared for the types that came first; others, nulls among them, come later. */
static void types_of_a_parameter_may_change(void **state) {
    (void)state;
    if (!db_case_is_postgres()) {
        fail_msg("TIDEMILL_TEST_DSN names no server; tests/e2e/test_store_postgres.py starts one");
    }
    tm_db *db = db_case_open(&db_case_make);
    assert_int_equal(db_case_insert(db, "a", NULL), TM_OK);
    for (int round = 0; round < 2; round++) {
        tm_stmt *stmt = start(db, "SELECT count(*) FROM t WHERE ?1 IS NULL OR name = ?1");
        tm__stmt_bind_text(stmt, 1, NULL);
        step(stmt);
        assert_int_equal(tm__stmt_i64(stmt, 0), 1);
        tm__stmt_done(stmt);
        stmt = start(db, "SELECT count(*) FROM t WHERE ?1 IS NULL OR name = ?1");
        tm__stmt_bind_text(stmt, 1, "b");
        step(stmt);
        assert_int_equal(tm__stmt_i64(stmt, 0), 0);
        tm__stmt_done(stmt);
        stmt = start(db, "UPDATE t SET x = ?1 WHERE id = ?2 RETURNING x");
        if (round == 0) {
            tm__stmt_bind_null(stmt, 1);
        } else {
            tm__stmt_bind_f64(stmt, 1, 0.25);
        }
        tm__stmt_bind_i64(stmt, 2, tm__db_last_id(db));
        step(stmt);
        assert_true(tm__stmt_f64(stmt, 0) == (round == 0 ? 0 : 0.25));
        tm__stmt_done(stmt);
    }
    tm__db_close(db);
}

static void functions_of_sqlite_are_there(void **state) {
    (void)state;
    if (!db_case_is_postgres()) {
        fail_msg("TIDEMILL_TEST_DSN names no server; tests/e2e/test_store_postgres.py starts one");
    }
    tm_db *db = db_case_open(&db_case_make);
    static const struct {
        const char *sql;
        int64_t want;
    } cases[] = {
        {"SELECT max(?1 + 3, 2)", 3},
        {"SELECT min(?1 + 3, 2)", 2},
        {"SELECT coalesce(max(NULL, 1), 7) + ?1", 7},
        {"SELECT ?1 + length(hex(zeroblob(4)))", 8},
        {"SELECT json_extract('{\"a\": \"7\"}', '$.a')::bigint + ?1", 7},
        {"SELECT ?1 + count(*) FROM json_each('{\"a\": [\"x\", \"y\"]}', '$.a')", 2},
        {"SELECT ?1 + count(*) FROM json_each('{\"a\": {\"x\": 1}}', '$.a')", 1},
        {"SELECT ?1 + count(*) FROM json_each('{\"a\": null}', '$.a')", 0},
        {"SELECT ?1 + count(*) FROM json_each('{}', '$.a')", 0},
        {"SELECT ?1 + length(group_concat(v, ' ')) FROM (VALUES('ab'), ('c')) w(v)", 4},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_stmt *stmt = start(db, cases[i].sql);
        tm__stmt_bind_i64(stmt, 1, 0);
        step(stmt);
        assert_int_equal(tm__stmt_i64(stmt, 0), cases[i].want);
        tm__stmt_done(stmt);
    }
    tm__db_close(db);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(every_kind_of_value),
        TEST(types_of_a_parameter_may_change),
        TEST(functions_of_sqlite_are_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
