/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Histograms of packed gradients: one cell of 64 bits for each bin of each column. A cell is the
 * sum of the packed gradients of its rows, so it adds and subtracts as one integer, in any order.
 */
#ifndef TM_MODEL_GBDT_HIST_H
#define TM_MODEL_GBDT_HIST_H

#include <stdint.h>

typedef struct tm_hist_source {
    const uint8_t *by_row;
    uint32_t row_bytes;
    uint32_t n_columns; /* multiple of 4, at most row_bytes: columns past the last count in bin 0 */
    uint32_t stride;    /* cells of a column */
    const int64_t *packed;
} tm_hist_source;

/** Add rows[0 .. n-1] to cells [n_columns x stride]. */
void tm__hist_add(const tm_hist_source *source, const uint32_t *rows, uint64_t n, int64_t *cells);
/** The same, as plainly as it can be said. */
void tm__hist_add_ref(const tm_hist_source *source, const uint32_t *rows, uint64_t n,
                      int64_t *cells);

#endif
