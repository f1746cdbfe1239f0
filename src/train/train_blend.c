/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which candidates answer together, and with what shares.
 *
 * Greedy selection with replacement (Caruana et al. 2004, doi:10.1145/1015330.1015432): starting
 * from the best, add the candidate that lowers the loss of the mean raw answer most, STEPS times; a
 * share is how often one was added. Raw answers are those on validation rows, out of fold, so a
 * share rewards what a candidate adds. Members may not cost more together than the options allow.
 *
 * A blend must pay where it was not chosen: shares chosen on one half of the validation rows are
 * judged on the other, which neither the members nor the shares saw, and the other way round. Below
 * MIN_GAIN of the best one's loss there, the best answers alone.
 */
#include "train/train_search_priv.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"

#define STEPS 25u
#define MEMBERS_MAX 8u
#define POOL_MAX 12u
#define MIN_GAIN 0.001
#define CELLS_MAX 60000u /* of validation rows times outputs: choosing must stay cheap */

/* Validation rows to choose or to judge on, and raw answers on them. */
typedef struct mixer {
    const tm_search *search;
    uint32_t n_outputs;
    uint64_t n_rows;
    double *y, *weights;
    uint32_t *queries;
    uint32_t pool[POOL_MAX]; /* candidates, the best first */
    uint32_t n_pool;
    double *raw[POOL_MAX];
    double *sum;   /* of the raw answers chosen so far */
    double *trial; /* linked answers of a trial */
} mixer;

/* How often each of the pool was chosen. */
typedef struct mix {
    uint32_t counts[POOL_MAX];
    uint32_t n;
} mix;

typedef enum part { PART_ALL, PART_EVEN, PART_ODD } part;

static void mixer_done(mixer *m) {
    for (uint32_t k = 0; k < m->n_pool; k++) {
        tm__mem_free(m->raw[k]);
    }
    tm__mem_free(m->y);
    tm__mem_free(m->weights);
    tm__mem_free(m->queries);
    tm__mem_free(m->sum);
    tm__mem_free(m->trial);
}

/* The best few with raw answers of the best one's kind: others do not add up with its. The best of
 * each learner is always one of them. */
static uint32_t choose_pool(const tm_search *search, uint32_t *out) {
    uint32_t order[TM_MAX_CANDIDATES];
    uint32_t n = 0;
    const uint32_t n_all = tm__search_rank(search, order, TM_MAX_CANDIDATES);
    const tm_link link = search->candidates[search->best].link;
    for (uint32_t pass = 0; pass < 2; pass++) {
        for (uint32_t k = 0; k < n_all && n < POOL_MAX; k++) {
            const tm_candidate *c = &search->candidates[order[k]];
            bool is_in = c->raw == NULL || c->link != link;
            bool is_first = true;
            for (uint32_t i = 0; i < k; i++) {
                is_first = is_first && search->candidates[order[i]].ops != c->ops;
            }
            for (uint32_t i = 0; i < n; i++) {
                is_in = is_in || out[i] == order[k];
            }
            if (!is_in && (pass == 1 || is_first)) {
                out[n++] = order[k];
            }
        }
    }
    return n;
}

static bool is_row_of(const tm_search *search, part which, uint64_t stride, uint64_t row) {
    const uint64_t unit = search->valid_queries != NULL ? search->valid_queries[row] : row;
    return unit % stride == 0 &&
           (which == PART_ALL || (unit / stride) % 2 == (which == PART_ODD ? 1u : 0u));
}

static tm_status mixer_init(mixer *m, const tm_search *search, part which, tm_err *err) {
    memset(m, 0, sizeof(*m));
    m->search = search;
    m->n_outputs = tm__train_outputs(search->data);
    m->n_pool = choose_pool(search, m->pool);
    const uint64_t n = search->n_valid;
    const uint64_t stride = 1 + n * m->n_outputs / CELLS_MAX;
    uint64_t n_rows = 0;
    for (uint64_t i = 0; i < n; i++) {
        n_rows += is_row_of(search, which, stride, i);
    }
    const uint64_t n_cells = n_rows * m->n_outputs;
    m->y = tm__mem_alloc(n_rows, sizeof(double));
    m->weights = search->valid_weights != NULL ? tm__mem_alloc(n_rows, sizeof(double)) : NULL;
    m->queries = search->valid_queries != NULL ? tm__mem_alloc(n_rows, sizeof(uint32_t)) : NULL;
    m->sum = tm__mem_alloc(n_cells, sizeof(double));
    m->trial = tm__mem_alloc(n_cells, sizeof(double));
    bool is_made = m->y != NULL && m->sum != NULL && m->trial != NULL &&
                   (search->valid_weights == NULL || m->weights != NULL) &&
                   (search->valid_queries == NULL || m->queries != NULL);
    for (uint32_t k = 0; k < m->n_pool; k++) {
        m->raw[k] = tm__mem_alloc(n_cells, sizeof(double));
        is_made = is_made && m->raw[k] != NULL;
    }
    if (!is_made) {
        mixer_done(m);
        return TM_FAIL(err, TM_E_NOMEM, "no memory to blend candidates");
    }
    for (uint64_t i = 0; i < n; i++) {
        if (!is_row_of(search, which, stride, i)) {
            continue;
        }
        const uint64_t at = m->n_rows++;
        m->y[at] = search->valid_y[i];
        if (m->weights != NULL) {
            m->weights[at] = search->valid_weights[i];
        }
        if (m->queries != NULL) {
            m->queries[at] = search->valid_queries[i];
        }
        for (uint32_t k = 0; k < m->n_pool; k++) {
            memcpy(m->raw[k] + at * m->n_outputs,
                   search->candidates[m->pool[k]].raw + i * m->n_outputs,
                   m->n_outputs * sizeof(double));
        }
    }
    return TM_OK;
}

