/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grows a tree on its own: on a sample of rows, looking at a sample of columns for each split. A
 * thread grows a tree alone, in room of its own, so what a tree is depends on its number only.
 */
#ifndef TM_MODEL_FOREST_GROW_H
#define TM_MODEL_FOREST_GROW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ctx.h"
#include "model/gbdt/gbdt_bin.h"
#include "model/gbdt/gbdt_loss.h"
#include "model/tree/tree.h"

struct tm_comm;

/* What all trees of a fit share. */
typedef struct tm_wood {
    const tm_ctx *ctx; /* asked whether the fit is cancelled */
    const tm_bins *bins;
    /* [n_rows] Sums: gradient and weight. Classes: class and weight. 0: the row takes no part. */
    const int32_t *packed;
    uint32_t n_classes;            /* 0: sums */
    const tm_gradients *gradients; /* values: means of leaves are made of; NULL: shares are of the
                                      packed sums */
    double scale;                  /* leaf values are multiplied by it */
    double row_units;              /* weight of a row of mean weight, as it is packed */
    double prior;                  /* two classes: share of all rows */
    double smoothing;              /* rows */
    uint64_t seed;
    uint32_t max_leaves;
    uint32_t max_depth; /* 0: any */
    uint32_t n_tries;   /* columns looked at for a split */
    double min_rows;
    double row_sample; /* share of rows */
    bool is_random;    /* cuts */
} tm_wood;

/* A tree that is done; all arrays are its own. */
typedef struct tm_wood_tree {
    tm_tree_node *nodes;
    double *values; /* mean or share of a leaf; classes: its number, counted over nodes */
    uint32_t *covers;
    tm_tree_set *sets;
    uint32_t n_nodes, n_sets, n_leaves;
    /* Classes: as tm_wood_shares. */
    uint32_t *starts;  /* [n_starts] */
    uint32_t n_starts; /* n_leaves + 1; 0: no classes */
    uint16_t *classes;
    float *shares;
    double *gains; /* [columns of the view] */
    uint64_t work; /* rows times columns looked at */
} tm_wood_tree;

/* Room of one thread. */
typedef struct tm_wood_grower tm_wood_grower;

/** NULL when out of memory. */
tm_wood_grower *tm__wood_grower_create(const tm_wood *wood);
void tm__wood_grower_free(tm_wood_grower *grower);
/** Bytes of a grower's arrays that depend on rows and columns. */
uint64_t tm__wood_grower_bytes(uint64_t n_rows, uint32_t n_columns, uint32_t n_classes);

/**
 * Grow tree number `tree`; n_cols of the view.
 * Errors: TM_E_NOMEM, TM_E_CANCELLED; out is then empty. No message: many threads call it.
 */
TM_NODISCARD tm_status tm__wood_grow(tm_wood_grower *grower, uint32_t tree, uint32_t n_cols,
                                     tm_wood_tree *out);
/**
 * What the rank `from` grew becomes what all have: its status, and the tree. Elsewhere io is empty
 * before.
 *
 * Errors: that of `from`; TM_E_NOMEM; TM_E_UNAVAILABLE when a rank is lost. No message.
 */
TM_NODISCARD tm_status tm__wood_tree_spread(struct tm_comm *comm, uint32_t from, uint32_t n_cols,
                                            tm_status grown, tm_wood_tree *io);
void tm__wood_tree_done(tm_wood_tree *tree);

#endif
