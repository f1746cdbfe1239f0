/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files beside intake.db: segments and runs of keys, <home>/<what>/<source>/<hash><suffix>.
 *
 *   written, synced ──> named in a transaction ──> no longer named ──> removed
 *          └── a crash ──> nobody names it ──────────────┘ (after an hour)
 *
 * 1. A file is removed under the lock of intake.db's writers, when no row names it; and a
 * transaction that names a file looks under the same lock whether it is there. So a file that is
 * named is there, even when one of the same name was left by a crash an hour ago.
 *    Where segments are in a bucket as well, intake_away.c says how their objects go.
 * 2. Who copies files holds files.lock, from before the copy of intake.db on: what that copy names
 *    stays. Whoever removes files holds it too, or leaves them to the next collection.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "source/intake_away.h"

#define N_REMOVED_MAX 1000u /* in one transaction, which holds up the writer */
#define MARK_COST 20u       /* of a mark that is synced, in files that are removed */
#define HOLD_TRIES 500u
#define HOLD_WAIT_MS 20u

static const struct {
    const char *folder, *suffix, *sql;
} kinds[] = {
    [TM_INTAKE_SEGMENT] =
        {"segments", ".parquet",
         "SELECT s.id, s.name, g.hash, g.n_rows, 0 FROM segments g JOIN sources s ON s.id = "
         "g.source ORDER BY s.id, g.seq"},
    [TM_INTAKE_KEYS] =
        {"keys", ".keys",
         "SELECT s.id, s.name, r.hash, r.n, r.level FROM runs r JOIN sources s ON s.id = "
         "r.source ORDER BY s.id, r.hash"},
};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for the files of a source");
}

static char *file_path(const char *dir, tm_intake_file_kind kind, const tm_hash *hash) {
    char name[TM_HASH_TEXT + 16], text[TM_HASH_TEXT];
    tm__hash_to_text(hash, text);
    (void)snprintf(name, sizeof(name), "%s%s", text, kinds[kind].suffix);
    return tm__fs_join(dir, name);
}

const char *tm__intake_file_folder(tm_intake_file_kind kind) {
    return kinds[kind].folder;
}

const char *tm__intake_file_suffix(tm_intake_file_kind kind) {
    return kinds[kind].suffix;
}

char *tm__intake_file_path(const tm_home *home, const tm_intake_file *file) {
    char *const dir = tm__intake_dir(home, kinds[file->kind].folder, file->source);
    char *const path = dir == NULL ? NULL : file_path(dir, file->kind, &file->hash);
    tm__mem_free(dir);
    return path;
}

