/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>

#include "base/mem.h"
#include "linear_case.h"

/* Second derivatives of squared errors, and of three classes that are as likely. */
static void fill_second(const tm_design *design, double *out) {
    for (uint64_t i = 0; i < design->n_rows * design->n_outputs; i++) {
        out[i] = design->task == TM_TASK_REGRESSION ? 1.0 : 2.0 / 9.0;
    }
}

static void pull_init(const tm_design *design, tm_pull *out) {
    static double second[LINEAR_CASE_ROWS * 3];
    fill_second(design, second);
    assert_int_equal(tm__pull_init(design, second, out, NULL), TM_OK);
    out->ridge = 0.3;
    out->scale = 2.0;
    for (size_t i = 0; i < out->n; i++) {
        out->center[i] = 0.01 * (double)i - 0.2;
    }
}

static void its_slope_is_that_of_its_value(void **state) {
    static const tm_task tasks[] = {TM_TASK_REGRESSION, TM_TASK_BINARY, TM_TASK_MULTICLASS};
    (void)state;
    for (size_t t = 0; t < sizeof(tasks) / sizeof(tasks[0]); t++) {
        for (uint32_t has_terms = 0; has_terms < 2; has_terms++) {
            tm_ctx ctx = {0};
            linear_case self;
            tm_pull pull;
            double theta[LINEAR_CASE_PARAMS], slope[LINEAR_CASE_PARAMS] = {0};
            double none[LINEAR_CASE_PARAMS];
            linear_case_init(&ctx, tasks[t], &self);
            tm_design design = self.design;
            tm_linear_code code = self.code;
            if (has_terms == 0) {
                code.n_active = 0;
                design.code = &code;
                design.starts = NULL;
            }
            pull_init(&design, &pull);
            assert_true((pull.curve != NULL) == (has_terms == 0));
            for (size_t i = 0; i < pull.n; i++) {
                theta[i] = 0.3 * sin((double)i);
            }
            (void)tm__pull_eval(&pull, theta, slope);
            for (size_t i = 0; i < pull.n; i++) {
                const double at = theta[i], step = 1e-5;
                theta[i] = at + step;
                const double above = tm__pull_eval(&pull, theta, none);
                theta[i] = at - step;
                const double below = tm__pull_eval(&pull, theta, none);
                theta[i] = at;
                assert_true(fabs((above - below) / (2 * step) - slope[i]) < 1e-7);
                /* Quadratic: the second difference is the diagonal. */
                const double here = tm__pull_eval(&pull, theta, none);
                const double second = (above - 2 * here + below) / (step * step);
                assert_true(fabs(second - tm__pull_diagonal(&pull, i)) < 1e-3);
            }
            tm__pull_done(&pull);
            linear_case_done(&self);
        }
    }
}

static void nothing_pulls_at_its_center(void **state) {
    tm_ctx ctx = {0};
    linear_case self;
    tm_pull pull;
    double slope[LINEAR_CASE_PARAMS] = {0};
    (void)state;
    linear_case_init(&ctx, TM_TASK_BINARY, &self);
    pull_init(&self.design, &pull);
    assert_true(tm__pull_eval(&pull, pull.center, slope) == 0.0);
    for (size_t i = 0; i < pull.n; i++) {
        assert_true(slope[i] == 0.0);
    }
    tm__pull_done(&pull);
    linear_case_done(&self);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_slope_is_that_of_its_value),
        cmocka_unit_test(nothing_pulls_at_its_center),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
