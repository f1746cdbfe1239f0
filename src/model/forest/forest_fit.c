/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Design. Rows are binned once and targets packed once; then trees grow, a thread each, and are
 * appended in the order of their numbers. Between batches of trees, whose size follows from the
 * rows alone, the budget and the cancel flag are asked.
 *
 * Targets. Values are gradients of squared error at the mean, as boosting rounds them; two classes
 * are sums of weights of the positive ones, exact without weights; more classes go by their number.
 *
 * Over ranks each grows a part of every batch, on all rows, and all get all trees: a tree depends
 * on its number only.
 *
 * Validation rows are not looked at: more trees do not overfit.
 */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/comm.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/pool.h"
#include "model/forest/forest_grow.h"
#include "model/forest/forest_priv.h"
#include "model/forest/forest_split.h"

enum {
    BATCH_TREES = 16, /* at the most between two questions to the clock; */
    BATCH_LEAST = 4,
    BATCH_ROWS = 1 << 20, /* fewer when so many rows are in them */
    THREADS_MAX = 64
};

/* A target beyond leaves no room for a sum of trees (TM_MODEL_SCORE_MAX). */
static const double TARGET_MAX = 1e299;
/* Share of the rows that a bootstrap sample of all rows holds: 1 - 1/e. */
static const double BOOTSTRAP = 0.632;

typedef struct wood_fit {
    tm_ctx *ctx;
    const tm_fit_input *in;
    const double *params;
    uint32_t n_classes; /* more than two; else 0 */
    tm_bins bins;
    tm_loss loss;
    tm_gradients gradients;
    int32_t *packed; /* [n_rows] */
    tm_wood wood;
    uint32_t n_growers;
    tm_wood_grower *growers[THREADS_MAX];
    tm_wood_tree trees[BATCH_TREES];
    tm_status status[BATCH_TREES];
    uint32_t tree;        /* first of the batch */
    struct tm_comm *comm; /* ranks that share the trees; NULL: this one grows all */
    uint32_t own;         /* first of this rank's part of the batch */
    tm_random_forest *model;
} wood_fit;

static tm_status nomem(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory for a forest");
}

/* ---- targets ---- */

static tm_status check_values(const tm_fit_input *in, tm_err *err) {
    for (uint64_t row = 0; row < in->x->n_rows; row++) {
        if ((in->weights == NULL || in->weights[row] > 0) && !(fabs(in->y[row]) <= TARGET_MAX)) {
            return TM_FAIL(err, TM_E_INVALID, "target of row %llu is too large for a forest",
                           (unsigned long long)(row + 1));
        }
    }
    return TM_OK;
}

/* From the gradient and weight of a row to its class and weight. Weights keep to 15 bits, so that
 * sums of a class's fit 31. */
static void classes_pack(wood_fit *f) {
    const bool has_weights = f->loss.weights != NULL;
    for (uint64_t row = 0; row < f->loss.n_rows; row++) {
        const uint32_t all = (uint32_t)f->packed[row] & 0xFFFF;
        const uint32_t h = has_weights && all > 1 ? all / 2 : all;
        const uint32_t class = (uint32_t)f->in->y[row];
        const uint32_t upper = f->n_classes > 0 ? class : class * h;
        f->packed[row] = h > 0 ? (int32_t)(upper << 16 | h) : 0;
    }
    f->wood.row_units = 1 / f->gradients.unit_h / (has_weights ? 2 : 1);
}

