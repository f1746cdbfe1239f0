/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>

#include "base/mem.h"
#include "linear_case.h"

/* Scores are those of theta, and their mean over the rows is what an explanation starts from. */
static void a_model_has_the_margins_of_its_weights(void **state) {
    (void)state;
    tm_ctx ctx = {0};
    linear_case self;
    tm_model *model = NULL;
    double theta[LINEAR_CASE_PARAMS], squares[LINEAR_CASE_PARAMS];
    double means[LINEAR_CASE_PARAMS] = {0}, raw[LINEAR_CASE_ROWS], half = 0, mean = 0;
    linear_case_init(&ctx, TM_TASK_REGRESSION, &self);
    for (size_t i = 0; i < tm__design_params(&self.design); i++) {
        theta[i] = 0.2 * sin((double)i);
    }
    tm__design_squares(&self.design, squares);
    tm__linear_term_means(&self.design, means);
    const tm_linear_found found = {.task = TM_TASK_REGRESSION,
                                   .n_outputs = 1,
                                   .code = &self.code,
                                   .theta = theta,
                                   .squares = squares,
                                   .means = means,
                                   .y_sd = 1,
                                   .strength = 0.5};
    assert_int_equal(tm__linear_place(&found, &model, NULL), TM_OK);
    assert_int_equal(tm__model_predict(&ctx, model, self.in.x, raw, NULL), TM_OK);
    for (uint32_t i = 0; i < LINEAR_CASE_ROWS; i++) {
        const double off = raw[i] - self.in.y[i];
        half += 0.5 * off * off / LINEAR_CASE_ROWS;
        mean += raw[i] / LINEAR_CASE_ROWS;
    }
    const tm_solve_options no_penalty = {.strength = 0};
    assert_true(fabs(half - linear_case_value(&self.design, &no_penalty, theta)) < 1e-4 * half);
    const tm_linear *const linear = (const tm_linear *)model;
    assert_true(linear->strength == 0.5);
    assert_true(fabs(mean - linear->bias[0] - linear->term_mean[0]) < 1e-5);
    tm__model_free(model);
    linear_case_done(&self);
}

/* A column of which no row has a value, where the sum of weights is above 1 by rounding. */
static void no_column_is_worth_less_than_nothing(void **state) {
    (void)state;
    tm_linear_col cols[] = {{.slot = 0, .has_missing = true}};
    const tm_linear_code code = {.n_cols = 1, .cols = cols, .n_dense = 2};
    const double theta[] = {0.0, 0.7, 0.1}, squares[] = {0.0, 1.0 + 1e-12};
    const tm_linear_found found = {.task = TM_TASK_REGRESSION,
                                   .n_outputs = 1,
                                   .code = &code,
                                   .theta = theta,
                                   .squares = squares,
                                   .y_sd = 1};
    tm_model *model = NULL;
    assert_int_equal(tm__linear_place(&found, &model, NULL), TM_OK);
    assert_true(((const tm_linear *)model)->shares[0] >= 0.0);
    tm__model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_has_the_margins_of_its_weights),
        cmocka_unit_test(no_column_is_worth_less_than_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
