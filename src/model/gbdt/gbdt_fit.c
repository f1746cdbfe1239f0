/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Design. Bin once, then rounds: gradients of the scores so far, one tree for each output, the
 * trees' answers added to the scores (Friedman 2001, doi:10.1214/aos/1013203451, Algorithm 1; with
 * second derivatives as in Chen and Guestrin 2016).
 *
 * The outputs of a round do not depend on each other: all see the scores of its start. With many
 * classes and few rows, threads take whole trees ("lanes", each with a grower of one thread); else
 * one tree at a time is grown by all threads. Trees are the same either way.
 *
 * A fit may start from the trees of a model: their answers are added to the scores tree by tree, as
 * when they were grown, and rounds are counted on. Streams are named by round, so that k rounds and
 * then n - k more are the n rounds at once, to the byte, on the same rows and parameters. Bins are
 * cut anew, because thresholds of trees are values.
 *
 * Over ranks each has a part of the rows: bins, scores and gradients of its own, and trees that all
 * of them grow together (gbdt_grow.c). The table, the target and the validation rows are with every
 * rank. Objectives that look at all rows at once (residuals of a leaf, pairs of a query) gather
 * scores. What is so small that messages cost more than the work is done by every rank for itself.
 *
 * A checkpoint is the model after a round and what early stopping knows of it; a fit that is taken
 * up again starts from there as from any model.
 *
 * Invariants:
 *   1. scores are those of the forest's trees on the training rows, added in the order of trees. Of
 *      a single output, the last tree's are added when the next one's gradients are made
 *      (has_step).
 *   2. The forest holds whole rounds: a budget or a cancel takes effect between them. A budget that
 *      is spent leaves at least one round.
 *   3. Random streams are named by round and output, never by thread.
 */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/comm.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "metric/metric.h"
#include "model/checkpoint.h"
#include "model/gbdt/gbdt_bin.h"
#include "model/gbdt/gbdt_grow.h"
#include "model/gbdt/gbdt_loss.h"
#include "model/gbdt/gbdt_plan.h"
#include "model/gbdt/gbdt_priv.h"
#include "model/gbdt/gbdt_renew.h"
#include "model/gbdt/gbdt_roots.h"
#include "model/gbdt/gbdt_update.h"
#include "model/gbdt/gbdt_weights.h"

enum {
    LANES_MAX = 64,
    LEAVES_MAX = 1024, /* of the parameter */
    LANE_ROWS = 200000 /* with more rows a tree keeps all threads busy, and lanes cost memory */
};

typedef struct boost_lane {
    tm_gradients gradients;
    tm_grower *grower;
    bool *columns; /* sample of columns, or NULL */
} boost_lane;

typedef struct boost_valid {
    tm_loss loss;
    tm_binned_rows rows;
    double *scores; /* [n_outputs x n_valid] */
    double *norms;
    double *chunks;
    double *answers; /* [n_valid x n_outputs] for a metric that is not the loss itself */
    double best;     /* best loss or metric so far, after best_rounds rounds */
    uint32_t best_rounds;
} boost_valid;

typedef struct boost {
    tm_ctx *ctx;
    struct tm_comm *comm; /* ranks that share the rows; NULL: this one has all */
    const tm_fit_input *in;
    const double *params;
    tm_gbdt_plan plan;
    tm_bins bins;
    tm_loss loss;
    tm_loss own;          /* of this rank's rows: own.n_rows of them */
    tm_view view;         /* of this rank's rows */
    const double **cols;  /* of the view */
    tm_renewal renewal;   /* where the objective renews */
    double *scores;       /* [n_outputs x own rows] */
    double *norms;        /* [own rows], MULTICLASS */
    double *all_scores;   /* [n_rows] over ranks, where an objective looks at all rows; or NULL */
    uint16_t *all_leaves; /* [n_rows] the same, of a tree's leaves */
    uint64_t *rows;       /* sample of all rows as a bit set, or NULL */
    uint32_t n_lanes;
    boost_lane *lanes;
    bool has_roots; /* gradients are all of them, made before the trees of a round */
    tm_roots roots;
    bool has_valid;
    const tm_metric_ops *metric; /* of early stopping; NULL: the loss */
    boost_valid valid;
    double *best_gains; /* [n_cols] of the best round */
    uint32_t round;
    bool is_resumed; /* from a checkpoint of this very fit */
    bool has_step;   /* the last tree is not in the scores yet */
    uint32_t output; /* of the first lane */
    tm_gbdt *model;
} boost;

static tm_status nomem(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory for boosting");
}

/* ---- set up ---- */

static tm_row_deal deal_of(const boost *b) {
    return (tm_row_deal){b->in->x->n_rows, TM_LOSS_CHUNK};
}

