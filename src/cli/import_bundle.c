/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   bytes ─> every check of a bundle ─> who signed it? ─> the same answers here? ─> file, version
 *         ─> this home's gate
 *
 * Nothing is written before the first three are through. The first version of a model answers at
 * once, so its gate, which only the project file can have, is asked before anything is written too.
 */
#include "cli/import_bundle.h"

#include <string.h>

#include "base/fs.h"
#include "cli/gate_load.h"
#include "cli/model_args.h"
#include "cli/project.h"
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
    tm_gate_load load;
    tm_gate gate; /* of a first version, is_first */
    tm_gate_verdict verdict;
    bool is_first, is_judged;
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

/* ---- The first version of a model ---- */

#define PROJECT "tidemill.yaml"

/* The gate that the project file declares for the model; *out_has is false when it has none. */
static tm_status read_gate(importing *i, bool *out_has, tm_err *err) {
    const bool is_given = tm__cli_has(i->cli, "project");
    const char *const path = is_given ? tm__cli_text(i->cli, "project") : PROJECT;
    tm_project project = {0};
    *out_has = false;
    if (!is_given && tm__fs_info(path).kind == TM_PATH_NONE) {
        return TM_OK;
    }
    TM_TRY(tm__project_read(path, &project, err));
    for (uint32_t k = 0; k < project.n_models; k++) {
        if (strcmp(project.models[k].name, i->name) == 0 && project.models[k].has_gate) {
            i->gate = project.models[k].gate;
            *out_has = true;
        }
    }
    tm__project_done(&project);
    return TM_OK;
}

static tm_status judge_first(importing *i, tm_err *err) {
    json_t *recipe = NULL;
    bool has_gate = false;
    const tm_status known = tm__registry_recipe(i->place.registry, i->name, &recipe, NULL);
    json_decref(recipe);
    i->is_first = known == TM_E_NOT_FOUND;
    if (!i->is_first) {
        return known == TM_E_NOMEM ? TM_FAIL(err, known, "out of memory") : TM_OK;
    }
    TM_TRY(read_gate(i, &has_gate, err));
    if (!has_gate || !tm__gate_asks(&i->gate)) {
        return TM_OK;
    }
    const tm_judging_first in = {.home = i->place.home,
                                 .bundle = i->place.bundle,
                                 .path = tm__cli_arg(i->cli, "FILE"),
                                 .gate = &i->gate,
                                 .load = tm__gate_load_tester(&i->load)};
    TM_TRY(tm__loop_judge_first(&i->ctx, &in, &i->verdict, err));
    i->is_judged = true;
    if (i->verdict.is_open) {
        return TM_OK;
    }
    (void)TM_FAIL(err, TM_E_REFUSED, "the gate refuses the first version of '%.64s': %.400s",
                  i->name, i->verdict.reason);
    tm_err_hint(err,
                "Nothing is registered, for a first version would answer at once. Take what it "
                "cannot meet out of the gate in tidemill.yaml, or import another.");
    return TM_E_REFUSED;
}

/* The gate is the model's from now on. */
static tm_status keep_gate(importing *i, tm_err *err) {
    char user[80];
    const tm_actor actor = tm__cli_actor(PROJECT, user, sizeof(user));
    return tm__registry_set_gate(i->place.registry, i->name, &i->gate, &actor, err);
}

static json_t *verdict_json(const tm_gate_verdict *verdict) {
    return json_pack("{s:b, s:s, s:O}", "open", (int)verdict->is_open, "reason", verdict->reason,
                     "checks", verdict->checks);
}

static tm_status publish(importing *i, tm_err *err) {
    char user[80];
    tm_actor actor = tm__cli_actor(tm__cli_text(i->cli, "reason"), user, sizeof(user));
    i->evidence = json_pack("{s:s, s:{s:I, s:b}}", "signer", i->signer, "parity", "rows",
                            (json_int_t)tm__bundle_golden_rows(i->place.bundle), "golden", 1);
    if (i->is_judged) { /* of a first version, in one commit with it */
        json_object_set_new(i->evidence, "gate", verdict_json(&i->verdict));
    }
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
    if (i->is_first) {
        return i->is_judged ? keep_gate(i, err) : TM_OK;
    }
    const tm_judging in = {.home = i->place.home,
                           .registry = i->place.registry,
                           .version = &i->place.version,
                           .actor = &actor,
                           .load = tm__gate_load_tester(&i->load)};
    return tm__loop_judge(&i->ctx, &in, &i->verdict, &i->is_judged, err);
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
            json_object_set_new(result, "gate", verdict_json(&i->verdict));
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
    i->name = tm__cli_has(i->cli, "name")
                  ? tm__cli_text(i->cli, "name")
                  : tm__json_text(tm__bundle_info(i->place.bundle), "model", "");
    TM_TRY(judge_first(i, err));
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
    tm_status st = tm__gate_load_open(cli, NULL, &i.load, err);
    st = st == TM_OK ? tm__cli_ctx_init(cli, (uint32_t)tm__cli_i64(cli, "threads"), &i.ctx, err)
                     : st;
    st = st == TM_OK ? import(&i, err) : st;
    json_decref(i.evidence);
    tm__gate_verdict_done(&i.verdict);
    tm__place_close(&i.place);
    tm__cli_ctx_done(&i.ctx);
    tm__gate_load_close(&i.load);
    return st;
}
