/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/fmath.h"
#include "broken_learner.h"
#include "model/baseline/baseline.h"
#include "model/gbdt/gbdt.h"

static uint64_t n_fits;

/* Another model each time. */
static tm_status fit_by_count(tm_ctx *ctx, const tm_fit_input *in, const tm_params *params,
                              tm_model **out, tm_err *err) {
    const tm_status st = broken_fit(ctx, in, params, out, err);
    if (st == TM_OK) {
        (*out)->work_used += ++n_fits;
    }
    return st;
}

static void predict_row_else(const tm_model *model, const tm_view *row, double *out) {
    tm__baseline_ops.predict_row(model, row, out);
    out[0] += 1e-9;
}

static tm_status explain_else(const tm_model *model, const tm_view *row, double *out, tm_err *err) {
    const tm_status st = tm__baseline_ops.explain(model, row, out, err);
    out[0] += 0.5;
    return st;
}

static void importance_else(const tm_model *model, double *out) {
    tm__baseline_ops.importance(model, out);
    out[0] = 1.5;
}

/* The first answer is none. */
static tm_status predict_nan(tm_ctx *ctx, const tm_model *model, const tm_view *x, double *out,
                             tm_err *err) {
    const tm_status st = tm__baseline_ops.predict(ctx, model, x, out, err);
    out[0] = tm__nan();
    return st;
}

/* Does not keep to the seed: rows are rounded otherwise each time. */
static tm_status fit_seedless(tm_ctx *ctx, const tm_fit_input *in, const tm_params *params,
                              tm_model **out, tm_err *err) {
    tm_fit_input other = *in;
    other.seed = ++n_fits;
    return broken_fit(ctx, &other, params, out, err);
}

static void what_a_model_says_is_held_against_itself(void **state) {
    (void)state;
    tm_model_ops ops = broken_copy(&tm__baseline_ops);
    ops.predict_row = predict_row_else;
    broken_want(&ops, "a row alone has the bits of a batch");
    ops = broken_copy(&tm__baseline_ops);
    ops.explain = explain_else;
    broken_want(&ops, "an explanation sums to the raw score");
    ops = broken_copy(&tm__baseline_ops);
    ops.importance = importance_else;
    broken_want(&ops, "importances are shares");
    ops = broken_copy(&tm__baseline_ops);
    ops.predict = predict_nan;
    broken_want(&ops, "finite answers");
}

static void a_model_of_its_own_each_time_is_found(void **state) {
    (void)state;
    tm_model_ops ops = broken_copy(&tm__baseline_ops);
    ops.fit = fit_by_count;
    broken_want(&ops, "the same bytes for any number of threads");
    broken_want(&ops, "the same each time");
    broken_want_none(&ops, "a saved model loads");
}

static void a_seed_of_its_own_is_found(void **state) {
    (void)state;
    tm_model_ops ops = broken_copy(&tm__gbdt_ops);
    ops.fit = fit_seedless;
    broken_want(&ops, "the same bytes for any number of threads");
    broken_want_none(&ops, "what columns tell is learned");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_model_says_is_held_against_itself),
        cmocka_unit_test(a_model_of_its_own_each_time_is_found),
        cmocka_unit_test(a_seed_of_its_own_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
