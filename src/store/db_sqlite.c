/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to one SQLite file.
 *
 *   tm_db ── handle (sqlite3, NOMUTEX: one owner at a time)
 *         └─ cached[] ── tm_stmt ── handle (sqlite3_stmt)
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
#include "store/db_priv.h"

#include <errno.h>
#include <sqlite3.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/system.h"
#include "store/db_lookup.h"
#include "store/db_seal.h"

#define TM_DB_BUSY_MS 10000

typedef struct sqlite_stmt {
    tm_stmt base;
    sqlite3_stmt *handle;
    int bind_rc; /* first failure of a bind; shown by the next step */
} sqlite_stmt;

typedef struct sqlite_db {
    tm_db base;
    sqlite3 *handle;
    bool has_log;           /* another program left a write-ahead log */
    sqlite3_stmt *rollback; /* made at the start, so that it takes no memory when it is needed */
    tm_db_log_fn on_log;    /* NULL: SQLite's own */
    void *on_log_arg;
    bool is_poisoned; /* invariant 3 */
} sqlite_db;

static sqlite_db *of_db(const tm_db *db) {
    return (sqlite_db *)(uintptr_t)db;
}

static sqlite_stmt *of_stmt(const tm_stmt *stmt) {
    return (sqlite_stmt *)(uintptr_t)stmt;
}

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
        return is_disk_full(sqlite3_system_errno(of_db(db)->handle)) ? TM_E_UNAVAILABLE : TM_E_IO;
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
        of_db(db)->is_poisoned = true;
    }
    switch (st) {
    case TM_E_CONFLICT:
        if ((rc & 0xff) == SQLITE_CONSTRAINT) {
            TM_FAIL(err, st, "cannot %s '%s': a rule of its tables forbids it (%s)", doing,
                    db->path, sqlite3_errmsg(of_db(db)->handle));
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
            TM_FAIL(err, st, "cannot %s '%s': %s", doing, db->path,
                    sqlite3_errmsg(of_db(db)->handle));
            tm_err_hint(err, "Put the key of this home in its place.");
            break;
        }
        TM_FAIL(err, st, "cannot %s '%s': it may not be written", doing, db->path);
        tm_err_hint(err, "Run the command as the owner of the home.");
        break;
    case TM_E_INTERNAL:
        TM_FAIL(err, st, "cannot %s '%s': %s", doing, db->path, sqlite3_errmsg(of_db(db)->handle));
        break;
    default:
        TM_FAIL(err, st, "cannot %s '%s': %s", doing, db->path, sqlite3_errstr(rc));
        break;
    }
    tm_err_at(err, db->path, 0, 0);
    return st;
}

