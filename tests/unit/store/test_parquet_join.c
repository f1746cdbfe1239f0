/* SPDX-License-Identifier: Apache-2.0 */
#include "store/parquet_join.h"

#include <string.h>

#include "base/fs.h"
#include "base/fs_memory.h"
#include "base/mem.h"
#include "duck_case.h"
#include "store/duck.h"
#include "store/parquet.h"
#include "support.h"
#include "test.h"

#define PART "part.parquet"
#define ALL "all.parquet"

static tm_table *query(const char *sql) {
    tm_table *table = NULL;
    assert_int_equal(tm__duck_query(duck_case, sql, 0, &table, NULL), TM_OK);
    return table;
}

/* The bytes of a file of some rows. */
static tm_map part_of(const tm_table *table, uint64_t begin, uint64_t end) {
    tm_map map = {0};
    tm_file *file = NULL;
    tm_ctx ctx = {0};
    assert_int_equal(tm__file_open(PART, TM_OPEN_TRUNCATE, &file, NULL), TM_OK);
    assert_int_equal(tm__parquet_write(&ctx, table, (tm_row_span){begin, end}, file, NULL), TM_OK);
    tm__file_close(file);
    assert_int_equal(tm__map_open(PART, &map, NULL), TM_OK);
    assert_int_equal(tm__fs_remove(PART, NULL), TM_OK);
    return map;
}

static tm_status join_into(tm_file *file, const tm_map *parts, uint32_t n, tm_err *err) {
    tm_parquet_join *joined = NULL;
    tm_status st = tm__parquet_join_create(file, &joined, err);
    for (uint32_t i = 0; st == TM_OK && i < n; i++) {
        st = tm__parquet_join_add(joined, parts[i].data, parts[i].len, err);
    }
    st = st == TM_OK ? tm__parquet_join_finish(joined, err) : st;
    tm__parquet_join_free(joined);
    return st;
}

static tm_status join(const tm_map *parts, uint32_t n, tm_err *err) {
    tm_file *file = NULL;
    TM_TRY(tm__file_open(ALL, TM_OPEN_TRUNCATE, &file, err));
    const tm_status st = join_into(file, parts, n, err);
    tm__file_close(file);
    return st;
}

static void parts_of_a_table_become_the_file_of_all(void **state) {
    (void)state;
    tm_table *const table = query(
        "SELECT i AS \"n \"\"q\"\" 1\", i / 3 AS f, i % 2 = 0 AS b, 'text ' || (i % 50) AS t, "
        "DATE '1960-01-01' + i::INT % 90 AS d, CASE WHEN i % 7 = 0 THEN '' WHEN i % 7 = 1 THEN "
        "'a longer text than twelve' END AS gaps, CASE WHEN i < 3000 THEN i END AS late "
        "FROM range(9000) r(i)");
    tm_map parts[] = {part_of(table, 0, 4096), part_of(table, 4096, 4097),
                      part_of(table, 4097, 9000)};
    tm_table *back = NULL;
    tm_hash hash, joined;
    assert_int_equal(join(parts, 3, NULL), TM_OK);
    assert_int_equal(tm__duck_read_parquet(duck_case, ALL, &back, NULL), TM_OK);
    tm__table_hash(table, &hash);
    tm__table_hash(back, &joined);
    assert_true(tm__hash_eq(&hash, &joined));
    tm__table_unref(back);
    back = query("SELECT count(*) FROM '" ALL "' WHERE t = 'text 7'");
    assert_int_equal(tm__table_column(back, 0)->ints[0], 180);
    tm__table_unref(back);
    back = query("SELECT count(DISTINCT row_group_id), max(row_group_num_rows) FROM "
                 "parquet_metadata('" ALL "')");
    assert_int_equal(tm__table_column(back, 0)->ints[0], 3);
    assert_int_equal(tm__table_column(back, 1)->ints[0], 4903);
    tm__table_unref(back);
    for (uint32_t i = 0; i < 3; i++) {
        tm__map_close(&parts[i]);
    }
    tm__table_unref(table);
}

static void parts_that_end_where_groups_do_have_the_bytes_of_all(void **state) {
    (void)state;
    const uint64_t n = TM_PARQUET_GROUP_ROWS + 10;
    tm_table *const table = query("SELECT i, 'x' || (i % 3) AS t FROM range(122890) r(i)");
    tm_map parts[] = {part_of(table, 0, 0), part_of(table, 0, TM_PARQUET_GROUP_ROWS),
                      part_of(table, TM_PARQUET_GROUP_ROWS, n)};
    tm_map whole = part_of(table, 0, n), joined = {0};
    assert_int_equal(join(parts, 3, NULL), TM_OK);
    assert_int_equal(tm__map_open(ALL, &joined, NULL), TM_OK);
    assert_int_equal(joined.len, whole.len);
    assert_memory_equal(joined.data, whole.data, whole.len);
    for (uint32_t i = 0; i < 3; i++) {
        tm__map_close(&parts[i]);
    }
    tm__map_close(&whole);
    tm__map_close(&joined);
    tm__table_unref(table);
}

static void parts_with_other_columns_are_refused(void **state) {
    (void)state;
    tm_table *const table = query("SELECT 1 AS a"), *const other = query("SELECT 'x' AS a");
    tm_map parts[] = {part_of(table, 0, 1), part_of(other, 0, 1)};
    tm_err err = {0};
    assert_int_equal(join(parts, 2, &err), TM_E_DATA);
    assert_non_null(strstr(err.message, "different columns"));
    tm__map_close(&parts[0]);
    tm__map_close(&parts[1]);
    tm__table_unref(table);
    tm__table_unref(other);
}

/* A byte less or another one anywhere in the footer: refused or joined, never read beyond. */
static void damaged_parts_are_read_within_their_bytes(void **state) {
    (void)state;
    tm_table *const table = query("SELECT i AS a, 'x' AS b FROM range(3) r(i)");
    tm_map whole = part_of(table, 0, 3);
    tm_file *file = NULL;
    uint32_t n_refused = 0;
    assert_int_equal(tm__memory_file_open(&file, NULL), TM_OK);
    for (size_t len = 0; len < whole.len; len++) {
        assert_int_equal(join_into(file, &(tm_map){.data = whole.data, .len = len}, 1, NULL),
                         TM_E_DATA);
    }
    for (size_t at = 0; at < whole.len; at++) {
        uint8_t *const bytes = tm__mem_alloc(whole.len, 1);
        assert_non_null(bytes);
        memcpy(bytes, whole.data, whole.len);
        bytes[at] ^= 0xff;
        n_refused +=
            join_into(file, &(tm_map){.data = bytes, .len = whole.len}, 1, NULL) == TM_E_DATA;
        tm__mem_free(bytes);
    }
    assert_true(n_refused > 8); /* the magic words alone */
    tm__file_close(file);
    tm__map_close(&whole);
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_of_a_table_become_the_file_of_all),
        cmocka_unit_test(parts_that_end_where_groups_do_have_the_bytes_of_all),
        cmocka_unit_test(parts_with_other_columns_are_refused),
        cmocka_unit_test(damaged_parts_are_read_within_their_bytes),
    };
    return cmocka_run_group_tests(tests, duck_case_enter, duck_case_leave);
}
