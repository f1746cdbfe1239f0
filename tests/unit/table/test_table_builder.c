/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fmath.h"
#include "base/limits.h"
#include "base/mem.h"
#include "table/table.h"
#include "test.h"

static tm_status build(uint32_t n_rows, tm_table **out, tm_err *err) {
    tm_table_builder *const b = tm__builder_create();
    if (b == NULL) {
        return TM_E_NOMEM;
    }
    tm_status st = tm__builder_add_column(b, "i", TM_TYPE_INT, err);
    st = st != TM_OK ? st : tm__builder_add_column(b, "f", TM_TYPE_FLOAT, err);
    st = st != TM_OK ? st : tm__builder_add_column(b, "t", TM_TYPE_TEXT, err);
    for (uint32_t row = 0; row < n_rows && st == TM_OK; row++) {
        char text[16];
        (void)snprintf(text, sizeof(text), "t%u", row % 7);
        const tm_cell cells[] = {
            {.type = row % 3 == 0 ? TM_TYPE_NONE : TM_TYPE_INT, .i64 = row},
            {.type = row % 2 == 0 ? TM_TYPE_FLOAT : TM_TYPE_INT, .i64 = row, .f64 = row / 2.0},
            {.type = row % 5 == 0 ? TM_TYPE_NONE : TM_TYPE_TEXT, .text = tm__str(text)}};
        st = tm__builder_add_row(b, cells, err);
    }
    if (st != TM_OK) {
        tm__builder_free(b);
        return st;
    }
    return tm__builder_finish(b, out, err);
}

static void rows_of_cells_become_columns(void **state) {
    (void)state;
    tm_table *table = NULL;
    assert_int_equal(build(1000, &table, NULL), TM_OK);
    assert_int_equal(tm__table_rows(table), 1000);
    assert_int_equal(tm__table_cols(table), 3);
    assert_int_equal(tm__table_find(table, "t"), 2);
    assert_int_equal(tm__table_find(table, "T"), UINT32_MAX);
    const tm_column *const i = tm__table_column(table, 0);
    const tm_column *const f = tm__table_column(table, 1);
    const tm_column *const t = tm__table_column(table, 2);
    assert_string_equal(i->name, "i");
    assert_int_equal(i->n_missing, 334);
    assert_int_equal(t->n_missing, 200);
    assert_int_equal(f->n_missing, 0);
    assert_true(tm__column_is_missing(i, 3));
    assert_int_equal(tm__column_cell(i, 4).i64, 4);
    assert_true(tm__column_cell(f, 5).f64 == 5.0 && tm__column_cell(f, 6).f64 == 3.0);
    assert_true(tm__str_is(tm__column_cell(t, 8).text, "t1"));
    assert_int_equal(tm__column_cell(t, 10).type, TM_TYPE_NONE);
    tm__table_unref(table);
}

static void columns_can_be_written_directly(void **state) {
    (void)state;
    tm_table_builder *const b = tm__builder_create();
    assert_int_equal(tm__builder_add_column(b, "d", TM_TYPE_FLOAT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "c", TM_TYPE_TEXT, NULL), TM_OK);
    assert_int_equal(tm__builder_reserve(b, 3, NULL), TM_OK);
    assert_null(tm__builder_ints(b, 0));
    assert_null(tm__builder_codes(b, 0));
    assert_null(tm__builder_floats(b, 1));
    double *const d = tm__builder_floats(b, 0);
    const uint64_t odd_nan = UINT64_C(0xFFF8000000000123);
    memcpy(&d[0], &odd_nan, sizeof(odd_nan));
    d[1] = INFINITY;
    d[2] = -0.0;
    uint32_t *const c = tm__builder_codes(b, 1);
    c[0] = c[1] = tm__dict_add(tm__builder_dict(b, 1), TM_STR("x"));
    c[2] = TM_CODE_MISSING;
    tm__builder_set_rows(b, 3);
    tm_table *table = NULL;
    assert_int_equal(tm__builder_finish(b, &table, NULL), TM_OK);
    const tm_column *const out = tm__table_column(table, 0);
    uint64_t bits = 0;
    memcpy(&bits, &out->floats[0], sizeof(bits));
    assert_true(bits == UINT64_C(0x7FF8000000000000));
    assert_int_equal(out->n_missing, 1);
    assert_true(isinf(out->floats[1]));
    assert_true(signbit(out->floats[2]));
    assert_int_equal(tm__table_column(table, 1)->n_missing, 1);
    tm__table_unref(table);
}

