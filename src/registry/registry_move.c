/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of a home from a file to a server and back (store/db_move.h), and its word of where
 * they are:
 *
 *      meta.db ──rows──> schema                schema ──rows──> meta.moving.db
 *      store.moving.json ──name──> store.json  meta.moving.db ──name──> meta.db, no store.json
 *
 * 1. Until the rows are there, checked and durable, the home says what it said.
 * 2. Then the place before is marked as left, so that nobody writes there any more; then tables
 *    beside (watch.db) follow in the same way; then the home says where they are. Between the first
 *    and the last nothing can be opened, and the same call goes on.
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
#define MOVING ".moving"

typedef struct paths {
    char *meta, *meta_moving, *store, *store_moving;
    char *beside, *beside_moving; /* files */
} paths;

static tm_status paths_init(const tm_home *home, const tm_store_beside *beside, paths *out,
                            tm_err *err) {
    char moving[64];
    const char *const folder = tm__home_path(home), *const file =
                                                        beside == NULL ? "" : beside->file;
    (void)snprintf(moving, sizeof(moving), "%s" MOVING, file);
    *out = (paths){tm__fs_join(folder, META),          tm__fs_join(folder, META_MOVING),
                   tm__fs_join(folder, TM_HOME_STORE), tm__fs_join(folder, STORE_MOVING),
                   tm__fs_join(folder, file),          tm__fs_join(folder, moving)};
    return out->meta != NULL && out->meta_moving != NULL && out->store != NULL &&
                   out->store_moving != NULL && out->beside != NULL && out->beside_moving != NULL
               ? TM_OK
               : TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

static void paths_done(paths *p) {
    tm__mem_free(p->meta);
    tm__mem_free(p->meta_moving);
    tm__mem_free(p->store);
    tm__mem_free(p->store_moving);
    tm__mem_free(p->beside);
    tm__mem_free(p->beside_moving);
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
    const tm_store_beside *beside;  /* or NULL */
    tm_db *beside_from, *beside_to; /* from NULL: there is nothing to move */
    tm_db_moved beside_moved;
} moving;

/* Before anything is made or moved. *out_done: that was so before a kill. */
static tm_status check_rows(const moving *m, const char *hint, bool *out_done, tm_err *err) {
    const bool is_left = tm__db_standing(m->from) == TM_DB_MOVED;
    const tm_db_standing there = tm__db_standing(m->to);
    *out_done = is_left && there == TM_DB_STANDS;
    if (*out_done) {
        return TM_OK;
    }
    if (is_left || there != TM_DB_HALF) {
        return in_use(tm__db_path(m->to), hint, err);
    }
    TM_TRY(check_users(m->from, err));
    return check_users(m->to, err);
}

/* ---- Beside ---- */

static tm_status open_beside(const moving *m, const char *path, tm_db **out, tm_err *err) {
    tm_err own = {0};
    tm_db *db = NULL;
    *out = NULL;
    tm_status st = m->beside->open(path, true, false, &db, &own);
    if (st == TM_OK && tm__db_standing(db) == TM_DB_STANDS) {
        tm__db_close(db);
        db = NULL;
        st = m->beside->open(path, false, false, &db, &own); /* to the last format */
        tm__db_close(db);
        db = NULL;
        st = st == TM_OK ? m->beside->open(path, true, false, &db, &own) : st;
    }
    if (st == TM_OK) {
        *out = db;
    } else if (st != TM_E_NOT_FOUND && err != NULL) {
        *err = own;
    }
    return st == TM_E_NOT_FOUND ? TM_OK : st;
}

static void forget_beside(moving *m) {
    tm__db_close(m->beside_from);
    m->beside_from = NULL;
}

/* A place that was left says nothing about what stands where it was left for. */
static tm_status check_beside_standing(moving *m, bool is_free, const char *path, const char *hint,
                                       tm_err *err) {
    const tm_db_standing here = tm__db_standing(m->beside_from);
    if (here != TM_DB_STANDS) {
        forget_beside(m);
        return TM_OK;
    }
    if (!is_free) {
        return in_use(path, hint, err);
    }
    return check_users(m->beside_from, err);
}

static tm_status begin_beside_to_server(moving *m, const paths *p, tm_err *err) {
    if (m->beside == NULL || tm__fs_info(p->beside).kind == TM_PATH_NONE) {
        return TM_OK;
    }
    TM_TRY(open_beside(m, p->beside, &m->beside_from, err));
    if (m->beside_from == NULL || tm__db_standing(m->beside_from) != TM_DB_STANDS) {
        forget_beside(m);
        return TM_OK;
    }
    TM_TRY(m->beside->open(p->store_moving, true, true, &m->beside_to, err));
    TM_TRY(check_beside_standing(m, tm__db_standing(m->beside_to) == TM_DB_HALF,
                                 tm__db_path(m->beside_to),
                                 "Drop the schema ..._watch if nothing uses it, or name another "
                                 "one with --schema.",
                                 err));
    return check_users(m->beside_to, err);
}

static tm_status begin_beside_to_file(moving *m, const paths *p, tm_err *err) {
    tm_db *file = NULL;
    tm_db_standing there = TM_DB_MOVED;
    if (m->beside == NULL) {
        return TM_OK;
    }
    TM_TRY(open_beside(m, p->store, &m->beside_from, err));
    if (m->beside_from == NULL) {
        return TM_OK;
    }
    if (tm__fs_info(p->beside).kind != TM_PATH_NONE) {
        TM_TRY(m->beside->open(p->beside, true, false, &file, err));
        there = tm__db_standing(file);
        tm__db_close(file);
    }
    if (tm__db_standing(m->beside_from) == TM_DB_MOVED && there == TM_DB_STANDS) {
        forget_beside(m); /* that was done before a kill */
        return TM_OK;
    }
    if (tm__db_standing(m->beside_from) == TM_DB_MOVED) {
        return TM_OK; /* it waits for its name */
    }
    return check_beside_standing(m, there == TM_DB_MOVED, p->beside,
                                 "Move the file away: it was not left by 'store migrate'.", err);
}

static tm_status move_beside(moving *m, tm_err *err) {
    return m->beside_from == NULL
               ? TM_OK
               : tm__db_move(m->beside_from, m->beside_to, &m->beside_moved, err);
}

/* What was left of before would be refused where nothing came back. */
static tm_status remove_left(const moving *m, const paths *p, tm_err *err) {
    tm_db *file = NULL;
    if (m->beside == NULL || tm__fs_info(p->beside).kind == TM_PATH_NONE) {
        return TM_OK;
    }
    TM_TRY(m->beside->open(p->beside, true, false, &file, err));
    const bool is_left = tm__db_standing(file) == TM_DB_MOVED;
    tm__db_close(file);
    return is_left ? remove_file(p->beside, true, err) : TM_OK;
}

static tm_status beside_to_file(moving *m, const paths *p, tm_err *err) {
    if (m->beside_from == NULL) {
        return remove_left(m, p, err);
    }
    if (tm__db_standing(m->beside_from) != TM_DB_MOVED) {
        TM_TRY(remove_file(p->beside_moving, true, err));
        TM_TRY(m->beside->open(p->beside_moving, true, true, &m->beside_to, err));
        TM_TRY(move_beside(m, err));
        tm__db_close(m->beside_to);
        m->beside_to = NULL;
    }
    if (tm__fs_info(p->beside_moving).kind == TM_PATH_NONE) {
        return remove_left(m, p, err);
    }
    TM_TRY(remove_file(p->beside, false, err));
    TM_TRY(tm__fs_publish_file(p->beside_moving, p->beside, err));
    return remove_file(p->beside_moving, true, err);
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
    bool is_done = false;
    TM_TRY(check_rows(m, "Name another schema with --schema.", &is_done, err));
    TM_TRY(begin_beside_to_server(m, p, err));
    TM_TRY(is_done ? TM_OK : tm__db_move(m->from, m->to, m->out, err));
    TM_TRY(move_beside(m, err));
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
    bool is_done = false;
    TM_TRY(check_rows(m, "Remove it when nothing uses it.", &is_done, err));
    TM_TRY(is_done ? TM_OK : tm__db_move(m->from, m->to, m->out, err));
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
    TM_TRY(begin_beside_to_file(m, p, err));
    if (!is_left || there != TM_DB_STANDS) { /* else it has its name already */
        TM_TRY(rows_to_file(m, p, err));
    }
    TM_TRY(beside_to_file(m, p, err));
    TM_TRY(remove_file(p->meta_moving, true, err));
    return tm__fs_remove(p->store, err);
}

tm_status tm__registry_move(const tm_home *home, const tm_store_place *to,
                            const tm_store_beside *beside, tm_db_moved *out, tm_err *err) {
    paths p = {0};
    moving m = {.arg = {.home = home}, .out = out, .beside = beside};
    *out = (tm_db_moved){0};
    tm_status st = paths_init(home, beside, &p, err);
    if (st == TM_OK && tm__home_has_server(home) == (to != NULL)) {
        st = TM_FAIL(err, TM_E_CONFLICT, "the tables of '%s' are in %s already",
                     tm__home_path(home), to != NULL ? "PostgreSQL" : "a file of SQLite");
    }
    st = st == TM_OK ? (to != NULL ? to_server(&m, &p, to, err) : to_file(&m, &p, err)) : st;
    if (st != TM_OK && to != NULL && (m.from == NULL || tm__db_standing(m.from) != TM_DB_MOVED)) {
        const tm_status removed = tm__fs_remove(p.store_moving, NULL);
        (void)removed; /* it says nothing to anybody */
    }
    out->n_tables += m.beside_moved.n_tables;
    out->n_rows += m.beside_moved.n_rows;
    tm__db_close(m.from);
    tm__db_close(m.to);
    tm__db_close(m.beside_from);
    tm__db_close(m.beside_to);
    paths_done(&p);
    return st;
}