static tm_status targets_init(wood_fit *f, double *out_mean, tm_err *err) {
    const tm_fit_input *in = f->in;
    const uint64_t n_rows = in->x->n_rows;
    const bool is_value = in->task == TM_TASK_REGRESSION || in->task == TM_TASK_RANKING;
    const tm_loss_spec spec = {
        .task = TM_TASK_REGRESSION, .objective = TM_OBJECTIVE_SQUARED, .n_outputs = 1};
    if (is_value) {
        TM_TRY(check_values(in, err));
    }
    TM_TRY(tm__loss_init(&spec, n_rows, in->y, in->weights, &f->loss, err));
    TM_TRY(tm__loss_base(&f->loss, out_mean, err));
    TM_TRY(tm__gradients_init(n_rows, &f->gradients, err));
    double *scores = tm__mem_alloc(n_rows, sizeof(double));
    f->packed = tm__mem_alloc(n_rows, sizeof(int32_t));
    if (scores == NULL || f->packed == NULL) {
        tm__mem_free(scores);
        return nomem(err);
    }
    for (uint64_t row = 0; row < n_rows; row++) {
        scores[row] = *out_mean;
    }
    const tm_gradients_from from = {.scores = scores,
                                    .key = tm__rng_split(in->seed, "forest.rounding", 0).key};
    tm__gradients_fit(f->ctx->pool, &f->loss, 0, &from, &f->gradients);
    tm__mem_free(scores);
    tm__gradients_pack_rows(&f->gradients, 0, n_rows, f->packed);
    f->wood.row_units = 1 / f->gradients.unit_h;
    f->wood.scale = f->loss.scale;
    if (!is_value) {
        classes_pack(f);
        tm__gradients_done(&f->gradients);
    }
    f->wood.gradients = is_value ? &f->gradients : NULL;
    return TM_OK;
}

/* Shares of classes among all rows, with half a row more of each. */
static void prior_fill(const wood_fit *f, double *out) {
    double sum = 0;
    for (uint32_t c = 0; c < f->n_classes; c++) {
        out[c] = 0.5;
    }
    for (uint64_t row = 0; row < f->in->x->n_rows; row++) {
        out[(uint32_t)f->in->y[row]] += f->loss.weights != NULL ? f->loss.weights[row] : 1;
    }
    for (uint32_t c = 0; c < f->n_classes; c++) {
        sum += out[c];
    }
    for (uint32_t c = 0; c < f->n_classes; c++) {
        out[c] /= sum;
    }
}

/* ---- set up ---- */

static uint32_t tries_of(const wood_fit *f) {
    const double n = f->bins.n_columns, share = f->params[TM_WOOD_COLUMN_SAMPLE];
    const bool is_value = f->wood.gradients != NULL;
    const double tries = share > 0 ? ceil(n * share) : ceil(is_value ? n / 3 : sqrt(n));
    return tries > 1 ? (uint32_t)tries : 1;
}

static tm_status model_init(wood_fit *f, double mean, tm_err *err) {
    const tm_fit_input *in = f->in;
    const uint32_t n_outputs = f->n_classes > 0 ? f->n_classes : 1;
    const uint32_t n_trees = (uint32_t)f->params[TM_WOOD_TREES];
    f->model = tm__random_forest_create(in->task, n_outputs, in->x->n_cols);
    if (f->model == NULL) {
        return nomem(err);
    }
    TM_TRY(tm__forest_init(&f->model->trees, f->n_classes > 0 ? n_trees : 1, in->x->n_cols, err));
    if (f->n_classes > 0) {
        prior_fill(f, f->model->shares.prior);
        return TM_OK;
    }
    if (in->task == TM_TASK_BINARY) {
        const double n = (double)in->x->n_rows;
        f->wood.prior = (mean * n + 0.5) / (n + 1);
        mean = f->wood.prior;
    }
    f->model->trees.base[0] = mean;
    return TM_OK;
}

