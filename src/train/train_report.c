/* SPDX-License-Identifier: Apache-2.0 */
/* What a run found, for people and programs: columns that matter, columns that give the target
 * away. */
#include "train/train_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/comm.h"
#include "base/fmath.h"
#include "base/mem.h"
#include "base/rng.h"

#define LEAK_ROWS 20000u
#define LEAK_SCORE 0.98

/* How well one input column alone tells the target, by a few small trees: AUC, accuracy or r2. */
typedef struct leak_probe {
    const tm_model_ops *ops;
    tm_params params;
    tm_fit_input in;
    tm_view fit, valid;
    const double *cols[64];
    const double *cols_valid[64];
    tm_feature features[64];
} leak_probe;

static tm_status probe_column(tm_ctx *ctx, const tm_train_data *data, leak_probe *probe,
                              const tm_fold *fold, uint32_t input, double *out_score, tm_err *err) {
    const tm_view *x = tm__matrix_view(fold->x);
    const tm_view *x_valid = tm__matrix_view(fold->x_valid);
    uint32_t n = 0;
    *out_score = 0.0;
    for (uint32_t c = 0; c < x->n_cols && n < 64; c++) {
        if (x->features[c].input == input) {
            probe->cols[n] = x->cols[c];
            probe->cols_valid[n] = x_valid->cols[c];
            probe->features[n++] = x->features[c];
        }
    }
    if (n == 0) {
        return TM_OK;
    }
    probe->fit = (tm_view){
        .n_rows = x->n_rows, .n_cols = n, .cols = probe->cols, .features = probe->features};
    probe->valid = (tm_view){.n_rows = x_valid->n_rows,
                             .n_cols = n,
                             .cols = probe->cols_valid,
                             .features = probe->features};
    tm_model *model = NULL;
    double *pred = tm__mem_alloc(fold->n_valid * tm__train_outputs(data), sizeof(double));
    tm_status st = pred == NULL
                       ? TM_FAIL(err, TM_E_NOMEM, "no memory to look for leaks")
                       : tm__model_fit(ctx, probe->ops, &probe->in, &probe->params, &model, err);
    if (st == TM_OK) {
        st = tm__model_predict(ctx, model, &probe->valid, pred, err);
    }
    if (st == TM_OK) {
        const char *name = probe->in.task == TM_TASK_BINARY       ? "auc"
                           : probe->in.task == TM_TASK_MULTICLASS ? "accuracy"
                                                                  : "r2";
        tm__model_link(tm__model_link_of(model), model->n_outputs, fold->n_valid, pred);
        const tm_score_input in = {.task = probe->in.task,
                                   .n_classes = data->n_classes,
                                   .n_rows = fold->n_valid,
                                   .y = fold->y_valid,
                                   .pred = pred,
                                   .weights = fold->weights_valid};
        tm_err ignored = {0};
        st = tm__metric_score(tm__metric_find(name), &in, out_score, &ignored);
        if (st == TM_E_DATA) { /* all of its rows are of one class: nothing gives that away */
            *out_score = 0.0;
            st = TM_OK;
        } else if (st != TM_OK && err != NULL) {
            *err = ignored;
        }
    }
    tm__model_free(model);
    tm__mem_free(pred);
    return st;
}

/* Each rank fits every p-th column, with all rows; all fit all where a checkpoint numbers fits. */
static tm_status probe_columns(tm_ctx *ctx, const tm_train_data *data, leak_probe *probe,
                               const tm_fold *fold, double *scores, tm_err *err) {
    struct tm_comm *const comm = ctx->comm;
    const bool is_dealt = ctx->checkpoint == NULL;
    const uint32_t n_ranks = is_dealt ? tm__comm_ranks(comm) : 1;
    const uint32_t n = tm__program_schema(fold->program)->n_cols;
    tm_status st = TM_OK;
    ctx->comm = is_dealt ? NULL : comm;
    for (uint32_t i = is_dealt ? tm__comm_rank(comm) : 0; st == TM_OK && i < n; i += n_ranks) {
        st = probe_column(ctx, data, probe, fold, i, &scores[i], err);
    }
    ctx->comm = comm;
    TM_TRY(tm__comm_check(comm, st, err));
    for (uint32_t i = 0; is_dealt && i < n; i++) {
        tm__comm_spread_from(comm, i % n_ranks, &scores[i], sizeof(scores[i]));
    }
    return tm__comm_status(comm, err);
}

