/* SPDX-License-Identifier: Apache-2.0 */
#include "broken_learner.h"

#include "test.h"

#include <string.h>

#include "model/baseline/baseline.h"

static const tm_model_ops *current, *within;

tm_model_ops broken_copy(const tm_model_ops *sound) {
    tm_model_ops ops = *sound;
    within = sound;
    ops.fit = broken_fit;
    return ops;
}

tm_status broken_fit(tm_ctx *ctx, const tm_fit_input *in, const tm_params *params, tm_model **out,
                     tm_err *err) {
    const tm_status st = within->fit(ctx, in, params, out, err);
    if (st == TM_OK) {
        (*out)->ops = current;
    }
    return st;
}

static tm_conform_result result_of(const tm_model_ops *ops, const char *check) {
    tm_conform_report report;
    const tm_conform_options options = {
        .is_constant = within == &tm__baseline_ops, .only = check, .is_quick = true};
    current = ops;
    assert_int_equal(tm__conform_run(ops, &options, &report, NULL), TM_OK);
    assert_int_equal(report.n, 1);
    return report.results[0];
}

void broken_want(const tm_model_ops *ops, const char *check) {
    const tm_conform_result result = result_of(ops, check);
    assert_int_equal(result.verdict, TM_CONFORM_BROKEN);
    assert_true(strlen(result.message) > 10);
}

void broken_want_none(const tm_model_ops *ops, const char *check) {
    const tm_conform_result result = result_of(ops, check);
    if (result.verdict == TM_CONFORM_BROKEN) {
        fail_msg("'%s': %s", result.name, result.message);
    }
}
