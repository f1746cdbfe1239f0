/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which candidates answer together, and with what shares or weights.
 *
 * A blend must pay where it was not chosen: shares chosen on one half of the validation rows are
 * judged on the other, which neither the members nor the shares saw, and the other way round. Below
 * MIN_GAIN of the best one's loss there, the best answers alone. A blend that pays may get a second
 * layer in place of its shares (train_stack.c).
 */
#include "train/train_mix.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

#define MIN_GAIN 0.001

/* The two halves of the validation rows, and the shares chosen on each. */
typedef struct pair {
    tm_mixer halves[TM_MIX_HALVES];
    tm_mix chosen[TM_MIX_HALVES];
} pair;

static void pair_done(pair *p) {
    tm__mixer_done(&p->halves[0]);
    tm__mixer_done(&p->halves[1]);
}

static tm_status pair_init(pair *p, const tm_search *search, tm_err *err) {
    memset(p, 0, sizeof(*p));
    for (uint32_t h = 0; h < TM_MIX_HALVES; h++) {
        const tm_mix_rows which = {.half = h, .fold = TM_FOLDS_ALL};
        const tm_status st = tm__mixer_init(&p->halves[h], search, which, err);
        if (st != TM_OK) {
            pair_done(p);
            return st;
        }
    }
    return TM_OK;
}

/* Sums of the losses on the half that the shares were not chosen on. */
static tm_status cross_judge(pair *p, double *out_mixed, double *out_single, tm_err *err) {
    const tm_mix single = {.counts = {1}, .n = 1};
    *out_mixed = *out_single = 0.0;
    for (uint32_t h = 0; h < TM_MIX_HALVES; h++) {
        double mixed = 0.0, alone = 0.0;
        TM_TRY(tm__mix_choose(&p->halves[h], &p->chosen[h], err));
        TM_TRY(tm__mix_judge(&p->halves[1 - h], &p->chosen[h], &mixed, err));
        TM_TRY(tm__mix_judge(&p->halves[1 - h], &single, &alone, err));
        *out_mixed += mixed;
        *out_single += alone;
    }
    return TM_OK;
}

/* Shares chosen on all rows; then, maybe, weights in their place. */
static tm_status take_shares(tm_search *search, const pair *p, tm_mixer *all, tm_err *err) {
    tm_mix chosen;
    TM_TRY(tm__mix_choose(all, &chosen, err));
    for (uint32_t k = 0; k < all->n_pool; k++) {
        search->candidates[all->pool[k]].share = (double)chosen.counts[k] / (double)chosen.n;
        search->n_blend += chosen.counts[k] > 0;
    }
    return tm__stack_choose(search, p->halves, p->chosen, all, &chosen, err);
}

/* Shares of a blend that pays, or of the best alone. */
static tm_status choose_shares(tm_search *search, tm_err *err) {
    tm_mixer all;
    pair p = {0};
    double mixed = 0.0, single = 0.0;
    const tm_mix_rows which = {.half = TM_MIX_ALL, .fold = TM_FOLDS_ALL};
    TM_TRY(tm__mixer_init(&all, search, which, err));
    /* The pool begins with the best; halves of few rows, or without any, tell nothing. */
    const bool is_any = all.n_pool > 1 && all.n_rows >= 20;
    tm_status st = is_any ? pair_init(&p, search, err) : TM_OK;
    if (st != TM_OK) {
        tm__mixer_done(&all);
        return st;
    }
    st = is_any ? cross_judge(&p, &mixed, &single, NULL) : TM_OK;
    if (st == TM_E_NOMEM) {
        st = TM_FAIL(err, st, "no memory to blend candidates");
    } else if (is_any && st == TM_OK && single - mixed > MIN_GAIN * fabs(single)) {
        st = take_shares(search, &p, &all, err);
    } else { /* also where halves do not define the loss */
        st = TM_OK;
        search->candidates[search->best].share = 1.0;
        search->n_blend = 1;
    }
    pair_done(&p);
    tm__mixer_done(&all);
    return st;
}

tm_status tm__blend_raw(const tm_search *search, double *out, tm_err *err) {
    const uint64_t n = search->n_valid * tm__train_outputs(search->data);
    for (uint32_t i = 0; i < search->n_candidates; i++) {
        if (search->candidates[i].share > 0.0 && search->candidates[i].raw == NULL) {
            return TM_FAIL(err, TM_E_INTERNAL, "a chosen candidate has no answers");
        }
    }
    if (search->stacking.is_used) {
        tm__stack_raw(search, search->stacking.halves, out);
        return TM_OK;
    }
    memset(out, 0, n * sizeof(double));
    for (uint32_t i = 0; i < search->n_candidates; i++) {
        const tm_candidate *c = &search->candidates[i];
        for (uint64_t k = 0; c->share > 0.0 && k < n; k++) {
            out[k] += c->share * c->raw[k];
        }
    }
    return TM_OK;
}

tm_status tm__blend_score(const tm_search *search, double *raw, double *out, tm_err *err) {
    const tm_link link = search->candidates[search->best].link;
    tm__model_link(link, tm__train_outputs(search->data), search->n_valid, raw);
    const tm_score_input in = {
        .task = search->data->task,
        .n_classes = search->data->n_classes,
        .n_rows = search->n_valid,
        .y = search->valid_y,
        .pred = raw,
        .weights = search->valid_weights,
        .groups = search->valid_queries,
    };
    return tm__metric_score(search->metric, &in, out, err);
}

tm_status tm__blend_settle(tm_search *search, tm_err *err) {
    const uint64_t n_cells = search->n_valid * tm__train_outputs(search->data);
    double *pred = tm__mem_alloc(n_cells, sizeof(double));
    if (pred == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to blend candidates");
    }
    const tm_status st = tm__blend_raw(search, pred, err);
    if (st != TM_OK) {
        tm__mem_free(pred);
        return st;
    }
    tm__mem_free(search->valid_pred);
    search->valid_pred = pred;
    return tm__blend_score(search, pred, &search->blend_score, err);
}

tm_status tm__blend_choose(tm_search *search, tm_err *err) {
    for (uint32_t i = 0; i < search->n_candidates; i++) {
        search->candidates[i].share = 0.0;
    }
    search->n_blend = 0;
    tm__stacking_done(&search->stacking);
    if (search->options->learners == NULL) {
        TM_TRY(choose_shares(search, err));
    } else {
        search->candidates[search->best].share = 1.0;
        search->n_blend = 1;
    }
    return tm__blend_settle(search, err);
}
