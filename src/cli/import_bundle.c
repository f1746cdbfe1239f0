/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   bytes ─> every check of a bundle ─> who signed it? ─> the same answers here? ─> file, version
 *         ─> this home's gate
 *
 * Nothing is written before the first three are through.
 */
#include "cli/import_bundle.h"

#include <string.h>

#include "cli/model_args.h"
#include "loop/loop.h"
#include "registry/trust.h"

typedef struct importing {
    tm_cli *cli;
    tm_ctx ctx;
    tm_place place;
    const tm_buf *file;
    const char *name;
    char signer[TM_PUBLIC_KEY_TEXT];
    json_t *evidence;
    tm_gate_verdict verdict;
    bool is_judged;
} importing;

bool tm__import_is_bundle(const tm_buf *file) {
    static const char magic[] = "TMBUNDLE";
    return file->len >= sizeof(magic) - 1 && memcmp(file->data, magic, sizeof(magic) - 1) == 0;
}

static tm_status check_options(const tm_cli *cli, tm_err *err) {
    static const char *const others[] = {"data", "expect", "raw", "classes", "columns", "force"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (tm__cli_has(cli, others[i])) {
            const tm_status st =
                TM_FAIL(err, TM_E_USAGE,
                        "--%s is for files of other libraries, and this is a bundle", others[i]);
            tm_err_hint(err,
                        "A bundle carries its own proof; its gate is overridden by promoting.");
            return st;
        }
    }
    return TM_OK;
}

/* The golden rows, through the code that answers a request. */
static tm_status check_answers(const tm_bundle *bundle, tm_err *err) {
    tm_bundle_scratch *scratch = tm__bundle_scratch_create(bundle);
    if (scratch == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to answer rows");
    }
    const tm_status st = tm__bundle_golden_check(bundle, scratch, err);
    tm__bundle_scratch_free(scratch);
    return st;
}

static tm_status check_file(importing *i, tm_err *err) {
    TM_TRY(tm__bundle_load(i->file->data, i->file->len, &i->place.bundle, err));
    const tm_public_key *const signer = tm__bundle_signer(i->place.bundle);
    TM_TRY(tm__trust_check(i->place.registry, signer, err));
    tm__public_key_to_text(signer, i->signer);
    return check_answers(i->place.bundle, err);
}

static tm_status publish(importing *i, tm_err *err) {
    char user[80];
    tm_actor actor = tm__cli_actor(tm__cli_text(i->cli, "reason"), user, sizeof(user));
    const json_t *const info = tm__bundle_info(i->place.bundle);
    i->name = tm__cli_has(i->cli, "name") ? tm__cli_text(i->cli, "name")
                                          : tm__json_text(info, "model", "");
    i->evidence = json_pack("{s:s, s:{s:I, s:b}}", "signer", i->signer, "parity", "rows",
                            (json_int_t)tm__bundle_golden_rows(i->place.bundle), "golden", 1);
    TM_TRY(tm__json_check(err));
    actor.evidence = i->evidence;
    TM_TRY(tm__home_bundle_save(i->place.home, tm__bundle_hash(i->place.bundle), i->file->data,
                                i->file->len, err));
    TM_TRY(tm__registry_add(i->place.registry, i->name, i->place.bundle, NULL, &actor,
                            &i->place.version, err));
    tm__cli_did(i->cli, "version %u of '%s' is registered", i->place.version.number, i->name);
    return TM_OK;
}

static tm_status judge(importing *i, tm_err *err) {
    char user[80];
    const tm_actor actor = tm__cli_actor(NULL, user, sizeof(user));
    if (i->place.version.number == 1) {
        return TM_OK;
    }
    return tm__loop_judge(&i->ctx, i->place.home, i->place.registry, &i->place.version, &actor,
                          &i->verdict, &i->is_judged, err);
}

static void say(const importing *i) {
    char hash[TM_HASH_TEXT];
    const tm_version *const version = &i->place.version;
    tm__hash_to_text(&version->bundle_hash, hash);
    if (i->cli->json) {
        json_t *result =
            json_pack("{s:s, s:I, s:s, s:s, s:s, s:O}", "model", version->model, "version",
                      (json_int_t)version->number, "aliases", version->aliases, "bundle_hash", hash,
                      "signer", i->signer, "parity", json_object_get(i->evidence, "parity"));
        if (i->is_judged) {
            json_object_set_new(result, "gate",
                                json_pack("{s:b, s:s, s:O}", "open", i->verdict.is_open, "reason",
                                          i->verdict.reason, "checks", i->verdict.checks));
        }
        tm__cli_print_object(i->cli, "tidemill.model.import/1", result);
        json_decref(result);
        return;
    }
    tm__cli_print(i->cli, "%s version %u%s%s, signed by %s\n", version->model, version->number,
                  version->aliases[0] != '\0' ? ", " : "", version->aliases, i->signer);
    tm__cli_print(i->cli, "%u golden rows give the same bits here\n",
                  tm__bundle_golden_rows(i->place.bundle));
    if (i->is_judged) {
        tm__cli_print(i->cli, "gate: %s: %s\n", i->verdict.is_open ? "open" : "refused",
                      i->verdict.reason);
    }
    if (version->number == 1) {
        tm__cli_note(i->cli, "next: tidemill serve");
    } else if (!i->is_judged || i->verdict.is_open) {
        tm__cli_note(i->cli, "next: tidemill model promote %s@%u", version->model, version->number);
    }
}

static tm_status import(importing *i, tm_err *err) {
    TM_TRY(check_options(i->cli, err));
    TM_TRY(tm__place_open(i->cli, true, &i->place, err));
    TM_TRY(check_file(i, err));
    TM_TRY(publish(i, err));
    TM_TRY(judge(i, err));
    say(i);
    if (i->is_judged && !i->verdict.is_open) {
        return TM_FAIL(err, TM_E_REFUSED, "the gate refuses version %u of '%s': %.160s",
                       i->place.version.number, i->place.version.model, i->verdict.reason);
    }
    return TM_OK;
}

tm_status tm__import_bundle(tm_cli *cli, const tm_buf *file, tm_err *err) {
    importing i = {.cli = cli, .file = file};
    tm_status st = tm__cli_ctx_init(cli, (uint32_t)tm__cli_i64(cli, "threads"), &i.ctx, err);
    st = st == TM_OK ? import(&i, err) : st;
    json_decref(i.evidence);
    tm__gate_verdict_done(&i.verdict);
    tm__place_close(&i.place);
    tm__cli_ctx_done(&i.ctx);
    return st;
}
