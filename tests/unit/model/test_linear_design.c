/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <float.h>
#include <math.h>

#include "model/linear/linear_priv.h"
#include "model_data.h"

enum { N = 500 };

static tm_design_spec spec_of(const model_data *data, const tm_fit_input *in, uint32_t *rows) {
    for (uint32_t i = 0; i < N; i++) {
        rows[i] = i;
    }
    return (tm_design_spec){.in = in,
                            .x = in->x,
                            .y = in->y,
                            .weights = data->weights,
                            .rows = rows,
                            .n_rows = N,
                            .y_sd = 1.0,
                            .with_gradient = true};
}

static void numbers_have_mean_zero_and_variance_one_by_weight(void **state) {
    (void)state;
    model_data *data = model_data_create(N);
    const tm_fit_input in = {.task = TM_TASK_BINARY, .x = &data->full, .y = data->y2};
    uint32_t rows[N];
    const tm_design_spec spec = spec_of(data, &in, rows);
    tm_ctx ctx = {0};
    tm_linear_code code;
    tm_design design;
    assert_int_equal(tm__linear_code_fit(&ctx, &spec, &code, NULL), TM_OK);
    assert_int_equal(tm__design_create(&ctx, &spec, &code, &design, NULL), TM_OK);
    for (uint32_t j = 0; j < 4; j++) {
        double sum = 0.0, square = 0.0;
        for (uint32_t i = 0; i < N; i++) {
            const double x = (double)design.numbers[j][i];
            sum += design.w[i] * x;
            square += design.w[i] * x * x;
        }
        assert_true(fabs(sum) < 1e-6 && fabs(square - 1.0) < 1e-6);
    }
    assert_true(code.cols[3].has_missing && design.missing[3] != NULL);
    assert_null(design.missing[0]);
    for (uint32_t i = 0; i < N; i++) {
        const double level = data->cols[4][i];
        assert_int_equal(design.missing[3][i], isnan(data->cols[3][i]) != 0);
        assert_int_equal(design.codes[4][i], isnan(level) ? 5u : (uint32_t)level);
    }
    tm__design_done(&design);
    tm__linear_code_done(&code);
    model_data_free(data);
}

static void terms_are_turned_without_loss(void **state) {
    (void)state;
    model_data *data = model_data_create(N);
    const tm_fit_input in = {.task = TM_TASK_BINARY, .x = &data->full, .y = data->y2};
    uint32_t rows[N];
    const tm_design_spec spec = spec_of(data, &in, rows);
    tm_ctx ctx = {0};
    tm_linear_code code;
    tm_design design;
    assert_int_equal(tm__linear_code_fit(&ctx, &spec, &code, NULL), TM_OK);
    assert_int_equal(tm__design_create(&ctx, &spec, &code, &design, NULL), TM_OK);
    assert_true(code.n_active > 0 && code.n_active <= 40);
    assert_int_equal(design.term_starts[0], 0);
    assert_int_equal(design.term_starts[code.n_active], design.starts[N]);
    for (uint32_t t = 0; t < code.n_active; t++) {
        assert_true(t == 0 || code.active[t] > code.active[t - 1]);
        for (uint64_t e = design.term_starts[t]; e < design.term_starts[t + 1]; e++) {
            const uint32_t row = design.term_rows[e];
            double by_row = 0.0;
            for (uint64_t f = design.starts[row]; f < design.starts[row + 1]; f++) {
                by_row += design.terms[f] == t ? (double)design.values[f] : 0.0;
            }
            assert_true(by_row == (double)design.term_values[e]);
            assert_true(e == design.term_starts[t] || row > design.term_rows[e - 1]);
        }
    }
    tm__design_done(&design);
    tm__linear_code_done(&code);
    model_data_free(data);
}

static void columns_without_spread_or_with_extremes_stay_finite(void **state) {
    (void)state;
    model_data *data = model_data_create(N);
    const tm_fit_input in = {.task = TM_TASK_BINARY, .x = &data->numbers, .y = data->y2};
    uint32_t rows[N];
    const tm_design_spec spec = spec_of(data, &in, rows);
    tm_ctx ctx = {0};
    tm_linear_code code;
    tm_design design;
    for (uint32_t i = 0; i < N; i++) {
        data->cols[0][i] = 3.3;
        data->cols[1][i] = NAN;
        data->cols[2][i] = i % 2 == 0 ? DBL_MAX : -DBL_MAX;
    }
    data->cols[0][7] = INFINITY;
    assert_int_equal(tm__linear_code_fit(&ctx, &spec, &code, NULL), TM_OK);
    assert_int_equal(tm__design_create(&ctx, &spec, &code, &design, NULL), TM_OK);
    for (uint32_t j = 0; j < 3; j++) {
        for (uint32_t i = 0; i < N; i++) {
            assert_true(isfinite(design.numbers[j][i]));
        }
    }
    tm__design_done(&design);
    tm__linear_code_done(&code);
    model_data_free(data);
}

static void an_outlier_is_cut(void **state) {
    (void)state;
    model_data *data = model_data_create(N);
    const tm_fit_input in = {.task = TM_TASK_BINARY, .x = &data->numbers, .y = data->y2};
    uint32_t rows[N];
    const tm_design_spec spec = spec_of(data, &in, rows);
    tm_ctx ctx = {0};
    tm_linear_code code;
    data->cols[0][3] = 1e12;
    assert_int_equal(tm__linear_code_fit(&ctx, &spec, &code, NULL), TM_OK);
    /* Values are from -3 to 7. */
    assert_true(code.cols[0].hi < 20.0 && code.cols[0].hi > 7.0);
    assert_true(code.cols[0].lo > -15.0 && code.cols[0].lo < -3.0);
    tm__linear_code_done(&code);
    model_data_free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_have_mean_zero_and_variance_one_by_weight),
        cmocka_unit_test(terms_are_turned_without_loss),
        cmocka_unit_test(columns_without_spread_or_with_extremes_stay_finite),
        cmocka_unit_test(an_outlier_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
