/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "broken_learner.h"
#include "model/gbdt/gbdt.h"

static tm_status fit_without_weights(tm_ctx *ctx, const tm_fit_input *in, const tm_params *params,
                                     tm_model **out, tm_err *err) {
    tm_fit_input other = *in;
    other.weights = NULL;
    return broken_fit(ctx, &other, params, out, err);
}

static tm_status fit_many_only(tm_ctx *ctx, const tm_fit_input *in, const tm_params *params,
                               tm_model **out, tm_err *err) {
    return in->x->n_rows < 2 ? TM_E_INVALID : broken_fit(ctx, in, params, out, err);
}

static tm_status fit_many_or_say(tm_ctx *ctx, const tm_fit_input *in, const tm_params *params,
                                 tm_model **out, tm_err *err) {
    return in->x->n_rows < 2 ? TM_FAIL(err, TM_E_INVALID, "one row is not enough")
                             : broken_fit(ctx, in, params, out, err);
}

static void weights_that_are_not_looked_at_are_found(void **state) {
    (void)state;
    tm_model_ops ops = broken_copy(&tm__gbdt_ops);
    ops.fit = fit_without_weights;
    broken_want(&ops, "weights count as rows");
}

static void a_refusal_must_have_words(void **state) {
    (void)state;
    tm_model_ops ops = broken_copy(&tm__gbdt_ops);
    ops.fit = fit_many_only;
    broken_want(&ops, "one row or one column");
    ops.fit = fit_many_or_say;
    broken_want_none(&ops, "one row or one column");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_that_are_not_looked_at_are_found),
        cmocka_unit_test(a_refusal_must_have_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
