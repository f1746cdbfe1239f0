/* SPDX-License-Identifier: Apache-2.0 */
/* `model show`, `history`, `promote`, `rollback` and `verify`: each opens the registry, asks
 * once and prints. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/model_args.h"
#include "cli/sbom.h"
#include "cli/train_words.h"
#include "registry/moments.h"

/* "{schema, key: list}" on stdout. */
static void print_list(tm_cli *cli, const char *schema, const char *key, json_t *list) {
    json_t *result = json_pack("{s:s, s:O}", "schema", schema, key, list);
    tm__cli_print_json(cli, result);
    json_decref(result);
}

static void print_versions(tm_cli *cli, const json_t *versions) {
    const char *titles[] = {"version", "alias", "state", "learner", "created", "bundle"};
    tm_cli_table table;
    size_t i = 0;
    json_t *v = NULL;
    tm__cli_table_init(&table, 6, titles);
    json_array_foreach((json_t *)(uintptr_t)versions, i, v) {
        tm__cli_cell(&table, "%lld", (long long)tm__json_i64(v, "version", 0));
        tm__cli_cell(&table, "%s", tm__json_text(v, "aliases", ""));
        tm__cli_cell(&table, "%s", tm__json_text(v, "state", ""));
        tm__cli_cell(&table, "%s", tm__json_text(v, "learner", ""));
        tm__cli_cell(&table, "%s", tm__json_text(v, "created", ""));
        tm__cli_cell(&table, "%.16s", tm__json_text(v, "bundle_hash", ""));
    }
    tm__cli_table_print(cli, &table);
}

/* "leaves moved of bundle HASH", "weights moved of bundle HASH, whose rows count 0.25 each". */
static void print_continues(tm_cli *cli, const json_t *continues) {
    const json_t *const weight = json_object_get(continues, "weight_before");
    const bool is_update = tm__json_text(continues, "how", NULL) != NULL;
    tm__cli_print(cli, "%s bundle %.16s",
                  weight != NULL ? "weights moved of"
                  : is_update    ? "leaves moved of"
                                 : "more trees on top of",
                  tm__json_text(continues, "bundle_hash", "-"));
    if (weight != NULL) {
        tm__cli_print(cli, ", whose rows count %.4g each", json_number_value(weight));
    }
    tm__cli_print(cli, "\n");
}

static void print_told(tm_cli *cli, const json_t *full) {
    const json_t *const lineage = json_object_get(full, "lineage");
    const json_t *const came = json_object_get(lineage, "registered");
    const json_t *const parent = json_object_get(lineage, "parent");
    const json_t *const continues = json_object_get(lineage, "continues");
    const char *name = NULL;
    json_t *value = NULL, *note = NULL;
    size_t i = 0;
    tm__cli_print(
        cli, "from: rows %.16s, recipe %.16s, seed %lld, tidemill %s%s",
        tm__json_text(lineage, "snapshot", "-"), tm__json_text(lineage, "recipe_hash", "-"),
        (long long)tm__json_i64(lineage, "seed", 0), tm__json_text(lineage, "code", "(not known)"),
        json_is_integer(parent) ? "" : "\n");
    if (json_is_integer(parent)) {
        tm__cli_print(cli, ", beside version %lld\n", (long long)json_integer_value(parent));
    }
    if (json_is_object(continues)) {
        print_continues(cli, continues);
    }
    tm__cli_print(cli, "registered %.19s by %s\n", tm__json_text(came, "at", "-"),
                  tm__json_text(came, "actor", "-"));
    json_object_foreach(json_object_get(full, "tags"), name, value) {
        tm__cli_print(cli, "tag %s = %s\n", name, json_string_value(value));
    }
    json_array_foreach(json_object_get(full, "notes"), i, note) {
        tm__cli_print(cli, "note %.19s %s: %s\n", tm__json_text(note, "at", ""),
                      tm__json_text(note, "actor", ""), tm__json_text(note, "text", ""));
    }
}

static tm_status print_bill(tm_cli *cli, const json_t *full, tm_err *err) {
    json_t *bill = NULL;
    TM_TRY(tm__sbom_version(full, &bill, err));
    tm__cli_print_json(cli, bill);
    json_decref(bill);
    return TM_OK;
}

