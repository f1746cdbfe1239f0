/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tags are rows, for their state is asked for; notes are records of the history and nothing else. A
 * change of tags and its note are checked first and are one transaction then.
 */
#include "registry/tags.h"

#include <string.h>

#include "base/str.h"
#include "registry/registry_priv.h"
#include "store/db_list.h"

typedef struct tagging {
    const tm_version *version;
    const json_t *changes;
    const char *note;
    const tm_actor *actor;
    int64_t model_id; /* filled */
} tagging;

/* ---- What a tag may be ---- */

static tm_status check_name(const char *name, tm_err *err) {
    const size_t len = strlen(name);
    bool is_good = len > 0 && len <= TM_TAG_NAME_MAX;
    for (size_t i = 0; is_good && i < len; i++) {
        const char c = name[i];
        is_good = tm__is_alnum(c) || (i > 0 && strchr("_-./", c) != NULL);
    }
    if (is_good) {
        return TM_OK;
    }
    const tm_status st = TM_FAIL(err, TM_E_USAGE, "'%.70s' cannot be the name of a tag", name);
    tm_err_hint(err, "Use up to %u letters, digits, '_', '-', '.' and '/'.", TM_TAG_NAME_MAX);
    return st;
}

static bool is_plain(const char *text, size_t bytes_max) {
    const size_t len = strlen(text);
    bool is_good = len > 0 && len <= bytes_max && tm__str_is_utf8(tm__str(text));
    for (size_t i = 0; is_good && i < len; i++) {
        is_good = (unsigned char)text[i] >= 0x20 && text[i] != 0x7F;
    }
    return is_good;
}

static tm_status check_change(const char *name, const json_t *value, tm_err *err) {
    TM_TRY(check_name(name, err));
    if (json_is_null(value) ||
        (json_is_string(value) && is_plain(json_string_value(value), TM_TAG_VALUE_MAX))) {
        return TM_OK;
    }
    const tm_status st = TM_FAIL(err, TM_E_USAGE, "tag '%s' has a value that cannot be one", name);
    tm_err_hint(err, "Use one line of up to %u bytes.", TM_TAG_VALUE_MAX);
    return st;
}

static tm_status check(const tagging *in, tm_err *err) {
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)in->changes, name, value) {
        TM_TRY(check_change(name, value, err));
    }
    if (in->note != NULL && !is_plain(in->note, TM_NOTE_BYTES_MAX)) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "that cannot be a note");
        tm_err_hint(err, "Use one line of up to %u bytes.", TM_NOTE_BYTES_MAX);
        return st;
    }
    return TM_OK;
}

/* ---- Changing ---- */

static void bind_version(tm_stmt *stmt, const tagging *in) {
    tm__stmt_bind_i64(stmt, 1, in->model_id);
    tm__stmt_bind_i64(stmt, 2, in->version->number);
}

static tm_status set_locked(tm_registry *registry, const tagging *in, const char *name,
                            const char *value, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db,
                         "INSERT INTO tags(model_id, number, name, value) VALUES(?, ?, ?, ?)"
                         " ON CONFLICT(model_id, number, name) DO UPDATE SET value ="
                         " excluded.value",
                         &stmt, err));
    bind_version(stmt, in);
    tm__stmt_bind_text(stmt, 3, name);
    tm__stmt_bind_text(stmt, 4, value);
    return tm__stmt_run_done(stmt, err);
}

static tm_status remove_locked(tm_registry *registry, const tagging *in, const char *name,
                               tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db,
                         "DELETE FROM tags WHERE model_id = ? AND number = ? AND name = ?", &stmt,
                         err));
    bind_version(stmt, in);
    tm__stmt_bind_text(stmt, 3, name);
    const tm_status st = tm__stmt_run_done(stmt, err);
    if (st == TM_OK && tm__db_changes(registry->db) == 0) {
        return TM_FAIL(err, TM_E_NOT_FOUND, "version %u of '%s' has no tag '%s'",
                       in->version->number, in->version->model, name);
    }
    return st;
}

static tm_status check_count_locked(tm_registry *registry, const tagging *in, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(
        registry->db, "SELECT count(*) FROM tags WHERE model_id = ? AND number = ?", &stmt, err));
    bind_version(stmt, in);
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && tm__stmt_i64(stmt, 0) > (int64_t)TM_TAGS_MAX) {
        st = TM_FAIL(err, TM_E_LIMIT, "a version has at most %u tags", TM_TAGS_MAX);
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status change_locked(tm_registry *registry, const tagging *in, tm_err *err) {
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)in->changes, name, value) {
        TM_TRY(json_is_null(value) ? remove_locked(registry, in, name, err)
                                   : set_locked(registry, in, name, json_string_value(value), err));
    }
    TM_TRY(check_count_locked(registry, in, err));
    const tm_event event = {.model = in->version->model,
                            .event = "tagged",
                            .version = in->version->number,
                            .actor = in->actor,
                            .details = in->changes};
    return tm__history_append_locked(registry, &event, err);
}

static tm_status tag_locked(tm_registry *registry, void *arg, tm_err *err) {
    tagging *in = arg;
    TM_TRY(tm__registry_model_id(registry, in->version->model, &in->model_id, err));
    if (json_object_size(in->changes) > 0) {
        TM_TRY(change_locked(registry, in, err));
    }
    if (in->note == NULL) {
        return TM_OK;
    }
    const tm_event event = {.model = in->version->model,
                            .event = "noted",
                            .version = in->version->number,
                            .actor = in->actor,
                            .reason = in->note};
    return tm__history_append_locked(registry, &event, err);
}

tm_status tm__registry_tag(tm_registry *registry, const tm_version *version, const json_t *changes,
                           const char *note, const tm_actor *actor, tm_err *err) {
    tagging in = {.version = version, .changes = changes, .note = note, .actor = actor};
    TM_TRY(check(&in, err));
    return tm__registry_transact(registry, tag_locked, &in, err);
}

/* ---- Reading ---- */

tm_status tm__registry_tags(tm_registry *registry, const tm_version *version, json_t **out,
                            tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db,
                         "SELECT t.name, t.value FROM tags t JOIN models m ON m.id = t.model_id"
                         " WHERE m.name = ? AND t.number = ? ORDER BY t.name",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, version->model);
    tm__stmt_bind_i64(stmt, 2, version->number);
    json_t *tags = json_object();
    tm_status st = TM_OK;
    while (tm__stmt_next(stmt, &st, err)) {
        json_object_set_new(tags, tm__stmt_text(stmt, 0), json_string(tm__stmt_text(stmt, 1)));
    }
    tm__stmt_done(stmt);
    return tm__json_give(st, tags, out, err);
}

static json_t *note_of(tm_stmt *stmt) {
    return json_pack("{s:o, s:s, s:s}", "at", tm__json_time(tm__stmt_i64(stmt, 0)), "actor",
                     tm__stmt_text(stmt, 1), "text", tm__stmt_text(stmt, 2));
}

tm_status tm__registry_notes(tm_registry *registry, const tm_version *version, json_t **out,
                             tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db,
                         "SELECT at_us, actor, reason FROM history WHERE model = ? AND version = ?"
                         " AND event = 'noted' ORDER BY seq",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, version->model);
    tm__stmt_bind_i64(stmt, 2, version->number);
    return tm__stmt_list(stmt, note_of, out, err);
}
