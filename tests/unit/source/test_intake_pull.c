/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pool.h"
#include "source/feed.h"
#include "source/intake_priv.h"
#include "source/source.h"
#include "temp_home.h"
#include "test.h"

static tm_ctx ctx;

static void add(const tm_home *home, const char *key) {
    const tm_intake_add source = {
        .name = "s", .feed = "sql", .keys = &key, .n_keys = key == NULL ? 0 : 1};
    assert_int_equal(tm__intake_add(home, &source, NULL), TM_OK);
}

static tm_intake_pull *open_pull(const tm_home *home) {
    tm_intake_pull *pull = NULL;
    tm_err err = {0};
    if (tm__intake_pull_open(&ctx, home, "s", &pull, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return pull;
}

static tm_table *query(const char *sql) {
    tm_table *table = NULL;
    assert_int_equal(tm__source_read(&ctx, &(tm_source_spec){.sql = sql}, &table, NULL), TM_OK);
    return table;
}

/* A block and its number as state. */
static tm_status take(tm_intake_pull *pull, const char *sql, int number, tm_push_result *out) {
    tm_table *table = query(sql);
    json_t *state = json_pack("{s:i}", "n", number);
    const tm_feed_block block = {
        .rows = table, .origin = "query", .first_row = 100, .state = state};
    const tm_status st = tm__intake_pull_take(pull, &block, out, NULL);
    json_decref(state);
    tm__table_unref(table);
    return st;
}

static tm_table *table_of(const tm_home *home) {
    tm_table *table = NULL;
    assert_int_equal(tm__intake_table(&ctx, home, "s", &table, NULL), TM_OK);
    return table;
}

static void blocks_small_and_large_are_there_with_the_state_behind_them(void **state) {
    const tm_home *home = *state;
    tm_push_result r = {0};
    json_t *json = NULL;
    add(home, "k");
    tm_intake_pull *pull = open_pull(home);
    assert_true(json_is_null(tm__intake_pull_source(pull)->state));
    assert_int_equal(take(pull, "SELECT i AS k, 'a' AS t FROM range(10) r(i)", 1, &r), TM_OK);
    assert_int_equal(r.accepted, 10);
    assert_int_equal(take(pull, "SELECT i AS k, 0.5 AS x FROM range(30000) r(i)", 2, &r), TM_OK);
    assert_int_equal(r.accepted, 29990);
    assert_int_equal(r.duplicates, 10);
    tm__intake_pull_close(pull);
    pull = open_pull(home); /* the keys of a segment are known anew */
    assert_int_equal(tm__json_i64(tm__intake_pull_source(pull)->state, "n", 0), 2);
    assert_int_equal(take(pull, "SELECT 29999 AS k UNION ALL SELECT 30000", 3, &r), TM_OK);
    assert_int_equal(r.accepted, 1);
    tm__intake_pull_close(pull);
    tm_table *table = table_of(home);
    assert_int_equal(tm__table_rows(table), 30001);
    assert_int_equal(tm__table_cols(table), 3);
    for (int64_t i = 0; i <= 30000; i++) { /* a row is where it was when it came */
        assert_int_equal(tm__table_column(table, 0)->ints[i], i);
    }
    tm__table_unref(table);
    assert_int_equal(tm__intake_show(home, "s", &json, NULL), TM_OK);
    assert_int_equal(tm__json_i64(json, "segments", 0), 2);
    assert_int_equal(tm__json_i64(json, "pending", 0), 1);
    json_decref(json);
}

static void types_of_a_table_stand_also_for_columns_without_values(void **state) {
    const tm_home *home = *state;
    tm_push_result r = {0};
    add(home, NULL);
    tm_intake_pull *pull = open_pull(home);
    assert_int_equal(take(pull,
                          "SELECT NULL::INTEGER AS i, '2001-01-01' AS t, DATE '2001-01-01' AS d,"
                          " TIMESTAMP '2001-01-01 10:00:00' AS s, true AS b",
                          1, &r),
                     TM_OK);
    assert_int_equal(r.accepted, 1);
    const tm_schema *schema = tm__intake_pull_schema(pull);
    assert_int_equal(schema->cols[tm__schema_find(schema, TM_STR("i"))].type, TM_TYPE_INT);
    assert_int_equal(schema->cols[tm__schema_find(schema, TM_STR("t"))].type, TM_TYPE_TEXT);
    assert_int_equal(schema->cols[tm__schema_find(schema, TM_STR("d"))].type, TM_TYPE_DATE);
    assert_int_equal(schema->cols[tm__schema_find(schema, TM_STR("s"))].type, TM_TYPE_TIME);
    assert_int_equal(schema->cols[tm__schema_find(schema, TM_STR("b"))].type, TM_TYPE_BOOL);
    assert_int_equal(take(pull, "SELECT TIMESTAMP '2002-01-01 10:00:00' AS d, 1.5 AS i", 2, &r),
                     TM_OK);
    schema = tm__intake_pull_schema(pull);
    assert_int_equal(schema->cols[tm__schema_find(schema, TM_STR("d"))].type, TM_TYPE_TIME);
    assert_int_equal(schema->cols[tm__schema_find(schema, TM_STR("i"))].type, TM_TYPE_FLOAT);
    tm__intake_pull_close(pull);
    tm_table *table = table_of(home);
    assert_true(tm__column_is_missing(tm__table_column(table, 0), 0));
    assert_true(tm__table_column(table, 0)->floats[1] == 1.5);
    tm__table_unref(table);
}

/* 30,000 lines of k,x from a number on; one of them is no row. */
static void take_text(tm_intake_pull *pull, int first, int bad, tm_push_result *out) {
    static const char *const names[] = {"k", "x"};
    const tm_push_csv csv = {.delimiter = ',', .quote = '"', .n_names = 2, .names = names};
    char *const data = malloc((size_t)30000 * 24);
    size_t len = 0;
    for (int i = first; i < first + 30000; i++) {
        len += (size_t)snprintf(data + len, 24, i == bad ? "%d,%d.5,\n" : "%d,%d.5\n", i, i % 7);
    }
    json_t *state = json_pack("{s:i}", "n", first);
    const tm_feed_block block = {.form = TM_PUSH_CSV,
                                 .data = data,
                                 .len = len,
                                 .origin = "f",
                                 .first_line = 1,
                                 .csv = &csv,
                                 .state = state};
    assert_int_equal(tm__intake_pull_take(pull, &block, out, NULL), TM_OK);
    json_decref(state);
    free(data);
}

static void large_texts_give_each_key_once_by_either_reader(void **state) {
    tm_push_result r = {0};
    add(*state, "k");
    tm_intake_pull *pull = open_pull(*state);
    assert_int_equal(take(pull, "SELECT 0 AS k, 0.5 AS x", 1, &r), TM_OK);
    take_text(pull, 0, -1, &r); /* by columns */
    assert_int_equal(r.accepted, 29999);
    assert_int_equal(r.duplicates, 1);
    take_text(pull, 10000, 35000, &r); /* by rows */
    assert_int_equal(r.accepted, 9999);
    assert_int_equal(r.duplicates, 20000);
    assert_int_equal(r.quarantined, 1);
    take_text(pull, 20000, -1, &r);
    assert_int_equal(r.accepted, 10001);
    assert_int_equal(r.duplicates, 19999);
    tm__intake_pull_close(pull);
    tm_table *table = table_of(*state);
    double sum = 0, want = 0;
    assert_int_equal(tm__table_rows(table), 50000);
    for (int i = 0; i < 50000; i++) {
        sum += tm__table_column(table, 1)->floats[i];
        want += i % 7 + 0.5;
    }
    assert_true(sum == want);
    tm__table_unref(table);
}

static void columns_of_the_start_stay_to_be_looked_at(void **state) {
    tm_push_result r = {0};
    add(*state, NULL);
    tm_intake_pull *pull = open_pull(*state);
    assert_int_equal(take(pull, "SELECT 1 AS a", 1, &r), TM_OK);
    tm__intake_pull_close(pull);
    pull = open_pull(*state);
    const tm_schema *start = tm__intake_pull_schema(pull);
    assert_int_equal(take(pull, "SELECT 1 AS a, 2 AS b", 2, &r), TM_OK);
    assert_int_equal(take(pull, "SELECT 1 AS a, 2 AS c", 3, &r), TM_OK);
    assert_int_equal(tm__intake_pull_schema(pull)->n_cols, 3);
    assert_int_equal(start->n_cols, 1);
    assert_string_equal(start->cols[0].name, "a");
    tm__intake_pull_close(pull);
}

static void a_row_of_a_table_that_does_not_fit_is_kept_as_a_line(void **state) {
    const tm_home *home = *state;
    tm_push_result r = {0};
    json_t *bad = NULL;
    add(home, "k");
    tm_intake_pull *pull = open_pull(home);
    assert_int_equal(take(pull, "SELECT 1 AS k, 7 AS n", 1, &r), TM_OK);
    assert_int_equal(take(pull,
                          "SELECT 2 AS k, 'many' AS n UNION ALL SELECT 3, '8'"
                          " UNION ALL SELECT NULL, '9'",
                          2, &r),
                     TM_OK);
    assert_int_equal(r.accepted, 1);
    assert_int_equal(r.quarantined, 2);
    tm__intake_pull_close(pull);
    assert_int_equal(tm__intake_quarantine(home, "s", &(tm_intake_choice){0}, 10, &bad, NULL),
                     TM_OK);
    const json_t *first = json_array_get(bad, 0), *second = json_array_get(bad, 1);
    assert_string_equal(tm__json_text(first, "reason", ""), "wrong_type");
    assert_string_equal(tm__json_text(first, "column", ""), "n");
    assert_string_equal(tm__json_text(first, "origin", ""), "query");
    assert_string_equal(tm__json_text(first, "bytes", ""), "{\"k\":2,\"n\":\"many\"}");
    assert_int_equal(tm__json_i64(first, "row", 0), 101);
    assert_string_equal(tm__json_text(second, "reason", ""), "null_key");
    json_decref(bad);
}

static void one_process_reads_a_source_at_a_time(void **state) {
    const tm_home *home = *state;
    tm_intake_pull *second = NULL;
    tm_push_result r = {0};
    tm_err err = {0};
    add(home, NULL);
    tm_intake_pull *pull = open_pull(home);
    assert_int_equal(tm__intake_pull_open(&ctx, home, "s", &second, &err), TM_E_CONFLICT);
    /* And if it did: what another one has committed is not written again. */
    tm_db *db = NULL;
    assert_int_equal(tm__intake_db_open(home, true, &db, NULL), TM_OK);
    assert_int_equal(tm__db_exec(db, "UPDATE sources SET state = '{\"n\":1}'", NULL), TM_OK);
    tm__db_close(db);
    const tm_status late = tm__home_shares_intake(home) ? TM_E_UNAVAILABLE : TM_E_CONFLICT;
    assert_int_equal(take(pull, "SELECT 1 AS k", 1, &r), late);
    tm__intake_pull_close(pull);
    pull = open_pull(home);
    assert_int_equal(take(pull, "SELECT 1 AS k", 2, &r), TM_OK);
    tm__intake_pull_close(pull);
}

static uint32_t n_failures(const tm_home *home) {
    json_t *json = NULL;
    assert_int_equal(tm__intake_show(home, "s", &json, NULL), TM_OK);
    const int64_t n = tm__json_i64(json, "failures", 0);
    json_decref(json);
    return (uint32_t)n;
}

/* A stream that never ends would wait longer and longer after each of its failures. */
static void failures_are_counted_from_the_last_block(void **state) {
    const tm_home *home = *state;
    const tm_err away = {.status = TM_E_UNAVAILABLE};
    tm_push_result r = {0};
    add(home, NULL);
    for (uint32_t i = 1; i <= 3; i++) {
        assert_int_equal(tm__feed_record(home, "s", &away, NULL), TM_OK);
        assert_int_equal(n_failures(home), i);
    }
    tm_intake_pull *pull = open_pull(home);
    assert_int_equal(take(pull, "SELECT 1 AS k", 1, &r), TM_OK);
    tm__intake_pull_close(pull);
    assert_int_equal(n_failures(home), 0);
    assert_int_equal(tm__feed_record(home, "s", &away, NULL), TM_OK);
    assert_int_equal(n_failures(home), 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

static void a_source_that_is_paused_takes_no_block(void **state) {
    const tm_home *home = *state;
    tm_push_result r = {0};
    add(home, NULL);
    tm_intake_pull *pull = open_pull(home);
    assert_int_equal(take(pull, "SELECT 1 AS k", 1, &r), TM_OK);
    assert_int_equal(tm__feed_record(home, "s", NULL, NULL), TM_OK); /* it is not being added */
    assert_int_equal(tm__intake_pause(home, "s", NULL), TM_OK);
    assert_int_equal(take(pull, "SELECT 2 AS k", 2, &r), TM_E_UNAVAILABLE);
    assert_int_equal(tm__intake_resume(home, "s", NULL), TM_OK);
    assert_int_equal(take(pull, "SELECT 3 AS k", 3, &r), TM_OK);
    tm__intake_pull_close(pull);
    tm_table *table = table_of(home);
    assert_int_equal(tm__table_rows(table), 2);
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(blocks_small_and_large_are_there_with_the_state_behind_them),
        TEST(types_of_a_table_stand_also_for_columns_without_values),
        TEST(large_texts_give_each_key_once_by_either_reader),
        TEST(columns_of_the_start_stay_to_be_looked_at),
        TEST(a_row_of_a_table_that_does_not_fit_is_kept_as_a_line),
        TEST(one_process_reads_a_source_at_a_time),
        TEST(a_source_that_is_paused_takes_no_block),
        TEST(failures_are_counted_from_the_last_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
