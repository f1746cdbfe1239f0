/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trees of a model stay, and their leaves move. Tree by tree, in the order in which they
 * answer, the rows given fall into leaves; what they ask of a leaf at the scores so far and what it
 * said before are two estimates of one value, each with the hessian of the rows behind it:
 *
 *     value = (H * rate * step + H0 * before) / (H + H0),    H0 = KEEP * cover * mean hessian
 *
 * step is that of the rows given as in growing, cover the rows that the leaf stands on. A leaf that
 * none of the rows given comes to stays as it was, and few of them hardly move one that many made.
 *
 * Rows are summed in 64 pieces of them, in their order, so any pool gives the same bits.
 *
 * Source: refit of LightGBM 4 (decay_rate, there the same share for every leaf).
 */
#include "model/gbdt/gbdt_update.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "model/gbdt/gbdt_grow.h"
#include "model/gbdt/gbdt_loss.h"
#include "model/gbdt/gbdt_renew.h"
#include "model/gbdt/gbdt_weights.h"

#define PIECES 64u
#define LEAVES_MAX 65535u
/* What a row that the leaf stands on counts beside one given: docs/decisions/0069-updates.md. */
static const double KEEP = 0.5;

/* Sums over the rows of one leaf. */
typedef struct leaf_sums {
    double g, h, weight;
    uint64_t n;
} leaf_sums;

typedef struct update {
    tm_ctx *ctx;
    const tm_fit_input *in;
    const double *params;
    tm_loss loss;
    tm_gradients gradients;
    tm_renewal renewal; /* where the objective renews */
    tm_gbdt *model;
    double *scores;        /* [n_outputs x n_rows] of the trees that have moved */
    double *norms;         /* [n_rows], MULTICLASS */
    uint16_t *leaf_of;     /* [n_rows] */
    leaf_sums *pieces;     /* [PIECES x leaves] */
    double *values;        /* [leaves] */
    uint16_t *leaf_number; /* [nodes of a tree] */
    uint32_t *leaf_node;   /* [leaves] in the forest */
    uint32_t tree, n_leaves;
} update;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory for an update of trees");
}

/* ---- set up ---- */

static tm_status check(const update *u, tm_err *err) {
    const tm_gbdt *const from = (const tm_gbdt *)u->in->base;
    const tm_objective objective = u->loss.spec.objective;
    if (from->objective != objective) {
        return TM_FAIL(err, TM_E_INVALID, "leaves of objective '%s' cannot be fitted by '%s'",
                       tm__objective_text(from->objective), tm__objective_text(objective));
    }
    for (uint32_t c = 0; u->in->rules != NULL && c < u->in->x->n_cols; c++) {
        if (u->in->rules[c].monotone != 0) {
            return TM_FAIL(err, TM_E_UNSUPPORTED,
                           "leaves of a model that is monotone in a column cannot be fitted again");
        }
    }
    for (uint32_t t = 0; t < from->forest.n_trees; t++) {
        if (tm__forest_leaves(&from->forest, t) > LEAVES_MAX) {
            return TM_FAIL(err, TM_E_UNSUPPORTED, "a tree of more than %u leaves cannot be updated",
                           LEAVES_MAX);
        }
    }
    return TM_OK;
}

static tm_status loss_start(update *u, const tm_params *params, tm_err *err) {
    const tm_fit_input *const in = u->in;
    const tm_class_weights classes = {.is_balanced = u->params[TM_GBDT_CLASS_WEIGHTS] > 0,
                                      .positive = u->params[TM_GBDT_POSITIVE]};
    const uint32_t k = in->task == TM_TASK_MULTICLASS ? in->n_classes : 1;
    tm_loss_spec spec = tm__gbdt_loss_spec(in->task, k, params);
    double *weights = NULL;
    spec.query = in->queries;
    TM_TRY(tm__class_weights_apply(in, &classes, &weights, err));
    const tm_status st = tm__loss_init(&spec, in->x->n_rows, in->y,
                                       weights != NULL ? weights : in->weights, &u->loss, err);
    tm__mem_free(weights);
    return st;
}

