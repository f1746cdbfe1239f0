/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to one SQLite file.
 *
 *   tm_db ── handle (sqlite3, NOMUTEX: one owner at a time)
 *         └─ cached[] ── tm_stmt ── handle (sqlite3_stmt)      found by the text of its SQL
 *
 * 1. Every write passes base's VFS "tidemill", so that tests can fail it.
 * 2. A commit that returned TM_OK is durable: WAL with synchronous=FULL syncs the log.
 * 3. A failed sync is never retried: the connection is poisoned, and each later call on it fails
 *    until the file is opened anew, which recovers it from its log.
 * 4. Whoever opens a fresh file first makes its tables in one exclusive transaction; the others
 * wait for it and then find the last version in user_version.
 * 5. A program that runs on while a newer one migrates the file writes nothing more: each
 *    transaction looks at the version first.
 */
#include "store/db.h"

#include <errno.h>
#include <sqlite3.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/system.h"
#include "store/db_seal.h"

#define TM_DB_BUSY_MS 10000
#define TM_DB_CACHED_MAX 96u /* more different statements than any one user of a file has */

struct tm_stmt {
    tm_db *db;
    char *sql;
    sqlite3_stmt *handle;
    int bind_rc; /* first failure of a bind; shown by the next step */
    bool is_cached;
    bool in_use;
};

struct tm_db {
    sqlite3 *handle;
    char *path;
    tm_stmt *cached[TM_DB_CACHED_MAX];
    uint32_t n_cached;
    bool has_log;           /* another program left a write-ahead log */
    uint32_t version;       /* last one that this program knows; that of the file once it is open */
    sqlite3_stmt *rollback; /* made at the start, so that it takes no memory when it is needed */
    void *migration_arg;
    tm_db_log_fn on_log; /* NULL: SQLite's own */
    void *on_log_arg;
    bool is_poisoned; /* invariant 3 */
    bool has_lost;    /* a text of this transaction could not be read for want of memory */
};

/* ---- Errors ---- */

static bool is_disk_full(int system_errno) {
    return system_errno == ENOSPC || system_errno == EDQUOT;
}

static tm_status db_fail_status(const tm_db *db, int rc) {
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_CONSTRAINT:
        return TM_E_CONFLICT;
    case SQLITE_FULL:
        return TM_E_UNAVAILABLE;
    case SQLITE_IOERR:
        if (rc == SQLITE_IOERR_NOMEM) {
            return TM_E_NOMEM;
        }
        return is_disk_full(sqlite3_system_errno(db->handle)) ? TM_E_UNAVAILABLE : TM_E_IO;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return TM_E_INTEGRITY;
    case SQLITE_NOMEM:
        return TM_E_NOMEM;
    case SQLITE_CANTOPEN:
        return TM_E_IO;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return TM_E_NOT_ALLOWED;
    case SQLITE_TOOBIG:
        return TM_E_LIMIT;
    case SQLITE_INTERRUPT:
        return TM_E_CANCELLED;
    default:
        return TM_E_INTERNAL;
    }
}

/* Where SQLite locks the one writer of a write-ahead log: a byte of the shared memory's file. */
#define TM_DB_WRITER_BYTE 120

/* Say who it is when the kernel does. */
static void busy_fail(const tm_db *db, const char *doing, tm_err *err) {
    tm_buf path;
    char name[32] = "";
    int64_t pid = 0;
    tm__buf_init(&path, 1u << 16);
    if (tm__buf_printf(&path, "%s-shm", db->path)) {
        pid = tm__lock_holder((const char *)path.data, TM_DB_WRITER_BYTE, name, sizeof(name));
    }
    tm__buf_done(&path);
    if (pid == 0) {
        TM_FAIL(err, TM_E_CONFLICT, "cannot %s '%s': another process holds it", doing, db->path);
        tm_err_hint(err, "Try again when the other command has ended.");
    } else {
        TM_FAIL(err, TM_E_CONFLICT, "cannot %s '%s': process %lld (%s) holds it", doing, db->path,
                (long long)pid, name);
        tm_err_hint(err, "Try again when that process has ended; if it is stopped, let it go on or "
                         "end it.");
    }
}

