/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "source/intake.h"
#include "source/source.h"
#include "temp_home.h"
#include "test.h"

static tm_ctx ctx;

static tm_status add(const tm_home *home, tm_intake_add what, tm_err *err) {
    return tm__intake_add(&ctx, home, &what, err);
}

static void push(tm_intake *intake, const char *source, const char *text, uint64_t n_accepted) {
    char body[1024];
    tm_push_result r = {0};
    tm_err err = {0};
    (void)tm__str_copy(body, sizeof(body), tm__str(text));
    const tm_push one = {
        .source = source, .form = TM_PUSH_LINES, .data = body, .len = strlen(body)};
    if (tm__intake_push_wait(intake, &one, &r, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(r.accepted, n_accepted);
}

static tm_table *table_of(const tm_home *home, const char *source) {
    tm_table *table = NULL;
    tm_err err = {0};
    if (tm__intake_table(&ctx, home, source, &table, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return table;
}

static uint64_t compact(const tm_home *home, const char *source, uint64_t n_min) {
    uint64_t n = 0;
    tm_err err = {0};
    if (tm__intake_compact(&ctx, home, source, n_min, &n, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return n;
}

/* The same rows in the same order before and after they become segments, also while the columns
 * grow. */
static void rows_stay_in_order_whatever_holds_them(void **state) {
    const tm_home *home = *state;
    tm_hash before, after;
    assert_int_equal(add(home, (tm_intake_add){.name = "s", .kind = TM_INTAKE_PUSH}, NULL), TM_OK);
    tm_intake *intake = tm__intake_create(home);
    push(intake, "s", "{\"a\":1,\"d\":\"2001-01-01\",\"e\":null}\n{\"a\":2}", 2);
    assert_int_equal(compact(home, "s", 3), 0);
    assert_int_equal(compact(home, "s", 2), 2);
    assert_int_equal(compact(home, "s", 1), 0);
    push(intake, "s", "{\"a\":0.5,\"t\":\"x\",\"d\":\"2001-01-01T01:00:00\"}", 1);
    tm_table *table = table_of(home, "s");
    assert_int_equal(tm__table_rows(table), 3);
    assert_int_equal(tm__table_column(table, 0)->type, TM_TYPE_FLOAT);
    assert_true(tm__table_column(table, 0)->floats[1] == 2);
    assert_true(tm__table_column(table, 0)->floats[2] == 0.5);
    assert_int_equal(tm__table_column(table, 1)->type, TM_TYPE_TIME);
    assert_true(tm__column_is_missing(tm__table_column(table, tm__table_find(table, "t")), 0));
    tm__table_hash(table, &before);
    tm__table_unref(table);
    assert_int_equal(compact(home, "s", 1), 1);
    table = table_of(home, "s");
    tm__table_hash(table, &after);
    assert_true(tm__hash_eq(&before, &after));
    tm__table_unref(table);
    push(intake, "s", "{\"e\":true}", 1);
    table = table_of(home, "s");
    assert_int_equal(tm__table_column(table, tm__table_find(table, "e"))->type, TM_TYPE_BOOL);
    assert_int_equal(tm__table_column(table, tm__table_find(table, "e"))->ints[3], 1);
    tm__table_unref(table);
    tm__intake_close(intake);
    uint32_t format = 0;
    assert_int_equal(tm__intake_check(home, true, &format, NULL), TM_OK);
    assert_int_equal(format, 1);
}

static void a_source_is_due_when_its_rows_are_many_or_old(void **state) {
    const tm_home *home = *state;
    char name[129] = "x";
    const int64_t now_us = tm__now_us();
    assert_int_equal(tm__intake_due(home, name, NULL), TM_OK);
    assert_string_equal(name, "");
    assert_int_equal(add(home, (tm_intake_add){.name = "s", .kind = TM_INTAKE_PUSH}, NULL), TM_OK);
    tm_intake *intake = tm__intake_create(home);
    push(intake, "s", "{\"a\":1}", 1);
    assert_int_equal(tm__intake_due(home, name, NULL), TM_OK);
    assert_string_equal(name, "");
    tm__clock_fix(now_us + INT64_C(3700) * 1000000);
    assert_int_equal(tm__intake_due(home, name, NULL), TM_OK);
    assert_string_equal(name, "s");
    assert_int_equal(compact(home, "s", 1), 1);
    assert_int_equal(tm__intake_due(home, name, NULL), TM_OK);
    assert_string_equal(name, "");
    tm__clock_fix(INT64_MIN);
    tm__intake_close(intake);
}

static void what_is_read_from_a_query_is_there_with_its_source(void **state) {
    const tm_home *home = *state;
    const char *const key[] = {"k"};
    const char *sql = "SELECT CASE WHEN i = 7 THEN NULL ELSE i % 10 END AS k, i AS n"
                      " FROM range(100) r(i)";
    tm_intake_add source = {
        .name = "q", .kind = TM_INTAKE_SQL, .from = sql, .keys = key, .n_keys = 1};
    tm_err err = {0};
    json_t *json = NULL;
    assert_int_equal(tm__source_read(&ctx, &(tm_source_spec){.sql = sql}, &source.rows, NULL),
                     TM_OK);
    assert_int_equal(add(home, source, &err), TM_OK);
    tm_table *table = table_of(home, "q");
    assert_int_equal(tm__table_rows(table), 10); /* the first of each key */
    assert_int_equal(tm__table_column(table, 1)->ints[0], 0);
    assert_int_equal(tm__table_column(table, 1)->ints[9], 17);
    tm__table_unref(table);
    assert_int_equal(tm__intake_show(home, "q", &json, NULL), TM_OK);
    assert_int_equal(tm__json_i64(json, "rows", 0), 10);
    assert_int_equal(tm__json_i64(json, "duplicates", 0), 89);
    assert_int_equal(tm__json_i64(json, "quarantined", 0), 1);
    assert_true(json_number_value(json_object_get(json, "lag_seconds")) < 60);
    json_decref(json);
    assert_int_equal(tm__intake_quarantine(home, "q", 0, 10, &json, NULL), TM_OK);
    assert_int_equal(tm__json_i64(json_array_get(json, 0), "row", 0), 8);
    assert_string_equal(tm__json_text(json_array_get(json, 0), "reason", ""), "null_key");
    json_decref(json);
    assert_int_equal(add(home, source, &err), TM_E_CONFLICT);
    const char *const strange[] = {"nobody"};
    source.name = "r";
    source.keys = strange;
    assert_int_equal(add(home, source, &err), TM_E_DATA);
    tm__table_unref(source.rows);
    assert_int_equal(tm__intake_list(home, &json, NULL), TM_OK);
    assert_int_equal(json_array_size(json), 1);
    json_decref(json);
}

static void an_expected_column_has_its_type_before_a_row_comes(void **state) {
    const tm_home *home = *state;
    tm_intake_add source = {.name = "s", .kind = TM_INTAKE_PUSH};
    const tm_source_spec spec = {.sql = "SELECT 1.5::DOUBLE AS x, 'a' AS code"};
    assert_int_equal(tm__source_read(&ctx, &spec, &source.rows, NULL), TM_OK);
    assert_int_equal(add(home, source, NULL), TM_OK);
    tm__table_unref(source.rows);
    tm_table *table = NULL;
    assert_int_equal(tm__intake_table(&ctx, home, "s", &table, NULL), TM_E_DATA);
    tm_intake *intake = tm__intake_create(home);
    push(intake, "s", "{\"x\":1,\"code\":7}", 1);
    tm__intake_close(intake);
    table = table_of(home, "s");
    assert_int_equal(tm__table_column(table, 0)->type, TM_TYPE_FLOAT);
    assert_true(tm__str_is(tm__column_cell(tm__table_column(table, 1), 0).text, "7"));
    tm__table_unref(table);
}

static void names_that_are_no_file_names_are_refused(void **state) {
    static const char *const bad[] = {"", ".", "..", ".x", "a/b", "a b", "caf\xC3\xA9", "a\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(add(*state, (tm_intake_add){.name = bad[i], .kind = TM_INTAKE_PUSH}, NULL),
                         TM_E_USAGE);
    }
    json_t *json = NULL;
    assert_int_equal(tm__intake_show(*state, "s", &json, NULL), TM_E_NOT_FOUND);
}

static void a_segment_that_is_gone_is_told(void **state) {
    const tm_home *home = *state;
    uint32_t format = 0;
    tm_table *table = NULL;
    char command[700];
    assert_int_equal(add(home, (tm_intake_add){.name = "s", .kind = TM_INTAKE_PUSH}, NULL), TM_OK);
    tm_intake *intake = tm__intake_create(home);
    push(intake, "s", "{\"a\":1}", 1);
    tm__intake_close(intake);
    assert_int_equal(compact(home, "s", 1), 1);
    snprintf(command, sizeof(command), "rm '%s'/segments/s/*.parquet", tm__home_path(home));
    assert_int_equal(system(command), 0);
    assert_int_equal(tm__intake_check(home, true, &format, NULL), TM_E_INTEGRITY);
    assert_int_equal(tm__intake_table(&ctx, home, "s", &table, NULL), TM_E_NOT_FOUND);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(rows_stay_in_order_whatever_holds_them),
        TEST(a_source_is_due_when_its_rows_are_many_or_old),
        TEST(what_is_read_from_a_query_is_there_with_its_source),
        TEST(an_expected_column_has_its_type_before_a_row_comes),
        TEST(names_that_are_no_file_names_are_refused),
        TEST(a_segment_that_is_gone_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
