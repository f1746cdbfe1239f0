/* SPDX-License-Identifier: Apache-2.0 */
#include "feature_case.h"

#include "made_module.h"

static made_module used, idle;
static const tm_user_module *used_module, *idle_module;

static int add_modules(void **state) {
    (void)state;
    made_module_init(&used, "sum_of");
    made_module_init(&idle, "idle");
    used_module = made_module_add(&used, 1);
    idle_module = made_module_add(&idle, 2);
    assert_int_equal(tm__program_add_module(used_module, NULL), TM_OK);
    assert_int_equal(tm__program_add_module(idle_module, NULL), TM_OK);
    return 0;
}

/* Bits of all features of all rows. */
static void assert_same(const fit_case *c, const tm_program *a, const tm_program *b) {
    tm_matrix *ma = NULL, *mb = NULL;
    tm_ctx ctx = c->ctx;
    assert_int_equal(tm__program_apply(&ctx, a, c->table, c->rows, c->n_rows, &ma, NULL), TM_OK);
    assert_int_equal(tm__program_apply(&ctx, b, c->table, c->rows, c->n_rows, &mb, NULL), TM_OK);
    const tm_view *x = tm__matrix_view(ma), *y = tm__matrix_view(mb);
    assert_int_equal(x->n_cols, y->n_cols);
    for (uint32_t i = 0; i < x->n_cols; i++) {
        assert_memory_equal(x->cols[i], y->cols[i], c->n_rows * sizeof(double));
    }
    tm__matrix_free(ma);
    tm__matrix_free(mb);
}

static void a_program_tells_whose_functions_it_calls_and_is_saved_with_them(void **state) {
    static const char *const exprs[] = {"one = sum_of(size, price) * 2"};
    (void)state;
    fit_case c;
    case_init(&c, TM_TASK_REGRESSION, 300);
    assert_int_equal(case_fit(&c, NULL), TM_OK);
    assert_false(tm__program_calls(c.program, used_module));
    case_done(&c);
    case_init(&c, TM_TASK_REGRESSION, 300);
    c.options.exprs = exprs;
    c.options.n_exprs = 1;
    assert_int_equal(case_fit(&c, NULL), TM_OK);
    assert_true(tm__program_calls(c.program, used_module));
    assert_false(tm__program_calls(c.program, idle_module));
    tm_buf bytes;
    tm_program *loaded = NULL;
    tm__buf_init(&bytes, 1u << 20);
    assert_int_equal(tm__program_save(c.program, &bytes, NULL), TM_OK);
    assert_int_equal(tm__program_load(bytes.data, bytes.len, &loaded, NULL), TM_OK);
    assert_true(tm__program_calls(loaded, used_module));
    assert_same(&c, c.program, loaded);
    tm__program_free(loaded);
    tm__buf_done(&bytes);
    case_done(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_tells_whose_functions_it_calls_and_is_saved_with_them),
    };
    return cmocka_run_group_tests(tests, add_modules, NULL);
}
