/* SPDX-License-Identifier: Apache-2.0 */
/* Models and versions as lists. */
#include <string.h>

#include "base/assert.h"
#include "base/json_scan.h"
#include "base/limits.h"
#include "base/mem.h"
#include "registry/registry_priv.h"
#include "tidemill/bundle.h"

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

tm_status tm__registry_rows(tm_stmt *stmt,
                            tm_status (*item)(tm_stmt *stmt, json_t *list, tm_err *err),
                            json_t **out, tm_err *err) {
    json_t *const list = json_array();
    tm_status st = list == NULL ? no_memory(err) : TM_OK;
    while (tm__stmt_next(stmt, &st, err)) {
        st = item(stmt, list, err);
    }
    tm__stmt_done(stmt);
    return tm__json_give(st, list, out, err);
}

static tm_status model_item(tm_stmt *stmt, json_t *list, tm_err *err) {
    json_t *info = NULL;
    TM_TRY(tm__registry_json(tm__stmt_text(stmt, 4), &info, err));
    const char *metric = tm__json_text(info, "metric", "");
    double score = 0;
    json_t *item = json_object();
    int rc = json_object_set_new(item, "model", json_string(tm__stmt_text(stmt, 0)));
    rc |= json_object_set_new(item, "champion", json_integer(tm__stmt_i64(stmt, 1)));
    rc |= json_object_set_new(item, "versions", json_integer(tm__stmt_i64(stmt, 2)));
    rc |= json_object_set_new(item, "created", tm__json_time(tm__stmt_i64(stmt, 3)));
    rc |= json_object_set_new(item, "target", json_string(tm__json_text(info, "target", "")));
    rc |= json_object_set_new(item, "task", json_string(tm__json_text(info, "task", "")));
    rc |= json_object_set_new(item, "metric", json_string(metric));
    rc |= json_object_set_new(item, "score",
                              tm__registry_score(info, metric, &score) ? tm__json_number(score)
                                                                       : json_null());
    rc |= json_array_append_new(list, item);
    json_decref(info);
    return rc == 0 ? TM_OK : no_memory(err);
}

/* Of an info's text the members that a list shows; the others, of which there is one for each of a
 * thousand columns, are stepped over. *io is changed. */
static tm_status read_brief(char *io, size_t len, json_t **out, tm_err *err) {
    tm_scan_error bad;
    if (!tm__scan_check(io, len, &bad) || *tm__scan_space(io) != '{') {
        return TM_FAIL(err, TM_E_INTEGRITY, "what is known of a version is no JSON");
    }
    json_t *const brief = json_object();
    char *after = NULL;
    for (char *p = tm__scan_enter(tm__scan_space(io), &after); p != NULL;
         p = tm__scan_more(p, &after)) {
        tm_str name;
        json_t *value = NULL;
        char *const begin = tm__scan_name(p, &name);
        const bool is_wanted = tm__str_is(name, "learner") || tm__str_is(name, "test");
        p = tm__scan_skip(begin);
        if (is_wanted) {
            const tm_status st =
                tm__json_parse(begin, (size_t)(p - begin), TM_MAX_JSON_DEPTH, &value, err);
            if (st != TM_OK) {
                json_decref(brief);
                return st;
            }
            json_object_set_new(brief, name.ptr[0] == 'l' ? "learner" : "test", value);
        }
    }
    *out = brief;
    return tm__json_check(err);
}

static tm_status version_brief(tm_stmt *stmt, tm_version *out, tm_err *err) {
    const char *const info = tm__stmt_text(stmt, 5);
    const size_t len = strlen(info);
    char *const copy = tm__mem_alloc(len + 1, 1);
    if (copy == NULL) {
        return no_memory(err);
    }
    memcpy(copy, info, len + 1);
    tm__version_head(stmt, out);
    const tm_status st = read_brief(copy, len, &out->info, err);
    tm__mem_free(copy);
    return st;
}

static tm_status version_item(tm_stmt *stmt, json_t *list, tm_err *err) {
    tm_version version = {0};
    TM_TRY(version_brief(stmt, &version, err));
    char hash[TM_HASH_TEXT];
    tm__hash_to_text(&version.bundle_hash, hash);
    json_t *test = json_object_get(version.info, "test");
    json_t *item = json_object();
    int rc = json_object_set_new(item, "version", json_integer(version.number));
    rc |= json_object_set_new(item, "bundle_hash", json_string(hash));
    rc |= json_object_set_new(item, "created", tm__json_time(version.created_us));
    rc |= json_object_set_new(item, "aliases", json_string(version.aliases));
    rc |= json_object_set_new(item, "state", json_string(version.state));
    rc |= json_object_set_new(item, "learner",
                              json_string(tm__json_text(version.info, "learner", "")));
    rc |= json_object_set_new(item, "test", test != NULL ? json_incref(test) : json_null());
    rc |= json_array_append_new(list, item);
    tm__version_done(&version);
    return rc == 0 ? TM_OK : no_memory(err);
}

tm_status tm__registry_models(tm_registry *registry, json_t **out, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db,
                         "SELECT m.name, a.number, (SELECT max(number) FROM versions n WHERE"
                         " n.model_id = m.id), m.created_us, v.info FROM models m"
                         " JOIN aliases a ON a.model_id = m.id AND a.name = 'champion'"
                         " JOIN versions v ON v.model_id = m.id AND v.number = a.number"
                         " ORDER BY m.name",
                         &stmt, err));
    return tm__registry_rows(stmt, model_item, out, err);
}

