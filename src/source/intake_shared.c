/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables and the folder of their files know each other by a number: the table `folder` has it,
 * and so has the file intake.id. A folder that is not mounted, or of other tables, is refused
 * before anything is read or written there.
 *
 *   no number ──> in the tables ──> in the folder      the file is made while there is no source,
 *                                                      so a kill between the two is mended
 */
#include "source/intake_shared.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/rng.h"
#include "store/vault.h"

#define ID_FILE "intake.id"
#define ID_BYTES (2 * sizeof(tm_hash) + 2) /* digits, the end of a line, a NUL */

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

/* A view in the place of SQLite's own table: it takes a number each time that it is read. The
 * tables of meta.db may not be there yet when these are made. */
tm_status tm__intake_shared_make(tm_db *db, tm_err *err) {
    if (!tm__db_is_postgres(db)) {
        return TM_OK;
    }
    TM_TRY(tm__db_exec(
        db,
        "CREATE TABLE folder(id TEXT NOT NULL);"
        "CREATE VIEW sqlite_sequence AS"
        " SELECT 'batches' AS name, nextval(pg_get_serial_sequence('batches', 'seq')) - 1 AS seq"
        " UNION ALL"
        " SELECT 'quarantine', nextval(pg_get_serial_sequence('quarantine', 'seq')) - 1;",
        err));
    return tm__db_exec(
        db,
        "CREATE FUNCTION leader_epoch() RETURNS bigint LANGUAGE plpgsql AS $$DECLARE n bigint;"
        " BEGIN EXECUTE format('SELECT number FROM %I.epoch', left(current_schema(), -7)) INTO n;"
        " RETURN n; END$$;",
        err);
}

/* ---- The folder ---- */

static tm_status refuse(const char *path, tm_err *err) {
    (void)TM_FAIL(err, TM_E_CONFLICT, "the folder of the sources is that of other tables");
    tm_err_hint(err, "All homes on these tables name one folder as 'intake' of store.json; give "
                     "new tables an empty one.");
    tm_err_at(err, path, 0, 0);
    return TM_E_CONFLICT;
}