static tm_status db_fail(tm_db *db, int rc, const char *doing, tm_err *err) {
    const tm_status st = db_fail_status(db, rc);
    if (rc == SQLITE_IOERR_FSYNC || rc == SQLITE_IOERR_DIR_FSYNC) {
        db->is_poisoned = true;
    }
    switch (st) {
    case TM_E_CONFLICT:
        if ((rc & 0xff) == SQLITE_CONSTRAINT) {
            TM_FAIL(err, st, "cannot %s '%s': a rule of its tables forbids it (%s)", doing,
                    db->path, sqlite3_errmsg(db->handle));
        } else {
            busy_fail(db, doing, err);
        }
        break;
    case TM_E_UNAVAILABLE:
        TM_FAIL(err, st, "cannot %s '%s': the disk is full", doing, db->path);
        tm_err_hint(err, "Free some space on the disk of the home and try again.");
        break;
    case TM_E_INTEGRITY:
        TM_FAIL(err, st, "cannot %s '%s': the file is damaged (%s)", doing, db->path,
                sqlite3_errstr(rc));
        tm_err_hint(err, "Restore the home from a backup.");
        break;
    case TM_E_NOMEM:
        TM_FAIL(err, st, "cannot %s '%s': out of memory", doing, db->path);
        break;
    case TM_E_NOT_ALLOWED:
        if ((rc & 0xff) == SQLITE_AUTH) { /* of a key: see store/db_seal */
            TM_FAIL(err, st, "cannot %s '%s': %s", doing, db->path, sqlite3_errmsg(db->handle));
            tm_err_hint(err, "Put the key of this home in its place.");
            break;
        }
        TM_FAIL(err, st, "cannot %s '%s': it may not be written", doing, db->path);
        tm_err_hint(err, "Run the command as the owner of the home.");
        break;
    case TM_E_INTERNAL:
        TM_FAIL(err, st, "cannot %s '%s': %s", doing, db->path, sqlite3_errmsg(db->handle));
        break;
    default:
        TM_FAIL(err, st, "cannot %s '%s': %s", doing, db->path, sqlite3_errstr(rc));
        break;
    }
    tm_err_at(err, db->path, 0, 0);
    return st;
}

static tm_status db_usable(const tm_db *db, tm_err *err) {
    if (!db->is_poisoned) {
        return TM_OK;
    }
    const tm_status st =
        TM_FAIL(err, TM_E_IO, "'%s' is closed to use after a failed sync", db->path);
    tm_err_hint(err, "Check the disk, then start the program again.");
    tm_err_at(err, db->path, 0, 0);
    return st;
}

/* ---- Statements ---- */

static void stmt_free(tm_stmt *stmt) {
    if (stmt != NULL) {
        sqlite3_finalize(stmt->handle);
        tm__mem_free(stmt->sql);
        tm__mem_free(stmt);
    }
}

static tm_status stmt_create(tm_db *db, const char *sql, tm_stmt **out, tm_err *err) {
    tm_status st = TM_OK;
    tm_stmt *stmt = tm__mem_zalloc(1, sizeof(*stmt));
    if (stmt == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    stmt->db = db;
    stmt->sql = tm__mem_strdup(sql);
    if (stmt->sql == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory");
        goto out;
    }
    const char *tail = NULL;
    const int rc =
        sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt->handle, &tail);
    if (rc != SQLITE_OK) {
        st = db_fail(db, rc, "use", err);
        goto out;
    }
    TM_ASSERT(stmt->handle != NULL);
    *out = stmt;
    stmt = NULL;
out:
    stmt_free(stmt);
    return st;
}