static tm_status model_start(update *u, tm_err *err) {
    const tm_gbdt *const from = (const tm_gbdt *)u->in->base;
    const tm_model *const base = &from->base;
    tm_forest forest;
    u->model = tm__gbdt_create(base->task, from->objective, base->n_outputs, base->n_cols);
    if (u->model == NULL) {
        return no_memory(err);
    }
    TM_TRY(tm__forest_copy(&from->forest, &forest, err));
    tm__forest_done(&u->model->forest);
    u->model->forest = forest;
    memcpy(u->model->gains, from->gains, base->n_cols * sizeof(double));
    u->model->base.n_rounds = base->n_rounds;
    u->model->base.work_used = base->work_used;
    return TM_OK;
}

static tm_status room_init(update *u, tm_err *err) {
    const tm_forest *const forest = &u->model->forest;
    const uint64_t n_rows = u->in->x->n_rows;
    uint32_t leaves = 1;
    for (uint32_t t = 0; t < forest->n_trees; t++) {
        const uint32_t n = tm__forest_leaves(forest, t);
        leaves = n > leaves ? n : leaves;
    }
    TM_TRY(tm__gradients_init(n_rows, &u->gradients, err));
    if (tm__objective_renews(u->loss.spec.objective)) {
        TM_TRY(tm__renewal_init(&u->loss, leaves, &u->renewal, err));
    }
    u->scores = tm__mem_alloc((size_t)n_rows * forest->n_outputs, sizeof(double));
    u->norms = tm__mem_alloc(forest->n_outputs > 1 ? n_rows : 0, sizeof(double));
    u->leaf_of = tm__mem_alloc(n_rows, sizeof(*u->leaf_of));
    u->pieces = tm__mem_alloc((size_t)PIECES * leaves, sizeof(*u->pieces));
    u->values = tm__mem_alloc(leaves, sizeof(*u->values));
    u->leaf_number = tm__mem_alloc((size_t)2 * leaves, sizeof(*u->leaf_number));
    u->leaf_node = tm__mem_alloc(leaves, sizeof(*u->leaf_node));
    if (u->scores == NULL || u->norms == NULL || u->leaf_of == NULL || u->pieces == NULL ||
        u->values == NULL || u->leaf_number == NULL || u->leaf_node == NULL) {
        return no_memory(err);
    }
    for (uint32_t k = 0; k < forest->n_outputs; k++) {
        for (uint64_t row = 0; row < n_rows; row++) {
            u->scores[k * n_rows + row] = forest->base[k];
        }
    }
    return TM_OK;
}

static void update_done(update *u) {
    tm__gradients_done(&u->gradients);
    tm__renewal_done(&u->renewal);
    tm__loss_done(&u->loss);
    tm__mem_free(u->scores);
    tm__mem_free(u->norms);
    tm__mem_free(u->leaf_of);
    tm__mem_free(u->pieces);
    tm__mem_free(u->values);
    tm__mem_free(u->leaf_number);
    tm__mem_free(u->leaf_node);
    if (u->model != NULL) {
        tm__gbdt_free(&u->model->base);
    }
}

/* ---- one tree ---- */

static void number_leaves(update *u) {
    const tm_forest *const forest = &u->model->forest;
    const uint32_t root = forest->roots[u->tree], end = tm__forest_end(forest, u->tree);
    u->n_leaves = 0;
    for (uint32_t node = root; node < end; node++) {
        if ((forest->nodes[node].meta & TM_NODE_LEAF) != 0) {
            u->leaf_number[node - root] = (uint16_t)u->n_leaves;
            u->leaf_node[u->n_leaves++] = node;
        }
    }
}

