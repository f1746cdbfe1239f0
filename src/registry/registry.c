/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Models and versions in meta.db.
 *
 *   models 1 ── n versions (immutable)  1 ── 0..1 verdicts
 *          1 ── n aliases ── version    champion: exactly one; challenger: the newest other
 *          1 ── n routes                served with the champion, or split between arms
 *                           versions  1 ── n tags, 0..1 collected (its file is gone)
 *
 * 1. A version's file is in the home, whole, before its row exists.
 * 2. Every move and its history record are one transaction.
 * 3. A model has a champion from its first version on.
 */
#include "registry/registry.h"

#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/proc.h"
#include "registry/registry_priv.h"
#include "store/db_list.h"
#include "tidemill/bundle.h"

#define TM_META_APPLICATION_ID 0x544D4D45u /* "TMME" */
#define TM_INFO_BYTES_MAX (64u << 20)

static const tm_migration meta_migrations[] = {
    {1,
     "CREATE TABLE models(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
     " created_us INTEGER NOT NULL, gate TEXT, recipe TEXT) STRICT;"
     "CREATE TABLE versions(model_id INTEGER NOT NULL REFERENCES models(id),"
     " number INTEGER NOT NULL CHECK(number > 0), bundle_hash BLOB NOT NULL"
     " CHECK(length(bundle_hash) = 32), created_us INTEGER NOT NULL, snapshot TEXT NOT NULL,"
     " info TEXT NOT NULL, PRIMARY KEY(model_id, number)) STRICT;"
     "CREATE TRIGGER versions_update BEFORE UPDATE ON versions"
     " BEGIN SELECT RAISE(ABORT, 'a version never changes'); END;"
     "CREATE TRIGGER versions_delete BEFORE DELETE ON versions"
     " BEGIN SELECT RAISE(ABORT, 'a version is never removed'); END;"
     "CREATE TABLE verdicts(model_id INTEGER NOT NULL, number INTEGER NOT NULL,"
     " is_open INTEGER NOT NULL, reason TEXT NOT NULL, at_us INTEGER NOT NULL,"
     " PRIMARY KEY(model_id, number),"
     " FOREIGN KEY(model_id, number) REFERENCES versions(model_id, number)) STRICT;"
     "CREATE TABLE aliases(model_id INTEGER NOT NULL, name TEXT NOT NULL, number INTEGER NOT NULL,"
     " PRIMARY KEY(model_id, name),"
     " FOREIGN KEY(model_id, number) REFERENCES versions(model_id, number)) STRICT;"
     "CREATE TABLE routes(name TEXT NOT NULL PRIMARY KEY, model_id INTEGER NOT NULL"
     " REFERENCES models(id), created_us INTEGER NOT NULL) STRICT;"
     "CREATE TABLE keys(id TEXT NOT NULL PRIMARY KEY, hash BLOB NOT NULL CHECK(length(hash) = 32),"
     " role INTEGER NOT NULL, name TEXT NOT NULL, created_us INTEGER NOT NULL,"
     " revoked_us INTEGER) STRICT;"
     "CREATE TABLE jobs(id TEXT NOT NULL PRIMARY KEY, kind TEXT NOT NULL, model TEXT NOT NULL,"
     " state TEXT NOT NULL, epoch INTEGER NOT NULL, started_us INTEGER NOT NULL,"
     " ended_us INTEGER, result TEXT) STRICT;"
     "CREATE INDEX jobs_running ON jobs(state) WHERE state = 'running';"
     "CREATE INDEX jobs_model ON jobs(model, kind, started_us);"
     "CREATE TABLE epoch(number INTEGER NOT NULL, begun_us INTEGER NOT NULL) STRICT;"
     "INSERT INTO epoch VALUES(0, 0);"
     "CREATE TABLE history(seq INTEGER PRIMARY KEY, at_us INTEGER NOT NULL, model TEXT NOT NULL,"
     " event TEXT NOT NULL, version INTEGER, from_version INTEGER, actor TEXT NOT NULL,"
     " reason TEXT, details TEXT, prev BLOB NOT NULL, hash BLOB NOT NULL) STRICT;"
     "CREATE INDEX history_model ON history(model, event);"
     "CREATE TRIGGER history_update BEFORE UPDATE ON history"
     " BEGIN SELECT RAISE(ABORT, 'history never changes'); END;"
     "CREATE TRIGGER history_delete BEFORE DELETE ON history"
     " BEGIN SELECT RAISE(ABORT, 'history is never removed'); END;"
     "CREATE TABLE chain(n INTEGER NOT NULL, hash BLOB NOT NULL) STRICT;"
     "INSERT INTO chain VALUES(0, zeroblob(32));",
     NULL},
    {2,
     "ALTER TABLE keys ADD COLUMN models TEXT NOT NULL DEFAULT '';"
     "ALTER TABLE keys ADD COLUMN rates TEXT NOT NULL DEFAULT '';"
     "ALTER TABLE keys ADD COLUMN expires_us INTEGER NOT NULL DEFAULT 0;",
     NULL},
    {3, "CREATE TABLE server_key(check_hash BLOB NOT NULL CHECK(length(check_hash) = 32)) STRICT;",
     tm__registry_seal_keys_locked},
    {4,
     "CREATE TABLE tags(model_id INTEGER NOT NULL, number INTEGER NOT NULL, name TEXT NOT NULL,"
     " value TEXT NOT NULL, PRIMARY KEY(model_id, number, name),"
     " FOREIGN KEY(model_id, number) REFERENCES versions(model_id, number)) STRICT;"
     "CREATE TABLE collected(model_id INTEGER NOT NULL, number INTEGER NOT NULL,"
     " at_us INTEGER NOT NULL, PRIMARY KEY(model_id, number),"
     " FOREIGN KEY(model_id, number) REFERENCES versions(model_id, number)) STRICT;"
     "CREATE TABLE signers(key BLOB NOT NULL PRIMARY KEY CHECK(length(key) = 32),"
     " name TEXT NOT NULL, created_us INTEGER NOT NULL) STRICT;"
     "CREATE TABLE hooks(model TEXT NOT NULL, name TEXT NOT NULL, seq INTEGER NOT NULL,"
     " n_tries INTEGER NOT NULL, next_us INTEGER NOT NULL, error TEXT,"
     " PRIMARY KEY(model, name)) STRICT;"
     "CREATE INDEX history_follow ON history(model, seq);"
     "CREATE INDEX history_version ON history(model, version, event)"
     " WHERE version IS NOT NULL;"
     "CREATE INDEX history_moments ON history(model, at_us)"
     " WHERE event IN ('promoted', 'rolled_back');"
     "CREATE INDEX history_moves ON history(model, seq)"
     " WHERE event IN ('promoted', 'rolled_back');",
     NULL},
    {5,
     "ALTER TABLE routes ADD COLUMN salt INTEGER NOT NULL DEFAULT 0;" /* 0: none was needed yet */
     "CREATE TABLE arms(route TEXT NOT NULL REFERENCES routes(name), model_id INTEGER NOT NULL,"
     " number INTEGER NOT NULL, weight INTEGER NOT NULL CHECK(weight > 0 AND weight <= 10000),"
     " PRIMARY KEY(route, number),"
     " FOREIGN KEY(model_id, number) REFERENCES versions(model_id, number)) STRICT;",
     NULL},
    {6,
     "ALTER TABLE routes ADD COLUMN shadow INTEGER NOT NULL DEFAULT 0;" /* a version; 0: none */
     "ALTER TABLE routes ADD COLUMN shadow_share INTEGER NOT NULL DEFAULT 0;"
     "CREATE TABLE rollouts(model TEXT NOT NULL PRIMARY KEY, number INTEGER NOT NULL,"
     " champion INTEGER NOT NULL, terms TEXT NOT NULL, step INTEGER NOT NULL,"
     " is_paused INTEGER NOT NULL DEFAULT 0, entered_us INTEGER NOT NULL,"
     " counted TEXT) STRICT;",
     NULL},
    {7,
     "CREATE TABLE turns(model TEXT NOT NULL, number INTEGER NOT NULL CHECK(number > 0),"
     " state TEXT NOT NULL, champion INTEGER NOT NULL, version INTEGER NOT NULL," /* 0: none yet */
     " began_us INTEGER NOT NULL, changed_us INTEGER NOT NULL, outcome TEXT," /* null: goes on */
     " story TEXT NOT NULL, PRIMARY KEY(model, number)) STRICT;"
     "CREATE UNIQUE INDEX turns_open ON turns(model) WHERE outcome IS NULL;",
     NULL},
    {8,
     "ALTER TABLE history ADD COLUMN object TEXT;"
     "ALTER TABLE history ADD COLUMN outcome TEXT;"
     "ALTER TABLE history ADD COLUMN subject BLOB;"
     "CREATE INDEX history_subject ON history(subject) WHERE subject IS NOT NULL;"
     "ALTER TABLE chain ADD COLUMN at_us INTEGER NOT NULL DEFAULT 0;"
     "ALTER TABLE chain ADD COLUMN key BLOB;"
     "ALTER TABLE chain ADD COLUMN signature BLOB;",
     tm__registry_sign_chain_locked},
    {0, NULL, NULL}};

