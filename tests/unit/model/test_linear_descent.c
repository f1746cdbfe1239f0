/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>

#include "linear_case.h"

static void the_minimum_is_that_of_the_other_solver(void **state) {
    (void)state;
    static const struct {
        tm_task task;
        double strength, l1_ratio;
    } cases[] = {
        {TM_TASK_BINARY, 0.01, 0.0},     {TM_TASK_BINARY, 0.01, 0.5},
        {TM_TASK_BINARY, 0.02, 1.0},     {TM_TASK_BINARY, 10.0, 1.0},
        {TM_TASK_MULTICLASS, 0.01, 0.0}, {TM_TASK_MULTICLASS, 0.01, 1.0},
        {TM_TASK_REGRESSION, 0.01, 0.0}, {TM_TASK_REGRESSION, 0.05, 0.9},
        {TM_TASK_MULTICLASS, 1e-3, 0.0}, {TM_TASK_BINARY, 1e-4, 0.0},
    };
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        tm_ctx ctx = {0};
        linear_case self;
        double theta[LINEAR_CASE_PARAMS] = {0}, other[LINEAR_CASE_PARAMS] = {0};
        uint32_t n_iterations = 0, n_zero = 0;
        uint64_t work = 0;
        const tm_solve_options options = {.strength = cases[c].strength,
                                          .l1_ratio = cases[c].l1_ratio,
                                          .tol = 1e-14,
                                          .iter_max = 2000};
        linear_case_init(&ctx, cases[c].task, &self);
        tm_descent *descent = tm__descent_create(&ctx, &self.design);
        assert_int_equal(
            tm__descent_run(&ctx, descent, &options, theta, &n_iterations, &work, NULL), TM_OK);
        const double slope = linear_case_slope(&self.design, &options, theta, &n_zero);
        if (!(slope < 1e-5)) {
            fail_msg("case %zu: slope %g after %u steps", c, slope, n_iterations);
        }
        assert_true((n_zero > 0) == (cases[c].l1_ratio > 0));
        tm_solver *solver = tm__solver_create(&ctx, &self.design);
        assert_int_equal(tm__solver_run(&ctx, solver, &options, other, &n_iterations, &work, NULL),
                         TM_OK);
        const double value = linear_case_value(&self.design, &options, theta);
        assert_true(fabs(value - linear_case_value(&self.design, &options, other)) <
                    1e-9 * fabs(value));
        tm__solver_free(solver);
        tm__descent_free(descent);
        linear_case_done(&self);
    }
}

static void each_step_lowers_the_objective(void **state) {
    (void)state;
    linear_case self;
    tm_ctx ctx = {0};
    double before = INFINITY;
    linear_case_init(&ctx, TM_TASK_MULTICLASS, &self);
    for (uint32_t n = 1; n < 8; n++) {
        const tm_solve_options options = {
            .strength = 0.001, .l1_ratio = 0.5, .tol = 1e-12, .iter_max = n};
        double theta[LINEAR_CASE_PARAMS] = {0};
        uint32_t n_iterations = 0;
        uint64_t work = 0;
        tm_descent *descent = tm__descent_create(&ctx, &self.design);
        assert_int_equal(
            tm__descent_run(&ctx, descent, &options, theta, &n_iterations, &work, NULL), TM_OK);
        const double value = linear_case_value(&self.design, &options, theta);
        assert_true(value <= before && work > 0);
        before = value;
        tm__descent_free(descent);
    }
    linear_case_done(&self);
}

static void a_spent_budget_or_a_cancel_ends_it(void **state) {
    (void)state;
    const tm_solve_options options = {.strength = 0.001, .l1_ratio = 1, .tol = 0, .iter_max = 500};
    linear_case self;
    tm_budget budget = {.work_limit = 1};
    volatile _Atomic bool cancel = true;
    tm_ctx ctx = {.budget = &budget};
    double theta[LINEAR_CASE_PARAMS] = {0};
    uint32_t n_iterations = 0;
    uint64_t work = 0;
    linear_case_init(&ctx, TM_TASK_BINARY, &self);
    tm_descent *descent = tm__descent_create(&ctx, &self.design);
    assert_int_equal(tm__descent_run(&ctx, descent, &options, theta, &n_iterations, &work, NULL),
                     TM_OK);
    assert_int_equal(n_iterations, 1);
    assert_int_equal(work, budget.work_used);
    ctx.cancel = &cancel;
    assert_int_equal(tm__descent_run(&ctx, descent, &options, theta, &n_iterations, &work, NULL),
                     TM_E_CANCELLED);
    tm__descent_free(descent);
    linear_case_done(&self);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_minimum_is_that_of_the_other_solver),
        cmocka_unit_test(each_step_lowers_the_objective),
        cmocka_unit_test(a_spent_budget_or_a_cancel_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