static tm_status show_version(tm_cli *cli, tm_registry *registry, const char *name, tm_err *err) {
    tm_version version = {0};
    TM_TRY(tm__registry_find(registry, name, &version, err));
    json_t *full = NULL;
    tm_status st = tm__registry_record(registry, &version, &full, err);
    if (st == TM_OK) {
        json_object_set_new(full, "schema", json_string("tidemill.model.show/1"));
    }
    if (st == TM_OK && tm__cli_flag(cli, "sbom")) {
        st = print_bill(cli, full, err);
    } else if (st == TM_OK && cli->json) {
        tm__cli_print_json(cli, full);
    } else if (st == TM_OK) {
        tm__train_words_print(cli, full);
        print_told(cli, full);
        tm__cli_note(cli, "more, measured on its test rows: tidemill model report %s", name);
    }
    json_decref(full);
    tm__version_done(&version);
    return st;
}

tm_status cmd_model_show(tm_cli *cli, tm_err *err) {
    const char *name = tm__cli_arg(cli, "MODEL");
    tm_place place = {0};
    json_t *versions = NULL;
    if (tm__cli_flag(cli, "sbom") && strchr(name, '@') == NULL) {
        (void)TM_FAIL(err, TM_E_INVALID, "a bill of materials is of one version");
        tm_err_hint(err, "Name it: %s@1", name);
        return TM_E_INVALID;
    }
    TM_TRY(tm__place_open(cli, false, &place, err));
    tm_status st;
    if (strchr(name, '@') != NULL) {
        st = show_version(cli, place.registry, name, err);
    } else {
        st = tm__registry_versions(place.registry, name, &versions, err);
        if (st == TM_OK && cli->json) {
            print_list(cli, "tidemill.model.versions/1", "versions", versions);
        } else if (st == TM_OK) {
            print_versions(cli, versions);
        }
    }
    json_decref(versions);
    tm__place_close(&place);
    return st;
}

static tm_status read_history(tm_cli *cli, const tm_place *place, json_t **out, tm_err *err) {
    const char *const name = tm__cli_arg(cli, "MODEL");
    tm_version version = {0};
    tm_history_filter filter = {.event = tm__cli_text(cli, "event"),
                                .newest = (uint32_t)tm__cli_i64(cli, "newest")};
    TM_TRY(tm__cli_when(cli, "since", &filter.since_us, err));
    TM_TRY(tm__cli_when(cli, "until", &filter.until_us, err));
    if (strchr(name, '@') == NULL) {
        return tm__registry_history_find(place->registry, name, &filter, out, err);
    }
    TM_TRY(tm__registry_find(place->registry, name, &version, err));
    filter.version = version.number;
    const tm_status st =
        tm__registry_history_find(place->registry, version.model, &filter, out, err);
    tm__version_done(&version);
    return st;
}

tm_status cmd_model_history(tm_cli *cli, tm_err *err) {
    tm_place place = {0};
    json_t *history = NULL;
    TM_TRY(tm__place_open(cli, false, &place, err));
    const tm_status st = read_history(cli, &place, &history, err);
    if (st == TM_OK && cli->json) {
        print_list(cli, "tidemill.model.history/1", "history", history);
    } else if (st == TM_OK) {
        const char *titles[] = {"at", "event", "version", "by", "why"};
        tm_cli_table table;
        size_t i = 0;
        json_t *event = NULL;
        tm__cli_table_init(&table, 5, titles);
        json_array_foreach(history, i, event) {
            const long long version = (long long)tm__json_i64(event, "version", 0);
            tm__cli_cell(&table, "%.19s", tm__json_text(event, "at", ""));
            tm__cli_cell(&table, "%s", tm__json_text(event, "event", ""));
            tm__cli_cell(&table, version > 0 ? "%lld" : "", version);
            tm__cli_cell(&table, "%s", tm__json_text(event, "actor", ""));
            tm__cli_cell(&table, "%s", tm__json_text(event, "reason", ""));
        }
        tm__cli_table_print(cli, &table);
    }
    json_decref(history);
    tm__place_close(&place);
    return st;
}

static void print_move(tm_cli *cli, const char *model, uint32_t from, uint32_t to) {
    tm__cli_did(cli, "version %u of '%s' is the champion now", to, model);
    if (cli->json) {
        json_t *result =
            json_pack("{s:s, s:s, s:I, s:I}", "schema", "tidemill.model.move/1", "model", model,
                      "from", (json_int_t)from, "champion", (json_int_t)to);
        tm__cli_print_json(cli, result);
        json_decref(result);
        return;
    }
    tm__cli_print(cli, "%s: version %u is the champion now, before it was %u\n", model, to, from);
}

