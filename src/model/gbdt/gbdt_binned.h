/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows that a tree is not grown from, binned as those are: validation rows. A new tree is added to
 * their scores by their bins, a byte a step, and not by the values of columns that lie far apart.
 */
#ifndef TM_MODEL_GBDT_BINNED_H
#define TM_MODEL_GBDT_BINNED_H

#include <stdint.h>

#include "base/ctx.h"
#include "model/gbdt/gbdt_bin.h"
#include "model/tree/tree.h"
#include "tidemill/err.h"

/* A node that looks at a bin. A leaf is its own left child and sends every bin there. */
typedef struct tm_binned_node {
    tm_tree_set left_bins; /* that go to `left`; others to left + 1 */
    uint32_t left;
    uint32_t column; /* of tm_bins */
} tm_binned_node;

typedef struct tm_binned_tree {
    const tm_binned_node *nodes; /* the root first */
    const double *values;        /* of nodes */
} tm_binned_tree;

typedef struct tm_binned_rows {
    uint64_t n_rows;
    uint32_t row_bytes;
    uint8_t *bins; /* [n_rows x row_bytes], a byte for each column of tm_bins */
} tm_binned_rows;

/**
 * Bin rows of another view of the same columns.
 * Errors: TM_E_NOMEM.
 */
TM_NODISCARD tm_status tm__binned_init(struct tm_pool *pool, const tm_bins *bins, const tm_view *x,
                                       tm_binned_rows *out, tm_err *err);
void tm__binned_done(tm_binned_rows *rows);

/** Add a tree's values to scores [n_rows]. */
void tm__binned_add_scores(struct tm_pool *pool, const tm_binned_rows *rows, tm_binned_tree tree,
                           double *scores);

#endif
