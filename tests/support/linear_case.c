/* SPDX-License-Identifier: Apache-2.0 */
#include "linear_case.h"

#include "test.h"

#include <math.h>

#include "base/mem.h"

/* At the minimum the subgradient holds 0: |g| <= lasso where theta is 0, g = -lasso * sign else. */
double linear_case_slope(const tm_design *design, const tm_solve_options *options,
                         const double *theta, uint32_t *out_n_zero) {
    const size_t n = tm__design_params(design);
    const double ridge = options->strength * (1 - options->l1_ratio);
    double gradient[LINEAR_CASE_PARAMS], worst = 0.0;
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

void linear_case_init(tm_ctx *ctx, tm_task task, linear_case *out) {
    out->data = model_data_create(LINEAR_CASE_ROWS);
    out->in = (tm_fit_input){.task = task,
                             .n_classes = 3,
                             .x = &out->data->full,
                             .y = task == TM_TASK_BINARY       ? out->data->y2
                                  : task == TM_TASK_MULTICLASS ? out->data->y3
                                                               : out->data->yr};
    for (uint32_t i = 0; i < LINEAR_CASE_ROWS; i++) {
        out->rows[i] = i;
    }
    const tm_design_spec spec = {.in = &out->in,
                                 .x = out->in.x,
                                 .y = out->in.y,
                                 .rows = out->rows,
                                 .n_rows = LINEAR_CASE_ROWS,
                                 .y_sd = 1.0,
                                 .with_gradient = true};
    assert_int_equal(tm__linear_code_fit(ctx, &spec, &out->code, NULL), TM_OK);
    assert_int_equal(tm__design_create(ctx, &spec, &out->code, &out->design, NULL), TM_OK);
    assert_true(tm__design_params(&out->design) <= LINEAR_CASE_PARAMS);
}

void linear_case_done(linear_case *self) {
    tm__design_done(&self->design);
    tm__linear_code_done(&self->code);
    model_data_free(self->data);
}

double linear_case_value(const tm_design *design, const tm_solve_options *options,
                         const double *theta) {
    const size_t n = tm__design_params(design) - design->n_outputs;
    tm_ctx ctx = {0};
    tm_loss *loss = tm__loss_create(&ctx, design);
    assert_non_null(loss);
    double value = tm__loss_eval(&ctx, loss, theta, NULL);
    for (size_t i = 0; i < n; i++) {
        value += options->strength * (0.5 * (1 - options->l1_ratio) * theta[i] * theta[i] +
                                      options->l1_ratio * fabs(theta[i]));
    }
    tm__loss_free(loss);
    return value;
}
