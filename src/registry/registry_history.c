/* SPDX-License-Identifier: Apache-2.0 */
/* The append-only record of every move, chained by hashes and signed at its end by the home's key:
 * the audit chain. docs/formats/home.md has the bytes; registry_verify.c checks it. */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "registry/registry_priv.h"
#include "registry/restored.h"

/* ---- The head ---- */

tm_status tm__chain_load(tm_db *db, tm_audit_head *out, bool *out_is_signed, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(db, "SELECT n, hash, at_us, key, signature FROM chain", &stmt, err));
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK) {
        tm_audit_head head = {0};
        const tm_str hash = has_row ? tm__stmt_blob(stmt, 1) : (tm_str){0};
        const tm_str key = has_row ? tm__stmt_blob(stmt, 3) : (tm_str){0};
        const tm_str signature = has_row ? tm__stmt_blob(stmt, 4) : (tm_str){0};
        if (hash.len != TM_HASH_BYTES) {
            st = TM_FAIL(err, TM_E_INTEGRITY, "the history has lost its head");
        } else {
            head.n = tm__stmt_i64(stmt, 0);
            head.at_us = tm__stmt_i64(stmt, 2);
            memcpy(head.hash.bytes, hash.ptr, TM_HASH_BYTES);
            *out_is_signed = key.len == TM_PUBLIC_KEY_BYTES && signature.len == TM_SIGNATURE_BYTES;
            if (*out_is_signed) {
                memcpy(head.key.bytes, key.ptr, TM_PUBLIC_KEY_BYTES);
                memcpy(head.signature.bytes, signature.ptr, TM_SIGNATURE_BYTES);
            }
            *out = head;
        }
    }
    tm__stmt_done(stmt);
    return st;
}

/* Sign a head and store it. */
static tm_status chain_save(tm_db *db, const tm_signing_key *key, tm_audit_head *head,
                            tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db, "UPDATE chain SET n = ?, hash = ?, at_us = ?, key = ?, signature = ?",
                         &stmt, err));
    tm__audit_sign(key, head);
    tm__stmt_bind_i64(stmt, 1, head->n);
    tm__stmt_bind_blob(stmt, 2, head->hash.bytes, TM_HASH_BYTES);
    tm__stmt_bind_i64(stmt, 3, head->at_us);
    tm__stmt_bind_blob(stmt, 4, head->key.bytes, TM_PUBLIC_KEY_BYTES);
    tm__stmt_bind_blob(stmt, 5, head->signature.bytes, TM_SIGNATURE_BYTES);
    return tm__stmt_run_done(stmt, err);
}

tm_status tm__registry_sign_chain_locked(tm_db *db, tm_err *err) {
    tm_audit_head head;
    tm_signing_key key;
    bool is_signed = false;
    TM_TRY(tm__chain_load(db, &head, &is_signed, err));
    if (head.n == 0) {
        return TM_OK;
    }
    TM_TRY(tm__trust_own_locked(tm__db_migration_arg(db), &key, err));
    head.at_us = tm__now_us();
    const tm_status st = chain_save(db, &key, &head, err);
    tm__signing_key_done(&key);
    return st;
}

/* ---- Appending ---- */

static tm_str text_of(const char *text) {
    return text == NULL ? (tm_str){0} : tm__str(text);
}

static void bind_number(tm_stmt *stmt, int index, int64_t value) {
    if (value < 0) {
        tm__stmt_bind_null(stmt, index);
    } else {
        tm__stmt_bind_i64(stmt, index, value);
    }
}

static void bind_text(tm_stmt *stmt, int index, tm_str text) {
    if (text.ptr == NULL) {
        tm__stmt_bind_null(stmt, index);
    } else {
        tm__stmt_bind_str(stmt, index, text);
    }
}

