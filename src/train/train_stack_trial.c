/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Second layers fitted on some validation rows and judged on others, beside the blend whose members
 * they weigh. The blend is judged after a bias of its own as well, and a scale where classes are
 * answered: calibration would give it these anyway.
 */
#include "train/train_stack_trial.h"

#include <string.h>

#include "base/mem.h"

#define SCALE_STRENGTH 10.0 /* of a scale of classes' raw answers; numbers get a shift alone */
#define SHIFT_STRENGTH 1e12
#define FOLD_ROWS_MIN 50u /* of a half of a fold */

const double tm__stack_strength[TM_STACK_STRENGTHS] = {30.0, 300.0, 3000.0};

void tm__stack_done(tm_stack *stack) {
    tm__mem_free(stack->weights);
    tm__mem_free(stack->bias);
    memset(stack, 0, sizeof(*stack));
}

tm_status tm__stack_of(const tm_mixer *mixer, const tm_mix *mix, tm_stack *out, tm_err *err) {
    const uint32_t k = mixer->n_outputs;
    memset(out, 0, sizeof(*out));
    out->weights = tm__mem_zalloc((size_t)TM_STACK_MEMBERS * k, sizeof(double));
    out->bias = tm__mem_zalloc(k, sizeof(double));
    if (out->weights == NULL || out->bias == NULL) {
        tm__stack_done(out);
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a stack");
    }
    for (uint32_t p = 0; p < mixer->n_pool && out->n < TM_STACK_MEMBERS; p++) {
        if (mix->counts[p] > 0) {
            for (uint32_t c = 0; c < k; c++) {
                out->weights[out->n * k + c] = (double)mix->counts[p] / (double)mix->n;
            }
            out->candidates[out->n++] = mixer->pool[p];
        }
    }
    return TM_OK;
}

tm_stack_rows tm__stack_rows_of(const tm_mixer *mixer, const tm_stack *stack) {
    const tm_search *search = mixer->search;
    tm_stack_rows rows = {
        .link = search->candidates[search->best].link,
        .n_classes = search->data->n_classes,
        .n_outputs = mixer->n_outputs,
        .n_members = stack->n,
        .n = mixer->n_rows,
        .y = mixer->y,
        .weights = mixer->weights,
    };
    for (uint32_t m = 0; m < stack->n; m++) {
        for (uint32_t p = 0; p < mixer->n_pool; p++) {
            if (mixer->pool[p] == stack->candidates[m]) {
                rows.raw[m] = mixer->raw[p];
            }
        }
    }
    return rows;
}

void tm__stack_trial_done(tm_stack_trial *t) {
    for (uint32_t i = 0; i < TM_LOSS_KINDS; i++) {
        tm__mem_free(t->losses[i]);
    }
}

tm_status tm__stack_trial_init(tm_stack_trial *t, uint64_t n_max, tm_err *err) {
    memset(t, 0, sizeof(*t));
    for (uint32_t i = 0; i < TM_LOSS_KINDS; i++) {
        t->losses[i] = tm__mem_alloc(n_max, sizeof(double));
        if (t->losses[i] == NULL) {
            tm__stack_trial_done(t);
            return TM_FAIL(err, TM_E_NOMEM, "no memory for a stack");
        }
    }
    return TM_OK;
}

/* Losses of the blend with a scale and a bias, fitted on the first rows, on the others. */
static tm_status judge_scaled(const tm_stack_rows *fit, const tm_stack_rows *test,
                              const tm_stack *prior, double *losses, tm_err *err) {
    const uint32_t k = fit->n_outputs;
    double *ones = tm__mem_alloc((size_t)k * 2, sizeof(double));
    double *raw = tm__mem_alloc((fit->n + 2 * test->n) * k, sizeof(double));
    tm_status st =
        ones == NULL || raw == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for a stack") : TM_OK;
    if (st == TM_OK) {
        tm_stack_rows fit_mean = *fit, test_mean = *test;
        double *const test_raw = raw + fit->n * k, *const answers = test_raw + test->n * k;
        tm__stack_apply(fit, prior->weights, prior->bias, raw);
        tm__stack_apply(test, prior->weights, prior->bias, test_raw);
        fit_mean.n_members = test_mean.n_members = 1;
        fit_mean.raw[0] = raw;
        test_mean.raw[0] = test_raw;
        for (uint32_t c = 0; c < k; c++) {
            ones[c] = 1.0;
            ones[k + c] = 0.0;
        }
        const bool is_class = fit->link == TM_LINK_SIGMOID || fit->link == TM_LINK_SOFTMAX;
        st = tm__stack_fit(&fit_mean, is_class ? SCALE_STRENGTH : SHIFT_STRENGTH, ones, ones + k,
                           err);
        if (st == TM_OK) {
            tm__stack_apply(&test_mean, ones, ones + k, answers);
            tm__stack_losses(test, answers, losses);
        }
    }
    tm__mem_free(ones);
    tm__mem_free(raw);
    return st;
}