tm_status tm__stmt_init(tm_db *db, const char *sql, tm_stmt **out, tm_err *err) {
    TM_TRY(db_usable(db, err));
    bool is_busy = false; /* the same statement is running: this one stays out of the cache */
    for (uint32_t i = 0; i < db->n_cached; i++) {
        tm_stmt *stmt = db->cached[i];
        if (strcmp(stmt->sql, sql) == 0) {
            if (!stmt->in_use) {
                stmt->in_use = true;
                stmt->bind_rc = SQLITE_OK;
                *out = stmt;
                return TM_OK;
            }
            is_busy = true;
        }
    }
    tm_stmt *stmt = NULL;
    TM_TRY(stmt_create(db, sql, &stmt, err));
    stmt->in_use = true;
    if (!is_busy && db->n_cached < TM_DB_CACHED_MAX) {
        stmt->is_cached = true;
        db->cached[db->n_cached++] = stmt;
    }
    *out = stmt;
    return TM_OK;
}

static void stmt_bound(tm_stmt *stmt, int rc) {
    if (rc != SQLITE_OK && stmt->bind_rc == SQLITE_OK) {
        stmt->bind_rc = rc;
    }
}

void tm__stmt_bind_i64(tm_stmt *stmt, int index, int64_t value) {
    stmt_bound(stmt, sqlite3_bind_int64(stmt->handle, index, value));
}

void tm__stmt_bind_f64(tm_stmt *stmt, int index, double value) {
    stmt_bound(stmt, sqlite3_bind_double(stmt->handle, index, value));
}

void tm__stmt_bind_text(tm_stmt *stmt, int index, const char *value) {
    if (value == NULL) {
        tm__stmt_bind_null(stmt, index);
    } else {
        tm__stmt_bind_str(stmt, index, tm__str(value));
    }
}

void tm__stmt_bind_str(tm_stmt *stmt, int index, tm_str value) {
    const char *text = value.ptr == NULL ? "" : value.ptr; /* NULL would bind null */
    stmt_bound(stmt, sqlite3_bind_text64(stmt->handle, index, text, value.len, SQLITE_TRANSIENT,
                                         SQLITE_UTF8));
}

void tm__stmt_bind_blob(tm_stmt *stmt, int index, const void *data, size_t len) {
    const void *bytes = data == NULL ? "" : data;
    stmt_bound(stmt, sqlite3_bind_blob64(stmt->handle, index, bytes, len, SQLITE_TRANSIENT));
}

void tm__stmt_bind_blob_view(tm_stmt *stmt, int index, const void *data, size_t len) {
    const void *bytes = data == NULL ? "" : data;
    stmt_bound(stmt, sqlite3_bind_blob64(stmt->handle, index, bytes, len, SQLITE_STATIC));
}

void tm__stmt_bind_null(tm_stmt *stmt, int index) {
    stmt_bound(stmt, sqlite3_bind_null(stmt->handle, index));
}

tm_status tm__stmt_step(tm_stmt *stmt, bool *out_row, tm_err *err) {
    tm_db *db = stmt->db;
    TM_TRY(db_usable(db, err));
    if (stmt->bind_rc != SQLITE_OK) {
        return db_fail(db, stmt->bind_rc, "use", err);
    }
    const int rc = sqlite3_step(stmt->handle);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        return db_fail(db, rc, sqlite3_stmt_readonly(stmt->handle) ? "read" : "write", err);
    }
    *out_row = rc == SQLITE_ROW;
    return TM_OK;
}

tm_status tm__stmt_run(tm_stmt *stmt, tm_err *err) {
    bool has_row = false;
    TM_TRY(tm__stmt_step(stmt, &has_row, err));
    TM_ASSERT(!has_row);
    /* Ready for the next set of values. */
    (void)sqlite3_reset(stmt->handle);
    return TM_OK;
}

int64_t tm__stmt_i64(tm_stmt *stmt, int col) {
    return sqlite3_column_int64(stmt->handle, col);
}

double tm__stmt_f64(tm_stmt *stmt, int col) {
    return sqlite3_column_double(stmt->handle, col);
}

/* Out of memory SQLite gives NULL for a text, as it does for null. A record made of it would lack
 * something, so it counts as a lost value of the thread, and no commit follows. */
static void column_lost(tm_stmt *stmt) {
    stmt->db->has_lost = true;
    (void)tm__json_lost();
}

