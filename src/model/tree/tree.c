/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Design. All trees share one array of 16-byte nodes:
 *
 *     tree 0            tree 1
 *     [root][l r][l r].. [root][l r]..        node: threshold or set | left | column and flags
 *
 * Invariants, for each tree of nodes [root, end):
 *   1. Breadth-first: the left child of the next inner node is the first node not yet taken. So
 * each node but the root has one parent, children come after their parent, and siblings are
 * adjacent.
 *   2. A leaf has left == itself, threshold +infinity, column 0 and TM_NODE_MISSING_LEFT.
 *   3. Columns are below n_cols, sets below n_sets, thresholds are not NaN, values are finite.
 *   4. A node's cover is the sum of its children's; no cover is 0.
 * A learner's draft is trusted to have them (debug builds check); a file's is not.
 *
 * Prediction walks eight trees of one row, or eight rows of one tree, in step: each walk is a chain
 * of dependent loads, and eight chains hide each other's latency. The sum over trees is taken in
 * tree order in both, so that a row has the same bits alone and in a batch.
 *
 * tm__forest_settle() makes a second layout (tree_codes.c) that asks more of a row before the first
 * tree and less at each node. It pays when an average row visits enough nodes for each code
 * searched. Measured by bench/model_tree on forests of 2 to 500 trees and 7 to 255 leaves, 28
 * columns: equal times at 2 nodes a code in batches and 6 for one row with AVX-512, at 8 and 16
 * without.
 */
#include "model/tree/tree.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/fmath.h"
#include "base/le.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/simd.h"
#include "model/tree/tree_codes.h"

enum {
    LANES = 8,
    NODE_BYTES = 20,  /* left, meta, cover: u32; threshold, value or set: u64 */
    VISITS_LEAST = 8, /* nodes that a row visits in a forest not worth a second layout */
    BATCH_ROWS = 512 /* rows of one task: 512 doubles a column stay in the cache while trees pass */
};

tm_status tm__forest_init(tm_forest *forest, uint32_t n_outputs, uint32_t n_cols, tm_err *err) {
    TM_ASSERT(n_outputs > 0);
    *forest = (tm_forest){.n_outputs = n_outputs, .n_cols = n_cols};
    forest->base = tm__mem_zalloc(n_outputs, sizeof(double));
    if (forest->base == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for a forest");
    }
    return TM_OK;
}

void tm__forest_done(tm_forest *forest) {
    tm__mem_free(forest->base);
    tm__mem_free(forest->roots);
    tm__mem_free(forest->nodes);
    tm__mem_free(forest->values);
    tm__mem_free(forest->covers);
    tm__mem_free(forest->sets);
    tm__forest_codes_free(forest->codes);
    *forest = (tm_forest){0};
}

/* Grow one array of a forest; the others may be larger than the recorded capacity, never smaller.
 */
static bool array_grow(void *array_pointer, uint32_t capacity, size_t size) {
    void *array;
    memcpy(&array, array_pointer, sizeof(array));
    void *grown = tm__mem_realloc(array, capacity, size);
    if (grown == NULL) {
        return false;
    }
    memcpy(array_pointer, &grown, sizeof(grown));
    return true;
}

/* What was chosen for other trees holds no more. */
static void forest_unsettle(tm_forest *forest) {
    tm__forest_codes_free(forest->codes);
    forest->codes = NULL;
}

static bool forest_reserve(tm_forest *forest, uint32_t n_trees, uint32_t n_nodes, uint32_t n_sets) {
    if (n_trees > forest->trees_capacity) {
        const uint32_t capacity = n_trees + n_trees / 2 + 16;
        if (!array_grow(&forest->roots, capacity, sizeof(uint32_t))) {
            return false;
        }
        forest->trees_capacity = capacity;
    }
    if (n_nodes > forest->nodes_capacity) {
        const uint32_t capacity = n_nodes + n_nodes / 2 + 64;
        if (!array_grow(&forest->nodes, capacity, sizeof(tm_tree_node)) ||
            !array_grow(&forest->values, capacity, sizeof(double)) ||
            !array_grow(&forest->covers, capacity, sizeof(uint32_t))) {
            return false;
        }
        forest->nodes_capacity = capacity;
    }
    if (n_sets > forest->sets_capacity) {
        const uint32_t capacity = n_sets + n_sets / 2 + 16;
        if (!array_grow(&forest->sets, capacity, sizeof(tm_tree_set))) {
            return false;
        }
        forest->sets_capacity = capacity;
    }
    return true;
}

