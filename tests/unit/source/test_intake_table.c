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
    return tm__intake_add(home, &what, err);
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
    assert_int_equal(add(home, (tm_intake_add){.name = "s", .feed = "push"}, NULL), TM_OK);
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
    assert_int_equal(format, 5);
}

static void a_source_is_due_when_its_rows_are_many_or_old(void **state) {
    const tm_home *home = *state;
    char name[129] = "x";
    const int64_t now_us = tm__now_us();
    assert_int_equal(tm__intake_due(home, name, NULL), TM_OK);
    assert_string_equal(name, "");
    assert_int_equal(add(home, (tm_intake_add){.name = "s", .feed = "push"}, NULL), TM_OK);
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

static void a_segment_that_is_gone_is_told(void **state) {
    const tm_home *home = *state;
    uint32_t format = 0;
    tm_table *table = NULL;
    char command[700];
    assert_int_equal(add(home, (tm_intake_add){.name = "s", .feed = "push"}, NULL), TM_OK);
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
        TEST(a_segment_that_is_gone_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