static bool has_monotone(const tm_fit_input *in) {
    for (uint32_t c = 0; in->rules != NULL && c < in->x->n_cols; c++) {
        if (in->rules[c].monotone != 0) {
            return true;
        }
    }
    return false;
}

uint32_t tm__gbdt_lanes(uint64_t n_rows, uint32_t n_outputs, uint32_t n_threads) {
    uint32_t n_lanes = n_threads < LANES_MAX ? n_threads : LANES_MAX;
    n_lanes = n_rows > LANE_ROWS ? 1 : n_lanes;
    n_lanes = n_lanes < n_outputs ? n_lanes : n_outputs;
    return n_lanes > 1 ? n_lanes : 1;
}

static tm_status lanes_init(boost *b, tm_err *err) {
    const uint32_t n_lanes = b->comm != NULL ? 1 : b->plan.n_lanes; /* one speaks to ranks */
    b->lanes = tm__mem_zalloc(n_lanes, sizeof(boost_lane));
    if (b->lanes == NULL) {
        return nomem(err);
    }
    b->n_lanes = n_lanes;
    const tm_grow_options options = {.max_leaves = (uint32_t)b->params[TM_GBDT_LEAVES],
                                     .max_depth = (uint32_t)b->params[TM_GBDT_DEPTH],
                                     .min_rows = b->params[TM_GBDT_MIN_ROWS],
                                     .l1 = b->params[TM_GBDT_L1],
                                     .l2 = b->params[TM_GBDT_L2],
                                     .learning_rate = b->params[TM_GBDT_RATE],
                                     .min_hessian = b->params[TM_GBDT_MIN_HESSIAN],
                                     .min_gain = b->params[TM_GBDT_MIN_GAIN],
                                     .value_max = b->params[TM_GBDT_VALUE_MAX],
                                     .columns = b->in->rules,
                                     .is_monotone = has_monotone(b->in),
                                     .has_groups = b->in->rules != NULL && b->in->has_groups,
                                     .comm = b->comm,
                                     .n_rows_all = b->loss.n_rows,
                                     .hist_bytes_max = b->plan.slots_bytes};
    for (uint32_t i = 0; i < n_lanes; i++) {
        boost_lane *lane = &b->lanes[i];
        TM_TRY(tm__gradients_init_part(&b->own, &lane->gradients, err));
        lane->grower = tm__grower_create(n_lanes > 1 ? NULL : b->ctx->pool, &b->bins, &options);
        if (b->params[TM_GBDT_COLUMN_SAMPLE] < 1) {
            lane->columns = tm__mem_alloc(b->bins.n_columns, sizeof(bool));
        }
        if (lane->grower == NULL ||
            (lane->columns == NULL && b->params[TM_GBDT_COLUMN_SAMPLE] < 1)) {
            return nomem(err);
        }
    }
    return TM_OK;
}

/* The trees of a round begin with all rows, and this rank has them. */
static tm_status roots_init(boost *b, tm_err *err) {
    b->has_roots = b->plan.has_roots && b->comm == NULL && b->rows == NULL;
    return b->has_roots ? tm__roots_init(&b->own, &b->bins, &b->roots, err) : TM_OK;
}

static void scores_fill(double *scores, uint32_t n_outputs, uint64_t n_rows, const double *base) {
    for (uint32_t k = 0; k < n_outputs; k++) {
        for (uint64_t row = 0; row < n_rows; row++) {
            scores[k * n_rows + row] = base[k];
        }
    }
}

/* ---- trees to start from ---- */

typedef struct replay_job {
    const tm_forest *forest;
    const tm_view *x;
    double *scores;
} replay_job;

static void replay_task(void *arg, uint64_t chunk, uint32_t worker) {
    const replay_job *job = arg;
    const uint64_t n_rows = job->x->n_rows, begin = chunk * TM_LOSS_CHUNK;
    const uint64_t end = n_rows - begin < TM_LOSS_CHUNK ? n_rows : begin + TM_LOSS_CHUNK;
    (void)worker;
    for (uint32_t t = 0; t < job->forest->n_trees; t++) {
        tm__forest_add_scores(job->forest, t, job->x, begin, end,
                              job->scores + (t % job->forest->n_outputs) * n_rows);
    }
}

/* Scores of the model so far. */
static void scores_start(const boost *b, const tm_view *x, const double *init, double *scores) {
    const tm_forest *forest = &b->model->forest;
    replay_job job = {.forest = forest, .x = x, .scores = scores};
    scores_fill(scores, forest->n_outputs, x->n_rows, forest->base);
    for (uint64_t row = 0; init != NULL && row < x->n_rows; row++) {
        for (uint32_t k = 0; k < forest->n_outputs; k++) {
            scores[k * x->n_rows + row] = init[row * forest->n_outputs + k]; /* the base is 0 */
        }
    }
    tm__pool_run(b->ctx->pool, (x->n_rows + TM_LOSS_CHUNK - 1) / TM_LOSS_CHUNK, replay_task, &job);
}

