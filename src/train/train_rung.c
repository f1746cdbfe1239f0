/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of a rung: a sample of the training rows, its folds with their features, and the truth of
 * all validation rows.
 *
 * Folds are made one by one: the first trial tells what a fold costs, and a budget that has no room
 * for all of them is better spent on more trials of fewer.
 */
#include "train/train_search_priv.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"

void tm__rung_done(tm_rung *rung) {
    for (uint32_t i = 0; i < rung->n_folds; i++) {
        tm__fold_done(&rung->folds[i]);
    }
    tm__mem_free(rung->rows);
    tm__mem_free(rung->y);
    tm__mem_free(rung->weights);
    tm__mem_free(rung->queries);
    memset(rung, 0, sizeof(*rung));
}

static void forget_truth(tm_rung *rung) {
    tm__mem_free(rung->y);
    tm__mem_free(rung->weights);
    tm__mem_free(rung->queries);
    rung->y = rung->weights = NULL;
    rung->queries = NULL;
    rung->n_valid = 0;
}

tm_status tm__rung_pool(tm_rung *rung, tm_err *err) {
    const bool is_weighted = rung->n_folds > 0 && rung->folds[0].weights_valid != NULL;
    const bool is_ranking = rung->n_folds > 0 && rung->folds[0].queries_valid != NULL;
    forget_truth(rung);
    for (uint32_t i = 0; i < rung->n_folds; i++) {
        rung->n_valid += rung->folds[i].n_valid;
    }
    rung->y = tm__mem_alloc(rung->n_valid, sizeof(double));
    rung->weights = is_weighted ? tm__mem_alloc(rung->n_valid, sizeof(double)) : NULL;
    rung->queries = is_ranking ? tm__mem_alloc(rung->n_valid, sizeof(uint32_t)) : NULL;
    if (rung->y == NULL || (is_weighted && rung->weights == NULL) ||
        (is_ranking && rung->queries == NULL)) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the validation rows");
    }
    uint64_t at = 0;
    uint32_t first = 0; /* number of the fold's first query */
    for (uint32_t i = 0; i < rung->n_folds; i++) {
        const tm_fold *fold = &rung->folds[i];
        memcpy(rung->y + at, fold->y_valid, fold->n_valid * sizeof(double));
        if (is_weighted) {
            memcpy(rung->weights + at, fold->weights_valid, fold->n_valid * sizeof(double));
        }
        for (uint64_t k = 0; is_ranking && k < fold->n_valid; k++) {
            rung->queries[at + k] = first + fold->queries_valid[k];
        }
        at += fold->n_valid;
        first = is_ranking && at > 0 ? rung->queries[at - 1] + 1 : 0;
    }
    return TM_OK;
}

/* A pure function of (seed, row), or of the query in its place. */
uint64_t tm__rung_sample(const tm_train_data *data, uint64_t seed, uint64_t n_max, uint32_t *out) {
    const uint64_t key = tm__rng_split(seed, "rung", 0).key;
    const double share = (double)n_max / (double)data->n_train;
    uint64_t n = 0;
    for (uint64_t i = 0; i < data->n_train; i++) {
        const uint32_t row = data->train[i];
        const uint64_t who = data->queries != NULL ? data->queries[row] : row;
        if (share >= 1.0 || (double)(tm__rng_at(key, who) >> 11) * 0x1p-53 < share) {
            out[n++] = row;
        }
    }
    return n;
}

/* One fold more, unless a side of it is empty: few queries or entities do not fill all of many. */
static tm_status add_fold(tm_ctx *ctx, tm_rung *rung, const tm_search *search,
                          const tm_fold_cut *cut, tm_err *err) {
    tm_fold_rows part = {0};
    TM_TRY(tm__fold_rows_init(&part, search->data, rung->rows, rung->n_rows, cut, err));
    const bool is_empty = part.n_fit == 0 || part.n_valid == 0;
    tm_status st = cut->n_folds == 1 ? tm__fold_check(search->data, &part, err) : TM_OK;
    if (st == TM_OK && !is_empty) {
        st = tm__fold_init(ctx, &rung->folds[rung->n_folds], search->data, &part, cut->seed, err);
        rung->n_folds += st == TM_OK;
    }
    tm__fold_rows_done(&part);
    return st;
}

