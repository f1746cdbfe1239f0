/* SPDX-License-Identifier: Apache-2.0 */
/* Keys. */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "registry/registry_priv.h"
#include "store/db_list.h"

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

/* ---- Keys ---- */

typedef struct tm_keying {
    const tm_key *key; /* adding */
    tm_hash sealed;    /* of it, set inside the transaction */
    tm_key_terms terms;
    const char *id; /* revoking, rotating */
    int64_t until_us;
    const tm_actor *actor;
} tm_keying;

static const char *text_or_empty(const char *text) {
    return text == NULL ? "" : text;
}

static tm_status key_note_locked(tm_registry *registry, const char *event, const char *id,
                                 const tm_keying *in, tm_err *err) {
    json_t *details = json_pack("{s:s}", "key", id);
    if (details == NULL) {
        return no_memory(err);
    }
    const tm_key_terms *t = &in->terms;
    int rc = 0;
    if (in->key != NULL) {
        rc |= json_object_set_new(details, "role", json_string(tm__guard_role_text(t->role)));
        rc |= json_object_set_new(details, "name", json_string(text_or_empty(t->name)));
    }
    if (in->key != NULL && t->models != NULL && t->models[0] != '\0') {
        rc |= json_object_set_new(details, "models", json_string(t->models));
    }
    if (in->key != NULL && t->expires_us != 0) {
        rc |= json_object_set_new(details, "expires", tm__json_time(t->expires_us));
    }
    if (in->until_us != 0) {
        rc |= json_object_set_new(details, "rotated", json_string(in->id));
        rc |= json_object_set_new(details, "until", tm__json_time(in->until_us));
    }
    if (rc != 0) {
        json_decref(details);
        return no_memory(err);
    }
    char object[32];
    (void)snprintf(object, sizeof(object), "key:%.16s", id);
    const tm_event record = {
        .model = "", .event = event, .actor = in->actor, .details = details, .object = object};
    const tm_status st = tm__history_append_locked(registry, &record, err);
    json_decref(details);
    return st;
}

static tm_status key_seal_locked(tm_registry *registry, tm_keying *in, tm_err *err) {
    tm_server_key server;
    TM_TRY(tm__registry_server_key_locked(registry, &server, err));
    tm__key_seal(&server, &in->key->hash, &in->sealed);
    tm__server_key_done(&server);
    return TM_OK;
}

static tm_status key_add_locked(tm_registry *registry, void *arg, tm_err *err) {
    tm_keying *in = arg;
    tm_stmt *stmt = NULL;
    TM_TRY(key_seal_locked(registry, in, err));
    TM_TRY(tm__stmt_init(registry->db,
                         "INSERT INTO keys(id, hash, role, name, created_us, models, rates,"
                         " expires_us) VALUES(?,?,?,?,?,?,?,?)",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, in->key->id);
    tm__stmt_bind_blob(stmt, 2, in->sealed.bytes, TM_HASH_BYTES);
    tm__stmt_bind_i64(stmt, 3, (int64_t)in->terms.role);
    tm__stmt_bind_text(stmt, 4, text_or_empty(in->terms.name));
    tm__stmt_bind_i64(stmt, 5, tm__now_us());
    tm__stmt_bind_text(stmt, 6, text_or_empty(in->terms.models));
    tm__stmt_bind_text(stmt, 7, text_or_empty(in->terms.rates));
    tm__stmt_bind_i64(stmt, 8, in->terms.expires_us);
    const tm_status st = tm__stmt_run_done(stmt, err);
    TM_TRY(st);
    return key_note_locked(registry, "key.created", in->key->id, in, err);
}

tm_status tm__registry_key_add(tm_registry *registry, const tm_key *key, const tm_key_terms *terms,
                               const tm_actor *actor, tm_err *err) {
    TM_ASSERT(terms->role != TM_GUARD_NOBODY);
    tm_keying in = {.key = key, .terms = *terms, .actor = actor};
    return tm__registry_transact(registry, key_add_locked, &in, err);
}

static tm_status key_absent(const char *id, tm_err *err) {
    const tm_status st = TM_FAIL(err, TM_E_NOT_FOUND, "there is no live key '%.16s'", id);
    tm_err_hint(err, "List the keys with 'tidemill key ls'.");
    return st;
}

static tm_status key_revoke_locked(tm_registry *registry, void *arg, tm_err *err) {
    const tm_keying *in = arg;
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db,
                         "UPDATE keys SET revoked_us = ? WHERE id = ? AND revoked_us IS NULL",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, tm__now_us());
    tm__stmt_bind_text(stmt, 2, in->id);
    tm_status st = tm__stmt_run_done(stmt, err);
    if (st == TM_OK && tm__db_changes(registry->db) == 0) {
        st = key_absent(in->id, err);
    }
    TM_TRY(st);
    return key_note_locked(registry, "key.revoked", in->id, in, err);
}

tm_status tm__registry_key_revoke(tm_registry *registry, const char *id, const tm_actor *actor,
                                  tm_err *err) {
    tm_keying in = {.id = id, .actor = actor};
    return tm__registry_transact(registry, key_revoke_locked, &in, err);
}