tm_status tm__registry_db_open(const char *path, bool read_only, tm_registry *arg, tm_db **out,
                               tm_err *err) {
    const tm_db_options options = {
        .create = !read_only,
        .read_only = read_only,
        .migrations = meta_migrations,
        .application_id = TM_META_APPLICATION_ID,
        .migration_arg = arg,
    };
    return tm__db_open(path, &options, out, err);
}

tm_status tm__registry_db_move_open(const char *path, tm_registry *arg, bool create, tm_db **out,
                                    tm_err *err) {
    const tm_db_options options = {
        .create = create,
        .is_moving = true,
        .migrations = meta_migrations,
        .application_id = TM_META_APPLICATION_ID,
        .migration_arg = arg,
    };
    return tm__db_open(path, &options, out, err);
}

tm_status tm__registry_open_as(const tm_home *home, const tm_registry_way *way, tm_registry **out,
                               tm_err *err) {
    tm_registry *registry = tm__mem_zalloc(1, sizeof(*registry));
    if (registry == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    registry->home = home;
    const tm_db_options options = {
        .create = !way->read_only,
        .read_only = way->read_only,
        .may_be_away = way->may_be_away,
        .migrations = meta_migrations,
        .application_id = TM_META_APPLICATION_ID,
        .migration_arg = registry,
    };
    const tm_status st = tm__db_open(way->path == NULL ? tm__home_meta_db(home) : way->path,
                                     &options, &registry->db, err);
    if (st == TM_OK) {
        tm__registry_work_for(registry, tm__process_epoch());
        *out = registry;
        registry = NULL;
    }
    tm__registry_close(registry);
    return st;
}

void tm__registry_work_for(tm_registry *registry, int64_t epoch) {
    tm__db_fence(registry->db, epoch == 0 ? NULL : "SELECT number FROM epoch", epoch);
}

tm_status tm__registry_open(const tm_home *home, tm_registry **out, tm_err *err) {
    return tm__registry_open_as(home, &(tm_registry_way){0}, out, err);
}

tm_status tm__registry_open_read(const tm_home *home, tm_registry **out, tm_err *err) {
    return tm__registry_open_as(home, &(tm_registry_way){.read_only = true}, out, err);
}

void tm__registry_close(tm_registry *registry) {
    if (registry != NULL) {
        tm__anchor(registry, true);
        tm__db_close(registry->db);
        tm__mem_free(registry);
    }
}

tm_status tm__registry_generation(tm_registry *registry, int64_t *out, tm_err *err) {
    return tm__db_data_version(registry->db, out, err);
}

tm_status tm__registry_moment(tm_registry *registry, tm_db_moment *out, tm_err *err) {
    return tm__db_moment(registry->db, out, err);
}

tm_status tm__registry_transact(tm_registry *registry,
                                tm_status (*fn)(tm_registry *registry, void *arg, tm_err *err),
                                void *arg, tm_err *err) {
    TM_TRY(tm__db_begin(registry->db, err));
    TM_TRY(tm__db_end(registry->db, fn(registry, arg, err), err));
    tm__anchor(registry, false);
    return TM_OK;
}

/* ---- Small things ---- */

tm_status tm__registry_json_text(const json_t *value, char **out, tm_err *err) {
    if (value == NULL || json_is_null(value)) {
        *out = NULL;
        return TM_OK;
    }
    tm_buf buf;
    tm__buf_init(&buf, TM_INFO_BYTES_MAX);
    tm_status st = TM_OK;
    if (tm__json_write(&buf, value, TM_JSON_SORTED)) {
        size_t len = 0;
        *out = (char *)tm__buf_take(&buf, &len);
    } else {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    tm__buf_done(&buf);
    return st;
}

tm_status tm__registry_json(const char *text, json_t **out, tm_err *err) {
    if (text == NULL) {
        *out = json_null();
        return TM_OK;
    }
    return tm__json_parse(text, strlen(text), TM_MAX_JSON_DEPTH, out, err);
}

json_t *tm__registry_number(tm_stmt *stmt, int col) {
    return tm__stmt_is_null(stmt, col) ? json_null() : json_integer(tm__stmt_i64(stmt, col));
}

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

/* ---- Finding ---- */

tm_status tm__registry_names(tm_registry *registry, const char *sql, const char *model,
                             json_t **out, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db, sql, &stmt, err));
    if (model != NULL) {
        tm__stmt_bind_text(stmt, 1, model);
    }
    return tm__stmt_list(stmt, tm__stmt_name, out, err);
}

