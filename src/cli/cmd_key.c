/* SPDX-License-Identifier: Apache-2.0 */
/* `key create`, `ls`, `rotate` and `revoke`. */
#include <sodium.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "cli/cli.h"
#include "cli/model_args.h"
#include "guard/guard.h"
#include "store/secret.h"

/* "90d" from now, or a time; 0 when the option is not given. */
static tm_status read_end(const tm_cli *cli, const char *option, int64_t *out_us, tm_err *err) {
    const char *text = tm__cli_text(cli, option);
    char hint[64];
    int64_t us = 0;
    *out_us = 0;
    if (text == NULL) {
        return TM_OK;
    }
    const int64_t now_us = tm__now_us();
    if (tm__str_to_duration_us(tm__str(text), &us) && us >= 0 && us < INT64_MAX - now_us) {
        *out_us = now_us + us;
        return TM_OK;
    }
    if (tm__time_parse(tm__str(text), &us) && us > now_us) {
        *out_us = us;
        return TM_OK;
    }
    (void)TM_FAIL(err, TM_E_USAGE, "--%s '%s' is no time to come", option, text);
    tm_err_hint(err, "%s",
                tm__duration_hint(
                    tm__str(text),
                    "Write a duration such as 90d or 12h, or a date such as 2031-01-31.", hint));
    return TM_E_USAGE;
}

static tm_status read_terms(const tm_cli *cli, tm_key_terms *out, tm_err *err) {
    tm_rate rates[TM_KEY_RATES_MAX];
    uint32_t n_rates = 0;
    *out = (tm_key_terms){.role = tm__guard_role_from_text(tm__cli_text(cli, "role")),
                          .name = tm__cli_text(cli, "name"),
                          .models = tm__cli_text(cli, "model"),
                          .rates = tm__cli_text(cli, "rate")};
    if (out->rates != NULL &&
        (!tm__rates_parse(tm__str(out->rates), rates, &n_rates) || n_rates == 0)) {
        (void)TM_FAIL(err, TM_E_USAGE, "--rate '%s' is no rate", out->rates);
        tm_err_hint(err, "Write N/s, N/min, N/h or N/day, or two of them: 100/s,100000/day.");
        return TM_E_USAGE;
    }
    if (out->models != NULL && (out->models[0] == '\0' || strlen(out->models) > 4096)) {
        return TM_FAIL(err, TM_E_USAGE, "--model names no model, or too many");
    }
    return read_end(cli, "expires", &out->expires_us, err);
}

/* The one time that a key is shown. */
static void show_key(tm_cli *cli, const tm_key *key, const char *schema, json_t *more) {
    if (cli->json) {
        json_t *result =
            json_pack("{s:s, s:s, s:s}", "schema", schema, "id", key->id, "key", key->text);
        if (result != NULL && more != NULL && json_object_update(result, more) != 0) {
            json_decref(result);
            result = NULL;
        }
        tm__cli_print_json(cli, result);
        json_decref(result);
    } else {
        tm__cli_print(cli, "%s\n", key->text);
    }
}

/* The first line of a file, without its end. */
static tm_status read_password(const char *path, tm_buf *file, tm_str *out, tm_err *err) {
    const bool is_stdin = strcmp(path, "-") == 0;
    tm__buf_init(file, TM_PASSWORD_BYTES_MAX + 4096);
    TM_TRY(is_stdin ? TM_OK : tm__secret_check(path, err));
    TM_TRY(tm__fs_read_all(is_stdin ? "/dev/stdin" : path, file, err));
    tm_str rest = {(const char *)file->data, file->len};
    *out = tm__str_cut(&rest, '\n');
    out->len -= out->len > 0 && out->ptr[out->len - 1] == '\r' ? 1 : 0;
    return tm__str_is_utf8(*out) && (out->len == 0 || memchr(out->ptr, '\0', out->len) == NULL)
               ? TM_OK
               : TM_FAIL(err, TM_E_USAGE, "the password is no text");
}

/* A name signs in with one password. */
static tm_status check_name_is_free(tm_registry *registry, const char *name, tm_err *err) {
    json_t *keys = NULL;
    size_t i = 0;
    json_t *key = NULL;
    TM_TRY(tm__registry_keys(registry, &keys, err));
    tm_status st = TM_OK;
    json_array_foreach(keys, i, key) {
        const char *const id = tm__json_text(key, "id", "");
        if (st == TM_OK && tm__password_is_id(id) &&
            json_is_null(json_object_get(key, "revoked")) &&
            strcmp(tm__json_text(key, "name", ""), name) == 0) {
            st = TM_FAIL(err, TM_E_CONFLICT, "this name has a password");
            tm_err_hint(err, "End it first: tidemill key revoke %s", id);
        }
    }
    json_decref(keys);
    return st;
}

/* The key of --name and --password. */
static tm_status make_key_of_password(tm_registry *registry, const tm_key_terms *terms,
                                      const char *path, tm_key *out, tm_err *err) {
    tm_buf file = {0};
    tm_str password;
    char id[9];
    if (terms->name == NULL || terms->name[0] == '\0') {
        (void)TM_FAIL(err, TM_E_USAGE, "a password is of somebody");
        tm_err_hint(err, "Say of whom with --name.");
        return TM_E_USAGE;
    }
    tm_status st = check_name_is_free(registry, terms->name, err);
    if (st == TM_OK) {
        st = read_password(path, &file, &password, err);
    }
    if (st == TM_OK) {
        tm__password_id_create(id);
        st = tm__password_key(id, password, out, err);
    }
    if (file.len > 0) {
        sodium_memzero(file.data, file.len);
    }
    tm__buf_done(&file);
    return st;
}

