/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "linear_case.h"

/* A model becomes weights of its rows' encoding, and these become the model again. */
static void weights_that_were_read_answer_as_the_model_does(void **state) {
    static const tm_task tasks[] = {TM_TASK_REGRESSION, TM_TASK_BINARY, TM_TASK_MULTICLASS};
    (void)state;
    for (size_t t = 0; t < sizeof(tasks) / sizeof(tasks[0]); t++) {
        tm_ctx ctx = {0};
        linear_case self;
        tm_params params;
        tm_model *model = NULL, *again = NULL;
        tm_linear_code code;
        static double a[LINEAR_CASE_ROWS * 3], b[LINEAR_CASE_ROWS * 3];
        double theta[LINEAR_CASE_PARAMS], squares[LINEAR_CASE_PARAMS];
        double means[LINEAR_CASE_PARAMS] = {0};
        tm__params_init(&tm__linear_ops, &params);
        linear_case_init(&ctx, tasks[t], &self);
        assert_int_equal(tm__model_fit(&ctx, &tm__linear_ops, &self.in, &params, &model, NULL),
                         TM_OK);
        const tm_design_spec spec = {
            .in = &self.in, .x = self.in.x, .rows = self.rows, .n_rows = LINEAR_CASE_ROWS};
        assert_int_equal(
            tm__linear_recode(&ctx, (const tm_linear *)model, &spec, self.in.x, &code, NULL),
            TM_OK);
        assert_int_equal(code.n_dense, self.code.n_dense);
        const tm_linear_scale scale = {
            .from = (const tm_linear *)model, .code = &code, .y_mean = 2, .y_sd = 3};
        tm__linear_read(&scale, theta);
        tm__design_squares(&self.design, squares);
        tm__linear_term_means(&self.design, means);
        const tm_linear_found found = {.task = tasks[t],
                                       .n_outputs = model->n_outputs,
                                       .code = &code,
                                       .theta = theta,
                                       .squares = squares,
                                       .means = means,
                                       .y_mean = 2,
                                       .y_sd = 3};
        assert_int_equal(tm__linear_place(&found, &again, NULL), TM_OK);
        assert_int_equal(tm__model_predict(&ctx, model, self.in.x, a, NULL), TM_OK);
        assert_int_equal(tm__model_predict(&ctx, again, self.in.x, b, NULL), TM_OK);
        for (size_t i = 0; i < (size_t)LINEAR_CASE_ROWS * model->n_outputs; i++) {
            assert_true(fabs(a[i] - b[i]) < 1e-10);
        }
        tm__linear_code_done(&code);
        tm__model_free(model);
        tm__model_free(again);
        linear_case_done(&self);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_that_were_read_answer_as_the_model_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
