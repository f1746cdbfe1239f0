/* SPDX-License-Identifier: Apache-2.0 */
/* `experiment start`, `stop` and `status`: on versions of a model by its log, or of any table. */
#include <math.h>
#include <string.h>

#include "base/limits.h"
#include "cli/cli.h"
#include "cli/experiment_act.h"
#include "cli/experiment_asked.h"
#include "cli/experiment_rows.h"
#include "cli/model_args.h"
#include "monitor/experiment_guard.h"
#include "monitor/experiment_log.h"
#include "registry/experiment.h"

#define POINTS_PRINTED 24u /* over time, on a terminal */

static uint32_t points_of(const tm_cli *cli) {
    return !tm__cli_flag(cli, "over-time") ? 0 : cli->json ? TM_EXPERIMENT_POINTS : POINTS_PRINTED;
}

/* ---- status of a table ---- */

static tm_status judge_table(tm_cli *cli, tm_ctx *ctx, tm_experiment *e, json_t **out,
                             tm_err *err) {
    tm_table *table = NULL;
    TM_TRY(tm__cli_read(cli, ctx, tm__cli_text(cli, "data"), tm__cli_text(cli, "sql"), NULL, &table,
                        err));
    e->is_looked_at_once = true;
    e->n_points = points_of(cli);
    tm_status st = tm__experiment_options(cli, e, err);
    if (st == TM_OK) {
        st = tm__experiment_rows(cli, table, e, err);
    }
    if (st == TM_OK) {
        st = tm__experiment_judge(e, out, err);
    }
    if (st == TM_OK) {
        json_object_set_new(*out, "rows", json_integer((json_int_t)tm__table_rows(table)));
        json_object_set_new(*out, "without_arm", json_integer((json_int_t)e->n_without_arm));
    }
    tm__table_unref(table);
    return st;
}

static tm_status table_status(tm_cli *cli, tm_err *err) {
    tm_ctx ctx = {0};
    tm_experiment e = {0};
    json_t *result = NULL;
    if (!tm__cli_has(cli, "arm") || !tm__cli_has(cli, "metric")) {
        return tm__cli_usage(
            "--arm or --metric is missing",
            "Name the columns that say which arm a row is of, and what came of it.", err);
    }
    tm_status st = tm__cli_ctx_init(cli, (uint32_t)tm__cli_i64(cli, "threads"), &ctx, err);
    if (st == TM_OK) {
        st = judge_table(cli, &ctx, &e, &result, err);
    }
    if (st == TM_OK && cli->json) {
        tm__cli_print_object(cli, "tidemill.experiment_status/1", result);
    } else if (st == TM_OK) {
        tm__experiment_print(cli, result);
    }
    json_decref(result);
    tm__experiment_done(&e);
    tm__cli_ctx_done(&ctx);
    return st;
}

/* ---- status of a model ---- */

static tm_status judge_log(tm_cli *cli, const tm_place *place, const char *model, json_t **out,
                           tm_err *err) {
    const tm_monitor_options reading_only = {.can_write = false};
    json_t *found = NULL;
    tm_bundle *bundles[2] = {NULL, NULL};
    tm_monitor *monitor = NULL;
    TM_TRY(tm__registry_experiment(place->registry, model, &found, err));
    tm_status st = tm__registry_experiment_bundles(place->registry, model, found, bundles, err);
    st = st == TM_OK ? tm__monitor_open(place->home, &reading_only, &monitor, err) : st;
    if (st == TM_OK) {
        const tm_experiment_ask ask = {
            place->home, monitor, model, found, {bundles[0], bundles[1]}};
        st = tm__experiment_told(&ask, points_of(cli), out, err);
    }
    tm__monitor_close(monitor);
    tm__bundle_unref(bundles[0]);
    tm__bundle_unref(bundles[1]);
    json_decref(found);
    return st;
}

static void print_action(tm_cli *cli, const json_t *result) {
    const char *action = tm__json_text(result, "action", NULL);
    if (action != NULL) {
        tm__cli_print(cli, "\naction: %s%s\n", action,
                      strcmp(action, "nothing") == 0 ? ", as it was started" : "");
    }
}

static tm_status model_status(tm_cli *cli, const char *model, tm_err *err) {
    tm_place place = {0};
    json_t *result = NULL;
    if (tm__cli_has(cli, "sql") || tm__cli_has(cli, "arm") || tm__cli_has(cli, "metric") ||
        tm__cli_has(cli, "horizon") || tm__cli_has(cli, "alpha")) {
        return tm__cli_usage(
            "a model's experiment is judged by what was said when it started",
            "Leave the options out, or name a table with --data in place of the model.", err);
    }
    char user[80];
    TM_TRY(tm__place_open(cli, false, &place, err));
    tm_status st = judge_log(cli, &place, model, &result, err);
    if (st == TM_OK && tm__cli_flag(cli, "act")) {
        st = tm__experiment_act(&place, model, tm__cli_actor(NULL, user, sizeof(user)).name, result,
                                err);
    }
    if (st == TM_OK && cli->json) {
        tm__cli_print_object(cli, "tidemill.experiment_status/1", result);
    } else if (st == TM_OK) {
        tm__cli_print(cli, "experiment %lld of '%s', %s, started %s by %s\n",
                      (long long)tm__json_i64(result, "experiment", 0), model,
                      tm__json_text(result, "state", ""), tm__json_text(result, "started", ""),
                      tm__json_text(result, "started_by", ""));
        tm__experiment_print(cli, result);
        print_action(cli, result);
    }
    json_decref(result);
    tm__place_close(&place);
    return st;
}

