/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "flights_case.h"
#include "source/source.h"
#include "table/schema.h"
#include "temp_home.h"
#include "train/train.h"

static void write_flights(uint64_t n) {
    tm_table *table = flights_case_table(0, n);
    FILE *file = fopen("flights.csv", "wb");
    assert_non_null(file);
    assert_true(fputs("leaves,from,arrives,delay,late\n", file) >= 0);
    for (uint64_t row = 0; row < n; row++) {
        tm_buf line;
        tm__buf_init(&line, 4096);
        for (uint32_t c = 0; c < 5; c++) {
            const tm_cell cell = tm__column_cell(tm__table_column(table, c), row);
            assert_true(tm__cell_write_csv(&cell, &line) &&
                        tm__buf_byte(&line, c < 4 ? ',' : '\n'));
        }
        assert_int_equal(fwrite(line.data, 1, line.len, file), line.len);
        tm__buf_done(&line);
    }
    assert_int_equal(fclose(file), 0);
    tm__table_unref(table);
}

static tm_status check(const char *sql, const char *time, tm_err *err) {
    static const char *const known[] = {"late=arrives"};
    static const char *const drop[] = {"delay", "arrives"};
    const tm_train_options o = {.target = "late",
                                .time = time,
                                .known = known,
                                .n_known = time == NULL ? 0 : 1,
                                .drop = drop,
                                .n_drop = 2};
    const tm_source_spec spec = {.sql = sql};
    tm_ctx ctx = {0};
    tm_table *table = NULL;
    assert_int_equal(tm__source_read(&ctx, &spec, &table, NULL), TM_OK);
    const tm_query_check in = {.sql = sql, .table = table, .options = &o};
    const tm_status st = tm__train_query_check(&ctx, &in, err);
    tm__table_unref(table);
    return st;
}

#define WINDOW "SELECT *, avg(late::INT) OVER (PARTITION BY \"from\" ORDER BY leaves RANGE BETWEEN "
#define END " AS w FROM 'flights.csv' ORDER BY leaves"
static void columns_that_look_ahead_are_named(void **state) {
    static const struct {
        const char *sql;
        bool is_leak;
    } cases[] = {
        {WINDOW "INTERVAL 3 HOUR PRECEDING AND INTERVAL 3 HOUR FOLLOWING)" END, true},
        /* What had left is known, but not how late it was. */
        {WINDOW "INTERVAL 3 HOUR PRECEDING AND INTERVAL 1 SECOND PRECEDING)" END, true},
        {WINDOW "INTERVAL 12 HOUR PRECEDING AND INTERVAL 5 HOUR PRECEDING)" END, false},
        {"SELECT f.*, (SELECT avg(late::INT) FROM 'flights.csv') AS w FROM 'flights.csv' f", true},
        {"SELECT f.*, (SELECT avg(late::INT) FROM 'flights.csv' g WHERE g.\"from\" = f.\"from\" "
         "AND g.arrives < f.leaves AND g.arrives >= f.leaves - INTERVAL 5 HOUR) AS w FROM "
         "'flights.csv' f",
         false},
        {"SELECT *, 1 AS w FROM 'flights.csv'", false},
    };
    assert_int_equal(chdir(tm__home_path(*state)), 0);
    write_flights(3000);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_err err = {0};
        const tm_status st = check(cases[i].sql, "leaves", &err);
        if (st != (cases[i].is_leak ? TM_E_REFUSED : TM_OK)) {
            fail_msg("query %zu: %s", i, err.message);
        }
        if (cases[i].is_leak) {
            assert_non_null(strstr(err.message, "column 'w' of the query looks at what was not "));
            assert_non_null(strstr(err.message, " is leak"));
            assert_non_null(strstr(err.hint, "--drop w"));
        }
        assert_int_equal(check(cases[i].sql, NULL, &err), TM_OK); /* no time: nothing to ask */
    }
    assert_int_equal(chdir("/"), 0);
}

static void what_cannot_be_compared_is_said(void **state) {
    tm_err err = {0};
    assert_int_equal(chdir(tm__home_path(*state)), 0);
    write_flights(1000);
    /* Rows that a later one of their airport follows: fewer before a moment. */
    assert_int_equal(
        check("SELECT * FROM (SELECT *, lead(leaves) OVER (PARTITION BY \"from\" ORDER "
              "BY leaves) AS next FROM 'flights.csv') WHERE next IS NOT NULL",
              "leaves", &err),
        TM_E_UNSUPPORTED);
    assert_int_equal(chdir("/"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(columns_that_look_ahead_are_named, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(what_cannot_be_compared_is_said, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
