/* SPDX-License-Identifier: Apache-2.0 */
/* `key create`, `ls`, `rotate` and `revoke`. */
#include <sodium.h>
#include <string.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/model_args.h"
#include "guard/guard.h"

/* "90d" from now, or a time; 0 when the option is not given. */
static tm_status read_end(const tm_cli *cli, const char *option, int64_t *out_us, tm_err *err) {
    const char *text = tm__cli_text(cli, option);
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
    tm_err_hint(err, "Write a duration such as 90d or 12h, or a date such as 2031-01-31.");
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

tm_status cmd_key_create(tm_cli *cli, tm_err *err) {
    char user[80];
    tm_place place = {0};
    tm_key key;
    tm_key_terms terms;
    const tm_actor actor = tm__cli_actor(NULL, user, sizeof(user));
    TM_TRY(read_terms(cli, &terms, err));
    TM_TRY(tm__place_open(cli, true, &place, err));
    tm__key_create(&key);
    const tm_status st = tm__registry_key_add(place.registry, &key, &terms, &actor, err);
    if (st == TM_OK) {
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
    TM_TRY(tm__place_open(cli, false, &place, err));
    tm__key_create(&key);
    const tm_status st = tm__registry_key_rotate(place.registry, id, &key, until_us, &actor, err);
    if (st == TM_OK) {
        until[tm__time_to_text(until_us, until)] = '\0';
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