static tm_status probe_all(tm_ctx *ctx, const tm_train_data *data, const tm_fold *fold,
                           json_t *found, tm_err *err) {
    leak_probe *probe = tm__mem_zalloc(1, sizeof(*probe));
    if (probe == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to look for leaks");
    }
    uint32_t n_set = 0;
    const char *const params[] = {"gbdt.n_trees=10", "gbdt.max_leaves=8", "gbdt.learning_rate=0.5",
                                  "gbdt.early_stopping=0"};
    const tm_train_options options = {.params = params, .n_params = 4};
    probe->ops = tm__model_find("gbdt");
    tm__params_init(probe->ops, &probe->params);
    tm_status st = tm__candidate_params(&options, probe->ops, &probe->params, &n_set, err);
    /* A relevance is told by points: what gives it away does so without its query. */
    const bool ranks = data->task == TM_TASK_RANKING;
    probe->in = (tm_fit_input){.task = ranks ? TM_TASK_REGRESSION : data->task,
                               .n_classes = data->n_classes,
                               .x = &probe->fit,
                               .y = fold->y,
                               .weights = fold->weights};
    const tm_schema *schema = tm__program_schema(fold->program);
    double *const scores = tm__mem_zalloc((size_t)schema->n_cols + 1, sizeof(*scores));
    if (st == TM_OK && scores == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "no memory to look for leaks");
    }
    st = st == TM_OK ? probe_columns(ctx, data, probe, fold, scores, err) : st;
    for (uint32_t i = 0; st == TM_OK && i < schema->n_cols; i++) {
        if (scores[i] >= LEAK_SCORE) {
            json_array_append_new(found, json_pack("{s:s, s:o}", "column", schema->cols[i].name,
                                                   "score", tm__json_number(scores[i])));
        }
    }
    tm__mem_free(scores);
    tm__mem_free(probe);
    return st;
}

tm_status tm__train_leaks(tm_ctx *ctx, const tm_train_data *data, uint64_t seed, json_t **out,
                          tm_err *err) {
    tm_fold fold;
    tm_fold_rows part = {0};
    const tm_fold_cut cut = {.n_folds = 1, .seed = seed};
    tm_budget *budget = ctx->budget;
    *out = json_array();
    if (*out == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to look for leaks");
    }
    if (data->task == TM_TASK_MULTICLASS && data->n_classes > 50) {
        return TM_OK; /* a column that alone tells fifty classes apart would need its own look */
    }
    const uint64_t n = data->n_train < LEAK_ROWS ? data->n_train : LEAK_ROWS;
    uint32_t *rows = tm__mem_alloc(n, sizeof(uint32_t));
    tm_status st = rows == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory to look for leaks") : TM_OK;
    for (uint64_t i = 0; st == TM_OK && i < n; i++) {
        rows[i] = data->train[i * data->n_train / n];
    }
    ctx->budget = NULL; /* a fixed, small amount of work */
    if (st == TM_OK) {
        st = tm__fold_rows_init(&part, data, rows, n, &cut, err);
    }
    if (st == TM_OK && part.n_fit > 0 && part.n_valid > 0) {
        st = tm__fold_init(ctx, &fold, data, &part, seed, err);
        if (st == TM_OK) {
            st = probe_all(ctx, data, &fold, *out, err);
            tm__fold_done(&fold);
        }
    }
    ctx->budget = budget;
    tm__mem_free(rows);
    tm__fold_rows_done(&part);
    if (st != TM_OK) {
        json_decref(*out);
        *out = NULL;
    }
    return st;
}

typedef struct weighed_column {
    double share;
    uint32_t input;
} weighed_column;

static int compare_weighed(const void *a, const void *b) {
    const weighed_column *x = a;
    const weighed_column *y = b;
    if (x->share != y->share) {
        return x->share > y->share ? -1 : 1;
    }
    return x->input < y->input ? -1 : x->input > y->input;
}

bool tm__train_shares(const tm_program *program, const tm_model *model, double *out) {
    const uint32_t n_features = tm__program_features(program);
    const uint32_t n_inputs = tm__program_inputs(program);
    memset(out, 0, n_inputs * sizeof(double));
    if (model->ops->importance == NULL) {
        return true;
    }
    double *shares = tm__mem_zalloc((size_t)n_features + 1, sizeof(double));
    if (shares == NULL) {
        return false;
    }
    model->ops->importance(model, shares);
    double total = 0.0;
    for (uint32_t f = 0; f <= n_features; f++) {
        const uint32_t input = f < n_features ? tm__program_feature(program, f)->input
                                              : tm__program_term_input(program);
        if (input < n_inputs) {
            out[input] += shares[f];
        }
        total += shares[f];
    }
    for (uint32_t i = 0; i < n_inputs; i++) {
        out[i] = total > 0 ? out[i] / total : 0;
    }
    tm__mem_free(shares);
    return true;
}

json_t *tm__train_importance(const tm_program *program, const tm_model *model) {
    const tm_schema *schema = tm__program_schema(program);
    double *shares = tm__mem_alloc(schema->n_cols, sizeof(double));
    weighed_column *columns = tm__mem_zalloc((size_t)schema->n_cols + 1, sizeof(*columns));
    json_t *out = json_array();
    double total = 0.0;
    if (shares == NULL || columns == NULL || out == NULL ||
        !tm__train_shares(program, model, shares)) {
        json_decref(out);
        out = tm__json_lost();
        goto out;
    }
    for (uint32_t i = 0; i < schema->n_cols; i++) {
        columns[i] = (weighed_column){.share = shares[i], .input = i};
        total += shares[i];
    }
    qsort(columns, schema->n_cols, sizeof(*columns), compare_weighed);
    for (uint32_t i = 0; i < schema->n_cols && total > 0; i++) {
        json_array_append_new(out,
                              json_pack("{s:s, s:o}", "column", schema->cols[columns[i].input].name,
                                        "share", tm__json_number(columns[i].share)));
    }
out:
    tm__mem_free(shares);
    tm__mem_free(columns);
    return out;
}
