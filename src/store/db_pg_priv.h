/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of a database in PostgreSQL share. */
#ifndef TM_STORE_DB_PG_PRIV_H
#define TM_STORE_DB_PG_PRIV_H

#include "store/db_priv.h"
#include "store/pq.h"

#define TM_PG_PARAMS_MAX 32u

typedef struct tm_pg_db {
    tm_db base;
    tm_pq *pq;      /* NULL: there is no connection at this moment */
    char *dsn_file; /* absolute */
    char *schema;
    uint64_t n_connections; /* made so far: what is prepared belongs to one of them */
    uint64_t n_prepared;
    uint64_t again_ns; /* after a failure, not before this moment */
    tm_err why;        /* that failure */
    uint64_t n_changed;
    int64_t transaction; /* number of the open one, as the server counts; 0: it only reads */
    bool is_read_only;
    tm_db_options options; /* when is_unseen */
    bool is_unseen;        /* the server was away, and nobody has looked at the tables */
    bool is_open;          /* a transaction is, for all that the caller knows */
    bool has_written;      /* in it */
    bool changes_answers;  /* see tm__db_changes_answers() */
} tm_pg_db;

static inline tm_pg_db *tm__pg_of(const tm_db *db) {
    return (tm_pg_db *)(uintptr_t)db;
}

/** A connection that works, as far as one knows; TM_E_UNAVAILABLE. */
TM_NODISCARD tm_status tm__pg_connect(tm_pg_db *db, tm_err *err);
/** The connection broke: it is made anew at the next call. */
void tm__pg_forget(tm_pg_db *db);
/** A failure in the words of a database: who holds it, what its rules are. */
tm_status tm__pg_fail(const tm_pg_db *db, tm_status st, tm_err *err);

/** See tm__db_changes_answers() and tm__db_moment(). */
TM_NODISCARD tm_status tm__pg_changes_answers(tm_db *base, tm_err *err);
TM_NODISCARD tm_status tm__pg_moment(tm_db *base, tm_db_moment *out, tm_err *err);
/** Count the commit of a transaction that wrote, say when it takes effect, and commit. */
TM_NODISCARD tm_status tm__pg_commit_counted(tm_pg_db *db, tm_err *err);

TM_NODISCARD tm_status tm__pg_commit(tm_db *base, tm_err *err);
void tm__pg_rollback(tm_db *base);

TM_NODISCARD tm_status tm__pg_open(const char *path, const tm_db_options *options, tm_db **out,
                                   tm_err *err);
/** Make the schema, its functions and tables, or bring them to the last version. */
TM_NODISCARD tm_status tm__pg_bring_up(tm_pg_db *db, const tm_db_options *options, tm_err *err);
/** The one row beside the tables. *out_has: false when there is none. */
typedef struct tm_pg_label {
    int64_t application_id, format, generation;
} tm_pg_label;

/** SQL as PostgreSQL has it: types, triggers that refuse, parameters. TM_E_NOMEM. */
TM_NODISCARD tm_status tm__pg_sql(const char *sql, tm_buf *out, uint32_t *out_n_params,
                                  tm_err *err);
/** Whether a statement changes something. */
bool tm__pg_is_write(const char *sql);
/** Functions of SQLite that our SQL calls, in the schema at hand. */
const char *tm__pg_functions(void);

/* Statements: see tm_db_ops. */
TM_NODISCARD tm_status tm__pg_stmt_create(tm_db *db, const char *sql, tm_stmt **out, tm_err *err);
void tm__pg_stmt_free(tm_stmt *base);
void tm__pg_stmt_start(tm_stmt *base);
void tm__pg_stmt_end(tm_stmt *base);
void tm__pg_bind_i64(tm_stmt *stmt, int index, int64_t value);
void tm__pg_bind_f64(tm_stmt *stmt, int index, double value);
void tm__pg_bind_str(tm_stmt *stmt, int index, tm_str value);
void tm__pg_bind_blob(tm_stmt *stmt, int index, const void *data, size_t len, bool is_view);
void tm__pg_bind_null(tm_stmt *stmt, int index, tm_db_type type);
TM_NODISCARD tm_status tm__pg_step(tm_stmt *base, bool *out_row, tm_err *err);
void tm__pg_rewind(tm_stmt *base);
int64_t tm__pg_i64(tm_stmt *base, int col);
double tm__pg_f64(tm_stmt *base, int col);
const char *tm__pg_text(tm_stmt *base, int col);
tm_str tm__pg_blob(tm_stmt *base, int col);
tm_db_type tm__pg_type(tm_stmt *base, int col);
int tm__pg_n_cols(tm_stmt *base);

#endif
