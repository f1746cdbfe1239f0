/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources of the home as tables of a query: each that it names is a snapshot, and stands before the
 * query under its name.
 *
 *   SELECT ... FROM flights f JOIN 'airports.csv' a ON ...
 *       ──> WITH "flights" AS (SELECT * FROM read_parquet('.../snapshots/<hash>.parquet'))
 *           SELECT ... FROM flights f JOIN 'airports.csv' a ON ...
 *
 * So the query is one over files from there on, and what it read has names. Sealed ones are opened
 * in memory for as long as it lives, so it is read by the process that opened it.
 */
#ifndef TM_SOURCE_SQL_SOURCES_H
#define TM_SOURCE_SQL_SOURCES_H

#include "base/buf.h"
#include "base/ctx.h"
#include "base/json.h"
#include "source/consent.h"
#include "store/home.h"

#define TM_SQL_SOURCES_MAX 64u /* that one query may name */

/** Words of a query that may be tables: behind FROM, JOIN or a comma, in quotes or not, and no name
 * that the query itself gives by WITH. An array of texts, each once; new reference, NULL when out
 * of memory. */
json_t *tm__sql_table_words(const char *sql);
/** Those of them that are sources of the home, by the sources' own names: case does not count. New
 * reference; empty without a home or sources. */
TM_NODISCARD tm_status tm__sql_source_names(const tm_home *home, const char *sql, json_t **out,
                                            tm_err *err);

typedef struct tm_sql_sources {
    char *sql;         /* to be read in place of the query */
    json_t *snapshots; /* {name of a source: hash}; empty: none is named, and sql is as it was */
    struct tm_vault_view *views; /* [n_views]: what sql opens; owned */
    uint32_t n_views;
} tm_sql_sources;
typedef struct tm_sql_ask {
    const char *sql;
    int64_t as_of_us; /* sources as they were then; INT64_MAX: as they are */
    tm_learning
        *learning; /* rows without consent to it are not written down; NULL: nobody learns */
} tm_sql_ask;
/**
 * Write down what a query reads of sources.
 *
 * home  NULL or without sources: nothing is named.
 *
 * Errors:  TM_E_DATA for a source without rows then, those of reading and writing.
 */
TM_NODISCARD tm_status tm__sql_sources_open(tm_ctx *ctx, const tm_home *home, const tm_sql_ask *ask,
                                            tm_sql_sources *out, tm_err *err);
/** A place in the query as it is read becomes one in the query as it was written. */
void tm__sql_sources_place(const tm_sql_sources *sources, tm_err *err);
void tm__sql_sources_done(tm_sql_sources *sources);

#endif