/* Losses on test rows of the second layer of one strength, fitted on others; *out keeps it, unless
 * it is NULL. */
static tm_status judge_stacked(const tm_mixer *fit, const tm_mixer *test, const tm_mix *mix,
                               double strength, double *losses, tm_stack *out, tm_err *err) {
    tm_stack made;
    TM_TRY(tm__stack_of(fit, mix, &made, err));
    const tm_stack_rows fit_rows = tm__stack_rows_of(fit, &made),
                        test_rows = tm__stack_rows_of(test, &made);
    double *raw = tm__mem_alloc(test->n_rows * test->n_outputs, sizeof(double));
    tm_status st = raw == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for a stack") : TM_OK;
    if (st == TM_OK && strength > 0.0) {
        st = tm__stack_fit(&fit_rows, strength, made.weights, made.bias, err);
    }
    if (st == TM_OK) {
        tm__stack_apply(&test_rows, made.weights, made.bias, raw);
        tm__stack_losses(&test_rows, raw, losses);
    }
    tm__mem_free(raw);
    if (st == TM_OK && out != NULL) {
        *out = made;
        return TM_OK;
    }
    tm__stack_done(&made);
    return st;
}

tm_status tm__stack_try_pair(const tm_mixer *fit, const tm_mixer *test, const tm_mix *mix,
                             tm_stack_trial *t, tm_stack *made, tm_err *err) {
    tm_stack prior;
    TM_TRY(judge_stacked(fit, test, mix, 0.0, t->losses[TM_LOSS_MIXED] + t->n, &prior, err));
    const tm_stack_rows fit_rows = tm__stack_rows_of(fit, &prior),
                        test_rows = tm__stack_rows_of(test, &prior);
    tm_status st =
        judge_scaled(&fit_rows, &test_rows, &prior, t->losses[TM_LOSS_SCALED] + t->n, err);
    tm__stack_done(&prior);
    for (uint32_t g = 0; st == TM_OK && g < TM_STACK_STRENGTHS; g++) {
        st = judge_stacked(fit, test, mix, tm__stack_strength[g],
                           t->losses[TM_LOSS_STACKED + g] + t->n, made != NULL ? &made[g] : NULL,
                           err);
    }
    t->n += test->n_rows;
    return st;
}

/* Weights of one half, judged on the other, and the other way round. */
static tm_status try_halves(const tm_search *search, tm_mix_rows which,
                            const tm_mix chosen[TM_MIX_HALVES], tm_stack_trial *t, tm_err *err) {
    tm_mixer halves[TM_MIX_HALVES];
    which.half = 0;
    TM_TRY(tm__mixer_init(&halves[0], search, which, err));
    which.half = 1;
    tm_status st = tm__mixer_init(&halves[1], search, which, err);
    if (st != TM_OK) {
        tm__mixer_done(&halves[0]);
        return st;
    }
    const bool is_enough = halves[0].n_rows >= FOLD_ROWS_MIN && halves[1].n_rows >= FOLD_ROWS_MIN;
    for (uint32_t h = 0; is_enough && st == TM_OK && h < TM_MIX_HALVES; h++) {
        st = tm__stack_try_pair(&halves[h], &halves[1 - h], &chosen[h], t, NULL, err);
    }
    tm__mixer_done(&halves[0]);
    tm__mixer_done(&halves[1]);
    return st;
}

tm_status tm__stack_try_folds(const tm_search *search, const tm_mix chosen[TM_MIX_HALVES],
                              tm_stack_trial *t, tm_err *err) {
    tm_mix_rows which = {.fold = TM_FOLDS_ALL, .is_in_time = search->data->is_time_ordered};
    if (which.is_in_time) {
        return try_halves(search, which, chosen, t, err);
    }
    for (which.fold = 0; which.fold < search->n_valid_folds; which.fold++) {
        TM_TRY(try_halves(search, which, chosen, t, err));
    }
    return TM_OK;
}