/* Check invariants 1 to 4 of the last tree, whose nodes start at root; NULL or what is wrong. */
static const char *tree_fault(const tm_forest *forest, uint32_t root, uint32_t *out_depth) {
    const uint32_t end = forest->n_nodes;
    uint32_t next = root + 1, level_end = root + 1, depth = 0;
    if (root >= end) {
        return "a tree without nodes";
    }
    for (uint32_t i = root; i < end; i++) {
        const tm_tree_node *node = &forest->nodes[i];
        const uint32_t column = node->meta & TM_NODE_COLUMN;
        if (i == level_end) {
            level_end = next;
            depth++;
        }
        if (i >= next || forest->covers[i] == 0) {
            return "a node without a parent or without rows";
        }
        if ((node->meta & TM_NODE_LEAF) != 0) {
            if (node->meta != (TM_NODE_LEAF | TM_NODE_MISSING_LEFT) || node->left != i ||
                !isfinite(forest->values[i]) || node->threshold != (double)INFINITY) {
                return "a bad leaf";
            }
            continue;
        }
        if (node->left != next || end - next < 2) {
            return "children out of order";
        }
        next += 2;
        if (forest->covers[node->left] >= forest->covers[i] ||
            forest->covers[node->left + 1] != forest->covers[i] - forest->covers[node->left]) {
            return "covers that do not add up";
        }
        if (column >= forest->n_cols || node->meta >= TM_NODE_LEAF) {
            return "a column or flag out of range";
        }
        if ((node->meta & TM_NODE_CATEGORICAL) != 0 ? node->set >= forest->n_sets
                                                    : isnan(node->threshold)) {
            return "a threshold or set out of range";
        }
    }
    if (next != end || depth > TM_TREE_MAX_DEPTH) {
        return "nodes left over or a path too long";
    }
    *out_depth = depth;
    return NULL;
}

tm_status tm__forest_add(tm_forest *forest, const tm_tree_draft *draft, tm_err *err) {
    const uint32_t root = forest->n_nodes;
    if (draft->n_nodes > TM_TREE_MAX_NODES - root ||
        draft->n_sets > TM_TREE_MAX_NODES - forest->n_sets) {
        return TM_FAIL(err, TM_E_LIMIT, "a forest has at most %u nodes", TM_TREE_MAX_NODES);
    }
    if (!forest_reserve(forest, forest->n_trees + 1, root + draft->n_nodes,
                        forest->n_sets + draft->n_sets)) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for a tree of %u nodes", draft->n_nodes);
    }
    forest_unsettle(forest);
    for (uint32_t i = 0; i < draft->n_nodes; i++) {
        tm_tree_node node = draft->nodes[i];
        node.left += root;
        if ((node.meta & TM_NODE_CATEGORICAL) != 0) {
            node.set += forest->n_sets;
        }
        forest->nodes[root + i] = node;
    }
    memcpy(forest->values + root, draft->values, draft->n_nodes * sizeof(double));
    memcpy(forest->covers + root, draft->covers, draft->n_nodes * sizeof(uint32_t));
    if (draft->n_sets > 0) {
        memcpy(forest->sets + forest->n_sets, draft->sets, draft->n_sets * sizeof(tm_tree_set));
    }
    forest->roots[forest->n_trees++] = root;
    forest->n_nodes += draft->n_nodes;
    forest->n_sets += draft->n_sets;
    uint32_t depth = 0;
    const char *fault = tree_fault(forest, root, &depth);
    TM_ASSERT(fault == NULL);
    forest->depth_max = depth > forest->depth_max ? depth : forest->depth_max;
    return TM_OK;
}

tm_status tm__forest_copy(const tm_forest *forest, tm_forest *out, tm_err *err) {
    tm_forest copy = {0};
    TM_TRY(tm__forest_init(&copy, forest->n_outputs, forest->n_cols, err));
    if (!forest_reserve(&copy, forest->n_trees, forest->n_nodes, forest->n_sets)) {
        tm__forest_done(&copy);
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for %u trees", forest->n_trees);
    }
    memcpy(copy.base, forest->base, forest->n_outputs * sizeof(double));
    if (forest->n_trees > 0) {
        memcpy(copy.roots, forest->roots, forest->n_trees * sizeof(uint32_t));
        memcpy(copy.nodes, forest->nodes, forest->n_nodes * sizeof(tm_tree_node));
        memcpy(copy.values, forest->values, forest->n_nodes * sizeof(double));
        memcpy(copy.covers, forest->covers, forest->n_nodes * sizeof(uint32_t));
    }
    if (forest->n_sets > 0) {
        memcpy(copy.sets, forest->sets, forest->n_sets * sizeof(tm_tree_set));
    }
    copy.n_trees = forest->n_trees;
    copy.n_nodes = forest->n_nodes;
    copy.n_sets = forest->n_sets;
    copy.depth_max = forest->depth_max;
    *out = copy;
    return TM_OK;
}

