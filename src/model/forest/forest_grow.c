/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Design. A node's rows are a run in one of two buffers, with their packed targets beside them, and
 * a split writes both sides to the other buffer (gbdt_rows.h). Nodes that have a split wait in a
 * heap; the one that tells most is opened first, which matters only when leaves are bounded.
 *
 * Columns of a split. They are drawn one by one from those not drawn yet, and looked at, until
 * enough of them were not constant in the node; so a node far down does not end because its sample
 * held nothing. After TRIES_FACTOR times as many, what was found has to do.
 *
 * Categories are put in order once a tree, by the mean target of the tree's rows or by the share of
 * a class that is drawn for the tree, and are cut as numbers are (Wright and Koenig 2019,
 * doi:10.7717/peerj.6339, find this as good as an order for each node, which follows few rows).
 *
 * Source: Breiman 2001, doi:10.1023/A:1010933404324; Geurts et al. 2006,
 * doi:10.1007/s10994-006-6226-1.
 */
#include "model/forest/forest_grow.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/comm.h"
#include "base/fmath.h"
#include "base/mem.h"
#include "model/forest/forest_split.h"
#include "model/gbdt/gbdt_cut.h"
#include "model/gbdt/gbdt_rows.h"

enum {
    TRIES_FACTOR = 4,
    FIRST_NODES = 256,
    POLL_ROWS = 1 << 16, /* rows looked at between two questions whether the fit is cancelled */
    BLOCK = 256
};

/* Rows that a level's mean counts as more, with the mean of all. */
static const double LEVEL_SMOOTH = 5;

typedef struct grow_node {
    uint32_t left; /* node; the right one is next to it; 0: a leaf */
    uint32_t begin, count;
    uint8_t buffer;
    uint32_t depth;
    uint32_t column; /* of its split */
    tm_wood_cut cut; /* gain 0: it is a leaf */
} grow_node;

struct tm_wood_grower {
    const tm_wood *wood;
    uint32_t *rows[2];  /* [n_rows] */
    int32_t *packed[2]; /* [n_rows] */
    tm_wood_room room;
    double *classes;   /* [n_classes] of the node, all 0 between nodes */
    uint8_t *places;   /* [n_columns x TM_WOOD_PLACES] of categories' bins */
    uint32_t *columns; /* [n_columns] in the order of the last draws */
    grow_node *nodes;
    uint32_t n_nodes, nodes_capacity;
    uint32_t *heap; /* [nodes_capacity] nodes that have a split, the largest gain first */
    uint32_t n_heap;
    uint32_t *from; /* [nodes_capacity] node of each place of the tree that is handed over */
    uint64_t work, polled;
    tm_rng rng;
};

/* ---- room ---- */

uint64_t tm__wood_grower_bytes(uint64_t n_rows, uint32_t n_columns, uint32_t n_classes) {
    return n_rows * (2 * 8 + 1 + 4) + (uint64_t)n_columns * (TM_WOOD_PLACES + 4) +
           (uint64_t)n_classes * 24 + (TM_WOOD_PLACES + 8) * 8;
}

static bool nodes_reserve(tm_wood_grower *grower, uint32_t n) {
    if (n <= grower->nodes_capacity) {
        return true;
    }
    const uint32_t capacity = n + n / 2;
    grow_node *nodes = tm__mem_realloc(grower->nodes, capacity, sizeof(grow_node));
    grower->nodes = nodes != NULL ? nodes : grower->nodes;
    uint32_t *heap = tm__mem_realloc(grower->heap, capacity, sizeof(uint32_t));
    grower->heap = heap != NULL ? heap : grower->heap;
    uint32_t *from = tm__mem_realloc(grower->from, capacity, sizeof(uint32_t));
    grower->from = from != NULL ? from : grower->from;
    if (nodes == NULL || heap == NULL || from == NULL) {
        return false;
    }
    grower->nodes_capacity = capacity;
    return true;
}