tm_status cmd_experiment_status(tm_cli *cli, tm_err *err) {
    const char *model = tm__cli_arg(cli, "MODEL");
    const bool has_table = tm__cli_has(cli, "data") || tm__cli_has(cli, "sql");
    if (model == NULL && tm__cli_flag(cli, "act")) {
        return tm__cli_usage("a table has nothing to act on", "Name a model with an experiment.",
                             err);
    }
    if ((model != NULL) == has_table) {
        return tm__cli_usage(model != NULL ? "both a model and a table are named"
                                           : "neither a model nor a table is named",
                             "Name a model with an experiment, or rows with --data or --sql.", err);
    }
    return model != NULL ? model_status(cli, model, err) : table_status(cli, err);
}

/* ---- start and stop ---- */

/* An arm as VERSION=PERCENT. */
static tm_status read_arm(const char *text, uint32_t *out_version, double *out_weight,
                          tm_err *err) {
    uint64_t version = 0;
    tm_str weight = tm__str(text);
    const tm_str number = tm__str_cut(&weight, '=');
    if (!tm__str_to_u64(number, &version) || version == 0 || version > UINT32_MAX ||
        !tm__str_to_f64(weight, out_weight) || !(*out_weight > 0) || !(*out_weight < 100)) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "'%.64s' is no arm", text);
        tm_err_hint(err, "Arms are VERSION=PERCENT, the control first: 1=50 2=50.");
        return st;
    }
    *out_version = (uint32_t)version;
    return TM_OK;
}

static tm_status alias_of(const tm_place *place, const char *model, const char *alias,
                          uint32_t *out, tm_err *err) {
    char name[TM_MAX_NAME + 16];
    tm_version version = {0};
    (void)snprintf(name, sizeof(name), "%s@%s", model, alias);
    TM_TRY(tm__registry_find(place->registry, name, &version, err));
    *out = version.number;
    tm__version_done(&version);
    return TM_OK;
}

/* The arms of a split between two versions, as the route has them: the champion is the control.
 * False when the route is not split between two. */
static bool arms_of_split(const tm_route *route, tm_experiment_terms *out) {
    if (route->n_arms != 2) {
        return false;
    }
    const uint32_t control = route->arms[1].version == route->version ? 1 : 0;
    out->versions[0] = route->arms[control].version;
    out->versions[1] = route->arms[1 - control].version;
    out->share = (double)route->arms[1 - control].weight / TM_ARM_PARTS;
    return true;
}

static tm_status read_arms(tm_cli *cli, const tm_place *place, tm_experiment_terms *out,
                           tm_err *err) {
    const uint32_t n = cli->n_args - 1;
    double weights[2];
    tm_route route;
    if (n == 0) { /* what is split, else the champion against its challenger */
        TM_TRY(tm__registry_route(place->registry, tm__cli_arg(cli, "MODEL"), &route, err));
        if (arms_of_split(&route, out)) {
            return TM_OK;
        }
        out->share = 0.5;
        TM_TRY(alias_of(place, tm__cli_arg(cli, "MODEL"), "champion", &out->versions[0], err));
        return alias_of(place, tm__cli_arg(cli, "MODEL"), "challenger", &out->versions[1], err);
    }
    if (n != 2) {
        return tm__cli_usage("an experiment has two arms",
                             "Say them as VERSION=PERCENT, the control first: 1=50 2=50.", err);
    }
    for (uint32_t arm = 0; arm < 2; arm++) {
        TM_TRY(read_arm(cli->args[1 + arm], &out->versions[arm], &weights[arm], err));
    }
    if (fabs(weights[0] + weights[1] - 100) > 1e-9) {
        return tm__cli_usage("the shares of the arms are not 100 % in all",
                             "Say them as 1=90 2=10.", err);
    }
    out->share = weights[1] / 100;
    return TM_OK;
}

static tm_status find_delay(tm_cli *cli, const tm_place *place, int64_t *out, tm_err *err) {
    json_t *recipe = NULL;
    if (tm__cli_has(cli, "delay")) {
        *out = tm__cli_duration_us(cli, "delay");
        return TM_OK;
    }
    TM_TRY(tm__registry_recipe(place->registry, tm__cli_arg(cli, "MODEL"), &recipe, err));
    *out = tm__json_i64(json_object_get(recipe, "labels"), "delay_us", 0);
    json_decref(recipe);
    return TM_OK;
}

