/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PostgreSQL through libpq, opened by dlopen when first needed (Debian: libpq5). One connection has
 * one owner thread.
 *
 * 1. How to reach the server is read from a file that only its owner can read, and stands in no
 *    message: neither the DSN nor what libpq says of it.
 * 2. Messages of the server are passed on only when they are about the text of the query (classes
 *    42 and the like); others may hold values and become a sentence of ours with the SQLSTATE.
 * 3. A connection that is lost, a server that ends or has no room is TM_E_UNAVAILABLE: try again
 *    with another connection. After it, each call on this one is TM_E_UNAVAILABLE too.
 * 4. Each wait looks at the flag of the options ten times a second: TM_E_CANCELLED, and the server
 *    is told to stop.
 * 5. The session speaks UTF-8 (of a database without an encoding the bytes are read as they are),
 * its time zone is UTC, its dates are ISO.
 */
#ifndef TM_STORE_PQ_H
#define TM_STORE_PQ_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "store/bad_values.h"
#include "table/table.h"
#include "tidemill/err.h"

typedef struct tm_pq tm_pq;

typedef struct tm_pq_options {
    volatile _Atomic bool *cancel; /* may be NULL */
    bool is_read_only;             /* every transaction is */
    uint32_t silence_ms; /* a peer that says nothing to what was sent is lost then; 0: 60 s */
    uint32_t connect_s;  /* an address that does not answer is given up; 0: 10 s */
} tm_pq_options;

/** Connect as a file says: conninfo text or a postgres:// URL. options may be NULL. */
TM_NODISCARD tm_status tm__pq_open(const char *dsn_file, const tm_pq_options *options, tm_pq **out,
                                   tm_err *err);
/** End the connection; what was not committed is not there. NULL is a no-op. */
void tm__pq_close(tm_pq *pq);

/* ---- Statements ---- */

/** Run statements without parameters; rows that they give are dropped. BEGIN and COMMIT too. */
TM_NODISCARD tm_status tm__pq_exec(tm_pq *pq, const char *sql, tm_err *err);

typedef struct tm_pq_rows tm_pq_rows;
/** Same; the rows of the last one. */
TM_NODISCARD tm_status tm__pq_exec_rows(tm_pq *pq, const char *sql, tm_pq_rows **out_rows,
                                        tm_err *err);
/** From now on the connection is lost when so many waits of 100 ms brought no answer; 0: whatever
 * they bring. A program that was stopped meanwhile counts its stop as one. */
void tm__pq_bear(tm_pq *pq, uint32_t n_waits);
/** Run one statement with parameters $1 ... as text; ptr NULL is null. Its rows are held in memory:
 * for small answers. out_rows may be NULL. */
TM_NODISCARD tm_status tm__pq_query(tm_pq *pq, const char *sql, const tm_str *params,
                                    uint32_t n_params, tm_pq_rows **out_rows, tm_err *err);
uint64_t tm__pq_rows_count(const tm_pq_rows *rows);
/** Rows that the statement inserted, updated or deleted. */
uint64_t tm__pq_rows_changed(const tm_pq_rows *rows);
uint32_t tm__pq_rows_cols(const tm_pq_rows *rows);
const char *tm__pq_rows_name(const tm_pq_rows *rows, uint32_t col);
/** A value as text; ptr NULL is null. Lives as long as the rows. */
tm_str tm__pq_rows_text(const tm_pq_rows *rows, uint64_t row, uint32_t col);
/** A whole number; 0 for what is none. */
int64_t tm__pq_rows_i64(const tm_pq_rows *rows, uint64_t row, uint32_t col);
void tm__pq_rows_free(tm_pq_rows *rows);

/** Type of a column: an OID of pg_type. */
uint32_t tm__pq_rows_type(const tm_pq_rows *rows, uint32_t col);

/** Prepare a statement under a name of this connection; types are OIDs, 0: the server infers it. */
TM_NODISCARD tm_status tm__pq_prepare(tm_pq *pq, const char *name, const char *sql,
                                      const uint32_t *types, uint32_t n_types, tm_err *err);
