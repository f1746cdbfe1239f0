/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The split of one column in a node of a tree that is grown on its own: the best cut or one at
 * random, for sums (two classes, values) or for any number of classes.
 */
#ifndef TM_MODEL_FOREST_SPLIT_H
#define TM_MODEL_FOREST_SPLIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "model/gbdt/gbdt_hist.h"

#define TM_WOOD_PLACES 256u

/* A column in a node. Places are bins, or those of categories in the tree's order. */
typedef struct tm_wood_column {
    const uint8_t *bins;   /* [rows of the fit] */
    const uint8_t *places; /* [TM_WOOD_PLACES] of bins; NULL: a bin is its place */
    uint32_t n_bins;       /* n_bins is the place of missing values */
} tm_wood_column;

/* A node's rows: what is known of them before its columns are looked at. */
typedef struct tm_wood_node {
    tm_hist_rows rows;
    double g, h;           /* sums: of gradients and weights, in packed units */
    double h_low;          /* weight that a side must have */
    uint32_t n_classes;    /* 0: sums */
    const double *classes; /* [n_classes] weights of classes */
    double base;           /* score of the node: a split must be above it */
} tm_wood_node;

typedef struct tm_wood_cut {
    double gain;    /* over 0; 0: none */
    uint32_t place; /* places up to it go left */
    bool missing_left;
    bool is_constant; /* all rows of the node are in one place */
} tm_wood_cut;

/* Room of one thread. */
typedef struct tm_wood_room {
    int64_t *cells;  /* [TM_WOOD_PLACES + 8] */
    uint8_t *places; /* [rows of the fit] */
    int32_t *sorted; /* [rows of the fit], CLASSES */
    double *left;    /* [n_classes], all 0 between calls */
    double *right;   /* [n_classes] */
} tm_wood_room;

/** The cut that tells most. */
tm_wood_cut tm__wood_cut_best(const tm_wood_node *node, const tm_wood_column *column,
                              tm_wood_room *room);
/** A cut at random between the least and the greatest place; draws from rng once or twice, or not
 * at all when the column is constant. */
tm_wood_cut tm__wood_cut_random(const tm_wood_node *node, const tm_wood_column *column,
                                tm_wood_room *room, tm_rng *rng);

/** Class and weight of a packed row of a classification. */
static inline uint32_t tm__wood_class(int32_t packed) {
    return (uint32_t)packed >> 16;
}
static inline uint32_t tm__wood_weight(int32_t packed) {
    return (uint32_t)packed & 0xFFFF;
}

#endif
