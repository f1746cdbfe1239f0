/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which keys a home has, and where each comes from: encryption.json.
 *
 *   {"schema": "tidemill.encryption/1",
 *    "keys": [{"id": "<16 digits>", "from": "file:/etc/data.key"}]}
 *
 * The first seals and must be at hand when something is sealed or opened; a later one that is not
 * is missed when a file needs it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/sandbox.h"
#include "store/secret.h"
#include "store/vault.h"
#include "store/vault_command.h"

#define FOLDERS_UP 3u
#define SETTINGS_BYTES_MAX 65536u
#define SCHEMA "tidemill.encryption/1"

static const tm_command_ask first_key = {0};

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory for keys of sealed files");
}

/* ---- Sources of keys ---- */

/* "word:rest"; the rest, or NULL. */
static const char *behind(const char *source, const char *word) {
    const size_t len = strlen(word);
    return strncmp(source, word, len) == 0 && source[len] == ':' && source[len + 1] != '\0'
               ? source + len + 1
               : NULL;
}

static bool is_name(const char *text) {
    for (const char *c = text; *c != '\0'; c++) {
        if (!(*c >= 'a' && *c <= 'z') && !(*c >= 'A' && *c <= 'Z') && !tm__is_digit(*c) &&
            *c != '_' && *c != '-' && (*c != '.' || c == text)) {
            return false;
        }
    }
    return true;
}

/* The text is not repeated: it may be a key itself. */
static tm_status fail_source(tm_err *err) {
    (void)TM_FAIL(err, TM_E_USAGE, "this is no source of a key");
    tm_err_hint(err, "Write file:PATH, env:NAME, credential:NAME or command:[\"/PATH\",\"WORD\"].");
    return TM_E_USAGE;
}

static tm_status fail_key(const char *source, tm_err *err) {
    (void)TM_FAIL(err, TM_E_DATA, "what '%.200s' holds is no key", source);
    tm_err_hint(err, "A key is 64 hexadecimal digits: openssl rand -hex 32 > FILE.");
    return TM_E_DATA;
}

static tm_status key_of_file(const char *source, const char *path, tm_envelope_key *out,
                             tm_err *err) {
    tm_buf text;
    if (tm__fs_info(path).kind == TM_PATH_NONE) {
        (void)TM_FAIL(err, TM_E_NOT_FOUND, "there is no file '%s', which holds a key", path);
        tm_err_hint(err, "Put the key of this home there again; a new one: openssl rand -hex 32.");
        tm_err_at(err, path, 0, 0);
        return TM_E_NOT_FOUND;
    }
    TM_TRY(tm__secret_read(path, &text, err));
    const bool is_key =
        tm__envelope_key_from_text((tm_str){(const char *)text.data, text.len}, out);
    tm__secret_done(&text);
    return is_key ? TM_OK : fail_key(source, err);
}

static tm_status key_of_env(const char *source, const char *name, tm_envelope_key *out,
                            tm_err *err) {
    tm__process_hide();
    const char *const text = getenv(name);
    if (text == NULL) {
        (void)TM_FAIL(err, TM_E_NOT_FOUND, "the environment has no '%.100s', which holds a key",
                      name);
        tm_err_hint(err, "Set it for this command and for the server.");
        return TM_E_NOT_FOUND;
    }
    return tm__envelope_key_from_text(tm__str_trim(tm__str(text)), out) ? TM_OK
                                                                        : fail_key(source, err);
}

static tm_status key_of_credential(const char *source, const char *name, tm_envelope_key *out,
                                   tm_err *err) {
    const char *const folder = getenv("CREDENTIALS_DIRECTORY");
    if (folder == NULL) {
        (void)TM_FAIL(err, TM_E_NOT_FOUND, "there are no credentials here to take '%.100s' from",
                      name);
        tm_err_hint(err, "Run it in a service of systemd with LoadCredential=%.60s:PATH.", name);
        return TM_E_NOT_FOUND;
    }
    char *const path = tm__fs_join(folder, name);
    const tm_status st = path == NULL ? no_memory(err) : key_of_file(source, path, out, err);
    tm__mem_free(path);
    return st;
}