void tm__forest_truncate(tm_forest *forest, uint32_t n_trees) {
    TM_ASSERT(n_trees <= forest->n_trees);
    if (n_trees == forest->n_trees) {
        return;
    }
    const uint32_t n_nodes = forest->roots[n_trees];
    forest_unsettle(forest);
    for (uint32_t i = forest->n_nodes; i-- > n_nodes;) {
        if ((forest->nodes[i].meta & TM_NODE_CATEGORICAL) != 0 &&
            forest->nodes[i].set < forest->n_sets) {
            forest->n_sets = (uint32_t)forest->nodes[i].set;
        }
    }
    forest->n_nodes = n_nodes;
    forest->n_trees = n_trees;
}

uint32_t tm__forest_leaves(const tm_forest *forest, uint32_t tree) {
    return (tm__forest_end(forest, tree) - forest->roots[tree] + 1) / 2;
}

/* What a walk reads; sets is NULL for a forest without any, which gets loops of its own. */
typedef struct walk {
    const tm_tree_node *nodes;
    const tm_tree_set *sets;
    const double *const *cols;
} walk;

static TM_ALWAYS_INLINE uint32_t node_next(walk w, uint32_t at, uint64_t row) {
    const tm_tree_node *node = &w.nodes[at];
    const double x = w.cols[node->meta & TM_NODE_COLUMN][row];
    const bool missing_left = (node->meta & TM_NODE_MISSING_LEFT) != 0;
    if (w.sets != NULL && (node->meta & TM_NODE_CATEGORICAL) != 0) {
        if (!(x >= 0 && x < 256)) {
            return node->left + !missing_left;
        }
        const uint32_t code = (uint32_t)x;
        return node->left + !((w.sets[node->set].bits[code >> 6] >> (code & 63)) & 1);
    }
    /* NaN fails the comparison; bitwise operators keep this free of branches. */
    return node->left + (uint32_t)(!(x <= node->threshold) & !(isnan(x) & missing_left));
}

/* Walk eight lanes to their leaves; at[] holds roots on entry. Lane k looks at row row + k * step.
 */
static TM_ALWAYS_INLINE void lanes_walk(walk w, uint64_t row, uint64_t step, uint32_t *at) {
    uint32_t moved;
    do {
        moved = 0;
#define TM_LANE(k)                                                                                 \
    {                                                                                              \
        const uint32_t next = node_next(w, at[k], row + (k)*step);                                 \
        moved |= next ^ at[k];                                                                     \
        at[k] = next;                                                                              \
    }
        TM_LANE(0) TM_LANE(1) TM_LANE(2) TM_LANE(3) TM_LANE(4) TM_LANE(5) TM_LANE(6) TM_LANE(7)
#undef TM_LANE
    } while (moved != 0);
}

static walk walk_of(const tm_forest *forest, const double *const *cols) {
    return (walk){forest->nodes, forest->n_sets > 0 ? forest->sets : NULL, cols};
}

/* Eight trees, one row. */
static void trees_walk(walk w, uint64_t row, uint32_t *at) {
    if (w.sets != NULL) {
        lanes_walk(w, row, 0, at);
    } else {
        lanes_walk((walk){w.nodes, NULL, w.cols}, row, 0, at);
    }
}

/* One tree, eight rows. */
static void rows_walk(walk w, uint64_t row, uint32_t *at) {
    if (w.sets != NULL) {
        lanes_walk(w, row, 1, at);
    } else {
        lanes_walk((walk){w.nodes, NULL, w.cols}, row, 1, at);
    }
}

static uint32_t walk_one(walk w, uint32_t root, uint64_t row) {
    uint32_t at = root;
    while ((w.nodes[at].meta & TM_NODE_LEAF) == 0) {
        at = node_next(w, at, row);
    }
    return at;
}

uint32_t tm__forest_next(const tm_forest *forest, uint32_t node, const double *const *cols,
                         uint64_t row) {
    return node_next(walk_of(forest, cols), node, row);
}