/* The model begins as another one. */
static tm_status model_start(boost *b, const tm_gbdt *from, tm_err *err) {
    tm_forest forest;
    TM_TRY(tm__forest_copy(&from->forest, &forest, err));
    tm__forest_done(&b->model->forest);
    b->model->forest = forest;
    memcpy(b->model->gains, from->gains, from->base.n_cols * sizeof(double));
    b->model->base.n_rounds = from->base.n_rounds;
    b->model->base.work_used = from->base.work_used;
    b->round = from->base.n_rounds;
    return TM_OK;
}

/*
 * State of a checkpoint: the model's bytes; then least validation loss (f64) and gains then
 * [n_cols], rounds of the least loss and 0 (u32), length of the model's bytes (u64).
 */
static size_t state_tail(const boost *b) {
    return (size_t)b->model->base.n_cols * 8 + 24;
}

static tm_status state_save(const boost *b, tm_err *err) {
    const tm_model *model = &b->model->base;
    tm_buf bytes;
    tm__buf_init(&bytes, TM_MAX_BUNDLE_BYTES);
    tm_status st = tm__gbdt_ops.save(model, &bytes, err);
    const uint64_t len = bytes.len;
    tm__buf_f64(&bytes, b->valid.best);
    for (uint32_t c = 0; c < model->n_cols; c++) {
        tm__buf_f64(&bytes, b->best_gains != NULL ? b->best_gains[c] : 0);
    }
    tm__buf_u32(&bytes, b->valid.best_rounds);
    tm__buf_u32(&bytes, 0);
    tm__buf_u64(&bytes, len);
    if (st == TM_OK && tm__buf_status(&bytes) != TM_OK) {
        st = TM_FAIL(err, tm__buf_status(&bytes), "no room for the state of boosting");
    }
    if (st == TM_OK) {
        st = tm__checkpoint_save(b->ctx, bytes.data, bytes.len, err);
    }
    tm__buf_done(&bytes);
    return st;
}

/* Begin where an earlier process stopped, if one did. */
static tm_status state_load(boost *b, tm_err *err) {
    size_t len = 0;
    tm_model *from = NULL;
    const uint8_t *state = tm__checkpoint_state(b->ctx->checkpoint, &len);
    if (state == NULL) {
        return TM_OK;
    }
    tm_reader reader;
    tm__reader_init(&reader, state + (len < 8 ? 0 : len - 8), len < 8 ? 0 : 8);
    if (len <= state_tail(b) || tm__reader_u64(&reader) != len - state_tail(b)) {
        return TM_FAIL(err, TM_E_INTEGRITY, "a checkpoint holds no state of boosting");
    }
    TM_TRY(tm__gbdt_ops.load(state, len - state_tail(b), &from, err));
    const tm_model *model = &b->model->base;
    tm_status st = from->task != model->task || from->n_outputs != model->n_outputs ||
                           from->n_cols != model->n_cols ||
                           ((const tm_gbdt *)from)->objective != b->model->objective
                       ? TM_FAIL(err, TM_E_INTEGRITY, "a checkpoint is of another model")
                       : model_start(b, (const tm_gbdt *)from, err);
    tm__gbdt_free(from);
    b->is_resumed = st == TM_OK;
    return st;
}

static void state_read_valid(boost *b) {
    size_t len = 0;
    const uint8_t *state = tm__checkpoint_state(b->ctx->checkpoint, &len);
    tm_reader reader;
    tm__reader_init(&reader, state + len - state_tail(b), state_tail(b));
    b->valid.best = tm__reader_f64(&reader);
    (void)tm__reader_f64s(&reader, b->best_gains, b->model->base.n_cols);
    b->valid.best_rounds = tm__reader_u32(&reader);
}

/* Early stopping goes by a metric that is not the loss itself. */
static bool is_by_metric(const boost *b) {
    const tm_objective o = b->loss.spec.objective;
    const char *own = o == TM_OBJECTIVE_SQUARED ? "rmse" : "logloss";
    return b->metric != NULL && strcmp(b->metric->name, own) != 0;
}

