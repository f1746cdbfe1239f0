/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file or a stream into a source of pushes, in pieces that are pushed one after the other. Not
 * for a daemon: Parquet is read by DuckDB in this process.
 *
 *   bytes ──> unpacked ──> kind ──> pieces of whole rows ──> pushes, each durable before the next
 *
 * Where a piece ends follows from the bytes alone, not from how they came. So a push of the same
 * bytes with the same key, after a kill at any time, takes what is missing and nothing twice.
 */
#ifndef TM_SOURCE_PUSH_FILE_H
#define TM_SOURCE_PUSH_FILE_H

#include "base/ctx.h"
#include "source/intake.h"

#define TM_PUSH_FILE_KEY_MAX 200u /* bytes of a key; that of a piece has its number behind */

typedef struct tm_push_file {
    const char *source;
    const char *path;
    const char *shown;  /* as people know it: a path, "standard input" */
    bool is_stream;     /* it cannot be opened twice, and may bring nothing for long */
    const char *key;    /* the pieces' idempotency keys are KEY/1, KEY/2, ...; NULL: none */
    size_t piece_bytes; /* about; 0: 8 MiB, of a JSON array 64 MiB. Tests make it small */
    uint64_t
        spool_bytes_max; /* of Parquet that is written to a file first; 0: TM_MAX_SPOOL_BYTES */
    const char *temp_dir;
} tm_push_file;

typedef struct tm_push_file_result {
    uint64_t accepted, duplicates, quarantined, dropped; /* as answers to pushes say it */
    uint64_t n_pieces, n_repeats; /* repeats: of them that an earlier push of this key took */
    uint64_t n_lines; /* of text, or rows of a table or array, up to which all is taken */
    bool is_table;    /* rows were counted */
} tm_push_file_result;
/**
 * Push all rows of CSV, lines of JSON, a JSON array, another document of JSON (of at most
 * TM_MAX_BODY_BYTES) or Parquet (of a stream by way of a file in the home); text may be packed as
 * gzip or Zstandard. What *out says is durable, also
 * after a failure. TM_E_CONFLICT when another process takes pushes, and for a key that came with
 * other rows. TM_E_DATA for nothing at all.
 */
TM_NODISCARD tm_status tm__push_file(tm_ctx *ctx, const tm_home *home, const tm_push_file *file,
                                     tm_push_file_result *out, tm_err *err);

#endif
