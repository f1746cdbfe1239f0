/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "feature/feature_make.h"

static const tm_str levels[] = {{"red", 3}, {"blue", 4}};
static const double codes[] = {7, 9, 4};
static const tm_make_column columns[] = {
    {.name = "x", .is_nullable = true, .min = 0, .max = 9},
    {.name = "colour", .is_category = true, .is_nullable = true, .levels = levels, .n_levels = 2},
    {.name = "idle", .is_nullable = true, .min = NAN, .max = NAN},
};
static const tm_make_feature features[] = {
    {.column = 0, .kind = TM_MAKE_NUMBER, .part = 1},
    {.column = 0, .kind = TM_MAKE_ZERO, .part = 2},
    {.column = 1, .kind = TM_MAKE_LEVEL, .values = codes},
};
static const tm_make whole = {columns, 3, features, 3};

static void check_row(const tm_program *program, tm_cell x, tm_cell colour, const double *want) {
    tm_row_scratch *scratch = tm__row_scratch_create(program);
    const tm_cell cells[] = {x, colour, {.type = TM_TYPE_NONE}};
    const tm_view *row = tm__program_apply_row(program, scratch, cells);
    for (uint32_t f = 0; f < 3; f++) {
        assert_true(isnan(want[f]) ? isnan(row->cols[f][0]) : row->cols[f][0] == want[f]);
    }
    tm__row_scratch_free(scratch);
}

static void check_rows(const tm_program *program) {
    const double nan = tm__nan(), inf = (double)INFINITY, near = (double)1e-35F;
    const tm_cell none = {.type = TM_TYPE_NONE};
    const struct {
        double x;
        const char *colour;
        double want[3];
    } cases[] = {
        {2.5, "red", {2.5, 2.5, 7}},
        {0, "blue", {0, nan, 9}},
        {near, "grey", {near, nan, 4}},
        {-near, NULL, {-near, nan, nan}},
        {inf, "", {inf, inf, 4}},
        {-inf, "red ", {-inf, -inf, 4}},
        {nextafter(near, 1), NULL, {nextafter(near, 1), nextafter(near, 1), nan}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const tm_cell x = {.type = TM_TYPE_FLOAT, .f64 = cases[i].x};
        const tm_cell colour = {.type = TM_TYPE_TEXT, .text = tm__str(cases[i].colour)};
        check_row(program, x, cases[i].colour != NULL ? colour : none, cases[i].want);
    }
    const double missing[] = {nan, nan, nan};
    check_row(program, none, none, missing);
}

/* The same table in columns, through the code of batches. */
static void check_batch(const tm_program *program) {
    tm_table_builder *builder = tm__builder_create();
    tm_table *table = NULL;
    tm_matrix *matrix = NULL;
    tm_ctx ctx = {0};
    assert_int_equal(tm__builder_add_column(builder, "x", TM_TYPE_FLOAT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(builder, "colour", TM_TYPE_TEXT, NULL), TM_OK);
    const tm_cell cells[][2] = {
        {{.type = TM_TYPE_FLOAT, .f64 = 0}, {.type = TM_TYPE_TEXT, .text = levels[1]}},
        {{.type = TM_TYPE_FLOAT, .f64 = (double)INFINITY}, {.type = TM_TYPE_NONE}}};
    assert_int_equal(tm__builder_add_row(builder, cells[0], NULL), TM_OK);
    assert_int_equal(tm__builder_add_row(builder, cells[1], NULL), TM_OK);
    assert_int_equal(tm__builder_finish(builder, &table, NULL), TM_OK);
    assert_int_equal(tm__program_apply(&ctx, program, table, NULL, 0, &matrix, NULL), TM_OK);
    const double *const *cols = tm__matrix_view(matrix)->cols;
    assert_true(cols[0][0] == 0 && isnan(cols[1][0]) && cols[2][0] == 9);
    assert_true(isinf(cols[0][1]) && isinf(cols[1][1]) && isnan(cols[2][1]));
    tm__matrix_free(matrix);
    tm__table_unref(table);
}

static void features_are_what_was_said_also_after_a_file(void **state) {
    (void)state;
    tm_program *program = NULL;
    tm_program *again = NULL;
    tm_buf bytes;
    assert_int_equal(tm__program_make(&whole, &program, NULL), TM_OK);
    check_rows(program);
    check_batch(program);
    tm__buf_init(&bytes, 1u << 16);
    assert_int_equal(tm__program_save(program, &bytes, NULL), TM_OK);
    assert_int_equal(tm__program_load(bytes.data, bytes.len, &again, NULL), TM_OK);
    check_rows(again);
    assert_string_equal(tm__program_feature(again, 1)->name, "x.2");
    assert_int_equal(tm__program_inputs(again), 3);
    tm__buf_done(&bytes);
    tm__program_free(program);
    tm__program_free(again);
}

static void names_and_levels_that_are_there_twice_are_refused(void **state) {
    (void)state;
    const tm_str twice[] = {{"red", 3}, {"red", 3}};
    tm_make_column own[3];
    tm_program *program = NULL;
    tm_err err = {0};
    tm_make make = whole;
    make.columns = own;
    memcpy(own, columns, sizeof(own));
    own[2].name = "x";
    assert_int_equal(tm__program_make(&make, &program, &err), TM_E_DATA);
    assert_non_null(strstr(err.message, "'x' is there twice"));
    memcpy(own, columns, sizeof(own));
    own[1].levels = twice;
    assert_int_equal(tm__program_make(&make, &program, &err), TM_E_DATA);
    assert_non_null(strstr(err.message, "'colour'"));
    own[1] = columns[1];
    own[0].name = "";
    assert_int_equal(tm__program_make(&make, &program, &err), TM_E_DATA);
    make.n_columns = 0;
    assert_int_equal(tm__program_make(&make, &program, &err), TM_E_LIMIT);
    assert_null(program);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_are_what_was_said_also_after_a_file),
        cmocka_unit_test(names_and_levels_that_are_there_twice_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
