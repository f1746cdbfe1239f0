/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>

#include "base/mem.h"
#include "model/linear/linear_priv.h"
#include "model_data.h"

static tm_model *fit(tm_ctx *ctx, const tm_fit_input *in, const char *name, const char *text) {
    tm_params params;
    tm_model *model = NULL;
    tm_err err = {0};
    tm__params_init(&tm__linear_ops, &params);
    if (name != NULL) {
        assert_int_equal(tm__params_set(&tm__linear_ops, &params, name, text, &err), TM_OK);
    }
    if (tm__model_fit(ctx, &tm__linear_ops, in, &params, &model, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return model;
}

static double strength_of(const tm_model *model) {
    return ((const tm_linear *)model)->strength;
}

static void noise_gets_a_strong_penalty_and_signal_a_weak_one(void **state) {
    (void)state;
    enum { N = 400 };
    model_data *data = model_data_create(N);
    double noise[N];
    tm_ctx ctx = {0};
    for (uint32_t i = 0; i < N; i++) {
        noise[i] = model_uniform(i, 99) < 0.5 ? 1.0 : 0.0;
    }
    tm_fit_input in = {.task = TM_TASK_BINARY, .x = &data->full, .y = noise};
    tm_model *vague = fit(&ctx, &in, NULL, NULL);
    in.y = data->y2;
    tm_model *clear = fit(&ctx, &in, NULL, NULL);
    assert_true(strength_of(vague) >= 0.1);
    assert_true(strength_of(clear) <= 0.01);
    tm__model_free(vague);
    tm__model_free(clear);
    model_data_free(data);
}

static void validation_rows_choose_when_they_are_given(void **state) {
    (void)state;
    enum { N = 400 };
    model_data *data = model_data_create(N), *valid = model_data_create(2 * N);
    double flipped[2 * N];
    tm_ctx ctx = {0};
    for (uint32_t i = 0; i < 2 * N; i++) {
        flipped[i] = 1.0 - valid->y2[i];
    }
    tm_fit_input in = {.task = TM_TASK_BINARY,
                       .x = &data->full,
                       .y = data->y2,
                       .x_valid = &valid->full,
                       .y_valid = valid->y2};
    tm_model *right = fit(&ctx, &in, NULL, NULL);
    in.y_valid = flipped;
    tm_model *wrong = fit(&ctx, &in, NULL, NULL);
    assert_true(strength_of(right) <= 0.01);
    assert_true(strength_of(wrong) == 1.0);
    tm__model_free(right);
    tm__model_free(wrong);
    model_data_free(data);
    model_data_free(valid);
}

static void a_fixed_strength_is_used_as_it_is(void **state) {
    (void)state;
    model_data *data = model_data_create(100);
    const tm_fit_input in = {.task = TM_TASK_REGRESSION, .x = &data->full, .y = data->yr};
    tm_ctx ctx = {0};
    tm_model *model = fit(&ctx, &in, "strength", "0.125");
    assert_true(strength_of(model) == 0.125);
    tm__model_free(model);
    model_data_free(data);
}

static void a_sample_of_the_rows_gives_about_the_same_answers(void **state) {
    (void)state;
    enum { N = 20000 };
    model_data *data = model_data_create(N);
    const tm_fit_input in = {.task = TM_TASK_REGRESSION, .x = &data->numbers, .y = data->yr};
    tm_ctx ctx = {0};
    double *a = tm__mem_alloc(N, sizeof(double)), *b = tm__mem_alloc(N, sizeof(double));
    tm_model *all = fit(&ctx, &in, NULL, NULL), *some = fit(&ctx, &in, "max_rows", "4000");
    assert_true(some->work_used < all->work_used);
    assert_int_equal(tm__model_predict(&ctx, all, &data->numbers, a, NULL), TM_OK);
    assert_int_equal(tm__model_predict(&ctx, some, &data->numbers, b, NULL), TM_OK);
    for (uint32_t i = 0; i < N; i++) {
        assert_true(fabs(a[i] - b[i]) < 0.25); /* values spread over 40 */
    }
    tm__model_free(all);
    tm__model_free(some);
    tm__mem_free(a);
    tm__mem_free(b);
    model_data_free(data);
}

static void tiny_and_degenerate_inputs_give_finite_models(void **state) {
    (void)state;
    model_data *data = model_data_create(30);
    double same[30], weights[30] = {0};
    tm_ctx ctx = {0};
    for (uint32_t i = 0; i < 30; i++) {
        same[i] = 1.0;
    }
    weights[4] = 2.0;
    const tm_fit_input cases[] = {
        {.task = TM_TASK_BINARY, .x = &data->full, .y = same},
        {.task = TM_TASK_REGRESSION, .x = &data->full, .y = same},
        {.task = TM_TASK_REGRESSION, .x = &data->full, .y = data->yr, .weights = weights},
        {.task = TM_TASK_MULTICLASS, .n_classes = 4, .x = &data->full, .y = data->y3},
    };
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        double out[30 * 4];
        tm_model *model = fit(&ctx, &cases[c], NULL, NULL);
        assert_int_equal(tm__model_predict(&ctx, model, &data->full, out, NULL), TM_OK);
        for (uint32_t i = 0; i < 30 * model->n_outputs; i++) {
            assert_true(isfinite(out[i]));
        }
        tm__model_free(model);
    }
    data->full.n_rows = 3;
    tm_model *model = fit(&ctx, &cases[0], NULL, NULL);
    tm__model_free(model);
    model_data_free(data);
}

static void any_budget_gives_a_model(void **state) {
    (void)state;
    model_data *data = model_data_create(300);
    const tm_fit_input in = {.task = TM_TASK_BINARY, .x = &data->full, .y = data->y2};
    for (uint64_t limit = 1; limit < 10000000; limit *= 10) {
        tm_budget budget = {.work_limit = limit};
        tm_ctx ctx = {.budget = &budget};
        tm_model *model = fit(&ctx, &in, NULL, NULL);
        assert_true(model->work_used > 0);
        tm__model_free(model);
    }
    model_data_free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(noise_gets_a_strong_penalty_and_signal_a_weak_one),
        cmocka_unit_test(validation_rows_choose_when_they_are_given),
        cmocka_unit_test(a_fixed_strength_is_used_as_it_is),
        cmocka_unit_test(a_sample_of_the_rows_gives_about_the_same_answers),
        cmocka_unit_test(tiny_and_degenerate_inputs_give_finite_models),
        cmocka_unit_test(any_budget_gives_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
