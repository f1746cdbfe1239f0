/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which rows are in which leaf of a growing tree. Rows are dealt to parts (one a thread) in blocks
 * of TM_DEAL_ROWS in turn; each part keeps the rows of each leaf as a run of indices, and
 * beside them the rows' packed gradients, which histograms would else have to gather.
 */
#ifndef TM_MODEL_GBDT_ROWS_H
#define TM_MODEL_GBDT_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "model/gbdt/gbdt_hist.h"
#include "model/gbdt/gbdt_loss.h"
#include "model/tree/tree.h"

#define TM_DEAL_ROWS 4096u
#define TM_PARTS_MAX 64u

typedef struct tm_row_run {
    uint32_t begin; /* in both buffers */
    uint32_t count;
    uint32_t buffer; /* 0 or 1: the one that holds them */
} tm_row_run;

typedef struct tm_leaf_rows {
    uint64_t n_rows;
    uint32_t n_parts;
    uint64_t part_begin[TM_PARTS_MAX + 1];
    uint32_t *rows[2];  /* [n_rows] */
    int32_t *packed[2]; /* [n_rows] */
    tm_row_run *runs;   /* [max_leaves x n_parts] */
} tm_leaf_rows;

/** False when out of memory; done() is to be called all the same. */
bool tm__leaf_rows_init(uint64_t n_rows, uint32_t n_threads, uint32_t max_leaves,
                        tm_leaf_rows *out);
void tm__leaf_rows_done(tm_leaf_rows *rows);

/** Leaf 0 gets the part's rows; `set` is a bit set of those that take part, NULL for all. */
void tm__leaf_rows_deal(tm_leaf_rows *rows, uint32_t part, const uint64_t *set,
                        const tm_gradients *gradients);
/**
 * The part's rows of a leaf whose bin is in `left` stay, the others go to the leaf `right`.
 * column [n_rows + 3 that may be read].
 */
void tm__leaf_rows_split(tm_leaf_rows *rows, uint32_t part, uint32_t leaf, uint32_t right,
                         const uint8_t *column, const tm_tree_set *left);

uint64_t tm__leaf_rows_count(const tm_leaf_rows *rows, uint32_t leaf);
/** The part's rows of a leaf; valid until the leaf is split. */
tm_hist_rows tm__leaf_rows_of(const tm_leaf_rows *rows, uint32_t leaf, uint32_t part);
/** End of the block of a part that begins at row `begin`; the part's next begins n_parts blocks on.
 */
static inline uint64_t tm__deal_end(const tm_leaf_rows *rows, uint64_t begin) {
    return rows->n_rows - begin < TM_DEAL_ROWS ? rows->n_rows : begin + TM_DEAL_ROWS;
}

/* Rows to be divided: each has its bin in `column`, and goes with its packed gradient. */
typedef struct tm_divide {
    const uint8_t *column;
    tm_tree_set left; /* bins that go left */
    tm_hist_rows in;
    uint32_t *rows;  /* [in.n] out; does not overlap in */
    int32_t *packed; /* [in.n] out */
} tm_divide;

/** Rows that go left to the begin of the output in their order, the others to its end in reverse
 * order; returns how many go left. */
uint32_t tm__rows_divide(const tm_divide *d);
/** The same, plainly. */
uint32_t tm__rows_divide_ref(const tm_divide *d);

#endif