static tm_status model_absent(tm_registry *registry, const char *model, tm_err *err) {
    static const char all[] = "SELECT name FROM models ORDER BY name";
    json_t *names = NULL;
    const char **list = NULL;
    const char *nearest = NULL;
    if (tm__registry_names(registry, all, NULL, &names, NULL) == TM_OK) {
        const size_t n = json_array_size(names);
        list = tm__mem_alloc(n, sizeof(*list));
        for (size_t i = 0; list != NULL && i < n; i++) {
            list[i] = json_string_value(json_array_get(names, i));
        }
        if (list != NULL) {
            nearest = tm__str_nearest(tm__str(model), list, (uint32_t)n);
        }
    }
    const tm_status st = TM_FAIL(err, TM_E_NOT_FOUND, "there is no model '%s'", model);
    if (nearest != NULL) {
        tm_err_hint(err, "Did you mean '%s'?", nearest);
    } else {
        tm_err_hint(err, "List the models with 'tidemill model ls'.");
    }
    tm__mem_free(list);
    json_decref(names);
    return st;
}

tm_status tm__registry_model_id(tm_registry *registry, const char *model, int64_t *out_id,
                                tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db, "SELECT id FROM models WHERE name = ?", &stmt, err));
    tm__stmt_bind_text(stmt, 1, model);
    bool has_row = false;
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row) {
        *out_id = tm__stmt_i64(stmt, 0);
    }
    tm__stmt_done(stmt);
    if (st == TM_OK && !has_row) {
        st = model_absent(registry, model, err);
    }
    return st;
}