const char *tm__stmt_text(tm_stmt *stmt, int col) {
    const int type = sqlite3_column_type(stmt->handle, col);
    const char *text = (const char *)sqlite3_column_text(stmt->handle, col);
    if (text == NULL && type != SQLITE_NULL) {
        column_lost(stmt);
    }
    return text;
}

tm_str tm__stmt_blob(tm_stmt *stmt, int col) {
    const int stored = sqlite3_column_bytes(stmt->handle, col);
    const void *data = sqlite3_column_blob(stmt->handle, col);
    const int len = sqlite3_column_bytes(stmt->handle, col);
    if (data == NULL && stored > 0) {
        column_lost(stmt);
    }
    return (tm_str){data == NULL ? "" : data, data == NULL ? 0 : (size_t)len};
}

bool tm__stmt_is_null(tm_stmt *stmt, int col) {
    return sqlite3_column_type(stmt->handle, col) == SQLITE_NULL;
}

void tm__stmt_done(tm_stmt *stmt) {
    if (stmt == NULL) {
        return;
    }
    if (!stmt->is_cached) {
        stmt_free(stmt);
        return;
    }
    (void)sqlite3_reset(stmt->handle); /* repeats the failure that the step gave */
    (void)sqlite3_clear_bindings(stmt->handle);
    stmt->in_use = false;
}

/* ---- Transactions ---- */

tm_status tm__db_exec(tm_db *db, const char *sql, tm_err *err) {
    TM_TRY(db_usable(db, err));
    const int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? TM_OK : db_fail(db, rc, "write", err);
}

/* Invariant 5. */
static tm_status db_check_version(tm_db *db, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(db, "PRAGMA user_version", &stmt, err));
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    const long long version = has_row ? (long long)tm__stmt_i64(stmt, 0) : 0;
    tm__stmt_done(stmt);
    if (st == TM_OK && version != (long long)db->version) {
        st = TM_FAIL(err, TM_E_UNSUPPORTED,
                     "'%s' has format %lld now and this program knows up to %u", db->path, version,
                     db->version);
        tm_err_hint(err, "A newer release brought it there: stop this program and start that one.");
        tm_err_at(err, db->path, 0, 0);
    }
    return st;
}

tm_status tm__db_begin(tm_db *db, tm_err *err) {
    TM_TRY(db_usable(db, err)); /* one whose rollback failed is still in a transaction */
    db->has_lost = false;
    TM_ASSERT(sqlite3_get_autocommit(db->handle) != 0);
    TM_TRY(tm__db_exec(db, "BEGIN IMMEDIATE", err));
    const tm_status st = db_check_version(db, err);
    if (st != TM_OK) {
        tm__db_rollback(db);
    }
    return st;
}

tm_status tm__db_commit(tm_db *db, tm_err *err) {
    TM_TRY(db_usable(db, err));
    TM_ASSERT(sqlite3_get_autocommit(db->handle) == 0);
    const tm_status st =
        db->has_lost ? TM_FAIL(err, TM_E_NOMEM, "out of memory while reading '%s'", db->path)
                     : tm__db_exec(db, "COMMIT", err);
    if (st != TM_OK) {
        tm__db_rollback(db);
    }
    return st;
}

bool tm__db_is_in_transaction(const tm_db *db) {
    return sqlite3_get_autocommit(db->handle) == 0;
}

void tm__db_rollback(tm_db *db) {
    if (db->rollback != NULL && sqlite3_get_autocommit(db->handle) == 0) {
        (void)sqlite3_step(db->rollback);
        (void)sqlite3_reset(db->rollback);
        /* Half a transaction must not end up in the next one's commit. */
        db->is_poisoned = db->is_poisoned || sqlite3_get_autocommit(db->handle) == 0;
    }
}

tm_status tm__db_data_version(tm_db *db, int64_t *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(db, "PRAGMA data_version", &stmt, err));
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK) {
        *out = has_row ? tm__stmt_i64(stmt, 0) : 0;
    }
    tm__stmt_done(stmt);
    return st;
}

#define AUTO_CHECKPOINT_PAGES 1000 /* SQLite's default */