static tm_status ask(tm_db *db, const char *sql, char *out, size_t size, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    out[0] = '\0';
    TM_TRY(tm__stmt_init(db, sql, &stmt, err));
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row) {
        (void)tm__str_copy(out, size, tm__str(tm__stmt_text(stmt, 0)));
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status read_id(const char *path, char out[ID_BYTES], tm_err *err) {
    tm_buf text;
    out[0] = '\0';
    if (tm__fs_info(path).kind == TM_PATH_NONE) {
        return TM_OK;
    }
    tm__buf_init(&text, ID_BYTES);
    const tm_status st = tm__fs_read_all(path, &text, err);
    if (st == TM_OK) {
        const tm_str line = {(const char *)text.data, text.len > 0 ? text.len - 1 : 0};
        (void)tm__str_copy(out, ID_BYTES, line);
    }
    tm__buf_done(&text);
    return st;
}

/* Under the lock of writers: whoever comes first gives the number. */
static tm_status number_locked(tm_db *db, const char *there, const char *path, char out[ID_BYTES],
                               tm_err *err) {
    tm_hash number;
    tm_stmt *stmt = NULL;
    TM_TRY(ask(db, "SELECT id FROM folder", out, ID_BYTES, err));
    if (out[0] != '\0') {
        return TM_OK;
    }
    if (there[0] != '\0') {
        return refuse(path, err);
    }
    tm__random_bytes(number.bytes, sizeof(number.bytes));
    tm__hash_to_text(&number, out);
    TM_TRY(tm__stmt_init(db, "INSERT INTO folder(id) VALUES(?)", &stmt, err));
    tm__stmt_bind_text(stmt, 1, out);
    return tm__stmt_run_done(stmt, err);
}

static tm_status give_number(tm_db *db, const char *there, const char *path, char out[ID_BYTES],
                             tm_err *err) {
    TM_TRY(tm__db_begin(db, err));
    return tm__db_end(db, number_locked(db, there, path, out, err), err);
}

static tm_status write_id(tm_db *db, const char *dir, const char *path, const char *id,
                          tm_err *err) {
    char source[8], line[ID_BYTES + 1];
    TM_TRY(ask(db, "SELECT count(*) FROM sources", source, sizeof(source), err));
    if (strcmp(source, "0") != 0) {
        (void)TM_FAIL(err, TM_E_UNAVAILABLE, "the folder of the sources is not there");
        tm_err_hint(err, "Mount it, or name the one that the other homes have as 'intake' of "
                         "store.json.");
        tm_err_at(err, path, 0, 0);
        return TM_E_UNAVAILABLE;
    }
    TM_TRY(tm__fs_mkdir(dir, err));
    const int n = snprintf(line, sizeof(line), "%s\n", id);
    return tm__fs_replace(path, line, (size_t)n, err);
}

static tm_status check_folder(const tm_home *home, tm_db *db, bool can_write, tm_err *err) {
    char id[ID_BYTES], there[ID_BYTES];
    const char *const dir = tm__home_intake_dir(home);
    char *const path = tm__fs_join(dir, ID_FILE);
    tm_status st = path == NULL ? no_memory(err) : read_id(path, there, err);
    st = st == TM_OK ? ask(db, "SELECT id FROM folder", id, sizeof(id), err) : st;
    if (st == TM_OK && id[0] == '\0' && can_write) {
        st = give_number(db, there, path, id, err);
    }
    if (st == TM_OK && id[0] != '\0' && there[0] == '\0' && can_write) {
        st = write_id(db, dir, path, id, err);
    } else if (st == TM_OK && id[0] != '\0' && strcmp(id, there) != 0 && there[0] != '\0') {
        st = refuse(path, err);
    }
    tm__mem_free(path);
    return st;
}

/* ---- Joining ---- */

static tm_status check_seal(const tm_home *home, tm_err *err) {
    char *const path = tm__fs_join(tm__home_path(home), TM_VAULT_FILE);
    const bool is_sealed = path != NULL && tm__fs_info(path).kind == TM_PATH_FILE;
    tm__mem_free(path);
    if (path == NULL) {
        return no_memory(err);
    }
    if (is_sealed) {
        (void)TM_FAIL(err, TM_E_UNSUPPORTED,
                      "a sealed home has its sources to itself: their tables in PostgreSQL are not "
                      "sealed");
        tm_err_hint(err, "Leave 'intake' out of store.json.");
        return TM_E_UNSUPPORTED;
    }
    return TM_OK;
}

/* Its rows would be forgotten without a word. */
static tm_status check_own(const tm_home *home, tm_err *err) {
    char *const path = tm__fs_join(tm__home_path(home), "intake.db");
    const bool has_own = path != NULL && tm__fs_info(path).kind == TM_PATH_FILE;
    if (has_own) {
        (void)TM_FAIL(err, TM_E_CONFLICT, "this home has sources of its own");
        tm_err_hint(err, "Take 'intake' out of store.json to read them, or move intake.db away and "
                         "add them anew.");
        tm_err_at(err, path, 0, 0);
    }
    tm__mem_free(path);
    return path == NULL ? no_memory(err) : has_own ? TM_E_CONFLICT : TM_OK;
}

tm_status tm__intake_shared_join(const tm_home *home, tm_db *db, bool can_write, tm_err *err) {
    if (!tm__home_shares_intake(home)) {
        return TM_OK;
    }
    TM_TRY(check_seal(home, err));
    TM_TRY(check_own(home, err));
    TM_TRY(check_folder(home, db, can_write, err));
    if (can_write && tm__process_epoch() > 0) {
        tm__db_fence(db, "SELECT leader_epoch()", tm__process_epoch());
    }
    return TM_OK;
}

tm_status tm__intake_shared_refuse(const tm_home *home, const char *doing, tm_err *err) {
    if (!tm__home_shares_intake(home)) {
        return TM_OK;
    }
    (void)TM_FAIL(err, TM_E_UNSUPPORTED, "cannot %s: this home shares its sources with others",
                  doing);
    tm_err_hint(err, "'intake' of store.json makes it so; docs/store.md says what it excludes.");
    tm_err_at(err, tm__home_meta_db(home), 0, 0);
    return TM_E_UNSUPPORTED;
}