static void whole_columns_can_be_moved_in(void **state) {
    (void)state;
    tm_table_builder *const b = tm__builder_create();
    int64_t *const ints = tm__mem_alloc(2, sizeof(*ints));
    uint32_t *const codes = tm__mem_alloc(2, sizeof(*codes));
    tm_dict *const dict = tm__dict_create();
    ints[0] = 7;
    ints[1] = TM_INT_MISSING;
    codes[0] = codes[1] = tm__dict_add(dict, TM_STR("x"));
    assert_int_equal(tm__builder_give_column(b, "n", TM_TYPE_INT, ints, NULL, 2, NULL), TM_OK);
    assert_int_equal(tm__builder_give_column(b, "n", TM_TYPE_TEXT, codes, dict, 2, NULL),
                     TM_E_DATA);
    assert_int_equal(tm__builder_give_column(b, "t", TM_TYPE_TEXT, codes, dict, 2, NULL), TM_OK);
    tm__builder_set_rows(b, 2);
    tm_table *table = NULL;
    assert_int_equal(tm__builder_finish(b, &table, NULL), TM_OK);
    assert_ptr_equal(tm__table_column(table, 0)->ints, ints);
    assert_int_equal(tm__table_column(table, 0)->n_missing, 1);
    assert_true(tm__str_is(tm__column_cell(tm__table_column(table, 1), 1).text, "x"));
    tm__table_unref(table);
}

static void a_table_without_rows_or_columns_is_a_table(void **state) {
    (void)state;
    tm_table *table = NULL;
    assert_int_equal(build(0, &table, NULL), TM_OK);
    assert_int_equal(tm__table_rows(table), 0);
    assert_non_null(tm__table_column(table, 0)->ints);
    tm__table_unref(table);
    assert_int_equal(tm__builder_finish(tm__builder_create(), &table, NULL), TM_OK);
    assert_int_equal(tm__table_cols(table), 0);
    tm__table_unref(table);
}

static void bad_names_are_refused(void **state) {
    (void)state;
    static char long_name[TM_MAX_COLUMN_NAME + 2];
    memset(long_name, 'n', TM_MAX_COLUMN_NAME + 1);
    const struct {
        const char *name;
        tm_status status;
        const char *message;
    } cases[] = {{"a", TM_E_DATA, "two columns are named 'a'"},
                 {"", TM_E_DATA, "column 2 has no name"},
                 {"\xff", TM_E_DATA, "the name of column 2 is not UTF-8"},
                 {long_name, TM_E_LIMIT, "the name of column 2 has more than 256 bytes"}};
    tm_table_builder *const b = tm__builder_create();
    assert_int_equal(tm__builder_add_column(b, "a", TM_TYPE_INT, NULL), TM_OK);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_err err = {0};
        assert_int_equal(tm__builder_add_column(b, cases[i].name, TM_TYPE_TEXT, &err),
                         cases[i].status);
        assert_string_equal(err.message, cases[i].message);
        assert_true(err.hint[0] != '\0');
    }
    tm__builder_free(b);
}

static void columns_past_the_limit_are_refused(void **state) {
    (void)state;
    tm_table_builder *const b = tm__builder_create();
    char name[16];
    for (uint32_t col = 0; col < TM_MAX_COLS; col++) {
        (void)snprintf(name, sizeof(name), "c%u", col);
        assert_int_equal(tm__builder_add_column(b, name, TM_TYPE_INT, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_add_column(b, "more", TM_TYPE_INT, NULL), TM_E_LIMIT);
    tm__builder_free(b);
}

static void a_cell_of_another_type_is_refused_and_changes_nothing(void **state) {
    (void)state;
    tm_table_builder *const b = tm__builder_create();
    assert_int_equal(tm__builder_add_column(b, "n", TM_TYPE_INT, NULL), TM_OK);
    tm_err err = {0};
    const tm_cell text = {.type = TM_TYPE_TEXT, .text = TM_STR("secret")};
    assert_int_equal(tm__builder_add_row(b, &text, &err), TM_E_DATA);
    assert_string_equal(err.message, "column 'n' wants an int, got a text");
    tm_table *table = NULL;
    assert_int_equal(tm__builder_finish(b, &table, NULL), TM_OK);
    assert_int_equal(tm__table_rows(table), 0);
    tm__table_unref(table);
}

static void running_out_of_memory_leaks_nothing(void **state) {
    (void)state;
    const uint64_t alive = tm__mem_alive();
    tm_status st = TM_E_NOMEM;
    uint64_t nth = 1;
    for (; st != TM_OK; nth++) {
        tm_table *table = NULL;
        tm__mem_fail_at(nth, false);
        st = build(100, &table, NULL);
        tm__mem_fail_at(0, false);
        assert_true(st == TM_OK || (st == TM_E_NOMEM && table == NULL));
        tm__table_unref(table);
        assert_true(tm__mem_alive() == alive);
    }
    assert_true(nth > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_cells_become_columns),
        cmocka_unit_test(columns_can_be_written_directly),
        cmocka_unit_test(whole_columns_can_be_moved_in),
        cmocka_unit_test(a_table_without_rows_or_columns_is_a_table),
        cmocka_unit_test(bad_names_are_refused),
        cmocka_unit_test(columns_past_the_limit_are_refused),
        cmocka_unit_test(a_cell_of_another_type_is_refused_and_changes_nothing),
        cmocka_unit_test(running_out_of_memory_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
