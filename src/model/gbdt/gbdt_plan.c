/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Design. Every array of a fit whose length depends on rows, columns, leaves or trees is counted
 * here, as if each column had all its bins and none were bundled. test_gbdt_plan.c holds the sums
 * against what is really allocated: whoever adds an array adds it here, too, or the test fails.
 */
#include "model/gbdt/gbdt_plan.h"

#include "base/pool.h"
#include "model/gbdt/gbdt_bin.h"
#include "model/gbdt/gbdt_grow.h"
#include "model/gbdt/gbdt_loss.h"
#include "model/gbdt/gbdt_priv.h"
#include "model/gbdt/gbdt_roots.h"

enum {
    CELL_BYTES = 8,
    STRIDE_MAX = 256,        /* cells of a column */
    SCRATCH_COLUMNS = 64,    /* of a thread's histogram of leaves without a slot */
    RANK_BYTES = 96,         /* of a row, when each is a query of its own */
    SLOTS_MIN = 4,           /* of a grower */
    SAMPLE_ROWS = 210000,    /* that cuts are made from: 200,000 and chance */
    SORT_COUNT_BYTES = 49152 /* of one thread's radix sort */
};
#define SLOTS_BYTES_MAX (UINT64_C(512) << 20) /* of a grower without a limit */

