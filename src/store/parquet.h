/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing tables as Parquet, straight from their columns: nothing is copied but what is compressed.
 * The bytes follow from the rows alone, whatever the number of threads.
 *
 * Not for reading: that is DuckDB's (store/duck.h).
 */
#ifndef TM_STORE_PARQUET_H
#define TM_STORE_PARQUET_H

#include "base/ctx.h"
#include "table/table.h"
#include "tidemill/err.h"

struct tm_file;

/* Rows of a group: files of parts of a table that end where groups do are those of the table once
 * they are joined (store/parquet_join.h). */
#define TM_PARQUET_GROUP_ROWS 122880u
/* In the file's metadata: the names of its columns as a JSON list. */
#define TM_PARQUET_NAMES_KEY "tidemill_columns"

/**
 * Write rows of a table, in their order, as one whole file of Parquet.
 *
 * ctx     its pool compresses; cancelled between parts.
 * table   with one column or more.
 * rows    within the table; none make a file that has its columns and types.
 * file    borrowed, written from where it stands; not synced.
 *
 * Owns:    keeps nothing.
 * Errors:  TM_E_DATA (no columns), TM_E_NOMEM, TM_E_LIMIT (a footer of more than 1 GiB), TM_E_IO,
 *          TM_E_CANCELLED; the file then has an end that nobody reads.
 * Threads: one caller; uses ctx->pool.
 * Cost:    some 40 MB beside the table; 2 ns of processor a number that differs from most.
 * Source:  https://github.com/apache/parquet-format.
 */
TM_NODISCARD tm_status tm__parquet_write(tm_ctx *ctx, const tm_table *table, tm_row_span rows,
                                         struct tm_file *file, tm_err *err);
/** Same of all rows to a path, a temporary to be published through base/fs: made or cut, and
 * synced. */
TM_NODISCARD tm_status tm__parquet_write_path(tm_ctx *ctx, const tm_table *table, const char *path,
                                              tm_err *err);

#endif
