/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bundles: columns with few bins share a byte of a row. A histogram is then added to once for all
 * of them, and each column's own is got from it by adding up. Nothing is lost: a bundle has a code
 * for each combination of bins that occurs.
 */
#ifndef TM_MODEL_GBDT_BUNDLE_H
#define TM_MODEL_GBDT_BUNDLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ctx.h"
#include "tidemill/err.h"

#define TM_BUNDLE_CODES 256u

typedef struct tm_bundle {
    uint32_t first;   /* of its columns in tm_bundles.columns */
    uint32_t count;   /* of columns */
    uint32_t n_codes; /* of one column: bins, that of missing values among them */
    uint8_t *codes;   /* [n_rows]; NULL: the bins of its only column. Until tm__bundles_trim() */
} tm_bundle;

typedef struct tm_bundles {
    uint32_t n_bundles;
    tm_bundle *bundles; /* [n_bundles] */
    uint32_t *columns;  /* [n_columns] bundle by bundle */
    uint8_t *bins;      /* [n_columns x TM_BUNDLE_CODES] bin of the column in each code */
} tm_bundles;

/* Binned columns to be bundled. */
typedef struct tm_bundle_input {
    uint64_t n_rows;
    uint32_t n_columns;
    const uint8_t *by_column; /* [n_columns x n_rows] */
    const uint32_t *n_bins;   /* [n_columns], that of missing values among them */
} tm_bundle_input;

/**
 * Find bundles, greedily: columns come in the order of their bins, the fewest first, and join the
 * first of the last bundles that stays small enough. Depends on the rows alone.
 *
 * Errors:  TM_E_NOMEM, TM_E_CANCELLED.
 * Cost:    one look at all rows for a column that joins, a sample for one that does not.
 */
TM_NODISCARD tm_status tm__bundles_fit(tm_ctx *ctx, const tm_bundle_input *in, tm_bundles *out,
                                       tm_err *err);
void tm__bundles_done(tm_bundles *bundles);
/** Free the codes of rows. */
void tm__bundles_trim(tm_bundles *bundles);

/** Histogram of a column [n_bins] out of its bundle's. */
void tm__bundle_unfold(const tm_bundles *bundles, const tm_bundle *bundle, uint32_t column,
                       const int64_t *cells, uint32_t n_bins, int64_t *out);

#endif