void tm__forest_predict_row(const tm_forest *forest, const double *const *cols, uint64_t row,
                            double *out) {
    if (forest->codes != NULL && forest->codes->for_rows) {
        tm__forest_codes_predict_row(forest, cols, row, out);
        return;
    }
    const walk w = walk_of(forest, cols);
    memcpy(out, forest->base, forest->n_outputs * sizeof(double));
    uint32_t tree = 0, output = 0;
    /* Without columns every tree is one leaf, and there is nothing that a lane may look at. */
    for (; tree + LANES <= forest->n_trees && forest->n_cols > 0; tree += LANES) {
        uint32_t at[LANES];
        memcpy(at, forest->roots + tree, sizeof(at));
        trees_walk(w, row, at);
        for (uint32_t k = 0; k < LANES; k++) {
            out[output] += forest->values[at[k]];
            output = output + 1 == forest->n_outputs ? 0 : output + 1;
        }
    }
    for (; tree < forest->n_trees; tree++) {
        out[output] += forest->values[walk_one(w, forest->roots[tree], row)];
        output = output + 1 == forest->n_outputs ? 0 : output + 1;
    }
}

void tm__forest_predict_row_ref(const tm_forest *forest, const double *const *cols, uint64_t row,
                                double *out) {
    memcpy(out, forest->base, forest->n_outputs * sizeof(double));
    for (uint32_t tree = 0; tree < forest->n_trees; tree++) {
        const uint32_t leaf = walk_one(walk_of(forest, cols), forest->roots[tree], row);
        out[tree % forest->n_outputs] += forest->values[leaf];
    }
}

/* Add one tree's values to rows [row_begin, row_end): out[(row - row_begin) * stride]. */
static void tree_add(const tm_forest *forest, uint32_t tree, const tm_view *x, uint64_t row_begin,
                     uint64_t row_end, uint32_t stride, double *out) {
    const walk w = walk_of(forest, x->cols);
    const uint32_t root = forest->roots[tree];
    uint64_t row = row_begin;
    if ((forest->nodes[root].meta & TM_NODE_LEAF) == 0) {
        for (; row + LANES <= row_end; row += LANES) {
            uint32_t at[LANES] = {root, root, root, root, root, root, root, root};
            rows_walk(w, row, at);
            for (uint32_t k = 0; k < LANES; k++) {
                out[(row - row_begin + k) * stride] += forest->values[at[k]];
            }
        }
    }
    for (; row < row_end; row++) {
        out[(row - row_begin) * stride] += forest->values[walk_one(w, root, row)];
    }
}

void tm__forest_add_scores(const tm_forest *forest, uint32_t tree, const tm_view *x,
                           uint64_t row_begin, uint64_t row_end, double *scores) {
    tree_add(forest, tree, x, row_begin, row_end, 1, scores + row_begin);
}

typedef struct predict_job {
    tm_ctx *ctx;
    const tm_forest *forest;
    const tm_view *x;
    double *out;
    uint32_t block_rows;
    uint8_t *blocks; /* of each worker, for codes */
} predict_job;

static void predict_task(void *arg, uint64_t item, uint32_t worker) {
    const predict_job *job = arg;
    const tm_forest *forest = job->forest;
    const uint64_t row_begin = item * BATCH_ROWS;
    const uint64_t row_end =
        job->x->n_rows - row_begin < BATCH_ROWS ? job->x->n_rows : row_begin + BATCH_ROWS;
    const uint32_t k = forest->n_outputs;
    double *out = job->out + row_begin * k;
    if (tm__ctx_cancelled(job->ctx)) {
        return;
    }
    if (forest->codes != NULL) {
        uint8_t *block = job->blocks + worker * tm__forest_codes_bytes(forest);
        for (uint64_t row = row_begin; row < row_end; row += job->block_rows) {
            const uint64_t n = row_end - row < job->block_rows ? row_end - row : job->block_rows;
            tm__forest_codes_predict(forest, job->x->cols, row, (uint32_t)n, block,
                                     job->out + row * k);
        }
        return;
    }
    for (uint64_t i = 0; i < row_end - row_begin; i++) {
        memcpy(out + i * k, forest->base, k * sizeof(double));
    }
    for (uint32_t tree = 0; tree < forest->n_trees; tree++) {
        tree_add(forest, tree, job->x, row_begin, row_end, k, out + tree % k);
    }
}