bool tm__vault_is_source(const char *text) {
    const char *const variable = behind(text, "env");
    const char *const credential = behind(text, "credential");
    return behind(text, "file") != NULL || (variable != NULL && is_name(variable)) ||
           (credential != NULL && is_name(credential)) || tm__vault_is_command(text);
}

static tm_status key_of(const char *source, const tm_command_ask *ask, tm_envelope_key *out,
                        tm_err *err) {
    const char *const path = behind(source, "file");
    const char *const variable = behind(source, "env");
    const char *const credential = behind(source, "credential");
    if (path != NULL) {
        return key_of_file(source, path, out, err);
    }
    if (variable != NULL && is_name(variable)) {
        return key_of_env(source, variable, out, err);
    }
    if (credential != NULL && is_name(credential)) {
        return key_of_credential(source, credential, out, err);
    }
    return tm__vault_is_command(source) ? tm__vault_command_key(source, ask, out, err)
                                        : fail_source(err);
}

tm_status tm__vault_ring_of(const char *const *sources, uint32_t n, tm_envelope_ring *out,
                            tm_err *err) {
    tm_status st = n <= TM_ENVELOPE_KEYS_MAX
                       ? TM_OK
                       : TM_FAIL(err, TM_E_LIMIT, "more than %u keys", TM_ENVELOPE_KEYS_MAX);
    out->n = 0;
    for (uint32_t i = 0; st == TM_OK && i < n; i++) {
        st = key_of(sources[i], &first_key, &out->keys[i], err);
        out->n += st == TM_OK;
    }
    if (st != TM_OK) {
        tm__envelope_ring_done(out);
    }
    return st;
}

/* ---- encryption.json ---- */

static tm_status fail_settings(const char *path, tm_err *err) {
    (void)TM_FAIL(err, TM_E_INTEGRITY, "the file does not say which keys this home has");
    tm_err_hint(err, "Restore it, or write it anew: 'tidemill encrypt --key SOURCE'.");
    tm_err_at(err, path, 0, 0);
    return TM_E_INTEGRITY;
}

/* [{"id", "from"}] of a file that is there. */
static tm_status settings_read(const char *path, json_t **out, tm_err *err) {
    tm_buf text;
    json_t *settings = NULL;
    tm_err inner = {0};
    tm__buf_init(&text, SETTINGS_BYTES_MAX);
    tm_status st = tm__fs_read_all(path, &text, err);
    if (st == TM_OK && tm__json_parse(text.data, text.len, 4, &settings, &inner) != TM_OK) {
        st = inner.status == TM_E_NOMEM ? no_memory(err) : fail_settings(path, err);
    }
    tm__buf_done(&text);
    json_t *const keys = json_object_get(settings, "keys");
    const size_t n = json_array_size(keys);
    if (st == TM_OK && (strcmp(tm__json_text(settings, "schema", ""), SCHEMA) != 0 ||
                        !json_is_array(keys) || n > TM_ENVELOPE_KEYS_MAX)) {
        st = fail_settings(path, err);
    }
    for (size_t i = 0; st == TM_OK && i < n; i++) {
        const json_t *const key = json_array_get(keys, i);
        if (tm__json_text(key, "from", "")[0] == '\0' || tm__json_text(key, "id", "")[0] == '\0') {
            st = fail_settings(path, err);
        }
    }
    if (st == TM_OK) {
        *out = json_incref(keys);
    }
    json_decref(settings);
    return st;
}

/* The settings of the home that a path lies in; *out NULL where there are none. */
static tm_status settings_find(const char *path, char **out, tm_err *err) {
    char *folder = tm__mem_strdup(path);
    char *found = NULL;
    tm_status st = folder == NULL ? no_memory(err) : TM_OK;
    for (uint32_t i = 0; st == TM_OK && found == NULL && i < FOLDERS_UP; i++) {
        char *const slash = strrchr(folder, '/');
        if (slash == NULL) {
            break;
        }
        *slash = '\0';
        char *const settings = tm__fs_join(folder, TM_VAULT_FILE);
        if (settings == NULL) {
            st = no_memory(err);
        } else if (tm__fs_info(settings).kind == TM_PATH_FILE) {
            found = settings;
        } else {
            tm__mem_free(settings);
        }
    }
    tm__mem_free(folder);
    *out = found;
    return st;
}