tm_status tm__registry_alias(tm_registry *registry, int64_t model_id, const char *name,
                             uint32_t *out_number, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db, "SELECT number FROM aliases WHERE model_id = ? AND name = ?",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, model_id);
    tm__stmt_bind_text(stmt, 2, name);
    bool has_row = false;
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK) {
        *out_number = has_row ? (uint32_t)tm__stmt_i64(stmt, 0) : 0;
    }
    tm__stmt_done(stmt);
    return st;
}

void tm__version_head(tm_stmt *stmt, tm_version *out) {
    tm_version version = {.number = (uint32_t)tm__stmt_i64(stmt, 1),
                          .created_us = tm__stmt_i64(stmt, 3)};
    const tm_str hash = tm__stmt_blob(stmt, 2);
    TM_ASSERT(hash.len == TM_HASH_BYTES);
    memcpy(version.bundle_hash.bytes, hash.ptr, TM_HASH_BYTES);
    (void)tm__str_copy(version.model, sizeof(version.model), tm__str(tm__stmt_text(stmt, 0)));
    (void)tm__str_copy(version.snapshot, sizeof(version.snapshot), tm__str(tm__stmt_text(stmt, 4)));
    (void)tm__str_copy(version.aliases, sizeof(version.aliases), tm__str(tm__stmt_text(stmt, 7)));
    const char *const state = !tm__stmt_is_null(stmt, 8)   ? "collected"
                              : tm__stmt_i64(stmt, 6) != 0 ? "ready"
                                                           : "refused";
    (void)tm__str_copy(version.state, sizeof(version.state), tm__str(state));
    *out = version;
}

