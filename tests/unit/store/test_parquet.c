/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/pool.h"
#include "store/duck.h"
#include "store/parquet.h"
#include "support.h"
#include "test.h"

#define PATH "written.parquet"
#define QUERY "SELECT * FROM '" PATH "'"

static tm_duck *duck;
static tm_ctx ctx;

static int open_duck(void **state) {
    return test_folder_enter(state) == 0 &&
                   tm__duck_open(&(tm_duck_options){0}, &duck, NULL) == TM_OK
               ? 0
               : 1;
}

static int close_duck(void **state) {
    tm__duck_close(duck);
    return test_folder_leave(state);
}

static tm_table *query(const char *sql) {
    tm_table *table = NULL;
    tm_err err = {0};
    const tm_status st = tm__duck_query(duck, sql, 0, &table, &err);
    if (st != TM_OK) {
        print_message("%s\n", err.message);
    }
    assert_int_equal(st, TM_OK);
    return table;
}

/* Takes the table. */
static void assert_reads_back_the_same(tm_table *table) {
    assert_int_equal(tm__parquet_write_path(&ctx, table, PATH, NULL), TM_OK);
    tm_table *const back = query(QUERY);
    tm_hash a, b;
    tm__table_hash(table, &a);
    tm__table_hash(back, &b);
    assert_true(tm__hash_eq(&a, &b));
    tm__table_unref(back);
    tm__table_unref(table);
}

static void what_is_written_reads_back_the_same(void **state) {
    (void)state;
    tm_table *const table = query(
        "SELECT i AS \"n \"\"q\"\" 1\", i / 3 AS f, i % 2 = 0 AS b, 'text ' || (i % 1000) AS t, "
        "DATE '1960-01-01' + i::INT % 9000 AS d, TIMESTAMP '1969-01-01' + INTERVAL (i) SECOND AS "
        "ts, CASE WHEN i % 7 = 0 THEN '' WHEN i % 7 = 1 THEN 'a longer text than twelve' END AS "
        "gaps, CASE WHEN i % 5 = 0 THEN i END AS n_gaps, CASE WHEN i % 5 = 0 THEN 'inf'::DOUBLE "
        "END AS f_gaps, CASE WHEN i % 9 = 0 THEN true END AS b_gaps FROM range(150000) r(i)");
    assert_reads_back_the_same(table);
}

/* They are two values of a dictionary. */
static void zeros_keep_their_sign(void **state) {
    (void)state;
    assert_reads_back_the_same(query("SELECT CASE i % 4 WHEN 0 THEN 0.0 WHEN 1 THEN -0.0::DOUBLE "
                                     "ELSE i % 7 END::DOUBLE AS x, 'a' || i % 5 AS t "
                                     "FROM range(9000) r(i)"));
    assert_reads_back_the_same(query("SELECT CASE WHEN i < 5 THEN -0.0::DOUBLE ELSE round(i % 3000 "
                                     "/ 7, 2) END AS x FROM range(9000) r(i)"));
}

/* As a query sees the file: bounds that are wrong would lose rows. */
static void what_is_selected_by_bounds_is_found(void **state) {
    (void)state;
    static const struct {
        const char *where;
        int64_t n;
    } cases[] = {{"i >= 149000", 1000},
                 {"f < -999", 3},
                 {"f = 0", 1},
                 {"t = 'text 000007'", 1},
                 {"d = DATE '1969-12-31'", 11},
                 {"ts < TIMESTAMP '1970-01-01 00:01:00'", 60},
                 {"b", 75000},
                 {"gaps IS NULL", 100000}};
    tm_table *const table = query(
        "SELECT i, i / 3 - 1000 AS f, format('text {:06d}', i) AS t, DATE '1969-12-31' + (i % "
        "13637)::INT AS d, TIMESTAMP '1970-01-01' + INTERVAL (i) SECOND AS ts, i % 2 = 0 AS b, "
        "CASE WHEN i % 3 = 0 THEN i END AS gaps FROM range(150000) r(i)");
    assert_int_equal(tm__parquet_write_path(&ctx, table, PATH, NULL), TM_OK);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char sql[256];
        (void)snprintf(sql, sizeof(sql), "SELECT count(*) FROM '" PATH "' WHERE %s",
                       cases[i].where);
        tm_table *const back = query(sql);
        print_message("%s\n", cases[i].where);
        assert_int_equal(tm__table_column(back, 0)->ints[0], cases[i].n);
        tm__table_unref(back);
    }
    tm__table_unref(table);
}

