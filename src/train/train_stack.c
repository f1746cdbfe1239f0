/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a second layer answers in place of a blend's shares.
 *
 *   halves of the validation rows -> shares and second layer chosen on one -> judged on the other,
 *   which neither saw, and the other way round -> again within each fold -> fitted on all
 *
 * Invariants:
 *   1. No row is judged, nor answered in what validation reports, by weights that were fitted on
 *      it, or by a strength of the ridge that was chosen on it.
 *   2. The blend is judged after a scale and a bias of its own where classes are answered, since
 *      calibration would give it these anyway.
 *   3. The leak test: answers of all folds together can tell of the targets of a row's own fold (a
 *      fold with more positives is one that its models, which learned from the others, saw fewer
 *      of). Within a fold its models are fixed and none of its rows was learned from, so a gain
 *      there is real; one that is not there as well is not believed. In time order rows next to
 *      each other are alike: a gain has to be there from the earlier half to the later, too.
 */
#include "train/train_stack_trial.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "model/blend/blend.h"

#define ROWS_MIN 1000u /* of validation rows; fewer do not tell weights apart */
#define MIN_GAIN 0.001
#define SURE 1.0     /* standard errors */
#define IN_FOLDS 0.5 /* of the gain, that has to be there within folds */

/* ---- members and their weights ---- */

void tm__stacking_done(tm_stacking *self) {
    tm__stack_done(&self->whole);
    tm__stack_done(&self->halves[0]);
    tm__stack_done(&self->halves[1]);
    memset(self, 0, sizeof(*self));
}

void tm__stack_raw(const tm_search *search, const tm_stack halves[TM_MIX_HALVES], double *out) {
    const uint32_t k = tm__train_outputs(search->data);
    for (uint64_t i = 0; i < search->n_valid; i++) {
        const tm_stack *stack = &halves[1 - tm__mix_half(search, i)];
        for (uint32_t c = 0; c < k; c++) {
            double sum = stack->bias[c];
            for (uint32_t m = 0; m < stack->n; m++) {
                sum += stack->weights[m * k + c] *
                       search->candidates[stack->candidates[m]].raw[i * k + c];
            }
            out[i * k + c] = sum;
        }
    }
}

/* Score that decides the search, of answers to each half by what was fitted on the other. */
static tm_status cross_score(const tm_search *search, const tm_stack halves[TM_MIX_HALVES],
                             double *out, tm_err *err) {
    double *pred = tm__mem_alloc(search->n_valid * tm__train_outputs(search->data), sizeof(double));
    if (pred == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a stack");
    }
    tm__stack_raw(search, halves, pred);
    const tm_status st = tm__blend_score(search, pred, out, err);
    tm__mem_free(pred);
    return st;
}

/* ---- the verdict ---- */

static double sum_of(const tm_stack_trial *t, uint32_t which, uint64_t from, uint64_t end) {
    double sum = 0.0;
    for (uint64_t i = from; i < end; i++) {
        sum += t->losses[which][i];
    }
    return sum;
}

static uint32_t best_strength(const tm_stack_trial *t, uint64_t from, uint64_t end) {
    uint32_t best = 0;
    for (uint32_t g = 1; g < TM_STACK_STRENGTHS; g++) {
        if (sum_of(t, TM_LOSS_STACKED + g, from, end) <
            sum_of(t, TM_LOSS_STACKED + best, from, end)) {
            best = g;
        }
    }
    return best;
}

/* Share of the blend's loss that is saved, and its standard error; of rows judged by what was
 * fitted on half h, the strength is picks[h]. */
static double gain_of(const tm_stack_trial *t, const uint32_t picks[TM_MIX_HALVES],
                      double *out_error) {
    const bool is_scaled = sum_of(t, TM_LOSS_SCALED, 0, t->n) < sum_of(t, TM_LOSS_MIXED, 0, t->n);
    const double *blend = t->losses[is_scaled ? TM_LOSS_SCALED : TM_LOSS_MIXED];
    double all = 0.0, sum = 0.0, squares = 0.0;
    for (uint64_t i = 0; i < t->n; i++) {
        const uint32_t pick = picks[i < t->ends[0] ? 0 : 1];
        const double saved = blend[i] - t->losses[TM_LOSS_STACKED + pick][i];
        all += blend[i];
        sum += saved;
        squares += saved * saved;
    }
    const double n = (double)t->n;
    if (!(all > 0.0)) {
        *out_error = 0.0;
        return 0.0;
    }
    *out_error = tm__sqrt(fmax(squares - sum * sum / n, 0.0)) / all;
    return sum / all;
}

