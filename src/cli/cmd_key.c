/* SPDX-License-Identifier: Apache-2.0 */
/* `key create`, `ls` and `revoke`. */
#include <sodium.h>

#include "cli/cli.h"
#include "cli/model_args.h"
#include "guard/guard.h"

tm_status cmd_key_create(tm_cli *cli, tm_err *err) {
    char user[80];
    tm_place place = {0};
    tm_key key;
    const tm_guard_role role = tm__guard_role_from_text(tm__cli_text(cli, "role"));
    const char *name = tm__cli_text(cli, "name");
    const tm_actor actor = tm__cli_actor(NULL, user, sizeof(user));
    TM_TRY(tm__place_open(cli, true, &place, err));
    tm__key_create(&key);
    const tm_status st =
        tm__registry_key_add(place.registry, &key, role, name != NULL ? name : "", &actor, err);
    if (st == TM_OK) {
        tm__cli_did(cli, "the key %s is made: revoke it, for it was not shown", key.id);
    }
    if (st == TM_OK && cli->json) {
        json_t *result = json_pack("{s:s, s:s, s:s, s:s}", "schema", "tidemill.key.create/1", "id",
                                   key.id, "role", tm__guard_role_text(role), "key", key.text);
        tm__cli_print_json(cli, result);
        json_decref(result);
    } else if (st == TM_OK) {
        tm__cli_print(cli, "%s\n", key.text);
        tm__cli_note(cli, "This is the only time that the key is shown. Role: %s.",
                     tm__guard_role_text(role));
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
        const char *titles[] = {"id", "role", "name", "created", "revoked"};
        tm_cli_table table;
        size_t i = 0;
        json_t *key = NULL;
        tm__cli_table_init(&table, 5, titles);
        json_array_foreach(keys, i, key) {
            for (uint32_t c = 0; c < 5; c++) {
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