static tm_status db_usable(const tm_db *db, tm_err *err) {
    if (!of_db(db)->is_poisoned) {
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
    sqlite3_finalize(of_stmt(stmt)->handle);
}

static tm_status stmt_create(tm_db *db, const char *sql, tm_stmt **out, tm_err *err) {
    sqlite_stmt *stmt = tm__mem_zalloc(1, sizeof(*stmt));
    if (stmt == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    const int rc = sqlite3_prepare_v3(of_db(db)->handle, sql, -1, SQLITE_PREPARE_PERSISTENT,
                                      &stmt->handle, NULL);
    if (rc != SQLITE_OK) {
        tm__mem_free(stmt);
        return db_fail(db, rc, "use", err);
    }
    TM_ASSERT(stmt->handle != NULL);
    *out = &stmt->base;
    return TM_OK;
}

static void stmt_start(tm_stmt *stmt) {
    of_stmt(stmt)->bind_rc = SQLITE_OK;
}

static void stmt_bound(tm_stmt *stmt, int rc) {
    if (rc != SQLITE_OK && of_stmt(stmt)->bind_rc == SQLITE_OK) {
        of_stmt(stmt)->bind_rc = rc;
    }
}

static void bind_i64(tm_stmt *stmt, int index, int64_t value) {
    stmt_bound(stmt, sqlite3_bind_int64(of_stmt(stmt)->handle, index, value));
}

static void bind_f64(tm_stmt *stmt, int index, double value) {
    stmt_bound(stmt, sqlite3_bind_double(of_stmt(stmt)->handle, index, value));
}

static void bind_str(tm_stmt *stmt, int index, tm_str value) {
    const char *text = value.ptr == NULL ? "" : value.ptr; /* NULL would bind null */
    stmt_bound(stmt, sqlite3_bind_text64(of_stmt(stmt)->handle, index, text, value.len,
                                         SQLITE_TRANSIENT, SQLITE_UTF8));
}

static void bind_blob(tm_stmt *stmt, int index, const void *data, size_t len, bool is_view) {
    const void *bytes = data == NULL ? "" : data;
    stmt_bound(stmt, sqlite3_bind_blob64(of_stmt(stmt)->handle, index, bytes, len,
                                         is_view ? SQLITE_STATIC : SQLITE_TRANSIENT));
}

static void bind_null(tm_stmt *stmt, int index, tm_db_type of) {
    (void)of;
    stmt_bound(stmt, sqlite3_bind_null(of_stmt(stmt)->handle, index));
}

static tm_status stmt_step(tm_stmt *stmt, bool *out_row, tm_err *err) {
    tm_db *db = stmt->db;
    TM_TRY(db_usable(db, err));
    if (of_stmt(stmt)->bind_rc != SQLITE_OK) {
        return db_fail(db, of_stmt(stmt)->bind_rc, "use", err);
    }
    const int rc = sqlite3_step(of_stmt(stmt)->handle);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        return db_fail(db, rc, sqlite3_stmt_readonly(of_stmt(stmt)->handle) ? "read" : "write",
                       err);
    }
    *out_row = rc == SQLITE_ROW;
    return TM_OK;
}

static void stmt_rewind(tm_stmt *stmt) {
    (void)sqlite3_reset(of_stmt(stmt)->handle);
}

static int64_t stmt_i64(tm_stmt *stmt, int col) {
    return sqlite3_column_int64(of_stmt(stmt)->handle, col);
}

static double stmt_f64(tm_stmt *stmt, int col) {
    return sqlite3_column_double(of_stmt(stmt)->handle, col);
}

/* Out of memory SQLite gives NULL for a text, as it does for null. */
static const char *stmt_text(tm_stmt *stmt, int col) {
    const int type = sqlite3_column_type(of_stmt(stmt)->handle, col);
    const char *text = (const char *)sqlite3_column_text(of_stmt(stmt)->handle, col);
    if (text == NULL && type != SQLITE_NULL) {
        tm__db_lost(stmt->db);
    }
    return text;
}

static tm_str stmt_blob(tm_stmt *stmt, int col) {
    const int stored = sqlite3_column_bytes(of_stmt(stmt)->handle, col);
    const void *data = sqlite3_column_blob(of_stmt(stmt)->handle, col);
    const int len = sqlite3_column_bytes(of_stmt(stmt)->handle, col);
    if (data == NULL && stored > 0) {
        tm__db_lost(stmt->db);
    }
    return (tm_str){data == NULL ? "" : data, data == NULL ? 0 : (size_t)len};
}

static tm_db_type stmt_type(tm_stmt *stmt, int col) {
    switch (sqlite3_column_type(of_stmt(stmt)->handle, col)) {
    case SQLITE_INTEGER:
        return TM_DB_INT;
    case SQLITE_FLOAT:
        return TM_DB_REAL;
    case SQLITE_TEXT:
        return TM_DB_TEXT;
    case SQLITE_BLOB:
        return TM_DB_BLOB;
    default:
        return TM_DB_NULL;
    }
}

static int stmt_n_cols(tm_stmt *stmt) {
    return sqlite3_column_count(of_stmt(stmt)->handle);
}

static void stmt_end(tm_stmt *stmt) {
    (void)sqlite3_reset(of_stmt(stmt)->handle); /* repeats the failure that the step gave */
    (void)sqlite3_clear_bindings(of_stmt(stmt)->handle);
}

/* ---- Transactions ---- */

static tm_status db_exec(tm_db *db, const char *sql, tm_err *err) {
    TM_TRY(db_usable(db, err));
    const int rc = sqlite3_exec(of_db(db)->handle, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? TM_OK : db_fail(db, rc, "write", err);
}

/* Invariant 5. */
static tm_status db_check_version(tm_db *db, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(db, "PRAGMA user_version", &stmt, err));
    tm_status st = stmt_step(stmt, &has_row, err);
    const long long version = has_row ? (long long)stmt_i64(stmt, 0) : 0;
    tm__stmt_done(stmt);
    if (st == TM_OK && version != (long long)db->version) {
        st = tm__db_version_fail(db, version, true, err);
    }
    return st;
}

static tm_status db_begin(tm_db *db, tm_err *err) {
    TM_TRY(db_usable(db, err)); /* one whose rollback failed is still in a transaction */
    db->has_lost = false;
    TM_ASSERT(sqlite3_get_autocommit(of_db(db)->handle) != 0);
    TM_TRY(db_exec(db, "BEGIN IMMEDIATE", err));
    const tm_status st = db_check_version(db, err);
    if (st != TM_OK) {
        tm__db_rollback(db);
    }
    return st;
}

static tm_status db_begin_read(tm_db *db, tm_err *err) {
    return db_exec(db, "BEGIN", err);
}

static tm_status db_commit(tm_db *db, tm_err *err) {
    TM_TRY(db_usable(db, err));
    /* SQLite may take a transaction back by itself when it has no memory. */
    TM_ASSERT(db->has_lost || sqlite3_get_autocommit(of_db(db)->handle) == 0);
    const tm_status st =
        db->has_lost ? TM_FAIL(err, TM_E_NOMEM, "out of memory while reading '%s'", db->path)
                     : db_exec(db, "COMMIT", err);
    if (st != TM_OK) {
        tm__db_rollback(db);
    }
    return st;
}

static bool db_is_in_transaction(const tm_db *db) {
    return sqlite3_get_autocommit(of_db(db)->handle) == 0;
}

static void db_rollback(tm_db *db) {
    if (of_db(db)->rollback != NULL && sqlite3_get_autocommit(of_db(db)->handle) == 0) {
        (void)sqlite3_step(of_db(db)->rollback);
        (void)sqlite3_reset(of_db(db)->rollback);
        /* Half a transaction must not end up in the next one's commit. */
        of_db(db)->is_poisoned =
            of_db(db)->is_poisoned || sqlite3_get_autocommit(of_db(db)->handle) == 0;
    }
}

/* data_version counts the commits of others, total_changes one's own: the sum never falls. */
static tm_status db_data_version(tm_db *db, int64_t *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(db, "PRAGMA data_version", &stmt, err));
    const tm_status st = stmt_step(stmt, &has_row, err);
    if (st == TM_OK) {
        *out = (has_row ? stmt_i64(stmt, 0) : 0) + sqlite3_total_changes64(of_db(db)->handle);
    }
    tm__stmt_done(stmt);
    return st;
}