tm_status cmd_model_promote(tm_cli *cli, tm_err *err) {
    char user[80];
    uint32_t from = 0;
    tm_place place = {0};
    const tm_actor actor = tm__cli_actor(tm__cli_text(cli, "reason"), user, sizeof(user));
    tm_version champion = {0};
    TM_TRY(tm__place_open(cli, false, &place, err));
    tm_status st =
        tm__registry_find(place.registry, tm__cli_arg(cli, "MODEL"), &place.version, err);
    if (st != TM_OK) {
        tm__place_close(&place);
        return st;
    }
    /* Whoever moves it meanwhile wins: this one was decided on another champion. */
    st = tm__registry_find(place.registry, place.version.model, &champion, err);
    const tm_promotion promotion = {.version = place.version.number,
                                    .champion = champion.number,
                                    .force = tm__cli_flag(cli, "force")};
    tm__version_done(&champion);
    st = st == TM_OK ? tm__registry_promote(place.registry, place.version.model, &promotion, &actor,
                                            &from, err)
                     : st;
    if (st == TM_OK) {
        print_move(cli, place.version.model, from, place.version.number);
    }
    tm__place_close(&place);
    return st;
}

tm_status cmd_model_rollback(tm_cli *cli, tm_err *err) {
    char user[80];
    uint32_t from = 0;
    uint32_t to = 0;
    tm_place place = {0};
    const char *model = tm__cli_arg(cli, "MODEL");
    const tm_actor actor = tm__cli_actor(tm__cli_text(cli, "reason"), user, sizeof(user));
    TM_TRY(tm__place_open(cli, false, &place, err));
    const tm_status st = tm__registry_rollback(place.registry, model, &actor, &from, &to, err);
    if (st == TM_OK) {
        print_move(cli, model, from, to);
    }
    tm__place_close(&place);
    return st;
}

/* Check each version of the models asked for; *broken gets the words of the first that is not
 * whole. */
static tm_status verify_models(tm_cli *cli, tm_registry *registry, json_t *results, char *broken,
                               size_t size, tm_err *err) {
    const char *only = tm__cli_arg(cli, "MODEL");
    json_t *models = NULL;
    size_t i = 0;
    json_t *m = NULL;
    tm_status st = tm__registry_models(registry, &models, err);
    if (st != TM_OK) {
        return st;
    }
    json_array_foreach(models, i, m) {
        json_t *checked = NULL;
        const char *name = tm__json_text(m, "model", "");
        if (st != TM_OK || (only != NULL && strcmp(only, name) != 0)) {
            continue;
        }
        st = tm__registry_verify(registry, name, &checked, err);
        for (size_t k = 0; k < json_array_size(checked) && broken[0] == '\0'; k++) {
            const json_t *version = json_array_get(checked, k);
            if (!tm__json_bool(version, "ok", false)) {
                (void)snprintf(broken, size, "'%s' version %lld: %s", name,
                               (long long)tm__json_i64(version, "version", 0),
                               tm__json_text(version, "error", ""));
            }
        }
        json_object_set(results, name, checked);
        json_decref(checked);
    }
    json_decref(models);
    if (st == TM_OK && only != NULL && json_object_size(results) == 0) {
        st = TM_FAIL(err, TM_E_NOT_FOUND, "there is no model '%.128s'", only);
        tm_err_hint(err, "Name a model without a version: 'tidemill model ls' lists them.");
    }
    return st;
}

tm_status cmd_model_verify(tm_cli *cli, tm_err *err) {
    tm_place place = {0};
    uint64_t n = 0;
    char broken[300] = "";
    TM_TRY(tm__place_open(cli, false, &place, err));
    json_t *results = json_object();
    tm_status st = tm__registry_history_check(place.registry, &n, err);
    if (st == TM_OK) {
        st = verify_models(cli, place.registry, results, broken, sizeof(broken), err);
    }
    if (st == TM_OK && cli->json) {
        json_t *result = json_pack("{s:s, s:I, s:O}", "schema", "tidemill.model.verify/1",
                                   "history_records", (json_int_t)n, "models", results);
        tm__cli_print_json(cli, result);
        json_decref(result);
    } else if (st == TM_OK && broken[0] == '\0') {
        const char *name = NULL;
        json_t *list = NULL;
        json_object_foreach(results, name, list) {
            tm__cli_print(cli, "%s: %zu versions whole\n", name, json_array_size(list));
        }
        tm__cli_print(cli, "history: chain of %llu records whole\n", (unsigned long long)n);
    }
    if (st == TM_OK && broken[0] != '\0') {
        st = TM_FAIL(err, TM_E_INTEGRITY, "%s", broken);
        tm_err_hint(err, "Restore the file from a copy, or roll back to another version.");
    }
    json_decref(results);
    tm__place_close(&place);
    return st;
}