tm_wood_grower *tm__wood_grower_create(const tm_wood *wood) {
    const uint64_t n_rows = wood->bins->n_rows;
    const uint32_t n_columns = wood->bins->n_columns;
    tm_wood_grower *grower = tm__mem_zalloc(1, sizeof(*grower));
    if (grower == NULL) {
        return NULL;
    }
    grower->wood = wood;
    for (uint32_t i = 0; i < 2; i++) {
        grower->rows[i] = tm__mem_alloc(n_rows, sizeof(uint32_t));
        grower->packed[i] = tm__mem_alloc(n_rows, sizeof(int32_t));
    }
    grower->room.cells = tm__mem_zalloc(TM_WOOD_PLACES + 8, sizeof(int64_t));
    grower->room.places = tm__mem_alloc(n_rows, 1);
    grower->room.sorted = tm__mem_alloc(wood->n_classes > 0 ? n_rows : 0, sizeof(int32_t));
    grower->room.left = tm__mem_zalloc(wood->n_classes, sizeof(double));
    grower->room.right = tm__mem_zalloc(wood->n_classes, sizeof(double));
    grower->classes = tm__mem_zalloc(wood->n_classes, sizeof(double));
    grower->places = tm__mem_alloc(n_columns, TM_WOOD_PLACES);
    grower->columns = tm__mem_alloc(n_columns, sizeof(uint32_t));
    if (!nodes_reserve(grower, FIRST_NODES) || grower->rows[0] == NULL || grower->rows[1] == NULL ||
        grower->packed[0] == NULL || grower->packed[1] == NULL || grower->room.cells == NULL ||
        grower->room.places == NULL || grower->room.sorted == NULL || grower->room.left == NULL ||
        grower->room.right == NULL || grower->classes == NULL || grower->places == NULL ||
        grower->columns == NULL) {
        tm__wood_grower_free(grower);
        return NULL;
    }
    return grower;
}

void tm__wood_grower_free(tm_wood_grower *grower) {
    if (grower == NULL) {
        return;
    }
    for (uint32_t i = 0; i < 2; i++) {
        tm__mem_free(grower->rows[i]);
        tm__mem_free(grower->packed[i]);
    }
    tm__mem_free(grower->room.cells);
    tm__mem_free(grower->room.places);
    tm__mem_free(grower->room.sorted);
    tm__mem_free(grower->room.left);
    tm__mem_free(grower->room.right);
    tm__mem_free(grower->classes);
    tm__mem_free(grower->places);
    tm__mem_free(grower->columns);
    tm__mem_free(grower->nodes);
    tm__mem_free(grower->heap);
    tm__mem_free(grower->from);
    tm__mem_free(grower);
}

void tm__wood_tree_done(tm_wood_tree *tree) {
    tm__mem_free(tree->nodes);
    tm__mem_free(tree->values);
    tm__mem_free(tree->covers);
    tm__mem_free(tree->sets);
    tm__mem_free(tree->starts);
    tm__mem_free(tree->classes);
    tm__mem_free(tree->shares);
    tm__mem_free(tree->gains);
    *tree = (tm_wood_tree){0};
}

/* ---- rows and columns of a tree ---- */

/* Rows that have a weight and are drawn, all of those when none is. */
static uint32_t rows_draw(tm_wood_grower *grower, uint32_t tree, double share) {
    const tm_wood *wood = grower->wood;
    const uint64_t n_rows = wood->bins->n_rows;
    const uint64_t key = tm__rng_split(wood->seed, "forest.rows", tree).key;
    const uint64_t limit = share < 1 ? (uint64_t)(0x1p64 * share) : UINT64_MAX;
    uint64_t random[BLOCK];
    uint32_t n = 0;
    for (uint64_t row = 0; row < n_rows; row++) {
        if (row % BLOCK == 0 && share < 1) {
            tm__rng_fill(key, row, BLOCK, random);
        }
        const bool is_in = share >= 1 || random[row % BLOCK] < limit;
        grower->rows[0][n] = (uint32_t)row;
        grower->packed[0][n] = wood->packed[row];
        n += is_in && wood->packed[row] != 0;
    }
    return n;
}

typedef struct level {
    double mean;
    uint32_t bin;
} level;

/* Weight of what a tree orders categories by, of a row. */
static int64_t towards(const tm_wood *wood, uint32_t class, int32_t packed) {
    if (wood->n_classes == 0) {
        return tm__packed_wide(packed);
    }
    const int64_t w = tm__wood_weight(packed);
    return tm__wood_class(packed) == class ? (w << 32) + w : w;
}

