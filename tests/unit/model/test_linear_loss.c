/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>

#include "base/mem.h"
#include "base/pool.h"
#include "model/linear/linear_priv.h"
#include "model_data.h"

enum { N = 300, PARAMS_MAX = 200 };

typedef struct setting {
    model_data *data;
    tm_fit_input in;
    uint32_t *rows;
    tm_linear_code code;
    tm_design design;
    size_t n;
} setting;

static void open_setting(tm_ctx *ctx, tm_task task, uint64_t n_rows, setting *out) {
    out->data = model_data_create(n_rows);
    out->in = (tm_fit_input){.task = task,
                             .n_classes = 3,
                             .x = &out->data->full,
                             .y = task == TM_TASK_BINARY       ? out->data->y2
                                  : task == TM_TASK_MULTICLASS ? out->data->y3
                                                               : out->data->yr};
    out->rows = tm__mem_alloc(n_rows, sizeof(uint32_t));
    for (uint32_t i = 0; i < n_rows; i++) {
        out->rows[i] = i;
    }
    const tm_design_spec spec = {.in = &out->in,
                                 .x = out->in.x,
                                 .y = out->in.y,
                                 .weights = out->data->weights,
                                 .rows = out->rows,
                                 .n_rows = n_rows,
                                 .y_mean = task == TM_TASK_REGRESSION ? 100.0 : 0.0,
                                 .y_sd = task == TM_TASK_REGRESSION ? 10.0 : 1.0,
                                 .with_gradient = true};
    assert_int_equal(tm__linear_code_fit(ctx, &spec, &out->code, NULL), TM_OK);
    assert_int_equal(tm__design_create(ctx, &spec, &out->code, &out->design, NULL), TM_OK);
    out->n = tm__design_params(&out->design);
    assert_true(out->n <= PARAMS_MAX);
}

static void close_setting(setting *self) {
    tm__design_done(&self->design);
    tm__linear_code_done(&self->code);
    tm__mem_free(self->rows);
    model_data_free(self->data);
}

static const tm_task tasks[] = {TM_TASK_BINARY, TM_TASK_MULTICLASS, TM_TASK_REGRESSION};

static void gradients_are_finite_differences_of_the_loss(void **state) {
    (void)state;
    for (size_t t = 0; t < 3; t++) {
        tm_ctx ctx = {0};
        setting self;
        double theta[PARAMS_MAX], gradient[PARAMS_MAX], curvature[PARAMS_MAX];
        open_setting(&ctx, tasks[t], N, &self);
        tm_loss *loss = tm__loss_create(&ctx, &self.design);
        for (size_t i = 0; i < self.n; i++) {
            theta[i] = model_uniform(i, 77) - 0.5;
        }
        const double at = tm__loss_eval(&ctx, loss, theta, gradient);
        assert_true(at == tm__loss_eval(&ctx, loss, theta, NULL));
        tm__loss_curvature(&self.design, curvature);
        for (size_t i = 0; i < self.n; i++) {
            const double h = 1e-4, kept = theta[i];
            theta[i] = kept + h;
            const double up = tm__loss_eval(&ctx, loss, theta, NULL);
            theta[i] = kept - h;
            const double down = tm__loss_eval(&ctx, loss, theta, NULL);
            theta[i] = kept;
            assert_true(fabs((up - down) / (2 * h) - gradient[i]) < 1e-7);
            /* The bound on the second derivative holds. */
            assert_true((up - 2 * at + down) / (h * h) <= curvature[i] + 1e-6);
        }
        tm__loss_free(loss);
        close_setting(&self);
    }
}

static void at_zero_the_loss_is_that_of_knowing_nothing(void **state) {
    (void)state;
    const double theta[PARAMS_MAX] = {0};
    tm_ctx ctx = {0};
    setting self;
    for (size_t t = 0; t < 2; t++) {
        open_setting(&ctx, tasks[t], N, &self);
        tm_loss *loss = tm__loss_create(&ctx, &self.design);
        assert_true(fabs(tm__loss_eval(&ctx, loss, theta, NULL) - log(2.0 + (double)t)) < 1e-12);
        tm__loss_free(loss);
        close_setting(&self);
    }
}

static void threads_do_not_change_a_bit(void **state) {
    (void)state;
    enum { MANY = 20000 };
    for (size_t t = 0; t < 3; t++) {
        double theta[PARAMS_MAX], want[PARAMS_MAX], got[PARAMS_MAX], first = 0.0;
        for (uint32_t n_threads = 1; n_threads <= 3; n_threads++) {
            tm_ctx ctx = {.pool = tm__pool_create(n_threads)};
            setting self;
            open_setting(&ctx, tasks[t], MANY, &self);
            tm_loss *loss = tm__loss_create(&ctx, &self.design);
            for (size_t i = 0; i < self.n; i++) {
                theta[i] = model_uniform(i, 77) - 0.5;
            }
            const double value = tm__loss_eval(&ctx, loss, theta, n_threads == 1 ? want : got);
            if (n_threads == 1) {
                first = value;
            } else {
                assert_true(value == first);
                assert_memory_equal(got, want, self.n * sizeof(double));
            }
            tm__loss_free(loss);
            close_setting(&self);
            tm__pool_free(ctx.pool);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_finite_differences_of_the_loss),
        cmocka_unit_test(at_zero_the_loss_is_that_of_knowing_nothing),
        cmocka_unit_test(threads_do_not_change_a_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
