/* SPDX-License-Identifier: Apache-2.0 */
/* What people are told of a forest: its size, and how much each column has to say in it. */
#include "model/tree/tree.h"

void tm__forest_add_splits(const tm_forest *forest, double *sums) {
    for (uint32_t i = 0; i < forest->n_nodes; i++) {
        const uint32_t meta = forest->nodes[i].meta;
        if ((meta & TM_NODE_LEAF) == 0) {
            sums[meta & TM_NODE_COLUMN]++;
        }
    }
}

void tm__forest_importance(const double *gains, uint32_t n_cols, double *out) {
    double sum = 0;
    for (uint32_t c = 0; c < n_cols; c++) {
        sum += gains[c];
    }
    for (uint32_t c = 0; c < n_cols; c++) {
        out[c] = sum > 0 ? gains[c] / sum : 0;
    }
    out[n_cols] = 0;
}

json_t *tm__forest_describe(const tm_forest *forest, json_t *head) {
    uint32_t max_leaves = 0;
    uint64_t n_leaves = 0;
    for (uint32_t t = 0; t < forest->n_trees; t++) {
        const uint32_t leaves = tm__forest_leaves(forest, t);
        n_leaves += leaves;
        max_leaves = leaves > max_leaves ? leaves : max_leaves;
    }
    json_t *shape = json_pack("{s:I,s:I,s:I,s:I}", "n_trees", (json_int_t)forest->n_trees,
                              "n_leaves", (json_int_t)n_leaves, "max_leaves",
                              (json_int_t)max_leaves, "max_depth", (json_int_t)forest->depth_max);
    const bool is_told = head != NULL && json_object_update(head, shape) == 0;
    json_decref(shape);
    if (!is_told) {
        json_decref(head);
        return NULL;
    }
    return head;
}
