/* SPDX-License-Identifier: Apache-2.0 */
/* `route rollout`: a version comes to a route in steps, looked at by guardrails. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/model_args.h"
#include "loop/rollout_look.h"
#include "registry/rollout.h"

/* ---- start ---- */

/* "1,10,50,100" */
static tm_status read_steps(const char *text, json_t *steps, tm_err *err) {
    tm_str rest = tm__str(text);
    while (rest.len > 0) {
        double percent = 0;
        if (!tm__str_to_f64(tm__str_trim(tm__str_cut(&rest, ',')), &percent)) {
            return tm__cli_usage(
                "--steps is no list of percent",
                "Like 1,10,50,100: rising, at most 16, to a hundredth of a percent.", err);
        }
        json_array_append_new(steps, tm__json_number(percent));
    }
    return TM_OK;
}

/* What the options say, as the terms have it. */
static tm_status read_options(const tm_cli *cli, json_t *said, tm_err *err) {
    static const char *const bounds[] = {"errors", "latency", "drift", "metric"};
    json_t *const guard = json_object();
    json_object_set_new(said, "guard", guard);
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        if (tm__cli_has(cli, bounds[i])) {
            json_object_set_new(guard, bounds[i], tm__json_number(tm__cli_f64(cli, bounds[i])));
        }
    }
    if (tm__cli_has(cli, "shadow")) {
        json_object_set_new(said, "shadow", tm__json_number(tm__cli_f64(cli, "shadow")));
    }
    if (tm__cli_has(cli, "hold")) {
        json_object_set_new(said, "hold_seconds",
                            tm__json_number((double)tm__cli_duration_us(cli, "hold") / 1e6));
    }
    if (tm__cli_has(cli, "rows")) {
        json_object_set_new(said, "rows", json_integer(tm__cli_i64(cli, "rows")));
    }
    if (tm__cli_has(cli, "steps")) {
        json_t *const steps = json_array();
        json_object_set_new(said, "steps", steps);
        TM_TRY(read_steps(tm__cli_text(cli, "steps"), steps, err));
    }
    return tm__json_check(err);
}

/* As the model declares; options have the last word. */
static tm_status read_terms(const tm_cli *cli, tm_registry *registry, const char *model,
                            tm_rollout_terms *out, tm_err *err) {
    json_t *said = json_object();
    bool has = false;
    tm_status st = tm__registry_rollout_declared(registry, model, out, &has, err);
    st = st == TM_OK ? read_options(cli, said, err) : st;
    st = st == TM_OK ? tm__rollout_terms_read(said, out, err) : st;
    out->force = tm__cli_flag(cli, "force");
    json_decref(said);
    return st;
}

static tm_status start(const tm_cli *cli, const tm_place *place, const char *name,
                       const tm_actor *actor, tm_err *err) {
    tm_version version = {0};
    tm_rollout_terms terms;
    TM_TRY(tm__registry_find(place->registry, name, &version, err));
    const tm_rollout_order order = {.version = version.number, .terms = &terms};
    tm_status st = read_terms(cli, place->registry, version.model, &terms, err);
    st = st == TM_OK
             ? tm__registry_rollout_start(place->registry, version.model, &order, actor, err)
             : st;
    tm__version_done(&version);
    return st;
}

/* ---- what is so now ---- */

static void print_checks(tm_cli *cli, const json_t *checks) {
    const char *titles[] = {"guardrail", "state", "what was seen"};
    tm_cli_table table;
    size_t i = 0;
    json_t *check = NULL;
    tm__cli_table_init(&table, 3, titles);
    json_array_foreach((json_t *)(uintptr_t)checks, i, check) {
        tm__cli_cell(&table, "%s", tm__json_text(check, "check", ""));
        tm__cli_cell(&table, "%s", tm__json_text(check, "state", ""));
        tm__cli_cell(&table, "%s", tm__json_text(check, "said", ""));
    }
    tm__cli_table_print(cli, &table);
}

static tm_status look(tm_cli *cli, const tm_place *place, const char *model, const char *actor,
                      tm_err *err) {
    json_t *result = NULL;
    TM_TRY(tm__rollout_look(place->home, place->registry, model, actor, &result, err));
    if (cli->json) {
        tm__cli_print_object(cli, "tidemill.route.rollout_look/1", result);
    } else {
        tm__cli_print(cli, "%s: %s: %s\n", model, tm__json_text(result, "action", ""),
                      tm__json_text(result, "reason", ""));
        print_checks(cli, json_object_get(result, "checks"));
    }
    json_decref(result);
    return TM_OK;
}