static void show_person(tm_cli *cli, const tm_key *key, const tm_key_terms *terms) {
    tm__cli_did(cli, "the key %s of a password is made", key->id);
    if (cli->json) {
        json_t *result =
            json_pack("{s:s, s:s, s:s, s:s}", "schema", "tidemill.key.create/1", "id", key->id,
                      "name", terms->name, "role", tm__guard_role_text(terms->role));
        tm__cli_print_json(cli, result);
        json_decref(result);
    } else {
        tm__cli_print(cli, "%s\n", key->id);
        tm__cli_note(cli, "Sign in to the dashboard as '%s'. Role: %s.", terms->name,
                     tm__guard_role_text(terms->role));
    }
}

tm_status cmd_key_create(tm_cli *cli, tm_err *err) {
    char user[80];
    tm_place place = {0};
    tm_key key = {0};
    tm_key_terms terms;
    const tm_actor actor = tm__cli_actor(NULL, user, sizeof(user));
    TM_TRY(read_terms(cli, &terms, err));
    TM_TRY(tm__place_open(cli, true, &place, err));
    const char *const password = tm__cli_text(cli, "password");
    tm_status st = TM_OK;
    if (password != NULL) {
        st = make_key_of_password(place.registry, &terms, password, &key, err);
    } else {
        tm__key_create(&key);
    }
    if (st == TM_OK) {
        st = tm__registry_key_add(place.registry, &key, &terms, &actor, err);
    }
    if (st == TM_OK && password != NULL) {
        show_person(cli, &key, &terms);
    } else if (st == TM_OK) {
        tm__cli_did(cli, "the key %s is made: revoke it, for it was not shown", key.id);
        json_t *more = json_pack("{s:s}", "role", tm__guard_role_text(terms.role));
        show_key(cli, &key, "tidemill.key.create/1", more);
        json_decref(more);
        tm__cli_note(cli, "This is the only time that the key is shown. Role: %s.",
                     tm__guard_role_text(terms.role));
    }
    sodium_memzero(&key, sizeof(key));
    tm__place_close(&place);
    return st;
}

tm_status cmd_key_rotate(tm_cli *cli, tm_err *err) {
    char user[80];
    char until[40];
    int64_t until_us = 0;
    tm_place place = {0};
    tm_key key;
    const char *id = tm__cli_arg(cli, "ID");
    const tm_actor actor = tm__cli_actor(NULL, user, sizeof(user));
    TM_TRY(read_end(cli, "overlap", &until_us, err));
    if (tm__password_is_id(id)) {
        (void)TM_FAIL(err, TM_E_USAGE, "a password cannot be rotated");
        tm_err_hint(err, "Revoke its key, then make one with --password anew.");
        return TM_E_USAGE;
    }
    TM_TRY(tm__place_open(cli, false, &place, err));
    tm__key_create(&key);
    const tm_status st = tm__registry_key_rotate(place.registry, id, &key, until_us, &actor, err);
    if (st == TM_OK) {
        (void)tm__time_to_text(until_us, until);
        tm__cli_did(cli, "the key %s is made: revoke it, for it was not shown", key.id);
        json_t *more = json_pack("{s:s, s:s}", "rotated", id, "until", until);
        show_key(cli, &key, "tidemill.key.rotate/1", more);
        json_decref(more);
        tm__cli_note(cli, "This is the only time that the key is shown. %s ends at %s.", id, until);
    }
    sodium_memzero(&key, sizeof(key));
    tm__place_close(&place);
    return st;
}

tm_status cmd_key_ls(tm_cli *cli, tm_err *err) {
    tm_place place = {0};
    json_t *keys = NULL;
    TM_TRY(tm__place_open(cli, false, &place, err));
    const tm_status st = tm__registry_keys(place.registry, &keys, err);
    if (st == TM_OK && cli->json) {
        json_t *result = json_pack("{s:s, s:O}", "schema", "tidemill.key.ls/1", "keys", keys);
        tm__cli_print_json(cli, result);
        json_decref(result);
    } else if (st == TM_OK) {
        const char *titles[] = {"id",   "role",    "name",    "models",
                                "rate", "created", "expires", "revoked"};
        tm_cli_table table;
        size_t i = 0;
        json_t *key = NULL;
        tm__cli_table_init(&table, 8, titles);
        json_array_foreach(keys, i, key) {
            for (uint32_t c = 0; c < 8; c++) {
                tm__cli_cell(&table, "%s", tm__json_text(key, titles[c], ""));
            }
        }
        tm__cli_table_print(cli, &table);
    }
    json_decref(keys);
    tm__place_close(&place);
    return st;
}

tm_status cmd_key_revoke(tm_cli *cli, tm_err *err) {
    char user[80];
    tm_place place = {0};
    const char *id = tm__cli_arg(cli, "ID");
    const tm_actor actor = tm__cli_actor(NULL, user, sizeof(user));
    TM_TRY(tm__place_open(cli, false, &place, err));
    const tm_status st = tm__registry_key_revoke(place.registry, id, &actor, err);
    if (st == TM_OK) {
        tm__cli_did(cli, "the key %s is revoked", id);
    }
    if (st == TM_OK && cli->json) {
        json_t *result = json_pack("{s:s, s:s}", "schema", "tidemill.key.revoke/1", "revoked", id);
        tm__cli_print_json(cli, result);
        json_decref(result);
    } else if (st == TM_OK) {
        tm__cli_print(cli, "key %s is revoked\n", id);
    }
    tm__place_close(&place);
    return st;
}