/* What members cost together with the weights of the second layer. */
static bool is_affordable(const tm_search *search, const tm_stack *stack) {
    const tm_cost_shape shape = tm__cost_shape(search->data);
    tm_cost sum = tm__cost_of_row(search);
    tm__cost_add(&sum, tm__cost_of_stack(stack->n, shape.n_outputs));
    for (uint32_t m = 0; m < stack->n; m++) {
        const tm_candidate *c = &search->candidates[stack->candidates[m]];
        tm__cost_add(&sum, tm__cost_of(c, shape, tm__cost_refit_rounds(c)));
    }
    return tm__cost_fits(search->options, &sum);
}

/* Members without any weight go; whether there are two at least, with weights that a file takes. */
static bool tidy(tm_stack *stack, uint32_t k) {
    uint32_t n = 0;
    bool is_small = true;
    for (uint32_t m = 0; m < stack->n; m++) {
        double most = 0.0;
        for (uint32_t c = 0; c < k; c++) {
            most = fmax(most, stack->weights[m * k + c]);
        }
        if (most > 0.0) {
            stack->candidates[n] = stack->candidates[m];
            memmove(stack->weights + n * k, stack->weights + m * k, k * sizeof(double));
            n++;
        }
    }
    stack->n = n;
    for (uint32_t c = 0; c < k; c++) {
        double sum = 0.0;
        for (uint32_t m = 0; m < n; m++) {
            sum += stack->weights[m * k + c];
        }
        is_small =
            is_small && sum <= TM_STACK_SUM_MAX && fabs(stack->bias[c]) <= TM_MODEL_SCORE_MAX;
    }
    return n > 1 && is_small;
}

/* Shares in its place, for the order of refits and for people. */
static void take_shares(tm_search *search) {
    const tm_stack *stack = &search->stacking.whole;
    const uint32_t k = tm__train_outputs(search->data);
    double total = 0.0;
    for (uint32_t i = 0; i < search->n_candidates; i++) {
        search->candidates[i].share = 0.0;
    }
    for (uint32_t i = 0; i < stack->n * k; i++) {
        total += stack->weights[i];
    }
    for (uint32_t i = 0; i < stack->n * k; i++) {
        search->candidates[stack->candidates[i / k]].share += stack->weights[i] / total;
    }
    search->n_blend = stack->n;
}

/* Of a squared error twice as much, so that it is the same of its root. */
static double least_gain(const tm_search *search) {
    return (search->data->task == TM_TASK_REGRESSION ? 2.0 : 1.0) * MIN_GAIN;
}

/* What the halves say; NULL where the second layer pays so far. */
static const char *judge_halves(tm_search *search, const tm_stack_trial *t, double blend_score,
                                const uint32_t picks[TM_MIX_HALVES]) {
    tm_stacking *s = &search->stacking;
    double error = 0.0;
    s->gain = gain_of(t, picks, &error);
    s->blend_score = blend_score;
    if (!(s->gain >= least_gain(search))) {
        return "it gains too little on rows that it was not fitted on";
    }
    if (!(s->gain > SURE * error)) {
        return "what it gains may be chance";
    }
    return tm__metric_gain(search->metric, s->score, blend_score) > 0.0
               ? NULL
               : "it does not raise the score that decides";
}

/* The leak test, and what it found: NULL where its gain holds within folds. */
static tm_status judge_folds(tm_search *search, const tm_mix chosen[TM_MIX_HALVES], uint32_t pick,
                             const char **out, tm_err *err) {
    tm_stack_trial t;
    const uint32_t picks[] = {pick, pick};
    double error = 0.0;
    *out = NULL;
    search->stacking.gain_in_folds = tm__nan();
    const bool is_in_time = search->data->is_time_ordered;
    if (search->n_valid_folds < 2 && !is_in_time) {
        return TM_OK; /* the halves were of one fold */
    }
    TM_TRY(tm__stack_trial_init(&t, search->n_valid, err));
    const tm_status st = tm__stack_try_folds(search, chosen, &t, err);
    if (st == TM_OK) {
        search->stacking.gain_in_folds = gain_of(&t, picks, &error);
        const double wanted = fmax(least_gain(search), IN_FOLDS * search->stacking.gain);
        *out = search->stacking.gain_in_folds >= wanted ? NULL
               : is_in_time ? "what it gains over all rows is not gained from earlier to later ones"
                            : "what it gains over all folds is not gained within them";
    }
    tm__stack_trial_done(&t);
    return st;
}