/* ?2 is what is looked for. */
#define FOUND                                                                                      \
    " (?2 = '' OR substr(CAST(v.number AS varchar), 1, length(?2)) = ?2 OR EXISTS(SELECT 1 FROM "  \
    "aliases f"                                                                                    \
    " WHERE f.model_id = v.model_id AND f.number = v.number AND instr(lower(f.name), lower(?2)) "  \
    "> 0)"                                                                                         \
    " OR EXISTS(SELECT 1 FROM tags f WHERE f.model_id = v.model_id AND f.number = v.number"        \
    " AND instr(lower(f.name || '=' || f.value), lower(?2)) > 0))"

static tm_status count_versions(tm_registry *registry, int64_t model_id, const char *find,
                                tm_version_counts *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(registry->db,
                         "SELECT count(*), count(CASE WHEN" FOUND " THEN 1 END)"
                         " FROM versions v WHERE v.model_id = ?1",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, model_id);
    tm__stmt_bind_text(stmt, 2, find);
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK) {
        TM_ASSERT(has_row);
        *out =
            (tm_version_counts){(uint64_t)tm__stmt_i64(stmt, 0), (uint64_t)tm__stmt_i64(stmt, 1)};
    }
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__registry_versions_find(tm_registry *registry, const char *model,
                                     const tm_version_filter *filter, tm_version_counts *out_counts,
                                     json_t **out, tm_err *err) {
    const char *const find = filter->find == NULL ? "" : filter->find;
    int64_t model_id = 0;
    tm_stmt *stmt = NULL;
    TM_TRY(tm__registry_model_id(registry, model, &model_id, err));
    TM_TRY(count_versions(registry, model_id, find, out_counts, err));
    TM_TRY(tm__stmt_init(registry->db,
                         "SELECT " TM_VERSION_COLUMNS " WHERE v.model_id = ?1 AND" FOUND
                         " ORDER BY v.number DESC LIMIT ?3 OFFSET ?4",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, model_id);
    tm__stmt_bind_text(stmt, 2, find);
    tm__stmt_bind_i64(stmt, 3, filter->count == 0 ? INT64_MAX : (int64_t)filter->count);
    tm__stmt_bind_i64(stmt, 4, filter->from == 0 ? 0 : (int64_t)filter->from - 1);
    return tm__registry_rows(stmt, version_item, out, err);
}

tm_status tm__registry_versions(tm_registry *registry, const char *model, json_t **out,
                                tm_err *err) {
    const tm_version_filter all = {0};
    tm_version_counts counts;
    return tm__registry_versions_find(registry, model, &all, &counts, out, err);
}

tm_status tm__registry_each_model(tm_registry *registry,
                                  tm_status (*fn)(tm_registry *registry, const char *model,
                                                  void *arg, tm_err *err),
                                  void *arg, tm_err *err) {
    json_t *models = NULL;
    const json_t *one = NULL;
    size_t i = 0;
    TM_TRY(tm__registry_models(registry, &models, err));
    tm_status st = TM_OK;
    json_array_foreach(models, i, one) {
        st = st == TM_OK ? fn(registry, tm__json_text(one, "model", ""), arg, err) : st;
    }
    json_decref(models);
    return st;
}

tm_status tm__registry_each_version(tm_registry *registry, const char *model,
                                    tm_status (*fn)(void *arg, const tm_version *version,
                                                    tm_err *err),
                                    void *arg, tm_err *err) {
    json_t *list = NULL;
    TM_TRY(tm__registry_versions(registry, model, &list, err));
    tm_status st = TM_OK;
    for (size_t i = 0; st == TM_OK && i < json_array_size(list); i++) {
        char name[TM_MAX_NAME + 16];
        tm_version version = {0};
        (void)snprintf(name, sizeof(name), "%s@%lld", model,
                       (long long)tm__json_i64(json_array_get(list, i), "version", 0));
        st = tm__registry_find(registry, name, &version, err);
        st = st == TM_OK ? fn(arg, &version, err) : st;
        tm__version_done(&version);
    }
    json_decref(list);
    return st;
}

tm_status tm__registry_verify(tm_registry *registry, const char *model, json_t **out, tm_err *err) {
    json_t *list = NULL;
    TM_TRY(tm__registry_versions(registry, model, &list, err));
    json_t *answer = json_array();
    int rc = answer == NULL;
    for (size_t i = 0; rc == 0 && i < json_array_size(list); i++) {
        const json_t *version = json_array_get(list, i);
        tm_hash hash;
        tm_bundle *bundle = NULL;
        tm_err found = {0};
        const char *text = tm__json_text(version, "bundle_hash", "");
        const bool is_hash = tm__hash_from_text(text, &hash);
        TM_ASSERT(is_hash);
        if (strcmp(tm__json_text(version, "state", ""), "collected") == 0) {
            continue;
        }
        const tm_status opened = tm__registry_file_open(registry, &hash, &bundle, &found);
        const bool is_ok = opened == TM_OK;
        tm__bundle_unref(bundle);
        rc |= opened == TM_E_NOMEM; /* says nothing of the file */
        json_t *item = json_object();
        rc |= json_object_set(item, "version", json_object_get(version, "version"));
        rc |= json_object_set_new(item, "bundle_hash", json_string(text));
        rc |= json_object_set_new(item, "ok", json_boolean(is_ok));
        rc |= json_object_set_new(item, "error", is_ok ? json_null() : json_string(found.message));
        rc |= json_array_append_new(answer, item);
    }
    json_decref(list);
    return tm__json_give(rc == 0 ? TM_OK : no_memory(err), answer, out, err);
}