/* The new key takes the row of the old one but for id, hash and end. */
static tm_status key_rotate_locked(tm_registry *registry, void *arg, tm_err *err) {
    tm_keying *in = arg;
    tm_stmt *stmt = NULL;
    TM_TRY(key_seal_locked(registry, in, err));
    TM_TRY(tm__stmt_init(registry->db,
                         "INSERT INTO keys(id, hash, role, name, created_us, models, rates,"
                         " expires_us) SELECT ?1, ?2, role, name, ?3, models, rates, expires_us"
                         " FROM keys WHERE id = ?4 AND revoked_us IS NULL"
                         " AND (expires_us = 0 OR expires_us > ?3)",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, in->key->id);
    tm__stmt_bind_blob(stmt, 2, in->sealed.bytes, TM_HASH_BYTES);
    tm__stmt_bind_i64(stmt, 3, tm__now_us());
    tm__stmt_bind_text(stmt, 4, in->id);
    tm_status st = tm__stmt_run_done(stmt, err);
    if (st == TM_OK && tm__db_changes(registry->db) == 0) {
        st = key_absent(in->id, err);
    }
    TM_TRY(st);
    TM_TRY(tm__stmt_init(registry->db,
                         "UPDATE keys SET expires_us = ?1 WHERE id = ?2"
                         " AND (expires_us = 0 OR expires_us > ?1)",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, in->until_us);
    tm__stmt_bind_text(stmt, 2, in->id);
    st = tm__stmt_run_done(stmt, err);
    TM_TRY(st);
    tm_keying note = *in;
    note.key = NULL; /* role and name are those of the old one */
    return key_note_locked(registry, "key.rotated", in->key->id, &note, err);
}

tm_status tm__registry_key_rotate(tm_registry *registry, const char *id, const tm_key *key,
                                  int64_t until_us, const tm_actor *actor, tm_err *err) {
    tm_keying in = {.key = key, .id = id, .until_us = until_us, .actor = actor};
    return tm__registry_transact(registry, key_rotate_locked, &in, err);
}

static json_t *time_or_null(tm_stmt *stmt, int col) {
    return tm__stmt_is_null(stmt, col) ? json_null() : tm__json_time(tm__stmt_i64(stmt, col));
}

/* The object, or NULL when a member could not be set. */
static json_t *object_if(json_t *object, int rc) {
    if (rc != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *key_item(tm_stmt *stmt) {
    json_t *item = json_object();
    const tm_guard_role role = (tm_guard_role)tm__stmt_i64(stmt, 1);
    int rc = json_object_set_new(item, "id", json_string(tm__stmt_text(stmt, 0)));
    rc |= json_object_set_new(item, "role", json_string(tm__guard_role_text(role)));
    rc |= json_object_set_new(item, "name", json_string(tm__stmt_text(stmt, 2)));
    rc |= json_object_set_new(item, "models", json_string(tm__stmt_text(stmt, 5)));
    rc |= json_object_set_new(item, "rate", json_string(tm__stmt_text(stmt, 6)));
    rc |= json_object_set_new(item, "created", time_or_null(stmt, 3));
    rc |= json_object_set_new(item, "expires",
                              tm__stmt_i64(stmt, 7) == 0 ? json_null() : time_or_null(stmt, 7));
    rc |= json_object_set_new(item, "revoked", time_or_null(stmt, 4));
    return object_if(item, rc);
}

tm_status tm__registry_keys(tm_registry *registry, json_t **out, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db,
                         "SELECT id, role, name, created_us, revoked_us, models, rates, expires_us"
                         " FROM keys"
                         " ORDER BY created_us, id",
                         &stmt, err));
    return tm__stmt_list(stmt, key_item, out, err);
}

tm_status tm__registry_key_list(tm_registry *registry,
                                bool (*fn)(void *arg, const tm_stored_key *key), void *arg,
                                tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db,
                         "SELECT id, hash, role, name, models, rates, expires_us FROM keys"
                         " WHERE revoked_us IS NULL ORDER BY id",
                         &stmt, err));
    tm_status st = TM_OK;
    for (bool goes_on = true; goes_on && tm__stmt_next(stmt, &st, err);) {
        tm_stored_key key = {.id = tm__stmt_text(stmt, 0),
                             .terms = {.role = (tm_guard_role)tm__stmt_i64(stmt, 2),
                                       .name = tm__stmt_text(stmt, 3),
                                       .models = tm__stmt_text(stmt, 4),
                                       .rates = tm__stmt_text(stmt, 5),
                                       .expires_us = tm__stmt_i64(stmt, 6)}};
        const tm_str bytes = tm__stmt_blob(stmt, 1);
        TM_ASSERT(bytes.len == TM_HASH_BYTES);
        memcpy(key.hash.bytes, bytes.ptr, TM_HASH_BYTES);
        goes_on = fn(arg, &key);
    }
    tm__stmt_done(stmt);
    return st;
}