static tm_status fit_init(wood_fit *f, tm_err *err) {
    const tm_fit_input *in = f->in;
    const double *params = f->params;
    double mean = 0;
    f->n_classes = in->task == TM_TASK_MULTICLASS ? in->n_classes : 0;
    TM_TRY(targets_init(f, &mean, err));
    TM_TRY(model_init(f, mean, err));
    const uint64_t start_ns = tm__mono_ns();
    TM_TRY(tm__bins_fit(f->ctx, in->x, (uint32_t)params[TM_WOOD_BINS], in->seed, &f->bins, err));
    tm__mem_free(f->bins.by_row); /* columns are looked at one by one */
    f->bins.by_row = NULL;
    f->model->base.seconds_bin = (double)(tm__mono_ns() - start_ns) * 1e-9;
    const bool is_random = params[TM_WOOD_CUTS] > 0;
    f->wood.ctx = f->ctx;
    f->wood.bins = &f->bins;
    f->wood.packed = f->packed;
    f->wood.n_classes = f->n_classes;
    f->wood.smoothing = params[TM_WOOD_SMOOTHING];
    f->wood.seed = in->seed;
    f->wood.max_leaves = (uint32_t)params[TM_WOOD_LEAVES];
    f->wood.max_depth = (uint32_t)params[TM_WOOD_DEPTH];
    f->wood.max_depth = f->wood.max_depth > 0 ? f->wood.max_depth : TM_TREE_MAX_DEPTH;
    f->wood.n_tries = tries_of(f);
    f->wood.min_rows = params[TM_WOOD_MIN_ROWS];
    f->wood.row_sample = params[TM_WOOD_ROW_SAMPLE];
    f->wood.row_sample = f->wood.row_sample > 0 ? f->wood.row_sample : is_random ? 1 : BOOTSTRAP;
    f->wood.is_random = is_random;
    const uint32_t n_threads = tm__pool_threads(f->ctx->pool);
    for (uint32_t i = 0; i < n_threads && i < THREADS_MAX; i++) {
        f->growers[i] = tm__wood_grower_create(&f->wood);
        if (f->growers[i] == NULL) {
            return nomem(err);
        }
        f->n_growers = i + 1;
    }
    return TM_OK;
}

static void fit_done(wood_fit *f) {
    for (uint32_t i = 0; i < f->n_growers; i++) {
        tm__wood_grower_free(f->growers[i]);
    }
    for (uint32_t i = 0; i < BATCH_TREES; i++) {
        tm__wood_tree_done(&f->trees[i]);
    }
    tm__mem_free(f->packed);
    tm__gradients_done(&f->gradients);
    tm__loss_done(&f->loss);
    tm__bins_done(&f->bins);
    if (f->model != NULL) {
        tm__random_forest_free(&f->model->base);
    }
}

/* ---- trees ---- */

static void tree_task(void *arg, uint64_t item, uint32_t worker) {
    wood_fit *f = arg;
    const uint32_t i = f->own + (uint32_t)item;
    f->status[i] = tm__wood_grow(f->growers[worker], f->tree + i, f->in->x->n_cols, &f->trees[i]);
}

static tm_status shares_add(tm_wood_shares *shares, const tm_wood_tree *tree, tm_err *err) {
    const uint64_t n_entries = (uint64_t)shares->n_entries + tree->starts[tree->n_leaves];
    if (n_entries > UINT32_MAX) {
        return TM_FAIL(err, TM_E_LIMIT, "the leaves of a forest hold too many classes");
    }
    if (!tm__wood_shares_reserve(shares, (uint64_t)shares->n_leaves + tree->n_leaves, n_entries)) {
        return nomem(err);
    }
    const uint32_t n = tree->starts[tree->n_leaves];
    for (uint32_t leaf = 0; leaf < tree->n_leaves; leaf++) {
        shares->starts[shares->n_leaves + leaf + 1] = shares->n_entries + tree->starts[leaf + 1];
    }
    memcpy(shares->classes + shares->n_entries, tree->classes, n * sizeof(uint16_t));
    memcpy(shares->shares + shares->n_entries, tree->shares, n * sizeof(float));
    shares->n_leaves += tree->n_leaves;
    shares->n_entries += n;
    return TM_OK;
}

