/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A query over what was known at a moment: its files are read as they were then, so that what it
 * gives for rows before the moment can be held against what it gives with all rows.
 *
 *   FROM 'a.parquet' x JOIN read_csv('b.csv') ...
 *   FROM (SELECT * REPLACE (CASE WHEN "arrives" < M THEN "late" END AS "late")
 *         FROM 'a.parquet' WHERE "leaves" < M) x JOIN ...
 *
 * Files that lack the column of moments stay whole: they are taken for facts without a time.
 */
#ifndef TM_SOURCE_SQL_CUT_H
#define TM_SOURCE_SQL_CUT_H

#include "base/buf.h"
#include "base/ctx.h"
#include "tidemill/err.h"

typedef struct tm_sql_known {
    const char *column;
    const char *when; /* column of the same file; NULL: delay_us after the row */
    int64_t delay_us;
} tm_sql_known;

typedef struct tm_sql_cut {
    const char *dir;  /* where its files' paths begin; NULL: where the process is */
    const char *time; /* column that says when a row of a file is known */
    const tm_sql_known *known;
    uint32_t n_known;
    int64_t at_us; /* what is known at this moment or later is left out */
} tm_sql_cut;

/** Whether a query can look at other rows than the one it gives: it joins, groups, nests or has
 * windows. */
bool tm__sql_looks_around(const char *sql);
/**
 * Append the query over what was known.
 *
 * out_n  files that were cut.
 *
 * Cost:    a look at each file's columns.
 * Errors:  TM_E_NOMEM, and those of reading a file.
 * Threads: one caller.
 */
TM_NODISCARD tm_status tm__sql_cut(tm_ctx *ctx, const char *sql, const tm_sql_cut *cut, tm_buf *out,
                                   uint32_t *out_n, tm_err *err);

#endif