static tm_status entry_save(tm_db *db, const tm_audit_entry *entry, const tm_hash *prev,
                            const tm_hash *hash, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "INSERT INTO history(seq, at_us, model, event, version, from_version,"
                         " actor, reason, details, prev, hash, object, outcome, subject)"
                         " VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, entry->seq);
    tm__stmt_bind_i64(stmt, 2, entry->at_us);
    bind_text(stmt, 3, entry->model);
    bind_text(stmt, 4, entry->event);
    bind_number(stmt, 5, entry->version);
    bind_number(stmt, 6, entry->from);
    bind_text(stmt, 7, entry->actor);
    bind_text(stmt, 8, entry->reason);
    bind_text(stmt, 9, entry->details);
    tm__stmt_bind_blob(stmt, 10, prev->bytes, TM_HASH_BYTES);
    tm__stmt_bind_blob(stmt, 11, hash->bytes, TM_HASH_BYTES);
    bind_text(stmt, 12, entry->object);
    bind_text(stmt, 13, entry->outcome);
    if (entry->subject.ptr == NULL) {
        tm__stmt_bind_null(stmt, 14);
    } else {
        tm__stmt_bind_blob(stmt, 14, entry->subject.ptr, entry->subject.len);
    }
    return tm__stmt_run_done(stmt, err);
}

/* Put one record behind the head, which moves on to it. */
static tm_status append_one(tm_registry *registry, const tm_event *event, tm_audit_head *head,
                            tm_err *err) {
    const tm_hash prev = head->hash;
    tm_buf scratch;
    char *details = NULL;
    TM_TRY(tm__registry_json_text(event->details, &details, err));
    head->n++;
    head->at_us = tm__now_us();
    const tm_audit_entry entry = {
        .seq = head->n,
        .at_us = head->at_us,
        .version = event->version == 0 ? -1 : (int64_t)event->version,
        .from = event->from == 0 ? -1 : (int64_t)event->from,
        .model = text_of(event->model),
        .event = text_of(event->event),
        .actor = text_of(event->actor->name),
        .reason = text_of(event->reason != NULL ? event->reason : event->actor->reason),
        .details = text_of(details),
        .object = text_of(event->object),
        .outcome = text_of(event->outcome),
        .subject = event->subject == NULL
                       ? (tm_str){0}
                       : (tm_str){(const char *)event->subject->bytes, TM_HASH_BYTES},
    };
    tm__buf_init(&scratch, TM_AUDIT_ENTRY_BYTES_MAX);
    tm_status st = tm__audit_hash(&entry, &prev, &scratch, &head->hash, err);
    st = st == TM_OK ? entry_save(registry->db, &entry, &prev, &head->hash, err) : st;
    tm__buf_done(&scratch);
    tm__mem_free(details);
    return st;
}

/* The home signs with another key than before: its file is not in backups. The chain says so, which
 * binds both. */
static tm_status append_key(tm_registry *registry, const tm_signing_key *key, const tm_actor *actor,
                            tm_audit_head *head, tm_err *err) {
    char now[TM_PUBLIC_KEY_TEXT], before[TM_PUBLIC_KEY_TEXT];
    tm__public_key_to_text(&key->public_key, now);
    tm__public_key_to_text(&head->key, before);
    json_t *details = json_pack("{s:s, s:s}", "key", now, "before", before);
    const tm_actor who = {.name = actor->name};
    const tm_event event = {
        .model = "", .event = "audit.key", .actor = &who, .details = details, .object = "audit"};
    const tm_status st = details == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory")
                                         : append_one(registry, &event, head, err);
    json_decref(details);
    return st;
}

/* The home came out of a backup, and nothing was appended since. */
static tm_status append_restored(tm_registry *registry, const json_t *restored, tm_audit_head *head,
                                 tm_err *err) {
    const tm_actor who = {.name = tm__json_text(restored, "actor", "")};
    const tm_event event = {.model = "",
                            .event = "backup.restored",
                            .actor = &who,
                            .details = json_object_get(restored, "details"),
                            .object = "backup"};
    return restored == NULL ? TM_OK : append_one(registry, &event, head, err);
}