static uint64_t piece_begin(const update *u, uint64_t piece) {
    const uint64_t size = (u->in->x->n_rows + PIECES - 1) / PIECES;
    return piece * size < u->in->x->n_rows ? piece * size : u->in->x->n_rows;
}

static void sums_task(void *arg, uint64_t piece, uint32_t worker) {
    const update *const u = arg;
    const tm_forest *const forest = &u->model->forest;
    const uint32_t root = forest->roots[u->tree];
    leaf_sums *const sums = u->pieces + (size_t)piece * u->n_leaves;
    (void)worker;
    memset(sums, 0, u->n_leaves * sizeof(*sums));
    for (uint64_t row = piece_begin(u, piece); row < piece_begin(u, piece + 1); row++) {
        uint32_t node = root;
        while ((forest->nodes[node].meta & TM_NODE_LEAF) == 0) {
            node = tm__forest_next(forest, node, u->in->x->cols, row);
        }
        const uint16_t leaf = u->leaf_number[node - root];
        u->leaf_of[row] = leaf;
        sums[leaf].g += (double)u->gradients.g[row];
        sums[leaf].h += (double)u->gradients.h[row];
        sums[leaf].weight += u->loss.weights != NULL ? u->loss.weights[row] : 1;
        sums[leaf].n++;
    }
}

static void add_task(void *arg, uint64_t piece, uint32_t worker) {
    const update *const u = arg;
    const uint64_t n_rows = u->in->x->n_rows;
    double *const scores = u->scores + (u->tree % u->model->base.n_outputs) * n_rows;
    (void)worker;
    for (uint64_t row = piece_begin(u, piece); row < piece_begin(u, piece + 1); row++) {
        scores[row] += u->values[u->leaf_of[row]];
    }
}

/* The pieces of each leaf together, in those of the first piece. */
static void join_pieces(const update *u) {
    for (uint32_t piece = 1; piece < PIECES; piece++) {
        const leaf_sums *const part = u->pieces + (size_t)piece * u->n_leaves;
        for (uint32_t leaf = 0; leaf < u->n_leaves; leaf++) {
            u->pieces[leaf].g += part[leaf].g;
            u->pieces[leaf].h += part[leaf].h;
            u->pieces[leaf].weight += part[leaf].weight;
            u->pieces[leaf].n += part[leaf].n;
        }
    }
}

/* What the rows given ask of a leaf, before the learning rate; NaN: nothing. */
static double newton_step(const update *u, const leaf_sums *sums) {
    const double l1 = u->params[TM_GBDT_L1] / u->loss.scale;
    const double below = sums->h + u->params[TM_GBDT_L2];
    const double power = tm__objective_power(&u->loss.spec);
    double step = -copysign(fmax(fabs(sums->g) - l1, 0), sums->g) / below;
    if (!(sums->h > 0)) {
        return (double)NAN;
    }
    step = power > 0 ? tm__step_within_log(step, power, sums->g, sums->h) : step;
    step *= u->loss.scale;
    const double most = u->params[TM_GBDT_VALUE_MAX];
    return most > 0 ? fmin(fmax(step, -most), most) : step;
}

/* u->values: of the residuals' own steps before, of the leaves after. */
static void move_leaves(update *u, bool renews) {
    tm_forest *const forest = &u->model->forest;
    double h = 0, weight = 0;
    for (uint32_t leaf = 0; leaf < u->n_leaves; leaf++) {
        h += u->pieces[leaf].h;
        weight += u->pieces[leaf].weight;
    }
    for (uint32_t leaf = 0; leaf < u->n_leaves; leaf++) {
        const leaf_sums *const sums = &u->pieces[leaf];
        double *const value = &forest->values[u->leaf_node[leaf]];
        const double step = renews ? u->values[leaf] : newton_step(u, sums);
        const double given = renews ? sums->weight : sums->h;
        const double before =
            KEEP * (double)forest->covers[u->leaf_node[leaf]] * (renews ? 1 : h / weight);
        const double moved =
            (given * u->params[TM_GBDT_RATE] * step + before * *value) / (given + before);
        if (sums->weight > 0 && isfinite(moved)) {
            *value = moved;
        }
        u->values[leaf] = *value;
    }
}