#define AUTO_CHECKPOINT_PAGES 1000 /* SQLite's default */
#define CACHE_KIB 2000u            /* of pages, by connection; SQLite's default */

static int log_grew(void *arg, sqlite3 *handle, const char *name, int n_pages) {
    const tm_db *db = arg;
    (void)handle;
    (void)name;
    of_db(db)->on_log(of_db(db)->on_log_arg, (uint32_t)n_pages);
    return SQLITE_OK;
}

static void db_on_log(tm_db *db, tm_db_log_fn fn, void *arg) {
    of_db(db)->on_log = fn;
    of_db(db)->on_log_arg = arg;
    if (fn != NULL) {
        (void)sqlite3_wal_hook(of_db(db)->handle, log_grew, db);
    } else {
        (void)sqlite3_wal_autocheckpoint(of_db(db)->handle, AUTO_CHECKPOINT_PAGES);
    }
}

static tm_status db_checkpoint(tm_db *db, tm_err *err) {
    const int rc =
        sqlite3_wal_checkpoint_v2(of_db(db)->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return rc == SQLITE_OK ? TM_OK : db_fail(db, rc, "copy the log of", err);
}

/* VACUUM attaches a file that SQLite makes, which nothing else may. */
static tm_status db_vacuum(tm_db *db, tm_err *err) {
    tm_status st = db_exec(db, "PRAGMA temp_store = MEMORY", err);
    const int before = sqlite3_limit(of_db(db)->handle, SQLITE_LIMIT_ATTACHED, 1);
    st = st == TM_OK ? db_exec(db, "VACUUM", err) : st;
    (void)sqlite3_limit(of_db(db)->handle, SQLITE_LIMIT_ATTACHED, before);
    TM_TRY(st);
    const int rc =
        sqlite3_wal_checkpoint_v2(of_db(db)->handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    return rc == SQLITE_OK ? TM_OK : db_fail(db, rc, "empty the log of", err);
}

static int64_t db_last_id(const tm_db *db) {
    return sqlite3_last_insert_rowid(of_db(db)->handle);
}

static uint64_t db_changes(const tm_db *db) {
    return (uint64_t)sqlite3_changes64(of_db(db)->handle);
}

/* ---- Opening ---- */

static tm_status db_number(tm_db *db, const char *sql, int64_t *out, tm_err *err) {
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(of_db(db)->handle, sql, -1, &stmt, NULL);
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
    int rc = sqlite3_prepare_v2(of_db(db)->handle, "PRAGMA journal_mode=WAL", -1, &stmt, NULL);
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
    sqlite3 *handle = of_db(db)->handle;
    (void)sqlite3_extended_result_codes(handle, 1);
    (void)sqlite3_busy_timeout(handle, TM_DB_BUSY_MS);
    (void)sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    (void)sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    (void)sqlite3_limit(handle, SQLITE_LIMIT_ATTACHED, 0);
    /* What a page gives back is overwritten, as in Debian's SQLite without being asked. The log of
     * a busy file is cut back to this size after a checkpoint. */
    const int rc = sqlite3_exec(handle,
                                "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
                                "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;"
                                "PRAGMA secure_delete=ON; PRAGMA journal_size_limit=67108864",
                                NULL, NULL, NULL);
    const int made = rc != SQLITE_OK
                         ? rc
                         : sqlite3_prepare_v3(handle, "ROLLBACK", -1, SQLITE_PREPARE_PERSISTENT,
                                              &of_db(db)->rollback, NULL);
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
    TM_TRY(db_exec(db, "BEGIN", err));
    const tm_status st = db_label_locked(db, out, err);
    db_rollback(db);
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
    if (label->version > (int64_t)version_last && !tm__db_version_moves(options, label->version)) {
        return tm__db_version_fail(db, label->version, false, err);
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
            TM_TRY(db_exec(db, m->sql, err));
            TM_TRY(m->run_locked == NULL ? TM_OK : m->run_locked(db, err));
        }
    }
    tm_buf text;
    tm__buf_init(&text, 128);
    tm_status st = TM_OK;
    if (tm__buf_printf(&text, "PRAGMA application_id=%u; PRAGMA user_version=%u",
                       options->application_id, db->version)) {
        st = db_exec(db, (const char *)text.data, err);
    } else {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    tm__buf_done(&text);
    return st;
}

/* A file that is not ours, or of a later release, stays as it is: a write-ahead log that its own
 * program left is not taken in either. */
static tm_status db_admit(tm_db *db, const tm_db_options *options, tm_db_label *label,
                          tm_err *err) {
    tm_status st = db_label(db, label, err);
    if (st == TM_OK) {
        st = db_label_check(db, options, label, db->version, err);
    }
    if (st != TM_OK && of_db(db)->has_log) {
        (void)sqlite3_db_config(of_db(db)->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    }
    return st;
}

static tm_status db_migrate(tm_db *db, const tm_db_options *options, tm_err *err) {
    TM_TRY(db_exec(db, "BEGIN EXCLUSIVE", err));
    const tm_status st =
        db_migrate_locked(db, options, tm__db_version_last(options->migrations), err);
    if (st != TM_OK) {
        db_rollback(db);
        return st;
    }
    return db_commit(db, err);
}

/* Before the first page is written; later it says nothing. SQLite counts its cache in pages of the
 * size before, and would keep four times as much of a file of 16 KiB. */
static tm_status db_set_page(tm_db *db, uint32_t page_bytes, tm_err *err) {
    tm_buf text;
    tm__buf_init(&text, 64);
    if (page_bytes == 0) {
        return TM_OK;
    }
    const tm_status st =
        tm__buf_printf(&text, "PRAGMA page_size=%u; PRAGMA cache_size=-%u", page_bytes, CACHE_KIB)
            ? db_exec(db, (const char *)text.data, err)
            : TM_FAIL(err, TM_E_NOMEM, "out of memory");
    tm__buf_done(&text);
    return st;
}

static tm_status db_bring_up(tm_db *db, const tm_db_options *options, tm_err *err) {
    tm_db_label label = {0};
    TM_TRY(db_configure(db, err));
    TM_TRY(db_admit(db, options, &label, err));
    bool is_current = label.version == (int64_t)db->version;
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
    if (options->is_moving) {
        db->version = label.is_fresh ? db->version | TM_DB_FORMAT_HALF : (uint32_t)label.version;
        is_current = !label.is_fresh;
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

static tm_status db_open(const char *path, const tm_db_options *options, tm_db **out, tm_err *err) {
    TM_ASSERT(options->migrations != NULL);
    TM_ASSERT(!(options->create && options->read_only));
    TM_TRY(tm__sqlite_vfs_init(err));
    if (!options->create && tm__fs_info(path).kind == TM_PATH_NONE) {
        const tm_status st = TM_FAIL(err, TM_E_NOT_FOUND, "there is no '%s'", path);
        tm_err_at(err, path, 0, 0);
        return st;
    }
    tm_status st = TM_OK;
    sqlite_db *made = tm__mem_zalloc(1, sizeof(*made));
    tm_db *db = made == NULL ? NULL : &made->base;
    if (db != NULL) {
        db->ops = &tm__db_sqlite;
    }
    if (db == NULL || (db->path = tm__mem_strdup(path)) == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory");
        goto out;
    }
    db->version = tm__db_version_last(options->migrations);
    db->migration_arg = options->migration_arg;
    of_db(db)->has_log = has_log(path);
    const int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
                      (options->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) |
                      (options->create ? SQLITE_OPEN_CREATE : 0);
    const int rc = sqlite3_open_v2(path, &of_db(db)->handle, flags, "tidemill");
    if (rc != SQLITE_OK) {
        st = of_db(db)->handle == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory")
                                       : db_fail(db, rc, "open", err);
        goto out;
    }
    st = tm__db_seal_init(of_db(db)->handle, path, err);
    st = st == TM_OK ? tm__db_lookup_init(of_db(db)->handle, err) : st;
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
    sqlite3_backup *backup =
        sqlite3_backup_init(of_db(to)->handle, "main", of_db(from)->handle, "main");
    if (backup == NULL) {
        return db_fail(to, sqlite3_extended_errcode(of_db(to)->handle), "write", err);
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

static tm_status db_copy(tm_db *db, const tm_ctx *ctx, const char *to, tm_err *err) {
    TM_TRY(db_usable(db, err));
    sqlite_db copy = {.base.ops = &tm__db_sqlite};
    tm_status st = TM_OK;
    copy.base.path = tm__mem_strdup(to);
    if (copy.base.path == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    const int rc = sqlite3_open_v2(to, &copy.handle,
                                   SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
                                       SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                                   "tidemill");
    if (rc != SQLITE_OK) {
        st = copy.handle == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory")
                                 : db_fail(&copy.base, rc, "make", err);
        goto out;
    }
    (void)sqlite3_extended_result_codes(copy.handle, 1);
    st = db_exec(&copy.base, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF", err);
    if (st == TM_OK) {
        st = db_exec(db, "BEGIN; SELECT count(*) FROM sqlite_schema", err);
    }
    if (st == TM_OK) {
        st = copy_pages(db, ctx, &copy.base, err);
    }
    db_rollback(db);
out:
    (void)sqlite3_close(copy.handle);
    tm__mem_free(copy.base.path);
    return st;
}

/* A page that there was no memory for is found like one that is damaged. */
static bool lacks_memory(const char *found) {
    return strstr(found, "error code=7") != NULL || strstr(found, "out of memory") != NULL;
}

static tm_status db_check(tm_db *db, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(db, "PRAGMA quick_check(1)", &stmt, err));
    tm_status st = stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row && lacks_memory(stmt_text(stmt, 0))) {
        st = TM_FAIL(err, TM_E_NOMEM, "no memory to check '%s'", db->path);
    } else if (st == TM_OK && (!has_row || !tm__str_is(tm__str(stmt_text(stmt, 0)), "ok"))) {
        /* SQLite's words name pages and tables, never a value. */
        st = TM_FAIL(err, TM_E_INTEGRITY, "'%s' is damaged: %.100s", db->path,
                     has_row ? stmt_text(stmt, 0) : "it cannot be checked");
        tm_err_hint(err, "Restore the home from a backup.");
        tm_err_at(err, db->path, 0, 0);
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status db_format(tm_db *db, uint32_t *out, tm_err *err) {
    int64_t version = 0;
    TM_TRY(db_number(db, "PRAGMA user_version", &version, err));
    *out = (uint32_t)version;
    return TM_OK;
}

static tm_status db_set_format(tm_db *db, uint32_t format, tm_err *err) {
    tm_buf sql;
    tm__buf_init(&sql, 64);
    const tm_status st = tm__buf_printf(&sql, "PRAGMA user_version=%u", format)
                             ? db_exec(db, (const char *)sql.data, err)
                             : TM_FAIL(err, TM_E_NOMEM, "out of memory");
    tm__buf_done(&sql);
    return st;
}

static void db_close(tm_db *db) {
    tm__db_base_done(db);
    if (of_db(db)->handle != NULL) {
        db_rollback(db);
        (void)sqlite3_finalize(of_db(db)->rollback);
        (void)sqlite3_close(of_db(db)->handle);
    }
    tm__mem_free(db);
}

const tm_db_ops tm__db_sqlite = {
    .open = db_open,
    .close = db_close,
    .usable = db_usable,
    .begin = db_begin,
    .begin_read = db_begin_read,
    .commit = db_commit,
    .rollback = db_rollback,
    .is_in_transaction = db_is_in_transaction,
    .exec = db_exec,
    .data_version = db_data_version,
    .on_log = db_on_log,
    .checkpoint = db_checkpoint,
    .vacuum = db_vacuum,
    .last_id = db_last_id,
    .changes = db_changes,
    .copy = db_copy,
    .check = db_check,
    .format = db_format,
    .set_format = db_set_format,
    .stmt_create = stmt_create,
    .stmt_free = stmt_free,
    .stmt_start = stmt_start,
    .stmt_end = stmt_end,
    .bind_i64 = bind_i64,
    .bind_f64 = bind_f64,
    .bind_str = bind_str,
    .bind_blob = bind_blob,
    .bind_null = bind_null,
    .step = stmt_step,
    .rewind = stmt_rewind,
    .i64 = stmt_i64,
    .f64 = stmt_f64,
    .text = stmt_text,
    .blob = stmt_blob,
    .type = stmt_type,
    .n_cols = stmt_n_cols,
};
