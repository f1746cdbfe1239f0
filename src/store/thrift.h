/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing thrift's compact protocol, in which Parquet has its headers and its footer. A failure is
 * a mark of the buffer (tm_buf). Any thread, one buffer each; a write costs some bytes.
 *
 * Source: https://github.com/apache/thrift, doc/specs/thrift-compact-protocol.md.
 */
#ifndef TM_STORE_THRIFT_H
#define TM_STORE_THRIFT_H

#include "base/buf.h"

/* Types of fields in the compact protocol. */
enum {
    TM_THRIFT_STOP = 0,
    TM_THRIFT_TRUE = 1,
    TM_THRIFT_FALSE = 2,
    TM_THRIFT_BYTE = 3,
    TM_THRIFT_I16 = 4,
    TM_THRIFT_I32 = 5,
    TM_THRIFT_I64 = 6,
    TM_THRIFT_DOUBLE = 7,
    TM_THRIFT_BINARY = 8,
    TM_THRIFT_LIST = 9,
    TM_THRIFT_SET = 10,
    TM_THRIFT_STRUCT = 12
};

/* A struct that is being written; zero-initialised but for `out`. Fields come by rising id. */
typedef struct tm_thrift {
    tm_buf *out;
    int32_t last; /* id of the last field */
} tm_thrift;

void tm__thrift_varint(tm_buf *out, uint64_t value);
/** A signed number. */
void tm__thrift_number(tm_buf *out, int64_t value);
void tm__thrift_text(tm_buf *out, tm_str text);
void tm__thrift_i32(tm_thrift *at, int32_t id, int32_t value);
void tm__thrift_i64(tm_thrift *at, int32_t id, int64_t value);
void tm__thrift_bool(tm_thrift *at, int32_t id, bool value);
void tm__thrift_str(tm_thrift *at, int32_t id, tm_str value);
/** n values of that type follow. */
void tm__thrift_list(tm_thrift *at, int32_t id, uint8_t type, uint64_t n);
/** A struct as a field, ended by tm__thrift_end(). */
tm_thrift tm__thrift_struct(tm_thrift *at, int32_t id);
void tm__thrift_end(tm_thrift *at);

#endif
