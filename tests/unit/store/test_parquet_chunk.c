/* SPDX-License-Identifier: Apache-2.0 */
/* What a chunk becomes is read by DuckDB in test_parquet.c; here is how it is made. */
#include "store/parquet_chunk.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "table/table.h"
#include "test.h"

enum { PLAIN = 0, DICTIONARY = 8, SPLIT = 9 };

/* One column of n rows: value i is make(i). */
static tm_table *column_of(tm_type type, uint64_t n, tm_cell (*make)(uint64_t i)) {
    tm_table_builder *const b = tm__builder_create();
    tm_table *table = NULL;
    assert_int_equal(tm__builder_add_column(b, "x", type, NULL), TM_OK);
    for (uint64_t i = 0; i < n; i++) {
        const tm_cell cell = make(i);
        assert_int_equal(tm__builder_add_row(b, &cell, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(b, &table, NULL), TM_OK);
    return table;
}

static tm_parquet_chunk make(const tm_table *table) {
    tm_parquet_chunk chunk = {.column = tm__table_column(table, 0),
                              .rows = {0, tm__table_rows(table)}};
    tm__parquet_chunk_make(&chunk);
    assert_int_equal(chunk.status, TM_OK);
    return chunk;
}

static double f64_of(const tm_buf *buf) {
    double value = 0;
    assert_int_equal(buf->len, sizeof(value));
    memcpy(&value, buf->data, sizeof(value));
    return value;
}

static tm_cell f64(double value) {
    return isnan(value) ? (tm_cell){.type = TM_TYPE_NONE}
                        : (tm_cell){.type = TM_TYPE_FLOAT, .f64 = value};
}

static tm_cell few(uint64_t i) {
    return f64((double)(i % 3));
}
static tm_cell thirds(uint64_t i) {
    return f64((double)i / 3);
}
static tm_cell prices(uint64_t i) { /* as many digits as cents have, many times */
    return f64((double)(i * i % 9973) / 100);
}
static tm_cell none(uint64_t i) {
    (void)i;
    return f64(NAN);
}
static tm_cell zeros(uint64_t i) {
    return f64(i % 2 == 0 ? 0.0 : NAN);
}

static void the_encoding_follows_from_the_values(void **state) {
    (void)state;
    static const struct {
        const char *name;
        tm_cell (*make)(uint64_t i);
        int32_t encoding;
        bool has_words;
    } cases[] = {{"few that differ", few, DICTIONARY, true},
                 {"many with many digits", thirds, SPLIT, false},
                 {"many with few digits", prices, PLAIN, false},
                 {"none", none, PLAIN, false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        print_message("%s\n", cases[i].name);
        tm_table *const table = column_of(TM_TYPE_FLOAT, 20000, cases[i].make);
        tm_parquet_chunk chunk = make(table);
        assert_int_equal(chunk.encoding, cases[i].encoding);
        assert_int_equal(chunk.data_at > 0, cases[i].has_words);
        assert_true(chunk.bytes.len < chunk.raw_bytes || chunk.n_missing > 0);
        tm__parquet_chunk_done(&chunk);
        tm__table_unref(table);
    }
}

static void a_bound_of_zero_is_both_zeros(void **state) {
    (void)state;
    tm_table *const table = column_of(TM_TYPE_FLOAT, 10, zeros);
    tm_parquet_chunk chunk = make(table);
    assert_true(chunk.has_range);
    assert_int_equal(chunk.n_missing, 5);
    assert_true(f64_of(&chunk.least) == 0 && signbit(f64_of(&chunk.least)));
    assert_true(f64_of(&chunk.most) == 0 && !signbit(f64_of(&chunk.most)));
    tm__parquet_chunk_done(&chunk);
    tm__table_unref(table);
}

static void missing_values_alone_have_no_bounds(void **state) {
    (void)state;
    tm_table *const table = column_of(TM_TYPE_FLOAT, 10, none);
    tm_parquet_chunk chunk = make(table);
    assert_false(chunk.has_range);
    assert_int_equal(chunk.n_missing, 10);
    tm__parquet_chunk_done(&chunk);
    tm__table_unref(table);
}

static tm_cell text(uint64_t i) {
    static char buf[3][100];
    static const int lens[] = {1, 2, 99};
    memset(buf[i % 3], 'c' - (int)(i % 3), sizeof(buf[0]));
    return (tm_cell){.type = TM_TYPE_TEXT, .text = {buf[i % 3], (size_t)lens[i % 3]}};
}

static void texts_are_ordered_by_bytes_and_long_ones_bound_nothing(void **state) {
    (void)state;
    tm_table *table = column_of(TM_TYPE_TEXT, 2, text); /* "c", "bb" */
    tm_parquet_chunk chunk = make(table);
    assert_true(chunk.has_range);
    assert_memory_equal(chunk.least.data, "\2\0\0\0bb", 6);
    assert_memory_equal(chunk.most.data, "\1\0\0\0c", 5);
    tm__parquet_chunk_done(&chunk);
    tm__table_unref(table);
    table = column_of(TM_TYPE_TEXT, 3, text);
    chunk = make(table);
    assert_false(chunk.has_range);
    tm__parquet_chunk_done(&chunk);
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_encoding_follows_from_the_values),
        cmocka_unit_test(a_bound_of_zero_is_both_zeros),
        cmocka_unit_test(missing_values_alone_have_no_bounds),
        cmocka_unit_test(texts_are_ordered_by_bytes_and_long_ones_bound_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
