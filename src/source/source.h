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

#include "base/buf.h"
#include "base/ctx.h"
#include "base/hash.h"
#include "store/bad_values.h"
#include "table/schema.h"
#include "table/table.h"

/* The part of the columns that one of several readers reads: every `step`-th from `first` on, and
 * the first one where there are not so many. step 0: all. */
typedef struct tm_source_share {
    uint32_t first, step;
    uint32_t *out_n_cols; /* how many there are */
} tm_source_share;
/** Whether a column of n_cols is of a share. */
bool tm__source_is_share(tm_source_share share, uint32_t col, uint32_t n_cols);

typedef struct tm_source_spec {
    const char *path;        /* file, folder or glob; or NULL */
    const char *sql;         /* one SELECT; or NULL. Exactly one of both. */
    bool no_header;          /* columns become c0, c1, ... */
    const tm_schema *schema; /* read columns with these types (prediction, evaluation); NULL: infer.
                                Columns it lacks are inferred. */
    const char *temp_dir;    /* NULL: the system's */
    uint64_t n_rows_max;     /* 0: TM_MAX_ROWS */
    bool skips_bad;        /* CSV: records that cannot be cut are left out: for looking at types */
    tm_bad_values *bad;    /* SQL as a table, and tables of a stream: values that no type holds, as
                              tm_duck_options says; NULL: they are missing, and a text that is too
                              long is a failure */
    tm_source_share share; /* CSV and Parquet as a table: only some of the columns */
    size_t block_bytes;    /* CSV: bytes read at a time, 0: 4 MiB, of parts 1 MiB; tests make it
                              small */
} tm_source_spec;

/** All rows. Fails on: missing file, folder without data files, empty file, header only, ragged
 * rows, binary that is not Parquet, cut Parquet, duplicate names. */
TM_NODISCARD tm_status tm__source_read(tm_ctx *ctx, const tm_source_spec *spec, tm_table **out,
                                       tm_err *err);
/** Same, where paths and files of a query are relative to a folder (NULL: where the process is).
 * One caller at a time: the process goes there and back. */
TM_NODISCARD tm_status tm__source_read_in(tm_ctx *ctx, const tm_source_spec *spec, const char *dir,
                                          tm_table **out, tm_err *err);
/**
 * Ranks that are to read come together, and find whether they may share it: all name files of CSV
 * or Parquet that are the same to the byte and worth it. Every rank calls this, whatever it reads
 * and however that began.
 *
 * spec        what this rank is to read from files; NULL: something else, or nothing.
 * st          how it went here so far: the failure of one is that of all.
 * *out_share  the same on all ranks.
 *
 * Errors:  those of files that are not there; TM_E_NOMEM. One rank's is that of all.
 * Cost:    one pass over the bytes of the files.
 * Threads: the owner of ctx->comm.
 */
TM_NODISCARD tm_status tm__source_ranks_meet(tm_ctx *ctx, const tm_source_spec *spec, tm_status st,
                                             bool *out_share, tm_err *err);
/**
 * Same table as tm__source_read(), by all ranks that met: each converts a share of the columns, and
 * all get all.
 *
 * Errors:  as tm__source_read(); one rank's is that of all.
 * Cost:    as many bytes as the table has go from rank to rank.
 * Threads: the owner of ctx->comm.
 */
TM_NODISCARD tm_status tm__source_read_ranks(tm_ctx *ctx, const tm_source_spec *spec,
                                             tm_table **out, tm_err *err);
/** Paths of the files that a path names, in order; fn ends it by a failure. */
TM_NODISCARD tm_status tm__source_each_file(const char *path,
                                            tm_status (*fn)(void *arg, const char *path,
                                                            tm_err *err),
                                            void *arg, tm_err *err);
/* A member of a row that is an object of JSON. */
typedef struct tm_source_member {
    tm_str name;
    tm_str value; /* JSON text, well formed; it may be rewritten in place, as base/json_scan does */
} tm_source_member;
/* Some rows of a source that follow each other, as one thread works on them. */
typedef struct tm_source_part {
    tm_table *table; /* columns that were read */
    uint64_t n_rows;
    uint64_t number; /* rises from part to part, whatever thread works on it */
    uint32_t n_raw;  /* columns that were not: their texts stand as they are in the source */
    const char *const *raw_names;
    void *raw_from;
    /* Lines of JSON: members that the schema lacks, of all rows, and where each row begins. The raw
     * names are those of the first rows of the source. */
    tm_source_member *members;
    const uint64_t *member_at; /* [n_rows + 1]; NULL: other rows than lines of JSON */
} tm_source_part;
/** Text of a raw column in a row of the part; valid until the next one of this column. */
tm_str tm__source_part_raw(const tm_source_part *part, uint32_t raw, uint64_t row);