/* What is compared, and what must not get worse; the latter in *out_guardrails as well, owned. */
static tm_status find_metrics(tm_cli *cli, const tm_place *place, tm_experiment_terms *out,
                              json_t **out_guardrails, tm_err *err) {
    char name[TM_MAX_NAME + 16];
    tm_version version = {0};
    tm_bundle *bundle = NULL;
    (void)snprintf(name, sizeof(name), "%s@%u", tm__cli_arg(cli, "MODEL"), out->versions[0]);
    TM_TRY(tm__registry_find(place->registry, name, &version, err));
    tm_status st = tm__registry_bundle(place->registry, &version, &bundle, err);
    if (st == TM_OK) {
        st = tm__experiment_metric(bundle, tm__cli_text(cli, "metric"), &out->metric, err);
    }
    if (st == TM_OK) {
        st = tm__guards_read(cli, bundle, out->metric, out_guardrails, err);
        out->guardrails = *out_guardrails;
    }
    tm__bundle_unref(bundle);
    tm__version_done(&version);
    return st;
}

/* One of the names, for options have only those. */
static tm_experiment_then read_then(const tm_cli *cli) {
    tm_experiment_then then = TM_THEN_PROMOTE;
    while (then != TM_THEN_NOTHING &&
           strcmp(tm__cli_text(cli, "then"), tm__then_names[then]) != 0) {
        then--;
    }
    return then;
}

static tm_status read_terms(tm_cli *cli, const tm_place *place, tm_experiment_terms *out,
                            json_t **out_guardrails, tm_err *err) {
    tm_experiment rule = {0};
    TM_TRY(read_arms(cli, place, out, err));
    TM_TRY(find_metrics(cli, place, out, out_guardrails, err));
    TM_TRY(tm__experiment_rule(cli, &rule, err));
    TM_TRY(find_delay(cli, place, &out->delay_us, err));
    out->alpha = rule.alpha;
    out->horizon = rule.horizon;
    out->baseline = rule.baseline;
    out->then = read_then(cli);
    return TM_OK;
}

static void say_started(tm_cli *cli, const char *model, json_t *started) {
    const json_t *versions = json_object_get(started, "versions");
    json_object_set_new(started, "model", json_string(model));
    if (cli->json) {
        tm__cli_print_object(cli, "tidemill.experiment_start/1", started);
        return;
    }
    tm__cli_print(cli, "experiment %lld of '%s': version %lld against version %lld, by %s\n",
                  (long long)tm__json_i64(started, "experiment", 0), model,
                  (long long)json_integer_value(json_array_get(versions, 1)),
                  (long long)json_integer_value(json_array_get(versions, 0)),
                  tm__json_text(started, "metric", ""));
    tm__cli_note(cli, "next: tidemill experiment status %s", model);
}

static tm_status start(tm_cli *cli, const tm_place *place, const tm_actor *actor, tm_err *err) {
    const char *model = tm__cli_arg(cli, "MODEL");
    tm_experiment_terms terms = {0};
    json_t *started = NULL, *guardrails = NULL, *counted = NULL;
    tm_status st = read_terms(cli, place, &terms, &guardrails, err);
    if (st == TM_OK && tm__guards_have(guardrails, TM_GUARD_ERRORS)) {
        st = tm__guards_counted(place->home, model, terms.versions, &counted, err);
        terms.counted = counted;
    }
    if (st == TM_OK) {
        st = tm__registry_experiment_start(place->registry, model, &terms, actor, &started, err);
    }
    json_decref(guardrails);
    json_decref(counted);
    TM_TRY(st);
    tm__cli_did(cli, "experiment %lld of '%.100s' is started",
                (long long)tm__json_i64(started, "experiment", 0), model);
    say_started(cli, model, started);
    json_decref(started);
    return TM_OK;
}

tm_status cmd_experiment_start(tm_cli *cli, tm_err *err) {
    char name[160];
    tm_place place = {0};
    TM_TRY(tm__place_open(cli, false, &place, err));
    const tm_actor actor = tm__cli_actor(tm__cli_text(cli, "reason"), name, sizeof(name));
    const tm_status st = start(cli, &place, &actor, err);
    tm__place_close(&place);
    return st;
}

tm_status cmd_experiment_stop(tm_cli *cli, tm_err *err) {
    char name[160];
    const char *model = tm__cli_arg(cli, "MODEL");
    tm_place place = {0};
    json_t *stopped = NULL;
    TM_TRY(tm__place_open(cli, false, &place, err));
    const tm_actor actor = tm__cli_actor(tm__cli_text(cli, "reason"), name, sizeof(name));
    const tm_status st = tm__registry_experiment_stop(place.registry, model, &actor, &stopped, err);
    if (st == TM_OK) {
        const long long number = (long long)tm__json_i64(stopped, "experiment", 0);
        tm__cli_did(cli, "experiment %lld of '%.100s' is stopped", number, model);
        json_object_set_new(stopped, "model", json_string(model));
        if (cli->json) {
            tm__cli_print_object(cli, "tidemill.experiment_stop/1", stopped);
        } else {
            tm__cli_print(cli, "experiment %lld of '%s' is stopped\n", number, model);
        }
    }
    json_decref(stopped);
    tm__place_close(&place);
    return st;
}
