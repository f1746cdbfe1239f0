/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values as Parquet encodes them. A value is 64 bits here: a whole number, the bits of a float, the
 * code of a text. For store/parquet alone; any thread, one buffer each, whose mark tells failures.
 *
 * Source: https://github.com/apache/parquet-format, Encodings.md.
 */
#ifndef TM_STORE_PARQUET_VALUES_H
#define TM_STORE_PARQUET_VALUES_H

#include "base/buf.h"
#include "table/table.h"

/* Physical types of Parquet. */
enum {
    TM_PARQUET_BOOLEAN = 0,
    TM_PARQUET_INT32 = 1,
    TM_PARQUET_INT64 = 2,
    TM_PARQUET_DOUBLE = 5,
    TM_PARQUET_BYTE_ARRAY = 6
};

int32_t tm__parquet_type(tm_type type);
tm_str tm__parquet_text(const tm_column *column, uint64_t code);
/** PLAIN, by the type of the column. */
void tm__parquet_put_plain(const tm_column *column, tm_buf *out, const uint64_t *values,
                           uint64_t n);
/** PLAIN of eight bytes each. */
void tm__parquet_put_numbers(tm_buf *out, const uint64_t *values, uint64_t n);
/** BYTE_STREAM_SPLIT: the lowest bytes of all, then the next ones. */
void tm__parquet_put_split(tm_buf *out, const uint64_t *values, uint64_t n);
/** Packed as they come, the lowest bit first, in whole groups of eight; width is 1 .. 32. */
void tm__parquet_put_bits(tm_buf *out, const uint32_t *values, uint64_t n, uint32_t width);

#endif
