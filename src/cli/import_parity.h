/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a bundle answers rows as another program did. */
#ifndef TM_CLI_IMPORT_PARITY_H
#define TM_CLI_IMPORT_PARITY_H

#include "base/ctx.h"
#include "model/bundle.h"
#include "table/table.h"

typedef struct tm_parity {
    uint64_t n_rows;
    double largest;       /* difference, relative to answers over 1 */
    uint64_t largest_row; /* from 1 */
    uint64_t n_flipped;   /* rows whose decision is another one; 0 of a task without classes */
    uint64_t flipped_row; /* the first, from 1 */
} tm_parity;

/**
 * Compare answers for the rows of `rows` with those of `expected`, line by line.
 *
 * is_raw   the expected answers are raw scores.
 *
 * Owns:    nothing of the tables.
 * Errors:  TM_E_DATA: not as many rows, columns that do not say which answer they are, an answer
 *          that is missing or no number.
 * Threads: one caller; uses ctx->pool.
 */
TM_NODISCARD tm_status tm__parity_check(tm_ctx *ctx, const tm_bundle *bundle, const tm_table *rows,
                                        const tm_table *expected, bool is_raw, tm_parity *out,
                                        tm_err *err);

#endif
