/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conditions in SQL over rows that the caller has: "amount > 0", "avg(amount) BETWEEN 10 AND 200".
 *
 *   text ── tokens: columns, types ──> SQLite, over a virtual table ──> true, false or null
 *
 * A condition is one expression over the columns of one table and the functions listed in
 * condition.c: it has no SELECT, changes nothing, reads no file, and its length, depth and work are
 * bounded. Not for queries: see sqlite_read.h.
 */
#ifndef TM_STORE_CONDITION_H
#define TM_STORE_CONDITION_H

#include <stdbool.h>
#include <stdint.h>

#include "table/table.h"
#include "tidemill/err.h"

#define TM_CONDITION_BYTES 4096u /* of one text */

/* ---- The text ---- */

typedef struct tm_condition_name {
    tm_str text; /* as it stands there, with its quotes */
    uint32_t at; /* byte of the condition, from 0 */
} tm_condition_name;
/** The next name in a text that may be a column's: none before '('. *at: 0 at first. */
bool tm__condition_next_name(const char *sql, size_t *at, tm_condition_name *out);
/** Whether a name in a text, quoted or not, is that of a column. */
bool tm__condition_is_name(tm_str text, const char *column);

/* ---- Conditions over rows ---- */

typedef struct tm_condition_column {
    const char *name; /* outlives the conditions */
    tm_type type;     /* NONE: not known, values are what they are */
    uint32_t at;      /* in a row's cells */
} tm_condition_column;

typedef struct tm_conditions tm_conditions;
/** Over these columns; texts then name no others. One owner at a time. */
TM_NODISCARD tm_status tm__conditions_open(const tm_condition_column *columns, uint32_t n_columns,
                                           tm_conditions **out, tm_err *err);
void tm__conditions_close(tm_conditions *conditions);

typedef struct tm_condition tm_condition;
/**
 * Make a condition, which ends with them all. TM_E_USAGE names what is wrong and its place, and
 * *out_unknown (may be NULL) the column that there is not, else it is empty; TM_E_LIMIT.
 */
TM_NODISCARD tm_status tm__condition_create(tm_conditions *conditions, const char *sql,
                                            tm_condition **out, tm_str *out_unknown, tm_err *err);
/** It speaks of all rows together: it has an aggregate. */
bool tm__condition_is_aggregate(const tm_condition *condition);

typedef enum tm_verdict {
    TM_VERDICT_TRUE,
    TM_VERDICT_FALSE,
    TM_VERDICT_NULL,
    TM_VERDICT_FAILED /* it cannot be told: an overflow, no JSON, no truth value */
} tm_verdict;
/** For one row; why [160] says what failed. TM_E_NOMEM. */
TM_NODISCARD tm_status tm__condition_row(tm_condition *condition, const tm_cell *cells,
                                         tm_verdict *out, char why[160], tm_err *err);
typedef struct tm_condition_rows {
    void (*rewind)(void *arg); /* before the first row, for each condition */
    /* Cells of the next row, whose texts stay until the end; NULL at the end. */
    const tm_cell *(*next)(void *arg);
    void *arg;
    uint64_t n_rows; /* about: bounds the work */
} tm_condition_rows;
/** For all rows together. */
TM_NODISCARD tm_status tm__condition_all(tm_condition *condition, const tm_condition_rows *rows,
                                         tm_verdict *out, char why[160], tm_err *err);
/** Between batches: what "now" is in them is asked anew, and no memory of rows is kept. */
void tm__conditions_reset(tm_conditions *conditions);

#endif
