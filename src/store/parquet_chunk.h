/* SPDX-License-Identifier: Apache-2.0 */
/* One column of a row group as bytes of a file of Parquet: its pages, and what the footer says of
 * them. For store/parquet.c alone. */
#ifndef TM_STORE_PARQUET_CHUNK_H
#define TM_STORE_PARQUET_CHUNK_H

#include "base/buf.h"
#include "store/thrift.h"
#include "table/table.h"

typedef struct tm_parquet_chunk {
    const tm_column *column;
    tm_row_span rows;
    tm_buf bytes;       /* pages as they are in the file */
    uint64_t raw_bytes; /* of them before they were compressed */
    size_t data_at;     /* where in `bytes` the pages of values begin; 0: there is no dictionary */
    int32_t encoding;   /* of the values */
    uint64_t n_missing;
    tm_buf least, most; /* values as PLAIN has them, when has_range */
    bool has_range;
    tm_status status;
} tm_parquet_chunk;

/**
 * Encode and compress the rows of a column.
 *
 * chunk     `column` and `rows` are set, all else is zero; ended by tm__parquet_chunk_done().
 *
 * Owns:    keeps a pointer to the column until then.
 * Errors:  in chunk->status: TM_E_NOMEM.
 * Threads: any, one chunk each.
 */
void tm__parquet_chunk_make(tm_parquet_chunk *chunk);
/** Write a ColumnChunk of the footer; `place` is where its bytes begin in the file. */
void tm__parquet_chunk_describe(const tm_parquet_chunk *chunk, int64_t place, tm_buf *out);
void tm__parquet_chunk_done(tm_parquet_chunk *chunk);

#endif