/* The metric of the scores so far. */
static tm_status valid_metric(boost *b, double *out, tm_err *err) {
    boost_valid *valid = &b->valid;
    const uint64_t n_rows = b->in->x_valid->n_rows;
    const uint32_t k = b->model->base.n_outputs;
    for (uint32_t output = 0; output < k; output++) {
        for (uint64_t row = 0; row < n_rows; row++) {
            valid->answers[row * k + output] = valid->scores[output * n_rows + row];
        }
    }
    tm__model_link(tm__model_link_of(&b->model->base), k, n_rows, valid->answers);
    const tm_score_input in = {.task = b->in->task,
                               .n_classes = b->in->n_classes,
                               .n_rows = n_rows,
                               .y = b->in->y_valid,
                               .pred = valid->answers,
                               .groups = b->in->queries_valid,
                               .weights = b->in->weights_valid};
    return tm__metric_score(b->metric, &in, out, err);
}

/* What early stopping looks at. */
static tm_status valid_score(boost *b, double *out, tm_err *err) {
    const boost_valid *valid = &b->valid;
    struct tm_pool *pool = b->ctx->pool;
    if (is_by_metric(b)) {
        return valid_metric(b, out, err);
    }
    tm__loss_norms(pool, &valid->loss, valid->scores, valid->norms);
    *out = tm__loss_mean(pool, &valid->loss, valid->scores, valid->norms, valid->chunks);
    return TM_OK;
}

static tm_status valid_init(boost *b, tm_err *err) {
    const tm_fit_input *in = b->in;
    boost_valid *valid = &b->valid;
    const uint32_t k = b->model->base.n_outputs;
    const uint64_t n_rows = in->x_valid->n_rows;
    tm_loss_spec spec = b->loss.spec;
    spec.query = in->queries_valid;
    b->metric = in->metric;
    if (in->task == TM_TASK_RANKING && in->metric == NULL) {
        b->metric = tm__metric_find(tm__metric_default(in->task)); /* gradients have no loss */
    }
    const tm_status st =
        tm__loss_init(&spec, n_rows, in->y_valid, in->weights_valid, &valid->loss, err);
    if (st != TM_OK) {
        tm_err_hint(err, "The row is one of the validation rows.");
        return st;
    }
    b->has_valid = true;
    TM_TRY(tm__binned_init(b->ctx->pool, &b->bins, in->x_valid, &valid->rows, err));
    valid->scores = tm__mem_alloc((size_t)n_rows * k, sizeof(double));
    valid->norms = tm__mem_alloc(n_rows, sizeof(double));
    valid->chunks = tm__mem_alloc(n_rows / TM_LOSS_CHUNK + 1, sizeof(double));
    b->best_gains = tm__mem_zalloc(b->model->base.n_cols, sizeof(double));
    valid->answers = is_by_metric(b) ? tm__mem_alloc((size_t)n_rows * k, sizeof(double)) : NULL;
    if (valid->scores == NULL || valid->norms == NULL || valid->chunks == NULL ||
        b->best_gains == NULL || (valid->answers == NULL && is_by_metric(b))) {
        return nomem(err);
    }
    scores_start(b, in->x_valid, in->init_scores_valid, valid->scores);
    if (b->is_resumed) {
        state_read_valid(b);
        return TM_OK;
    }
    if (b->round > 0) {
        TM_TRY(valid_score(b, &valid->best, err));
    }
    valid->best_rounds = b->round;
    memcpy(b->best_gains, b->model->gains, b->model->base.n_cols * sizeof(double));
    return TM_OK;
}

/* The loss of the training rows, weighed by their classes too. */
static tm_status loss_start(boost *b, const tm_loss_spec *spec, tm_err *err) {
    const tm_fit_input *in = b->in;
    const tm_class_weights classes = {.is_balanced = b->params[TM_GBDT_CLASS_WEIGHTS] > 0,
                                      .positive = b->params[TM_GBDT_POSITIVE]};
    double *weights = NULL;
    TM_TRY(tm__class_weights_apply(in, &classes, &weights, err));
    const tm_status st = tm__loss_init(spec, in->x->n_rows, in->y,
                                       weights != NULL ? weights : in->weights, &b->loss, err);
    tm__mem_free(weights);
    return st;
}

/* What this rank does of the work: its rows of the view, and of the loss. */
static tm_status part_init(boost *b, tm_err *err) {
    const tm_fit_input *in = b->in;
    struct tm_comm *comm = b->comm;
    const tm_row_part part = tm__comm_part(deal_of(b), tm__comm_rank(comm), tm__comm_ranks(comm));
    b->own = tm__loss_part(&b->loss, comm, part.begin, part.end);
    b->view = *in->x;
    b->view.n_rows = b->own.n_rows;
    b->cols = tm__mem_alloc(in->x->n_cols, sizeof(double *));
    if (b->cols == NULL) {
        return nomem(err);
    }
    for (uint32_t c = 0; c < in->x->n_cols; c++) {
        b->cols[c] = in->x->cols[c] + part.begin;
    }
    b->view.cols = b->cols;
    const bool renews = tm__objective_renews(b->loss.spec.objective);
    if (comm != NULL && (renews || b->loss.rank != NULL)) {
        b->all_scores = tm__mem_alloc(in->x->n_rows, sizeof(double));
        b->all_leaves = tm__mem_alloc(renews ? in->x->n_rows : 0, sizeof(uint16_t));
        return b->all_scores != NULL && b->all_leaves != NULL ? TM_OK : nomem(err);
    }
    return TM_OK;
}

