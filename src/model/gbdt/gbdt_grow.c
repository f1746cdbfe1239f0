/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Design. Rows are dealt to parts, one a thread (gbdt_rows.h). A split is two steps over all
 * threads. First each part divides its rows of the leaf in two and adds those of the smaller side
 * to a histogram of its own. Then each column merges the parts' histograms, takes the smaller
 * side's from the parent's to get the larger side's, and searches the best split of both. With many
 * columns or few rows, histograms of parts would cost more than they
 * gain: the smaller side's is built in the second step, some columns a thread. Steps with little
 * work stay on the calling thread.
 *
 * Invariants:
 *   1. Histograms and all sums that decide a tree are integers: the number of parts, who works on
 *      what, and which side is built cannot change a tree. Nothing else is shared between rows.
 *   2. A leaf that may be split owns a slot (its histogram) or none: when slots run out, that of
 * the leaf with the least gain is taken, and its histogram is built again if it is ever split.
 *   3. Every node has rows (a side's hessian is over 0 only if it has).
 *
 * Leaf values come from the exact gradients (floats), summed as fixed-point integers.
 *
 * Over ranks each has rows of its own, and what decides is summed over ranks before it is looked
 * at: rows of a leaf and the smaller side's histogram, in one message a split, and the sums of
 * leaves. As these are integers, invariant 1 holds for ranks too. What is done where (slots, which
 * side is built) follows from sums that all ranks have, so that all of them wait for the same
 * message. Small leaves keep their histograms: a message has the length of one anyway.
 */
#include "model/gbdt/gbdt_grow.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/comm.h"
#include "base/fmath.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/simd.h"
#include "model/gbdt/gbdt_hist.h"
#include "model/gbdt/gbdt_rows.h"
#include "model/gbdt/gbdt_split.h"

enum {
    SLOT_NONE = -1,
    FIXED_ROWS = 256,  /* a block of numbers on their way to sums */
    WIDE_COLUMNS = 64, /* more are shared out to threads, not rows */
    /* Work in units of a cell that one row is added to. Less than FORK_WORK is done sooner by one
     * thread than handed out. */
    FORK_WORK = 1 << 15,
    SPLIT_WORK = 4,         /* of a row that is sent left or right */
    SEARCH_WORK = 8,        /* of a cell that is searched, on both sides */
    CACHE_BYTES = 16 << 20, /* histograms of a tree that stay near */
    FAR_CELL_WORK = 5       /* of a cell that comes from memory and goes back */
};
#define HIST_BYTES_MAX (UINT64_C(512) << 20)

typedef struct grow_leaf {
    uint32_t node;
    uint32_t depth;
    int32_t slot;
    double l2_extra; /* asked for by the split above it */
    tm_split_leaf stats;
    tm_split best;
} grow_leaf;

typedef struct grow_node {
    uint32_t left, right; /* nodes; 0 in a leaf */
    uint64_t n_rows;
    uint32_t leaf; /* its number, in a leaf */
    double value;  /* leaf */
    tm_split split;
} grow_node;

struct tm_grower {
    struct tm_pool *pool;
    const tm_bins *bins;
    tm_grow_options options;
    uint32_t n_parts;
    tm_leaf_rows rows;
    grow_leaf *leaves;
    uint32_t n_leaves;
    grow_node *nodes; /* [2 max_leaves - 1] */
    uint32_t n_nodes;
    /* Histograms: n_slots of leaves, then n_parts - 1 of parts. */
    int64_t *cells;
    uint64_t hist_cells;   /* of one */
    uint64_t hist_used;    /* cells of one that belong to a bin */
    int64_t *scratch;      /* [n_threads x scratch_cells()] */
    uint32_t hist_columns; /* bundles */
    int32_t n_slots;
    int32_t *free_slots;
    int32_t n_free;
    tm_hist_source source;
    tm_split *found;   /* [2 x n_columns] */
    uint16_t *leaf_of; /* [n_rows] once the tree is grown */
    int64_t *wire;     /* over ranks: a histogram and a count on their way */
    double *values;    /* [max_leaves] of leaves */
    int64_t *sums;     /* [n_parts x max_leaves x 2] fixed-point gradients and hessians of leaves */
    /* The tree of the last fit. */
    tm_grow_input in;
    tm_split_rules rules;
    tm_tree_node *draft_nodes;
    double *draft_values;
    uint32_t *draft_covers;
    tm_tree_set *draft_sets;
    uint32_t *draft_from; /* node of each place */
    tm_binned_node *binned_nodes;
};

/* ---- make and end ---- */

/* Cells that a thread has for leaves without a slot. */
static uint64_t scratch_cells(const tm_grower *grower) {
    const uint64_t columns =
        grower->hist_columns < WIDE_COLUMNS ? grower->hist_columns : (uint64_t)WIDE_COLUMNS;
    return columns * grower->bins->stride;
}

static uint64_t rows_all(const tm_grow_options *options, const tm_bins *bins) {
    return options->n_rows_all > 0 ? options->n_rows_all : bins->n_rows;
}

static bool slots_alloc(tm_grower *grower) {
    const tm_bins *bins = grower->bins;
    const uint32_t columns = bins->bundles.n_bundles;
    grower->hist_cells = (uint64_t)columns * bins->stride;
    const uint64_t bytes = grower->hist_cells * sizeof(int64_t) + 1;
    const uint64_t given = grower->options.hist_bytes_max;
    uint64_t n_slots = (given > 0 ? given : HIST_BYTES_MAX) / bytes;
    n_slots = n_slots < grower->options.max_leaves ? n_slots : grower->options.max_leaves;
    const uint64_t n_rows = rows_all(&grower->options, bins);
    n_slots = n_slots < n_rows ? n_slots : n_rows;
    n_slots = n_slots < 4 ? 4 : n_slots;
    grower->n_slots = (int32_t)n_slots;
    grower->cells =
        tm__mem_alloc((n_slots + grower->n_parts - 1) * grower->hist_cells, sizeof(int64_t));
    grower->free_slots = tm__mem_alloc(n_slots, sizeof(int32_t));
    grower->hist_columns = columns;
    for (uint32_t at = 0; at < columns; at++) {
        grower->hist_used += bins->bundles.bundles[at].n_codes;
    }
    grower->scratch =
        tm__mem_alloc(tm__pool_threads(grower->pool) * scratch_cells(grower), sizeof(int64_t));
    grower->source = (tm_hist_source){
        .by_row = bins->by_row, .row_bytes = bins->row_bytes, .stride = bins->stride};
    if (grower->options.comm != NULL) {
        grower->wire = tm__mem_alloc(grower->hist_used + 1, sizeof(int64_t));
    }
    return grower->cells != NULL && grower->free_slots != NULL && grower->scratch != NULL &&
           (grower->wire != NULL || grower->options.comm == NULL);
}

tm_grower *tm__grower_create(struct tm_pool *pool, const tm_bins *bins,
                             const tm_grow_options *options) {
    tm_grower *grower = tm__mem_zalloc(1, sizeof(*grower));
    if (grower == NULL) {
        return NULL;
    }
    grower->pool = pool;
    grower->bins = bins;
    grower->options = *options;
    if (rows_all(options, bins) < options->max_leaves) {
        grower->options.max_leaves = (uint32_t)rows_all(options, bins);
    }
    const uint32_t max_leaves = grower->options.max_leaves, max_nodes = 2 * max_leaves - 1;
    const bool has_rows =
        tm__leaf_rows_init(bins->n_rows, tm__pool_threads(pool), max_leaves, &grower->rows);
    grower->n_parts = grower->rows.n_parts;
    grower->leaves = tm__mem_zalloc(max_leaves, sizeof(grow_leaf));
    grower->nodes = tm__mem_zalloc(max_nodes, sizeof(grow_node));
    grower->found = tm__mem_zalloc((size_t)bins->n_columns * 2, sizeof(tm_split));
    grower->leaf_of = tm__mem_alloc(bins->n_rows, sizeof(uint16_t));
    grower->values = tm__mem_alloc(max_leaves, sizeof(double));
    grower->sums = tm__mem_zalloc((size_t)max_leaves * grower->n_parts * 2, sizeof(int64_t));
    grower->draft_nodes = tm__mem_zalloc(max_nodes, sizeof(tm_tree_node));
    grower->draft_values = tm__mem_zalloc(max_nodes, sizeof(double));
    grower->draft_covers = tm__mem_zalloc(max_nodes, sizeof(uint32_t));
    grower->draft_sets = tm__mem_zalloc(max_leaves, sizeof(tm_tree_set));
    grower->draft_from = tm__mem_zalloc(max_nodes, sizeof(uint32_t));
    grower->binned_nodes = tm__mem_zalloc(max_nodes, sizeof(tm_binned_node));
    if (!has_rows || !slots_alloc(grower) || grower->leaves == NULL || grower->nodes == NULL ||
        grower->found == NULL || grower->leaf_of == NULL || grower->values == NULL ||
        grower->sums == NULL || grower->draft_nodes == NULL || grower->draft_values == NULL ||
        grower->draft_covers == NULL || grower->draft_sets == NULL || grower->draft_from == NULL ||
        grower->binned_nodes == NULL) {
        tm__grower_free(grower);
        return NULL;
    }
    return grower;
}

void tm__grower_free(tm_grower *grower) {
    if (grower == NULL) {
        return;
    }
    tm__leaf_rows_done(&grower->rows);
    tm__mem_free(grower->leaves);
    tm__mem_free(grower->nodes);
    tm__mem_free(grower->cells);
    tm__mem_free(grower->free_slots);
    tm__mem_free(grower->scratch);
    tm__mem_free(grower->wire);
    tm__mem_free(grower->found);
    tm__mem_free(grower->leaf_of);
    tm__mem_free(grower->values);
    tm__mem_free(grower->sums);
    tm__mem_free(grower->draft_nodes);
    tm__mem_free(grower->draft_values);
    tm__mem_free(grower->draft_covers);
    tm__mem_free(grower->draft_sets);
    tm__mem_free(grower->draft_from);
    tm__mem_free(grower->binned_nodes);
    tm__mem_free(grower);
}

/* ---- slots ---- */

static int64_t *slot_cells(const tm_grower *grower, int32_t slot) {
    return grower->cells + (uint64_t)slot * grower->hist_cells;
}

/* Where part p adds when parts work at the same time. */
static int64_t *part_cells(const tm_grower *grower, uint32_t part, int32_t slot) {
    return slot_cells(grower, part == 0 ? slot : grower->n_slots + (int32_t)part - 1);
}

static void slot_give(tm_grower *grower, grow_leaf *leaf) {
    if (leaf->slot != SLOT_NONE) {
        grower->free_slots[grower->n_free++] = leaf->slot;
        leaf->slot = SLOT_NONE;
    }
}

/* A free slot; taken from the leaf that is least likely to need it when there is none. */
static int32_t slot_take(tm_grower *grower, const grow_leaf *keep) {
    grow_leaf *victim = NULL;
    for (uint32_t i = 0; i < grower->n_leaves && grower->n_free == 0; i++) {
        grow_leaf *leaf = &grower->leaves[i];
        if (leaf->slot != SLOT_NONE && leaf != keep &&
            (victim == NULL || leaf->best.gain < victim->best.gain)) {
            victim = leaf;
        }
    }
    if (victim != NULL) {
        slot_give(grower, victim);
    }
    return grower->free_slots[--grower->n_free];
}

/* ---- rows of leaves ---- */

static void deal_task(void *arg, uint64_t part, uint32_t worker) {
    tm_grower *grower = arg;
    (void)worker;
    tm__leaf_rows_deal(&grower->rows, (uint32_t)part, grower->in.rows, grower->in.gradients);
}

typedef struct split_job {
    tm_grower *grower;
    uint32_t leaf;  /* becomes the left side */
    uint32_t right; /* new leaf; UINT32_MAX: build only */
    uint32_t build; /* leaf whose rows are added, UINT32_MAX for none */
    int32_t slot;   /* where to */
    const uint8_t *column;
    tm_tree_set left; /* bins that go left */
} split_job;

/* Cells of a bundle that are used, up to a multiple of 8. */
static uint32_t bundle_cells(const tm_grower *grower, uint32_t bundle) {
    return (grower->bins->bundles.bundles[bundle].n_codes + 7) / 8 * 8;
}

static void columns_clear(const tm_grower *grower, tm_hist_columns columns, int64_t *cells) {
    for (uint32_t j = 0; j < columns.count; j++) {
        memset(cells + (uint64_t)j * grower->bins->stride, 0,
               bundle_cells(grower, columns.first + j) * sizeof(int64_t));
    }
}

/* Add the part's rows of a leaf to some columns' cells [columns.count x stride]. */
static void part_add(const tm_grower *grower, uint32_t leaf, uint32_t part, tm_hist_columns columns,
                     int64_t *cells) {
    tm__hist_add(&grower->source, columns, tm__leaf_rows_of(&grower->rows, leaf, part), cells);
}

static void split_task(void *arg, uint64_t part, uint32_t worker) {
    const split_job *job = arg;
    tm_grower *grower = job->grower;
    (void)worker;
    if (job->right != UINT32_MAX) {
        tm__leaf_rows_split(&grower->rows, (uint32_t)part, job->leaf, job->right, job->column,
                            &job->left);
    }
    if (job->build != UINT32_MAX) {
        int64_t *cells = part_cells(grower, (uint32_t)part, job->slot);
        const tm_hist_columns all = {0, grower->hist_columns};
        columns_clear(grower, all, cells);
        part_add(grower, job->build, (uint32_t)part, all, cells);
    }
}

/* Worth more than handing it to other threads. */
static bool is_much(uint64_t work) {
    return work >= FORK_WORK;
}

/* Parts add to histograms of their own: not when they are long, and clearing and merging would be
 * most of the work. Else threads share out the columns. */
static bool builds_by_rows(const tm_grower *grower, uint64_t n_rows) {
    return grower->hist_columns <= WIDE_COLUMNS &&
           (grower->n_parts == 1 || is_much(n_rows * grower->hist_columns));
}

/* ---- search ---- */

/* For each column: get the histograms of two leaves ready, and search them. */
typedef struct search_job {
    tm_grower *grower;
    uint32_t leaves[2]; /* to search; UINT32_MAX: none */
    bool is_direct;     /* their rows are added here, to cells that are not kept */
    uint32_t build;     /* leaf whose rows are added to `small` here; UINT32_MAX: none */
    int32_t small;      /* slot that is new; SLOT_NONE: none */
    int32_t large;      /* slot to take `small` from; SLOT_NONE: none */
    uint32_t n_merge;   /* parts' histograms to add up into `small` */
    uint32_t per_item;  /* columns */
    tm_split_scan scans[2];
} search_job;

/* Of no leaf yet. */
static search_job search_of(tm_grower *grower) {
    return (search_job){.grower = grower,
                        .leaves = {UINT32_MAX, UINT32_MAX},
                        .build = UINT32_MAX,
                        .small = SLOT_NONE,
                        .large = SLOT_NONE};
}

static void columns_build(const search_job *job, tm_hist_columns columns) {
    const tm_grower *grower = job->grower;
    int64_t *cells =
        slot_cells(grower, job->small) + (uint64_t)columns.first * grower->bins->stride;
    columns_clear(grower, columns, cells);
    for (uint32_t p = 0; p < grower->n_parts; p++) {
        part_add(grower, job->build, p, columns, cells);
    }
}

static void bundle_merge(const search_job *job, uint32_t bundle) {
    const tm_grower *grower = job->grower;
    const uint64_t at = (uint64_t)bundle * grower->bins->stride;
    const uint32_t n_cells = bundle_cells(grower, bundle);
    int64_t *small = slot_cells(grower, job->small) + at;
    for (uint32_t p = 1; p < job->n_merge; p++) {
        const int64_t *part = part_cells(grower, p, job->small) + at;
#pragma omp simd
        for (uint32_t b = 0; b < n_cells; b++) {
            small[b] += part[b];
        }
    }
    if (job->large != SLOT_NONE) {
        int64_t *large = slot_cells(grower, job->large) + at;
#pragma omp simd
        for (uint32_t b = 0; b < n_cells; b++) {
            large[b] -= small[b];
        }
    }
}

/* Search the columns of a bundle for the best split of one of the leaves. */
static void bundle_search(tm_grower *grower, tm_split_scan *scan, uint32_t at, uint32_t leaf,
                          const int64_t *cells) {
    const tm_bins *bins = grower->bins;
    const tm_bundle *bundle = &bins->bundles.bundles[at];
    for (uint32_t member = 0; member < bundle->count; member++) {
        const uint32_t column = bins->bundles.columns[bundle->first + member];
        tm_split *found = &grower->found[(size_t)leaf * bins->n_columns + column];
        found->gain = 0;
        if (grower->in.columns != NULL && !grower->in.columns[column]) {
            continue;
        }
        TM_UNSET int64_t own[TM_BUNDLE_CODES];
        if (bundle->count > 1) {
            tm__bundle_unfold(&bins->bundles, bundle, column, cells,
                              bins->columns[column].n_bins + 1, own);
        }
        tm__split_find(scan, &bins->columns[column], column, bundle->count > 1 ? own : cells,
                       found);
    }
}

/* Columns of leaves that get no slot. */
static void columns_search(const search_job *job, tm_hist_columns columns, int64_t *cells) {
    tm_grower *grower = job->grower;
    for (uint32_t i = 0; i < 2; i++) {
        if (job->leaves[i] == UINT32_MAX) {
            continue;
        }
        tm_split_scan scan = job->scans[i];
        columns_clear(grower, columns, cells);
        for (uint32_t p = 0; p < grower->n_parts; p++) {
            part_add(grower, job->leaves[i], p, columns, cells);
        }
        for (uint32_t j = 0; j < columns.count; j++) {
            bundle_search(grower, &scan, columns.first + j, i,
                          cells + (uint64_t)j * grower->bins->stride);
        }
    }
}

static void search_task(void *arg, uint64_t item, uint32_t worker) {
    const search_job *job = arg;
    tm_grower *grower = job->grower;
    const uint32_t begin = (uint32_t)item * job->per_item;
    const uint32_t left = grower->hist_columns - begin;
    const tm_hist_columns columns = {begin, left < job->per_item ? left : job->per_item};
    if (job->is_direct) {
        columns_search(job, columns, grower->scratch + worker * scratch_cells(grower));
        return;
    }
    tm_split_scan scans[2] = {job->scans[0], job->scans[1]};
    if (job->build != UINT32_MAX) {
        columns_build(job, columns);
    }
    for (uint32_t at = begin; at < begin + columns.count; at++) {
        if (job->small != SLOT_NONE) {
            bundle_merge(job, at);
        }
        for (uint32_t i = 0; i < 2; i++) {
            if (job->leaves[i] != UINT32_MAX) {
                const int32_t slot = grower->leaves[job->leaves[i]].slot;
                bundle_search(grower, &scans[i], at, i,
                              slot_cells(grower, slot) + (uint64_t)at * grower->bins->stride);
            }
        }
    }
}

static void search_run(search_job *job) {
    tm_grower *grower = job->grower;
    const uint32_t n_columns = grower->bins->n_columns;
    uint64_t work = grower->hist_cells * SEARCH_WORK;
    job->per_item = grower->hist_columns / 64 + 1;
    uint64_t n_rows = job->build != UINT32_MAX ? grower->leaves[job->build].stats.n_rows : 0;
    for (uint32_t i = 0; i < 2 && job->is_direct; i++) {
        n_rows += job->leaves[i] != UINT32_MAX ? grower->leaves[job->leaves[i]].stats.n_rows : 0;
    }
    if (n_rows > 0) {
        /* An item reads all rows of the leaf: few of them, and aligned to cache lines if wide. */
        work += n_rows * grower->hist_columns;
        job->per_item = grower->hist_columns > WIDE_COLUMNS ? 64 : 16;
    }
    if (!is_much(work) || tm__pool_threads(grower->pool) == 1) {
        job->per_item =
            WIDE_COLUMNS; /* what a column has, the next ones need not search for less */
    }
    for (uint32_t i = 0; i < 2; i++) {
        if (job->leaves[i] != UINT32_MAX) {
            job->scans[i] =
                tm__split_scan_of(&grower->rules, &grower->leaves[job->leaves[i]].stats);
        }
    }
    tm__pool_run(is_much(work) ? grower->pool : NULL,
                 (grower->hist_columns + job->per_item - 1) / job->per_item, search_task, job);
    for (uint32_t i = 0; i < 2; i++) {
        if (job->leaves[i] == UINT32_MAX) {
            continue;
        }
        tm_split *best = &grower->leaves[job->leaves[i]].best;
        for (uint32_t column = 0; column < n_columns; column++) {
            const tm_split *found = &grower->found[(size_t)i * n_columns + column];
            if (found->gain > best->gain) {
                *best = *found;
            }
        }
    }
}

/* Whether adding all rows of both sides costs less than to keep histograms: the smaller side's is
 * written, and the larger side's read and written. */
static bool is_direct(const tm_grower *grower, uint64_t n_rows) {
    if (grower->options.comm != NULL) {
        return false;
    }
    const uint64_t bytes = grower->hist_cells * sizeof(int64_t) * (uint64_t)grower->n_slots;
    const uint64_t work_per_cell = bytes > CACHE_BYTES ? FAR_CELL_WORK : 1;
    return n_rows * grower->hist_columns <= grower->hist_used * work_per_cell;
}

/* ---- growing ---- */

static bool leaf_may_split(const tm_grower *grower, const grow_leaf *leaf) {
    return (double)leaf->stats.n_rows >= 2 * grower->options.min_rows && leaf->stats.n_rows >= 2 &&
           (grower->options.max_depth == 0 || leaf->depth < grower->options.max_depth);
}

/* Bins that a split sends left. */
static tm_tree_set left_bins(const tm_grower *grower, const tm_split *split) {
    const uint32_t missing = grower->bins->columns[split->column].n_bins;
    tm_tree_set set = split->set;
    for (uint32_t w = 0; w < 4 && !split->is_categorical; w++) {
        const uint32_t first = w * 64; /* bins up to split->bin */
        const uint32_t n = split->bin + 1 > first ? split->bin + 1 - first : 0;
        set.bits[w] = n >= 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1;
    }
    const uint64_t bit = UINT64_C(1) << (missing & 63);
    set.bits[missing >> 6] &= ~bit;
    set.bits[missing >> 6] |= split->missing_left ? bit : 0;
    return set;
}

/* Replace a leaf by a node with two leaves; sums are known, rows are not yet. */
static uint32_t leaf_open(tm_grower *grower, uint32_t leaf) {
    const uint32_t right = grower->n_leaves++;
    grow_leaf *l = &grower->leaves[leaf], *r = &grower->leaves[right];
    grow_node *node = &grower->nodes[l->node];
    node->split = l->best;
    node->left = grower->n_nodes++;
    node->right = grower->n_nodes++;
    *r = (grow_leaf){.node = node->right, .depth = l->depth + 1, .slot = SLOT_NONE};
    r->l2_extra = l->best.is_sorted ? TM_SPLIT_SORTED_L2 : 0;
    tm_split_limits limits[2];
    tm__split_limits_next(&grower->rules, &l->stats, &l->best,
                          grower->bins->columns[l->best.column].col, limits);
    r->stats.sum = l->stats.sum - l->best.left;
    r->stats.limits = limits[1];
    l->stats.limits = limits[0];
    l->stats.sum = l->best.left;
    l->node = node->left;
    l->depth++;
    l->l2_extra = r->l2_extra;
    l->best = (tm_split){0};
    grower->nodes[node->left] = (grow_node){0};
    grower->nodes[node->right] = (grow_node){0};
    return right;
}

static void leaf_set_count(tm_grower *grower, uint32_t leaf, uint64_t n_rows) {
    grow_leaf *l = &grower->leaves[leaf];
    l->stats.n_rows = n_rows;
    grower->nodes[l->node].n_rows = n_rows;
    TM_ASSERT(n_rows > 0 || grower->options.comm != NULL); /* invariant 3 */
}

static void leaf_count(tm_grower *grower, uint32_t leaf) {
    leaf_set_count(grower, leaf, tm__leaf_rows_count(&grower->rows, leaf));
}

/* The histogram of a slot, and a count, become those of all ranks. Returns the count. */
static uint64_t slot_share(tm_grower *grower, int32_t slot, uint64_t count) {
    const tm_hist_wire wire = {
        .bundles = &grower->bins->bundles, .stride = grower->bins->stride, .cells = grower->wire};
    return tm__hist_share(grower->options.comm, &wire, slot_cells(grower, slot), count);
}

/* Histogram of a leaf from its rows alone, into a slot that it gets. */
static void leaf_build_own(tm_grower *grower, uint32_t leaf, const grow_leaf *keep) {
    grow_leaf *l = &grower->leaves[leaf];
    l->slot = slot_take(grower, keep);
    search_job job = search_of(grower);
    job.build = leaf;
    job.small = l->slot;
    if (builds_by_rows(grower, l->stats.n_rows)) {
        split_job parts = {.grower = grower, .right = UINT32_MAX, .build = leaf, .slot = l->slot};
        tm__pool_run(grower->pool, grower->n_parts, split_task, &parts);
        job.build = UINT32_MAX;
        job.n_merge = grower->n_parts;
    }
    search_run(&job);
}

static void leaf_build(tm_grower *grower, uint32_t leaf, const grow_leaf *keep) {
    leaf_build_own(grower, leaf, keep);
    if (grower->options.comm != NULL) {
        (void)slot_share(grower, grower->leaves[leaf].slot, 0);
    }
}

/*
 * Get the histograms of both sides of a split and search them. `parent` is the slot of the parent's
 * histogram or none; `built` that of the smaller side if parts have filled it.
 */
static void sides_search(tm_grower *grower, const uint32_t sides[2], int32_t parent,
                         int32_t built) {
    grow_leaf *small = &grower->leaves[sides[0]], *large = &grower->leaves[sides[1]];
    search_job job = search_of(grower);
    for (uint32_t i = 0; i < 2; i++) {
        const grow_leaf *leaf = &grower->leaves[sides[i]];
        job.leaves[i] = leaf_may_split(grower, leaf) ? sides[i] : UINT32_MAX;
    }
    const bool any = job.leaves[0] != UINT32_MAX || job.leaves[1] != UINT32_MAX;
    large->slot = parent;
    small->slot = built;
    if (any && parent != SLOT_NONE) {
        small->slot = built != SLOT_NONE ? built : slot_take(grower, large);
        job.build = built != SLOT_NONE ? UINT32_MAX : sides[0];
        job.n_merge = built != SLOT_NONE && grower->options.comm == NULL ? grower->n_parts : 1;
        job.small = small->slot;
        job.large = parent;
        search_run(&job);
    } else if (any) {
        leaf_build(grower, sides[0], large);
        leaf_build(grower, sides[1], small);
        search_run(&job);
    }
    for (uint32_t i = 0; i < 2; i++) {
        if (!(grower->leaves[sides[i]].best.gain > 0)) {
            slot_give(grower, &grower->leaves[sides[i]]);
        }
    }
}

static void sides_search_direct(tm_grower *grower, const uint32_t sides[2]) {
    search_job job = search_of(grower);
    bool any = false;
    job.is_direct = true;
    for (uint32_t i = 0; i < 2; i++) {
        if (leaf_may_split(grower, &grower->leaves[sides[i]])) {
            job.leaves[i] = sides[i];
            any = true;
        }
    }
    if (any) {
        search_run(&job);
    }
}

/*
 * Over ranks: rows of both sides as all ranks have them, and the smaller side's histogram in the
 * slot that is returned, unless it cannot be of use; n_rows of the leaf that was split.
 */
static int32_t sides_share(tm_grower *grower, const uint32_t sides[2], int32_t parent,
                           uint64_t n_rows) {
    const grow_leaf *small = &grower->leaves[sides[0]];
    const uint32_t max_depth = grower->options.max_depth;
    const bool is_last = grower->n_leaves == grower->options.max_leaves;
    const bool is_deep = max_depth > 0 && small->depth >= max_depth;
    int32_t slot = SLOT_NONE;
    uint64_t n_small = small->stats.n_rows;
    if (is_last || is_deep || parent == SLOT_NONE) {
        n_small = tm__comm_total(grower->options.comm, n_small);
    } else {
        grower->leaves[sides[0]].slot = SLOT_NONE;
        grower->leaves[sides[1]].slot = parent; /* not for others */
        leaf_build_own(grower, sides[0], &grower->leaves[sides[1]]);
        slot = small->slot;
        n_small = slot_share(grower, slot, n_small);
    }
    leaf_set_count(grower, sides[0], n_small);
    leaf_set_count(grower, sides[1], n_rows - n_small);
    return slot;
}

/* Split a leaf by its best split and search both sides. */
static void leaf_split(tm_grower *grower, uint32_t leaf) {
    const tm_split split = grower->leaves[leaf].best;
    const uint64_t n_rows = grower->leaves[leaf].stats.n_rows;
    const int32_t parent = grower->leaves[leaf].slot;
    const uint32_t right = leaf_open(grower, leaf);
    const grow_leaf *l = &grower->leaves[leaf], *r = &grower->leaves[right];
    /* The side with less hessian most likely has fewer rows; a wrong guess costs only time. */
    const bool is_left_small = tm__packed_h(l->stats.sum) <= tm__packed_h(r->stats.sum);
    const uint32_t sides[2] = {is_left_small ? leaf : right, is_left_small ? right : leaf};
    split_job job = {.grower = grower,
                     .leaf = leaf,
                     .right = right,
                     .build = UINT32_MAX,
                     .slot = SLOT_NONE,
                     .column = grower->bins->by_column + split.column * grower->bins->n_rows,
                     .left = left_bins(grower, &split)};
    const bool is_last = grower->n_leaves == grower->options.max_leaves;
    const bool direct = is_direct(grower, n_rows), is_shared = grower->options.comm != NULL;
    if (!is_last && !direct && !is_shared && parent != SLOT_NONE &&
        builds_by_rows(grower, n_rows)) {
        job.build = sides[0];
        job.slot = slot_take(grower, l);
    }
    const bool is_forked = grower->n_parts > 1 && is_much(n_rows * SPLIT_WORK);
    tm__pool_run(is_forked || job.build != UINT32_MAX ? grower->pool : NULL, grower->n_parts,
                 split_task, &job);
    leaf_count(grower, leaf);
    leaf_count(grower, right);
    if (is_shared) {
        job.slot = sides_share(grower, sides, parent, n_rows);
    }
    if (is_last) {
        return; /* slots are all free again for the next tree */
    }
    if (direct) {
        grower->leaves[leaf].slot = parent;
        slot_give(grower, &grower->leaves[leaf]);
        sides_search_direct(grower, sides);
    } else {
        sides_search(grower, sides, parent, job.slot);
    }
}

/* Sum of the packed gradients of all rows that take part: any column's cells hold it. */
static int64_t root_sum(const tm_grower *grower, int32_t slot) {
    const int64_t *cells = slot_cells(grower, slot);
    int64_t sum = 0;
    for (uint32_t b = 0; b < grower->bins->bundles.bundles[0].n_codes; b++) {
        sum += cells[b];
    }
    return sum;
}

static void root_open(tm_grower *grower) {
    grower->n_leaves = 1;
    grower->n_nodes = 1;
    grower->nodes[0] = (grow_node){0};
    grower->leaves[0] = (grow_leaf){.slot = SLOT_NONE};
    grower->n_free = 0;
    for (int32_t slot = grower->n_slots; slot-- > 0;) {
        grower->free_slots[grower->n_free++] = slot;
    }
    tm__pool_run(grower->pool, grower->n_parts, deal_task, grower);
    grow_leaf *root = &grower->leaves[0];
    root->stats.limits = tm__split_limits_root(&grower->rules);
    root->stats.n_rows =
        tm__comm_total(grower->options.comm, tm__leaf_rows_count(&grower->rows, 0));
    grower->nodes[0].n_rows = root->stats.n_rows;
    if (grower->options.max_leaves < 2 || grower->bins->n_columns == 0 ||
        !leaf_may_split(grower, root)) {
        return;
    }
    if (grower->in.roots != NULL) {
        root->slot = slot_take(grower, NULL);
        tm__roots_take(grower->in.roots, grower->in.output, slot_cells(grower, root->slot));
    } else {
        leaf_build(grower, 0, NULL);
    }
    root->stats.sum = root_sum(grower, root->slot);
    search_job search = search_of(grower);
    search.leaves[0] = 0;
    search_run(&search);
}

/* ---- leaf values ---- */

/* Exponent by which sums of up to `total` fit 62 bits. */
static int fixed_point(double total) {
    int exponent = 0;
    frexp(total, &exponent);
    return total > 0 ? 61 - exponent : 0;
}

/* The leaf that a row ends in, by its bins. */
static uint16_t leaf_find(const tm_grower *grower, uint64_t row) {
    const tm_bins *bins = grower->bins;
    const grow_node *node = &grower->nodes[0];
    while (node->left != 0) {
        const tm_split *split = &node->split;
        const uint32_t bin = bins->by_column[split->column * bins->n_rows + row];
        bool left = split->is_categorical ? ((split->set.bits[bin >> 6] >> (bin & 63)) & 1) != 0
                                          : bin <= split->bin;
        left = bin == bins->columns[split->column].n_bins ? split->missing_left : left;
        node = &grower->nodes[left ? node->left : node->right];
    }
    return (uint16_t)node->leaf;
}

/*
 * Leaves of the part's rows by row, and sums over them. A leaf's rows are spread over all rows, so
 * that gathering their gradients would miss the cache at each; writing the leaf's number there
 * touches two bytes, and all else is in order.
 */
static void sums_task(void *arg, uint64_t part, uint32_t worker) {
    tm_grower *grower = arg;
    const tm_gradients *gradients = grower->in.gradients;
    const double per_g = ldexp(1, fixed_point(gradients->sum_abs_g));
    const double per_h = ldexp(1, fixed_point(gradients->sum_h));
    const float *g = gradients->g, *h = gradients->h;
    const uint64_t n_rows = grower->bins->n_rows, *set = grower->in.rows;
    uint16_t *leaf_of = grower->leaf_of;
    int64_t *sums = grower->sums + part * grower->options.max_leaves * 2;
    (void)worker;
    memset(sums, 0, grower->n_leaves * 2 * sizeof(int64_t));
    for (uint32_t leaf = 0; leaf < grower->n_leaves; leaf++) {
        const tm_hist_rows rows = tm__leaf_rows_of(&grower->rows, leaf, (uint32_t)part);
        for (uint64_t i = 0; i < rows.n; i++) {
            leaf_of[rows.rows[i]] = (uint16_t)leaf;
        }
    }
    for (uint64_t begin = part * TM_DEAL_ROWS; begin < n_rows;
         begin += (uint64_t)grower->n_parts * TM_DEAL_ROWS) {
        const uint64_t end = tm__deal_end(&grower->rows, begin);
        for (uint64_t row = begin; row < end; row += FIXED_ROWS) {
            const uint32_t n = end - row < FIXED_ROWS ? (uint32_t)(end - row) : FIXED_ROWS;
            TM_UNSET int64_t fixed_g[FIXED_ROWS], fixed_h[FIXED_ROWS];
            tm__gradients_fixed(g + row, per_g, n, fixed_g);
            tm__gradients_fixed(h + row, per_h, n, fixed_h);
            for (uint32_t i = 0; i < n; i++) {
                const uint64_t at = row + i;
                if (set != NULL && ((set[at >> 6] >> (at & 63)) & 1) == 0) {
                    leaf_of[at] = leaf_find(grower, at);
                    continue;
                }
                int64_t *sum = sums + 2 * leaf_of[at];
                sum[0] += fixed_g[i];
                sum[1] += fixed_h[i];
            }
        }
    }
}

/* Limits came from sums of rounded gradients: a value from exact ones may lie outside. */
static double value_within(const tm_grower *grower, uint32_t leaf, double value) {
    const tm_split_limits *limits = &grower->leaves[leaf].stats.limits;
    const double within = fmin(fmax(isfinite(value) ? value : 0, limits->low), limits->high);
    const double out = grower->options.learning_rate * within * grower->in.scale;
    return isfinite(out) ? out : 0;
}

static void values_fit(tm_grower *grower) {
    const tm_grow_options *options = &grower->options;
    const tm_gradients *gradients = grower->in.gradients;
    /* Penalties are in the units of gradients as the user sees them: not divided by scale. */
    const double l1 = options->l1 / grower->in.scale;
    for (uint32_t leaf = 0; leaf < grower->n_leaves; leaf++) {
        grower->nodes[grower->leaves[leaf].node].leaf = leaf;
    }
    tm__pool_run(grower->pool, grower->n_parts, sums_task, grower);
    for (uint32_t p = 1; p < grower->n_parts; p++) {
        for (uint32_t i = 0; i < grower->n_leaves * 2; i++) {
            grower->sums[i] += grower->sums[(size_t)p * options->max_leaves * 2 + i];
        }
    }
    tm__comm_sum(options->comm, grower->sums, (size_t)grower->n_leaves * 2);
    for (uint32_t leaf = 0; leaf < grower->n_leaves; leaf++) {
        const int64_t *sums = grower->sums + (size_t)leaf * 2;
        const double g = ldexp((double)sums[0], -fixed_point(gradients->sum_abs_g));
        const double h = ldexp((double)sums[1], -fixed_point(gradients->sum_h));
        const double below = h + options->l2 + grower->leaves[leaf].l2_extra;
        const double shrunk = copysign(fmax(fabs(g) - l1, 0), g);
        double value = -options->learning_rate * shrunk / below * grower->in.scale;
        double step = -shrunk / below;
        if (grower->in.power > 0) {
            step = tm__step_within_log(step, grower->in.power, g, h);
            value = options->learning_rate * step;
        }
        grower->values[leaf] = below > 0 && isfinite(value) ? value : 0;
        if (grower->rules.is_bounded) {
            grower->values[leaf] = value_within(grower, leaf, below > 0 ? step : 0);
        }
        grower->nodes[grower->leaves[leaf].node].value = grower->values[leaf];
    }
}

uint32_t tm__grower_fit(tm_grower *grower, const tm_grow_input *in) {
    grower->in = *in;
    grower->rules =
        (tm_split_rules){.min_rows = grower->options.min_rows,
                         .l1 = grower->options.l1 / in->scale,
                         .l2 = grower->options.l2,
                         .unit_g = in->gradients->unit_g,
                         .unit_h = in->gradients->unit_h,
                         .min_hessian = grower->options.min_hessian,
                         .min_gain = grower->options.min_gain / in->scale / in->scale,
                         .is_bounded = grower->options.is_monotone || grower->options.value_max > 0,
                         .value_max = grower->options.value_max / in->scale,
                         .has_groups = grower->options.has_groups,
                         .columns = grower->options.columns};
    root_open(grower);
    while (grower->n_leaves < grower->options.max_leaves &&
           !tm__comm_is_lost(grower->options.comm)) {
        uint32_t best = 0;
        for (uint32_t leaf = 1; leaf < grower->n_leaves; leaf++) {
            if (grower->leaves[leaf].best.gain > grower->leaves[best].best.gain) {
                best = leaf;
            }
        }
        if (!(grower->leaves[best].best.gain > 0)) {
            break;
        }
        leaf_split(grower, best);
    }
    values_fit(grower);
    return grower->n_leaves;
}

/* ---- use of a tree ---- */

const uint16_t *tm__grower_leaf_of(const tm_grower *grower) {
    return grower->leaf_of;
}

void tm__grower_set_values(tm_grower *grower, const double *values) {
    for (uint32_t leaf = 0; leaf < grower->n_leaves; leaf++) {
        const double value = grower->options.learning_rate * values[leaf];
        grower->values[leaf] = grower->rules.is_bounded
                                   ? value_within(grower, leaf, values[leaf] / grower->in.scale)
                               : isfinite(value) ? value
                                                 : 0;
        grower->nodes[grower->leaves[leaf].node].value = grower->values[leaf];
    }
}

tm_score_step tm__grower_step(const tm_grower *grower) {
    return (tm_score_step){.leaf_of = grower->leaf_of, .values = grower->values};
}

typedef struct scores_job {
    tm_grower *grower;
    double *scores;
} scores_job;

static void scores_task(void *arg, uint64_t part, uint32_t worker) {
    const scores_job *job = arg;
    const tm_grower *grower = job->grower;
    const uint64_t n_rows = grower->bins->n_rows;
    (void)worker;
    for (uint64_t begin = part * TM_DEAL_ROWS; begin < n_rows;
         begin += (uint64_t)grower->n_parts * TM_DEAL_ROWS) {
        const uint64_t end = tm__deal_end(&grower->rows, begin);
        for (uint64_t row = begin; row < end; row++) {
            job->scores[row] += grower->values[grower->leaf_of[row]];
        }
    }
}

void tm__grower_add_scores(tm_grower *grower, double *scores) {
    scores_job job = {.grower = grower, .scores = scores};
    tm__pool_run(grower->pool, grower->n_parts, scores_task, &job);
}

void tm__grower_add_gains(const tm_grower *grower, double *gains) {
    for (uint32_t i = 0; i < grower->n_nodes; i++) {
        const grow_node *node = &grower->nodes[i];
        if (node->left != 0) {
            gains[grower->bins->columns[node->split.column].col] += node->split.gain;
        }
    }
}

/* A node of the draft for one that splits; `left` is the place of its left child. */
static tm_tree_node draft_node(tm_grower *grower, const tm_split *split, uint32_t left,
                               uint32_t *n_sets) {
    const tm_bin_column *column = &grower->bins->columns[split->column];
    tm_tree_node node = {.left = left, .meta = column->col};
    node.meta |= split->missing_left ? TM_NODE_MISSING_LEFT : 0;
    if (!split->is_categorical) {
        node.threshold = tm__bin_threshold(column, split->bin);
        return node;
    }
    /* Codes that are no level go where missing values go, as they did in binning. */
    tm_tree_set set = split->set;
    for (uint32_t code = column->n_bins; code < 256; code++) {
        const uint64_t bit = UINT64_C(1) << (code & 63);
        set.bits[code >> 6] =
            split->missing_left ? set.bits[code >> 6] | bit : set.bits[code >> 6] & ~bit;
    }
    grower->draft_sets[*n_sets] = set;
    node.meta |= TM_NODE_CATEGORICAL;
    node.set = (*n_sets)++;
    return node;
}

tm_tree_draft tm__grower_view(tm_grower *grower) {
    uint32_t n = 1, n_sets = 0;
    grower->draft_from[0] = 0;
    for (uint32_t at = 0; at < n; at++) {
        const grow_node *node = &grower->nodes[grower->draft_from[at]];
        grower->draft_covers[at] = (uint32_t)node->n_rows;
        grower->draft_values[at] = 0;
        if (node->left == 0) {
            grower->draft_values[at] = node->value;
            grower->draft_nodes[at] = (tm_tree_node){.threshold = (double)INFINITY,
                                                     .left = at,
                                                     .meta = TM_NODE_LEAF | TM_NODE_MISSING_LEFT};
            continue;
        }
        grower->draft_nodes[at] = draft_node(grower, &node->split, n, &n_sets);
        grower->draft_from[n++] = node->left;
        grower->draft_from[n++] = node->right;
    }
    return (tm_tree_draft){.n_nodes = n,
                           .n_sets = n_sets,
                           .nodes = grower->draft_nodes,
                           .values = grower->draft_values,
                           .covers = grower->draft_covers,
                           .sets = grower->draft_sets};
}

tm_binned_tree tm__grower_view_binned(tm_grower *grower) {
    uint32_t n = 1;
    for (uint32_t at = 0; at < n; at++) { /* places as in the draft */
        const grow_node *node = &grower->nodes[grower->draft_from[at]];
        tm_binned_node *binned = &grower->binned_nodes[at];
        if (node->left == 0) {
            *binned = (tm_binned_node){.left = at};
            memset(&binned->left_bins, 0xFF, sizeof(binned->left_bins));
        } else {
            *binned = (tm_binned_node){.left_bins = left_bins(grower, &node->split),
                                       .left = n,
                                       .column = node->split.column};
            n += 2;
        }
    }
    return (tm_binned_tree){.nodes = grower->binned_nodes, .values = grower->draft_values};
}
