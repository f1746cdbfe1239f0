/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/fs.h"
#include "store/duck_priv.h"
#include "test.h"

#define PATH "/tmp/tidemill-duck-write.parquet"
#define QUERY "SELECT * FROM '" PATH "'"

static tm_duck *duck;

static int open_duck(void **state) {
    (void)state;
    return tm__duck_open(&(tm_duck_options){0}, &duck, NULL) == TM_OK ? 0 : 1;
}

static int close_duck(void **state) {
    (void)state;
    tm__duck_close(duck);
    return tm__fs_remove(PATH, NULL) == TM_OK ? 0 : 1;
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
    assert_int_equal(tm__duck_write_parquet(duck, table, PATH, NULL), TM_OK);
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

/* A dictionary of DuckDB takes the two zeros for one value. */
static void zeros_keep_their_sign(void **state) {
    (void)state;
    assert_reads_back_the_same(query("SELECT CASE i % 4 WHEN 0 THEN 0.0 WHEN 1 THEN -0.0::DOUBLE "
                                     "ELSE i % 7 END::DOUBLE AS x, 'a' || i % 5 AS t "
                                     "FROM range(9000) r(i)"));
    assert_reads_back_the_same(query("SELECT CASE WHEN i < 5 THEN -0.0::DOUBLE ELSE round(i % 3000 "
                                     "/ 7, 2) END AS x FROM range(9000) r(i)"));
}

static void a_table_without_rows_keeps_its_columns(void **state) {
    (void)state;
    tm_table *const table = query("SELECT 1 AS a, 'x' AS b WHERE false");
    assert_int_equal(tm__duck_write_parquet(duck, table, PATH, NULL), TM_OK);
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
    assert_true(tm__duck_write_parquet(duck, table, "/nowhere/x.parquet", &err) != TM_OK);
    assert_true(err.message[0] != '\0');
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_reads_back_the_same),
        cmocka_unit_test(zeros_keep_their_sign),
        cmocka_unit_test(a_table_without_rows_keeps_its_columns),
        cmocka_unit_test(a_path_that_cannot_be_written_is_an_error),
    };
    return cmocka_run_group_tests(tests, open_duck, close_duck);
}