static tm_status tree_add(wood_fit *f, tm_wood_tree *tree, tm_err *err) {
    tm_random_forest *model = f->model;
    for (uint32_t i = 0; i < tree->n_nodes && f->n_classes > 0; i++) {
        const bool is_leaf = (tree->nodes[i].meta & TM_NODE_LEAF) != 0;
        tree->values[i] += is_leaf ? model->shares.n_leaves : 0;
    }
    const tm_tree_draft draft = {.n_nodes = tree->n_nodes,
                                 .n_sets = tree->n_sets,
                                 .nodes = tree->nodes,
                                 .values = tree->values,
                                 .covers = tree->covers,
                                 .sets = tree->sets};
    TM_TRY(tm__forest_add(&model->trees, &draft, err));
    if (f->n_classes > 0) {
        TM_TRY(shares_add(&model->shares, tree, err));
    }
    for (uint32_t c = 0; c < model->base.n_cols; c++) {
        model->gains[c] += tree->gains[c];
    }
    model->base.work_used += tree->work;
    return TM_OK;
}

/* The trees of a batch, each grown by one rank and then with all. */
static tm_status batch_share(wood_fit *f, uint32_t n, tm_err *err) {
    const tm_row_deal deal = {.n_rows = n, .chunk_rows = 1};
    const uint32_t n_ranks = tm__comm_ranks(f->comm);
    const tm_row_part own = tm__comm_part(deal, tm__comm_rank(f->comm), n_ranks);
    f->own = (uint32_t)own.begin;
    tm__pool_run(f->ctx->pool, own.end - own.begin, tree_task, f);
    for (uint32_t rank = 0; f->comm != NULL && rank < n_ranks; rank++) {
        const tm_row_part part = tm__comm_part(deal, rank, n_ranks);
        for (uint64_t i = part.begin; i < part.end; i++) {
            f->status[i] =
                tm__wood_tree_spread(f->comm, rank, f->in->x->n_cols, f->status[i], &f->trees[i]);
            TM_TRY(tm__comm_status(f->comm, err));
        }
    }
    return TM_OK;
}

