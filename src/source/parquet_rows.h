/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parquet that a stranger sent, to rows of one push. DuckDB reads it, so a child does, with bounds;
 * whatever the file does to the child, this process gets rows or an error.
 *
 *   bytes ──> temp/push-N.parquet ──> child: DuckDB ──> temp/push-N.rows ──> table
 */
#ifndef TM_SOURCE_PARQUET_ROWS_H
#define TM_SOURCE_PARQUET_ROWS_H

#include "base/ctx.h"
#include "base/proc.h"
#include "store/bad_values.h"
#include "store/home.h"
#include "table/table.h"

#define TM_PARQUET_CHILD "parquet-rows" /* first word of the child: PROGRAM it FROM TO ROWS_MAX */

/** The child's work: TO is a file of rows, or TO.error an error as JSON. Returns the exit code. */
int tm__parquet_child(const char *const *words /* [3] */);

typedef struct tm_parquet tm_parquet;
/** supervisor NULL: every file is TM_E_UNAVAILABLE. NULL when out of memory. */
tm_parquet *tm__parquet_create(const tm_home *home, tm_supervisor *supervisor);
typedef struct tm_parquet_body {
    const void *data; /* [len] */
    size_t len;
    uint64_t n_rows_max;
} tm_parquet_body;
/**
 * All rows, in order, and in `bad`, which is empty and the caller's, what no type of theirs holds.
 * TM_E_DATA for what is no whole Parquet file, TM_E_LIMIT for too many rows or
 * for one that unpacks to too much, TM_E_UNAVAILABLE when as many are read as may be at once, or at
 * the end. Any thread; returns when it is read.
 */
TM_NODISCARD tm_status tm__parquet_read(tm_parquet *self, const tm_parquet_body *body,
                                        tm_table **out, tm_bad_values *bad, tm_err *err);
/** What is being read fails, and all that follows. Any thread. */
void tm__parquet_stop(tm_parquet *self);
/** NULL is a no-op. */
void tm__parquet_free(tm_parquet *self);

#endif
