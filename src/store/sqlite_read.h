/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQLite files of others, only read: the schema of a file is not trusted, nothing is attached,
 * written or loaded, and a damaged page is an error. Not for the home's own files, which are
 * store/db. Owner thread.
 */
#ifndef TM_STORE_SQLITE_READ_H
#define TM_STORE_SQLITE_READ_H

#include "base/json.h"
#include "store/bad_values.h"
#include "table/schema.h"
#include "table/table.h"
#include "tidemill/err.h"

typedef struct tm_sqlite tm_sqlite;

/** TM_E_NOT_FOUND, or TM_E_DATA for a file that is no database. *cancel (may be NULL) ends a query
 * with TM_E_CANCELLED. */
TM_NODISCARD tm_status tm__sqlite_open(const char *path, volatile _Atomic bool *cancel,
                                       tm_sqlite **out, tm_err *err);

typedef struct tm_sqlite_select {
    const char *query;  /* one SELECT, or the name of a table */
    const char *cursor; /* order by this column, and leave out rows where it is null; or NULL */
    tm_str after;       /* only rows with this value, as a block gave it, or a later one */
    const tm_schema *schema; /* types that columns have already; only read here. May be NULL */
    const json_t *known;     /* names of columns that known_hashes are over; only read here */
} tm_sqlite_select;
/** Begin a query: all its rows are of one moment. */
TM_NODISCARD tm_status tm__sqlite_select(tm_sqlite *sqlite, const tm_sqlite_select *select,
                                         tm_err *err);

typedef struct tm_sqlite_block {
    tm_table *rows;         /* NULL: there are no more */
    tm_table *cursor;       /* with a cursor: one column "i:7", "r:0.5" or "t:text" a row */
    uint64_t *hashes;       /* with a cursor: of each row's values as they are stored, [n rows] */
    uint64_t *known_hashes; /* the same over the known columns; NULL: there are no others */
} tm_sqlite_block;
/**
 * The next rows. A value of SQLite has a type of its own, a column of ours has one: integers INT
 * (BOOL when the column is declared so and holds 0 and 1), with fractions FLOAT, texts TEXT unless
 * all are ISO dates or times, both kinds TEXT, blobs TEXT as \x and hexadecimal digits. A column
 * that has a type in the schema, or in an earlier block, keeps it where the values allow.
 * Texts that are not UTF-8, and numbers that no type holds, are missing and added to `bad`, which
 * was empty. TM_E_DATA with row and column when such a one is the cursor and cannot be kept.
 */
TM_NODISCARD tm_status tm__sqlite_next(tm_sqlite *sqlite, tm_sqlite_block *out, tm_bad_values *bad,
                                       tm_err *err);
void tm__sqlite_close(tm_sqlite *sqlite);

#endif