static tm_status version_read(tm_stmt *stmt, tm_version *out, tm_err *err) {
    tm_version version;
    tm__version_head(stmt, &version);
    TM_TRY(tm__registry_json(tm__stmt_text(stmt, 5), &version.info, err));
    *out = version;
    return TM_OK;
}

static tm_status version_absent(tm_registry *registry, int64_t model_id, uint32_t number,
                                tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db,
                         "SELECT m.name, coalesce(max(v.number), 0) FROM models m"
                         " LEFT JOIN versions v ON v.model_id = m.id WHERE m.id = ?"
                         " GROUP BY m.name",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, model_id);
    bool has_row = false;
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK) {
        st = TM_FAIL(err, TM_E_NOT_FOUND, "there is no version %u of '%s'", number,
                     tm__stmt_text(stmt, 0));
        tm_err_hint(err, "Its versions are 1 to %lld.", (long long)tm__stmt_i64(stmt, 1));
    }
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__registry_load(tm_registry *registry, int64_t model_id, uint32_t number,
                            tm_version *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db,
                         "SELECT " TM_VERSION_COLUMNS " WHERE v.model_id = ? AND v.number = ?",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, model_id);
    tm__stmt_bind_i64(stmt, 2, number);
    bool has_row = false;
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row) {
        st = version_read(stmt, out, err);
    } else if (st == TM_OK) {
        st = version_absent(registry, model_id, number, err);
    }
    tm__stmt_done(stmt);
    return st;
}

void tm__version_done(tm_version *version) {
    json_decref(version->info);
    version->info = NULL;
}

static tm_status find_number(tm_registry *registry, int64_t model_id, tm_str name,
                             uint32_t *out_number, tm_err *err) {
    uint64_t number = 0;
    char alias[TM_MAX_NAME + 1];
    if (tm__str_to_u64(name, &number)) {
        *out_number = number > UINT32_MAX ? UINT32_MAX : (uint32_t)number;
        return TM_OK;
    }
    (void)tm__str_copy(alias, sizeof(alias), name);
    uint32_t found = 0;
    TM_TRY(tm__registry_alias(registry, model_id, alias, &found, err));
    if (found == 0) {
        const bool is_known = strcmp(alias, "challenger") == 0 || strcmp(alias, "champion") == 0;
        const tm_status st = is_known
                                 ? TM_FAIL(err, TM_E_NOT_FOUND, "the model has no %s", alias)
                                 : TM_FAIL(err, TM_E_NOT_FOUND, "there is no alias '%s'", alias);
        tm_err_hint(err, is_known ? "Name a version number; 'tidemill model show' lists them."
                                  : "Name a version number, 'champion' or 'challenger'.");
        return st;
    }
    *out_number = found;
    return TM_OK;
}

tm_status tm__registry_find(tm_registry *registry, const char *name, tm_version *out, tm_err *err) {
    tm_str rest = tm__str(name);
    char model[TM_MAX_NAME + 1];
    const tm_str first = tm__str_cut(&rest, '@');
    const bool is_bare = first.len == strlen(name);
    if (!tm__str_copy(model, sizeof(model), first)) {
        return TM_FAIL(err, TM_E_NOT_FOUND, "there is no model with so long a name");
    }
    int64_t model_id = 0;
    uint32_t number = 0;
    TM_TRY(tm__registry_model_id(registry, model, &model_id, err));
    TM_TRY(find_number(registry, model_id, is_bare ? TM_STR("champion") : rest, &number, err));
    return tm__registry_load(registry, model_id, number, out, err);
}

/* ---- Registering ---- */

