/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   1st transaction: versions that nothing reaches ─> rows of `collected`, records of the history
 *   2nd transaction: files that no other version names ─> removed, while nobody can register
 *
 * A dry run does both in one transaction, removes nothing and rolls back. Registering looks for its
 * file inside its transaction, so a file cannot go between the look and the row.
 */
#include "registry/collect.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/mem.h"
#include "registry/experiment.h"
#include "registry/registry_priv.h"
#include "store/bucket.h"
#include "store/vault.h"

typedef struct collecting {
    tm_registry *registry;
    const tm_collection *options;
    int64_t now_us;
    json_t *reached, *released; /* {HASH: true}: of versions that stay, and of collected ones */
    json_t *versions, *files;   /* of the answer */
    int64_t bytes, kept;
    tm_bucket bucket;
} collecting;

/* ---- Versions ---- */

static bool is_young(const collecting *c, int64_t at_us) {
    return at_us > c->now_us - c->options->older_us;
}

/* The versions that the next rollbacks would go back to: {NUMBER: true}. */
static tm_status rollback_targets(const collecting *c, const char *model, json_t *out,
                                  tm_err *err) {
    tm_stmt *stmt = NULL;
    uint64_t n_undone = 0;
    uint32_t n = 0;
    char key[16];
    TM_TRY(tm__stmt_init(c->registry->db,
                         "SELECT event, from_version FROM history WHERE model = ?"
                         " AND event IN ('promoted', 'rolled_back') ORDER BY seq DESC",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, model);
    tm_status st = TM_OK;
    while (n < c->options->keep && tm__stmt_next(stmt, &st, err)) {
        if (strcmp(tm__stmt_text(stmt, 0), "rolled_back") == 0) {
            n_undone++;
        } else if (n_undone > 0) {
            n_undone--;
        } else {
            (void)snprintf(key, sizeof(key), "%u", (unsigned)tm__stmt_i64(stmt, 1));
            json_object_set_new(out, key, json_true());
            n++;
        }
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status mark(collecting *c, const char *model, tm_stmt *row, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(c->registry->db,
                         "INSERT INTO collected(model_id, number, at_us) VALUES(?, ?, ?)", &stmt,
                         err));
    tm__stmt_bind_i64(stmt, 1, tm__stmt_i64(row, 3));
    tm__stmt_bind_i64(stmt, 2, tm__stmt_i64(row, 0));
    tm__stmt_bind_i64(stmt, 3, c->now_us);
    const tm_status st = tm__stmt_run_done(stmt, err);
    TM_TRY(st);
    const tm_event event = {.model = model,
                            .event = "collected",
                            .version = (uint32_t)tm__stmt_i64(row, 0),
                            .actor = c->options->actor};
    TM_TRY(tm__history_append_locked(c->registry, &event, err));
    json_array_append_new(c->versions, json_pack("{s:s, s:I, s:s}", "model", model, "version",
                                                 (json_int_t)tm__stmt_i64(row, 0), "bundle_hash",
                                                 tm__stmt_text(row, 4)));
    return TM_OK;
}

static tm_status mark_model(tm_registry *registry, const char *model, void *arg, tm_err *err) {
    collecting *const c = arg;
    tm_stmt *stmt = NULL;
    json_t *targets = json_object();
    char key[16];
    tm_status st = rollback_targets(c, model, targets, err);
    st = st != TM_OK ? st : tm__registry_experiment_arms(registry, model, targets, err);
    st = st != TM_OK
             ? st
             : tm__stmt_init(
                   registry->db,
                   "SELECT v.number, v.created_us, EXISTS(SELECT 1 FROM aliases a WHERE a.model_id"
                   " = m.id AND a.number = v.number) OR EXISTS(SELECT 1 FROM arms r WHERE"
                   " r.model_id = m.id AND r.number = v.number) OR EXISTS(SELECT 1 FROM routes s"
                   " WHERE s.model_id = m.id AND s.shadow = v.number) OR EXISTS(SELECT 1 FROM"
                   " rollouts o WHERE o.model = m.name AND o.number = v.number)"
                   " OR EXISTS(SELECT 1 FROM turns u WHERE u.model = m.name AND u.outcome IS NULL"
                   " AND v.number IN (u.version, u.champion))"
                   " OR EXISTS(SELECT 1 FROM tags t WHERE"
                   " t.model_id = m.id AND t.number = v.number) OR v.number > (SELECT max(number)"
                   " FROM versions n WHERE n.model_id = m.id) - ?2, m.id,"
                   " lower(hex(v.bundle_hash)) FROM models m"
                   " JOIN versions v ON v.model_id = m.id WHERE m.name = ?1 AND NOT EXISTS(SELECT"
                   " 1 FROM collected c WHERE c.model_id = m.id AND c.number = v.number)"
                   " ORDER BY v.number",
                   &stmt, err);
    if (st == TM_OK) {
        tm__stmt_bind_text(stmt, 1, model);
        tm__stmt_bind_i64(stmt, 2, c->options->keep);
    }
    while (tm__stmt_next(stmt, &st, err)) {
        (void)snprintf(key, sizeof(key), "%u", (unsigned)tm__stmt_i64(stmt, 0));
        if (tm__stmt_i64(stmt, 2) != 0 || json_object_get(targets, key) != NULL ||
            is_young(c, tm__stmt_i64(stmt, 1))) {
            c->kept++;
        } else {
            st = mark(c, model, stmt, err);
        }
    }
    tm__stmt_done(stmt);
    json_decref(targets);
    return st;
}

/* ---- Versions that are named ---- */

static tm_status in_use(const char *model, int64_t number, const char *by, tm_err *err) {
    const tm_status st = TM_FAIL(err, TM_E_CONFLICT, "version %lld of '%s' is used by %s",
                                 (long long)number, model, by);
    tm_err_hint(err, "End that first: 'tidemill model show %s' and 'tidemill route ls' tell it.",
                model);
    return st;
}

/* Find the row of a version that may go; *out_has false: it went before. */
static tm_status find_named(collecting *c, const char *model, int64_t number, tm_stmt **out,
                            bool *out_has, tm_err *err) {
    TM_TRY(tm__stmt_init(
        c->registry->db,
        "SELECT v.number, v.created_us, 0, m.id, lower(hex(v.bundle_hash)), EXISTS(SELECT 1 FROM"
        " aliases a WHERE a.model_id = m.id AND a.number = v.number AND a.name = 'champion'),"
        " EXISTS(SELECT 1 FROM arms r WHERE r.model_id = m.id AND r.number = v.number),"
        " EXISTS(SELECT 1 FROM routes s WHERE s.model_id = m.id AND s.shadow = v.number),"
        " EXISTS(SELECT 1 FROM rollouts o WHERE o.model = m.name AND v.number IN (o.number,"
        " o.champion)), EXISTS(SELECT 1 FROM turns u WHERE u.model = m.name AND u.outcome IS NULL)"
        " FROM models m JOIN versions v ON v.model_id = m.id WHERE m.name = ?1 AND v.number = ?2"
        " AND NOT EXISTS(SELECT 1 FROM collected c WHERE c.model_id = m.id AND"
        " c.number = v.number)",
        out, err));
    tm__stmt_bind_text(*out, 1, model);
    tm__stmt_bind_i64(*out, 2, number);
    return tm__stmt_step(*out, out_has, err);
}

static tm_status drop_challenger(collecting *c, int64_t model_id, int64_t number, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(c->registry->db,
                         "DELETE FROM aliases WHERE model_id = ? AND number = ? AND name ="
                         " 'challenger'",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, model_id);
    tm__stmt_bind_i64(stmt, 2, number);
    return tm__stmt_run_done(stmt, err);
}

static tm_status mark_named(collecting *c, const char *model, int64_t number, tm_err *err) {
    static const char *const users[] = {"requests: it is the champion", "a split of its route",
                                        "its route as a shadow", "a rollout", "an open turn"};
    tm_stmt *row = NULL;
    json_t *arms = json_object();
    char key[24];
    bool has = false;
    tm_status st = find_named(c, model, number, &row, &has, err);
    const bool takes_all = c->options->champions_too;
    const int n_users = takes_all ? 4 : 5;
    for (int i = takes_all || c->options->is_dry ? 1 : 0; st == TM_OK && has && i < n_users; i++) {
        st = tm__stmt_i64(row, 5 + i) != 0 ? in_use(model, number, users[i], err) : TM_OK;
    }
    st = st == TM_OK && has ? tm__registry_experiment_arms(c->registry, model, arms, err) : st;
    (void)snprintf(key, sizeof(key), "%lld", (long long)number);
    if (st == TM_OK && has && json_object_get(arms, key) != NULL) {
        st = in_use(model, number, "an experiment", err);
    }
    if (st == TM_OK && has) {
        st = drop_challenger(c, tm__stmt_i64(row, 3), number, err);
        st = st == TM_OK ? mark(c, model, row, err) : st;
    }
    tm__stmt_done(row);
    json_decref(arms);
    return st;
}

static tm_status mark_all_named(collecting *c, tm_err *err) {
    size_t i = 0;
    const json_t *one = NULL;
    tm_status st = TM_OK;
    json_array_foreach(c->options->only, i, one) {
        st = st == TM_OK ? mark_named(c, tm__json_text(one, "model", ""),
                                      tm__json_i64(one, "version", 0), err)
                         : st;
    }
    return st;
}

/* ---- Both ways ---- */

static tm_status mark_versions(collecting *c, tm_err *err) {
    return c->options->only != NULL ? mark_all_named(c, err)
                                    : tm__registry_each_model(c->registry, mark_model, c, err);
}

/* ---- Files ---- */

static bool is_hex(char c) {
    return tm__is_digit(c) || (c >= 'a' && c <= 'f');
}

/* Every text of 64 hexadecimal digits is taken for the name of a file. */
static void names_in(const char *text, json_t *set) {
    size_t run = 0;
    for (const char *at = text; at != NULL; at++) {
        if (is_hex(*at)) {
            run++;
            continue;
        }
        if (run == TM_HASH_TEXT - 1) {
            json_object_setn_new(set, at - run, run, json_true());
        }
        run = 0;
        if (*at == '\0') {
            break;
        }
    }
}

static tm_status read_names(const collecting *c, const char *sql, json_t *set, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(c->registry->db, sql, &stmt, err));
    tm_status st = TM_OK;
    while (tm__stmt_next(stmt, &st, err)) {
        names_in(tm__stmt_text(stmt, 0), set);
    }
    tm__stmt_done(stmt);
    return st;
}

#define WHAT                                                                                       \
    "SELECT lower(hex(v.bundle_hash)) || ' ' || v.snapshot || ' ' || v.info FROM versions v"
#define IS_COLLECTED                                                                               \
    "EXISTS(SELECT 1 FROM collected c WHERE c.model_id = v.model_id AND c.number = v.number)"

static tm_status read_all_names(collecting *c, tm_err *err) {
    TM_TRY(read_names(c, WHAT " WHERE NOT " IS_COLLECTED, c->reached, err));
    TM_TRY(read_names(c, "SELECT recipe FROM models WHERE recipe IS NOT NULL", c->reached, err));
    TM_TRY(read_names(c, "SELECT story FROM turns WHERE outcome IS NULL", c->reached, err));
    TM_TRY(read_names(c, WHAT " WHERE " IS_COLLECTED, c->released, err));
    return tm__json_check(err);
}

/* The object first: a file that is here is looked at again. */
static tm_status remove_both(collecting *c, const char *path, tm_err *err) {
    TM_TRY(tm__bucket_drop(&c->bucket, path, err));
    return tm__fs_remove(path, err);
}

typedef struct folder {
    collecting *c;
    const char *dir, *suffix;
    json_t *objects; /* names */
    tm_status st;
    tm_err *err;
} folder;

static bool look_at(void *arg, const char *name) {
    folder *f = arg;
    collecting *c = f->c;
    char hash[TM_HASH_TEXT];
    const size_t len = strlen(name), suffix = strlen(f->suffix);
    if (len != TM_HASH_TEXT - 1 + suffix || strcmp(name + TM_HASH_TEXT - 1, f->suffix) != 0) {
        return true; /* not ours, or not finished */
    }
    (void)tm__str_copy(hash, sizeof(hash), (tm_str){name, TM_HASH_TEXT - 1});
    char *path = tm__fs_join(f->dir, name);
    if (path == NULL) {
        f->st = TM_FAIL(f->err, TM_E_NOMEM, "out of memory");
        return false;
    }
    const tm_path_info info = tm__fs_info(path);
    const bool goes = json_object_get(c->reached, hash) == NULL && info.kind == TM_PATH_FILE &&
                      (json_object_get(c->released, hash) != NULL ||
                       (c->options->only == NULL && !is_young(c, info.modified_us)));
    if (goes) {
        c->bytes += (int64_t)info.size_bytes;
        json_array_append_new(
            c->files, json_pack("{s:s, s:I}", "file", name, "bytes", (json_int_t)info.size_bytes));
        f->st = c->options->is_dry ? TM_OK : remove_both(c, path, f->err);
    }
    tm__mem_free(path);
    return f->st == TM_OK;
}

/* An object of which the home has no file now. */
static bool note_object(void *arg, const char *name) {
    const folder *const f = arg;
    char hash[TM_HASH_TEXT];
    (void)tm__str_copy(hash, sizeof(hash), tm__str(name));
    return json_object_get(f->c->reached, hash) != NULL ||
           json_object_get(f->c->released, hash) == NULL ||
           json_array_append_new(f->objects, json_string(name)) == 0;
}

static tm_status drop_objects(const folder *f, tm_err *err) {
    size_t i = 0;
    const json_t *name = NULL;
    TM_TRY(tm__bucket_list(&f->c->bucket, f->dir, note_object, (void *)(uintptr_t)f, err));
    json_array_foreach(f->objects, i, name) {
        char *const path = tm__fs_join(f->dir, json_string_value(name));
        const tm_status st = path == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory")
                                          : tm__bucket_drop(&f->c->bucket, path, err);
        tm__mem_free(path);
        TM_TRY(st);
    }
    return TM_OK;
}

static tm_status look_into(collecting *c, const char *dir, const char *suffix, tm_err *err) {
    folder f = {.c = c, .dir = dir, .suffix = suffix, .err = err, .objects = json_array()};
    if (tm__fs_info(dir).kind != TM_PATH_DIR) {
        json_decref(f.objects);
        return TM_OK;
    }
    tm_status st = tm__json_check(err);
    st = st == TM_OK ? tm__fs_list(dir, look_at, &f, err) : st;
    st = st == TM_OK ? f.st : st;
    st = st == TM_OK && !c->options->is_dry ? drop_objects(&f, err) : st;
    json_decref(f.objects);
    TM_TRY(st);
    return c->options->is_dry ? TM_OK : tm__fs_sync_folder(dir, err);
}

static tm_status collect_files(collecting *c, tm_err *err) {
    TM_TRY(read_all_names(c, err));
    TM_TRY(look_into(c, tm__home_bundles(c->registry->home), ".tmb", err));
    return look_into(c, tm__home_snapshots(c->registry->home), ".parquet", err);
}

/* ---- Both ---- */

static tm_status collect(collecting *c, tm_err *err) {
    tm_db *const db = c->registry->db;
    TM_TRY(tm__db_begin(db, err));
    tm_status st = c->options->champions_too ? tm__db_changes_answers(db, err) : TM_OK;
    st = st == TM_OK ? mark_versions(c, err) : st;
    if (st == TM_OK && !c->options->is_dry) {
        TM_TRY(tm__db_commit(db, err));
        TM_TRY(tm__db_begin(db, err));
    }
    st = st == TM_OK ? collect_files(c, err) : st;
    tm__db_rollback(db);
    return st;
}

tm_status tm__registry_collect(tm_registry *registry, const tm_collection *options, json_t **out,
                               tm_err *err) {
    collecting c = {.registry = registry,
                    .options = options,
                    .now_us = tm__now_us(),
                    .reached = json_object(),
                    .released = json_object(),
                    .versions = json_array(),
                    .files = json_array()};
    tm_status st = tm__json_check(err);
    st = st == TM_OK ? collect(&c, err) : st;
    if (st == TM_OK) {
        *out = json_pack("{s:O, s:O, s:I, s:I}", "versions", c.versions, "files", c.files, "bytes",
                         (json_int_t)c.bytes, "kept", (json_int_t)c.kept);
        st = tm__json_check(err);
    }
    tm__bucket_done(&c.bucket);
    json_decref(c.reached);
    json_decref(c.released);
    json_decref(c.versions);
    json_decref(c.files);
    return st;
}

/* ---- One file ---- */

static tm_status remove_named(collecting *c, const char *dir, const char *hash, const char *suffix,
                              tm_err *err) {
    char name[TM_HASH_TEXT + 16];
    (void)snprintf(name, sizeof(name), "%.*s%s", TM_HASH_TEXT - 1, hash, suffix);
    char *const path = tm__fs_join(dir, name);
    const tm_status st =
        path == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory") : remove_both(c, path, err);
    tm__mem_free(path);
    return st;
}

static tm_status drop_locked(collecting *c, const char *hash, tm_err *err) {
    const tm_home *const home = c->registry->home;
    TM_TRY(read_all_names(c, err));
    if (json_object_get(c->reached, hash) != NULL) {
        return TM_OK;
    }
    TM_TRY(remove_named(c, tm__home_snapshots(home), hash, ".parquet", err));
    return remove_named(c, tm__home_bundles(home), hash, ".tmb", err);
}

tm_status tm__registry_file_drop(tm_registry *registry, const char *hash, tm_err *err) {
    collecting c = {.registry = registry, .reached = json_object(), .released = json_object()};
    tm_hash checked;
    tm_status st = tm__json_check(err);
    if (st == TM_OK && tm__hash_from_text(hash, &checked)) {
        st = tm__db_begin(registry->db, err);
        st = st == TM_OK ? drop_locked(&c, hash, err) : st;
        tm__db_rollback(registry->db);
    }
    tm__bucket_done(&c.bucket);
    json_decref(c.reached);
    json_decref(c.released);
    return st;
}

/* ---- A file that stays ---- */

tm_status tm__registry_file_renew(tm_registry *registry, const char *path, tm_err *err) {
    TM_TRY(tm__db_begin(registry->db, err));
    const tm_status st =
        tm__fs_info(path).kind == TM_PATH_FILE ? tm__vault_renew(path, err) : TM_OK;
    tm__db_rollback(registry->db);
    return st;
}

static tm_status settle_locked(collecting *c, const char *path, tm_err *err) {
    char hash[TM_HASH_TEXT];
    (void)tm__str_copy(hash, sizeof(hash), tm__str(strrchr(path, '/') + 1));
    if (tm__fs_info(path).kind == TM_PATH_FILE) {
        return TM_OK;
    }
    TM_TRY(read_all_names(c, err));
    return json_object_get(c->reached, hash) != NULL ? TM_OK
                                                     : tm__bucket_drop(&c->bucket, path, err);
}

tm_status tm__registry_object_settle(tm_registry *registry, const char *path, tm_err *err) {
    collecting c = {.registry = registry, .reached = json_object(), .released = json_object()};
    tm_status st = tm__json_check(err);
    st = st == TM_OK ? tm__db_begin(registry->db, err) : st;
    if (st == TM_OK) {
        st = settle_locked(&c, path, err);
        tm__db_rollback(registry->db);
    }
    tm__bucket_done(&c.bucket);
    json_decref(c.reached);
    json_decref(c.released);
    return st;
}