static tm_status bins_init(boost *b, tm_err *err) {
    const tm_fit_input *in = b->in;
    const tm_bin_part part = {.max_bins = (uint32_t)b->params[TM_GBDT_BINS],
                              .seed = in->seed,
                              .row_begin = b->own.row_begin,
                              .row_end = b->own.row_begin + b->own.n_rows,
                              .comm = b->comm};
    const uint64_t start_ns = tm__mono_ns();
    TM_TRY(tm__bins_fit_part(b->ctx, in->x, &part, &b->bins, err));
    b->model->base.seconds_bin = (double)(tm__mono_ns() - start_ns) * 1e-9;
    return TM_OK;
}

/* What needs no other rank. */
static tm_status boost_begin(boost *b, const tm_params *params, tm_err *err) {
    const tm_fit_input *in = b->in;
    const uint32_t k = in->task == TM_TASK_MULTICLASS ? in->n_classes : 1;
    tm_loss_spec spec = tm__gbdt_loss_spec(in->task, k, params);
    spec.query = in->queries;
    TM_TRY(loss_start(b, &spec, err));
    TM_TRY(part_init(b, err));
    const tm_objective objective = b->loss.spec.objective;
    if (tm__objective_renews(objective)) {
        if (has_monotone(in)) {
            return TM_FAIL(err, TM_E_UNSUPPORTED, "objective '%s' cannot be monotone in a column",
                           tm__objective_text(objective));
        }
        if (b->params[TM_GBDT_VALUE_MAX] > 0) {
            return TM_FAIL(err, TM_E_UNSUPPORTED, "objective '%s' knows no max_leaf_value",
                           tm__objective_text(objective));
        }
        TM_TRY(tm__renewal_init(&b->loss, (uint32_t)b->params[TM_GBDT_LEAVES], &b->renewal, err));
    }
    b->model = tm__gbdt_create(in->task, objective, k, in->x->n_cols);
    return b->model != NULL ? TM_OK : nomem(err);
}

static tm_status boost_init(boost *b, tm_err *err) {
    const tm_fit_input *in = b->in;
    const uint32_t k = b->model->base.n_outputs;
    const tm_objective objective = b->loss.spec.objective;
    TM_TRY(bins_init(b, err));
    if (in->base != NULL && ((const tm_gbdt *)in->base)->objective != objective) {
        return TM_FAIL(err, TM_E_INVALID, "trees of objective '%s' cannot go on with '%s'",
                       tm__objective_text(((const tm_gbdt *)in->base)->objective),
                       tm__objective_text(objective));
    }
    if (in->base != NULL) {
        TM_TRY(model_start(b, (const tm_gbdt *)in->base, err));
    } else if (in->init_scores == NULL) {
        TM_TRY(tm__loss_base(&b->loss, b->model->forest.base, err));
    }
    if (b->ctx->checkpoint != NULL) {
        TM_TRY(state_load(b, err));
    }
    const uint64_t n_own = b->own.n_rows;
    b->scores = tm__mem_alloc((size_t)n_own * k, sizeof(double));
    b->norms = tm__mem_alloc(k > 1 ? n_own : 0, sizeof(double));
    if (b->params[TM_GBDT_ROW_SAMPLE] < 1) {
        b->rows = tm__mem_alloc(in->x->n_rows / 64 + 1, sizeof(uint64_t));
    }
    if (b->scores == NULL || b->norms == NULL ||
        (b->rows == NULL && b->params[TM_GBDT_ROW_SAMPLE] < 1)) {
        return nomem(err);
    }
    const double *init = in->init_scores;
    scores_start(b, &b->view, init != NULL ? init + b->own.row_begin * k : NULL, b->scores);
    TM_TRY(lanes_init(b, err));
    TM_TRY(roots_init(b, err));
    return in->x_valid != NULL && b->params[TM_GBDT_STOPPING] > 0 ? valid_init(b, err) : TM_OK;
}