static int log_grew(void *arg, sqlite3 *handle, const char *name, int n_pages) {
    const tm_db *db = arg;
    (void)handle;
    (void)name;
    db->on_log(db->on_log_arg, (uint32_t)n_pages);
    return SQLITE_OK;
}

void tm__db_on_log(tm_db *db, tm_db_log_fn fn, void *arg) {
    db->on_log = fn;
    db->on_log_arg = arg;
    if (fn != NULL) {
        (void)sqlite3_wal_hook(db->handle, log_grew, db);
    } else {
        (void)sqlite3_wal_autocheckpoint(db->handle, AUTO_CHECKPOINT_PAGES);
    }
}

tm_status tm__db_checkpoint(tm_db *db, tm_err *err) {
    const int rc =
        sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return rc == SQLITE_OK ? TM_OK : db_fail(db, rc, "copy the log of", err);
}

/* VACUUM attaches a file that SQLite makes, which nothing else may. */
tm_status tm__db_vacuum(tm_db *db, tm_err *err) {
    tm_status st = tm__db_exec(db, "PRAGMA temp_store = MEMORY", err);
    const int before = sqlite3_limit(db->handle, SQLITE_LIMIT_ATTACHED, 1);
    st = st == TM_OK ? tm__db_exec(db, "VACUUM", err) : st;
    (void)sqlite3_limit(db->handle, SQLITE_LIMIT_ATTACHED, before);
    TM_TRY(st);
    const int rc =
        sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    return rc == SQLITE_OK ? TM_OK : db_fail(db, rc, "empty the log of", err);
}

void *tm__db_migration_arg(const tm_db *db) {
    return db->migration_arg;
}

int64_t tm__db_last_id(const tm_db *db) {
    return sqlite3_last_insert_rowid(db->handle);
}

uint64_t tm__db_changes(const tm_db *db) {
    return (uint64_t)sqlite3_changes64(db->handle);
}

/* ---- Opening ---- */

static tm_status db_number(tm_db *db, const char *sql, int64_t *out, tm_err *err) {
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db->handle, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(stmt);
    }
    tm_status st = TM_OK;
    if (rc == SQLITE_ROW) {
        *out = sqlite3_column_int64(stmt, 0);
    } else {
        st = db_fail(db, rc, "open", err);
    }
    sqlite3_finalize(stmt);
    return st;
}

/* The change to WAL needs the file alone and does not wait for it under the busy handler. */
static tm_status db_use_wal(tm_db *db, tm_err *err) {
    const uint64_t deadline_ns = tm__mono_ns() + (uint64_t)TM_DB_BUSY_MS * 1000000u;
    sqlite3_stmt *stmt = NULL;
    tm_status st = TM_OK;
    bool is_wal = false;
    int rc = sqlite3_prepare_v2(db->handle, "PRAGMA journal_mode=WAL", -1, &stmt, NULL);
    /* The row says what the mode will be; the step after it commits that, and can fail. */
    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(stmt);
        if (rc == SQLITE_ROW) {
            is_wal = tm__str_is(tm__str((const char *)sqlite3_column_text(stmt, 0)), "wal");
        } else if ((rc & 0xff) == SQLITE_BUSY && tm__mono_ns() < deadline_ns) {
            tm__sleep_ms(5);
            (void)sqlite3_reset(stmt);
            rc = SQLITE_OK;
        }
    }
    if (rc != SQLITE_DONE) {
        st = db_fail(db, rc, "open", err);
    } else if (!is_wal) {
        st = TM_FAIL(err, TM_E_UNSUPPORTED, "cannot use a write-ahead log for '%s'", db->path);
        tm_err_hint(err, "Keep the home on a local disk, not on a network share.");
    }
    sqlite3_finalize(stmt);
    return st;
}