static void levels_order(tm_wood_grower *grower, const tm_bin_column *column, uint32_t n_rows,
                         const int64_t *cells, uint8_t *places) {
    level levels[TM_WOOD_PLACES];
    double g = 0, h = 0;
    (void)n_rows;
    for (uint32_t b = 0; b < column->n_bins; b++) {
        g += tm__packed_g(cells[b]);
        h += tm__packed_h(cells[b]);
    }
    const double more = LEVEL_SMOOTH * grower->wood->row_units, mean = h > 0 ? g / h : 0;
    for (uint32_t b = 0; b < column->n_bins; b++) {
        const level own = {.mean = (tm__packed_g(cells[b]) + more * mean) /
                                   (tm__packed_h(cells[b]) + more),
                           .bin = b};
        uint32_t at = b;
        for (; at > 0 && levels[at - 1].mean > own.mean; at--) {
            levels[at] = levels[at - 1];
        }
        levels[at] = own;
    }
    for (uint32_t p = 0; p < column->n_bins; p++) {
        places[levels[p].bin] = (uint8_t)p;
    }
    places[column->n_bins] = (uint8_t)column->n_bins;
}

/* Places of the categories of all columns, by the tree's rows. */
static void categories_order(tm_wood_grower *grower, uint32_t n) {
    const tm_wood *wood = grower->wood;
    const tm_bins *bins = wood->bins;
    const uint32_t class =
        wood->n_classes > 0 ? (uint32_t)tm__rng_below(&grower->rng, wood->n_classes) : 0;
    for (uint32_t c = 0; c < bins->n_columns; c++) {
        const uint8_t *column = bins->by_column + (uint64_t)c * bins->n_rows;
        int64_t cells[TM_WOOD_PLACES] = {0};
        if (!bins->columns[c].is_categorical) {
            continue;
        }
        for (uint32_t i = 0; i < n; i++) {
            cells[column[grower->rows[0][i]]] += towards(wood, class, grower->packed[0][i]);
        }
        grower->work += n;
        levels_order(grower, &bins->columns[c], n, cells,
                     grower->places + (size_t)c * TM_WOOD_PLACES);
    }
}

/* ---- a node ---- */

static tm_wood_column column_of(const tm_wood_grower *grower, uint32_t c) {
    const tm_bins *bins = grower->wood->bins;
    return (tm_wood_column){.bins = bins->by_column + (uint64_t)c * bins->n_rows,
                            .places = bins->columns[c].is_categorical
                                          ? grower->places + (size_t)c * TM_WOOD_PLACES
                                          : NULL,
                            .n_bins = bins->columns[c].n_bins};
}

/* Sums of a node's rows; false when they are all alike and nothing is left to tell. */
static bool node_sum(tm_wood_grower *grower, tm_wood_node *node) {
    const tm_wood *wood = grower->wood;
    const int32_t *packed = node->rows.packed;
    bool is_pure = true;
    if (wood->n_classes > 0) {
        for (uint64_t i = 0; i < node->rows.n; i++) {
            const double w = tm__wood_weight(packed[i]);
            double *sum = &grower->classes[tm__wood_class(packed[i])];
            node->base += w * (2 * *sum + w);
            *sum += w;
            node->h += w;
            is_pure = is_pure && tm__wood_class(packed[i]) == tm__wood_class(packed[0]);
        }
        node->base /= node->h;
        node->classes = grower->classes;
        node->n_classes = wood->n_classes;
        return !is_pure;
    }
    int64_t sum = 0;
    for (uint64_t i = 0; i < node->rows.n; i++) {
        sum += tm__packed_wide(packed[i]);
    }
    node->g = tm__packed_g(sum);
    node->h = tm__packed_h(sum);
    node->base = node->g * node->g / node->h;
    if (wood->gradients == NULL) {
        return node->g > 0 && node->g < node->h;
    }
    /* Values that are the same may be one unit apart, by rounding. */
    int32_t low = INT32_MAX, high = INT32_MIN;
    for (uint64_t i = 0; i < node->rows.n; i++) {
        const int32_t g = packed[i] >> 16;
        low = g < low ? g : low;
        high = g > high ? g : high;
    }
    return high - low > 1;
}