static void boost_done(boost *b) {
    for (uint32_t i = 0; i < b->n_lanes; i++) {
        tm__gradients_done(&b->lanes[i].gradients);
        tm__grower_free(b->lanes[i].grower);
        tm__mem_free(b->lanes[i].columns);
    }
    tm__mem_free(b->lanes);
    tm__roots_done(&b->roots);
    tm__mem_free(b->scores);
    tm__mem_free(b->norms);
    tm__mem_free(b->all_scores);
    tm__mem_free(b->all_leaves);
    tm__mem_free(b->cols);
    tm__mem_free(b->rows);
    tm__binned_done(&b->valid.rows);
    tm__mem_free(b->valid.scores);
    tm__mem_free(b->valid.norms);
    tm__mem_free(b->valid.chunks);
    tm__mem_free(b->valid.answers);
    tm__mem_free(b->best_gains);
    tm__renewal_done(&b->renewal);
    tm__loss_done(&b->valid.loss);
    tm__loss_done(&b->loss);
    tm__bins_done(&b->bins);
    if (b->model != NULL) {
        tm__gbdt_free(&b->model->base);
    }
}

/* ---- samples ---- */

static void rows_task(void *arg, uint64_t item, uint32_t worker) {
    const boost *b = arg;
    const tm_rng rng = tm__rng_split(b->in->seed, "gbdt.rows", b->round);
    const uint64_t limit = (uint64_t)(0x1p64 * b->params[TM_GBDT_ROW_SAMPLE]);
    const uint64_t n_rows = b->loss.n_rows;
    const uint64_t end = n_rows / 64 + 1 < (item + 1) * 64 ? n_rows / 64 + 1 : (item + 1) * 64;
    (void)worker;
    for (uint64_t word = item * 64; word < end; word++) {
        uint64_t bits = 0;
        for (uint64_t i = 0; i < 64 && word * 64 + i < n_rows; i++) {
            bits |= (uint64_t)(tm__rng_at(rng.key, word * 64 + i) < limit) << i;
        }
        b->rows[word] = bits;
    }
}

static void rows_sample(boost *b) {
    const uint64_t n_words = b->loss.n_rows / 64 + 1;
    uint64_t any = 0;
    tm__pool_run(b->ctx->pool, (n_words + 63) / 64, rows_task, b);
    for (uint64_t word = 0; word < n_words; word++) {
        any |= b->rows[word];
    }
    b->rows[0] |= any == 0; /* a tree has a row at least */
}

/* The columns with the smallest random numbers of this tree. */
static void columns_sample(const boost *b, uint32_t output, bool *out) {
    const uint32_t n = b->bins.n_columns;
    const uint64_t tree = (uint64_t)b->round * b->model->base.n_outputs + output;
    tm_rng rng = tm__rng_split(b->in->seed, "gbdt.columns", tree);
    uint32_t left = (uint32_t)ceil((double)n * b->params[TM_GBDT_COLUMN_SAMPLE]);
    for (uint32_t c = 0; c < n; c++) {
        out[c] = tm__rng_below(&rng, n - c) < left; /* left of the n - c columns to come */
        left -= out[c];
    }
}

/* ---- rounds ---- */

/* Scores of all ranks' rows, of an objective that has one output. */
static const double *scores_gather(const boost *b) {
    if (b->all_scores == NULL) {
        return b->scores;
    }
    memcpy(b->all_scores + b->own.row_begin, b->scores, b->own.n_rows * sizeof(double));
    tm__comm_gather(b->comm, deal_of(b), sizeof(double), b->all_scores);
    return b->all_scores;
}

static const uint16_t *leaves_gather(const boost *b, const boost_lane *lane) {
    const uint16_t *own = tm__grower_leaf_of(lane->grower);
    if (b->all_leaves == NULL) {
        return own;
    }
    memcpy(b->all_leaves + b->own.row_begin, own, b->own.n_rows * sizeof(uint16_t));
    tm__comm_gather(b->comm, deal_of(b), sizeof(uint16_t), b->all_leaves);
    return b->all_leaves;
}

/* Values of the tree's leaves from the residuals of their rows. */
static void lane_renew(const boost *b, struct tm_pool *pool, boost_lane *lane, uint32_t n_leaves) {
    double values[LEAVES_MAX];
    const tm_renewal_leaves leaves = {
        .leaf_of = leaves_gather(b, lane), .rows = b->rows, .n_leaves = n_leaves};
    tm_renewal renewal = b->renewal; /* the same arrays */
    const double *scores = scores_gather(b);
    if (!tm__comm_is_lost(b->comm)) {
        tm__renewal_fit(pool, &renewal, &b->loss, scores, &leaves, values);
    } else {
        memset(values, 0, sizeof(values));
    }
    tm__grower_set_values(lane->grower, values);
}

/* The scores are asked for only when the next gradients are made. */
static bool steps_later(const boost *b) {
    return b->model->base.n_outputs == 1 && b->loss.rank == NULL;
}

