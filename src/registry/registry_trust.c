/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 1. The own key is made inside a writing transaction: one process at a time, so two exports cannot
 *    sign with different keys.
 * 2. Its file is durable before the first signature.
 * 3. Asking whether a signer is trusted makes nothing.
 */
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/sandbox.h"
#include "registry/registry_priv.h"
#include "registry/trust.h"
#include "store/db_list.h"

#define FILE_BYTES (TM_HASH_TEXT) /* hexadecimal digits of the seed and the end of a line */
#define NAME_BYTES_MAX 128u

/* ---- The home's own key ---- */

static char *own_path(const tm_registry *registry) {
    return tm__fs_join(tm__home_path(registry->home), TM_HOME_SIGNING_KEY);
}

static tm_status own_read(const char *path, tm_signing_key *out, tm_err *err) {
    tm_buf text;
    tm_hash seed;
    tm__process_hide();
    tm__buf_init(&text, FILE_BYTES);
    tm_status st = tm__fs_read_all(path, &text, err);
    if (st == TM_OK || st == TM_E_LIMIT) {
        const bool has_end = text.len == FILE_BYTES && text.data[FILE_BYTES - 1] == '\n';
        if (has_end) {
            text.data[FILE_BYTES - 1] = '\0';
        }
        if (st == TM_OK && has_end && tm__hash_from_text((const char *)text.data, &seed)) {
            tm__signing_key_from_seed(seed.bytes, out);
        } else {
            st = TM_FAIL(err, TM_E_INTEGRITY, "'%s' holds no signing key", path);
            tm_err_hint(err, "Put the file back, or remove it: the next export makes a new key, "
                             "which others must trust anew.");
        }
    }
    if (text.len > 0) {
        explicit_bzero(text.data, text.len);
    }
    explicit_bzero(&seed, sizeof(seed));
    tm__buf_done(&text);
    return st;
}

static tm_status own_make(const char *path, tm_signing_key *out, tm_err *err) {
    char text[FILE_BYTES];
    tm_hash seed;
    tm_signing_key key;
    tm__signing_key_create(&key);
    memcpy(seed.bytes, key.seed, TM_HASH_BYTES);
    tm__hash_to_text(&seed, text);
    text[FILE_BYTES - 1] = '\n';
    const tm_status st = tm__fs_publish_secret(path, text, FILE_BYTES, err);
    explicit_bzero(text, sizeof(text));
    explicit_bzero(&seed, sizeof(seed));
    if (st == TM_OK) {
        *out = key;
    }
    tm__signing_key_done(&key);
    return st;
}