static tm_status each_of(tm_db *db, tm_intake_file_kind kind, const tm_intake_files *files,
                         tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db, kinds[kind].sql, &stmt, err));
    tm_status st = TM_OK;
    while (tm__stmt_next(stmt, &st, err)) {
        tm_intake_file file = {.kind = kind,
                               .source_id = tm__stmt_i64(stmt, 0),
                               .source = tm__stmt_text(stmt, 1),
                               .n = (uint64_t)tm__stmt_i64(stmt, 3),
                               .level = (uint32_t)tm__stmt_i64(stmt, 4)};
        const tm_str stored = tm__stmt_blob(stmt, 2);
        memcpy(file.hash.bytes, stored.ptr,
               stored.len < TM_HASH_BYTES ? stored.len : TM_HASH_BYTES);
        st = files->fn(files->arg, &file, err);
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status each_file(tm_db *db, const tm_intake_files *files, tm_err *err) {
    for (size_t i = 0; i < N_KINDS; i++) {
        TM_TRY(each_of(db, (tm_intake_file_kind)i, files, err));
    }
    return TM_OK;
}

tm_status tm__intake_files(const tm_home *home, const tm_intake_files *files, tm_err *err) {
    tm_db *db = NULL;
    TM_TRY(tm__intake_db_open_there(home, false, &db, err));
    const tm_status st = each_file(db, files, err);
    tm__db_close(db);
    return st;
}

tm_status tm__intake_file_check_locked(const char *dir, tm_intake_file_kind kind,
                                       const tm_hash *hash, tm_err *err) {
    char *const path = file_path(dir, kind, hash);
    if (path == NULL) {
        return no_memory(err);
    }
    tm_status st = TM_OK;
    if (tm__fs_info(path).kind != TM_PATH_FILE) {
        st = TM_FAIL(err, TM_E_UNAVAILABLE, "a file of rows was removed before it had an owner");
        tm_err_hint(err, "Nothing is lost; it is written anew at the next try.");
        tm_err_at(err, path, 0, 0);
    }
    tm__mem_free(path);
    return st;
}

/* ---- Copies ---- */

tm_status tm__intake_copy(const tm_home *home, const tm_ctx *ctx, const char *to, tm_err *err) {
    tm_db *db = NULL;
    TM_TRY(tm__intake_db_open_there(home, false, &db, err));
    const tm_status st = tm__db_copy(db, ctx, to, err);
    tm__db_close(db);
    return st;
}

static tm_status lock_files(const tm_home *home, tm_file **out, tm_err *err) {
    char *const path = tm__fs_join(tm__home_intake_dir(home), "files.lock");
    const tm_status st = path == NULL ? no_memory(err) : tm__lock_open(path, out, err);
    tm__mem_free(path);
    return st;
}

tm_file *tm__intake_files_lock(const tm_home *home) {
    tm_file *lock = NULL;
    return lock_files(home, &lock, NULL) == TM_OK ? lock : NULL;
}

tm_status tm__intake_hold(const tm_home *home, const tm_ctx *ctx, tm_file **out, tm_err *err) {
    tm_status st = TM_E_CONFLICT;
    for (uint32_t i = 0; st == TM_E_CONFLICT && i < HOLD_TRIES && !tm__ctx_cancelled(ctx); i++) {
        if (i > 0) {
            tm__sleep_ms(HOLD_WAIT_MS);
        }
        st = lock_files(home, out, err);
    }
    if (st == TM_E_CONFLICT) {
        st = TM_FAIL(err, TM_E_CONFLICT, "another backup copies the files of the sources");
        tm_err_hint(err, "Let it end, then try again.");
    }
    return st;
}

/* ---- Checks ---- */

tm_status tm__intake_keys_check(const tm_home *home, const tm_intake_file *file, tm_err *err) {
    const tm_key_run_info info = {.hash = file->hash, .n = file->n, .level = file->level};
    tm_key_run *run = NULL;
    char *const dir = tm__intake_dir(home, kinds[TM_INTAKE_KEYS].folder, file->source);
    tm_status st = dir == NULL ? no_memory(err) : tm__key_run_open(dir, &info, &run, err);
    if (st == TM_OK) {
        st = tm__key_run_check(run, err);
    }
    tm__key_run_close(run);
    tm__mem_free(dir);
    return st;
}

typedef struct checking {
    const tm_home *home;
    tm_bucket bucket;
} checking;

static tm_status check_file(void *arg, const tm_intake_file *file, tm_err *err) {
    checking *const c = arg;
    char *const path = tm__intake_file_path(c->home, file);
    bool is_there = path != NULL && tm__fs_info(path).kind == TM_PATH_FILE;
    tm_status st = path == NULL ? no_memory(err) : TM_OK;
    if (st == TM_OK && !is_there && file->kind == TM_INTAKE_SEGMENT) {
        st = tm__bucket_has(&c->bucket, path, &is_there, err);
    }
    if (st == TM_OK && !is_there) {
        st = TM_FAIL(err, TM_E_INTEGRITY, "a file of source '%s' is gone", file->source);
        tm_err_at(err, path, 0, 0);
        tm_err_hint(err, "Restore the home from a backup.");
    }
    tm__mem_free(path);
    return st;
}

static tm_status check_db(const tm_home *home, bool can_write, const tm_intake_files *files,
                          uint32_t *out_format, tm_err *err) {
    tm_db *db = NULL;
    TM_TRY(tm__intake_db_open_there(home, can_write, &db, err));
    tm_status st = tm__db_check(db, err);
    if (st == TM_OK && files != NULL) {
        st = each_file(db, files, err);
    }
    if (st == TM_OK) {
        st = tm__db_format(db, out_format, err);
    }
    tm__db_close(db);
    return st;
}

tm_status tm__intake_check_pages(const tm_home *home, uint32_t *out_format, tm_err *err) {
    /* Not read-only: the last connection to close then takes in the write-ahead log. */
    return check_db(home, true, NULL, out_format, err);
}

tm_status tm__intake_check(const tm_home *home, bool read_only, uint32_t *out_format, tm_err *err) {
    checking c = {.home = home};
    const tm_intake_files files = {check_file, &c};
    const tm_status st = check_db(home, !read_only, &files, out_format, err);
    tm__bucket_done(&c.bucket);
    return st;
}

/* ---- Collection ---- */

typedef struct named {
    tm_hash *hashes; /* of one source and kind, sorted */
    size_t n, capacity;
} named;

typedef struct collector {
    const tm_home *home;
    tm_db *db;
    const tm_intake_collect *options;
    tm_intake_rest *rest;
    bool is_away; /* segments are in a bucket, too */
    int64_t before_us;
    uint32_t n_removed;
    tm_status status;
    tm_err *err;
    /* the folder at hand */
    tm_intake_file_kind kind;
    const char *source;
    const char *dir;
    named names;
} collector;

static int compare_hashes(const void *a, const void *b) {
    return memcmp(a, b, sizeof(tm_hash));
}

static bool is_named_hash(const collector *c, const tm_hash *hash) {
    return c->names.n > 0 &&
           bsearch(hash, c->names.hashes, c->names.n, sizeof(*hash), compare_hashes) != NULL;
}

static bool is_named(const collector *c, const char *name) {
    char text[TM_HASH_TEXT];
    tm_hash hash;
    (void)tm__str_copy(text, sizeof(text), tm__str(name));
    if (!tm__hash_from_text(text, &hash) || strlen(name) < TM_HASH_TEXT - 1 ||
        strcmp(name + TM_HASH_TEXT - 1, kinds[c->kind].suffix) != 0) {
        return false;
    }
    return is_named_hash(c, &hash);
}

/* Remove a file of the folder at hand when it is old; it is nobody's. away: the segment whose
 * object goes with it; NULL: none. */
static bool collect_old(collector *c, const char *name, const tm_hash *away) {
    char *const path = tm__fs_join(c->dir, name);
    if (path == NULL) {
        c->status = no_memory(c->err);
        return false;
    }
    const tm_path_info info = tm__fs_info(path);
    const bool is_old = info.kind == TM_PATH_FILE && info.modified_us < c->before_us;
    if (is_old) {
        c->rest->n++;
        c->rest->bytes += info.size_bytes;
    }
    if (is_old && c->options->removes) {
        c->status = away != NULL ? tm__away_release_locked(c->dir, away, c->err)
                                 : tm__fs_remove(path, c->err);
        c->n_removed += away != NULL ? MARK_COST : 1;
    }
    tm__mem_free(path);
    return c->status == TM_OK && c->n_removed < N_REMOVED_MAX;
}

static bool collect_rest(collector *c, const char *name) {
    return collect_old(c, name, NULL);
}

/* A segment, or a mark of one, where segments are in a bucket. */
static bool collect_away(collector *c, const char *name, const tm_hash *hash, const char *behind) {
    if (strcmp(behind, TM_BUCKET_DROP) == 0) {
        return true; /* its object is about to go */
    }
    if (!is_named_hash(c, hash)) {
        return collect_old(c, name, hash);
    }
    return behind[0] == '\0' || collect_rest(c, name); /* a mark that was wrong */
}

static bool collect_file(void *arg, const char *name) {
    collector *const c = arg;
    tm_hash hash;
    const char *behind = "";
    if (c->is_away && c->kind == TM_INTAKE_SEGMENT && tm__segment_name(name, &hash, &behind)) {
        return collect_away(c, name, &hash, behind);
    }
    return is_named(c, name) || collect_rest(c, name);
}

/* Rows that wait in a file until their source has taken them: one that reads a query once. */
static bool is_waiting(const collector *c, const char *name, size_t len) {
    char source_name[TM_MAX_NAME + 1];
    tm_source_row source = {0};
    if (len == 0 || !tm__str_copy(source_name, sizeof(source_name), (tm_str){name, len})) {
        return false;
    }
    const tm_status st = tm__intake_db_source(c->db, source_name, &source, NULL);
    const bool is_waiting = st != TM_E_NOT_FOUND &&
                            (st != TM_OK || (json_array_size(source.keys) == 0 &&
                                             json_object_get(source.spec, "cursor") == NULL &&
                                             !json_is_true(json_object_get(source.state, "done"))));
    tm__source_row_done(&source);
    return is_waiting;
}

/* What a reading left that was killed. A lock stays: somebody may be about to take it. */
static bool collect_pull(void *arg, const char *name) {
    collector *const c = arg;
    const size_t len = strlen(name);
    const bool is_lock = len > 5 && strcmp(name + len - 5, ".lock") == 0;
    const bool is_rows = len > 5 && strcmp(name + len - 5, ".rows") == 0;
    return is_lock || (is_rows && is_waiting(c, name, len - 5)) || collect_rest(c, name);
}

static tm_status note_name(void *arg, const tm_intake_file *file, tm_err *err) {
    collector *const c = arg;
    named *const names = &c->names;
    if (file->kind != c->kind || strcmp(file->source, c->source) != 0) {
        return TM_OK;
    }
    if (names->n == names->capacity) {
        const size_t capacity = names->capacity == 0 ? 64 : names->capacity * 2;
        tm_hash *hashes = tm__mem_realloc(names->hashes, capacity, sizeof(*hashes));
        if (hashes == NULL) {
            return no_memory(err);
        }
        names->hashes = hashes;
        names->capacity = capacity;
    }
    names->hashes[names->n++] = file->hash;
    return TM_OK;
}

static bool collect_folder(void *arg, const char *name) {
    collector *const c = arg;
    const tm_intake_files files = {note_name, c};
    tm_source_row source = {0};
    char *const dir = tm__intake_dir(c->home, kinds[c->kind].folder, name);
    c->names.n = 0;
    c->source = name;
    c->dir = dir;
    c->status = dir == NULL ? no_memory(c->err) : each_of(c->db, c->kind, &files, c->err);
    if (c->names.n > 0) {
        qsort(c->names.hashes, c->names.n, sizeof(*c->names.hashes), compare_hashes);
    }
    if (c->status == TM_OK && tm__fs_info(dir).kind == TM_PATH_DIR) {
        const tm_status st = tm__fs_list(dir, collect_file, c, c->err);
        c->status = c->status == TM_OK ? st : c->status;
    }
    /* The folder of a source that was removed; it stays while there is something in it. */
    if (c->status == TM_OK && c->options->removes &&
        tm__intake_db_source(c->db, name, &source, NULL) == TM_E_NOT_FOUND) {
        const tm_status removed = tm__fs_remove(dir, NULL);
        (void)removed;
    }
    tm__source_row_done(&source);
    tm__mem_free(dir);
    return c->status == TM_OK && c->n_removed < N_REMOVED_MAX;
}

static tm_status collect_locked(collector *c, tm_err *err) {
    for (size_t i = 0; c->status == TM_OK && i < N_KINDS; i++) {
        c->kind = (tm_intake_file_kind)i;
        char *const dir = tm__fs_join(tm__home_intake_dir(c->home), kinds[i].folder);
        tm_status st = dir == NULL ? no_memory(err) : TM_OK;
        if (st == TM_OK && tm__fs_info(dir).kind == TM_PATH_DIR) {
            st = tm__fs_list(dir, collect_folder, c, err);
        }
        tm__mem_free(dir);
        c->status = c->status == TM_OK ? st : c->status;
    }
    tm__mem_free(c->names.hashes);
    c->names = (named){0};
    char *const pull = tm__fs_join(tm__home_intake_dir(c->home), "pull");
    if (c->status == TM_OK && pull == NULL) {
        c->status = no_memory(err);
    } else if (c->status == TM_OK && c->n_removed < N_REMOVED_MAX &&
               tm__fs_info(pull).kind == TM_PATH_DIR) {
        c->dir = pull;
        const tm_status st = tm__fs_list(pull, collect_pull, c, err);
        c->status = c->status == TM_OK ? st : c->status;
    }
    tm__mem_free(pull);
    return c->status;
}

/* One transaction: invariant 1. */
static tm_status collect_some(const collector *like, bool *out_more, tm_err *err) {
    collector c = *like;
    TM_TRY(c.options->removes ? tm__db_begin(c.db, err) : tm__db_begin_read(c.db, err));
    const tm_status st = collect_locked(&c, err);
    tm__db_rollback(c.db); /* nothing in it was changed */
    *out_more = c.n_removed >= N_REMOVED_MAX;
    return st;
}

static tm_status collect_all(const tm_home *home, const tm_intake_collect *options,
                             tm_intake_rest *rest, tm_err *err) {
    collector c = {.home = home, .options = options, .rest = rest, .err = err};
    c.before_us = tm__now_us() - options->age_us;
    TM_TRY(tm__away_is_used(home, &c.is_away, err));
    if (options->removes && c.is_away) {
        TM_TRY(tm__away_tend(home, err));
    }
    tm_status st = tm__intake_db_open_there(home, options->removes, &c.db, err);
    for (bool more = true; st == TM_OK && more;) {
        st = collect_some(&c, &more, err);
    }
    tm__db_close(c.db);
    return st == TM_OK && options->removes && c.is_away ? tm__away_drop_all(home, err) : st;
}

tm_status tm__intake_collect(const tm_home *home, const tm_intake_collect *options,
                             tm_intake_rest *out, tm_err *err) {
    tm_file *lock = NULL;
    tm_intake_rest rest = {0};
    if (tm__fs_info(tm__home_intake_db(home)).kind == TM_PATH_NONE) {
        *out = rest;
        return TM_OK;
    }
    if (options->removes) {
        const tm_status locked = lock_files(home, &lock, err);
        if (locked == TM_E_CONFLICT) {
            *out = rest; /* a backup copies them: later */
            return TM_OK;
        }
        TM_TRY(locked);
    }
    const tm_status st = collect_all(home, options, &rest, err);
    tm__file_close(lock);
    if (st == TM_OK) {
        *out = rest;
    }
    return st;
}