static void texts_of_many_bytes_take_several_pages(void **state) {
    (void)state;
    assert_reads_back_the_same(
        query("SELECT repeat(i::VARCHAR, 3000 - i // 100) AS t, CASE WHEN i % 7 > 0 THEN "
              "i::VARCHAR || repeat('x', 90000) END AS gaps FROM range(200) r(i)"));
}

static void threads_write_the_same_bytes(void **state) {
    (void)state;
    tm_table *const table =
        query("SELECT COLUMNS(*) FROM (SELECT i, i / 7 AS f, 'x' || (i % 9) AS t, i % 5 AS g, "
              "sqrt(i) AS s FROM range(5000) r(i))");
    tm_map one = {0}, more = {0};
    assert_int_equal(tm__parquet_write_path(&ctx, table, PATH, NULL), TM_OK);
    assert_int_equal(tm__map_open(PATH, &one, NULL), TM_OK);
    assert_int_equal(tm__fs_remove(PATH, NULL), TM_OK);
    tm_ctx threads = {.pool = tm__pool_create(3)};
    assert_int_equal(tm__parquet_write_path(&threads, table, PATH, NULL), TM_OK);
    assert_int_equal(tm__map_open(PATH, &more, NULL), TM_OK);
    assert_int_equal(one.len, more.len);
    assert_memory_equal(one.data, more.data, one.len);
    tm__map_close(&one);
    tm__map_close(&more);
    tm__pool_free(threads.pool);
    tm__table_unref(table);
}

static void a_run_that_is_cancelled_ends(void **state) {
    (void)state;
    tm_table *const table = query("SELECT 1 AS a");
    volatile _Atomic bool cancel = true;
    tm_ctx cancelled = {.cancel = &cancel};
    assert_int_equal(tm__parquet_write_path(&cancelled, table, PATH, NULL), TM_E_CANCELLED);
    tm__table_unref(table);
}

static void a_table_without_rows_keeps_its_columns(void **state) {
    (void)state;
    tm_table *const table = query("SELECT 1 AS a, 'x' AS b WHERE false");
    assert_int_equal(tm__parquet_write_path(&ctx, table, PATH, NULL), TM_OK);
    tm_table *const back = query(QUERY);
    assert_int_equal(tm__table_rows(back), 0);
    assert_int_equal(tm__table_column(back, 1)->type, TM_TYPE_TEXT);
    tm__table_unref(back);
    tm__table_unref(table);
}

static void a_path_that_cannot_be_written_is_an_error(void **state) {
    (void)state;
    tm_table *const table = query("SELECT 1 AS a");
    tm_err err = {0};
    assert_true(tm__parquet_write_path(&ctx, table, "/nowhere/x.parquet", &err) != TM_OK);
    assert_true(err.message[0] != '\0');
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_reads_back_the_same),
        cmocka_unit_test(zeros_keep_their_sign),
        cmocka_unit_test(what_is_selected_by_bounds_is_found),
        cmocka_unit_test(texts_of_many_bytes_take_several_pages),
        cmocka_unit_test(threads_write_the_same_bytes),
        cmocka_unit_test(a_run_that_is_cancelled_ends),
        cmocka_unit_test(a_table_without_rows_keeps_its_columns),
        cmocka_unit_test(a_path_that_cannot_be_written_is_an_error),
    };
    return cmocka_run_group_tests(tests, open_duck, close_duck);
}
