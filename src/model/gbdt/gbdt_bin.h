/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns as bytes: each value of a view is replaced by the number of the range it lies in. Stored
 * twice: by row, because histograms add a whole row at a time, and by column, because a split looks
 * at one column of many rows.
 */
#ifndef TM_MODEL_GBDT_BIN_H
#define TM_MODEL_GBDT_BIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ctx.h"
#include "feature/feature.h"
#include "model/gbdt/gbdt_bundle.h"

/* Codes of a category that have a bin of their own, and what a tree's set can tell apart. Levels
 * come most frequent first, so that what lies beyond, in the bin of missing values, is the rarest.
 * Their means of the target are a number's work (feature_target.c). */
#define TM_BIN_LEVELS_MAX 255u

typedef struct tm_bin_column {
    uint32_t col;    /* column of the view */
    uint32_t n_bins; /* bins of values; bin n_bins holds missing values */
    bool is_categorical;
    const double *cuts; /* numeric: [n_bins - 1] ascending; bin b has x <= cuts[b] */
} tm_bin_column;

typedef struct tm_bins {
    uint64_t n_rows;
    uint32_t n_columns; /* columns that can split rows at all; the others are left out */
    uint32_t stride;    /* cells of one bundle in a histogram, enough for each: 64, 128 or 256 */
    uint32_t row_bytes; /* of by_row: enough for all bundles, multiple of 4 */
    tm_bin_column *columns;
    double *cuts;
    tm_bundles bundles;
    uint8_t *by_row;    /* [n_rows x row_bytes] codes of bundles, zero after the last */
    uint8_t *by_column; /* [n_columns x n_rows], and 3 bytes that may be read */
} tm_bins;

/**
 * Cut the columns of a view into at most max_bins ranges each and bin all rows. A column with at
 * most max_bins different values gets one bin for each; else bins hold about as many rows each.
 * Rows past a fixed number are sampled by the hash of their number.
 *
 * Errors:  TM_E_NOMEM, TM_E_CANCELLED.
 * Threads: uses ctx->pool; the result does not depend on it.
 */
TM_NODISCARD tm_status tm__bins_fit(tm_ctx *ctx, const tm_view *x, uint32_t max_bins, uint64_t seed,
                                    tm_bins *out, tm_err *err);
struct tm_comm;

typedef struct tm_bin_part {
    uint32_t max_bins;
    uint64_t seed;
    uint64_t row_begin, row_end;
    struct tm_comm *comm; /* ranks that each find the cuts of some columns; NULL: this one of all */
} tm_bin_part;
/** Cuts of all rows, and bins of some: n_rows are those, counted from 0. No column shares a byte
 * with another, because which can is not known without the other rows. All ranks of `comm` call it,
 * and what fails before their cuts are gathered fails on all. */
TM_NODISCARD tm_status tm__bins_fit_part(tm_ctx *ctx, const tm_view *x, const tm_bin_part *part,
                                         tm_bins *out, tm_err *err);
void tm__bins_done(tm_bins *bins);

/** Bins of values of a column, every `stride` bytes from out on. */
void tm__bin_values(const tm_bin_column *column, const double *x, uint64_t n, uint8_t *out,
                    uint64_t stride);

/** Upper bound of a bin: what x <= threshold means "bin <= b"; +infinity for the last. */
double tm__bin_threshold(const tm_bin_column *column, uint32_t bin);

/**
 * Cuts between at most max_bins ranges of values sorted ascending; out_cuts [max_bins - 1]. Returns
 * how many. Exposed for tests.
 */
uint32_t tm__bin_cuts(const double *values, uint64_t n, uint32_t max_bins, double *out_cuts);

#endif