/* Rows that nodes stand on by now; those before count for less, and a leaf has one at the least. */
static void count_covers(const update *u) {
    tm_forest *const forest = &u->model->forest;
    const uint32_t root = forest->roots[u->tree];
    for (uint32_t leaf = 0; leaf < u->n_leaves; leaf++) {
        uint32_t *const cover = &forest->covers[u->leaf_node[leaf]];
        const double n = floor(KEEP * (double)*cover) + (double)u->pieces[leaf].n;
        *cover = n < 1 ? 1 : (uint32_t)n;
    }
    for (uint32_t node = tm__forest_end(forest, u->tree); node-- > root;) {
        if ((forest->nodes[node].meta & TM_NODE_LEAF) == 0) {
            const uint32_t left = forest->nodes[node].left;
            forest->covers[node] = forest->covers[left] + forest->covers[left + 1];
        }
    }
}

static void update_tree(update *u) {
    struct tm_pool *const pool = u->ctx->pool;
    const uint32_t output = u->tree % u->model->base.n_outputs;
    const bool renews = tm__objective_renews(u->loss.spec.objective);
    const tm_gradients_from from = {.scores = u->scores,
                                    .norms = u->norms,
                                    .key =
                                        tm__rng_split(u->in->seed, "gbdt.rounding", u->tree).key};
    number_leaves(u);
    tm__gradients_fit(pool, &u->loss, output, &from, &u->gradients);
    tm__pool_run(pool, PIECES, sums_task, u);
    join_pieces(u);
    if (renews) {
        const tm_renewal_leaves leaves = {.leaf_of = u->leaf_of, .n_leaves = u->n_leaves};
        tm__renewal_fit(pool, &u->renewal, &u->loss, u->scores, &leaves, u->values);
    }
    move_leaves(u, renews);
    count_covers(u);
    tm__pool_run(pool, PIECES, add_task, u);
}

/* ---- the whole ---- */

static tm_status run(update *u, const tm_params *params, tm_err *err) {
    const uint64_t started = tm__mono_ns();
    TM_TRY(loss_start(u, params, err));
    TM_TRY(check(u, err));
    TM_TRY(model_start(u, err));
    TM_TRY(room_init(u, err));
    const uint32_t n_trees = u->model->forest.n_trees, n_outputs = u->model->base.n_outputs;
    for (u->tree = 0; u->tree < n_trees; u->tree++) {
        if (u->tree % n_outputs == 0) { /* outputs of a round see the scores of its start */
            tm__loss_norms(u->ctx->pool, &u->loss, u->scores, u->norms);
        }
        update_tree(u);
        u->model->base.work_used += u->in->x->n_rows;
        (void)tm__ctx_spend(u->ctx, u->in->x->n_rows); /* a half of it would be no model */
        tm__ctx_progress(u->ctx, "fit", u->tree + 1, n_trees, "trees");
        if (tm__ctx_cancelled(u->ctx)) {
            return TM_FAIL(err, TM_E_CANCELLED, "an update of trees was cancelled");
        }
    }
    u->model->base.seconds_fit = (double)(tm__mono_ns() - started) * 1e-9;
    return tm__forest_settle(&u->model->forest, err);
}

tm_status tm__gbdt_update(tm_ctx *ctx, const tm_fit_input *in, const tm_params *params,
                          tm_model **out_model, tm_err *err) {
    update u = {.ctx = ctx, .in = in, .params = params->values};
    const tm_status st = run(&u, params, err);
    if (st == TM_OK) {
        *out_model = &u.model->base;
        u.model = NULL;
    }
    update_done(&u);
    return st;
}
