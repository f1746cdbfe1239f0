/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments, snapshots, model files, checkpoints, rows of queries that are being taken, spilled
 * answers: each by its head. Online features count as one file.
 *
 * A file that is written anew must not come back when somebody removes it meanwhile. Segments are
 * removed under files.lock, which is held here; snapshots and model files by a transaction of
 * meta.db, so each is written within one.
 */
#include "cli/sealed_files.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "monitor/log_cells.h"
#include "registry/collect.h"
#include "source/intake.h"
#include "source/intake_cells.h"
#include "source/row_file.h"
#include "store/bucket.h"
#include "store/online.h"
#include "store/vault.h"

typedef struct walking {
    const tm_ctx *ctx;
    const tm_sealed_walk *walk;
    tm_sealed_count *count;
    bool is_removed_by_registry, stays; /* stays: it is not written anew */
    bool has_rows;                      /* files of rows on their way */
    const char *dir;
    tm_status st;
    tm_err *err;
} walking;

static void count_one(walking *w, bool is_sealed, bool is_current) {
    uint64_t *const n = w->walk->key[0] != '\0' && is_current ? &w->count->n_sealed
                        : is_sealed                           ? &w->count->n_earlier
                                                              : &w->count->n_plain;
    (*n)++;
}

static tm_status look_at_rows(walking *w, const char *path) {
    char by[TM_ENVELOPE_ID_TEXT] = "";
    const bool is_sealed = tm__row_file_sealed_by(path, by);
    count_one(w, is_sealed, is_sealed && strcmp(by, w->walk->key) == 0);
    return TM_OK;
}

static tm_status look_at(walking *w, const char *path) {
    tm_vault_look look;
    TM_TRY(tm__vault_look(path, &look, w->err));
    bool is_current = strcmp(look.key, w->walk->key) == 0;
    if (!is_current && w->walk->registry != NULL && !w->stays) {
        TM_TRY(w->is_removed_by_registry ? tm__registry_file_renew(w->walk->registry, path, w->err)
                                         : tm__vault_renew(path, w->err));
        w->count->n_renewed++;
        is_current = true;
        tm__ctx_progress(w->ctx, "sealing", w->count->n_renewed, 0, "files");
    }
    count_one(w, look.is_sealed, is_current);
    return tm__ctx_cancelled(w->ctx)
               ? TM_FAIL(w->err, TM_E_CANCELLED, "stopped; the same command goes on")
               : TM_OK;
}

/* What has no name of its own yet, or only names a process or an object, holds no rows. */
static bool is_other(const char *name) {
    const tm_str text = tm__str(name);
    return strstr(name, ".tmp") != NULL || tm__str_has_suffix(text, ".lock") ||
           tm__str_has_suffix(text, ".gone") || tm__str_has_suffix(text, TM_BUCKET_DROP);
}

static bool each_entry(void *arg, const char *name) {
    walking *const w = arg;
    char *const path = tm__fs_join(w->dir, name);
    if (path == NULL) {
        w->st = TM_FAIL(w->err, TM_E_NOMEM, "out of memory");
        return false;
    }
    const tm_path_kind what = tm__fs_info(path).kind;
    if (what == TM_PATH_DIR) {
        walking inner = *w;
        inner.dir = path;
        w->st = tm__fs_list(path, each_entry, &inner, w->err);
        w->st = w->st == TM_OK ? inner.st : w->st;
    } else if (what == TM_PATH_FILE && !is_other(name)) {
        w->st = w->has_rows ? look_at_rows(w, path) : look_at(w, path);
    }
    tm__mem_free(path);
    return w->st == TM_OK;
}

static tm_status walk_folder(walking *w, const tm_home *home, const char *folder) {
    char *const dir = tm__fs_join(tm__home_path(home), folder);
    if (dir == NULL) {
        return TM_FAIL(w->err, TM_E_NOMEM, "out of memory");
    }
    tm_status st = TM_OK;
    if (tm__fs_info(dir).kind == TM_PATH_DIR) {
        w->dir = dir;
        st = tm__fs_list(dir, each_entry, w, w->err);
        st = st == TM_OK ? w->st : st;
    }
    if (st == TM_OK && w->walk->asks_bucket && !w->stays) {
        st = tm__sealed_objects(w->ctx, dir, w->walk, w->count, w->err);
    }
    tm__mem_free(dir);
    return st;
}

/* Values of online features, as one file. Who keeps them seals them anew by himself. */
static tm_status walk_online(const tm_home *home, walking *w) {
    tm_online_look look;
    TM_TRY(tm__online_look(home, &look, w->err));
    if (!look.is_there) {
        return TM_OK;
    }
    bool is_current = strcmp(look.key, w->walk->key) == 0;
    if (!is_current && w->walk->registry != NULL) {
        tm_err why = {0};
        const tm_status st = tm__online_renew(home, &why);
        if (st != TM_OK && st != TM_E_CONFLICT) {
            if (w->err != NULL) {
                *w->err = why;
            }
            return st;
        }
        is_current = st == TM_OK;
        w->count->n_renewed += is_current;
    }
    count_one(w, look.key[0] != '\0', is_current);
    return TM_OK;
}

/* They are not written anew: the server that made them writes them to the log. */
static tm_status walk_spills(const tm_home *home, walking *w) {
    tm_log_spills n;
    TM_TRY(tm__log_spills_count(home, w->walk->key, &n, w->err));
    w->count->n_sealed += n.n_sealed;
    w->count->n_earlier += n.n_earlier;
    w->count->n_plain += n.n_plain;
    return TM_OK;
}

/* Cells that are sealed by the call are not left: it ends with those that came meanwhile. */
static tm_status walk_cells(const tm_home *home, const tm_sealed_walk *walk, tm_sealed_count *count,
                            tm_err *err) {
    uint64_t in_log = 0, in_intake = 0;
    if (walk->registry != NULL) {
        TM_TRY(tm__log_cells_renew(home, walk->key, true, &in_log, err));
        TM_TRY(tm__intake_cells_renew(home, walk->key, true, &in_intake, err));
    }
    TM_TRY(tm__log_cells_renew(home, walk->key, false, &in_log, err));
    TM_TRY(tm__intake_cells_renew(home, walk->key, false, &in_intake, err));
    count->n_cells = in_log + in_intake;
    TM_TRY(tm__log_cells_must_wipe(home, &count->must_wipe, err));
    return TM_OK;
}

tm_status tm__sealed_walk(const tm_ctx *ctx, const tm_home *home, const tm_sealed_walk *walk,
                          tm_sealed_count *out, tm_err *err) {
    tm_sealed_count count = {0};
    tm_file *hold = NULL;
    walking w = {.ctx = ctx, .walk = walk, .count = &count, .err = err};
    if (walk->registry != NULL) {
        TM_TRY(tm__intake_hold(home, ctx, &hold, err));
    }
    tm_status st = walk_folder(&w, home, "segments");
    tm__file_close(hold);
    w.is_removed_by_registry = true;
    st = st == TM_OK ? walk_folder(&w, home, "snapshots") : st;
    st = st == TM_OK ? walk_folder(&w, home, "bundles") : st;
    w.stays = true;
    st = st == TM_OK ? walk_folder(&w, home, "checkpoints") : st;
    w.has_rows = true;
    st = st == TM_OK ? walk_folder(&w, home, "pull") : st;
    st = st == TM_OK ? walk_online(home, &w) : st;
    st = st == TM_OK ? walk_spills(home, &w) : st;
    st = st == TM_OK ? walk_cells(home, walk, &count, err) : st;
    if (st == TM_OK) {
        *out = count;
    }
    return st;
}