/* Loss that selection looks at: smooth ones where there are, whatever decides the search. */
static tm_status loss_of(const mixer *m, double *out, tm_err *err) {
    const tm_task task = m->search->data->task;
    const char *name = task == TM_TASK_REGRESSION ? "rmse"
                       : task == TM_TASK_RANKING  ? "ndcg@10"
                                                  : "logloss";
    const tm_score_input in = {
        .task = task,
        .n_classes = m->search->data->n_classes,
        .n_rows = m->n_rows,
        .y = m->y,
        .pred = m->trial,
        .weights = m->weights,
        .groups = m->queries,
    };
    TM_TRY(tm__metric_score(tm__metric_find(name), &in, out, err));
    *out = task == TM_TASK_RANKING ? 1.0 - *out : *out;
    return TM_OK;
}

/* Loss of the mean of `sum`, of n answers, and, when it is not UINT32_MAX, one more. */
static tm_status try_mix(mixer *m, uint32_t more, uint32_t n, double *out, tm_err *err) {
    const double *raw = more != UINT32_MAX ? m->raw[more] : NULL;
    const double scale = 1.0 / (double)(n + (raw != NULL ? 1u : 0u));
    const uint64_t n_cells = m->n_rows * m->n_outputs;
    for (uint64_t i = 0; i < n_cells; i++) {
        m->trial[i] = (m->sum[i] + (raw != NULL ? raw[i] : 0.0)) * scale;
    }
    const tm_link link = m->search->candidates[m->search->best].link;
    tm__model_link(link, m->n_outputs, m->n_rows, m->trial);
    return loss_of(m, out, err);
}

static void add(mixer *m, mix *chosen, uint32_t k) {
    const uint64_t n_cells = m->n_rows * m->n_outputs;
    for (uint64_t i = 0; i < n_cells; i++) {
        m->sum[i] += m->raw[k][i];
    }
    chosen->counts[k]++;
    chosen->n++;
}

/* Whether a candidate that is not chosen yet may be: members are few, and cheap together. */
static bool may_join(const mixer *m, const mix *chosen, uint32_t k) {
    const tm_search *search = m->search;
    const tm_cost limit = tm__cost_limit(search->options);
    tm_cost sum = {0};
    uint32_t n_members = 1;
    for (uint32_t i = 0; i < m->n_pool; i++) {
        if (i == k || chosen->counts[i] > 0) {
            const tm_candidate *c = &search->candidates[m->pool[i]];
            const tm_cost one = tm__cost_of(c, m->n_outputs, tm__cost_refit_rounds(c));
            sum.us += one.us;
            sum.bytes += one.bytes;
            n_members += i != k;
        }
    }
    return chosen->counts[k] > 0 ||
           (n_members <= MEMBERS_MAX && sum.us <= limit.us && sum.bytes <= limit.bytes);
}

static tm_status choose(mixer *m, mix *out, tm_err *err) {
    double last = 0.0;
    memset(out, 0, sizeof(*out));
    memset(m->sum, 0, m->n_rows * m->n_outputs * sizeof(double));
    add(m, out, 0);
    TM_TRY(try_mix(m, UINT32_MAX, 1, &last, err));
    while (out->n < STEPS) {
        uint32_t best = UINT32_MAX;
        double best_loss = last;
        for (uint32_t k = 0; k < m->n_pool; k++) {
            double loss = 0.0;
            if (!may_join(m, out, k)) {
                continue;
            }
            TM_TRY(try_mix(m, k, out->n, &loss, err));
            if (loss < best_loss) {
                best_loss = loss;
                best = k;
            }
        }
        if (best == UINT32_MAX) {
            break;
        }
        add(m, out, best);
        last = best_loss;
    }
    return TM_OK;
}