static void node_forget(tm_wood_grower *grower, const tm_wood_node *node) {
    for (uint64_t i = 0; i < node->rows.n && node->n_classes > 0; i++) {
        grower->classes[tm__wood_class(node->rows.packed[i])] = 0;
    }
}

/* Draw columns and keep the best cut of them. */
static void columns_try(tm_wood_grower *grower, const tm_wood_node *node, grow_node *out) {
    const tm_wood *wood = grower->wood;
    const uint32_t n_columns = wood->bins->n_columns;
    uint32_t n_done = 0;
    for (uint32_t i = 0; i < n_columns && n_done < wood->n_tries; i++) {
        const uint32_t pick = i + (uint32_t)tm__rng_below(&grower->rng, n_columns - i);
        const uint32_t c = grower->columns[pick];
        grower->columns[pick] = grower->columns[i];
        grower->columns[i] = c;
        const tm_wood_column column = column_of(grower, c);
        const tm_wood_cut cut =
            wood->is_random ? tm__wood_cut_random(node, &column, &grower->room, &grower->rng)
                            : tm__wood_cut_best(node, &column, &grower->room);
        grower->work += node->rows.n;
        n_done += !cut.is_constant;
        if (cut.gain > out->cut.gain) {
            out->cut = cut;
            out->column = c;
        }
        if (i + 1 >= TRIES_FACTOR * wood->n_tries && out->cut.gain > 0) {
            break;
        }
    }
}

/* Find the split of a node; without one it stays a leaf. */
static void node_search(tm_wood_grower *grower, uint32_t at) {
    const tm_wood *wood = grower->wood;
    grow_node *out = &grower->nodes[at];
    tm_wood_node node = {.rows = {.rows = grower->rows[out->buffer] + out->begin,
                                  .packed = grower->packed[out->buffer] + out->begin,
                                  .n = out->count}};
    if ((double)out->count < 2 * wood->min_rows || out->count < 2 ||
        (wood->max_depth > 0 && out->depth >= wood->max_depth)) {
        return;
    }
    if (node_sum(grower, &node)) {
        node.h_low = fmax(ceil((wood->min_rows - 0.5) * (node.h / (double)node.rows.n)), 1);
        columns_try(grower, &node, out);
    }
    node_forget(grower, &node);
}

/* ---- nodes that wait ---- */

/* Whether node a is opened before node b. */
static bool is_before(const tm_wood_grower *grower, uint32_t a, uint32_t b) {
    const double x = grower->nodes[a].cut.gain, y = grower->nodes[b].cut.gain;
    return x > y || (x == y && a < b);
}

static void heap_push(tm_wood_grower *grower, uint32_t node) {
    uint32_t at = grower->n_heap++;
    while (at > 0 && is_before(grower, node, grower->heap[(at - 1) / 2])) {
        grower->heap[at] = grower->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    grower->heap[at] = node;
}

static uint32_t heap_pop(tm_wood_grower *grower) {
    const uint32_t top = grower->heap[0], node = grower->heap[--grower->n_heap];
    uint32_t at = 0;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= grower->n_heap) {
            break;
        }
        child += child + 1 < grower->n_heap &&
                 is_before(grower, grower->heap[child + 1], grower->heap[child]);
        if (!is_before(grower, grower->heap[child], node)) {
            break;
        }
        grower->heap[at] = grower->heap[child];
        at = child;
    }
    grower->heap[at] = node;
    return top;
}

/* ---- growing ---- */

/* Bins that go left. */
static tm_tree_set left_bins(const tm_wood_grower *grower, const grow_node *node) {
    const tm_wood_column column = column_of(grower, node->column);
    tm_tree_set set = {{0}};
    for (uint32_t b = 0; b <= column.n_bins; b++) {
        const uint32_t place = column.places != NULL ? column.places[b] : b;
        const bool is_left = b == column.n_bins ? node->cut.missing_left : place <= node->cut.place;
        set.bits[b >> 6] |= (uint64_t)is_left << (b & 63);
    }
    return set;
}