tm_status tm__forest_predict(tm_ctx *ctx, const tm_forest *forest, const tm_view *x, double *out,
                             tm_err *err) {
    TM_ASSERT(x->n_cols == forest->n_cols);
    predict_job job = {.ctx = ctx, .forest = forest, .x = x, .out = out};
    if (forest->codes != NULL) {
        job.block_rows = tm__forest_codes_rows(forest->codes);
        job.blocks = tm__mem_alloc(tm__pool_threads(ctx->pool), tm__forest_codes_bytes(forest));
        if (job.blocks == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "out of memory to predict");
        }
    }
    tm__pool_run(ctx->pool, (x->n_rows + BATCH_ROWS - 1) / BATCH_ROWS, predict_task, &job);
    tm__mem_free(job.blocks);
    if (tm__ctx_cancelled(ctx)) {
        return TM_FAIL(err, TM_E_CANCELLED, "prediction was cancelled");
    }
    return TM_OK;
}

/* Nodes that an average row of training visits. */
static double forest_visits(const tm_forest *forest) {
    double visits = 0;
    for (uint32_t t = 0; t < forest->n_trees; t++) {
        const uint32_t root = forest->roots[t];
        double covers = 0;
        for (uint32_t i = root; i < tm__forest_end(forest, t); i++) {
            covers += (forest->nodes[i].meta & TM_NODE_LEAF) == 0 ? forest->covers[i] : 0u;
        }
        visits += covers / forest->covers[root];
    }
    return visits;
}

tm_status tm__forest_settle(tm_forest *forest, tm_err *err) {
    const bool is_vector = tm__simd() == TM_SIMD_AVX512;
    const double visits = forest_visits(forest);
    forest_unsettle(forest);
    if (visits < VISITS_LEAST) {
        return TM_OK;
    }
    TM_TRY(tm__forest_codes_create(forest, err));
    const tm_forest_codes *codes = forest->codes;
    if (codes != NULL) {
        uint32_t n_searches = 0;
        for (uint32_t s = 0; s < codes->n_slots; s++) {
            n_searches += !codes->slots[s].is_twin;
        }
        const double per_search = visits / n_searches;
        forest->codes->for_rows = per_search >= (is_vector ? 6 : 16);
        if (per_search < (is_vector ? 2 : 8)) {
            forest_unsettle(forest);
        }
    }
    return TM_OK;
}

/* File: n_trees n_nodes n_sets depth_max (u32), base, sizes of trees, then one array a field. */
tm_status tm__forest_save(const tm_forest *forest, tm_buf *out, tm_err *err) {
    tm__buf_u32(out, forest->n_trees);
    tm__buf_u32(out, forest->n_nodes);
    tm__buf_u32(out, forest->n_sets);
    tm__buf_f64s(out, forest->base, forest->n_outputs);
    for (uint32_t t = 0; t < forest->n_trees; t++) {
        tm__buf_u32(out, tm__forest_end(forest, t) - forest->roots[t]);
    }
    for (uint32_t t = 0; t < forest->n_trees; t++) {
        const uint32_t root = forest->roots[t];
        for (uint32_t i = root; i < tm__forest_end(forest, t); i++) {
            const tm_tree_node *node = &forest->nodes[i];
            tm__buf_u32(out, node->left - root);
            tm__buf_u32(out, node->meta);
            tm__buf_u32(out, forest->covers[i]);
            if ((node->meta & TM_NODE_LEAF) != 0) {
                tm__buf_f64(out, forest->values[i]);
            } else if ((node->meta & TM_NODE_CATEGORICAL) != 0) {
                tm__buf_u64(out, node->set);
            } else {
                tm__buf_f64(out, node->threshold);
            }
        }
    }
    for (uint32_t s = 0; s < forest->n_sets; s++) {
        for (uint32_t w = 0; w < 4; w++) {
            tm__buf_u64(out, forest->sets[s].bits[w]);
        }
    }
    if (out->failed) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for the file of a forest");
    }
    return TM_OK;
}