static tm_status judge(mixer *m, const mix *chosen, double *out, tm_err *err) {
    mix again = {0};
    memset(m->sum, 0, m->n_rows * m->n_outputs * sizeof(double));
    for (uint32_t k = 0; k < m->n_pool; k++) {
        for (uint32_t i = 0; i < chosen->counts[k]; i++) {
            add(m, &again, k);
        }
    }
    return try_mix(m, UINT32_MAX, again.n, out, err);
}

/* Sums of the losses on the half that the shares were not chosen on. */
static tm_status cross_judge(const tm_search *search, double *out_mixed, double *out_single,
                             tm_err *err) {
    const mix single = {.counts = {1}, .n = 1};
    mixer halves[2];
    TM_TRY(mixer_init(&halves[0], search, PART_EVEN, err));
    tm_status st = mixer_init(&halves[1], search, PART_ODD, err);
    if (st != TM_OK) {
        mixer_done(&halves[0]);
        return st;
    }
    *out_mixed = *out_single = 0.0;
    for (uint32_t i = 0; st == TM_OK && i < 2; i++) {
        mix chosen;
        double mixed = 0.0, alone = 0.0;
        st = choose(&halves[i], &chosen, err);
        if (st == TM_OK) {
            st = judge(&halves[1 - i], &chosen, &mixed, err);
        }
        if (st == TM_OK) {
            st = judge(&halves[1 - i], &single, &alone, err);
        }
        *out_mixed += mixed;
        *out_single += alone;
    }
    mixer_done(&halves[0]);
    mixer_done(&halves[1]);
    return st;
}

/* Shares of a blend that pays, or of the best alone. */
static tm_status choose_shares(tm_search *search, tm_err *err) {
    mixer m;
    mix chosen = {0};
    double mixed = 0.0, single = 0.0;
    TM_TRY(mixer_init(&m, search, PART_ALL, err));
    /* The pool begins with the best; halves of few rows, or without any, tell nothing. */
    const bool is_any = m.n_pool > 1 && m.n_rows >= 20;
    tm_status st = is_any ? cross_judge(search, &mixed, &single, NULL) : TM_OK;
    if (st == TM_E_NOMEM) {
        mixer_done(&m);
        return TM_FAIL(err, st, "no memory to blend candidates");
    }
    const bool pays = is_any && st == TM_OK && single - mixed > MIN_GAIN * fabs(single);
    st = pays ? choose(&m, &chosen, err) : TM_OK;
    if (st == TM_OK && !pays) {
        search->candidates[search->best].share = 1.0;
        search->n_blend = 1;
    }
    for (uint32_t k = 0; st == TM_OK && pays && k < m.n_pool; k++) {
        search->candidates[m.pool[k]].share = (double)chosen.counts[k] / (double)chosen.n;
        search->n_blend += chosen.counts[k] > 0;
    }
    mixer_done(&m);
    return st;
}

tm_status tm__blend_settle(tm_search *search, tm_err *err) {
    const uint32_t n_outputs = tm__train_outputs(search->data);
    const uint64_t n_cells = search->n_valid * n_outputs;
    double *pred = tm__mem_zalloc(n_cells, sizeof(double));
    if (pred == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to blend candidates");
    }
    for (uint32_t i = 0; i < search->n_candidates; i++) {
        const tm_candidate *c = &search->candidates[i];
        for (uint64_t k = 0; c->share > 0.0 && k < n_cells; k++) {
            pred[k] += c->share * c->raw[k];
        }
    }
    tm__model_link(search->candidates[search->best].link, n_outputs, search->n_valid, pred);
    tm__mem_free(search->valid_pred);
    search->valid_pred = pred;
    const tm_score_input in = {
        .task = search->data->task,
        .n_classes = search->data->n_classes,
        .n_rows = search->n_valid,
        .y = search->valid_y,
        .pred = pred,
        .weights = search->valid_weights,
        .groups = search->valid_queries,
    };
    return tm__metric_score(search->metric, &in, &search->blend_score, err);
}

tm_status tm__blend_choose(tm_search *search, tm_err *err) {
    for (uint32_t i = 0; i < search->n_candidates; i++) {
        search->candidates[i].share = 0.0;
    }
    search->n_blend = 0;
    if (search->options->learners == NULL) {
        TM_TRY(choose_shares(search, err));
    } else {
        search->candidates[search->best].share = 1.0;
        search->n_blend = 1;
    }
    return tm__blend_settle(search, err);
}