/* The sample, from this rank's first row on: that is the first of a word. */
static const uint64_t *rows_own(const boost *b) {
    return b->rows != NULL ? b->rows + b->own.row_begin / 64 : NULL;
}

static void gradients_make(const boost *b, struct tm_pool *pool, uint32_t output,
                           const tm_score_step *step, tm_gradients *out) {
    const uint64_t tree = (uint64_t)b->round * b->model->base.n_outputs + output;
    const tm_gradients_from from = {.scores = b->scores,
                                    .all_scores = b->loss.rank != NULL ? scores_gather(b) : NULL,
                                    .norms = b->norms,
                                    .step = step,
                                    .key = tm__rng_split(b->in->seed, "gbdt.rounding", tree).key};
    tm__gradients_fit(pool, &b->own, output, &from, out);
}

static void output_task(void *arg, uint64_t output, uint32_t worker) {
    const boost *b = arg;
    (void)worker;
    gradients_make(b, NULL, (uint32_t)output, NULL, &b->roots.gradients[output]);
}

static void lane_task(void *arg, uint64_t item, uint32_t worker) {
    const boost *b = arg;
    boost_lane *lane = &b->lanes[item];
    const uint32_t output = b->output + (uint32_t)item;
    tm_gradients *gradients = b->has_roots ? &b->roots.gradients[output] : &lane->gradients;
    struct tm_pool *pool = b->n_lanes > 1 ? NULL : b->ctx->pool;
    (void)worker;
    if (lane->columns != NULL) {
        columns_sample(b, output, lane->columns);
    }
    const tm_score_step step = tm__grower_step(lane->grower);
    if (!b->has_roots) {
        gradients_make(b, pool, output, b->has_step ? &step : NULL, gradients);
    }
    const tm_grow_input input = {.gradients = gradients,
                                 .roots = b->has_roots ? &b->roots : NULL,
                                 .output = output,
                                 .scale = b->loss.scale,
                                 .power = tm__objective_power(&b->loss.spec),
                                 .rows = rows_own(b),
                                 .columns = lane->columns};
    const uint32_t n_leaves = tm__grower_fit(lane->grower, &input);
    if (tm__objective_renews(b->loss.spec.objective)) {
        lane_renew(b, pool, lane, n_leaves);
    }
    if (!steps_later(b)) {
        tm__grower_add_scores(lane->grower, b->scores + output * b->own.n_rows);
    }
}

static tm_status cancelled(tm_err *err) {
    return TM_FAIL(err, TM_E_CANCELLED, "boosting was cancelled");
}

/* Between rounds: save the state when it is time, or when this is the last chance. */
static tm_status round_end(const boost *b, tm_err *err) {
    const bool is_cancelled = tm__ctx_cancelled(b->ctx);
    if (b->ctx->checkpoint != NULL && (is_cancelled || tm__checkpoint_is_due(b->ctx->checkpoint))) {
        TM_TRY(state_save(b, err)); /* of ranks only the first one keeps it */
    }
    return is_cancelled ? cancelled(err) : TM_OK;
}

/* One tree for each output. *out_grew: one of them has a split. */
static tm_status round_run(boost *b, bool *out_grew, tm_err *err) {
    const uint32_t n_outputs = b->model->base.n_outputs;
    *out_grew = false;
    if (b->rows != NULL) {
        rows_sample(b);
    }
    tm__loss_norms(b->ctx->pool, &b->own, b->scores, b->norms);
    if (b->has_roots) {
        tm__pool_run(b->ctx->pool, n_outputs, output_task, b);
        tm__roots_fit(b->ctx->pool, &b->roots);
    }
    for (b->output = 0; b->output < n_outputs; b->output += b->n_lanes) {
        const uint32_t left = n_outputs - b->output;
        const uint32_t n_lanes = left < b->n_lanes ? left : b->n_lanes;
        const tm_comm_traffic before = tm__comm_traffic(b->comm);
        tm__pool_run(b->ctx->pool, n_lanes, lane_task, b);
        tm__comm_count_trees(b->comm, &before, n_lanes);
        TM_TRY(tm__comm_status(b->comm, err));
        b->has_step = steps_later(b);
        for (uint32_t i = 0; i < n_lanes; i++) {
            const tm_tree_draft draft = tm__grower_view(b->lanes[i].grower);
            *out_grew = *out_grew || draft.n_nodes > 1;
            tm__grower_add_gains(b->lanes[i].grower, b->model->gains);
            TM_TRY(tm__forest_add(&b->model->forest, &draft, err));
            if (b->has_valid) {
                const uint64_t n_valid = b->valid.rows.n_rows;
                tm__binned_add_scores(b->ctx->pool, &b->valid.rows,
                                      tm__grower_view_binned(b->lanes[i].grower),
                                      b->valid.scores + (b->output + i) * n_valid);
            }
        }
        if (b->output + n_lanes < n_outputs && tm__ctx_cancelled(b->ctx)) {
            return cancelled(err);
        }
    }
    return TM_OK;
}

