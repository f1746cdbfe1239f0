/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files on the way of `predict`: rows of standard input, which may have to be read twice, and
 * answers that become Parquet, which is written by DuckDB.
 */
#ifndef TM_CLI_SPOOL_H
#define TM_CLI_SPOOL_H

#include "base/ctx.h"
#include "model/bundle.h"

typedef struct tm_spool tm_spool;

/** Copy a stream (such as /dev/stdin) to a temporary file, named by what its first bytes are: CSV,
 * lines of JSON, JSON or Parquet. Packed text has to say its kind: TM_E_DATA; TM_E_LIMIT past
 * bytes_max. */
TM_NODISCARD tm_status tm__spool_read(tm_ctx *ctx, const char *from, uint64_t bytes_max,
                                      tm_spool **out, tm_err *err);
const char *tm__spool_path(const tm_spool *spool); /* view */
/** An error about the file is one about standard input. */
void tm__spool_name(const tm_spool *spool, tm_err *err);
/** The file goes too. NULL is a no-op. */
void tm__spool_free(tm_spool *spool);

/** Answers as CSV to Parquet at `to`, which is overwritten: probabilities and values are numbers,
 * all else is text. */
TM_NODISCARD tm_status tm__spool_to_parquet(tm_ctx *ctx, const tm_bundle *bundle, const char *from,
                                            const char *to, tm_err *err);

#endif