static void node_open(tm_wood_grower *grower, uint32_t at) {
    grow_node *node = &grower->nodes[at];
    const uint32_t to = 1 - node->buffer;
    const tm_divide divide = {
        .column = column_of(grower, node->column).bins,
        .left = left_bins(grower, node),
        .in = {.rows = grower->rows[node->buffer] + node->begin,
               .packed = grower->packed[node->buffer] + node->begin,
               .n = node->count},
        .rows = grower->rows[to] + node->begin,
        .packed = grower->packed[to] + node->begin,
    };
    const uint32_t n_left = tm__rows_divide(&divide), left = grower->n_nodes;
    TM_ASSERT(n_left > 0 && n_left < node->count);
    grower->n_nodes += 2;
    node->left = left;
    grower->nodes[left] = (grow_node){
        .begin = node->begin, .count = n_left, .buffer = (uint8_t)to, .depth = node->depth + 1};
    grower->nodes[left + 1] = (grow_node){.begin = node->begin + n_left,
                                          .count = node->count - n_left,
                                          .buffer = (uint8_t)to,
                                          .depth = node->depth + 1};
}

static tm_status nodes_grow(tm_wood_grower *grower) {
    const tm_wood *wood = grower->wood;
    uint32_t n_leaves = 1;
    node_search(grower, 0);
    if (grower->nodes[0].cut.gain > 0) {
        heap_push(grower, 0);
    }
    while (grower->n_heap > 0 && n_leaves < wood->max_leaves) {
        if (!nodes_reserve(grower, grower->n_nodes + 2)) {
            return TM_E_NOMEM;
        }
        const uint32_t at = heap_pop(grower);
        node_open(grower, at);
        n_leaves++;
        const uint32_t left = grower->nodes[at].left;
        for (uint32_t child = left; child < left + 2; child++) {
            node_search(grower, child);
            if (grower->nodes[child].cut.gain > 0) {
                heap_push(grower, child);
            }
        }
        if (grower->work - grower->polled >= POLL_ROWS) {
            grower->polled = grower->work;
            if (tm__ctx_cancelled(wood->ctx)) {
                return TM_E_CANCELLED;
            }
        }
    }
    return TM_OK;
}

/* ---- the tree that is handed over ---- */

/* Mean or share of a leaf's rows. */
static double leaf_value(const tm_wood_grower *grower, const grow_node *leaf) {
    const tm_wood *wood = grower->wood;
    const uint32_t *rows = grower->rows[leaf->buffer] + leaf->begin;
    const int32_t *packed = grower->packed[leaf->buffer] + leaf->begin;
    if (wood->gradients == NULL) {
        int64_t sum = 0;
        for (uint32_t i = 0; i < leaf->count; i++) {
            sum += tm__packed_wide(packed[i]);
        }
        const double more = wood->smoothing * wood->row_units;
        return (tm__packed_g(sum) + more * wood->prior) / (tm__packed_h(sum) + more) - wood->prior;
    }
    double g = 0, h = 0;
    for (uint32_t i = 0; i < leaf->count; i++) {
        g += (double)wood->gradients->g[rows[i]];
        h += (double)wood->gradients->h[rows[i]];
    }
    return h > 0 ? -g / h * wood->scale : 0;
}

/* Shares of classes of a leaf, ascending; returns how many. */
static uint32_t leaf_shares(tm_wood_grower *grower, const grow_node *leaf, uint16_t *classes,
                            float *shares) {
    const tm_wood *wood = grower->wood;
    const int32_t *packed = grower->packed[leaf->buffer] + leaf->begin;
    uint32_t n = 0;
    double h = wood->smoothing * wood->row_units;
    for (uint32_t i = 0; i < leaf->count; i++) {
        const uint32_t class = tm__wood_class(packed[i]);
        const double w = tm__wood_weight(packed[i]);
        uint32_t at = n;
        if (grower->classes[class] == 0) {
            for (; at > 0 && classes[at - 1] > class; at--) {
                classes[at] = classes[at - 1];
            }
            classes[at] = (uint16_t) class;
            n++;
        }
        grower->classes[class] += w;
        h += w;
    }
    for (uint32_t e = 0; e < n; e++) {
        shares[e] = (float)(grower->classes[classes[e]] / h);
        grower->classes[classes[e]] = 0;
    }
    return n;
}