/* Fit on all rows what was judged, and put it in the place of the shares. */
static tm_status settle(tm_search *search, const tm_mixer *all, const tm_mix *chosen, uint32_t pick,
                        tm_err *err) {
    tm_stacking *s = &search->stacking;
    TM_TRY(tm__stack_of(all, chosen, &s->whole, err));
    const tm_stack_rows rows = tm__stack_rows_of(all, &s->whole);
    TM_TRY(tm__stack_fit(&rows, tm__stack_strength[pick], s->whole.weights, s->whole.bias, err));
    s->strength = tm__stack_strength[pick];
    if (!tidy(&s->whole, all->n_outputs)) {
        s->reason = "its weights leave one member, or are too large";
    } else if (!is_affordable(search, &s->whole)) {
        s->reason = "its weights find no room within what answers may cost";
    } else {
        s->is_used = true;
        s->reason = "it pays on rows that neither members nor weights saw";
        take_shares(search);
    }
    return TM_OK;
}

static uint32_t count_members(const tm_mix *mix) {
    uint32_t n = 0;
    for (uint32_t p = 0; p < TM_MIX_POOL; p++) {
        n += mix->counts[p] > 0;
    }
    return n;
}

/* Both halves with every strength: losses, what was fitted with the strength that the other half
 * chose, and the scores of both. */
static tm_status try_halves(tm_search *search, const tm_mixer halves[TM_MIX_HALVES],
                            const tm_mix chosen[TM_MIX_HALVES], tm_stack_trial *t,
                            uint32_t picks[TM_MIX_HALVES], double *out_blend_score, tm_err *err) {
    tm_stack made[TM_MIX_HALVES][TM_STACK_STRENGTHS] = {0}, plain[TM_MIX_HALVES] = {0};
    tm_stacking *s = &search->stacking;
    tm_status st = TM_OK;
    for (uint32_t h = 0; st == TM_OK && h < TM_MIX_HALVES; h++) {
        st = tm__stack_try_pair(&halves[h], &halves[1 - h], &chosen[h], t, made[h], err);
        t->ends[h] = t->n;
        if (st == TM_OK) {
            st = tm__stack_of(&halves[h], &chosen[h], &plain[h], err);
        }
    }
    if (st == TM_OK) {
        /* Half 0 was judged by what was fitted on half 1: rows from ends[0] on. */
        picks[0] = best_strength(t, t->ends[0], t->n);
        picks[1] = best_strength(t, 0, t->ends[0]);
        for (uint32_t h = 0; h < TM_MIX_HALVES; h++) {
            s->halves[h] = made[h][picks[h]];
            made[h][picks[h]] = (tm_stack){0};
        }
        st = cross_score(search, s->halves, &s->score, err);
    }
    if (st == TM_OK) {
        st = cross_score(search, plain, out_blend_score, err);
    }
    for (uint32_t h = 0; h < TM_MIX_HALVES; h++) {
        for (uint32_t g = 0; g < TM_STACK_STRENGTHS; g++) {
            tm__stack_done(&made[h][g]);
        }
        tm__stack_done(&plain[h]);
    }
    return st;
}

static bool can_stack(const tm_search *search, const tm_mixer *all, const tm_mix *chosen_of_all) {
    return search->options->init_score == NULL && search->data->task != TM_TASK_RANKING &&
           all->n_rows >= ROWS_MIN && count_members(chosen_of_all) > 1 &&
           tm__stack_knows(search->candidates[search->best].link);
}

tm_status tm__stack_choose(tm_search *search, const tm_mixer halves[TM_MIX_HALVES],
                           const tm_mix chosen[TM_MIX_HALVES], const tm_mixer *all,
                           const tm_mix *chosen_of_all, tm_err *err) {
    tm_stacking *s = &search->stacking;
    tm_stack_trial t;
    uint32_t picks[TM_MIX_HALVES] = {0};
    double blend_score = 0.0;
    s->gain_in_folds = tm__nan();
    if (!can_stack(search, all, chosen_of_all)) {
        return TM_OK;
    }
    TM_TRY(tm__stack_trial_init(&t, all->n_rows, err));
    tm_status st = try_halves(search, halves, chosen, &t, picks, &blend_score, err);
    if (st == TM_OK) {
        const uint32_t pick = best_strength(&t, 0, t.n);
        s->reason = judge_halves(search, &t, blend_score, picks);
        if (s->reason == NULL) {
            st = judge_folds(search, chosen, pick, &s->reason, err);
        }
        if (st == TM_OK && s->reason == NULL) {
            st = settle(search, all, chosen_of_all, pick, err);
        }
    }
    tm__stack_trial_done(&t);
    return st;
}