static uint64_t min_u64(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* Bytes of a row of n bins, at the most. */
static uint64_t padded(uint64_t n) {
    return n <= 4 ? 4 : n <= 8 ? 8 : n <= 16 ? 16 : n <= 32 ? 32 : (n + 63) / 64 * 64;
}

/* What all lanes share, in bytes. */
static uint64_t shared_bytes(const tm_fit_input *in, const tm_params *params, uint64_t k,
                             uint32_t n_threads) {
    const uint64_t n = in->x->n_rows, c = in->x->n_cols;
    const uint64_t columns = c * (255 * 8 + 2 * sizeof(tm_bin_column) + STRIDE_MAX + 64);
    const uint64_t bins = n * (c + padded(c)) + padded(c);
    /* Cuts are made before rows are binned. */
    const uint64_t sample = min_u64(n, SAMPLE_ROWS);
    const uint64_t sorting = n_threads * (sample * 24 + SORT_COUNT_BYTES) + sample * 4;
    uint64_t bytes = columns + (bins > sorting ? bins : sorting);
    const bool has_weights = in->weights != NULL || params->values[TM_GBDT_CLASS_WEIGHTS] > 0 ||
                             params->values[TM_GBDT_POSITIVE] != 1;
    bytes += n * 8 * (k + (k > 1) + has_weights); /* scores, norms, weights */
    bytes += n / 8 + 8;                           /* sample of rows */
    if (tm__objective_renews((tm_objective)params->values[TM_GBDT_OBJECTIVE])) {
        bytes += n * 8 * (in->weights != NULL ? 2 : 1); /* residuals of rows and their weights */
        bytes += (uint64_t)params->values[TM_GBDT_LEAVES] * 16;
    }
    bytes += n / TM_LOSS_CHUNK * 16 + c * 16 + (UINT64_C(1) << 20);
    if (in->task == TM_TASK_RANKING) { /* gbdt_rank.c: places, gains and gradients of rows */
        bytes += RANK_BYTES * (n + (in->x_valid != NULL ? in->x_valid->n_rows : 0));
    }
    if (in->x_valid != NULL) {
        bytes += in->x_valid->n_rows * 8 * (2 * k + 1 + (in->weights_valid != NULL));
        bytes += in->x_valid->n_rows * c; /* bins */
    }
    return bytes;
}

/* Of a lane, without the histograms of its leaves. */
static uint64_t lane_bytes(const tm_fit_input *in, uint64_t leaves, uint32_t n_parts) {
    const uint64_t n = in->x->n_rows, c = in->x->n_cols;
    const uint64_t gradients = 8 * n + n / TM_LOSS_CHUNK * 32 + 32;
    const uint64_t rows = 18 * n;
    const uint64_t tree = leaves * (1360 + 80 * (uint64_t)n_parts);
    return gradients + rows + tree + c * 2 * 256;
}

/* Of a forest that grows by half when it is full; the largest array stands twice while it moves. */
static uint64_t forest_bytes(const tm_fit_input *in, uint64_t n_trees, uint64_t leaves) {
    const tm_gbdt *base = (const tm_gbdt *)in->base;
    const uint64_t nodes = n_trees * (2 * leaves - 1) + (base != NULL ? base->forest.n_nodes : 0);
    const uint64_t sets = n_trees * (leaves - 1) + (base != NULL ? base->forest.n_sets : 0);
    const uint64_t trees = n_trees + (base != NULL ? base->forest.n_trees : 0);
    uint64_t n_categories = 0;
    for (uint32_t i = 0; i < in->x->n_cols; i++) {
        n_categories += in->x->features[i].is_categorical;
    }
    const uint64_t total = nodes * 28 + trees * 4 + (n_categories > 0 ? sets * 32 : 0);
    return total * 3 / 2 + nodes * 16 + (n_categories > 0 ? sets * 32 : 0);
}

static tm_status refuse(const tm_gbdt_plan *plan, uint64_t allowed, tm_err *err) {
    const double mib = 1.0 / (1 << 20);
    const tm_status st =
        TM_FAIL(err, TM_E_LIMIT, "boosting needs %.0f MiB, and %.0f MiB of the limit are left",
                (double)plan->total_bytes * mib + 1, (double)allowed * mib);
    if (plan->tree_bytes >= plan->row_bytes && plan->tree_bytes >= plan->hist_bytes) {
        tm_err_hint(err,
                    "Most of it, %.0f MiB, are the trees: lower gbdt.n_trees or gbdt.max_leaves.",
                    (double)plan->tree_bytes * mib);
    } else if (plan->hist_bytes >= plan->row_bytes) {
        tm_err_hint(err,
                    "Most of it, %.0f MiB, are histograms: use fewer --threads, or --drop columns.",
                    (double)plan->hist_bytes * mib);
    } else {
        tm_err_hint(err, "Most of it, %.0f MiB, follow from rows and columns: give fewer of them.",
                    (double)plan->row_bytes * mib);
    }
    return st;
}

/* The plan that keeps what is allowed, else the least; false when that is more. */
static bool plan_make(const tm_fit_input *in, const tm_params *params, uint32_t n_threads,
                      uint64_t allowed, tm_gbdt_plan *out) {
    const uint64_t n = in->x->n_rows;
    const uint64_t k = in->task == TM_TASK_MULTICLASS ? in->n_classes : 1;
    const uint64_t leaves = min_u64((uint64_t)params->values[TM_GBDT_LEAVES], n > 0 ? n : 1);
    const uint64_t hist = ((uint64_t)in->x->n_cols + 3) / 4 * 4 * STRIDE_MAX * CELL_BYTES;
    const uint64_t trees = (uint64_t)params->values[TM_GBDT_TREES] * k;
    const uint64_t slots_most =
        hist > 0 ? min_u64(min_u64(leaves, SLOTS_BYTES_MAX / (hist + 1)), n) : 0;
    tm_gbdt_plan plan = {.n_lanes = tm__gbdt_lanes(n, (uint32_t)k, n_threads)};
    const uint64_t scratch = min_u64(in->x->n_cols, SCRATCH_COLUMNS) * STRIDE_MAX * CELL_BYTES;
    plan.has_roots = params->values[TM_GBDT_ROW_SAMPLE] >= 1 && tm__roots_pay(n, in->x->n_cols, k);
    for (;;) {
        const uint32_t n_parts = plan.n_lanes > 1 || n_threads < 1 ? 1 : n_threads;
        uint64_t slots = slots_most > SLOTS_MIN ? slots_most : SLOTS_MIN;
        plan.row_bytes =
            shared_bytes(in, params, k, n_threads) + plan.n_lanes * lane_bytes(in, leaves, n_parts);
        plan.row_bytes += plan.has_roots ? tm__roots_bytes(n, in->x->n_cols, k) : 0;
        plan.tree_bytes = forest_bytes(in, trees, leaves);
        const uint64_t parts = (n_parts - 1) * hist + n_parts * scratch; /* of a lane */
        const uint64_t fixed = plan.row_bytes + plan.tree_bytes + plan.n_lanes * parts;
        if (allowed > 0 && hist > 0) {
            const uint64_t left = allowed > fixed ? allowed - fixed : 0;
            slots = min_u64(slots, left / (plan.n_lanes * (hist + 1)));
            slots = slots > SLOTS_MIN ? slots : SLOTS_MIN;
        }
        plan.slots_bytes = slots * (hist + 1);
        plan.hist_bytes = plan.n_lanes * (plan.slots_bytes + parts);
        plan.total_bytes = plan.row_bytes + plan.tree_bytes + plan.hist_bytes;
        const bool keeps = allowed == 0 || plan.total_bytes <= allowed;
        if (keeps || (plan.n_lanes == 1 && !plan.has_roots)) {
            *out = plan;
            return keeps;
        }
        plan.n_lanes = plan.has_roots ? plan.n_lanes : (plan.n_lanes + 1) / 2;
        plan.has_roots = false;
    }
}

tm_status tm__gbdt_plan(const tm_fit_input *in, const tm_params *params, uint32_t n_threads,
                        uint64_t allowed, tm_gbdt_plan *out, tm_err *err) {
    tm_gbdt_plan plan;
    if (!plan_make(in, params, n_threads, allowed, &plan)) {
        return refuse(&plan, allowed, err);
    }
    *out = plan;
    return TM_OK;
}

uint64_t tm__gbdt_plan_least(const tm_fit_input *in, const tm_params *params, uint32_t n_threads) {
    tm_gbdt_plan plan;
    (void)plan_make(in, params, n_threads, 1, &plan);
    return plan.total_bytes;
}