static void print_words(tm_cli *cli, const char *model, const json_t *rollout) {
    if (json_is_null(rollout)) {
        tm__cli_print(cli, "%s: no rollout\n", model);
        return;
    }
    const long long version = (long long)tm__json_i64(rollout, "version", 0);
    const long long step = (long long)tm__json_i64(rollout, "step", 0);
    const char *state = tm__json_text(rollout, "state", "");
    if (step == 0) {
        tm__cli_print(cli, "%s: version %lld sees %g %% of the requests and answers none, %s\n",
                      model, version, tm__json_f64(rollout, "shadow", 0), state);
    } else {
        tm__cli_print(cli, "%s: version %lld has %g %% of the requests (step %lld of %zu), %s\n",
                      model, version, tm__json_f64(rollout, "percent", 0), step,
                      json_array_size(json_object_get(rollout, "steps")), state);
    }
    tm__cli_note(cli,
                 "'tidemill run' on this home takes the steps; without one, 'tidemill route "
                 "rollout %s --look' does",
                 model);
}

/* The state as it is now. */
static tm_status show(tm_cli *cli, const tm_place *place, const char *model, tm_err *err) {
    tm_rollout rollout = {0};
    bool has = false;
    TM_TRY(tm__registry_rollout(place->registry, model, &rollout, &has, err));
    json_t *what = has ? tm__rollout_json(&rollout) : json_null();
    tm__rollout_done(&rollout);
    json_t *result = json_pack("{s:s, s:O}", "route", model, "rollout", what);
    const tm_status st = tm__json_check(err);
    if (st == TM_OK && cli->json) {
        tm__cli_print_object(cli, "tidemill.route.rollout/1", result);
    } else if (st == TM_OK) {
        print_words(cli, model, what);
    }
    json_decref(result);
    json_decref(what);
    return st;
}

/* ---- the command ---- */

/* Which one of the flags; 0: none. TM_E_USAGE for several, or beside a version. */
static tm_status read_flag(const tm_cli *cli, bool has_version, const char **out, tm_err *err) {
    static const char *const flags[] = {"stop", "pause", "resume", "look"};
    uint32_t n = 0;
    *out = NULL;
    for (size_t i = 0; i < 4; i++) {
        if (tm__cli_flag(cli, flags[i])) {
            *out = flags[i];
            n++;
        }
    }
    return n > 1 || (n == 1 && has_version)
               ? tm__cli_usage("more than one thing is asked for",
                               "Name MODEL@VERSION to begin, or MODEL with one of --stop, --pause, "
                               "--resume and --look.",
                               err)
               : TM_OK;
}

static tm_status move(const tm_place *place, const char *model, const char *flag,
                      const tm_actor *actor, tm_err *err) {
    const tm_rollout_move one = {.kind = strcmp(flag, "stop") == 0    ? TM_ROLLOUT_STOP
                                         : strcmp(flag, "pause") == 0 ? TM_ROLLOUT_PAUSE
                                                                      : TM_ROLLOUT_RESUME};
    return tm__registry_rollout_move(place->registry, model, &one, actor, err);
}

static tm_status run(tm_cli *cli, const tm_place *place, const char *flag, tm_err *err) {
    char user[80], model[TM_MAX_NAME + 1];
    const char *name = tm__cli_arg(cli, "MODEL");
    const char *at = strchr(name, '@');
    const tm_actor actor = tm__cli_actor(tm__cli_text(cli, "reason"), user, sizeof(user));
    const size_t len = at == NULL ? strlen(name) : (size_t)(at - name);
    if (!tm__str_copy(model, sizeof model, (tm_str){name, len})) {
        return TM_FAIL(err, TM_E_NOT_FOUND, "there is no model '%.64s'", name);
    }
    if (at != NULL) {
        TM_TRY(start(cli, place, name, &actor, err));
        tm__cli_did(cli, "the rollout of '%s' has begun", name);
    } else if (flag != NULL && strcmp(flag, "look") == 0) {
        return look(cli, place, model, actor.name, err);
    } else if (flag != NULL) {
        TM_TRY(move(place, model, flag, &actor, err));
        tm__cli_did(cli, "the rollout of '%s' is moved: %s", model, flag);
    } else {
        tm_route route;
        TM_TRY(tm__registry_route(place->registry, model, &route, err));
    }
    return show(cli, place, model, err);
}

tm_status cmd_route_rollout(tm_cli *cli, tm_err *err) {
    tm_place place = {0};
    const char *flag = NULL;
    TM_TRY(read_flag(cli, strchr(tm__cli_arg(cli, "MODEL"), '@') != NULL, &flag, err));
    tm_status st = tm__place_open(cli, false, &place, err);
    st = st == TM_OK ? run(cli, &place, flag, err) : st;
    tm__place_close(&place);
    return st;
}
