/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small trees as masks over their leaves, for blocks of rows: a node that sends a row right clears
 * the bits of all leaves on its left, and the first bit that is left is the row's leaf. No order of
 * nodes, no branches and no gathers: 64 rows pass a node in a few instructions.
 *
 * Source: Lucchese et al. 2015, doi:10.1145/2766462.2767733 (QuickScorer); bytes of many rows side
 *         by side: Ye et al. 2018, doi:10.1145/3219819.3219857 (RapidScorer).
 *
 * Not for: single rows, trees of more than 64 leaves, sets of categories, rows of wide codes.
 */
#ifndef TM_MODEL_TREE_MASKS_H
#define TM_MODEL_TREE_MASKS_H

#include "model/tree/tree_codes.h"

struct tm_forest_masks {
    uint32_t n_planes; /* bytes that hold the leaves of each tree: 4 or 8 */
    uint32_t *ends;    /* [n_trees] first node behind those of the tree */
    uint32_t *nodes;   /* [inner nodes x (2 + n_planes)] slot, code, bits to clear; bytes 4 times */
    double *values;    /* [n_trees x 8 n_planes] of leaves, from left to right */
};

/**
 * Make codes->masks of a forest whose codes are filled; none when masks cannot express it.
 *
 * Cost:    40 bytes a node, 512 a tree.
 * Errors:  false when out of memory.
 */
bool tm__forest_masks_create(const tm_forest *forest, tm_forest_codes *codes);
void tm__forest_masks_free(tm_forest_masks *masks);

/** Whether predictions of blocks go by masks on this machine. */
bool tm__forest_masks_used(const tm_forest_codes *codes);
/** Rows of a block from one slot to the next: n_rows rounded up to a register. */
uint32_t tm__forest_masks_stride(uint32_t n_rows);
/**
 * out [n_rows x n_outputs]. slots: byte `row` of line s is the code of slot s, lines are stride
 * apart; sums: [n_outputs x stride], 64-byte aligned as slots, room of the caller.
 */
void tm__forest_masks_predict(const tm_forest *forest, const uint8_t *slots, uint32_t n_rows,
                              double *sums, double *out);

#endif
