/* SPDX-License-Identifier: Apache-2.0 */
#include "store/db_lookup.h"

#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/fs.h"
#include "base/mem.h"
#include "store/vault.h"
#include "temp_home.h"

#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static const tm_migration migrations[] = {{1, TM_LOOKUP_TABLE, tm__db_lookup_make_locked},
                                          {0, NULL, NULL}};
static const tm_migration none[] = {{1, "CREATE TABLE t(x ANY) STRICT;", NULL}, {0, NULL, NULL}};

static tm_db *open_db(const tm_home *home, const char *name, const tm_migration *with) {
    const tm_db_options options = {.create = true, .migrations = with, .application_id = 1};
    char *const path = tm__fs_join(tm__home_path(home), name);
    tm_db *db = NULL;
    assert_int_equal(tm__db_open(path, &options, &db, NULL), TM_OK);
    tm__mem_free(path);
    return db;
}

/* The one value of a statement, as text. */
static tm_status value_of(tm_db *db, const char *sql, char out[64], tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    tm_status st = tm__stmt_init(db, sql, &stmt, err);
    st = st == TM_OK ? tm__stmt_step(stmt, &has_row, err) : st;
    if (st == TM_OK && has_row) {
        const char *const text = tm__stmt_text(stmt, 0);
        (void)snprintf(out, 64, "%s", text == NULL ? "null" : text);
    }
    tm__stmt_done(stmt);
    return st;
}

static void check(tm_db *db, const char *sql, const char *want) {
    char got[64] = "";
    assert_int_equal(value_of(db, sql, got, NULL), TM_OK);
    assert_string_equal(got, want);
}

static void a_value_has_one_hash_in_its_database(void **state) {
    char before[64] = "", after[64] = "";
    tm_db *db = open_db(*state, "a.db", migrations), *other = open_db(*state, "b.db", migrations);
    check(db, "SELECT lookup_text('a') = lookup_text('a')", "1");
    check(db, "SELECT lookup_text('a') = lookup_text('b')", "0");
    check(db, "SELECT lookup_number(7) = lookup_number(7)", "1");
    check(db, "SELECT lookup_number(7) IN (7, lookup_number(8))", "0");
    check(db, "SELECT length(lookup_text('')) || typeof(lookup_number(-1))", "32integer");
    check(db, "SELECT lookup_text(NULL) IS NULL AND lookup_number(NULL) IS NULL", "1");
    assert_int_equal(value_of(db, "SELECT lookup_text('a')", before, NULL), TM_OK);
    assert_int_equal(value_of(other, "SELECT lookup_text('a')", after, NULL), TM_OK);
    assert_string_not_equal(before, after);
    tm__db_close(db);
    db = open_db(*state, "a.db", migrations);
    check(db, "SELECT lookup_text('a')", before);
    tm__db_close(db);
    tm__db_close(other);
}

static void a_database_without_a_key_keeps_values_as_they_are(void **state) {
    tm_db *const db = open_db(*state, "a.db", none);
    check(db, "SELECT lookup_text('a') || lookup_number(7)", "a7");
    tm__db_close(db);
}

static void a_key_that_is_sealed_needs_the_key_of_the_home(void **state) {
    char id[TM_ENVELOPE_ID_TEXT], got[64] = "";
    tm_err err = {0};
    assert_int_equal(setenv("TM_TEST_KEY", KEY, 1), 0);
    assert_int_equal(tm__vault_use(*state, "env:TM_TEST_KEY", id, NULL), TM_OK);
    tm_db *db = open_db(*state, "a.db", migrations);
    check(db, "SELECT length(lookup_text('a'))", "32");
    check(db, "SELECT sealed_by(key) IS NOT '' FROM lookup", "1");
    tm__db_close(db);
    db = open_db(*state, "a.db", migrations);
    assert_int_equal(unsetenv("TM_TEST_KEY"), 0);
    assert_int_not_equal(value_of(db, "SELECT lookup_text('a')", got, &err), TM_OK);
    assert_string_equal(got, "");
    assert_int_equal(setenv("TM_TEST_KEY", KEY, 1), 0);
    check(db, "SELECT length(lookup_text('a'))", "32");
    tm__db_close(db);
}