static tm_status name_check(const char *name, tm_err *err) {
    const size_t len = strlen(name);
    bool is_good = len > 0 && len <= TM_MAX_NAME;
    for (size_t i = 0; is_good && i < len; i++) {
        const char c = name[i];
        const bool is_word = tm__is_alnum(c) || c == '_';
        is_good = is_word || (i > 0 && (c == '-' || c == '.'));
    }
    if (is_good) {
        return TM_OK;
    }
    const tm_status st = TM_FAIL(err, TM_E_USAGE, "'%.64s' cannot be the name of a model", name);
    tm_err_hint(err,
                "Use up to %u letters, digits, '_', '-' and '.', starting with a letter or a "
                "digit.",
                TM_MAX_NAME);
    return st;
}

typedef struct tm_adding {
    const char *model;
    const tm_bundle *bundle;
    const json_t *recipe;
    const tm_actor *actor;
    char *info, *recipe_text; /* canonical; recipe_text may be NULL */
    tm_version version;       /* filled */
} tm_adding;

static tm_status add_model_locked(tm_registry *registry, const tm_adding *in, int64_t *out_id,
                                  tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db,
                         "INSERT INTO models(name, created_us, recipe) VALUES(?1, ?2, ?3)"
                         " ON CONFLICT(name) DO UPDATE SET recipe = coalesce(models.recipe, ?3)"
                         " RETURNING id",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, in->model);
    tm__stmt_bind_i64(stmt, 2, tm__now_us());
    tm__stmt_bind_text(stmt, 3, in->recipe_text);
    bool has_row = false;
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK) {
        TM_ASSERT(has_row);
        *out_id = tm__stmt_i64(stmt, 0);
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status add_version_locked(tm_registry *registry, const tm_adding *in, int64_t model_id,
                                    uint32_t *out_number, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(
        registry->db,
        "INSERT INTO versions(model_id, number, bundle_hash, created_us, snapshot, info)"
        " VALUES(?1, 1 + coalesce((SELECT max(number) FROM versions WHERE model_id = ?1), 0),"
        " ?2, ?3, ?4, ?5) RETURNING number",
        &stmt, err));
    const tm_hash *hash = tm__bundle_hash(in->bundle);
    tm__stmt_bind_i64(stmt, 1, model_id);
    tm__stmt_bind_blob(stmt, 2, hash->bytes, TM_HASH_BYTES);
    tm__stmt_bind_i64(stmt, 3, tm__now_us());
    tm__stmt_bind_text(stmt, 4, tm__json_text(tm__bundle_info(in->bundle), "snapshot", ""));
    tm__stmt_bind_text(stmt, 5, in->info);
    bool has_row = false;
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK) {
        TM_ASSERT(has_row);
        *out_number = (uint32_t)tm__stmt_i64(stmt, 0);
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status add_route_locked(tm_registry *registry, const char *name, int64_t model_id,
                                  tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db,
                         "INSERT INTO routes(name, model_id, created_us) VALUES(?, ?, ?)", &stmt,
                         err));
    tm__stmt_bind_text(stmt, 1, name);
    tm__stmt_bind_i64(stmt, 2, model_id);
    tm__stmt_bind_i64(stmt, 3, tm__now_us());
    return tm__stmt_run_done(stmt, err);
}

/* What is collected is removed under the lock that this transaction holds now. */
static tm_status check_file_locked(tm_registry *registry, const tm_bundle *bundle, tm_err *err) {
    char *path = tm__home_bundle_path(registry->home, tm__bundle_hash(bundle));
    const bool is_there = path != NULL && tm__fs_info(path).kind == TM_PATH_FILE;
    tm__mem_free(path);
    return path == NULL ? no_memory(err)
           : is_there   ? TM_OK
                        : TM_FAIL(err, TM_E_CONFLICT,
                                  "the model file was collected before it was registered");
}

void tm__registry_learns_since(tm_registry *registry, int64_t since_us) {
    registry->learns_us = since_us;
}

/* An erasure says that it looks once more, and looks then: what is added before is found, and what
 * was begun before and is added later is refused. */
