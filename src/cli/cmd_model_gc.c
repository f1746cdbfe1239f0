/* SPDX-License-Identifier: Apache-2.0 */
/* `model gc`: files of versions that nothing reaches. */
#include "cli/audit_note.h"
#include "cli/cli.h"
#include "cli/model_args.h"
#include "registry/collect.h"

static void print_words(tm_cli *cli, const json_t *result, bool is_dry) {
    const json_t *const versions = json_object_get(result, "versions");
    const json_t *const files = json_object_get(result, "files");
    const json_t *item = NULL;
    size_t i = 0;
    json_array_foreach((json_t *)(uintptr_t)versions, i, item) {
        tm__cli_print(cli, "%s@%lld\n", tm__json_text(item, "model", ""),
                      (long long)tm__json_i64(item, "version", 0));
    }
    tm__cli_print(cli, "%zu versions and %zu files, %.1f MB, %s; %lld versions stay\n",
                  json_array_size(versions), json_array_size(files),
                  (double)tm__json_i64(result, "bytes", 0) / 1e6,
                  is_dry ? "would go" : "are collected",
                  (long long)tm__json_i64(result, "kept", 0));
}

/* Versions have entries of their own. */
static tm_status note(const tm_place *place, const json_t *result, tm_err *err) {
    const size_t n = json_array_size(json_object_get(result, "files"));
    if (n == 0) {
        return TM_OK;
    }
    const tm_cli_deed deed = {.event = "files.collected",
                              .kind = "home",
                              .details = json_pack("{s:I, s:O}", "files", (json_int_t)n, "bytes",
                                                   json_object_get(result, "bytes"))};
    return tm__cli_audit(place->home, &deed, err);
}

tm_status cmd_model_gc(tm_cli *cli, tm_err *err) {
    char user[80];
    tm_place place = {0};
    json_t *result = NULL;
    const tm_actor actor = tm__cli_actor(tm__cli_text(cli, "reason"), user, sizeof(user));
    const tm_collection options = {.is_dry = tm__cli_flag(cli, "dry-run"),
                                   .keep = (uint32_t)tm__cli_i64(cli, "keep"),
                                   .older_us = tm__cli_duration_us(cli, "older-than"),
                                   .actor = &actor};
    TM_TRY(tm__place_open(cli, false, &place, err));
    tm_status st = tm__registry_collect(place.registry, &options, &result, err);
    if (st == TM_OK && !options.is_dry) {
        tm__cli_did(cli, "what nothing reaches is collected");
        st = note(&place, result, err);
    }
    if (st == TM_OK && cli->json) {
        json_object_set_new(result, "dry_run", json_boolean(options.is_dry));
        tm__cli_print_object(cli, "tidemill.model.gc/1", result);
    } else if (st == TM_OK) {
        print_words(cli, result, options.is_dry);
    }
    json_decref(result);
    tm__place_close(&place);
    return st;
}
