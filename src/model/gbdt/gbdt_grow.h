/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grows one tree at a time on binned rows. Everything is allocated once; growing cannot fail.
 * A grower belongs to one caller; several may share the bins.
 */
#ifndef TM_MODEL_GBDT_GROW_H
#define TM_MODEL_GBDT_GROW_H

#include <stdbool.h>
#include <stdint.h>

#include "model/gbdt/gbdt_bin.h"
#include "model/gbdt/gbdt_binned.h"
#include "model/gbdt/gbdt_loss.h"
#include "model/gbdt/gbdt_roots.h"
#include "model/model.h"
#include "model/tree/tree.h"
#include "tidemill/err.h"

struct tm_comm;
struct tm_pool;

typedef struct tm_grow_options {
    uint32_t max_leaves;
    uint32_t max_depth; /* 0: no limit */
    double min_rows;
    double l1, l2;
    double learning_rate;
    double min_hessian;
    double min_gain;               /* in units of the loss */
    double value_max;              /* of a leaf, before the learning rate; 0: any */
    const tm_column_rule *columns; /* [columns of the view], outlives the grower; NULL: none */
    bool is_monotone;              /* one of them is */
    bool has_groups;
    struct tm_comm *comm; /* ranks that grow the tree together, each from its rows; NULL: alone */
    uint64_t n_rows_all;  /* rows of all ranks; 0: those of the bins */
    uint64_t hist_bytes_max; /* for histograms of leaves; 0: the default, 512 MiB */
} tm_grow_options;

/* What one tree is grown from. */
typedef struct tm_grow_input {
    const tm_gradients *gradients;
    const tm_roots *roots; /* that has the root's histogram, of the gradients' output; NULL: none */
    uint32_t output;       /* of the roots */
    double scale;          /* leaf values are multiplied by it (tm_loss.scale) */
    double power;          /* of a log objective's variance (gbdt_objective.h); 0: another one */
    const uint64_t *rows;  /* bit set of rows that take part; NULL: all */
    const bool *columns;   /* [n_columns] that may split; NULL: all */
} tm_grow_input;

typedef struct tm_grower tm_grower;

/** pool may be NULL. The bins must outlive the grower. NULL when out of memory. */
tm_grower *tm__grower_create(struct tm_pool *pool, const tm_bins *bins,
                             const tm_grow_options *options);
/**
 * Grow a tree, best leaf first, and fit its leaf values to the exact gradients. Returns its number
 * of leaves: 1 when no split helps. When a rank is lost (tm__comm_status()) the tree is of no use.
 */
uint32_t tm__grower_fit(tm_grower *grower, const tm_grow_input *in);
/** The leaf of each row [n_rows], until the next fit. */
const uint16_t *tm__grower_leaf_of(const tm_grower *grower);
/** Give the leaves values that were fitted elsewhere [leaves], before the learning rate; limits of
 * values hold. */
void tm__grower_set_values(tm_grower *grower, const double *values);
/** The tree's answers for all rows, those that did not take part included, until the next fit. */
tm_score_step tm__grower_step(const tm_grower *grower);
/** Add them to scores [n_rows]. */
void tm__grower_add_scores(tm_grower *grower, double *scores);
/** Add the gain of each split to gains [columns of the view]. */
void tm__grower_add_gains(const tm_grower *grower, double *gains);
/** The tree; valid until the grower's next call. */
tm_tree_draft tm__grower_view(tm_grower *grower);
/** The same tree by bins; valid as long as the last view. */
tm_binned_tree tm__grower_view_binned(tm_grower *grower);
void tm__grower_free(tm_grower *grower);

#endif
