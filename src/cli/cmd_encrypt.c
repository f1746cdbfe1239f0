/* SPDX-License-Identifier: Apache-2.0 */
/* `encrypt`: which key seals the files of a home, a new one, and the end of an old one. */
#include <string.h>

#include "base/mem.h"
#include "cli/audit_note.h"
#include "cli/cli.h"
#include "cli/model_args.h"
#include "cli/sealed_files.h"
#include "store/vault.h"

typedef struct encrypting {
    tm_cli *cli;
    tm_ctx ctx;
    tm_place place;
    json_t *keys;
    tm_sealed_count count;
} encrypting;

static const char *key_id(const json_t *keys, size_t i) {
    return tm__json_text(json_array_get(keys, i), "id", "");
}

static tm_status look(encrypting *e, tm_registry *renew, tm_err *err) {
    json_decref(e->keys);
    e->keys = NULL;
    TM_TRY(tm__vault_keys(e->place.home, &e->keys, err));
    const tm_sealed_walk walk = {.key = key_id(e->keys, 0), .registry = renew, .asks_bucket = true};
    return tm__sealed_walk(&e->ctx, e->place.home, &walk, &e->count, err);
}

static tm_status use_key(encrypting *e, const char *source, tm_err *err) {
    char id[TM_ENVELOPE_ID_TEXT];
    TM_TRY(tm__vault_use(e->place.home, source, id, err));
    tm__cli_did(e->cli, "the key %s seals from now on; run the command again for all files", id);
    const tm_cli_deed deed = {.event = "encryption.key",
                              .kind = "home",
                              .details = json_pack("{s:s, s:s}", "key", id, "from", source)};
    TM_TRY(tm__cli_audit(e->place.home, &deed, err));
    return look(e, e->place.registry, err);
}

static tm_status fail_in_use(const char *id, uint64_t n, tm_err *err) {
    (void)TM_FAIL(err, TM_E_CONFLICT, "%llu file%s or records may need the key %s",
                  (unsigned long long)n, n == 1 ? "" : "s", id);
    tm_err_hint(err,
                "Run 'tidemill encrypt --key SOURCE' with the key that seals now, and wait for "
                "trainings to end.");
    return TM_E_CONFLICT;
}

static tm_status forget_key(encrypting *e, const char *id, tm_err *err) {
    TM_TRY(look(e, NULL, err));
    size_t at = json_array_size(e->keys);
    for (size_t i = 0; i < json_array_size(e->keys); i++) {
        at = strcmp(key_id(e->keys, i), id) == 0 ? i : at;
    }
    if (at == json_array_size(e->keys)) {
        (void)TM_FAIL(err, TM_E_NOT_FOUND, "the home has no key '%.32s'", id);
        tm_err_hint(err, "Run 'tidemill encrypt' for the list.");
        return TM_E_NOT_FOUND;
    }
    const uint64_t n = at == 0 ? e->count.n_sealed : e->count.n_earlier + e->count.n_cells;
    if (at == 0 || n > 0) {
        return fail_in_use(id, n, err);
    }
    if (json_array_remove(e->keys, at) != 0) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    TM_TRY(tm__vault_keys_save(e->place.home, e->keys, err));
    tm__cli_did(e->cli, "the key %s is forgotten", id);
    const tm_cli_deed deed = {
        .event = "encryption.forgot", .kind = "home", .details = json_pack("{s:s}", "key", id)};
    return tm__cli_audit(e->place.home, &deed, err);
}

static void say(const encrypting *e) {
    const tm_sealed_count *const n = &e->count;
    if (json_array_size(e->keys) == 0) {
        tm__cli_print(e->cli, "nothing is sealed: %llu files are plain\n",
                      (unsigned long long)n->n_plain);
        return;
    }
    for (size_t i = 0; i < json_array_size(e->keys); i++) {
        tm__cli_print(e->cli, "%s %s from %s\n", i == 0 ? "seals" : "opens", key_id(e->keys, i),
                      tm__json_text(json_array_get(e->keys, i), "from", ""));
    }
    tm__cli_print(e->cli,
                  "%llu files sealed, %llu with an earlier key, %llu plain; %llu written anew\n",
                  (unsigned long long)n->n_sealed, (unsigned long long)n->n_earlier,
                  (unsigned long long)n->n_plain, (unsigned long long)n->n_renewed);
    tm__cli_print(e->cli, "%llu records of databases not sealed with this key\n",
                  (unsigned long long)n->n_cells);
    tm__cli_note(e->cli, "Not sealed: names, counts and ids of labels in the databases.");
}

static tm_status report(const encrypting *e, tm_err *err) {
    if (e->cli->json) {
        json_t *const result = json_pack(
            "{s:s, s:O, s:I, s:I, s:I, s:I, s:I}", "schema", "tidemill.encrypt/1", "keys", e->keys,
            "sealed", (json_int_t)e->count.n_sealed, "earlier", (json_int_t)e->count.n_earlier,
            "plain", (json_int_t)e->count.n_plain, "renewed", (json_int_t)e->count.n_renewed,
            "records", (json_int_t)e->count.n_cells);
        if (result == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "out of memory");
        }
        tm__cli_print_json(e->cli, result);
        json_decref(result);
    } else {
        say(e);
    }
    return TM_OK;
}

tm_status cmd_encrypt(tm_cli *cli, tm_err *err) {
    encrypting e = {.cli = cli};
    const char *const source = tm__cli_text(cli, "key");
    const char *const old = tm__cli_text(cli, "forget");
    if (source != NULL && old != NULL) {
        return TM_FAIL(err, TM_E_USAGE, "--key and --forget are two steps: give one of them");
    }
    tm_status st = tm__place_open(cli, source != NULL, &e.place, err);
    st = st == TM_OK ? tm__cli_ctx_init(cli, 0, &e.ctx, err) : st;
    if (st == TM_OK) {
        st = source != NULL ? use_key(&e, source, err)
             : old != NULL  ? forget_key(&e, old, err)
                            : look(&e, NULL, err);
    }
    st = st == TM_OK ? report(&e, err) : st;
    json_decref(e.keys);
    tm__place_close(&e.place);
    tm__cli_ctx_done(&e.ctx);
    return st;
}
