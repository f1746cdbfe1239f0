/* SPDX-License-Identifier: Apache-2.0 */
#include "source/intake_cells.h"

#include <stdio.h>
#include <string.h>

#include "source/intake.h"
#include "source/intake_priv.h"
#include "store/vault.h"
#include "temp_home.h"
#include "test.h"

#define KEY_REST "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define KEY "00" KEY_REST

static void push(const tm_home *home, char *body) {
    tm_push_result result = {0};
    const tm_push rows = {
        .source = "people", .form = TM_PUSH_JSON, .data = body, .len = strlen(body)};
    tm_intake *intake = tm__intake_create(home);
    assert_int_equal(tm__intake_push_wait(intake, &rows, &result, NULL), TM_OK);
    tm__intake_close(intake);
}

static uint64_t left(const tm_home *home, const char *key, bool is_renewing) {
    uint64_t n = 99;
    assert_int_equal(tm__intake_cells_renew(home, key, is_renewing, &n, NULL), TM_OK);
    return n;
}

/* The rows of each batch of two in the place of the other's. */
static void swap_rows(const tm_home *home) {
    tm_db *db = NULL;
    assert_int_equal(tm__intake_db_open_there(home, true, &db, NULL), TM_OK);
    assert_int_equal(tm__db_exec(db,
                                 "CREATE TEMP TABLE kept AS SELECT seq, rows FROM batches;"
                                 "UPDATE batches SET rows = (SELECT rows FROM kept WHERE"
                                 " kept.seq != batches.seq); DROP TABLE kept",
                                 NULL),
                     TM_OK);
    tm__db_close(db);
}

static void rows_and_bad_rows_are_sealed_anew_and_read_as_before(void **state) {
    static const char *const key = "id";
    const tm_intake_add add = {.name = "people", .feed = "push", .keys = &key, .n_keys = 1};
    char first[] = "[{\"id\":\"a\",\"x\":1},{\"id\":\"b\",\"x\":2}]";
    char second[] = "[{\"id\":\"c\",\"x\":3},{\"id\":\"d\",\"x\":\"somebody\"}]";
    char id[TM_ENVELOPE_ID_TEXT];
    tm_ctx ctx = {0};
    tm_table *table = NULL;
    json_t *bad = NULL;
    const tm_intake_choice all = {.first = 0};
    assert_int_equal(left(*state, "", true), 0); /* without sources */
    assert_int_equal(tm__intake_add(*state, &add, NULL), TM_OK);
    push(*state, first);
    push(*state, second);
    assert_int_equal(setenv("TM_TEST_KEY", KEY, 1), 0);
    assert_int_equal(tm__vault_use(*state, "env:TM_TEST_KEY", id, NULL), TM_OK);
    assert_int_equal(left(*state, id, true), 9);
    /* two batches, four cells of a bad row, the key of lookups, keys of two batches */
    assert_int_equal(left(*state, id, false), 0);
    swap_rows(*state);
    assert_int_equal(tm__intake_table(&ctx, *state, "people", &table, NULL), TM_E_INTEGRITY);
    swap_rows(*state);
    assert_int_equal(tm__intake_table(&ctx, *state, "people", &table, NULL), TM_OK);
    assert_int_equal(tm__table_rows(table), 3);
    tm__table_unref(table);
    assert_int_equal(tm__intake_quarantine(*state, "people", &all, 10, &bad, NULL), TM_OK);
    assert_non_null(strstr(tm__json_text(json_array_get(bad, 0), "bytes", ""), "somebody"));
    json_decref(bad);
    uint64_t n = 0;
    assert_int_equal(tm__intake_compact(&ctx, *state, "people", 1, &n, NULL), TM_OK);
    assert_int_equal(left(*state, id, false), 0); /* the profile of the segment, too */
}

