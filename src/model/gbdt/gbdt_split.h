/* SPDX-License-Identifier: Apache-2.0 */
/* The best split of one column's histogram. */
#ifndef TM_MODEL_GBDT_SPLIT_H
#define TM_MODEL_GBDT_SPLIT_H

#include <stdbool.h>
#include <stdint.h>

#include "model/gbdt/gbdt_bin.h"
#include "model/gbdt/gbdt_cut.h"
#include "model/model.h"
#include "model/tree/tree.h"

typedef struct tm_split_rules {
    double min_rows;
    double l1, l2;
    double unit_g, unit_h;         /* of the packed sums */
    double min_hessian;            /* of a side */
    double min_gain;               /* a split has more */
    bool is_bounded;               /* values of leaves keep their limits */
    double value_max;              /* of a leaf either way; 0: any. Asks for is_bounded */
    bool has_groups;               /* limits.groups count */
    const tm_column_rule *columns; /* [columns of the view]; NULL: none. A column that is monotone
                                      asks for is_bounded */
} tm_split_rules;

/* What the splits above a leaf leave it. */
typedef struct tm_split_limits {
    double low, high; /* of the values of all leaves below, before the learning rate */
    uint64_t groups;  /* that hold each column above; all bits: no column is above */
    uint32_t input;   /* groups 0: the one input that all columns above come from */
} tm_split_limits;

typedef struct tm_split_leaf {
    int64_t sum; /* packed, of all its rows */
    uint64_t n_rows;
    tm_split_limits limits; /* read when rules.is_bounded or has_groups */
} tm_split_leaf;

typedef struct tm_split {
    double gain;     /* what the loss falls by, doubled; 0: no split */
    uint32_t column; /* of tm_bins */
    uint32_t bin;    /* numeric: bins up to it go left */
    bool missing_left;
    bool is_categorical;
    bool is_sorted;  /* categorical: chosen along sorted categories, which asks for a penalty */
    tm_tree_set set; /* categorical: bins that go left, the one of missing values among them */
    int64_t left;    /* packed sum of the left side */
} tm_split;

/* Penalty on leaf values below a split along sorted categories, in units of the hessian: categories
 * were put in order by what they are then rewarded for. Value as in LightGBM (cat_l2). */
#define TM_SPLIT_SORTED_L2 10.0

/* What the searches of one leaf's columns have in common, in packed units. */
typedef struct tm_split_scan {
    double g, h; /* of the leaf */
    double l1, l2;
    double h_low, h_high; /* least and greatest hessian of a left side */
    double base;          /* score of the leaf, with a margin for rounding */
    double floor;         /* no split whose score is less is of use: another column has a better */
    double rows_per_h;
    double gain_unit; /* gains are scores times this; 0: no row has a weight */
    double unit_h;
    double min_gain;
    bool is_bounded;
    double low, high; /* of values, in packed units */
    const tm_column_rule *columns;
    bool has_groups;
    tm_split_limits limits;
} tm_split_scan;

tm_split_scan tm__split_scan_of(const tm_split_rules *rules, const tm_split_leaf *leaf);
/** Replace *best when this column has a split with a larger gain, and raise the scan's floor to it;
 * not when the floor shows that a column searched with this scan before has a still larger one.
 * cells [n_bins + 1, up to a multiple of 8]. */
void tm__split_find(tm_split_scan *scan, const tm_bin_column *column, uint32_t column_index,
                    const int64_t *cells, tm_split *best);

tm_split_limits tm__split_limits_root(const tm_split_rules *rules);
/** Limits of the left and the right side of a split of a leaf. `col` is the column of the view. */
void tm__split_limits_next(const tm_split_rules *rules, const tm_split_leaf *leaf,
                           const tm_split *split, uint32_t col, tm_split_limits out[2]);

#endif