bool tm__vault_may_spill(const char *dir) {
    char *settings = NULL;
    if (settings_find(dir, &settings, NULL) != TM_OK) {
        return false;
    }
    const bool may = settings == NULL || tm__fs_is_apart(settings, dir);
    tm__mem_free(settings);
    return may;
}

/* A key that another one took the place of says so, rather than sealing with the wrong one. */
static tm_status check_id(const json_t *entry, const tm_envelope_key *key, tm_err *err) {
    char id[TM_ENVELOPE_ID_TEXT];
    tm__envelope_id_to_text(key->id, id);
    if (strcmp(tm__json_text(entry, "id", ""), id) == 0) {
        return TM_OK;
    }
    (void)TM_FAIL(err, TM_E_NOT_ALLOWED, "'%.150s' holds the key %s, and the home needs %.16s",
                  tm__json_text(entry, "from", ""), id, tm__json_text(entry, "id", ""));
    tm_err_hint(err, "Put the right key there; for a new one: 'tidemill encrypt --key SOURCE'.");
    return TM_E_NOT_ALLOWED;
}

/* Keys of entries: the first must be at hand when it is needed, later ones may be gone. */
static tm_status ring_read(const json_t *keys, tm_envelope_ring *out, tm_err *err) {
    tm_status st = TM_OK;
    out->n = 0;
    for (size_t i = 0; st == TM_OK && i < json_array_size(keys); i++) {
        const json_t *const entry = json_array_get(keys, i);
        tm_envelope_key key;
        tm_err inner = {0};
        const tm_command_ask ask = {.id = tm__json_text(entry, "id", NULL), .renews = i == 0};
        tm_status got = key_of(tm__json_text(entry, "from", ""), &ask, &key, &inner);
        got = got == TM_OK ? check_id(entry, &key, &inner) : got;
        if (got == TM_OK) {
            out->keys[out->n++] = key;
        } else if (i == 0 || got == TM_E_NOMEM) {
            st = got;
            if (err != NULL) {
                *err = inner;
            }
        }
        explicit_bzero(&key, sizeof(key));
    }
    if (st != TM_OK) {
        tm__envelope_ring_done(out);
    }
    return st;
}

tm_status tm__vault_ring(const char *path, tm_envelope_ring *out, tm_err *err) {
    char *settings = NULL;
    json_t *keys = NULL;
    out->n = 0;
    TM_TRY(settings_find(path, &settings, err));
    tm_status st = TM_OK;
    if (settings != NULL) {
        st = settings_read(settings, &keys, err);
        st = st == TM_OK ? ring_read(keys, out, err) : st;
        json_decref(keys);
    }
    tm__mem_free(settings);
    return st;
}

tm_status tm__vault_has(const char *path, bool *out, tm_err *err) {
    char *settings = NULL;
    TM_TRY(settings_find(path, &settings, err));
    *out = settings != NULL;
    tm__mem_free(settings);
    return TM_OK;
}

tm_status tm__vault_keys(const tm_home *home, json_t **out, tm_err *err) {
    char *const path = tm__fs_join(tm__home_path(home), TM_VAULT_FILE);
    tm_status st = TM_OK;
    if (path == NULL) {
        return no_memory(err);
    }
    if (tm__fs_info(path).kind == TM_PATH_FILE) {
        st = settings_read(path, out, err);
    } else {
        *out = json_array();
        st = *out == NULL ? no_memory(err) : TM_OK;
    }
    tm__mem_free(path);
    return st;
}

tm_status tm__vault_keys_save(const tm_home *home, const json_t *keys, tm_err *err) {
    char *const path = tm__fs_join(tm__home_path(home), TM_VAULT_FILE);
    json_t *const settings = json_pack("{s:s, s:O}", "schema", SCHEMA, "keys", keys);
    tm_buf text;
    tm__buf_init(&text, SETTINGS_BYTES_MAX);
    tm_status st = path == NULL || settings == NULL ||
                           !tm__json_write(&text, settings, TM_JSON_PRETTY | TM_JSON_SORTED)
                       ? no_memory(err)
                       : tm__fs_publish_secret(path, text.data, text.len, err);
    tm__buf_done(&text);
    json_decref(settings);
    tm__mem_free(path);
    return st;
}