tm_status tm__history_append_locked(tm_registry *registry, const tm_event *event, tm_err *err) {
    tm_audit_head head;
    tm_signing_key key;
    json_t *restored = NULL;
    bool is_signed = false;
    TM_TRY(tm__chain_load(registry->db, &head, &is_signed, err));
    TM_TRY(tm__trust_own_locked(registry, &key, err));
    tm_status st = tm__restored_find_locked(registry, &restored, err);
    if (st == TM_OK && is_signed && memcmp(&head.key, &key.public_key, sizeof(head.key)) != 0) {
        st = append_key(registry, &key, event->actor, &head, err);
    }
    st = st == TM_OK ? append_restored(registry, restored, &head, err) : st;
    json_decref(restored);
    st = st == TM_OK ? append_one(registry, event, &head, err) : st;
    st = st == TM_OK ? chain_save(registry->db, &key, &head, err) : st;
    tm__signing_key_done(&key);
    registry->moved_n = st == TM_OK ? head.n : registry->moved_n;
    return st;
}

tm_status tm__history_last(tm_registry *registry, int64_t *out, tm_err *err) {
    tm_audit_head head;
    bool is_signed = false;
    TM_TRY(tm__chain_load(registry->db, &head, &is_signed, err));
    *out = head.n;
    return TM_OK;
}

static tm_status note_locked(tm_registry *registry, void *arg, tm_err *err) {
    const tm_event *event = arg;
    int64_t id = 0;
    TM_TRY(tm__registry_model_id(registry, event->model, &id, err));
    return tm__history_append_locked(registry, event, err);
}

tm_status tm__registry_note(tm_registry *registry, const char *model, const char *event,
                            uint32_t version, const tm_actor *actor, const json_t *details,
                            tm_err *err) {
    tm_event record = {
        .model = model, .event = event, .version = version, .actor = actor, .details = details};
    return tm__registry_transact(registry, note_locked, &record, err);
}

/* ---- Reading ---- */

static tm_status history_item(tm_stmt *stmt, json_t *list, tm_err *err) {
    json_t *details = NULL;
    TM_TRY(tm__registry_json(tm__stmt_text(stmt, 6), &details, err));
    json_t *item = json_object();
    int rc = json_object_set_new(item, "at", tm__json_time(tm__stmt_i64(stmt, 0)));
    rc |= json_object_set_new(item, "event", tm__json_string(tm__stmt_text(stmt, 1)));
    rc |= json_object_set_new(item, "version", tm__registry_number(stmt, 2));
    rc |= json_object_set_new(item, "from", tm__registry_number(stmt, 3));
    rc |= json_object_set_new(item, "actor", tm__json_string(tm__stmt_text(stmt, 4)));
    rc |= json_object_set_new(item, "reason", tm__json_string(tm__stmt_text(stmt, 5)));
    rc |= json_object_set_new(item, "details", details);
    rc |= json_array_append_new(list, item);
    return rc == 0 ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

tm_status tm__registry_history_find(tm_registry *registry, const char *model,
                                    const tm_history_filter *filter, json_t **out, tm_err *err) {
    int64_t id = 0;
    TM_TRY(tm__registry_model_id(registry, model, &id, err));
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(
        registry->db,
        "SELECT at_us, event, version, from_version, actor, reason, details FROM (SELECT * FROM"
        " history WHERE model = ?1 AND (?2 IS NULL OR event = ?2 OR"
        " substr(event, 1, length(?2) + 1) = ?2 || '.') AND (?3 = 0 OR version = ?3) AND"
        " (?4 = 0 OR at_us >= ?4) AND (?5 = 0 OR at_us < ?5) ORDER BY seq DESC LIMIT ?6) n"
        " ORDER BY seq",
        &stmt, err));
    tm__stmt_bind_text(stmt, 1, model);
    tm__stmt_bind_text(stmt, 2, filter->event);
    tm__stmt_bind_i64(stmt, 3, filter->version);
    tm__stmt_bind_i64(stmt, 4, filter->since_us);
    tm__stmt_bind_i64(stmt, 5, filter->until_us);
    tm__stmt_bind_i64(stmt, 6, filter->newest == 0 ? INT64_MAX : (int64_t)filter->newest);
    return tm__registry_rows(stmt, history_item, out, err);
}

tm_status tm__registry_history(tm_registry *registry, const char *model, json_t **out,
                               tm_err *err) {
    const tm_history_filter all = {0};
    return tm__registry_history_find(registry, model, &all, out, err);
}
