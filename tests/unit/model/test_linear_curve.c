/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "linear_case.h"

/* A case without terms, which have no curvature together. */
static void case_init(tm_ctx *ctx, tm_task task, tm_view *plain, linear_case *out) {
    linear_case_init(ctx, task, out);
    *plain = out->data->full;
    plain->sparse = NULL;
    const tm_design_spec spec = {.in = &out->in,
                                 .x = plain,
                                 .y = out->in.y,
                                 .rows = out->rows,
                                 .n_rows = LINEAR_CASE_ROWS,
                                 .y_sd = 1.0,
                                 .with_gradient = true};
    tm__design_done(&out->design);
    tm__linear_code_done(&out->code);
    assert_int_equal(tm__linear_code_fit(ctx, &spec, &out->code, NULL), TM_OK);
    assert_int_equal(tm__design_create(ctx, &spec, &out->code, &out->design, NULL), TM_OK);
}

static uint32_t steps_to_minimum(tm_task task, bool is_curved, double strength) {
    tm_ctx ctx = {0};
    tm_view plain;
    linear_case self;
    double theta[LINEAR_CASE_PARAMS] = {0};
    uint32_t n_iterations = 0, n_zero = 0;
    uint64_t work = 0;
    const tm_solve_options options = {.strength = strength, .tol = 1e-13, .iter_max = 2000};
    case_init(&ctx, task, &plain, &self);
    assert_true(tm__curve_can(&self.design));
    tm_solver *solver = tm__solver_create(&ctx, &self.design);
    assert_true(!is_curved || tm__solver_curve(solver));
    assert_int_equal(tm__solver_run(&ctx, solver, &options, theta, &n_iterations, &work, NULL),
                     TM_OK);
    const double worst = linear_case_slope(&self.design, &options, theta, &n_zero);
    if (!(worst < 1e-5)) {
        fail_msg("slope %g after %u steps", worst, n_iterations);
    }
    tm__solver_free(solver);
    linear_case_done(&self);
    return n_iterations;
}

static void fewer_steps_lead_to_the_same_minimum(void **state) {
    (void)state;
    static const tm_task tasks[] = {TM_TASK_REGRESSION, TM_TASK_BINARY, TM_TASK_MULTICLASS};
    for (size_t i = 0; i < sizeof(tasks) / sizeof(tasks[0]); i++) {
        for (double strength = 1e-4; strength < 1; strength *= 100) {
            const uint32_t curved = steps_to_minimum(tasks[i], true, strength);
            const uint32_t diagonal = steps_to_minimum(tasks[i], false, strength);
            if (curved > diagonal || (tasks[i] == TM_TASK_REGRESSION && curved > 5)) {
                fail_msg("task %zu: %u steps, %u by the diagonal", i, curved, diagonal);
            }
        }
    }
}

static void a_solve_undoes_the_curvature(void **state) {
    (void)state;
    tm_ctx ctx = {0};
    tm_view plain;
    linear_case self;
    double theta[LINEAR_CASE_PARAMS] = {0}, at_0[LINEAR_CASE_PARAMS], at_1[LINEAR_CASE_PARAMS];
    case_init(&ctx, TM_TASK_REGRESSION, &plain, &self);
    const size_t n = tm__design_params(&self.design);
    tm_loss *loss = tm__loss_create(&ctx, &self.design);
    tm_curve *curve = tm__curve_create(&self.design);
    assert_true(tm__curve_factor(curve, 0.5, NULL, 0));
    (void)tm__loss_eval(&ctx, loss, theta, at_0);
    for (size_t i = 0; i < n; i++) {
        theta[i] = 1.0 + 0.1 * (double)i;
    }
    (void)tm__loss_eval(&ctx, loss, theta, at_1); /* gradients of squares are linear */
    for (size_t i = 0; i < n; i++) {
        at_1[i] += (i + 1 < n ? 0.5 * theta[i] : 0.0) - at_0[i];
    }
    tm__curve_solve(curve, at_1);
    for (size_t i = 0; i < n; i++) {
        assert_true(at_1[i] - theta[i] < 1e-9 && theta[i] - at_1[i] < 1e-9);
    }
    assert_false(tm__curve_factor(curve, 0.0, NULL, 0)); /* levels add up to the intercept */
    tm__curve_free(curve);
    tm__loss_free(loss);
    linear_case_done(&self);
}

static void terms_go_by_the_diagonal(void **state) {
    (void)state;
    tm_ctx ctx = {0};
    linear_case self;
    linear_case_init(&ctx, TM_TASK_BINARY, &self);
    assert_false(tm__curve_can(&self.design));
    linear_case_done(&self);
}

static void it_fails_cleanly_at_each_allocation(void **state) {
    (void)state;
    tm_ctx ctx = {0};
    tm_view plain;
    linear_case self;
    case_init(&ctx, TM_TASK_BINARY, &plain, &self);
    const uint64_t alive = tm__mem_alive();
    tm_curve *curve = NULL;
    for (uint64_t n = 1; curve == NULL; n++) {
        tm__mem_fail_at(n, false);
        curve = tm__curve_create(&self.design);
        tm__mem_fail_at(0, false);
        assert_true(curve != NULL || tm__mem_alive() == alive);
    }
    tm__curve_free(curve);
    linear_case_done(&self);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fewer_steps_lead_to_the_same_minimum),
        cmocka_unit_test(a_solve_undoes_the_curvature),
        cmocka_unit_test(terms_go_by_the_diagonal),
        cmocka_unit_test(it_fails_cleanly_at_each_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
