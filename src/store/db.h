/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables that outlive the program, in a file of SQLite (WAL, synchronous=FULL, behind base's VFS)
 * or in a schema of PostgreSQL. Foreign keys hold, writers come one after the other and wait for
 * each other, numbered migrations are one transaction under an exclusive lock. A connection has one
 * owner at a time; writers of one database in a process share one thread. A commit that returned
 * TM_OK is durable.
 *
 * SQL is written once, in what both engines understand; docs/store.md says what that is.
 */
#ifndef TM_STORE_DB_H
#define TM_STORE_DB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/ctx.h"
#include "base/str.h"
#include "tidemill/err.h"

typedef struct tm_db tm_db;
typedef struct tm_stmt tm_stmt;

typedef struct tm_migration {
    uint32_t version; /* 1, 2, ...: stored beside the tables */
    const char *sql;
    /* NULL, or what SQL cannot say: runs after it, in the same transaction. */
    tm_status (*run_locked)(tm_db *db, tm_err *err);
} tm_migration;

/** Open (and make when create is set), then bring to the last version. A newer file than this
 * program knows is TM_E_UNSUPPORTED; a file that is refused keeps every byte. Read only: a file
 * that another process is just making is TM_E_NOT_FOUND. */
typedef struct tm_db_options {
    bool create;
    bool read_only;
    const tm_migration *migrations; /* ends with version 0 */
    uint32_t application_id;        /* a file of another kind is TM_E_DATA */
    void *migration_arg;            /* for run_locked: see tm__db_migration_arg() */
    bool is_moving;   /* for db_move.h: nothing is migrated; a place that was left or is half moved
                         opens too, and one that is made is half */
    bool may_be_away; /* PostgreSQL: a server that is away is no failure; what opening does is done
                         by the first call that reaches it */
    uint32_t page_bytes; /* of a file that is made: a power of two, 512 to 65,536; 0: 4,096 */
    const char *part; /* PostgreSQL: these tables have a schema of their own, NAME_part; or NULL */
} tm_db_options;
/**
 * path names a file of SQLite, or (it ends in .json) a file that says where in PostgreSQL the
 * tables are: {"postgres": {"dsn_file": ABSOLUTE, "schema": NAME}}. A connection to PostgreSQL that
 * broke outside a transaction is made anew at the next call, which is TM_E_UNAVAILABLE as long as
 * that fails.
 */
TM_NODISCARD tm_status tm__db_open(const char *path, const tm_db_options *options, tm_db **out,
                                   tm_err *err);
void tm__db_close(tm_db *db);
/** What the options gave for migrations. */
void *tm__db_migration_arg(const tm_db *db);

/** Transactions: BEGIN IMMEDIATE, COMMIT, ROLLBACK (no-op outside one). A failed commit has been
 * rolled back. TM_E_UNSUPPORTED when a newer program has migrated the file meanwhile. */
TM_NODISCARD tm_status tm__db_begin(tm_db *db, tm_err *err);
TM_NODISCARD tm_status tm__db_commit(tm_db *db, tm_err *err);
void tm__db_rollback(tm_db *db);
/** The end of a transaction in which st came of the work: commit if it is TM_OK, else roll back and
 * return it. */
TM_NODISCARD tm_status tm__db_end(tm_db *db, tm_status st, tm_err *err);
/** From now on each transaction that is to write is refused (TM_E_CONFLICT), in its beginning and
 * under the lock that keeps other writers out, unless sql (a literal, one row) gives this value; so
 * a writer whose time is over changes nothing. sql NULL: none is. In SQLite it is asked only of
 * what tm__db_begin() begins. */
void tm__db_fence(tm_db *db, const char *sql, int64_t value);
/** False after a failure in which the engine rolled back by itself, as it may when memory or disk
 * run out.
 */
bool tm__db_is_in_transaction(const tm_db *db);
/** Statements without parameters or rows. */
TM_NODISCARD tm_status tm__db_exec(tm_db *db, const char *sql, tm_err *err);
/** Same for reading alone: every statement until tm__db_rollback() sees what is there at the first.
 */
TM_NODISCARD tm_status tm__db_begin_read(tm_db *db, tm_err *err);
/** Counter that grows when anybody commits a change, this connection too: to notice changes.
 * Compare it with what the same connection gave. */
TM_NODISCARD tm_status tm__db_data_version(tm_db *db, int64_t *out, tm_err *err);
#define TM_DB_LEAD_MS                                                                              \
    400u /* from a commit that changes what answers to the moment it takes effect */
#define TM_DB_KNOWN_MS                                                                             \
    250u /* so long after a look no change that it did not show takes effect,                      \
            also one that a release before wrote in 150 ms */
/** What answers requests changes with the transaction at hand: it takes effect TM_DB_LEAD_MS after
 * it, by the server's clock, when all who look at tm__db_moment() have heard of it. Waits, under
 * the lock of writers, until the change before has taken effect. In a file: nothing, at once. */
TM_NODISCARD tm_status tm__db_changes_answers(tm_db *db, tm_err *err);
typedef struct tm_db_moment {
    int64_t generation;         /* as tm__db_data_version() gives it */
    bool is_shared;             /* PostgreSQL; the rest is 0 of a file */
    int64_t moves_us;           /* when the last change takes effect, by the server's clock */
    int64_t left_us;            /* until then; not above 0: it has */
    uint64_t asked_ns, told_ns; /* monotonic: the answer is of a moment between the two */
} tm_db_moment;
/** Outside a transaction. Waits for a commit that is on its way; a connection that broke is made
 * anew once. TM_E_UNAVAILABLE when the server says nothing for two seconds, and no other connection
 * is to be had. */
TM_NODISCARD tm_status tm__db_moment(tm_db *db, tm_db_moment *out, tm_err *err);
/**
 * Call a function with the pages of the write-ahead log after each commit that wrote, in the thread
 * that committed, in place of SQLite's copying the log into the file then. NULL: SQLite again.
 * PostgreSQL keeps its log itself: fn is never called, and a checkpoint has nothing to do.
 */
typedef void (*tm_db_log_fn)(void *arg, uint32_t n_pages);
void tm__db_on_log(tm_db *db, tm_db_log_fn fn, void *arg);
/** Copy what stands in the write-ahead log into the file, as far as nobody reads before it; writers
 * go on meanwhile. TM_E_CONFLICT when another connection does just that. */
TM_NODISCARD tm_status tm__db_checkpoint(tm_db *db, tm_err *err);
/** Write the whole file anew without what was deleted, and empty the write-ahead log: no page keeps
 * old bytes. TM_E_CONFLICT while others read or write. Cost: the size of the file in memory.
 * TM_E_UNSUPPORTED for PostgreSQL. */
TM_NODISCARD tm_status tm__db_vacuum(tm_db *db, tm_err *err);
int64_t tm__db_last_id(const tm_db *db);
uint64_t tm__db_changes(const tm_db *db);

/** Copy the database as it stands at this moment into a new file, while others read and write it.
 * The copy is one file, not synced. TM_E_CANCELLED by ctx, which also hears of the progress in
 * pages. A copy that failed is not removed. */
TM_NODISCARD tm_status tm__db_copy(tm_db *db, const tm_ctx *ctx, const char *to, tm_err *err);
/** Check every page, row and index; TM_E_INTEGRITY. Reads the whole file. */
TM_NODISCARD tm_status tm__db_check(tm_db *db, tm_err *err);
/** The format: the version of the last migration. */
TM_NODISCARD tm_status tm__db_format(tm_db *db, uint32_t *out, tm_err *err);
bool tm__db_is_postgres(const tm_db *db);
const char *tm__db_path(const tm_db *db); /* as it was opened; borrowed */

/** A statement from the connection's cache, reset and unbound; give it back with tm__stmt_done().
 * sql is a literal. */
TM_NODISCARD tm_status tm__stmt_init(tm_db *db, const char *sql, tm_stmt **out, tm_err *err);
/** Bind parameter i (1-based). Text and blobs are copied. */
void tm__stmt_bind_i64(tm_stmt *stmt, int index, int64_t value);
void tm__stmt_bind_f64(tm_stmt *stmt, int index, double value);
void tm__stmt_bind_text(tm_stmt *stmt, int index, const char *value); /* NULL binds null */
void tm__stmt_bind_str(tm_stmt *stmt, int index, tm_str value);
void tm__stmt_bind_blob(tm_stmt *stmt, int index, const void *data, size_t len);
/** Same without a copy: the bytes must stand still until tm__stmt_done(). */
void tm__stmt_bind_blob_view(tm_stmt *stmt, int index, const void *data, size_t len);
void tm__stmt_bind_null(tm_stmt *stmt, int index);
/** One step: *out_row says whether there is a row. Bind failures show here. */
TM_NODISCARD tm_status tm__stmt_step(tm_stmt *stmt, bool *out_row, tm_err *err);
/** The head of a loop over rows: false at the end, after a failure, which *st then is, and when *st
 * is one already. */
bool tm__stmt_next(tm_stmt *stmt, tm_status *st, tm_err *err);
/** Step a statement that gives no row. */
TM_NODISCARD tm_status tm__stmt_run(tm_stmt *stmt, tm_err *err);
/** Same, and the statement is done. */
TM_NODISCARD tm_status tm__stmt_run_done(tm_stmt *stmt, tm_err *err);
typedef enum tm_db_type { TM_DB_NULL, TM_DB_INT, TM_DB_REAL, TM_DB_TEXT, TM_DB_BLOB } tm_db_type;
/** What a column of the row at hand holds; its name and how many there are. */
tm_db_type tm__stmt_type(tm_stmt *stmt, int col);
int tm__stmt_n_cols(tm_stmt *stmt);
int64_t tm__stmt_i64(tm_stmt *stmt, int col);
double tm__stmt_f64(tm_stmt *stmt, int col);
const char *tm__stmt_text(tm_stmt *stmt, int col); /* valid until the next step; NULL for null */
tm_str tm__stmt_blob(tm_stmt *stmt, int col);
bool tm__stmt_is_null(tm_stmt *stmt, int col);
void tm__stmt_done(tm_stmt *stmt); /* NULL is a no-op */

#endif
