/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which candidates answer together, and with what shares.
 *
 * Greedy selection with replacement (Caruana et al. 2004, doi:10.1145/1015330.1015432): starting
 * from the best, add the candidate that lowers the loss of the mean raw answer most, twenty times;
 * a share is how often one was added. Raw answers are those on validation rows, out of fold, so a
 * share rewards what a candidate adds. A blend must pay: below MIN_GAIN of the best one's loss it
 * is not worth its cost at prediction.
 */
#include "train/train_priv.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"

#define STEPS 20u
#define MEMBERS_MAX 4u
#define MIN_GAIN 0.002
#define ROWS_MAX 200000u /* of validation rows times outputs: choosing must stay cheap */

typedef struct mixer {
    tm_search *search;
    uint32_t n_outputs;
    uint64_t n;    /* raw answers of one candidate */
    double *sum;   /* of the raw answers chosen so far */
    double *trial; /* linked answers of a trial */
    uint32_t counts[TM_MAX_CANDIDATES];
} mixer;

/* Of the best candidate: raw answers of another kind do not add up with its. */
static tm_link link_of(const mixer *m) {
    return m->search->candidates[m->search->best].link;
}

/* Loss that selection looks at: smooth ones where there are, whatever decides the search. */
static tm_status loss_of(const mixer *m, const double *pred, double *out, tm_err *err) {
    const tm_search *search = m->search;
    const tm_task task = search->data->task;
    const char *name = task == TM_TASK_REGRESSION ? "rmse"
                       : task == TM_TASK_RANKING  ? "ndcg@10"
                                                  : "logloss";
    const tm_score_input in = {
        .task = search->data->task,
        .n_classes = search->data->n_classes,
        .n_rows = search->n_valid,
        .y = search->valid_y,
        .pred = pred,
        .weights = search->valid_weights,
        .groups = search->valid_queries,
    };
    TM_TRY(tm__metric_score(tm__metric_find(name), &in, out, err));
    *out = task == TM_TASK_RANKING ? 1.0 - *out : *out;
    return TM_OK;
}

/* Loss of the mean of `sum` and, when it is not UINT32_MAX, one more of candidate `index`. */
static tm_status try_mix(mixer *m, uint32_t index, uint32_t n_chosen, double *out, tm_err *err) {
    const double *raw = index != UINT32_MAX ? m->search->candidates[index].raw : NULL;
    const double scale = 1.0 / (double)(n_chosen + (raw != NULL ? 1u : 0u));
    for (uint64_t i = 0; i < m->n; i++) {
        m->trial[i] = (m->sum[i] + (raw != NULL ? raw[i] : 0.0)) * scale;
    }
    tm__model_link(link_of(m), m->n_outputs, m->search->n_valid, m->trial);
    return loss_of(m, m->trial, out, err);
}

static void add(mixer *m, uint32_t index) {
    const double *raw = m->search->candidates[index].raw;
    for (uint64_t i = 0; i < m->n; i++) {
        m->sum[i] += raw[i];
    }
    m->counts[index]++;
}

static uint32_t count_members(const mixer *m) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->search->n_candidates; i++) {
        n += m->counts[i] > 0 ? 1u : 0u;
    }
    return n;
}

static tm_status select_members(mixer *m, double *out_first, double *out_last, tm_err *err) {
    add(m, m->search->best);
    TM_TRY(try_mix(m, UINT32_MAX, 1, out_first, err));
    *out_last = *out_first;
    for (uint32_t step = 1; step < STEPS; step++) {
        uint32_t best = UINT32_MAX;
        double best_loss = INFINITY;
        const bool is_full = count_members(m) >= MEMBERS_MAX;
        for (uint32_t i = 0; i < m->search->n_candidates; i++) {
            double loss = 0.0;
            const tm_candidate *candidate = &m->search->candidates[i];
            if (candidate->raw == NULL || candidate->link != link_of(m) ||
                (is_full && m->counts[i] == 0)) {
                continue;
            }
            TM_TRY(try_mix(m, i, step, &loss, err));
            if (loss < best_loss) {
                best_loss = loss;
                best = i;
            }
        }
        if (best == UINT32_MAX || best_loss >= *out_last) {
            break;
        }
        add(m, best);
        *out_last = best_loss;
    }
    return TM_OK;
}

/* Validation answers of what was chosen, and its score by the deciding metric. */
static tm_status settle(mixer *m, tm_err *err) {
    tm_search *search = m->search;
    uint32_t n_chosen = 0;
    for (uint32_t i = 0; i < search->n_candidates; i++) {
        n_chosen += m->counts[i];
    }
    for (uint32_t i = 0; i < search->n_candidates; i++) {
        search->candidates[i].share = (double)m->counts[i] / (double)n_chosen;
    }
    search->n_blend = count_members(m);
    for (uint64_t i = 0; i < m->n; i++) {
        m->sum[i] /= (double)n_chosen;
    }
    tm__model_link(link_of(m), m->n_outputs, search->n_valid, m->sum);
    tm__mem_free(search->valid_pred);
    search->valid_pred = m->sum;
    m->sum = NULL;
    const tm_score_input in = {
        .task = search->data->task,
        .n_classes = search->data->n_classes,
        .n_rows = search->n_valid,
        .y = search->valid_y,
        .pred = search->valid_pred,
        .weights = search->valid_weights,
        .groups = search->valid_queries,
    };
    return tm__metric_score(search->metric, &in, &search->blend_score, err);
}

static tm_status keep_only_best(mixer *m) {
    const double *raw = m->search->candidates[m->search->best].raw;
    memset(m->counts, 0, sizeof(m->counts));
    m->counts[m->search->best] = 1;
    memcpy(m->sum, raw, m->n * sizeof(double));
    return TM_OK;
}

tm_status tm__blend_choose(tm_search *search, tm_err *err) {
    mixer m = {.search = search, .n_outputs = tm__train_outputs(search->data)};
    double first = 0.0;
    double last = 0.0;
    m.n = search->n_valid * m.n_outputs;
    m.sum = tm__mem_zalloc(m.n, sizeof(double));
    m.trial = tm__mem_alloc(m.n, sizeof(double));
    tm_status st = m.sum == NULL || m.trial == NULL
                       ? TM_FAIL(err, TM_E_NOMEM, "no memory to blend candidates")
                       : TM_OK;
    const bool may_blend = search->options->learners == NULL && m.n <= ROWS_MAX;
    if (st == TM_OK && may_blend) {
        st = select_members(&m, &first, &last, err);
    }
    if (st == TM_OK && (!may_blend || first - last < MIN_GAIN * fabs(first))) {
        st = keep_only_best(&m);
    }
    if (st == TM_OK) {
        st = settle(&m, err);
    }
    tm__mem_free(m.sum);
    tm__mem_free(m.trial);
    return st;
}