static tm_push_result send(tm_intake *intake, const char *key, const char *text) {
    char body[64];
    tm_push_result result = {0};
    (void)snprintf(body, sizeof(body), "%s", text);
    tm_push rows = {.source = "people",
                    .form = TM_PUSH_JSON,
                    .data = body,
                    .len = strlen(body),
                    .key = tm__str(key != NULL ? key : "")};
    if (key == NULL) {
        rows.key = (tm_str){0};
    }
    assert_int_equal(tm__intake_push_wait(intake, &rows, &result, NULL), TM_OK);
    return result;
}

static int64_t number_of(const tm_home *home, const char *sql) {
    tm_db *db = NULL;
    tm_stmt *stmt = NULL;
    bool has_row = false;
    assert_int_equal(tm__intake_db_open_there(home, false, &db, NULL), TM_OK);
    assert_int_equal(tm__stmt_init(db, sql, &stmt, NULL), TM_OK);
    assert_int_equal(tm__stmt_step(stmt, &has_row, NULL), TM_OK);
    const int64_t n = tm__stmt_i64(stmt, 0);
    tm__stmt_done(stmt);
    tm__db_close(db);
    return n;
}

/* Rows and pushes that came before are known after it, to who had the home open and to others. */
static void another_key_of_the_home_hashes_keys_of_rows_and_pushes_anew(void **state) {
    static const char *const key = "id";
    static const char *const names[] = {"TM_TEST_KEY", "TM_TEST_NEXT"};
    json_t *const spec = json_pack("{s:i}", "recent_keys", 2);
    const tm_intake_add add = {
        .name = "people", .feed = "push", .keys = &key, .n_keys = 1, .spec = spec};
    char id[TM_ENVELOPE_ID_TEXT], from[32];
    assert_int_equal(setenv("TM_TEST_KEY", KEY, 1), 0);
    assert_int_equal(setenv("TM_TEST_NEXT", "ff" KEY_REST, 1), 0);
    assert_int_equal(tm__intake_add(*state, &add, NULL), TM_OK);
    json_decref(spec);
    push(*state, (char[]){"[{\"id\":\"a\"},{\"id\":\"b\"},{\"id\":\"c\"}]"});
    assert_int_equal(number_of(*state, "SELECT count(*) FROM runs WHERE hashed = 1"), 1);
    tm_intake *const open = tm__intake_create(*state);
    assert_int_equal(send(open, "once", "[{\"id\":\"d\"}]").accepted, 1);
    for (int i = 0; i < 2; i++) {
        (void)snprintf(from, sizeof(from), "env:%s", names[i]);
        assert_int_equal(tm__vault_use(*state, from, id, NULL), TM_OK);
        (void)left(*state, id, true);
        assert_int_equal(left(*state, id, false), 0);
        assert_int_equal(number_of(*state, "SELECT min(hashed) + max(hashed) FROM runs"),
                         2 * (i + 2));
        assert_int_equal(send(open, NULL, "[{\"id\":\"a\"},{\"id\":\"d\"}]").duplicates, 2);
        assert_true(send(open, "once", "[{\"id\":\"d\"}]").is_repeat);
    }
    assert_int_equal(send(open, "more", "[{\"id\":\"e\"},{\"id\":\"f\"}]").accepted, 2);
    tm__intake_close(open);
    tm_intake *const next = tm__intake_create(*state);
    assert_int_equal(send(next, NULL, "[{\"id\":\"b\"},{\"id\":\"f\"}]").duplicates, 2);
    tm__intake_close(next);
    assert_int_equal(number_of(*state, "SELECT count(*) FROM pushes WHERE key IN ('once','more')"),
                     0);
    assert_int_equal(number_of(*state, "SELECT count(*) FROM runs WHERE hashed != 3"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_and_bad_rows_are_sealed_anew_and_read_as_before,
                                        tm__temp_home_open, tm__temp_home_close),
        cmocka_unit_test_setup_teardown(another_key_of_the_home_hashes_keys_of_rows_and_pushes_anew,
                                        tm__temp_home_open, tm__temp_home_close)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