/* A node of the tree for one that splits; `left` is the place of its left child. */
static tm_tree_node split_node(const tm_wood_grower *grower, const grow_node *node, uint32_t left,
                               tm_wood_tree *out) {
    const tm_bin_column *column = &grower->wood->bins->columns[node->column];
    tm_tree_node made = {.left = left, .meta = column->col};
    made.meta |= node->cut.missing_left ? TM_NODE_MISSING_LEFT : 0;
    if (!column->is_categorical) {
        made.threshold = tm__bin_threshold(column, node->cut.place);
        return made;
    }
    /* Codes that are no level go where missing values go, as they did in binning. */
    tm_tree_set set = left_bins(grower, node);
    for (uint32_t code = column->n_bins; code < 256; code++) {
        const uint64_t bit = UINT64_C(1) << (code & 63);
        set.bits[code >> 6] =
            node->cut.missing_left ? set.bits[code >> 6] | bit : set.bits[code >> 6] & ~bit;
    }
    out->sets[out->n_sets] = set;
    made.meta |= TM_NODE_CATEGORICAL;
    made.set = out->n_sets++;
    return made;
}

/* Lengths of a tree's arrays. */
typedef struct tree_shape {
    uint32_t n_nodes, n_sets, n_cols;
    uint32_t n_starts; /* 0: no classes */
    uint64_t n_entries;
} tree_shape;

static bool shape_alloc(const tree_shape *shape, tm_wood_tree *out) {
    out->nodes = tm__mem_zalloc(shape->n_nodes, sizeof(tm_tree_node));
    out->values = tm__mem_zalloc(shape->n_nodes, sizeof(double));
    out->covers = tm__mem_zalloc(shape->n_nodes, sizeof(uint32_t));
    out->sets = tm__mem_zalloc(shape->n_sets, sizeof(tm_tree_set));
    out->starts = tm__mem_zalloc(shape->n_starts, sizeof(uint32_t));
    out->classes = tm__mem_zalloc(shape->n_entries, sizeof(uint16_t));
    out->shares = tm__mem_zalloc(shape->n_entries, sizeof(float));
    out->gains = tm__mem_zalloc(shape->n_cols, sizeof(double));
    return out->nodes != NULL && out->values != NULL && out->covers != NULL && out->sets != NULL &&
           out->starts != NULL && out->classes != NULL && out->shares != NULL && out->gains != NULL;
}

static bool tree_alloc(const tm_wood_grower *grower, uint32_t n_cols, tm_wood_tree *out) {
    const uint32_t n = grower->n_nodes, n_leaves = n / 2 + 1;
    tree_shape shape = {
        .n_nodes = n, .n_cols = n_cols, .n_starts = grower->wood->n_classes > 0 ? n_leaves + 1 : 0};
    for (uint32_t i = 0; i < n; i++) {
        const grow_node *node = &grower->nodes[i];
        if (node->left == 0) {
            shape.n_entries +=
                node->count < grower->wood->n_classes ? node->count : grower->wood->n_classes;
        } else {
            shape.n_sets += grower->wood->bins->columns[node->column].is_categorical;
        }
    }
    return shape_alloc(&shape, out);
}

static void leaf_fill(tm_wood_grower *grower, const grow_node *node, uint32_t place,
                      tm_wood_tree *out) {
    out->nodes[place] = (tm_tree_node){
        .threshold = (double)INFINITY, .left = place, .meta = TM_NODE_LEAF | TM_NODE_MISSING_LEFT};
    if (grower->wood->n_classes == 0) {
        out->values[place] = leaf_value(grower, node);
    } else {
        const uint32_t start = out->starts[out->n_leaves];
        out->values[place] = out->n_leaves;
        out->starts[out->n_leaves + 1] =
            start + leaf_shares(grower, node, out->classes + start, out->shares + start);
    }
    out->n_leaves++;
}

/* Places of nodes are in breadth-first order. */
static void tree_fill(tm_wood_grower *grower, tm_wood_tree *out) {
    const tm_bins *bins = grower->wood->bins;
    uint32_t n = 1;
    grower->from[0] = 0;
    for (uint32_t at = 0; at < n; at++) {
        const grow_node *node = &grower->nodes[grower->from[at]];
        out->covers[at] = node->count;
        if (node->left == 0) {
            leaf_fill(grower, node, at, out);
            continue;
        }
        out->nodes[at] = split_node(grower, node, n, out);
        out->gains[bins->columns[node->column].col] += node->cut.gain;
        grower->from[n++] = node->left;
        grower->from[n++] = node->left + 1;
    }
    out->n_nodes = n;
    out->n_starts = grower->wood->n_classes > 0 ? out->n_leaves + 1 : 0;
    out->work = grower->work;
}

