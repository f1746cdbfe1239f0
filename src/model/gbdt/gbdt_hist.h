/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Histograms of packed gradients: one cell of 64 bits for each bin of each column. A cell is the
 * sum of the packed gradients of its rows, so it adds and subtracts as one integer, in any order.
 */
#ifndef TM_MODEL_GBDT_HIST_H
#define TM_MODEL_GBDT_HIST_H

#include <stdint.h>

#include "model/gbdt/gbdt_bundle.h"

struct tm_comm;

typedef struct tm_hist_source {
    const uint8_t *by_row;
    uint32_t row_bytes;
    uint32_t stride; /* cells of a column: 64, 128 or 256 */
} tm_hist_source;

typedef struct tm_hist_columns {
    uint32_t first;
    uint32_t count;
} tm_hist_columns;

/* Rows and their packed gradients. */
typedef struct tm_hist_rows {
    const uint32_t *rows;  /* [n] */
    const int32_t *packed; /* [n] */
    uint64_t n;
} tm_hist_rows;

/** Add rows to the cells of some columns [columns.count x stride], those of the first one first. */
void tm__hist_add(const tm_hist_source *source, tm_hist_columns columns, tm_hist_rows rows,
                  int64_t *cells);
/** The same, as plainly as it can be said. */
void tm__hist_add_ref(const tm_hist_source *source, tm_hist_columns columns, tm_hist_rows rows,
                      int64_t *cells);

/* A histogram on its way to other ranks. */
typedef struct tm_hist_wire {
    const tm_bundles *bundles;
    uint32_t stride;
    int64_t *cells; /* [codes of all bundles + 1] of the caller, overwritten */
} tm_hist_wire;
/** The cells [n_bundles x stride] and a count become their sums over ranks, in one message each
 * way. Returns the count. */
uint64_t tm__hist_share(struct tm_comm *comm, const tm_hist_wire *wire, int64_t *cells,
                        uint64_t count);

#endif