typedef struct tm_pq_param {
    tm_str value; /* ptr NULL is null; a text ends with a zero byte behind its len */
    bool is_binary;
} tm_pq_param;
/** Run what was prepared; its rows as tm__pq_query() gives them. */
TM_NODISCARD tm_status tm__pq_run(tm_pq *pq, const char *name, const tm_pq_param *params,
                                  uint32_t n_params, tm_pq_rows **out_rows, tm_err *err);
/** Whether a transaction is open, be it that it has failed. */
bool tm__pq_is_in_transaction(const tm_pq *pq);
bool tm__pq_is_lost(const tm_pq *pq);
/** SQLSTATE of the last failure that the server told; "" when there was none. */
const char *tm__pq_sqlstate(const tm_pq *pq);

/** Append a text ('...') or a name ("...") as PostgreSQL has it, whatever its bytes are. */
bool tm__pq_quote(tm_buf *sql, tm_str text, char quote);

/* ---- Reading ---- */

typedef struct tm_pq_select {
    const char *query;  /* one SELECT, or the name of a table */
    const char *cursor; /* order by this column, and leave out rows where it is null, NaN or
                           infinite; or NULL */
    tm_str after;       /* only rows with this value (as text) or a later one; ptr NULL: all */
    int64_t until_us;   /* only rows of a time before this one; 0: all */
} tm_pq_select;

typedef struct tm_pq_reader tm_pq_reader;
/**
 * Read the rows of a query, all of one moment, in a read-only transaction of its own. Types become:
 * bool, the integers and numeric(p <= 18, 0) -> BOOL and INT; real, double precision and other
 * numerics -> FLOAT; date, timestamp and timestamptz -> DATE and TIME, the infinite ones missing;
 * text, varchar, char without its trailing blanks, uuid, json and jsonb -> TEXT; any other type
 * (enum, bytea, interval, arrays ...) -> PostgreSQL's own text of it. A text of more than 1 MiB is
 * cut right behind that, which whoever takes it finds too large.
 * The server sends and this side takes at the pace of the slower one; held are one row as sent and
 * one block.
 * Errors: TM_E_USAGE for what is no SELECT, a cursor that is no column or has no order; until
 * tm__pq_reader_free() nothing else runs.
 */
TM_NODISCARD tm_status tm__pq_reader_open(tm_pq *pq, const tm_pq_select *select, tm_pq_reader **out,
                                          tm_err *err);
/** The next block of rows, some ten thousands; NULL at the end. *out_cursor is a table of the
 * cursor's exact values when the column itself does not hold them (numeric), else NULL. Values that
 * no type here can hold are added to `bad`, which was empty; with bad NULL they are TM_E_DATA with
 * row and column. */
TM_NODISCARD tm_status tm__pq_reader_next(tm_pq_reader *reader, tm_table **out,
                                          tm_table **out_cursor, tm_bad_values *bad, tm_err *err);
void tm__pq_reader_free(tm_pq_reader *reader);

/* ---- COPY into a table ---- */

/** Start "COPY ... FROM STDIN" (text format, no options); until tm__pq_copy_close() nothing else
 * runs. */
TM_NODISCARD tm_status tm__pq_copy_open(tm_pq *pq, const char *sql, tm_err *err);
/** Send rows [row, row_end) of a table, all of its columns in order: the server makes each value
 * out of its text, so a column may have any type that can read it. Missing is null; infinities are
 * kept. */
TM_NODISCARD tm_status tm__pq_copy_rows(tm_pq *pq, const tm_table *table, uint64_t row,
                                        uint64_t row_end, tm_err *err);
/** End the copy: only now errors of values show. out_rows may be NULL. */
TM_NODISCARD tm_status tm__pq_copy_close(tm_pq *pq, uint64_t *out_rows, tm_err *err);
/** End a copy that shall not count; the transaction has failed then. No-op outside a copy. */
void tm__pq_copy_cancel(tm_pq *pq);

#endif