tm_status tm__wood_grow(tm_wood_grower *grower, uint32_t tree, uint32_t n_cols, tm_wood_tree *out) {
    const tm_wood *wood = grower->wood;
    *out = (tm_wood_tree){0};
    grower->rng = tm__rng_split(wood->seed, "forest.tree", tree);
    grower->work = grower->polled = 0;
    grower->n_heap = 0;
    grower->n_nodes = 1;
    for (uint32_t c = 0; c < wood->bins->n_columns; c++) {
        grower->columns[c] = c;
    }
    uint32_t n = rows_draw(grower, tree, wood->row_sample);
    n = n > 0 ? n : rows_draw(grower, tree, 1);
    grower->nodes[0] = (grow_node){.count = n};
    categories_order(grower, n);
    tm_status st = nodes_grow(grower);
    if (st == TM_OK && !tree_alloc(grower, n_cols, out)) {
        st = TM_E_NOMEM;
    }
    if (st == TM_OK) {
        tree_fill(grower, out);
    } else {
        tm__wood_tree_done(out);
    }
    return st;
}

/* ---- over ranks ---- */

/* What a rank says of its tree before the arrays. */
typedef struct tree_head {
    uint64_t status, n_leaves, work, n_nodes, n_sets, n_starts, n_entries;
} tree_head;

static tree_head head_of(tm_status grown, const tm_wood_tree *tree) {
    tree_head head = {.status = (uint64_t)grown};
    if (grown == TM_OK) {
        head.n_leaves = tree->n_leaves;
        head.work = tree->work;
        head.n_nodes = tree->n_nodes;
        head.n_sets = tree->n_sets;
        head.n_starts = tree->n_starts;
        head.n_entries = tree->n_starts > 0 ? tree->starts[tree->n_leaves] : 0;
    }
    return head;
}

tm_status tm__wood_tree_spread(struct tm_comm *comm, uint32_t from, uint32_t n_cols,
                               tm_status grown, tm_wood_tree *io) {
    tree_head head = head_of(grown, io);
    tm__comm_spread_from(comm, from, &head, sizeof(head));
    if (tm__comm_is_lost(comm)) {
        return TM_E_UNAVAILABLE;
    }
    if (head.status != TM_OK) {
        return (tm_status)head.status;
    }
    const tree_shape shape = {.n_nodes = (uint32_t)head.n_nodes,
                              .n_sets = (uint32_t)head.n_sets,
                              .n_cols = n_cols,
                              .n_starts = (uint32_t)head.n_starts,
                              .n_entries = head.n_entries};
    if (tm__comm_rank(comm) != from) {
        if (!shape_alloc(&shape, io)) {
            tm__wood_tree_done(io);
            return TM_E_NOMEM;
        }
        io->n_nodes = shape.n_nodes;
        io->n_sets = shape.n_sets;
        io->n_leaves = (uint32_t)head.n_leaves;
        io->n_starts = shape.n_starts;
        io->work = head.work;
    }
    tm__comm_spread_from(comm, from, io->nodes, head.n_nodes * sizeof(tm_tree_node));
    tm__comm_spread_from(comm, from, io->values, head.n_nodes * sizeof(double));
    tm__comm_spread_from(comm, from, io->covers, head.n_nodes * sizeof(uint32_t));
    tm__comm_spread_from(comm, from, io->sets, head.n_sets * sizeof(tm_tree_set));
    tm__comm_spread_from(comm, from, io->starts, head.n_starts * sizeof(uint32_t));
    tm__comm_spread_from(comm, from, io->classes, head.n_entries * sizeof(uint16_t));
    tm__comm_spread_from(comm, from, io->shares, head.n_entries * sizeof(float));
    tm__comm_spread_from(comm, from, io->gains, n_cols * sizeof(double));
    return tm__comm_is_lost(comm) ? TM_E_UNAVAILABLE : TM_OK;
}