static tm_status batch_grow(wood_fit *f, uint32_t n, uint64_t *out_work, tm_err *err) {
    TM_TRY(batch_share(f, n, err));
    for (uint32_t i = 0; i < n; i++) {
        if (f->status[i] == TM_E_CANCELLED) {
            return TM_FAIL(err, TM_E_CANCELLED, "growing a forest was cancelled");
        }
        if (f->status[i] != TM_OK) {
            return nomem(err);
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        *out_work += f->trees[i].work;
        TM_TRY(tree_add(f, &f->trees[i], err));
        tm__wood_tree_done(&f->trees[i]);
    }
    return TM_OK;
}

static tm_status trees_grow(wood_fit *f, tm_err *err) {
    const uint32_t n_trees = (uint32_t)f->params[TM_WOOD_TREES];
    uint64_t per_batch = BATCH_ROWS / (f->bins.n_rows + 1);
    per_batch = per_batch > BATCH_TREES ? BATCH_TREES : per_batch;
    per_batch = per_batch < BATCH_LEAST ? BATCH_LEAST : per_batch;
    bool is_spent = false;
    while (f->tree < n_trees && !is_spent) {
        const uint32_t left = n_trees - f->tree;
        const uint32_t n = left < per_batch ? left : (uint32_t)per_batch;
        uint64_t work = 0;
        TM_TRY(batch_grow(f, n, &work, err));
        f->tree += n;
        is_spent = tm__ctx_spend(f->ctx, work);
        tm__ctx_progress(f->ctx, "fit", f->tree, n_trees, "trees");
        if (tm__ctx_cancelled(f->ctx)) {
            return TM_FAIL(err, TM_E_CANCELLED, "growing a forest was cancelled");
        }
    }
    return TM_OK;
}

/* The trees that there are answer together. */
static tm_status model_settle(wood_fit *f, tm_err *err) {
    tm_forest *trees = &f->model->trees;
    f->model->base.n_rounds = f->tree;
    if (f->n_classes > 0) {
        trees->n_outputs = f->tree;
    }
    for (uint32_t node = 0; node < trees->n_nodes && f->n_classes == 0; node++) {
        trees->values[node] /= f->tree;
    }
    return tm__forest_settle(trees, err);
}

/* ---- memory ---- */

uint64_t tm__random_forest_needs(const tm_fit_input *in, const tm_params *params,
                                 uint32_t n_threads) {
    const uint64_t n = in->x->n_rows, c = in->x->n_cols;
    const uint32_t k = in->task == TM_TASK_MULTICLASS ? in->n_classes : 0;
    const double *p = params->values;
    const uint64_t padded = c <= 4    ? 4
                            : c <= 8  ? 8
                            : c <= 16 ? 16
                            : c <= 32 ? 32
                                      : (c + 63) / 64 * 64;
    const uint64_t sample = n < 210000 ? n : 210000; /* rows that cuts are made from */
    const uint64_t bins = n * (c + padded) + c * (255 * 8 + 2 * sizeof(tm_bin_column) + 256 + 64);
    const uint64_t sorting = n_threads * (sample * 24 + 49152) + sample * 4;
    uint64_t leaves = (uint64_t)p[TM_WOOD_LEAVES];
    const uint64_t most = n / (uint64_t)p[TM_WOOD_MIN_ROWS] + 1;
    leaves = leaves < most ? leaves : most;
    const uint64_t nodes = 2 * leaves;
    const uint64_t entries = k == 0 ? 0 : leaves * k < n ? leaves * k : n; /* of a tree */
    const uint64_t tree = nodes * (16 + 8 + 4) + leaves * 32 + leaves * 4 + entries * 6 + c * 8;
    const uint64_t grown = nodes * 3 / 2 * 96;
    const uint64_t growers = (n_threads < THREADS_MAX ? n_threads : THREADS_MAX) *
                             (tm__wood_grower_bytes(n, (uint32_t)c, k) + grown);
    const uint64_t n_trees = (uint64_t)p[TM_WOOD_TREES];
    const uint64_t rows = n * (8 + 4 + 8 + 8) + n / TM_LOSS_CHUNK * 32;
    return bins + sorting + growers + tree * BATCH_TREES + tree * n_trees * 5 / 2 + rows +
           (UINT64_C(1) << 20);
}

tm_status tm__random_forest_fit(tm_ctx *ctx, const tm_fit_input *in, const tm_params *params,
                                tm_model **out_model, tm_err *err) {
    const bool is_shared = in->x->n_rows * in->x->n_cols >= TM_SHARED_CELLS;
    wood_fit f = {
        .ctx = ctx, .comm = is_shared ? ctx->comm : NULL, .in = in, .params = params->values};
    const uint64_t held = tm__mem_bytes();
    const uint64_t needs = tm__random_forest_needs(in, params, tm__pool_threads(ctx->pool));
    if (ctx->memory_limit > 0 && held + needs > ctx->memory_limit) {
        const tm_status st =
            TM_FAIL(err, TM_E_LIMIT, "a forest needs %llu MiB more than the limit leaves",
                    (unsigned long long)((held + needs - ctx->memory_limit) >> 20) + 1);
        tm_err_hint(err, "Lower forest.n_trees or forest.max_leaves, or give fewer rows.");
        return st;
    }
    tm_status st = fit_init(&f, err);
    if (st == TM_OK) {
        f.model->base.bytes_planned = held + needs;
        const uint64_t start_ns = tm__mono_ns();
        st = trees_grow(&f, err);
        f.model->base.seconds_fit = (double)(tm__mono_ns() - start_ns) * 1e-9;
    }
    if (st == TM_OK) {
        st = model_settle(&f, err);
    }
    if (st == TM_OK) {
        *out_model = &f.model->base;
        f.model = NULL;
    }
    fit_done(&f);
    return st;
}
