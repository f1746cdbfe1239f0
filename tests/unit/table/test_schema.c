/* SPDX-License-Identifier: Apache-2.0 */
#include "table/schema.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "test.h"

static tm_table *sample(void) {
    tm_table_builder *const b = tm__builder_create();
    assert_int_equal(tm__builder_add_column(b, "n", TM_TYPE_INT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "f", TM_TYPE_FLOAT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "t", TM_TYPE_TEXT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "b", TM_TYPE_BOOL, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "gone", TM_TYPE_FLOAT, NULL), TM_OK);
    const double floats[] = {2.5, INFINITY, -1.0};
    for (int64_t row = 0; row < 3; row++) {
        const tm_cell cells[] = {{.type = row == 1 ? TM_TYPE_NONE : TM_TYPE_INT, .i64 = row * 10},
                                 {.type = TM_TYPE_FLOAT, .f64 = floats[row]},
                                 {.type = TM_TYPE_TEXT, .text = tm__str(row == 0 ? "x" : "y")},
                                 {.type = TM_TYPE_BOOL, .i64 = 1},
                                 {.type = TM_TYPE_NONE}};
        assert_int_equal(tm__builder_add_row(b, cells, NULL), TM_OK);
    }
    tm_table *table = NULL;
    assert_int_equal(tm__builder_finish(b, &table, NULL), TM_OK);
    return table;
}

static void a_table_gives_types_ranges_and_levels(void **state) {
    (void)state;
    tm_table *const table = sample();
    tm_schema schema = {0};
    assert_int_equal(tm__schema_from_table(table, &schema, NULL), TM_OK);
    assert_int_equal(schema.n_cols, 5);
    assert_true(schema.cols[0].is_nullable && schema.cols[0].min == 0 && schema.cols[0].max == 20);
    assert_true(!schema.cols[1].is_nullable && schema.cols[1].min == -1 &&
                schema.cols[1].max == 2.5);
    assert_int_equal(schema.cols[2].n_levels, 2);
    assert_true(isnan(schema.cols[2].min));
    assert_int_equal(schema.cols[3].n_levels, 1);
    assert_true(isnan(schema.cols[4].max) && schema.cols[4].is_nullable);
    assert_int_equal(schema.cols[0].role, TM_ROLE_FEATURE);
    assert_int_equal(tm__schema_find(&schema, TM_STR("b")), 3);
    assert_int_equal(tm__schema_find(&schema, TM_STR("B")), UINT32_MAX);
    tm__schema_done(&schema);
    tm__table_unref(table);
}

static void levels_that_no_row_has_are_not_counted(void **state) {
    (void)state;
    tm_table *const table = sample();
    const uint32_t rows[] = {1, 2};
    tm_table *taken = NULL;
    assert_int_equal(tm__table_take_rows(table, rows, 2, &taken, NULL), TM_OK);
    tm_schema schema = {0};
    assert_int_equal(tm__schema_from_table(taken, &schema, NULL), TM_OK);
    assert_int_equal(schema.cols[2].n_levels, 1);
    tm__schema_done(&schema);
    tm__table_unref(taken);
    tm__table_unref(table);
}

static void running_out_of_memory_leaks_nothing(void **state) {
    (void)state;
    tm_table *const table = sample();
    const uint64_t alive = tm__mem_alive();
    tm_status st = TM_E_NOMEM;
    for (uint64_t nth = 1; st != TM_OK; nth++) {
        tm_schema a = {0}, b = {0};
        tm__mem_fail_at(nth, false);
        st = tm__schema_from_table(table, &a, NULL);
        st = st != TM_OK ? st : tm__schema_copy(&a, &b, NULL);
        tm__mem_fail_at(0, false);
        tm__schema_done(&a);
        tm__schema_done(&b);
        assert_true(tm__mem_alive() == alive);
    }
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_gives_types_ranges_and_levels),
        cmocka_unit_test(levels_that_no_row_has_are_not_counted),
        cmocka_unit_test(running_out_of_memory_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
