/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where rows come from: a file or glob (CSV, TSV, JSON lines, JSON array, Parquet; .gz, .zst) or
 * one SELECT over files. Rows come in a defined order (files in byte order of their paths, rows in
 * file order), types are inferred as people mean them (codes with leading zeros stay text; '', NA,
 * N/A, null, NULL, nan, None, ? are missing where the rest of the column is not text or the column
 * is mostly clean; dates and times in ISO and the common national forms), and every error names
 * file, row and column.
 */
#ifndef TM_SOURCE_SOURCE_H
#define TM_SOURCE_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ctx.h"
#include "base/hash.h"
#include "table/schema.h"
#include "table/table.h"

typedef struct tm_source_spec {
    const char *path;        /* file, folder or glob; or NULL */
    const char *sql;         /* one SELECT; or NULL. Exactly one of both. */
    bool no_header;          /* columns become c0, c1, ... */
    const tm_schema *schema; /* read columns with these types (prediction, evaluation); NULL: infer.
                                Columns it lacks are inferred. */
    const char *temp_dir;    /* NULL: the system's */
    uint64_t n_rows_max;     /* 0: TM_MAX_ROWS */
    size_t block_bytes;      /* CSV: bytes read at a time, 0: 4 MiB; tests make it small */
} tm_source_spec;

/** All rows. Fails on: missing file, folder without data files, empty file, header only, ragged
 * rows, binary that is not Parquet, cut Parquet, duplicate names. */
TM_NODISCARD tm_status tm__source_read(tm_ctx *ctx, const tm_source_spec *spec, tm_table **out,
                                       tm_err *err);
/** Same rows as chunks in order, in bounded memory. */
TM_NODISCARD tm_status tm__source_stream(tm_ctx *ctx, const tm_source_spec *spec,
                                         tm_status (*fn)(void *arg, tm_table *chunk, tm_err *err),
                                         void *arg, tm_err *err);

/** Write the rows once under `dir`/<hash>.parquet and name them by the hash of their values;
 * already there is fine. */
TM_NODISCARD tm_status tm__snapshot_save(tm_ctx *ctx, const char *dir, const tm_table *table,
                                         tm_hash *out_hash, tm_err *err);
/** Read a snapshot back and check its hash; TM_E_INTEGRITY when it differs, TM_E_NOT_FOUND when it
 * is gone. */
TM_NODISCARD tm_status tm__snapshot_load(tm_ctx *ctx, const char *dir, const tm_hash *hash,
                                         tm_table **out, tm_err *err);

#endif