/* Settings of the connection, none of which touches the file. */
static tm_status db_configure(tm_db *db, tm_err *err) {
    sqlite3 *handle = db->handle;
    (void)sqlite3_extended_result_codes(handle, 1);
    (void)sqlite3_busy_timeout(handle, TM_DB_BUSY_MS);
    (void)sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    (void)sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    (void)sqlite3_limit(handle, SQLITE_LIMIT_ATTACHED, 0);
    /* The log of a busy file is cut back to this size after a checkpoint. */
    const int rc = sqlite3_exec(handle,
                                "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
                                "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;"
                                "PRAGMA journal_size_limit=67108864",
                                NULL, NULL, NULL);
    const int made = rc != SQLITE_OK
                         ? rc
                         : sqlite3_prepare_v3(handle, "ROLLBACK", -1, SQLITE_PREPARE_PERSISTENT,
                                              &db->rollback, NULL);
    return made == SQLITE_OK ? TM_OK : db_fail(db, made, "open", err);
}

/* What the file says it is. */
typedef struct tm_db_label {
    int64_t application_id, version;
    bool is_fresh; /* nobody has made a table in it */
} tm_db_label;

static tm_status db_label_locked(tm_db *db, tm_db_label *out, tm_err *err) {
    int64_t n_objects = 0;
    TM_TRY(db_number(db, "PRAGMA application_id", &out->application_id, err));
    TM_TRY(db_number(db, "PRAGMA user_version", &out->version, err));
    TM_TRY(db_number(db, "SELECT count(*) FROM sqlite_schema", &n_objects, err));
    out->is_fresh = out->application_id == 0 && out->version == 0 && n_objects == 0;
    return TM_OK;
}

/* In one transaction: a program that makes the file at this moment shows before or after. */
static tm_status db_label(tm_db *db, tm_db_label *out, tm_err *err) {
    TM_TRY(tm__db_exec(db, "BEGIN", err));
    const tm_status st = db_label_locked(db, out, err);
    tm__db_rollback(db);
    return st;
}

static tm_status db_label_check(const tm_db *db, const tm_db_options *options,
                                const tm_db_label *label, uint32_t version_last, tm_err *err) {
    if (!label->is_fresh && label->application_id != (int64_t)options->application_id) {
        const tm_status st =
            TM_FAIL(err, TM_E_DATA, "'%s' is a database of another program", db->path);
        tm_err_hint(err, "Name another home with --home.");
        tm_err_at(err, db->path, 0, 0);
        return st;
    }
    if (label->version > (int64_t)version_last) {
        const tm_status st =
            TM_FAIL(err, TM_E_UNSUPPORTED, "'%s' has format %lld and this program knows up to %u",
                    db->path, (long long)label->version, version_last);
        tm_err_hint(err, "Use the release of tidemill that wrote it, or a newer one.");
        tm_err_at(err, db->path, 0, 0);
        return st;
    }
    return TM_OK;
}