typedef struct tm_source_sink {
    const char *stage;  /* a static word for progress */
    bool wants_raw;     /* columns that the schema lacks are not read; only of CSV */
    bool takes_members; /* lines of JSON are read here; else they are tables of DuckDB */
    /* Appends to out what becomes of a part. Several threads at a time; worker is below the threads
     * of the pool, and no two parts have the same one at once. A row in an error is one of the
     * part, from 1; the caller is told its place in the source. */
    tm_status (*work)(void *arg, const tm_source_part *part, uint32_t worker, tm_buf *out,
                      tm_err *err);
    /* One call at a time, in the order of the rows, on any thread. */
    tm_status (*write)(void *arg, const tm_buf *out, uint64_t n_rows, tm_err *err);
    void *arg;
} tm_source_sink;

/** Same rows in parts, on all threads of the pool and in bounded memory. The first failure in the
 * order of the rows is the one that is told; write() got all that stands before its part. */
TM_NODISCARD tm_status tm__source_pipe(tm_ctx *ctx, const tm_source_spec *spec,
                                       const tm_source_sink *sink, tm_err *err);

/** The same rows with the types that the schema gives to columns of its names, as reading a file
 * with it does; the table itself, referenced, when it has them. Rows in errors are counted from
 * first_row. */
TM_NODISCARD tm_status tm__source_fit(tm_table *table, const tm_schema *schema, uint64_t first_row,
                                      tm_table **out, tm_err *err);

typedef enum tm_file_kind {
    TM_FILE_OTHER,
    TM_FILE_CSV,
    TM_FILE_JSON,
    TM_FILE_PARQUET
} tm_file_kind;
/** What a file is by the end of its name, packed or not. */
tm_file_kind tm__source_kind(const char *path);

/** Same rows as tables of some thousand, in order, on the caller's thread; not of CSV. fn does not
 * own its table and ends the run by a failure. */
TM_NODISCARD tm_status tm__source_stream(tm_ctx *ctx, const tm_source_spec *spec,
                                         tm_status (*fn)(void *arg, tm_table *table, tm_err *err),
                                         void *arg, tm_err *err);

/** Whether a field of CSV is missing in every column, texts too: nothing, NA, N/A, #N/A, null, NaN,
 * ?, with blanks around. */
bool tm__csv_is_missing(tm_str text);

/** Write the rows once under `dir`/<hash>.parquet and name them by the hash of their values;
 * already there is fine. */
TM_NODISCARD tm_status tm__snapshot_save(tm_ctx *ctx, const char *dir, const tm_table *table,
                                         tm_hash *out_hash, tm_err *err);
/** Same with the table's hash, which the caller has. */
TM_NODISCARD tm_status tm__snapshot_save_as(tm_ctx *ctx, const char *dir, const tm_table *table,
                                            const tm_hash *hash, tm_err *err);
/**
 * Same by the ranks of ctx, of tables that have been found to be the same: each makes the file of a
 * part of the rows, where there are enough of them and no limit of memory, and rank 0 publishes all
 * as one.
 *
 * dir       of rank 0; not looked at by others.
 *
 * Errors:   one rank's is that of all.
 * Threads:  the owner of ctx->comm.
 * Cost:     rank 0 holds the compressed part of one other rank beside its own.
 */
TM_NODISCARD tm_status tm__snapshot_save_ranks(tm_ctx *ctx, const char *dir, const tm_table *table,
                                               const tm_hash *hash, tm_err *err);
/** Same, where many go to a bucket one after the other. */
struct tm_bucket;
TM_NODISCARD tm_status tm__snapshot_save_by(tm_ctx *ctx, struct tm_bucket *bucket, const char *dir,
                                            const tm_table *table, tm_hash *out_hash, tm_err *err);
/** Read a snapshot back and check its hash; TM_E_INTEGRITY when it differs, TM_E_NOT_FOUND when it
 * is gone. */
TM_NODISCARD tm_status tm__snapshot_load(tm_ctx *ctx, const char *dir, const tm_hash *hash,
                                         tm_table **out, tm_err *err);
/** Whether a text is a number, plain or as people read them ($1,279.40). *out_style: that of its
 * mark, or ',' for commas between thousands without one, 0 for a plain number; what it says of
 * other texts means nothing. Any thread. */
bool tm__csv_is_formatted(tm_str text, char *out_style);

#endif
