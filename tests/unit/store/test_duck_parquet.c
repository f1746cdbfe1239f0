/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"
#include "duck_case.h"
#include "store/duck.h"
#include "store/parquet.h"
#include "support.h"
#include "test.h"

#define PATH "rows.parquet"

static tm_table *read_back(void) {
    tm_table *table = NULL;
    assert_int_equal(tm__duck_read_parquet(duck_case, PATH, &table, NULL), TM_OK);
    return table;
}

static void names_that_differ_in_case_alone_stay(void **state) {
    (void)state;
    static const char *const names[] = {"a", "A", "a_1", "é \"x\"\\"};
    tm_table_builder *const b = tm__builder_create();
    tm_table *table = NULL;
    tm_ctx ctx = {0};
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(tm__builder_add_column(b, names[i], TM_TYPE_INT, NULL), TM_OK);
    }
    const tm_cell cells[] = {{.type = TM_TYPE_INT, .i64 = 1},
                             {.type = TM_TYPE_INT, .i64 = 2},
                             {.type = TM_TYPE_INT, .i64 = 3},
                             {.type = TM_TYPE_INT, .i64 = 4}};
    assert_int_equal(tm__builder_add_row(b, cells, NULL), TM_OK);
    assert_int_equal(tm__builder_finish(b, &table, NULL), TM_OK);
    assert_int_equal(tm__parquet_write_path(&ctx, table, PATH, NULL), TM_OK);
    tm_table *const back = read_back();
    for (uint32_t i = 0; i < 4; i++) {
        assert_string_equal(tm__table_column(back, i)->name, names[i]);
        assert_int_equal(tm__table_column(back, i)->ints[0], i + 1);
    }
    tm__table_unref(back);
    tm__table_unref(table);
}

/* As DuckDB wrote snapshots before. */
static void a_file_of_duckdb_with_names_in_its_metadata_is_read(void **state) {
    (void)state;
    assert_int_equal(tm__duck_exec(duck_case,
                                   "COPY (SELECT 7 AS a, 'x' AS \"A\") TO '" PATH
                                   "' (FORMAT parquet, COMPRESSION zstd, KV_METADATA "
                                   "{tidemill_columns: '[\"a\",\"A\"]'})",
                                   NULL),
                     TM_OK);
    tm_table *const back = read_back();
    assert_string_equal(tm__table_column(back, 1)->name, "A");
    assert_int_equal(tm__table_column(back, 0)->ints[0], 7);
    tm__table_unref(back);
}

static void a_file_that_does_not_name_them_has_those_of_its_columns(void **state) {
    (void)state;
    assert_int_equal(
        tm__duck_exec(duck_case, "COPY (SELECT 7 AS b) TO '" PATH "' (FORMAT parquet)", NULL),
        TM_OK);
    tm_table *const back = read_back();
    assert_string_equal(tm__table_column(back, 0)->name, "b");
    tm__table_unref(back);
}

static void bytes_that_are_no_parquet_are_refused(void **state) {
    (void)state;
    tm_table *table = NULL;
    assert_int_equal(tm__fs_publish(PATH, "PAR1 no PAR1", 12, NULL), TM_OK);
    assert_true(tm__duck_read_parquet(duck_case, PATH, &table, NULL) != TM_OK);
    assert_null(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_differ_in_case_alone_stay),
        cmocka_unit_test(a_file_of_duckdb_with_names_in_its_metadata_is_read),
        cmocka_unit_test(a_file_that_does_not_name_them_has_those_of_its_columns),
        cmocka_unit_test(bytes_that_are_no_parquet_are_refused),
    };
    return cmocka_run_group_tests(tests, duck_case_enter, duck_case_leave);
}
