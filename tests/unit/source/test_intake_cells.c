/* SPDX-License-Identifier: Apache-2.0 */
#include "source/intake_cells.h"

#include <string.h>

#include "source/intake.h"
#include "source/intake_priv.h"
#include "store/vault.h"
#include "temp_home.h"
#include "test.h"

#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_and_bad_rows_are_sealed_anew_and_read_as_before,
                                        tm__temp_home_open, tm__temp_home_close)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