tm_status tm__rung_fill(tm_ctx *ctx, tm_rung *rung, tm_search *search, uint32_t n_folds,
                        tm_err *err) {
    const uint64_t started = tm__mono_ns();
    const uint32_t n_before = rung->n_folds;
    while (rung->n_folds < n_folds && rung->next < rung->n_planned) {
        const tm_fold_cut cut = {
            .n_folds = rung->n_planned, .fold = rung->next++, .seed = search->options->seed};
        TM_TRY(add_fold(ctx, rung, search, &cut, err));
    }
    if (rung->n_folds == 0) { /* all of few queries or entities are in one fold */
        const tm_fold_cut cut = {.n_folds = 1, .seed = search->options->seed};
        TM_TRY(add_fold(ctx, rung, search, &cut, err));
    }
    const double seconds = (double)(tm__mono_ns() - started) * 1e-9;
    search->seconds_features += seconds;
    if (rung->n_folds > n_before) {
        rung->seconds_fold = seconds / (rung->n_folds - n_before);
        const tm_fold *fold = &rung->folds[rung->n_folds - 1];
        search->ns_row_features = rung->seconds_fold * 1e9 / (double)(fold->n + fold->n_valid);
        search->has_terms = tm__program_term_input(fold->program) != UINT32_MAX;
    }
    return tm__rung_pool(rung, err);
}

tm_status tm__rung_init(tm_ctx *ctx, tm_rung *out, tm_search *search, uint64_t n_max, tm_err *err) {
    const tm_train_data *data = search->data;
    memset(out, 0, sizeof(*out));
    out->rows = tm__mem_alloc(data->n_train, sizeof(uint32_t));
    if (out->rows == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a sample of the rows");
    }
    out->n_rows = tm__rung_sample(data, search->options->seed, n_max, out->rows);
    out->n_planned = tm__fold_count(data, out->n_rows * tm__train_outputs(data));
    const tm_status st = tm__rung_fill(ctx, out, search, 1, err);
    if (st != TM_OK) {
        tm__rung_done(out);
    }
    return st;
}

bool tm__rung_is_defined(const tm_rung *rung, const tm_search *search) {
    const uint32_t n_outputs = tm__train_outputs(search->data);
    double *same = tm__mem_alloc(rung->n_valid * n_outputs, sizeof(double));
    double score = 0.0;
    for (uint64_t i = 0; same != NULL && i < rung->n_valid * n_outputs; i++) {
        same[i] = 1.0 / (n_outputs > 1 ? n_outputs : 2);
    }
    const tm_score_input in = {
        .task = search->data->task,
        .n_classes = search->data->n_classes,
        .n_rows = rung->n_valid,
        .y = rung->y,
        .pred = same,
        .weights = rung->weights,
        .groups = rung->queries,
    };
    const bool is_defined =
        same != NULL && tm__metric_score(search->metric, &in, &score, NULL) == TM_OK;
    tm__mem_free(same);
    return is_defined;
}

void tm__rung_take_truth(tm_rung *rung, tm_search *search) {
    tm__mem_free(search->valid_y);
    tm__mem_free(search->valid_weights);
    tm__mem_free(search->valid_queries);
    search->valid_y = rung->y;
    search->valid_weights = rung->weights;
    search->valid_queries = rung->queries;
    search->n_valid = rung->n_valid;
    search->n_valid_folds = rung->n_folds;
    uint64_t end = 0;
    for (uint32_t i = 0; i < rung->n_folds; i++) {
        end += rung->folds[i].n_valid;
        search->valid_ends[i] = end;
    }
    rung->y = rung->weights = NULL;
    rung->queries = NULL;
}