static tm_status check_erased_locked(tm_registry *registry, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    if (registry->learns_us == 0) {
        return TM_OK;
    }
    TM_TRY(tm__stmt_init(registry->db,
                         "SELECT 1 FROM history WHERE model = '' AND event = 'subject.cleared' AND"
                         " at_us >= ? LIMIT 1",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, registry->learns_us);
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row) {
        st = TM_FAIL(err, TM_E_CONFLICT,
                     "a subject was erased while the model learned, perhaps from their rows");
        tm_err_hint(err, "Train again: the rows that are read now are without them.");
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status note_added_locked(tm_registry *registry, const tm_adding *in, uint32_t number,
                                   uint32_t champion, tm_err *err) {
    const json_t *info = tm__bundle_info(in->bundle);
    const char *metric = tm__json_text(info, "metric", "");
    char hash[TM_HASH_TEXT];
    double score = 0;
    tm__hash_to_text(tm__bundle_hash(in->bundle), hash);
    json_t *details = json_object();
    int rc = json_object_set_new(details, "bundle_hash", json_string(hash));
    rc |= json_object_set_new(details, "learner", json_string(tm__json_text(info, "learner", "")));
    rc |= json_object_set_new(details, "code", json_string(tm_version_text()));
    if (tm__registry_score(info, metric, &score)) {
        rc |= json_object_set_new(details, metric, tm__json_number(score));
    }
    if (in->actor->evidence != NULL) {
        rc |= json_object_update_missing(details, (json_t *)(uintptr_t)in->actor->evidence);
    }
    const tm_event event = {.model = in->model,
                            .event = "registered",
                            .version = number,
                            .from = champion,
                            .actor = in->actor,
                            .details = details};
    const tm_status st =
        rc == 0 ? tm__history_append_locked(registry, &event, err) : no_memory(err);
    json_decref(details);
    return st;
}

static tm_status add_locked(tm_registry *registry, void *arg, tm_err *err) {
    tm_adding *in = arg;
    int64_t model_id = 0;
    uint32_t number = 0, champion = 0;
    TM_TRY(check_file_locked(registry, in->bundle, err));
    TM_TRY(check_erased_locked(registry, err));
    TM_TRY(add_model_locked(registry, in, &model_id, err));
    TM_TRY(add_version_locked(registry, in, model_id, &number, err));
    TM_TRY(tm__registry_alias(registry, model_id, "champion", &champion, err));
    TM_TRY(note_added_locked(registry, in, number, champion, err));
    if (champion == 0) {
        champion = number;
        TM_TRY(add_route_locked(registry, in->model, model_id, err));
        const tm_event event = {.model = in->model,
                                .event = "promoted",
                                .version = number,
                                .actor = in->actor,
                                .reason = "first version"};
        TM_TRY(tm__history_append_locked(registry, &event, err));
    }
    TM_TRY(tm__registry_move_locked(registry, model_id, champion, err));
    return tm__registry_load(registry, model_id, number, &in->version, err);
}

/* What is shown of a version: the record that its hash covers, and the curves of its run, which are
 * beside it for their seconds. */
static tm_status info_text(const tm_bundle *bundle, char **out, tm_err *err) {
    json_t *const info = json_copy((json_t *)(uintptr_t)tm__bundle_info(bundle));
    json_t *const curves = json_object_get(tm__bundle_notes(bundle), "curves");
    if (json_object_size(curves) > 0) {
        json_object_set(info, "curves", curves);
    }
    tm_status st = tm__json_check(err);
    st = st == TM_OK ? tm__registry_json_text(info, out, err) : st;
    json_decref(info);
    return st;
}

tm_status tm__registry_add(tm_registry *registry, const char *model, const tm_bundle *bundle,
                           const json_t *recipe, const tm_actor *actor, tm_version *out,
                           tm_err *err) {
    TM_TRY(name_check(model, err));
    tm_bundle *stored = NULL;
    TM_TRY(
        tm__registry_file_open(registry, tm__bundle_hash(bundle), &stored, err)); /* invariant 1 */
    tm__bundle_unref(stored);
    tm_adding in = {.model = model, .bundle = bundle, .recipe = recipe, .actor = actor};
    tm_status st = info_text(bundle, &in.info, err);
    if (st == TM_OK) {
        st = tm__registry_json_text(recipe, &in.recipe_text, err);
    }
    if (st == TM_OK) {
        st = tm__registry_transact(registry, add_locked, &in, err);
    }
    if (st == TM_OK) {
        *out = in.version;
        in.version.info = NULL;
    }
    tm__version_done(&in.version);
    tm__mem_free(in.info);
    tm__mem_free(in.recipe_text);
    return st;
}
