/* SPDX-License-Identifier: Apache-2.0 */
#include "made_forest.h"

#include <math.h>
#include <string.h>

#include "test.h"

#include "base/fmath.h"
#include "base/mem.h"
#include "base/rng.h"

static double made_threshold(const made_forest_options *options, uint32_t column, uint32_t number) {
    switch (number) {
    case 0:
        return -0.0;
    case 1:
        return 0.0;
    case 2:
        return column % 3 == 0 ? (double)INFINITY : 0.5;
    case 3:
        return column % 5 == 0 ? -(double)INFINITY : 1;
    default:
        return (double)number * 4 / options->thresholds - 2;
    }
}

static bool made_is_categorical(const made_forest_options *options, uint32_t column) {
    return options->categories > 0 && column % options->categories == 0;
}

typedef struct made_tree {
    tm_tree_node *nodes;
    double *values;
    uint32_t *covers;
    tm_tree_set *sets;
    uint32_t n_nodes, n_sets;
} made_tree;

static void node_split(const made_forest_options *options, tm_rng *rng, made_tree *tree,
                       uint32_t i) {
    const uint32_t column = (uint32_t)tm__rng_below(rng, options->n_cols);
    tm_tree_node node = {.left = tree->n_nodes, .meta = column};
    node.meta |= tm__rng_below(rng, 2) == 0 ? TM_NODE_MISSING_LEFT : 0;
    if (made_is_categorical(options, column) && tm__rng_below(rng, 4) > 0) {
        node.meta |= TM_NODE_CATEGORICAL;
        node.set = tree->n_sets;
        memset(&tree->sets[tree->n_sets], 0, sizeof(tm_tree_set));
        for (uint64_t n = tm__rng_below(rng, 40); n > 0; n--) {
            const uint64_t code = tm__rng_below(rng, options->codes);
            tree->sets[tree->n_sets].bits[code >> 6] |= UINT64_C(1) << (code & 63);
        }
        tree->n_sets++;
    } else {
        node.threshold =
            made_threshold(options, column, (uint32_t)tm__rng_below(rng, options->thresholds));
    }
    tree->nodes[i] = node;
    tree->covers[tree->n_nodes] = 1 + (uint32_t)tm__rng_below(rng, tree->covers[i] - 1);
    if (options->is_chain) { /* rows enough for the rest of the path */
        tree->covers[tree->n_nodes] = 1;
    }
    tree->covers[tree->n_nodes + 1] = tree->covers[i] - tree->covers[tree->n_nodes];
    tree->n_nodes += 2;
}

static void made_forest_add(tm_forest *forest, const made_forest_options *options, uint32_t t) {
    tm_rng rng = tm__rng_split(options->seed, "made.tree", t);
    const uint32_t n_max = options->nodes_max + 2;
    const bool is_leaf = t % 7 == 3 || options->n_cols == 0;
    const uint32_t n_some = 1 + (uint32_t)tm__rng_below(&rng, options->nodes_max);
    const uint32_t n_want = is_leaf ? 1 : t % 3 == 0 ? options->nodes_max : n_some;
    made_tree tree = {.nodes = tm__mem_zalloc(n_max, sizeof(tm_tree_node)),
                      .values = tm__mem_zalloc(n_max, sizeof(double)),
                      .covers = tm__mem_zalloc(n_max, sizeof(uint32_t)),
                      .sets = tm__mem_zalloc(n_max, sizeof(tm_tree_set)),
                      .n_nodes = 1};
    tree.covers[0] = 2000000000;
    for (uint32_t i = 0; i < tree.n_nodes; i++) {
        const bool is_last = i + 1 == tree.n_nodes;
        if (tree.n_nodes < n_want && tree.covers[i] >= 2 &&
            (options->is_chain ? is_last : is_last || tm__rng_below(&rng, 4) > 0)) {
            node_split(options, &rng, &tree, i);
            continue;
        }
        tree.nodes[i] = (tm_tree_node){
            .threshold = (double)INFINITY, .left = i, .meta = TM_NODE_LEAF | TM_NODE_MISSING_LEFT};
        tree.values[i] = tm__rng_f64(&rng) * 2 - 1;
    }
    const tm_tree_draft draft = {tree.n_nodes, tree.n_sets, tree.nodes,
                                 tree.values,  tree.covers, tree.sets};
    assert_int_equal(tm__forest_add(forest, &draft, NULL), TM_OK);
    tm__mem_free(tree.nodes);
    tm__mem_free(tree.values);
    tm__mem_free(tree.covers);
    tm__mem_free(tree.sets);
}

void made_forest_init(tm_forest *forest, const made_forest_options *options) {
    const uint32_t n_outputs = options->n_outputs > 0 ? options->n_outputs : 1;
    assert_int_equal(tm__forest_init(forest, n_outputs, options->n_cols, NULL), TM_OK);
    for (uint32_t k = 0; k < n_outputs; k++) {
        forest->base[k] = 0.1 * (k + 1);
    }
    for (uint32_t t = 0; t < options->n_trees; t++) {
        made_forest_add(forest, options, t);
    }
}

void made_forest_row(const made_forest_options *options, uint64_t row, double *cells) {
    tm_rng rng = tm__rng_split(options->seed, "made.row", row);
    for (uint32_t c = 0; c < options->n_cols; c++) {
        const double threshold =
            made_threshold(options, c, (uint32_t)tm__rng_below(&rng, options->thresholds));
        switch (made_is_categorical(options, c) ? 4 + tm__rng_below(&rng, 6)
                                                : tm__rng_below(&rng, 9)) {
        case 0:
            cells[c] = threshold;
            break;
        case 1:
            cells[c] = nextafter(threshold, 1e9);
            break;
        case 2:
            cells[c] = nextafter(threshold, -1e9);
            break;
        case 3:
            cells[c] = tm__rng_below(&rng, 2) == 0 ? 0.0 : -0.0;
            break;
        case 4:
            cells[c] = tm__nan();
            break;
        case 5:
            cells[c] = tm__rng_below(&rng, 2) == 0 ? (double)INFINITY : -(double)INFINITY;
            break;
        case 6:
            cells[c] = (double)tm__rng_below(&rng, 260) - 2;
            break;
        case 7:
            cells[c] = (double)tm__rng_below(&rng, options->codes + 1) + 0.5;
            break;
        default:
            cells[c] = made_is_categorical(options, c)
                           ? (double)tm__rng_below(&rng, options->codes + 1)
                           : tm__rng_f64(&rng) * 4 - 2;
            break;
        }
    }
}
