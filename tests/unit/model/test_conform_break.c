/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/mem.h"
#include "broken_learner.h"
#include "model/baseline/baseline.h"
#include "model/gbdt/gbdt.h"

static void *kept[64];

/* Keeps a block of memory of its first fits. */
static tm_status fit_leaking(tm_ctx *ctx, const tm_fit_input *in, const tm_params *params,
                             tm_model **out, tm_err *err) {
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        if (kept[i] == NULL) {
            kept[i] = tm__mem_alloc(1, 8);
            break;
        }
    }
    return broken_fit(ctx, in, params, out, err);
}

/* Calls a cancelled fit, or one without memory, something else. */
static tm_status fit_mistaken(tm_ctx *ctx, const tm_fit_input *in, const tm_params *params,
                              tm_model **out, tm_err *err) {
    const tm_status st = broken_fit(ctx, in, params, out, err);
    return st == TM_OK ? st : TM_FAIL(err, TM_E_INTERNAL, "something went wrong");
}

static uint64_t needs_nothing(const tm_fit_input *in, const tm_params *params, uint32_t n_threads) {
    (void)in;
    (void)params;
    (void)n_threads;
    return 64;
}

/* Fits whatever the limit. */
static tm_status fit_without_limit(tm_ctx *ctx, const tm_fit_input *in, const tm_params *params,
                                   tm_model **out, tm_err *err) {
    tm_ctx other = *ctx;
    other.memory_limit = 0;
    const tm_status st = broken_fit(&other, in, params, out, err);
    return st;
}

/* Takes any bytes for a model of no score. */
static tm_status load_anything(const void *data, size_t len, tm_model **out, tm_err *err) {
    if (tm__baseline_ops.load(data, len, out, NULL) == TM_OK) {
        return TM_OK;
    }
    return TM_FAIL(err, TM_E_INTERNAL, "what is this");
}

static void what_is_left_behind_is_found(void **state) {
    (void)state;
    tm_model_ops ops = broken_copy(&tm__baseline_ops);
    ops.fit = fit_leaking;
    broken_want(&ops, "a fit has the shape of its input");
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        tm__mem_free(kept[i]);
        kept[i] = NULL;
    }
}

static void errors_have_their_own_names(void **state) {
    (void)state;
    tm_model_ops ops = broken_copy(&tm__gbdt_ops);
    ops.fit = fit_mistaken;
    broken_want(&ops, "a cancelled fit ends");
    broken_want(&ops, "running out of memory");
    ops = broken_copy(&tm__baseline_ops);
    ops.load = load_anything;
    broken_want(&ops, "damaged bytes");
}

static void memory_that_was_not_asked_for_is_found(void **state) {
    (void)state;
    tm_model_ops ops = broken_copy(&tm__gbdt_ops);
    ops.fit = fit_without_limit;
    ops.needs = needs_nothing;
    broken_want(&ops, "keeps to the memory");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_behind_is_found),
        cmocka_unit_test(errors_have_their_own_names),
        cmocka_unit_test(memory_that_was_not_asked_for_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
