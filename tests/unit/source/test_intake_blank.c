/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "source/intake.h"
#include "source/intake_blank.h"
#include "source/intake_priv.h"
#include "source/sinks.h"
#include "temp_home.h"
#include "test.h"

static tm_ctx ctx;

static void push(tm_intake *intake, const char *text) {
    char body[512];
    tm_push_result r = {0};
    (void)tm__str_copy(body, sizeof(body), tm__str(text));
    const tm_push one = {.source = "s", .form = TM_PUSH_LINES, .data = body, .len = strlen(body)};
    assert_int_equal(tm__intake_push_wait(intake, &one, &r, NULL), TM_OK);
}

static void run_sql(const tm_home *home, const char *sql) {
    tm_db *db = NULL;
    assert_int_equal(tm__intake_db_open(home, true, &db, NULL), TM_OK);
    assert_int_equal(tm__db_exec(db, sql, NULL), TM_OK);
    tm__db_close(db);
}

/* A segment of two rows and a bad row, a day old, and one of one row of now. */
static void two_segments(const tm_home *home) {
    const char *const key = "id";
    uint64_t n = 0;
    json_t *spec = json_pack("{s:{s:{s:s, s:i}, s:{s:s, s:i}}}", "columns", "x", "type", "int",
                             "keep_s", 3600, "far", "type", "text", "keep_s", 864000);
    const tm_intake_add add = {
        .name = "s", .feed = "push", .spec = spec, .keys = &key, .n_keys = 1};
    assert_int_equal(tm__intake_add(home, &add, NULL), TM_OK);
    json_decref(spec);
    tm_intake *intake = tm__intake_create(home);
    push(intake, "{\"id\":1,\"x\":11,\"far\":\"a\"}\n{\"id\":2,\"x\":12,\"far\":\"b\"}\n"
                 "{\"id\":3,\"x\":\"bad\"}");
    run_sql(home, "UPDATE batches SET at_us = at_us - 86400000000;"
                  "UPDATE quarantine SET at_us = at_us - 86400000000");
    assert_int_equal(tm__intake_compact(&ctx, home, "s", 1, &n, NULL), TM_OK);
    push(intake, "{\"id\":4,\"x\":14,\"far\":\"c\"}");
    assert_int_equal(tm__intake_compact(&ctx, home, "s", 1, &n, NULL), TM_OK);
    tm__intake_close(intake);
}

static bool is_due(const tm_home *home) {
    char due[129];
    assert_int_equal(tm__intake_due(home, due, NULL), TM_OK);
    return strcmp(due, "s") == 0;
}

static void old_values_go_and_rows_keep_their_places(void **state) {
    const tm_home *const home = *state;
    tm_blanked done = {0};
    tm_table *table = NULL;
    tm_source_rows *rows = NULL;
    tm_source_extent extent = {0};
    two_segments(home);
    assert_true(is_due(home));
    assert_int_equal(tm__intake_blank(&ctx, home, "s", &done, NULL), TM_OK);
    assert_true(done.n_segments == 1 && done.n_rows == 2 && done.n_quarantined == 1);
    assert_false(is_due(home));
    assert_int_equal(tm__intake_blank(&ctx, home, "s", &done, NULL), TM_OK);
    assert_true(done.n_segments == 0 && done.n_rows == 0 && done.n_quarantined == 0);
    assert_int_equal(tm__intake_table(&ctx, home, "s", &table, NULL), TM_OK);
    const tm_column *const x = tm__table_column(table, tm__table_find(table, "x"));
    const tm_column *const far = tm__table_column(table, tm__table_find(table, "far"));
    assert_int_equal(tm__table_rows(table), 3);
    assert_int_equal(x->n_missing, 2);
    assert_int_equal(tm__column_cell(x, 2).i64, 14);
    assert_int_equal(far->n_missing, 0);
    tm__table_unref(table);
    assert_int_equal(tm__source_rows_open(home, "s", &rows, NULL), TM_OK);
    assert_int_equal(tm__source_rows_extent(rows, &extent, NULL), TM_OK);
    assert_true(extent.first == 0 && extent.end == 3);
    tm__source_rows_close(rows);
}

static void what_a_sink_has_not_read_waits(void **state) {
    const tm_home *const home = *state;
    tm_blanked done = {0};
    two_segments(home);
    run_sql(home, "INSERT INTO sinks(name, spec, state, created_us) VALUES('out',"
                  " '{\"read\":\"s\"}', '{\"next\":1}', 0)");
    assert_int_equal(tm__intake_blank(&ctx, home, "s", &done, NULL), TM_OK);
    assert_true(done.n_segments == 0 && done.n_held == 1);
    assert_string_equal(done.held_by, "out");
    assert_false(is_due(home));
    run_sql(home, "UPDATE sinks SET state = '{\"next\":2}'");
    assert_true(is_due(home));
    assert_int_equal(tm__intake_blank(&ctx, home, "s", &done, NULL), TM_OK);
    assert_true(done.n_segments == 1 && done.n_held == 0);
}

static void a_key_is_kept_as_long_as_its_row(void **state) {
    const char *const key = "id";
    tm_err err = {0};
    json_t *spec = json_pack("{s:{s:{s:i}}}", "columns", "id", "keep_s", 3600);
    assert_int_equal(tm__blank_check(spec, &key, 1, &err), TM_E_USAGE);
    assert_non_null(strstr(err.message, "'id'"));
    assert_int_equal(tm__blank_check(spec, NULL, 0, NULL), TM_OK);
    json_decref(spec);
    (void)state;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(old_values_go_and_rows_keep_their_places),
                                       TEST(what_a_sink_has_not_read_waits),
                                       cmocka_unit_test(a_key_is_kept_as_long_as_its_row)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
