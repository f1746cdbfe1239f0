/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/blend/blend.h"

#define N 300u

typedef struct blend_case {
    double x[2][N], y[N];
    const double *cols[2];
    tm_feature features[2];
    tm_view view;
    tm_model *gbdt, *linear;
} blend_case;

static tm_model *fit(blend_case *c, const char *learner) {
    const tm_model_ops *ops = tm__model_find(learner);
    tm_params params;
    tm_ctx ctx = {0};
    tm_model *model = NULL;
    const tm_fit_input in = {.task = TM_TASK_BINARY, .n_classes = 2, .x = &c->view, .y = c->y};
    tm__params_init(ops, &params);
    assert_int_equal(tm__model_fit(&ctx, ops, &in, &params, &model, NULL), TM_OK);
    return model;
}

static void init(blend_case *c) {
    tm_rng rng = tm__rng_split(3, "blend", 0);
    memset(c, 0, sizeof(*c));
    for (uint32_t i = 0; i < N; i++) {
        c->x[0][i] = tm__rng_f64(&rng);
        c->x[1][i] = tm__rng_f64(&rng);
        c->y[i] = c->x[0][i] + 0.5 * c->x[1][i] + 0.3 * tm__rng_f64(&rng) > 0.9;
    }
    for (uint32_t k = 0; k < 2; k++) {
        c->cols[k] = c->x[k];
        c->features[k] = (tm_feature){.name = k == 0 ? "a" : "b", .input = k};
    }
    c->view = (tm_view){.n_rows = N, .n_cols = 2, .cols = c->cols, .features = c->features};
    c->gbdt = fit(c, "gbdt");
    c->linear = fit(c, "linear");
}

static tm_model *make_blend(blend_case *c) {
    tm_model *members[] = {c->gbdt, c->linear};
    const double weights[] = {0.75, 0.25};
    tm_model *blend = NULL;
    assert_int_equal(tm__blend_create(members, weights, 2, &blend, NULL), TM_OK);
    assert_null(members[0]);
    return blend;
}

static void a_blend_is_the_weighted_mean_alone_and_in_a_batch(void **state) {
    (void)state;
    blend_case c;
    double gbdt[N];
    double linear[N];
    double both[N];
    tm_ctx ctx = {0};
    init(&c);
    assert_int_equal(tm__model_predict(&ctx, c.gbdt, &c.view, gbdt, NULL), TM_OK);
    assert_int_equal(tm__model_predict(&ctx, c.linear, &c.view, linear, NULL), TM_OK);
    tm_model *blend = make_blend(&c);
    assert_int_equal(tm__model_predict(&ctx, blend, &c.view, both, NULL), TM_OK);
    for (uint32_t i = 0; i < N; i++) {
        const double *row_cols[] = {&c.x[0][i], &c.x[1][i]};
        const tm_view row = {.n_rows = 1, .n_cols = 2, .cols = row_cols, .features = c.features};
        double alone = 0.0;
        double parts[4];
        tm__model_predict_row(blend, &row, &alone);
        assert_memory_equal(&alone, &both[i], sizeof(double));
        assert_true(fabs(both[i] - (0.75 * gbdt[i] + 0.25 * linear[i])) < 1e-12);
        assert_int_equal(tm__model_explain(blend, &row, parts, NULL), TM_OK);
        assert_true(fabs(parts[0] + parts[1] + parts[2] + parts[3] - alone) < 1e-9);
    }
    tm__model_free(blend);
}

static tm_model *make_stack(blend_case *c) {
    tm_model *members[] = {c->gbdt, c->linear};
    const double weights[] = {1.5, 0.25}, bias[] = {-0.75};
    tm_model *stack = NULL;
    assert_int_equal(tm__blend_create_stack(members, weights, bias, 2, &stack, NULL), TM_OK);
    assert_null(members[0]);
    return stack;
}

static void a_stack_is_a_weighted_sum_with_a_bias_alone_and_in_a_batch(void **state) {
    (void)state;
    blend_case c;
    double gbdt[N], linear[N], both[N];
    double shares[3];
    tm_ctx ctx = {0};
    init(&c);
    assert_int_equal(tm__model_predict(&ctx, c.gbdt, &c.view, gbdt, NULL), TM_OK);
    assert_int_equal(tm__model_predict(&ctx, c.linear, &c.view, linear, NULL), TM_OK);
    tm_model *stack = make_stack(&c);
    assert_int_equal(tm__model_predict(&ctx, stack, &c.view, both, NULL), TM_OK);
    for (uint32_t i = 0; i < N; i++) {
        const double *row_cols[] = {&c.x[0][i], &c.x[1][i]};
        const tm_view row = {.n_rows = 1, .n_cols = 2, .cols = row_cols, .features = c.features};
        double alone = 0.0, parts[4];
        tm__model_predict_row(stack, &row, &alone);
        assert_memory_equal(&alone, &both[i], sizeof(double));
        assert_true(fabs(both[i] - (1.5 * gbdt[i] + 0.25 * linear[i] - 0.75)) < 1e-12);
        assert_int_equal(tm__model_explain(stack, &row, parts, NULL), TM_OK);
        assert_true(fabs(parts[0] + parts[1] + parts[2] + parts[3] - alone) < 1e-9);
    }
    stack->ops->importance(stack, shares);
    assert_true(fabs(shares[0] + shares[1] + shares[2] - 1.0) < 1e-9);
    tm__model_free(stack);
}

static void weights_that_are_none_are_refused(void **state) {
    (void)state;
    static const double wrong[][3] = {
        {1.0, -0.1, 0.0}, {1.0, 0.0, 0.0}, {10.0, 7.0, 0.0},
        {NAN, 1.0, 0.0},  {1.0, 1.0, NAN}, {1.0, 1.0, 1e301},
    };
    blend_case c;
    init(&c);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        tm_model *members[] = {c.gbdt, c.linear};
        tm_model *stack = NULL;
        assert_int_equal(tm__blend_create_stack(members, wrong[i], wrong[i] + 2, 2, &stack, NULL),
                         TM_E_INVALID);
        assert_non_null(members[0]);
        assert_null(stack);
    }
    tm__model_free(c.gbdt);
    tm__model_free(c.linear);
}

static void members_that_do_not_fit_are_refused_and_stay_the_callers(void **state) {
    (void)state;
    blend_case c;
    init(&c);
    tm_model *members[] = {c.gbdt, c.linear};
    const double wrong[] = {1.0, -1.0};
    tm_model *blend = NULL;
    assert_int_equal(tm__blend_create(members, wrong, 2, &blend, NULL), TM_E_INVALID);
    assert_int_equal(tm__blend_create(members, wrong, 0, &blend, NULL), TM_E_INVALID);
    assert_null(blend);
    tm__model_free(members[0]);
    tm__model_free(members[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_blend_is_the_weighted_mean_alone_and_in_a_batch),
        cmocka_unit_test(a_stack_is_a_weighted_sum_with_a_bias_alone_and_in_a_batch),
        cmocka_unit_test(weights_that_are_none_are_refused),
        cmocka_unit_test(members_that_do_not_fit_are_refused_and_stay_the_callers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