/* Columns of hashes are hashed once more, and found by the same values; by every connection. */
static void a_new_key_hashes_what_is_there_once_more(void **state) {
    static const tm_migration with_rows[] = {
        {1, TM_LOOKUP_TABLE "CREATE TABLE t(a TEXT, b INTEGER, c BLOB) STRICT;",
         tm__db_lookup_make_locked},
        {0, NULL, NULL}};
    tm_db *const db = open_db(*state, "a.db", with_rows), *const other =
                                                              open_db(*state, "a.db", with_rows);
    tm_lookup_rows rows = {0};
    const char *found = "SELECT count(*) FROM t WHERE a = lookup_text('anna') AND b ="
                        " lookup_number(7) AND c = lookup_rows(zeroblob(32), 0)";
    assert_int_equal(tm__db_exec(db,
                                 "INSERT INTO t SELECT lookup_text('anna'), lookup_number(7),"
                                 " lookup_rows(zeroblob(32), 0)",
                                 NULL),
                     TM_OK);
    check(other, found, "1");
    check(other, "SELECT lookup_count()", "1");
    for (int i = 0; i < 3; i++) {
        char before[64] = "", after[64] = "";
        assert_int_equal(value_of(db, "SELECT a || b FROM t", before, NULL), TM_OK);
        assert_int_equal(
            tm__db_exec(db,
                        "BEGIN IMMEDIATE;" TM_LOOKUP_MORE
                        "UPDATE t SET a = lookup_text_again(a), b = lookup_number_again(b),"
                        " c = lookup_rows(c, lookup_count() - 1); COMMIT",
                        NULL),
            TM_OK);
        assert_int_equal(value_of(db, "SELECT a || b FROM t", after, NULL), TM_OK);
        assert_string_not_equal(before, after);
        check(db, found, "1");
        check(other, found, "1");
    }
    check(other, "SELECT lookup_count()", "4");
    check(db,
          "SELECT lookup_rows(lookup_rows(x'000102030405060708090a0b0c0d0e0f', 0), 4) ="
          " lookup_rows(x'000102030405060708090a0b0c0d0e0f', 0)",
          "1");
    assert_int_equal(tm__lookup_rows_read(other, &rows, NULL), TM_OK);
    assert_int_equal(rows.n_keys, 4);
    uint64_t words[2] = {0}, again[2] = {0};
    char got[64] = "", want[64] = "";
    tm__lookup_row(&rows, 0, words);
    tm__lookup_row(&(tm_lookup_rows){rows.keys, 2}, 0, again);
    tm__lookup_row(&rows, 2, again);
    assert_memory_equal(words, again, sizeof(words));
    for (size_t i = 0; i < sizeof(words); i++) {
        (void)snprintf(want + 2 * i, 3, "%02X", ((const uint8_t *)words)[i]);
    }
    assert_int_equal(value_of(db, "SELECT hex(substr(c, 1, 16)) FROM t", got, NULL), TM_OK);
    assert_string_equal(got, want);
    tm__lookup_rows_done(&rows);
    tm__db_close(db);
    tm__db_close(other);
}

static void a_key_that_is_gone_or_cut_is_damage(void **state) {
    static const char *const harm[] = {"UPDATE lookup SET key = x'00'", "DELETE FROM lookup"};
    for (int i = 0; i < 2; i++) {
        char got[64] = "";
        tm_err err = {0};
        tm_db *const db = open_db(*state, i == 0 ? "a.db" : "b.db", migrations);
        assert_int_equal(tm__db_exec(db, harm[i], NULL), TM_OK);
        assert_int_equal(value_of(db, "SELECT lookup_number(7)", got, &err), TM_E_INTEGRITY);
        tm__db_close(db);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_value_has_one_hash_in_its_database),
        TEST(a_database_without_a_key_keeps_values_as_they_are),
        TEST(a_key_that_is_sealed_needs_the_key_of_the_home),
        TEST(a_new_key_hashes_what_is_there_once_more),
        TEST(a_key_that_is_gone_or_cut_is_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
