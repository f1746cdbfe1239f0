/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>

#include "base/mem.h"
#include "model/linear/linear_priv.h"
#include "model_data.h"

enum { N = 400, PARAMS_MAX = 200 };

/* At the minimum the subgradient holds 0: |g| <= lasso where theta is 0, g = -lasso * sign else. */
static double worst_slope(const tm_design *design, const tm_solve_options *options,
                          const double *theta, uint32_t *out_n_zero) {
    const size_t n = tm__design_params(design);
    const double ridge = options->strength * (1 - options->l1_ratio);
    double gradient[PARAMS_MAX], worst = 0.0;
    tm_ctx ctx = {0};
    tm_loss *loss = tm__loss_create(&ctx, design);
    assert_non_null(loss);
    (void)tm__loss_eval(&ctx, loss, theta, gradient);
    *out_n_zero = 0;
    for (size_t i = 0; i < n; i++) {
        const bool is_free = i >= n - design->n_outputs;
        const double lasso = is_free ? 0.0 : options->strength * options->l1_ratio;
        const double g = gradient[i] + (is_free ? 0.0 : ridge * theta[i]);
        const double off = theta[i] == 0.0 ? fmax(0.0, fabs(g) - lasso)
                                           : fabs(g + (theta[i] > 0.0 ? lasso : -lasso));
        worst = fmax(worst, off);
        *out_n_zero += theta[i] == 0.0 && !is_free;
    }
    tm__loss_free(loss);
    return worst;
}

typedef struct setting {
    model_data *data;
    tm_fit_input in;
    uint32_t rows[N];
    tm_linear_code code;
    tm_design design;
} setting;

static void open_setting(tm_ctx *ctx, tm_task task, setting *out) {
    out->data = model_data_create(N);
    out->in = (tm_fit_input){.task = task,
                             .n_classes = 3,
                             .x = &out->data->full,
                             .y = task == TM_TASK_BINARY ? out->data->y2 : out->data->y3};
    for (uint32_t i = 0; i < N; i++) {
        out->rows[i] = i;
    }
    const tm_design_spec spec = {.in = &out->in,
                                 .x = out->in.x,
                                 .y = out->in.y,
                                 .rows = out->rows,
                                 .n_rows = N,
                                 .y_sd = 1.0,
                                 .with_gradient = true};
    assert_int_equal(tm__linear_code_fit(ctx, &spec, &out->code, NULL), TM_OK);
    assert_int_equal(tm__design_create(ctx, &spec, &out->code, &out->design, NULL), TM_OK);
    assert_true(tm__design_params(&out->design) <= PARAMS_MAX);
}

static void close_setting(setting *self) {
    tm__design_done(&self->design);
    tm__linear_code_done(&self->code);
    model_data_free(self->data);
}

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
        setting self;
        double theta[PARAMS_MAX] = {0};
        uint32_t n_iterations = 0, n_zero = 0;
        uint64_t work = 0;
        const tm_solve_options options = {.strength = cases[c].strength,
                                          .l1_ratio = cases[c].l1_ratio,
                                          .tol = 1e-14,
                                          .iter_max = 2000};
        open_setting(&ctx, cases[c].task, &self);
        tm_solver *solver = tm__solver_create(&ctx, &self.design);
        assert_int_equal(tm__solver_run(&ctx, solver, &options, theta, &n_iterations, &work, NULL),
                         TM_OK);
        const double worst = worst_slope(&self.design, &options, theta, &n_zero);
        if (!(worst < 1e-6)) {
            fail_msg("case %zu: slope %g after %u steps", c, worst, n_iterations);
        }
        assert_true((n_zero > 0) == cases[c].has_zeros);
        assert_true(work >= (n_iterations + 1) * self.design.work);
        tm__solver_free(solver);
        close_setting(&self);
    }
}

static void a_spent_budget_ends_the_run_at_the_same_place_each_time(void **state) {
    (void)state;
    const tm_solve_options options = {.strength = 0.001, .tol = 0.0, .iter_max = 500};
    double theta[2][PARAMS_MAX] = {{0}, {0}};
    uint32_t n_iterations[2] = {0, 0};
    for (int run = 0; run < 2; run++) {
        tm_budget budget = {.work_limit = 20000};
        tm_ctx ctx = {.budget = &budget};
        uint64_t work = 0;
        setting self;
        open_setting(&ctx, TM_TASK_BINARY, &self);
        tm_solver *solver = tm__solver_create(&ctx, &self.design);
        assert_int_equal(
            tm__solver_run(&ctx, solver, &options, theta[run], &n_iterations[run], &work, NULL),
            TM_OK);
        assert_true(n_iterations[run] < 20 && n_iterations[run] > 0);
        assert_int_equal(work, budget.work_used);
        tm__solver_free(solver);
        close_setting(&self);
    }
    assert_int_equal(n_iterations[0], n_iterations[1]);
    assert_memory_equal(theta[0], theta[1], sizeof(theta[0]));
}

static void a_cancelled_run_says_so(void **state) {
    (void)state;
    const tm_solve_options options = {.strength = 0.001, .tol = 1e-9, .iter_max = 500};
    volatile _Atomic bool cancel = true;
    tm_ctx ctx = {0};
    double theta[PARAMS_MAX] = {0};
    uint32_t n_iterations = 99;
    uint64_t work = 0;
    setting self;
    open_setting(&ctx, TM_TASK_BINARY, &self);
    tm_solver *solver = tm__solver_create(&ctx, &self.design);
    ctx.cancel = &cancel;
    assert_int_equal(tm__solver_run(&ctx, solver, &options, theta, &n_iterations, &work, NULL),
                     TM_E_CANCELLED);
    tm__solver_free(solver);
    close_setting(&self);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_minimum_has_no_slope_with_and_without_an_l1_part),
        cmocka_unit_test(a_spent_budget_ends_the_run_at_the_same_place_each_time),
        cmocka_unit_test(a_cancelled_run_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
