/* SPDX-License-Identifier: Apache-2.0 */
/* `model receivers`: who is told of moves, and how far behind each one is. */
#include "cli/cli.h"
#include "cli/model_args.h"
#include "registry/hooks.h"

static void print_words(tm_cli *cli, const json_t *list) {
    const char *titles[] = {"model", "receiver", "behind", "tries", "next", "error"};
    const json_t *item = NULL;
    tm_cli_table table;
    size_t i = 0;
    if (json_array_size(list) == 0) {
        tm__cli_print(cli, "nobody is told of moves\n");
        tm__cli_note(cli, "next: webhooks in tidemill.yaml, then tidemill apply");
        return;
    }
    tm__cli_table_init(&table, 6, titles);
    json_array_foreach((json_t *)(uintptr_t)list, i, item) {
        tm__cli_cell(&table, "%s", tm__json_text(item, "model", ""));
        tm__cli_cell(&table, "%s", tm__json_text(item, "receiver", ""));
        tm__cli_cell(&table, "%lld", (long long)tm__json_i64(item, "behind", 0));
        tm__cli_cell(&table, "%lld", (long long)tm__json_i64(item, "tries", 0));
        tm__cli_cell(&table, "%.19s", tm__json_text(item, "next", ""));
        tm__cli_cell(&table, "%s", tm__json_text(item, "error", ""));
    }
    tm__cli_table_print(cli, &table);
}

/* A model that is not there has no receivers, and is told apart from one that nobody is told of. */
static tm_status read_list(const tm_place *place, const char *model, json_t **out, tm_err *err) {
    json_t *recipe = NULL;
    if (model != NULL) {
        TM_TRY(tm__registry_recipe(place->registry, model, &recipe, err));
        json_decref(recipe);
    }
    return tm__hooks_list(place->registry, model, out, err);
}

tm_status cmd_model_receivers(tm_cli *cli, tm_err *err) {
    tm_place place = {0};
    json_t *list = NULL;
    TM_TRY(tm__place_open(cli, false, &place, err));
    const tm_status st = read_list(&place, tm__cli_arg(cli, "MODEL"), &list, err);
    if (st == TM_OK && cli->json) {
        json_t *result = json_pack("{s:O}", "receivers", list);
        tm__cli_print_object(cli, "tidemill.model.receivers/1", result);
        json_decref(result);
    } else if (st == TM_OK) {
        print_words(cli, list);
    }
    json_decref(list);
    tm__place_close(&place);
    return st;
}
