/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DuckDB's C API behind dlopen: files, SQL, Parquet. Sealed: no extension is fetched or loaded, and
 * only the files and folders named can be read or written. Opened when first needed. Owner thread.
 * A daemon uses it only in a child.
 */
#ifndef TM_STORE_DUCK_H
#define TM_STORE_DUCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "store/bad_values.h"
#include "table/table.h"
#include "tidemill/err.h"

typedef struct tm_duck tm_duck;

typedef struct tm_duck_options {
    const char *const *paths; /* real paths (files or folders) that may be read; NULL: whatever the
                                 user can read */
    uint32_t n_paths;
    const char *temp_dir;          /* where it may spill, if tm__vault_may_spill(); NULL: it may not
                                    */
    uint64_t memory_bytes_max;     /* 0: half of the machine's */
    uint32_t n_threads;            /* 0: all */
    volatile _Atomic bool *cancel; /* ends a query with TM_E_CANCELLED when set; may be NULL */
    tm_bad_values *bad; /* NULL, or where finite values are put that no type of ours holds: of a
                           query, or of the table of a stream that is at hand; texts that are too
                           long are cut right behind the limit then */
} tm_duck_options;

TM_NODISCARD tm_status tm__duck_open(const tm_duck_options *options, tm_duck **out, tm_err *err);
/** Append a text or a name as SQL has it, in quotes of this kind. */
void tm__duck_quote(tm_buf *sql, const char *text, char quote);
/** Run statements without a result (of our own making, never a user's). */
TM_NODISCARD tm_status tm__duck_exec(tm_duck *duck, const char *sql, tm_err *err);
/**
 * Run one SELECT and materialise its rows in order. Types of DuckDB that have no own type become:
 * DECIMAL, HUGEINT and unsigned 64 bits
 * -> FLOAT, ENUM/UUID/BLOB/INTERVAL/TIME -> TEXT; LIST and STRUCT -> TEXT of their JSON. Infinite
 * dates and times are missing.
 * n_rows_max: TM_E_LIMIT past it. Errors of the query: TM_E_DATA (or TM_E_USAGE for its text) with
 * DuckDB's words, shortened, and line, column or row when it names them.
 */
TM_NODISCARD tm_status tm__duck_query(tm_duck *duck, const char *sql, uint64_t n_rows_max,
                                      tm_table **out, tm_err *err);
/* Columns of a result: every `step`-th from `first` on, and the first one where there are not so
 * many. step 0: all. */
typedef struct tm_duck_share {
    uint32_t first, step;
    uint32_t *out_n_cols; /* how many there are */
} tm_duck_share;
/** Same of some columns: what others need is not done. */
TM_NODISCARD tm_status tm__duck_query_share(tm_duck *duck, const char *sql, tm_duck_share share,
                                            uint64_t n_rows_max, tm_table **out, tm_err *err);
/** Same as a stream: fn gets tables of up to some thousand rows in order (it does not own them) and
 * ends the run by a failure. */
TM_NODISCARD tm_status tm__duck_stream(tm_duck *duck, const char *sql,
                                       tm_status (*fn)(void *arg, tm_table *chunk, tm_err *err),
                                       void *arg, tm_err *err);
/** Read a file of tm__parquet_write() back, with the very names of its columns. */
TM_NODISCARD tm_status tm__duck_read_parquet(tm_duck *duck, const char *path, tm_table **out,
                                             tm_err *err);
void tm__duck_close(tm_duck *duck);

/** Version text of the library that would be used, or NULL and err. For doctor and version. */
TM_NODISCARD tm_status tm__duck_version(const char **out_version, const char **out_path,
                                        tm_err *err);

#endif
