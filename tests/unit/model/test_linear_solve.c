/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "linear_case.h"

static void the_minimum_has_no_slope_with_and_without_an_l1_part(void **state) {
    (void)state;
    static const struct {
        tm_task task;
        double strength, l1_ratio;
        bool has_zeros;
    } cases[] = {
        {TM_TASK_BINARY, 0.01, 0.0, false},     {TM_TASK_BINARY, 0.01, 0.5, true},
        {TM_TASK_BINARY, 0.02, 1.0, true},      {TM_TASK_BINARY, 10.0, 1.0, true},
        {TM_TASK_MULTICLASS, 0.01, 0.0, false}, {TM_TASK_MULTICLASS, 0.01, 1.0, true},
    };
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        tm_ctx ctx = {0};
        linear_case self;
        double theta[LINEAR_CASE_PARAMS] = {0};
        uint32_t n_iterations = 0, n_zero = 0;
        uint64_t work = 0;
        const tm_solve_options options = {.strength = cases[c].strength,
                                          .l1_ratio = cases[c].l1_ratio,
                                          .tol = 1e-14,
                                          .iter_max = 2000};
        linear_case_init(&ctx, cases[c].task, &self);
        tm_solver *solver = tm__solver_create(&ctx, &self.design);
        assert_int_equal(tm__solver_run(&ctx, solver, &options, theta, &n_iterations, &work, NULL),
                         TM_OK);
        const double worst = linear_case_slope(&self.design, &options, theta, &n_zero);
        if (!(worst < 1e-6)) {
            fail_msg("case %zu: slope %g after %u steps", c, worst, n_iterations);
        }
        assert_true((n_zero > 0) == cases[c].has_zeros);
        assert_true(work >= (n_iterations + 1) * self.design.work);
        tm__solver_free(solver);
        linear_case_done(&self);
    }
}

static void a_spent_budget_ends_the_run_at_the_same_place_each_time(void **state) {
    (void)state;
    const tm_solve_options options = {.strength = 0.001, .tol = 0.0, .iter_max = 500};
    double theta[2][LINEAR_CASE_PARAMS] = {{0}, {0}};
    uint32_t n_iterations[2] = {0, 0};
    for (int run = 0; run < 2; run++) {
        tm_budget budget = {.work_limit = 20000};
        tm_ctx ctx = {.budget = &budget};
        uint64_t work = 0;
        linear_case self;
        linear_case_init(&ctx, TM_TASK_BINARY, &self);
        tm_solver *solver = tm__solver_create(&ctx, &self.design);
        assert_int_equal(
            tm__solver_run(&ctx, solver, &options, theta[run], &n_iterations[run], &work, NULL),
            TM_OK);
        assert_true(n_iterations[run] < 20 && n_iterations[run] > 0);
        assert_int_equal(work, budget.work_used);
        tm__solver_free(solver);
        linear_case_done(&self);
    }
    assert_int_equal(n_iterations[0], n_iterations[1]);
    assert_memory_equal(theta[0], theta[1], sizeof(theta[0]));
}

static void a_cancelled_run_says_so(void **state) {
    (void)state;
    const tm_solve_options options = {.strength = 0.001, .tol = 1e-9, .iter_max = 500};
    volatile _Atomic bool cancel = true;
    tm_ctx ctx = {0};
    double theta[LINEAR_CASE_PARAMS] = {0};
    uint32_t n_iterations = 99;
    uint64_t work = 0;
    linear_case self;
    linear_case_init(&ctx, TM_TASK_BINARY, &self);
    tm_solver *solver = tm__solver_create(&ctx, &self.design);
    ctx.cancel = &cancel;
    assert_int_equal(tm__solver_run(&ctx, solver, &options, theta, &n_iterations, &work, NULL),
                     TM_E_CANCELLED);
    tm__solver_free(solver);
    linear_case_done(&self);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_minimum_has_no_slope_with_and_without_an_l1_part),
        cmocka_unit_test(a_spent_budget_ends_the_run_at_the_same_place_each_time),
        cmocka_unit_test(a_cancelled_run_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
