/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of Parquet with the same columns become one file: their bytes behind each other, and one
 * footer in which what says where bytes lie is moved. Nothing is decoded.
 *
 * For files that tm__parquet_write() wrote of parts of one table, which end where row groups do:
 * the bytes are those of the whole table then. Not for files of others, whose footers may hold
 * places that this does not know of (encryption).
 */
#ifndef TM_STORE_PARQUET_JOIN_H
#define TM_STORE_PARQUET_JOIN_H

#include <stddef.h>

#include "tidemill/err.h"

struct tm_file;

typedef struct tm_parquet_join tm_parquet_join;

/**
 * Start a file of files.
 *
 * file      borrowed until the end, empty, written from its start.
 * out_join  ended by tm__parquet_join_free().
 *
 * Errors:   TM_E_NOMEM, TM_E_IO.
 * Threads:  one caller, as of all calls of it.
 * Source:   https://github.com/apache/parquet-format, and its thrift/compact protocol.
 */
TM_NODISCARD tm_status tm__parquet_join_create(struct tm_file *file, tm_parquet_join **out_join,
                                               tm_err *err);
/**
 * Append the rows of a whole file of `len` bytes. Keeps no pointer into it.
 *
 * Errors:   TM_E_DATA (no file of Parquet, or other columns than the first), TM_E_NOMEM, TM_E_LIMIT
 *           (a footer of more than 1 GiB), TM_E_IO. After one nothing may be called but free.
 */
TM_NODISCARD tm_status tm__parquet_join_add(tm_parquet_join *join, const void *data, size_t len,
                                            tm_err *err);
/** Write the footer, after one file or more. Same errors. */
TM_NODISCARD tm_status tm__parquet_join_finish(tm_parquet_join *join, tm_err *err);
/** NULL is a no-op. */
void tm__parquet_join_free(tm_parquet_join *join);

#endif
