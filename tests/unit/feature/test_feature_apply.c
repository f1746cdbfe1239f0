/* SPDX-License-Identifier: Apache-2.0 */
#include "feature_case.h"

static tm_table *without(const tm_table *table, uint32_t left_out, tm_type type_of_size) {
    tm_table_builder *builder = tm__builder_create();
    uint32_t kept[CASE_COLS], n = 0;
    for (uint32_t c = 0; c < CASE_COLS; c++) {
        const tm_column *column = tm__table_column(table, c);
        if (c == left_out)
            continue;
        kept[n++] = c;
        assert_int_equal(tm__builder_add_column(builder, column->name,
                                                c == CASE_INT ? type_of_size : column->type, NULL),
                         TM_OK);
    }
    for (uint64_t i = 0; i < tm__table_rows(table); i++) {
        tm_cell cells[CASE_COLS];
        char text[32];
        for (uint32_t k = 0; k < n; k++) {
            cells[k] = tm__column_cell(tm__table_column(table, kept[k]), i);
            if (kept[k] == CASE_INT && cells[k].type == TM_TYPE_INT &&
                type_of_size == TM_TYPE_FLOAT) {
                cells[k] = (tm_cell){.type = TM_TYPE_FLOAT, .f64 = (double)cells[k].i64 + 0.25};
            } else if (kept[k] == CASE_INT && cells[k].type == TM_TYPE_INT &&
                       type_of_size != TM_TYPE_INT) {
                snprintf(text, sizeof(text), "%d", (int)cells[k].i64);
                cells[k] = (tm_cell){.type = TM_TYPE_TEXT, .text = tm__str(text)};
            }
        }
        assert_int_equal(tm__builder_add_row(builder, cells, NULL), TM_OK);
    }
    tm_table *out = NULL;
    assert_int_equal(tm__builder_finish(builder, &out, NULL), TM_OK);
    return out;
}

static void numbers_that_came_as_text_give_the_same_features(void **state) {
    (void)state;
    fit_case c;
    case_init(&c, TM_TASK_BINARY, 300);
    assert_int_equal(case_fit(&c, NULL), TM_OK);
    tm_table *texts = without(c.table, UINT32_MAX, TM_TYPE_TEXT);
    tm_matrix *a = NULL, *b = NULL;
    assert_int_equal(tm__program_apply(&c.ctx, c.program, c.table, NULL, 0, &a, NULL), TM_OK);
    assert_int_equal(tm__program_apply(&c.ctx, c.program, texts, NULL, 0, &b, NULL), TM_OK);
    assert_views_equal(tm__matrix_view(a), tm__matrix_view(b));
    tm__matrix_free(a);
    tm__matrix_free(b);
    tm__table_unref(texts);
    case_done(&c);
}

/* A column of a table that has become one of numbers: the nearest whole ones are read. */
static void fractions_are_read_as_the_nearest_whole_numbers(void **state) {
    (void)state;
    fit_case c;
    case_init(&c, TM_TASK_BINARY, 300);
    assert_int_equal(case_fit(&c, NULL), TM_OK);
    tm_table *wider = without(c.table, UINT32_MAX, TM_TYPE_FLOAT);
    tm_matrix *a = NULL, *b = NULL;
    assert_int_equal(tm__program_apply(&c.ctx, c.program, c.table, NULL, 0, &a, NULL), TM_OK);
    assert_int_equal(tm__program_apply(&c.ctx, c.program, wider, NULL, 0, &b, NULL), TM_OK);
    assert_views_equal(tm__matrix_view(a), tm__matrix_view(b));
    tm__matrix_free(a);
    tm__matrix_free(b);
    tm__table_unref(wider);
    case_done(&c);
}

static void a_column_may_be_absent_when_it_was_missing_or_is_not_used(void **state) {
    (void)state;
    fit_case c;
    case_init(&c, TM_TASK_BINARY, 300);
    c.schema.cols[CASE_FLOAT].is_nullable = false;
    assert_int_equal(case_fit(&c, NULL), TM_OK);
    const struct {
        uint32_t col;
        tm_status want;
    } cases[] = {{CASE_COLOR, TM_OK},
                 {CASE_ID, TM_OK},
                 {CASE_SAME, TM_OK},
                 {CASE_REMARK, TM_OK},
                 {CASE_FLOAT, TM_E_DATA}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_table *table = without(c.table, cases[i].col, TM_TYPE_INT);
        tm_matrix *matrix = NULL;
        tm_err err = {0};
        assert_int_equal(tm__program_apply(&c.ctx, c.program, table, NULL, 0, &matrix, &err),
                         cases[i].want);
        if (cases[i].want == TM_OK)
            assert_rows_equal_columns(c.program, table);
        else
            assert_string_equal(err.message, "column 'price' is missing");
        tm__matrix_free(matrix);
        tm__table_unref(table);
    }
    case_done(&c);
}

static void rows_come_in_the_order_asked(void **state) {
    (void)state;
    fit_case c;
    case_init(&c, TM_TASK_REGRESSION, 200);
    assert_int_equal(case_fit(&c, NULL), TM_OK);
    const uint32_t rows[] = {7, 3, 3, 199, 0};
    tm_matrix *all = NULL, *some = NULL;
    assert_int_equal(tm__program_apply(&c.ctx, c.program, c.table, NULL, 0, &all, NULL), TM_OK);
    assert_int_equal(tm__program_apply(&c.ctx, c.program, c.table, rows, 5, &some, NULL), TM_OK);
    const tm_view *a = tm__matrix_view(all), *s = tm__matrix_view(some);
    for (uint32_t f = 0; f < a->n_cols; f++) {
        for (int i = 0; i < 5; i++)
            assert_int_equal(case_bits(a->cols[f][rows[i]]), case_bits(s->cols[f][i]));
    }
    tm__matrix_free(all);
    tm__matrix_free(some);
    case_done(&c);
}

static void a_failed_allocation_leaves_nothing_behind(void **state) {
    (void)state;
    fit_case c;
    case_init(&c, TM_TASK_BINARY, 100);
    assert_int_equal(case_fit(&c, NULL), TM_OK);
    const uint64_t alive = tm__mem_alive();
    tm_status status = TM_E_NOMEM;
    for (uint64_t nth = 1; status != TM_OK; nth++) {
        tm_matrix *matrix = NULL;
        tm__mem_fail_at(nth, false);
        status = tm__program_apply(&c.ctx, c.program, c.table, NULL, 0, &matrix, NULL);
        tm__mem_fail_at(0, false);
        tm__matrix_free(matrix);
        assert_int_equal(tm__mem_alive(), alive);
    }
    case_done(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_that_came_as_text_give_the_same_features),
        cmocka_unit_test(fractions_are_read_as_the_nearest_whole_numbers),
        cmocka_unit_test(a_column_may_be_absent_when_it_was_missing_or_is_not_used),
        cmocka_unit_test(rows_come_in_the_order_asked),
        cmocka_unit_test(a_failed_allocation_leaves_nothing_behind),
    };
    return cmocka_run_group_tests_name("feature_apply", tests, NULL, NULL);
}