/* Nodes of the next tree; the reader is known to hold them. NULL or what is wrong. */
static const char *tree_load(tm_reader *reader, tm_forest *forest, uint32_t n_nodes) {
    const uint32_t root = forest->n_nodes;
    const uint8_t *at = tm__reader_view(reader, n_nodes, NODE_BYTES);
    if (at == NULL) {
        return "an early end";
    }
    for (uint32_t i = root; i < root + n_nodes; i++, at += NODE_BYTES) {
        tm_tree_node node = {.left = root + tm__le_u32(at)};
        node.meta = tm__le_u32(at + 4);
        forest->covers[i] = tm__le_u32(at + 8);
        const uint64_t bits = tm__le_u32(at + 12) | (uint64_t)tm__le_u32(at + 16) << 32;
        double number; /* whatever NaN it is, tree_fault() refuses it */
        memcpy(&number, &bits, sizeof number);
        forest->values[i] = 0;
        if ((node.meta & TM_NODE_LEAF) != 0) {
            node.threshold = (double)INFINITY;
            forest->values[i] = number;
        } else if ((node.meta & TM_NODE_CATEGORICAL) != 0) {
            node.set = bits;
        } else {
            node.threshold = number;
        }
        forest->nodes[i] = node;
    }
    forest->n_nodes += n_nodes;
    uint32_t depth = 0;
    const char *fault = tree_fault(forest, root, &depth);
    forest->depth_max = depth > forest->depth_max ? depth : forest->depth_max;
    return fault;
}

/* Everything after the counts, into arrays that are large enough. */
static const char *forest_load_trees(tm_reader *reader, tm_forest *forest, uint32_t n_trees,
                                     uint32_t n_nodes) {
    uint32_t left = n_nodes;
    for (uint32_t k = 0; k < forest->n_outputs; k++) {
        forest->base[k] = tm__reader_f64(reader);
        if (!isfinite(forest->base[k])) {
            return "a base score that is not finite";
        }
    }
    for (uint32_t t = 0; t < n_trees; t++) {
        const uint32_t size = tm__reader_u32(reader);
        if (size == 0 || size > left) {
            return "a tree of a wrong size";
        }
        forest->roots[t] = n_nodes - left;
        left -= size;
    }
    if (left != 0) {
        return "nodes without a tree";
    }
    for (uint32_t t = 0; t < n_trees; t++) {
        const uint32_t end = t + 1 < n_trees ? forest->roots[t + 1] : n_nodes;
        const char *fault = tree_load(reader, forest, end - forest->roots[t]);
        if (fault != NULL) {
            return fault;
        }
        forest->n_trees = t + 1;
    }
    for (uint32_t s = 0; s < forest->n_sets; s++) {
        for (uint32_t w = 0; w < 4; w++) {
            forest->sets[s].bits[w] = tm__reader_u64(reader);
        }
    }
    return reader->failed ? "an early end" : NULL;
}

/* Whether some row could get a score that is not finite, or too large to be added to others. */
static bool forest_overflows(const tm_forest *forest) {
    for (uint32_t k = 0; k < forest->n_outputs; k++) {
        double sum = fabs(forest->base[k]);
        for (uint32_t t = k; t < forest->n_trees; t += forest->n_outputs) {
            double most = 0;
            for (uint32_t i = forest->roots[t]; i < tm__forest_end(forest, t); i++) {
                const double value = fabs(forest->values[i]);
                most = value > most ? value : most;
            }
            sum += most;
        }
        if (!(sum <= TM_TREE_SCORE_MAX)) {
            return true;
        }
    }
    return false;
}

tm_status tm__forest_load(tm_reader *reader, uint32_t n_outputs, uint32_t n_cols, tm_forest *out,
                          tm_err *err) {
    tm_forest forest = {0};
    const char *fault = NULL;
    TM_TRY(tm__forest_init(&forest, n_outputs, n_cols, err));
    tm_status st = TM_OK;
    const uint32_t n_trees = tm__reader_u32(reader);
    const uint32_t n_nodes = tm__reader_u32(reader);
    forest.n_sets = tm__reader_u32(reader);
    /* Counts are believed only as far as there are bytes for them. */
    const uint64_t want = (uint64_t)n_outputs * 8 + (uint64_t)n_trees * 4 + (uint64_t)n_nodes * 20 +
                          (uint64_t)forest.n_sets * 32;
    if (reader->failed || want > reader->len - reader->pos || n_nodes > TM_TREE_MAX_NODES ||
        n_trees % n_outputs != 0) {
        fault = "counts that do not fit its length";
        goto out;
    }
    if (!forest_reserve(&forest, n_trees, n_nodes, forest.n_sets)) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory for %u trees", n_trees);
        goto out;
    }
    fault = forest_load_trees(reader, &forest, n_trees, n_nodes);
    if (fault == NULL && forest_overflows(&forest)) {
        fault = "values that add up to too much";
    }
    if (fault == NULL) {
        *out = forest;
        return TM_OK;
    }
out:
    if (fault != NULL) {
        st = TM_FAIL(err, TM_E_INTEGRITY, "the trees have %s", fault);
    }
    tm__forest_done(&forest);
    return st;
}
