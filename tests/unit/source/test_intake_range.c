/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "source/intake_priv.h"
#include "source/sinks.h"
#include "temp_home.h"
#include "test.h"

static tm_ctx ctx;

static void push(const tm_home *home, int first, int n, const char *more) {
    static char body[1u << 16];
    size_t len = 0;
    tm_push_result r = {0};
    for (int i = first; i < first + n; i++) {
        len += (size_t)snprintf(body + len, sizeof(body) - len, "{\"a\":%d%s}\n", i, more);
    }
    const tm_push one = {.source = "s", .form = TM_PUSH_LINES, .data = body, .len = len};
    tm_intake *intake = tm__intake_create(home);
    assert_int_equal(tm__intake_push_wait(intake, &one, &r, NULL), TM_OK);
    assert_int_equal(r.accepted, n);
    tm__intake_close(intake);
}

static void check_range(tm_source_rows *rows, uint64_t first, uint64_t n) {
    tm_table *table = NULL;
    tm_err err = {0};
    if (tm__source_rows_read(&ctx, rows, first, n, &table, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(tm__table_rows(table), n);
    const tm_column *a = tm__table_column(table, tm__table_find(table, "a"));
    for (uint64_t row = 0; row < n; row++) {
        assert_int_equal(tm__column_cell(a, row).i64, first + row);
    }
    tm__table_unref(table);
}

static void check_ranges(const tm_home *home, uint64_t first, uint64_t end) {
    tm_source_rows *rows = NULL;
    tm_source_extent extent = {0};
    assert_int_equal(tm__source_rows_open(home, "s", &rows, NULL), TM_OK);
    assert_int_equal(tm__source_rows_extent(rows, &extent, NULL), TM_OK);
    assert_int_equal(extent.first, first);
    assert_int_equal(extent.end, end);
    for (uint64_t at = first; at < end; at += 11) {
        for (uint64_t n = 1; at + n <= end; n += 17) {
            check_range(rows, at, n);
        }
    }
    tm__source_rows_close(rows);
}

static void make(const tm_home *home) {
    const tm_intake_add add = {.name = "s", .feed = "push"};
    assert_int_equal(tm__intake_add(home, &add, NULL), TM_OK);
    push(home, 0, 10, "");
    push(home, 10, 25, "");
    push(home, 35, 1, ",\"b\":\"new\"");
    push(home, 36, 30, "");
}

static void compact(const tm_home *home) {
    uint64_t n = 0;
    assert_int_equal(tm__intake_compact(&ctx, home, "s", 1, &n, NULL), TM_OK);
}

static void a_row_keeps_its_place_when_it_moves_to_a_segment(void **state) {
    make(*state);
    check_ranges(*state, 0, 66);
    compact(*state);
    check_ranges(*state, 0, 66);
    push(*state, 66, 9, "");
    push(*state, 75, 9, "");
    check_ranges(*state, 0, 84);
    compact(*state);
    push(*state, 84, 3, "");
    check_ranges(*state, 0, 87);
}

static void a_row_keeps_its_place_when_older_ones_are_removed(void **state) {
    tm_db *db = NULL;
    tm_source_rows *rows = NULL;
    tm_table *table = NULL;
    tm_err err = {0};
    make(*state);
    compact(*state);
    push(*state, 66, 20, "");
    assert_int_equal(tm__intake_db_open(*state, true, &db, NULL), TM_OK);
    assert_int_equal(tm__db_exec(db, "DELETE FROM segments", NULL), TM_OK);
    tm__db_close(db);
    check_ranges(*state, 66, 86);
    assert_int_equal(tm__source_rows_open(*state, "s", &rows, NULL), TM_OK);
    assert_int_equal(tm__source_rows_read(&ctx, rows, 60, 10, &table, &err), TM_E_NOT_FOUND);
    assert_non_null(strstr(err.message, "does not hold its row 61"));
    assert_int_equal(tm__source_rows_read(&ctx, rows, 80, 10, &table, &err), TM_E_NOT_FOUND);
    assert_non_null(strstr(err.message, "does not hold its row 87"));
    tm__source_rows_close(rows);
}

static void an_unknown_source_is_not_found(void **state) {
    tm_source_rows *rows = NULL;
    make(*state);
    assert_int_equal(tm__source_rows_open(*state, "t", &rows, NULL), TM_E_NOT_FOUND);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_row_keeps_its_place_when_it_moves_to_a_segment),
        TEST(a_row_keeps_its_place_when_older_ones_are_removed),
        TEST(an_unknown_source_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