static tm_status db_migrate_locked(tm_db *db, const tm_db_options *options, uint32_t version_last,
                                   tm_err *err) {
    tm_db_label label = {0};
    TM_TRY(db_label_locked(db, &label, err));
    TM_TRY(db_label_check(db, options, &label, version_last, err));
    for (const tm_migration *m = options->migrations; m->version != 0; m++) {
        if ((int64_t)m->version > label.version) {
            TM_TRY(tm__db_exec(db, m->sql, err));
            TM_TRY(m->run_locked == NULL ? TM_OK : m->run_locked(db, err));
        }
    }
    tm_buf text;
    tm__buf_init(&text, 128);
    tm_status st = TM_OK;
    if (tm__buf_printf(&text, "PRAGMA application_id=%u; PRAGMA user_version=%u",
                       options->application_id, version_last)) {
        st = tm__db_exec(db, (const char *)text.data, err);
    } else {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    tm__buf_done(&text);
    return st;
}

static uint32_t version_last_of(const tm_migration *migrations) {
    uint32_t version_last = 0;
    for (const tm_migration *m = migrations; m->version != 0; m++) {
        TM_ASSERT(m->version == version_last + 1);
        version_last = m->version;
    }
    return version_last;
}

/* A file that is not ours, or of a later release, stays as it is: a write-ahead log that its own
 * program left is not taken in either. */
static tm_status db_admit(tm_db *db, const tm_db_options *options, tm_db_label *label,
                          tm_err *err) {
    tm_status st = db_label(db, label, err);
    if (st == TM_OK) {
        st = db_label_check(db, options, label, db->version, err);
    }
    if (st != TM_OK && db->has_log) {
        (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    }
    return st;
}

static tm_status db_migrate(tm_db *db, const tm_db_options *options, tm_err *err) {
    TM_TRY(tm__db_exec(db, "BEGIN EXCLUSIVE", err));
    const tm_status st = db_migrate_locked(db, options, db->version, err);
    if (st != TM_OK) {
        tm__db_rollback(db);
        return st;
    }
    return tm__db_commit(db, err);
}

/* Before the first page is written; later it says nothing. */
static tm_status db_set_page(tm_db *db, uint32_t page_bytes, tm_err *err) {
    tm_buf text;
    tm__buf_init(&text, 64);
    if (page_bytes == 0) {
        return TM_OK;
    }
    const tm_status st = tm__buf_printf(&text, "PRAGMA page_size=%u", page_bytes)
                             ? tm__db_exec(db, (const char *)text.data, err)
                             : TM_FAIL(err, TM_E_NOMEM, "out of memory");
    tm__buf_done(&text);
    return st;
}

static tm_status db_bring_up(tm_db *db, const tm_db_options *options, tm_err *err) {
    tm_db_label label = {0};
    TM_TRY(db_configure(db, err));
    TM_TRY(db_admit(db, options, &label, err));
    const bool is_current = label.version == (int64_t)db->version;
    if (options->read_only && label.is_fresh) {
        return TM_FAIL(err, TM_E_NOT_FOUND, "nothing is in '%s' yet", db->path);
    }
    if (options->read_only && !is_current) {
        const tm_status st = TM_FAIL(err, TM_E_UNSUPPORTED, "'%s' has format %lld and needs %u",
                                     db->path, (long long)label.version, db->version);
        tm_err_hint(err, "Open it once with a command that writes, such as 'tidemill serve'.");
        return st;
    }
    if (options->read_only) {
        return TM_OK;
    }
    TM_TRY(label.is_fresh ? db_set_page(db, options->page_bytes, err) : TM_OK);
    TM_TRY(db_use_wal(db, err));
    return is_current ? TM_OK : db_migrate(db, options, err);
}

static bool has_log(const char *path) {
    tm_buf name;
    tm__buf_init(&name, 1u << 16);
    const bool answer = tm__buf_printf(&name, "%s-wal", path) &&
                        tm__fs_info((const char *)name.data).size_bytes > 0;
    tm__buf_done(&name);
    return answer;
}

tm_status tm__db_open(const char *path, const tm_db_options *options, tm_db **out, tm_err *err) {
    TM_ASSERT(options->migrations != NULL);
    TM_ASSERT(!(options->create && options->read_only));
    TM_TRY(tm__sqlite_vfs_init(err));
    if (!options->create && tm__fs_info(path).kind == TM_PATH_NONE) {
        const tm_status st = TM_FAIL(err, TM_E_NOT_FOUND, "there is no '%s'", path);
        tm_err_at(err, path, 0, 0);
        return st;
    }
    tm_status st = TM_OK;
    tm_db *db = tm__mem_zalloc(1, sizeof(*db));
    if (db == NULL || (db->path = tm__mem_strdup(path)) == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory");
        goto out;
    }
    db->version = version_last_of(options->migrations);
    db->migration_arg = options->migration_arg;
    db->has_log = has_log(path);
    const int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
                      (options->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) |
                      (options->create ? SQLITE_OPEN_CREATE : 0);
    const int rc = sqlite3_open_v2(path, &db->handle, flags, "tidemill");
    if (rc != SQLITE_OK) {
        st = db->handle == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory")
                                : db_fail(db, rc, "open", err);
        goto out;
    }
    st = tm__db_seal_init(db->handle, path, err);
    st = st == TM_OK ? db_bring_up(db, options, err) : st;
    if (st == TM_OK) {
        *out = db;
        db = NULL;
    }
out:
    tm__db_close(db);
    return st;
}

/* ---- Copying and checking ---- */

/* Pages between two looks at the cancel flag. */
#define TM_DB_COPY_PAGES 256

/* The snapshot that a reader began with stays as it is, so the copy never starts anew. */
static tm_status copy_pages(tm_db *from, const tm_ctx *ctx, tm_db *to, tm_err *err) {
    sqlite3_backup *backup = sqlite3_backup_init(to->handle, "main", from->handle, "main");
    if (backup == NULL) {
        return db_fail(to, sqlite3_extended_errcode(to->handle), "write", err);
    }
    tm_status st = TM_OK;
    int rc = SQLITE_OK;
    while (st == TM_OK && rc == SQLITE_OK) {
        rc = sqlite3_backup_step(backup, TM_DB_COPY_PAGES);
        const int total = sqlite3_backup_pagecount(backup);
        tm__ctx_progress(ctx, "copying", (uint64_t)(total - sqlite3_backup_remaining(backup)),
                         (uint64_t)total, "pages");
        if (rc == SQLITE_OK && tm__ctx_cancelled(ctx)) {
            st = TM_FAIL(err, TM_E_CANCELLED, "the copy of '%s' was stopped", from->path);
        }
    }
    const int finish_rc = sqlite3_backup_finish(backup);
    if (st == TM_OK && rc != SQLITE_DONE) {
        st = db_fail(to, rc == SQLITE_OK ? finish_rc : rc, "copy", err);
    }
    return st;
}

tm_status tm__db_copy(tm_db *db, const tm_ctx *ctx, const char *to, tm_err *err) {
    TM_TRY(db_usable(db, err));
    tm_db copy = {0};
    tm_status st = TM_OK;
    copy.path = tm__mem_strdup(to);
    if (copy.path == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    const int rc = sqlite3_open_v2(to, &copy.handle,
                                   SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
                                       SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                                   "tidemill");
    if (rc != SQLITE_OK) {
        st = copy.handle == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory")
                                 : db_fail(&copy, rc, "make", err);
        goto out;
    }
    (void)sqlite3_extended_result_codes(copy.handle, 1);
    st = tm__db_exec(&copy, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF", err);
    if (st == TM_OK) {
        st = tm__db_exec(db, "BEGIN; SELECT count(*) FROM sqlite_schema", err);
    }
    if (st == TM_OK) {
        st = copy_pages(db, ctx, &copy, err);
    }
    tm__db_rollback(db);
out:
    (void)sqlite3_close(copy.handle);
    tm__mem_free(copy.path);
    return st;
}

/* A page that there was no memory for is found like one that is damaged. */
static bool lacks_memory(const char *found) {
    return strstr(found, "error code=7") != NULL || strstr(found, "out of memory") != NULL;
}

tm_status tm__db_check(tm_db *db, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(db, "PRAGMA quick_check(1)", &stmt, err));
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row && lacks_memory(tm__stmt_text(stmt, 0))) {
        st = TM_FAIL(err, TM_E_NOMEM, "no memory to check '%s'", db->path);
    } else if (st == TM_OK && (!has_row || !tm__str_is(tm__str(tm__stmt_text(stmt, 0)), "ok"))) {
        /* SQLite's words name pages and tables, never a value. */
        st = TM_FAIL(err, TM_E_INTEGRITY, "'%s' is damaged: %.100s", db->path,
                     has_row ? tm__stmt_text(stmt, 0) : "it cannot be checked");
        tm_err_hint(err, "Restore the home from a backup.");
        tm_err_at(err, db->path, 0, 0);
    }
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__db_format(tm_db *db, uint32_t *out, tm_err *err) {
    int64_t version = 0;
    TM_TRY(db_number(db, "PRAGMA user_version", &version, err));
    *out = (uint32_t)version;
    return TM_OK;
}

void tm__db_close(tm_db *db) {
    if (db == NULL) {
        return;
    }
    for (uint32_t i = 0; i < db->n_cached; i++) {
        stmt_free(db->cached[i]);
    }
    if (db->handle != NULL) {
        tm__db_rollback(db);
        (void)sqlite3_finalize(db->rollback);
        (void)sqlite3_close(db->handle);
    }
    tm__mem_free(db->path);
    tm__mem_free(db);
}
