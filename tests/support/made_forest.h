/* SPDX-License-Identifier: Apache-2.0 */
/* Forests of random shape, splits and covers, and rows that try their edges, for tests of
 * prediction and explanation. */
#ifndef TM_SUPPORT_MADE_FOREST_H
#define TM_SUPPORT_MADE_FOREST_H

#include "model/tree/tree.h"

typedef struct made_forest_options {
    uint64_t seed;
    uint32_t n_outputs; /* 0: 1 */
    uint32_t n_cols;
    uint32_t n_trees;
    uint32_t nodes_max; /* of a tree; sizes vary, and some trees are one leaf */
    uint32_t
        thresholds; /* different ones of a column at most; infinities and -0.0 are among them */
    uint32_t categories; /* every so many-th column is split by sets too; 0: none */
    uint32_t codes;      /* below which sets hold codes, at most 256 */
    bool is_chain;       /* paths as long as there are nodes */
} made_forest_options;

void made_forest_init(tm_forest *forest, const made_forest_options *options);
/** cells [n_cols]: thresholds, their neighbours, missing values, infinities, codes and no codes. */
void made_forest_row(const made_forest_options *options, uint64_t row, double *cells);

#endif
