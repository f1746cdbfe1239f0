/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of a home from a file to a server and back (store/db_move.h), and its word of where
 * they are:
 *
 *      meta.db ──rows──> schema                schema ──rows──> meta.moving.db
 *      store.moving.json ──name──> store.json  meta.moving.db ──name──> meta.db, no store.json
 *
 * 1. Until the rows are there, checked and durable, the home says what it said.
 * 2. Then the place before is marked as left, so that nobody writes there any more; then the home
 *    says where they are. Between the two nothing can be opened, and the same call goes on.
 */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "registry/registry_move.h"
#include "registry/registry_priv.h"
#include "store/db_move.h"

#define META "meta.db"
#define META_MOVING "meta.moving.db"
#define STORE_MOVING "store.moving.json"

typedef struct paths {
    char *meta, *meta_moving, *store, *store_moving;
} paths;

static tm_status paths_init(const tm_home *home, paths *out, tm_err *err) {
    const char *const folder = tm__home_path(home);
    *out = (paths){tm__fs_join(folder, META), tm__fs_join(folder, META_MOVING),
                   tm__fs_join(folder, TM_HOME_STORE), tm__fs_join(folder, STORE_MOVING)};
    return out->meta != NULL && out->meta_moving != NULL && out->store != NULL &&
                   out->store_moving != NULL
               ? TM_OK
               : TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

static void paths_done(paths *p) {
    tm__mem_free(p->meta);
    tm__mem_free(p->meta_moving);
    tm__mem_free(p->store);
    tm__mem_free(p->store_moving);
}

/* What SQLite keeps beside a file that nobody has open. */
static tm_status remove_file(const char *path, bool with_file, tm_err *err) {
    static const char *const suffixes[] = {"-wal", "-shm", ""};
    tm_status st = TM_OK;
    for (size_t i = 0; st == TM_OK && i < (with_file ? 3 : 2); i++) {
        tm_buf name;
        tm__buf_init(&name, 1u << 16);
        st = tm__buf_printf(&name, "%s%s", path, suffixes[i])
                 ? tm__fs_remove((const char *)name.data, err)
                 : TM_FAIL(err, TM_E_NOMEM, "out of memory");
        tm__buf_done(&name);
    }
    return st;
}

static tm_status in_use(const char *path, const char *hint, tm_err *err) {
    (void)TM_FAIL(err, TM_E_CONFLICT, "there are tables in '%s' already", path);
    tm_err_hint(err, "%s", hint);
    return TM_E_CONFLICT;
}

/* Brings what stands to the last format, as every program does that writes. */
static tm_status open_from(tm_registry *arg, const char *path, tm_db **out, tm_err *err) {
    tm_db *db = NULL;
    TM_TRY(tm__registry_db_move_open(path, arg, false, &db, err));
    if (tm__db_standing(db) == TM_DB_STANDS) {
        tm__db_close(db);
        db = NULL;
        TM_TRY(tm__registry_db_open(path, false, arg, &db, err));
        tm__db_close(db);
        db = NULL;
        TM_TRY(tm__registry_db_move_open(path, arg, false, &db, err));
    }
    *out = db;
    return TM_OK;
}

static tm_status check_users(tm_db *db, tm_err *err) {
    int64_t n = 0;
    TM_TRY(tm__db_users(db, &n, err));
    if (n > 0) {
        (void)TM_FAIL(err, TM_E_CONFLICT, "%lld session%s of tidemill use%s the tables",
                      (long long)n, n == 1 ? "" : "s", n == 1 ? "s" : "");
        tm_err_hint(err, "Stop every 'tidemill serve', 'run' and command on them first.");
        return TM_E_CONFLICT;
    }
    return TM_OK;
}

typedef struct moving {
    tm_registry arg; /* what migrations of a new place ask for */
    tm_db *from, *to;
    tm_db_moved *out;
} moving;

/* Rows, unless that was done before a kill. */
static tm_status move_rows(moving *m, const char *hint, tm_err *err) {
    const bool is_left = tm__db_standing(m->from) == TM_DB_MOVED;
    const tm_db_standing there = tm__db_standing(m->to);
    if (is_left && there == TM_DB_STANDS) {
        return TM_OK;
    }
    if (is_left || there != TM_DB_HALF) {
        return in_use(tm__db_path(m->to), hint, err);
    }
    TM_TRY(check_users(m->from, err));
    TM_TRY(check_users(m->to, err));
    return tm__db_move(m->from, m->to, m->out, err);
}

/* ---- To a server ---- */

static tm_status write_place(const char *path, const tm_store_place *place, tm_err *err) {
    tm_buf text;
    json_t *json = json_pack("{s:{s:s, s:s}}", "postgres", "dsn_file", place->dsn_file, "schema",
                             place->schema);
    tm__buf_init(&text, 1u << 16);
    const tm_status st = json != NULL && tm__json_write(&text, json, 0)
                             ? tm__fs_replace(path, text.data, text.len, err)
                             : TM_FAIL(err, TM_E_NOMEM, "out of memory");
    tm__buf_done(&text);
    json_decref(json);
    return st;
}

static tm_status to_server(moving *m, const paths *p, const tm_store_place *place, tm_err *err) {
    TM_TRY(write_place(p->store_moving, place, err));
    TM_TRY(open_from(&m->arg, p->meta, &m->from, err));
    TM_TRY(tm__registry_db_move_open(p->store_moving, &m->arg, true, &m->to, err));
    TM_TRY(move_rows(m, "Name another schema with --schema.", err));
    TM_TRY(tm__fs_publish_file(p->store_moving, p->store, err));
    return tm__fs_remove(p->store_moving, err);
}

/* ---- To a file ---- */

static tm_status file_standing(moving *m, const char *path, tm_db_standing *out, tm_err *err) {
    tm_db *db = NULL;
    *out = TM_DB_MOVED; /* none is as good as one that was left */
    if (tm__fs_info(path).kind == TM_PATH_NONE) {
        return TM_OK;
    }
    TM_TRY(tm__registry_db_move_open(path, &m->arg, false, &db, err));
    *out = tm__db_standing(db);
    tm__db_close(db);
    return TM_OK;
}

static tm_status rows_to_file(moving *m, const paths *p, tm_err *err) {
    if (tm__db_standing(m->from) != TM_DB_MOVED) { /* what a kill left of this side is no use */
        TM_TRY(remove_file(p->meta_moving, true, err));
    }
    TM_TRY(tm__registry_db_move_open(p->meta_moving, &m->arg, true, &m->to, err));
    TM_TRY(move_rows(m, "Remove it when nothing uses it.", err));
    tm__db_close(m->to); /* with it its log goes into the file */
    m->to = NULL;
    TM_TRY(remove_file(p->meta, false, err));
    return tm__fs_publish_file(p->meta_moving, p->meta, err);
}

static tm_status to_file(moving *m, const paths *p, tm_err *err) {
    tm_db_standing there = TM_DB_MOVED;
    TM_TRY(open_from(&m->arg, p->store, &m->from, err));
    TM_TRY(file_standing(m, p->meta, &there, err));
    const bool is_left = tm__db_standing(m->from) == TM_DB_MOVED;
    if (!is_left && there != TM_DB_MOVED) {
        return in_use(p->meta, "Move the file away: it was not left by 'store migrate'.", err);
    }
    if (!is_left || there != TM_DB_STANDS) { /* else it has its name already */
        TM_TRY(rows_to_file(m, p, err));
    }
    TM_TRY(remove_file(p->meta_moving, true, err));
    return tm__fs_remove(p->store, err);
}

tm_status tm__registry_move(const tm_home *home, const tm_store_place *to, tm_db_moved *out,
                            tm_err *err) {
    paths p = {0};
    moving m = {.arg = {.home = home}, .out = out};
    *out = (tm_db_moved){0};
    tm_status st = paths_init(home, &p, err);
    if (st == TM_OK && tm__home_has_server(home) == (to != NULL)) {
        st = TM_FAIL(err, TM_E_CONFLICT, "the tables of '%s' are in %s already",
                     tm__home_path(home), to != NULL ? "PostgreSQL" : "a file of SQLite");
    }
    st = st == TM_OK ? (to != NULL ? to_server(&m, &p, to, err) : to_file(&m, &p, err)) : st;
    if (st != TM_OK && to != NULL && (m.from == NULL || tm__db_standing(m.from) != TM_DB_MOVED)) {
        const tm_status removed = tm__fs_remove(p.store_moving, NULL);
        (void)removed; /* it says nothing to anybody */
    }
    tm__db_close(m.from);
    tm__db_close(m.to);
    paths_done(&p);
    return st;
}
