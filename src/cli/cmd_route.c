/* SPDX-License-Identifier: Apache-2.0 */
/* `route ls` and `route split`: which versions answer the requests of a model. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/model_args.h"
#include "registry/route_json.h"

typedef struct listing {
    tm_registry *registry;
    tm_status st;
    tm_err *err;
    json_t *routes;
    bool is_whole;
} listing;

static bool add_route(void *arg, const tm_route *route) {
    listing *l = arg;
    json_t *made = NULL;
    l->st = tm__registry_route_json(l->registry, route, &made, l->err);
    l->is_whole = l->st != TM_OK || json_array_append_new(l->routes, made) == 0;
    return l->is_whole && l->st == TM_OK;
}

/* "1: 90 %, 2: 10 %" */
static void put_arms(const json_t *arms, char *out, size_t size) {
    size_t i = 0, used = 0;
    json_t *arm = NULL;
    out[0] = '\0';
    json_array_foreach((json_t *)(uintptr_t)arms, i, arm) {
        const int n =
            snprintf(out + used, size - used, "%s%lld: %g %%", i == 0 ? "" : ", ",
                     (long long)tm__json_i64(arm, "version", 0), tm__json_f64(arm, "weight", 0));
        used = n < 0 || (size_t)n >= size - used ? size - 1 : used + (size_t)n;
    }
}

static void put_shadow(tm_cli_table *table, const json_t *shadow) {
    if (json_is_null(shadow)) {
        tm__cli_cell(table, "none");
    } else {
        tm__cli_cell(table, "%lld: %g %%", (long long)tm__json_i64(shadow, "version", 0),
                     tm__json_f64(shadow, "share", 0));
    }
}

static void put_rollout(tm_cli_table *table, const json_t *rollout) {
    if (json_is_null(rollout)) {
        tm__cli_cell(table, "none");
    } else if (tm__json_i64(rollout, "step", 0) == 0) {
        tm__cli_cell(table, "%lld as a shadow, %s", (long long)tm__json_i64(rollout, "version", 0),
                     tm__json_text(rollout, "state", ""));
    } else {
        tm__cli_cell(table, "%lld at %g %%, %s", (long long)tm__json_i64(rollout, "version", 0),
                     tm__json_f64(rollout, "percent", 0), tm__json_text(rollout, "state", ""));
    }
}

static void print_routes(tm_cli *cli, const json_t *routes) {
    const char *titles[] = {"route", "model", "champion", "answered by", "shadow", "rollout"};
    tm_cli_table table;
    size_t i = 0;
    json_t *route = NULL;
    tm__cli_table_init(&table, 6, titles);
    json_array_foreach((json_t *)(uintptr_t)routes, i, route) {
        char arms[256];
        put_arms(json_object_get(route, "arms"), arms, sizeof arms);
        tm__cli_cell(&table, "%s", tm__json_text(route, "route", ""));
        tm__cli_cell(&table, "%s", tm__json_text(route, "model", ""));
        tm__cli_cell(&table, "%lld", (long long)tm__json_i64(route, "champion", 0));
        tm__cli_cell(&table, "%s", arms);
        put_shadow(&table, json_object_get(route, "shadow"));
        put_rollout(&table, json_object_get(route, "rollout"));
    }
    tm__cli_table_print(cli, &table);
}

tm_status cmd_route_ls(tm_cli *cli, tm_err *err) {
    tm_place place = {0};
    listing l = {.routes = json_array(), .is_whole = true};
    tm_status st = tm__place_open(cli, false, &place, err);
    l.registry = place.registry;
    l.err = err;
    st = st == TM_OK ? tm__registry_routes(place.registry, add_route, &l, err) : st;
    st = st == TM_OK ? l.st : st;
    if (st == TM_OK && (l.routes == NULL || !l.is_whole)) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    if (st == TM_OK && cli->json) {
        json_t *result =
            json_pack("{s:s, s:O}", "schema", "tidemill.route.ls/1", "routes", l.routes);
        tm__cli_print_json(cli, result);
        json_decref(result);
    } else if (st == TM_OK && json_array_size(l.routes) == 0) {
        tm__cli_print(cli, "no routes yet\n");
        tm__cli_note(cli,
                     "next: tidemill train DATA --target COL; the first version makes a route");
    } else if (st == TM_OK) {
        print_routes(cli, l.routes);
    }
    json_decref(l.routes);
    tm__place_close(&place);
    return st;
}

/* "2=10" or "champion=90": a version of the model and its percent. */
static tm_status read_arm(tm_registry *registry, const char *model, const char *word, tm_arm *out,
                          tm_err *err) {
    const char *equals = strchr(word, '=');
    char name[TM_MAX_NAME * 2 + 2];
    double percent = 0;
    tm_version version = {0};
    uint32_t weight = 0;
    if (equals == NULL || equals == word || !tm__str_to_f64(tm__str(equals + 1), &percent) ||
        !tm__split_weight(percent, &weight)) {
        const tm_status st =
            TM_FAIL(err, TM_E_USAGE, "'%.60s' is not a version and its percent", word);
        tm_err_hint(err, "Like 1=90 2=10, or champion=99.5 challenger=0.5; they sum to 100.");
        return st;
    }
    (void)snprintf(name, sizeof name, "%s@%.*s", model, (int)(equals - word), word);
    TM_TRY(tm__registry_find(registry, name, &version, err));
    *out = (tm_arm){.version = version.number, .weight = weight};
    tm__version_done(&version);
    return TM_OK;
}

static tm_status read_order(const tm_cli *cli, tm_registry *registry, const char *model,
                            tm_split_order *out, tm_err *err) {
    *out = (tm_split_order){.force = tm__cli_flag(cli, "force")};
    for (uint32_t i = 1; i < cli->n_args; i++) {
        if (out->n == TM_ARMS_MAX) {
            return TM_FAIL(err, TM_E_USAGE, "a split has at most %u versions", TM_ARMS_MAX);
        }
        TM_TRY(read_arm(registry, model, cli->args[i], &out->arms[out->n], err));
        out->n++;
    }
    return TM_OK;
}

/* It is done, and durable: nothing is asked for any more. */
static void print_split(tm_cli *cli, const char *model, const tm_split_order *order) {
    char arms[256];
    json_t *list = tm__route_json_arms(order->arms, order->n);
    put_arms(list, arms, sizeof arms);
    tm__cli_did(cli, "requests of '%s' are answered by %s", model, arms);
    if (cli->json) {
        json_t *result = json_pack("{s:s, s:s, s:O}", "schema", "tidemill.route.split/1", "route",
                                   model, "arms", list);
        tm__cli_print_json(cli, result);
        json_decref(result);
    } else {
        tm__cli_print(cli, "%s: %s\n", model, arms);
    }
    json_decref(list);
}

tm_status cmd_route_split(tm_cli *cli, tm_err *err) {
    char user[80];
    tm_place place = {0};
    tm_split_order order;
    const char *model = tm__cli_arg(cli, "MODEL");
    const tm_actor actor = tm__cli_actor(tm__cli_text(cli, "reason"), user, sizeof(user));
    tm_status st = tm__place_open(cli, false, &place, err);
    st = st == TM_OK ? read_order(cli, place.registry, model, &order, err) : st;
    st = st == TM_OK ? tm__registry_split(place.registry, model, &order, &actor, err) : st;
    if (st == TM_OK) {
        print_split(cli, model, &order);
    }
    tm__place_close(&place);
    return st;
}