/* One process at a time: the lock of the database is held. */
tm_status tm__trust_own_locked(const tm_registry *registry, tm_signing_key *out, tm_err *err) {
    char *path = own_path(registry);
    if (path == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    const tm_status st = tm__fs_info(path).kind == TM_PATH_NONE ? own_make(path, out, err)
                                                                : own_read(path, out, err);
    tm__mem_free(path);
    return st;
}

/* The chain of a home that has a key is never empty, so that an emptied one shows. */
static tm_status own_locked(tm_registry *registry, void *arg, tm_err *err) {
    static const tm_actor actor = {.name = "home"};
    const tm_event event = {
        .model = "", .event = "signing_key.made", .actor = &actor, .object = "signing_key"};
    int64_t n = 0;
    TM_TRY(tm__history_last(registry, &n, err));
    TM_TRY(tm__trust_own_locked(registry, arg, err));
    return n > 0 ? TM_OK : tm__history_append_locked(registry, &event, err);
}

tm_status tm__trust_own_find(const char *home, tm_public_key *out, bool *out_has, tm_err *err) {
    tm_signing_key key;
    char *path = tm__fs_join(home, TM_HOME_SIGNING_KEY);
    if (path == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    const bool has = tm__fs_info(path).kind != TM_PATH_NONE;
    const tm_status st = has ? own_read(path, &key, err) : TM_OK;
    if (st == TM_OK && has) {
        *out = key.public_key;
        tm__signing_key_done(&key);
    }
    tm__mem_free(path);
    if (st == TM_OK) {
        *out_has = has;
    }
    return st;
}

tm_status tm__trust_own(tm_registry *registry, tm_signing_key *out, tm_err *err) {
    return tm__registry_transact(registry, own_locked, out, err);
}

/* ---- Others' keys ---- */

typedef struct trusting {
    const tm_public_key *key;
    const char *name, *event;
    const tm_actor *actor;
} trusting;

static tm_status note_locked(tm_registry *registry, const trusting *in, tm_err *err) {
    char text[TM_PUBLIC_KEY_TEXT];
    tm__public_key_to_text(in->key, text);
    json_t *details = json_pack("{s:s, s:s}", "key", text, "name", in->name);
    const tm_event event = {.model = "",
                            .event = in->event,
                            .actor = in->actor,
                            .details = details,
                            .object = "signer"};
    const tm_status st = details == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory")
                                         : tm__history_append_locked(registry, &event, err);
    json_decref(details);
    return st;
}

/* Name of a signer in a fresh block; NULL when it is not trusted. */
static tm_status find(tm_registry *registry, const tm_public_key *key, char **out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    *out = NULL;
    TM_TRY(tm__stmt_init(registry->db, "SELECT name FROM signers WHERE key = ?", &stmt, err));
    tm__stmt_bind_blob(stmt, 1, key->bytes, TM_PUBLIC_KEY_BYTES);
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row) {
        *out = tm__mem_strdup(tm__stmt_text(stmt, 0));
        st = *out == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory") : TM_OK;
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status add_locked(tm_registry *registry, void *arg, tm_err *err) {
    const trusting *in = arg;
    tm_stmt *stmt = NULL;
    char *name = NULL;
    TM_TRY(find(registry, in->key, &name, err));
    if (name != NULL) {
        const tm_status st =
            TM_FAIL(err, TM_E_CONFLICT, "that key is trusted already, as '%s'", name);
        tm__mem_free(name);
        return st;
    }
    TM_TRY(tm__stmt_init(registry->db, "INSERT INTO signers(key, name, created_us) VALUES(?, ?, ?)",
                         &stmt, err));
    tm__stmt_bind_blob(stmt, 1, in->key->bytes, TM_PUBLIC_KEY_BYTES);
    tm__stmt_bind_text(stmt, 2, in->name);
    tm__stmt_bind_i64(stmt, 3, tm__now_us());
    const tm_status st = tm__stmt_run_done(stmt, err);
    return st == TM_OK ? note_locked(registry, in, err) : st;
}

tm_status tm__trust_add(tm_registry *registry, const tm_public_key *key, const char *name,
                        const tm_actor *actor, tm_err *err) {
    const size_t len = strlen(name);
    bool is_plain = len > 0 && len <= NAME_BYTES_MAX && tm__str_is_utf8(tm__str(name));
    for (size_t i = 0; is_plain && i < len; i++) {
        is_plain = (unsigned char)name[i] >= 0x20 && name[i] != 0x7F;
    }
    if (!is_plain) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "that cannot be the name of a signer");
        tm_err_hint(err, "Use one line of up to %u bytes.", NAME_BYTES_MAX);
        return st;
    }
    trusting in = {.key = key, .name = name, .event = "trust.added", .actor = actor};
    return tm__registry_transact(registry, add_locked, &in, err);
}

static tm_status remove_locked(tm_registry *registry, void *arg, tm_err *err) {
    trusting *in = arg;
    tm_stmt *stmt = NULL;
    char *name = NULL;
    TM_TRY(find(registry, in->key, &name, err));
    if (name == NULL) {
        const tm_status st = TM_FAIL(err, TM_E_NOT_FOUND, "that key is not trusted");
        tm_err_hint(err, "'tidemill trust ls' lists those that are.");
        return st;
    }
    in->name = name;
    tm_status st = tm__stmt_init(registry->db, "DELETE FROM signers WHERE key = ?", &stmt, err);
    if (st == TM_OK) {
        tm__stmt_bind_blob(stmt, 1, in->key->bytes, TM_PUBLIC_KEY_BYTES);
        st = tm__stmt_run_done(stmt, err);
    }
    st = st == TM_OK ? note_locked(registry, in, err) : st;
    tm__mem_free(name);
    return st;
}

tm_status tm__trust_remove(tm_registry *registry, const tm_public_key *key, const tm_actor *actor,
                           tm_err *err) {
    trusting in = {.key = key, .event = "trust.removed", .actor = actor};
    return tm__registry_transact(registry, remove_locked, &in, err);
}

static json_t *signer_of(tm_stmt *stmt) {
    char text[TM_PUBLIC_KEY_TEXT];
    tm_public_key key;
    memcpy(key.bytes, tm__stmt_blob(stmt, 0).ptr, TM_PUBLIC_KEY_BYTES);
    tm__public_key_to_text(&key, text);
    return json_pack("{s:s, s:s, s:o}", "key", text, "name", tm__stmt_text(stmt, 1), "added",
                     tm__json_time(tm__stmt_i64(stmt, 2)));
}

tm_status tm__trust_list(tm_registry *registry, json_t **out, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(
        registry->db, "SELECT key, name, created_us FROM signers ORDER BY name, key", &stmt, err));
    return tm__stmt_list(stmt, signer_of, out, err);
}

/* No key is made only to ask. */
static tm_status is_own(tm_registry *registry, const tm_public_key *signer, bool *out,
                        tm_err *err) {
    char *path = own_path(registry);
    tm_signing_key own;
    *out = false;
    if (path == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    if (tm__fs_info(path).kind == TM_PATH_NONE) {
        tm__mem_free(path);
        return TM_OK;
    }
    const tm_status st = own_read(path, &own, err);
    tm__mem_free(path);
    TM_TRY(st);
    *out = memcmp(own.public_key.bytes, signer->bytes, TM_PUBLIC_KEY_BYTES) == 0;
    tm__signing_key_done(&own);
    return TM_OK;
}

tm_status tm__trust_check(tm_registry *registry, const tm_public_key *signer, tm_err *err) {
    char text[TM_PUBLIC_KEY_TEXT], *name = NULL;
    bool own = false;
    if (signer == NULL) {
        const tm_status st = TM_FAIL(err, TM_E_NOT_ALLOWED, "the file is not signed");
        tm_err_hint(err, "Ask for one that 'tidemill model export' wrote.");
        return st;
    }
    TM_TRY(find(registry, signer, &name, err));
    const bool is_trusted = name != NULL;
    tm__mem_free(name);
    if (!is_trusted) {
        TM_TRY(is_own(registry, signer, &own, err));
    }
    if (is_trusted || own) {
        return TM_OK;
    }
    tm__public_key_to_text(signer, text);
    const tm_status st = TM_FAIL(err, TM_E_NOT_ALLOWED, "its signer is not trusted: %s", text);
    tm_err_hint(err, "If that is whom you mean: tidemill trust add %s", text);
    return st;
}
