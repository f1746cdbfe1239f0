/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of tm_db share: one table of functions for each engine, and what all of them keep.
 */
#ifndef TM_STORE_DB_PRIV_H
#define TM_STORE_DB_PRIV_H

#include "store/db.h"

#define TM_DB_CACHED_MAX 96u /* more different statements than any one user of a file has */

/* The place of a database that is not a file of SQLite ends so. */
#define TM_DB_PLACE_SUFFIX ".json"

/* Of a place whose rows were moved to another engine: nobody writes there any more. */
#define TM_DB_FORMAT_MOVED 0x7fffffffu
/* And this bit is in the format of a place where rows are being moved to. */
#define TM_DB_FORMAT_HALF 0x40000000u

struct tm_stmt {
    tm_db *db;
    char *sql;
    bool is_cached;
    bool in_use;
};

/* One engine. Arguments and answers are those of db.h. */
typedef struct tm_db_ops {
    tm_status (*open)(const char *path, const tm_db_options *options, tm_db **out, tm_err *err);
    void (*close)(tm_db *db);
    tm_status (*usable)(const tm_db *db, tm_err *err);
    tm_status (*begin)(tm_db *db, tm_err *err);
    tm_status (*begin_read)(tm_db *db, tm_err *err);
    tm_status (*commit)(tm_db *db, tm_err *err);
    void (*rollback)(tm_db *db);
    tm_status (*changes_answers)(tm_db *db, tm_err *err); /* NULL: nothing is to be done */
    tm_status (*moment)(tm_db *db, tm_db_moment *out, tm_err *err); /* NULL: at once */
    bool (*is_in_transaction)(const tm_db *db);
    tm_status (*exec)(tm_db *db, const char *sql, tm_err *err);
    tm_status (*data_version)(tm_db *db, int64_t *out, tm_err *err);
    void (*on_log)(tm_db *db, tm_db_log_fn fn, void *arg);
    tm_status (*checkpoint)(tm_db *db, tm_err *err);
    tm_status (*vacuum)(tm_db *db, tm_err *err);
    int64_t (*last_id)(const tm_db *db);
    uint64_t (*changes)(const tm_db *db);
    tm_status (*copy)(tm_db *db, const tm_ctx *ctx, const char *to, tm_err *err);
    tm_status (*check)(tm_db *db, tm_err *err);
    tm_status (*format)(tm_db *db, uint32_t *out, tm_err *err);
    tm_status (*set_format)(tm_db *db, uint32_t format, tm_err *err);
    /* Statements: create fills all but the fields of the base. */
    tm_status (*stmt_create)(tm_db *db, const char *sql, tm_stmt **out, tm_err *err);
    void (*stmt_free)(tm_stmt *stmt);
    void (*stmt_start)(tm_stmt *stmt); /* taken from the cache */
    void (*stmt_end)(tm_stmt *stmt);   /* given back to it */
    void (*bind_i64)(tm_stmt *stmt, int index, int64_t value);
    void (*bind_f64)(tm_stmt *stmt, int index, double value);
    void (*bind_str)(tm_stmt *stmt, int index, tm_str value);
    void (*bind_blob)(tm_stmt *stmt, int index, const void *data, size_t len, bool is_view);
    void (*bind_null)(tm_stmt *stmt, int index, tm_db_type of); /* TM_DB_NULL: of any */
    tm_status (*step)(tm_stmt *stmt, bool *out_row, tm_err *err);
    void (*rewind)(tm_stmt *stmt); /* ready for other values, what is bound stays */
    int64_t (*i64)(tm_stmt *stmt, int col);
    double (*f64)(tm_stmt *stmt, int col);
    const char *(*text)(tm_stmt *stmt, int col);
    tm_str (*blob)(tm_stmt *stmt, int col);
    tm_db_type (*type)(tm_stmt *stmt, int col);
    int (*n_cols)(tm_stmt *stmt);
} tm_db_ops;

struct tm_db {
    const tm_db_ops *ops;
    char *path;
    tm_stmt *cached[TM_DB_CACHED_MAX];
    uint32_t n_cached;
    uint32_t version; /* last one that this program knows; that of the place once it is open */
    void *migration_arg;
    const char *fence_sql; /* see tm__db_fence() */
    int64_t fence_value;
    bool has_lost; /* a value of this transaction could not be read for want of memory */
};

extern const tm_db_ops tm__db_sqlite;
extern const tm_db_ops tm__db_pg;

/** End what the base holds, statements first: for an engine's close(). */
void tm__db_base_done(tm_db *db);
/** A value could not be read for want of memory: it counts as a lost value of the thread, and no
 * commit follows. */
void tm__db_lost(tm_db *db);
/** Fail because the place has a version that this program does not know: found at opening, or
 * (is_now) meanwhile. */
tm_status tm__db_version_fail(const tm_db *db, int64_t version, bool is_now, tm_err *err);
/** Whether a place of this format, which is not the last one of the options, may be opened as it
 * is: by who moves tables. */
bool tm__db_version_moves(const tm_db_options *options, int64_t version);
/** The last version of a list of migrations. */
uint32_t tm__db_version_last(const tm_migration *migrations);

#endif
