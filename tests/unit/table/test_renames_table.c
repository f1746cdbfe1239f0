/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "table/renames.h"
#include "test.h"

static const char rules_text[] =
    "{\"income\": {\"was\": [\"salary\"], \"scale\": 0.5}, \"area\": {\"was\": [\"region\"]}}";

static tm_renames *bind(const tm_schema *schema) {
    json_t *const rules = json_loads(rules_text, 0, NULL);
    tm_renames *names = NULL;
    assert_int_equal(tm__renames_create(rules, schema, &names, NULL), TM_OK);
    json_decref(rules);
    return names;
}

/* id, salary, region, income, area: rows of before and after; in the last one the given cells. */
static tm_table *mixed(tm_cell salary, tm_cell income) {
    static const struct {
        const char *name;
        tm_type type;
    } columns[] = {{"id", TM_TYPE_INT},
                   {"salary", TM_TYPE_INT},
                   {"region", TM_TYPE_TEXT},
                   {"income", TM_TYPE_FLOAT},
                   {"area", TM_TYPE_TEXT}};
    const tm_cell none = {.type = TM_TYPE_NONE};
    const tm_cell north = {.type = TM_TYPE_TEXT, .text = tm__str("north")};
    const tm_cell rows[][5] = {
        {{.type = TM_TYPE_INT, .i64 = 1}, {.type = TM_TYPE_INT, .i64 = 9}, north, none, none},
        {{.type = TM_TYPE_INT, .i64 = 2}, none, none, {.type = TM_TYPE_FLOAT, .f64 = 1.5}, north},
        {{.type = TM_TYPE_INT, .i64 = 3}, salary, none, income, none}};
    tm_table_builder *const b = tm__builder_create();
    tm_table *table = NULL;
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(tm__builder_add_column(b, columns[i].name, columns[i].type, NULL), TM_OK);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(tm__builder_add_row(b, rows[i], NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(b, &table, NULL), TM_OK);
    return table;
}

static void rows_of_before_and_after_have_one_column(void **state) {
    (void)state;
    const tm_cell none = {.type = TM_TYPE_NONE};
    tm_renames *const names = bind(NULL);
    tm_table *const table = mixed(none, none), *out = NULL, *again = NULL;
    assert_int_equal(tm__renames_table(names, table, &out, NULL), TM_OK);
    assert_int_equal(tm__table_cols(out), 3);
    const tm_column *const income = tm__table_column(out, 1), *const area =
                                                                  tm__table_column(out, 2);
    assert_string_equal(income->name, "income");
    assert_string_equal(area->name, "area");
    assert_true(income->floats[0] == 4.5 && income->floats[1] == 1.5 && income->n_missing == 1);
    assert_true(tm__str_is(tm__column_cell(area, 0).text, "north"));
    assert_true(tm__str_is(tm__column_cell(area, 1).text, "north"));
    assert_int_equal(tm__column_cell(tm__table_column(out, 0), 2).i64, 3);
    /* Of rows that have the names of now, nothing is made. */
    assert_int_equal(tm__renames_table(names, out, &again, NULL), TM_OK);
    assert_ptr_equal(again, out);
    tm__table_unref(again);
    tm__table_unref(out);
    tm__table_unref(table);
    tm__renames_free(names);
}

static void a_version_of_before_gets_its_own_names_and_types(void **state) {
    (void)state;
    tm_schema_column columns[] = {{.name = (char[]){"salary"}, .type = TM_TYPE_INT}};
    const tm_schema schema = {.n_cols = 1, .cols = columns};
    const tm_cell none = {.type = TM_TYPE_NONE};
    tm_renames *const names = bind(&schema);
    tm_table *const table = mixed(none, none), *out = NULL;
    assert_int_equal(tm__renames_table(names, table, &out, NULL), TM_OK);
    assert_int_equal(tm__table_cols(out), 4); /* region and area are read by nobody */
    const tm_column *const salary = tm__table_column(out, tm__table_find(out, "salary"));
    assert_true(salary->type == TM_TYPE_INT && salary->ints[0] == 9 && salary->ints[1] == 3);
    tm__table_unref(out);
    tm__table_unref(table);
    tm__renames_free(names);
}

static void two_values_of_one_column_are_an_error_with_its_place(void **state) {
    (void)state;
    tm_renames *const names = bind(NULL);
    tm_table *const table = mixed((tm_cell){.type = TM_TYPE_INT, .i64 = 8},
                                  (tm_cell){.type = TM_TYPE_FLOAT, .f64 = 4}),
                    *out = NULL;
    tm_err err = {0};
    assert_int_equal(tm__renames_table(names, table, &out, &err), TM_E_DATA);
    assert_null(out);
    assert_int_equal(err.data_row, 3);
    assert_non_null(strstr(err.message, "both 'salary' and 'income'"));
    tm__table_unref(table);
    tm__renames_free(names);
}

static void types_that_have_nothing_in_common_are_told(void **state) {
    (void)state;
    tm_renames *const names = bind(NULL);
    tm_table_builder *const b = tm__builder_create();
    const tm_cell cells[] = {{.type = TM_TYPE_INT, .i64 = 1},
                             {.type = TM_TYPE_TEXT, .text = tm__str("a")}};
    tm_table *table = NULL, *out = NULL;
    tm_err err = {0};
    assert_int_equal(tm__builder_add_column(b, "area", TM_TYPE_INT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "region", TM_TYPE_TEXT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_row(b, cells, NULL), TM_OK);
    assert_int_equal(tm__builder_finish(b, &table, NULL), TM_OK);
    assert_int_equal(tm__renames_table(names, table, &out, &err), TM_E_DATA);
    assert_non_null(strstr(err.message, "'region', which it was"));
    tm__table_unref(table);
    tm__renames_free(names);
}

static void memory_may_run_out_anywhere(void **state) {
    (void)state;
    const tm_cell none = {.type = TM_TYPE_NONE};
    tm_renames *const names = bind(NULL);
    tm_table *const table = mixed(none, none), *out = NULL;
    tm_status st = TM_E_NOMEM;
    for (uint64_t nth = 1; st == TM_E_NOMEM; nth++) {
        tm__mem_fail_at(nth, false);
        st = tm__renames_table(names, table, &out, NULL);
        tm__mem_fail_at(0, false);
        assert_true(st == TM_OK || out == NULL);
        assert_true(nth < 200);
    }
    assert_int_equal(st, TM_OK);
    tm__table_unref(out);
    tm__table_unref(table);
    tm__renames_free(names);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_before_and_after_have_one_column),
        cmocka_unit_test(a_version_of_before_gets_its_own_names_and_types),
        cmocka_unit_test(two_values_of_one_column_are_an_error_with_its_place),
        cmocka_unit_test(types_that_have_nothing_in_common_are_told),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
