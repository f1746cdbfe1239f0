/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Greedy selection with replacement (Caruana et al. 2004, doi:10.1145/1015330.1015432): starting
 * from the best, add the candidate that lowers the loss of the mean raw answer most, STEPS times; a
 * share is how often one was added. Raw answers are those on validation rows, out of fold, so a
 * share rewards what a candidate adds. Members may not cost more together than the options allow.
 */
#include "train/train_mix.h"

#include <string.h>

#include "base/mem.h"

#define STEPS 25u
#define MEMBERS_MAX 8u
#define CELLS_MAX 60000u /* of validation rows times outputs */

void tm__mixer_done(tm_mixer *m) {
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
        for (uint32_t k = 0; k < n_all && n < TM_MIX_POOL; k++) {
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

/* What is not cut apart: a row, or a query. */
static uint64_t unit_of(const tm_search *search, uint64_t row) {
    return search->valid_queries != NULL ? search->valid_queries[row] : row;
}

static uint64_t stride_of(const tm_search *search) {
    return 1 + search->n_valid * tm__train_outputs(search->data) / CELLS_MAX;
}

uint32_t tm__mix_half(const tm_search *search, uint64_t row) {
    return (uint32_t)(unit_of(search, row) / stride_of(search) % 2);
}

static uint32_t half_in_time(const tm_search *search, uint64_t row) {
    return (uint32_t)(2 * unit_of(search, row) / (unit_of(search, search->n_valid - 1) + 1));
}

static bool is_row_of(const tm_search *search, tm_mix_rows which, uint64_t row) {
    uint32_t fold = 0;
    const uint32_t half = which.is_in_time ? half_in_time(search, row) : tm__mix_half(search, row);
    while (fold + 1 < search->n_valid_folds && row >= search->valid_ends[fold]) {
        fold++;
    }
    return unit_of(search, row) % stride_of(search) == 0 &&
           (which.half == TM_MIX_ALL || which.half == half) &&
           (which.fold == TM_FOLDS_ALL || which.fold == fold);
}

tm_status tm__mixer_init(tm_mixer *m, const tm_search *search, tm_mix_rows which, tm_err *err) {
    memset(m, 0, sizeof(*m));
    m->search = search;
    m->n_outputs = tm__train_outputs(search->data);
    m->n_pool = choose_pool(search, m->pool);
    const uint64_t n = search->n_valid;
    uint64_t n_rows = 0;
    for (uint64_t i = 0; i < n; i++) {
        n_rows += is_row_of(search, which, i);
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
        tm__mixer_done(m);
        return TM_FAIL(err, TM_E_NOMEM, "no memory to blend candidates");
    }
    for (uint64_t i = 0; i < n; i++) {
        if (!is_row_of(search, which, i)) {
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
static tm_status loss_of(const tm_mixer *m, double *out, tm_err *err) {
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
static tm_status try_mix(tm_mixer *m, uint32_t more, uint32_t n, double *out, tm_err *err) {
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

static void add(tm_mixer *m, tm_mix *chosen, uint32_t k) {
    const uint64_t n_cells = m->n_rows * m->n_outputs;
    for (uint64_t i = 0; i < n_cells; i++) {
        m->sum[i] += m->raw[k][i];
    }
    chosen->counts[k]++;
    chosen->n++;
}

/* Whether a candidate that is not chosen yet may be: members are few, and cheap together. */
static bool may_join(const tm_mixer *m, const tm_mix *chosen, uint32_t k) {
    const tm_search *search = m->search;
    const tm_cost_shape shape = tm__cost_shape(search->data);
    tm_cost sum = tm__cost_of_row(search);
    uint32_t n_members = 1;
    for (uint32_t i = 0; i < m->n_pool; i++) {
        if (i == k || chosen->counts[i] > 0) {
            const tm_candidate *c = &search->candidates[m->pool[i]];
            tm__cost_add(&sum, tm__cost_of(c, shape, tm__cost_refit_rounds(c)));
            n_members += i != k;
        }
    }
    return chosen->counts[k] > 0 ||
           (n_members <= MEMBERS_MAX && tm__cost_fits(search->options, &sum));
}

tm_status tm__mix_choose(tm_mixer *m, tm_mix *out, tm_err *err) {
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

tm_status tm__mix_judge(tm_mixer *m, const tm_mix *chosen, double *out, tm_err *err) {
    tm_mix again = {0};
    memset(m->sum, 0, m->n_rows * m->n_outputs * sizeof(double));
    for (uint32_t k = 0; k < m->n_pool; k++) {
        for (uint32_t i = 0; i < chosen->counts[k]; i++) {
            add(m, &again, k);
        }
    }
    return try_mix(m, UINT32_MAX, again.n, out, err);
}