/* Score the validation rows after a round; *out: the best round is long past. */
static tm_status valid_check(boost *b, bool *out, tm_err *err) {
    boost_valid *valid = &b->valid;
    const uint32_t n_rounds = b->round + 1;
    double score = 0;
    TM_TRY(valid_score(b, &score, err));
    const bool is_better =
        is_by_metric(b) ? tm__metric_gain(b->metric, score, valid->best) > 0 : score < valid->best;
    if (is_better || valid->best_rounds == 0) {
        valid->best = score;
        valid->best_rounds = n_rounds;
        memcpy(b->best_gains, b->model->gains, b->model->base.n_cols * sizeof(double));
    }
    tm__ctx_round(b->ctx, n_rounds, score);
    *out = n_rounds - valid->best_rounds >= (uint32_t)b->params[TM_GBDT_STOPPING];
    return TM_OK;
}

static tm_status rounds_run(boost *b, tm_err *err) {
    tm_model *model = &b->model->base;
    const uint32_t n_first = b->in->base != NULL ? b->in->base->n_rounds : 0;
    const uint32_t n_rounds = n_first + (uint32_t)b->params[TM_GBDT_TREES];
    const bool is_sampled = b->rows != NULL || b->params[TM_GBDT_COLUMN_SAMPLE] < 1;
    const uint64_t work = b->loss.n_rows * model->n_cols * model->n_outputs;
    for (; b->round < n_rounds; b->round++) {
        bool grew;
        TM_TRY(round_run(b, &grew, err));
        if (!grew && !is_sampled && b->round > 0) {
            /* Nothing is left to learn, and all rounds to come would be the same. */
            tm__forest_truncate(&b->model->forest, b->round * model->n_outputs);
            break;
        }
        model->n_rounds = b->round + 1;
        model->work_used += work;
        const bool is_spent = tm__ctx_spend(b->ctx, work);
        bool is_past_best = false;
        if (b->has_valid) {
            TM_TRY(valid_check(b, &is_past_best, err));
        }
        tm__ctx_progress(b->ctx, "fit", b->round + 1, n_rounds, "trees");
        if (is_spent || is_past_best) {
            break;
        }
        TM_TRY(round_end(b, err));
    }
    if (b->has_valid) {
        model->n_rounds = b->valid.best_rounds;
        tm__forest_truncate(&b->model->forest, model->n_rounds * model->n_outputs);
        memcpy(b->model->gains, b->best_gains, model->n_cols * sizeof(double));
    }
    return TM_OK;
}

tm_status tm__gbdt_fit(tm_ctx *ctx, const tm_fit_input *in, const tm_params *params,
                       tm_model **out_model, tm_err *err) {
    const bool is_shared = in->x->n_rows * in->x->n_cols >= TM_SHARED_CELLS;
    boost b = {
        .ctx = ctx, .comm = is_shared ? ctx->comm : NULL, .in = in, .params = params->values};
    if (in->task == TM_TASK_RANKING &&
        (in->queries == NULL || (in->x_valid != NULL && in->queries_valid == NULL))) {
        return TM_FAIL(err, TM_E_INVALID, "ranking needs the query of each row");
    }
    if (in->is_update) {
        return tm__gbdt_update(ctx, in, params, out_model, err);
    }
    uint64_t allowed = 0;
    const uint64_t held = tm__mem_bytes();
    if (ctx->memory_limit > 0) {
        allowed = ctx->memory_limit > held ? ctx->memory_limit - held : 1;
    }
    tm_status st = tm__gbdt_plan(in, params, tm__pool_threads(ctx->pool), allowed, &b.plan, err);
    TM_TRY(tm__comm_check(b.comm, st, err));
    tm__comm_spread(b.comm, &b.plan, sizeof(b.plan)); /* slots are the same everywhere */
    st = tm__comm_check(b.comm, boost_begin(&b, params, err), err);
    if (st == TM_OK) {
        st = tm__comm_check(b.comm, boost_init(&b, err), err);
    }
    if (st == TM_OK) {
        b.model->base.bytes_planned = held + b.plan.total_bytes;
        const uint64_t start_ns = tm__mono_ns();
        st = rounds_run(&b, err);
        b.model->base.seconds_fit = (double)(tm__mono_ns() - start_ns) * 1e-9;
    }
    if (st == TM_OK) {
        st = tm__forest_settle(&b.model->forest, err);
    }
    if (st == TM_OK) {
        *out_model = &b.model->base;
        b.model = NULL;
    }
    boost_done(&b);
    return st;
}
