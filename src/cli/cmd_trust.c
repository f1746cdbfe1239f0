/* SPDX-License-Identifier: Apache-2.0 */
/* `trust add`, `ls`, `rm` and `key`: whose versions this home takes, and whose its own are. */
#include <string.h>

#include "cli/cli.h"
#include "cli/model_args.h"
#include "registry/trust.h"

static tm_status read_key(const char *text, tm_public_key *out, tm_err *err) {
    if (tm__public_key_from_text(text, out)) {
        return TM_OK;
    }
    const tm_status st = TM_FAIL(err, TM_E_USAGE, "that is no public key");
    tm_err_hint(err, "It is what 'tidemill trust key' prints where the files come from: ed25519: "
                     "and 64 hexadecimal digits.");
    return st;
}

static void print_key(tm_cli *cli, const char *schema, const char *key, const char *name) {
    json_t *result = json_pack("{s:s, s:s*}", "key", key, "name", name);
    tm__cli_print_object(cli, schema, result);
    json_decref(result);
}

tm_status cmd_trust_add(tm_cli *cli, tm_err *err) {
    char user[80];
    tm_place place = {0};
    tm_public_key key;
    const char *const text = tm__cli_arg(cli, "PUBKEY");
    const char *const name = tm__cli_has(cli, "name") ? tm__cli_text(cli, "name") : "unnamed";
    const tm_actor actor = tm__cli_actor(tm__cli_text(cli, "reason"), user, sizeof(user));
    TM_TRY(read_key(text, &key, err));
    TM_TRY(tm__place_open(cli, true, &place, err));
    const tm_status st = tm__trust_add(place.registry, &key, name, &actor, err);
    if (st == TM_OK) {
        tm__cli_did(cli, "the signer is trusted");
        tm__cli_print(cli, "versions signed by '%s' are taken now\n", name);
    }
    if (st == TM_OK && cli->json) {
        print_key(cli, "tidemill.trust.add/1", text, name);
    }
    tm__place_close(&place);
    return st;
}

tm_status cmd_trust_rm(tm_cli *cli, tm_err *err) {
    char user[80];
    tm_place place = {0};
    tm_public_key key;
    const char *const text = tm__cli_arg(cli, "PUBKEY");
    const tm_actor actor = tm__cli_actor(tm__cli_text(cli, "reason"), user, sizeof(user));
    TM_TRY(read_key(text, &key, err));
    TM_TRY(tm__place_open(cli, false, &place, err));
    const tm_status st = tm__trust_remove(place.registry, &key, &actor, err);
    if (st == TM_OK) {
        tm__cli_did(cli, "the signer is no longer trusted");
        tm__cli_print(cli, "none of its versions is taken any more; those that are here stay\n");
    }
    if (st == TM_OK && cli->json) {
        print_key(cli, "tidemill.trust.rm/1", text, NULL);
    }
    tm__place_close(&place);
    return st;
}

tm_status cmd_trust_ls(tm_cli *cli, tm_err *err) {
    const char *titles[] = {"name", "key", "added"};
    tm_place place = {0};
    tm_cli_table table;
    json_t *list = NULL;
    const json_t *item = NULL;
    size_t i = 0;
    TM_TRY(tm__place_open(cli, false, &place, err));
    const tm_status st = tm__trust_list(place.registry, &list, err);
    if (st == TM_OK && cli->json) {
        json_t *result = json_pack("{s:O}", "signers", list);
        tm__cli_print_object(cli, "tidemill.trust.ls/1", result);
        json_decref(result);
    } else if (st == TM_OK && json_array_size(list) == 0) {
        tm__cli_print(cli, "no signer is trusted\n");
        tm__cli_note(cli, "next: tidemill trust add PUBKEY");
    } else if (st == TM_OK) {
        tm__cli_table_init(&table, 3, titles);
        json_array_foreach(list, i, item) {
            tm__cli_cell(&table, "%s", tm__json_text(item, "name", ""));
            tm__cli_cell(&table, "%s", tm__json_text(item, "key", ""));
            tm__cli_cell(&table, "%.19s", tm__json_text(item, "added", ""));
        }
        tm__cli_table_print(cli, &table);
    }
    json_decref(list);
    tm__place_close(&place);
    return st;
}

tm_status cmd_trust_key(tm_cli *cli, tm_err *err) {
    char text[TM_PUBLIC_KEY_TEXT];
    tm_place place = {0};
    tm_signing_key key;
    TM_TRY(tm__place_open(cli, true, &place, err));
    const tm_status st = tm__trust_own(place.registry, &key, err);
    if (st == TM_OK) {
        tm__public_key_to_text(&key.public_key, text);
        tm__signing_key_done(&key);
        tm__cli_print(cli, "%s\n", text);
    }
    if (st == TM_OK && cli->json) {
        print_key(cli, "tidemill.trust.key/1", text, NULL);
    }
    tm__place_close(&place);
    return st;
}
