/* SPDX-License-Identifier: Apache-2.0 */
#include "feature_case.h"

static const char *const exprs[] = {"one = size + 1", "two = one * price", "three = two + one"};

static void sources_are_inputs_then_what_is_made_of_them(void **state) {
    (void)state;
    fit_case c;
    case_init(&c, TM_TASK_REGRESSION, 300);
    c.options.exprs = exprs;
    c.options.n_exprs = 3;
    assert_int_equal(case_fit(&c, NULL), TM_OK);
    const tm_program *p = c.program;
    assert_int_equal(tm__program_sources(p), CASE_COLS + 3);
    assert_string_equal(tm__source_name(p, CASE_COLS + 1), "two");
    assert_int_equal(tm__source_type(p, CASE_COLS + 1), TM_TYPE_FLOAT);
    assert_int_equal(tm__source_root(p, CASE_COLS + 2), CASE_INT);
    assert_int_equal(tm__source_root(p, CASE_FLOAT), CASE_FLOAT);
    case_done(&c);
}

static void what_nothing_uses_is_not_marked(void **state) {
    (void)state;
    fit_case c;
    case_init(&c, TM_TASK_REGRESSION, 300);
    c.options.exprs = exprs;
    c.options.n_exprs = 3;
    assert_int_equal(case_fit(&c, NULL), TM_OK);
    uint8_t is_used[CASE_COLS + 3] = {0};
    is_used[CASE_COLS + 2] = 1;
    tm__program_mark(c.program, is_used);
    assert_true(is_used[CASE_COLS] && is_used[CASE_COLS + 1] && is_used[CASE_INT]);
    assert_true(is_used[CASE_FLOAT] && !is_used[CASE_COLOR]);
    case_done(&c);
}

/* With any allocation failing there is an error and no leak. */
static void no_memory_is_an_error(void **state) {
    (void)state;
    static const char *const kinds[] = {"a = concat(color, city)", "b = price + 1", "c = at + 1"};
    fit_case c;
    case_init(&c, TM_TASK_BINARY, 200);
    c.options.exprs = kinds;
    c.options.n_exprs = 3;
    assert_int_equal(case_fit(&c, NULL), TM_OK);
    const uint64_t alive = tm__mem_alive();
    tm_status st = TM_E_NOMEM;
    for (uint64_t nth = 1; st != TM_OK; nth++) {
        tm_matrix *matrix = NULL;
        tm__mem_fail_at(nth, false);
        st = tm__program_apply(&c.ctx, c.program, c.table, c.rows, c.n_rows, &matrix, NULL);
        tm__mem_fail_at(0, false);
        assert_true(st == TM_OK || st == TM_E_NOMEM);
        tm__matrix_free(matrix);
        assert_int_equal(tm__mem_alive(), alive);
    }
    case_done(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sources_are_inputs_then_what_is_made_of_them),
        cmocka_unit_test(what_nothing_uses_is_not_marked),
        cmocka_unit_test(no_memory_is_an_error),
    };
    return cmocka_run_group_tests_name("feature_made", tests, NULL, NULL);
}