/* A source as it is written down: a file by its path from the root, outside of the home. */
static tm_status source_text(const tm_home *home, const char *source, char **out, tm_err *err) {
    const char *const path = behind(source, "file");
    char *real = NULL;
    if (path == NULL) {
        *out = tm__mem_strdup(source);
        return *out == NULL ? no_memory(err) : TM_OK;
    }
    TM_TRY(tm__fs_real_path(path, &real, err));
    const size_t len = strlen(tm__home_path(home));
    tm_status st = TM_OK;
    if (strncmp(real, tm__home_path(home), len) == 0 && real[len] == '/') {
        st = TM_FAIL(err, TM_E_USAGE, "the key lies in the home that it locks");
        tm_err_hint(err, "Keep it elsewhere, and not in the backups of the home.");
    } else {
        const size_t size = strlen(real) + 8;
        *out = tm__mem_alloc(size, 1);
        st = *out == NULL ? no_memory(err) : TM_OK;
        if (st == TM_OK) {
            (void)snprintf(*out, size, "file:%s", real);
        }
    }
    tm__mem_free(real);
    return st;
}

/* The same list with the key in front. */
static tm_status with_key(const json_t *keys, const char *id, const char *from, json_t **out,
                          tm_err *err) {
    json_t *const list = json_array();
    json_array_append_new(list, json_pack("{s:s, s:s}", "id", id, "from", from));
    for (size_t i = 0; i < json_array_size(keys); i++) {
        json_t *const entry = json_array_get(keys, i);
        if (strcmp(tm__json_text(entry, "id", ""), id) != 0) {
            json_array_append(list, entry);
        }
    }
    tm_status st = tm__json_check(err);
    if (st == TM_OK && json_array_size(list) > TM_ENVELOPE_KEYS_MAX) {
        st = TM_FAIL(err, TM_E_LIMIT, "the home has %u keys already", TM_ENVELOPE_KEYS_MAX);
        tm_err_hint(err, "Forget those that seal nothing: 'tidemill encrypt --forget ID'.");
    }
    return tm__json_give(st, list, out, err);
}

/* The id of the key of a source. */
static tm_status id_of(const char *source, char *out, tm_err *err) {
    tm_envelope_key key;
    const tm_status st = key_of(source, &first_key, &key, err);
    if (st == TM_OK) {
        tm__envelope_id_to_text(key.id, out);
        explicit_bzero(&key, sizeof(key));
    }
    return st;
}

tm_status tm__vault_source_find(const tm_home *home, const char *source, tm_vault_source *out,
                                tm_err *err) {
    tm_vault_source found = {0};
    tm_status st = source_text(home, source, &found.from, err);
    st = st == TM_OK ? id_of(found.from, found.id, err) : st;
    if (st != TM_OK) {
        tm__vault_source_done(&found);
        return st;
    }
    *out = found;
    return TM_OK;
}

void tm__vault_source_done(tm_vault_source *source) {
    tm__mem_free(source->from);
    *source = (tm_vault_source){0};
}

tm_status tm__vault_use(const tm_home *home, const char *source, char *out_id, tm_err *err) {
    tm_vault_source found;
    json_t *keys = NULL, *list = NULL;
    if (tm__home_shares_intake(home)) {
        (void)TM_FAIL(err, TM_E_UNSUPPORTED, "a home that shares its sources cannot be sealed");
        tm_err_hint(err, "Their tables in PostgreSQL are not. Leave 'intake' out of store.json.");
        return TM_E_UNSUPPORTED;
    }
    TM_TRY(tm__vault_source_find(home, source, &found, err));
    tm_status st = tm__vault_keys(home, &keys, err);
    st = st == TM_OK ? with_key(keys, found.id, found.from, &list, err) : st;
    st = st == TM_OK ? tm__vault_keys_save(home, list, err) : st;
    if (st == TM_OK) {
        memcpy(out_id, found.id, sizeof(found.id));
    }
    json_decref(keys);
    json_decref(list);
    tm__vault_source_done(&found);
    return st;
}
