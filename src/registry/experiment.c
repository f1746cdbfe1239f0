/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     history:   started {terms} ... stopped ... started {terms} ...
 *                └───── number 1 ──────┘         └── number 2, running
 *
 * 1. A start and the look whether one runs are one transaction; so are what is done at the verdict
 *    and the stop.
 * 2. The newest start with the stop behind it, if there is one, is the experiment of a model.
 */
#include "registry/experiment.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "registry/registry_priv.h"
#include "registry/rollout.h"

#define STARTED "experiment.started"
#define STOPPED "experiment.stopped"

const char *const tm__then_names[3] = {"nothing", "stop", "promote"};

typedef struct asking {
    const char *model;
    const tm_experiment_terms *terms; /* of a start */
    const tm_experiment_end *end;     /* of an end at the verdict; NULL: by hand */
    const tm_actor *actor;
    json_t **out; /* the experiment as it is then; NULL: nobody asks */
} asking;

/* ---- Reading ---- */

static tm_status take_start(tm_stmt *stmt, int64_t number, json_t **out, tm_err *err) {
    json_t *terms = NULL;
    TM_TRY(tm__registry_json(tm__stmt_text(stmt, 4), &terms, err));
    json_t *made = json_pack("{s:I, s:s}", "experiment", (json_int_t)number, "state", "running");
    json_object_set_new(made, "then", json_string(tm__then_names[TM_THEN_NOTHING])); /* of old */
    json_object_set_new(made, "guardrails", json_array());
    json_object_set_new(made, "counted", json_null());
    json_object_set_new(made, "evidence", json_null());
    json_object_update(made, terms);
    json_decref(terms);
    json_object_set_new(made, "started", tm__json_time(tm__stmt_i64(stmt, 0)));
    json_object_set_new(made, "started_by", tm__json_string(tm__stmt_text(stmt, 2)));
    json_object_set_new(made, "hypothesis", tm__json_string(tm__stmt_text(stmt, 3)));
    json_object_set_new(made, "stopped", json_null());
    json_object_set_new(made, "stopped_by", json_null());
    json_object_set_new(made, "stop_reason", json_null());
    json_decref(*out);
    *out = made;
    return tm__json_check(err);
}

static tm_status take_stop(tm_stmt *stmt, json_t *out, tm_err *err) {
    json_t *evidence = NULL;
    TM_TRY(tm__registry_json(tm__stmt_text(stmt, 4), &evidence, err));
    json_object_set_new(out, "evidence", evidence);
    json_object_set_new(out, "state", json_string("stopped"));
    json_object_set_new(out, "stopped", tm__json_time(tm__stmt_i64(stmt, 0)));
    json_object_set_new(out, "stopped_by", tm__json_string(tm__stmt_text(stmt, 2)));
    json_object_set_new(out, "stop_reason", tm__json_string(tm__stmt_text(stmt, 3)));
    return TM_OK;
}

/* NULL in *out: there never was one. */
static tm_status read_newest(tm_registry *registry, const char *model, json_t **out, tm_err *err) {
    tm_stmt *stmt = NULL;
    json_t *found = NULL;
    int64_t number = 0;
    TM_TRY(tm__stmt_init(registry->db,
                         "SELECT at_us, event, actor, reason, details FROM history WHERE model = ?"
                         " AND event IN ('" STARTED "', '" STOPPED "') ORDER BY seq",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, model);
    tm_status st = TM_OK;
    while (tm__stmt_next(stmt, &st, err)) {
        if (strcmp(tm__stmt_text(stmt, 1), STARTED) == 0) {
            st = take_start(stmt, ++number, &found, err);
        } else if (found != NULL) {
            st = take_stop(stmt, found, err);
        }
    }
    tm__stmt_done(stmt);
    return tm__json_give(st, found, out, err);
}

tm_status tm__registry_experiment(tm_registry *registry, const char *model, json_t **out,
                                  tm_err *err) {
    int64_t id = 0;
    json_t *found = NULL;
    TM_TRY(tm__registry_model_id(registry, model, &id, err));
    TM_TRY(read_newest(registry, model, &found, err));
    if (found == NULL) {
        const tm_status st =
            TM_FAIL(err, TM_E_NOT_FOUND, "'%s' has never had an experiment", model);
        tm_err_hint(err, "Start one: tidemill experiment start %.80s 1=50 2=50", model);
        return st;
    }
    *out = found;
    return TM_OK;
}

/* A change and the experiment as it is then, which is nothing when the change is not done. */
static tm_status change(tm_registry *registry,
                        tm_status (*fn)(tm_registry *registry, void *arg, tm_err *err), asking *in,
                        tm_err *err) {
    *in->out = NULL;
    const tm_status st = tm__registry_transact(registry, fn, in, err);
    if (st != TM_OK) {
        json_decref(*in->out);
        *in->out = NULL;
    }
    return st;
}

static bool is_running(const json_t *experiment) {
    return experiment != NULL && strcmp(tm__json_text(experiment, "state", ""), "running") == 0;
}

tm_status tm__registry_experiment_arms(tm_registry *registry, const char *model, json_t *out,
                                       tm_err *err) {
    json_t *newest = NULL, *version = NULL;
    size_t i = 0;
    char key[24];
    TM_TRY(read_newest(registry, model, &newest, err));
    if (is_running(newest)) {
        json_array_foreach(json_object_get(newest, "versions"), i, version) {
            (void)snprintf(key, sizeof(key), "%lld", (long long)json_integer_value(version));
            json_object_set_new(out, key, json_true());
        }
    }
    json_decref(newest);
    return tm__json_check(err);
}

tm_status tm__registry_experiments_acting(tm_registry *registry, json_t **out, tm_err *err) {
    return tm__registry_names(
        registry,
        "SELECT m.name FROM models m JOIN history h ON h.seq = (SELECT MAX(seq) FROM history"
        " WHERE model = m.name AND event IN ('" STARTED "', '" STOPPED "'))"
        " WHERE h.event = '" STARTED "' AND json_extract(h.details, '$.then') IN ('stop',"
        " 'promote') ORDER BY m.name",
        NULL, out, err);
}

/* ---- Starting ---- */

static json_t *terms_to_json(const tm_experiment_terms *t) {
    json_t *out =
        json_pack("{s:[i, i], s:o, s:s, s:o, s:o, s:o, s:o, s:s}", "versions", (int)t->versions[0],
                  (int)t->versions[1], "share", tm__json_number(t->share), "metric", t->metric,
                  "alpha", tm__json_number(t->alpha), "horizon",
                  t->horizon > 0 ? json_integer((json_int_t)t->horizon) : json_null(), "baseline",
                  t->baseline > 0 ? tm__json_number(t->baseline) : json_null(), "delay_seconds",
                  t->delay_us > 0 ? tm__json_number((double)t->delay_us / 1e6) : json_null(),
                  "then", tm__then_names[t->then]);
    if (t->guardrails != NULL) {
        json_object_set(out, "guardrails", (json_t *)(uintptr_t)t->guardrails);
        json_object_set(out, "counted",
                        t->counted != NULL ? (json_t *)(uintptr_t)t->counted : json_null());
    }
    return out;
}

static tm_status check_arm(tm_registry *registry, int64_t model_id, uint32_t number, tm_err *err) {
    tm_version version = {0};
    tm_bundle *bundle = NULL;
    TM_TRY(tm__registry_load(registry, model_id, number, &version, err));
    const tm_status st = tm__registry_bundle(registry, &version, &bundle, err);
    tm__bundle_unref(bundle);
    tm__version_done(&version);
    return st;
}

static tm_status refuse_second(const json_t *running, const char *model, tm_err *err) {
    const tm_status st = TM_FAIL(err, TM_E_CONFLICT, "experiment %lld of '%s' is running",
                                 (long long)tm__json_i64(running, "experiment", 0), model);
    tm_err_hint(err,
                "Look at it with 'tidemill experiment status %.60s', or end it with 'tidemill "
                "experiment stop %.60s'.",
                model, model);
    return st;
}

/* The route is split between the arms, as they say. */
static bool is_split_so(const tm_route *route, const tm_experiment_terms *terms) {
    const double shares[2] = {1 - terms->share, terms->share};
    uint32_t n = 0;
    for (uint32_t i = 0; i < route->n_arms; i++) {
        for (uint32_t arm = 0; arm < 2; arm++) {
            const double weight = (double)route->arms[i].weight / TM_ARM_PARTS;
            n += route->arms[i].version == terms->versions[arm] &&
                 fabs(weight - shares[arm]) < 0.5 / TM_ARM_PARTS;
        }
    }
    return n == 2 && route->n_arms == 2;
}

/* Nobody watches one that acts: what it would be stopped for at once is said now. */
static tm_status check_acts(tm_registry *registry, const asking *in, const tm_route *route,
                            tm_err *err) {
    const tm_experiment_terms *t = in->terms;
    tm_rollout rollout = {0};
    bool has = false;
    if (t->then == TM_THEN_NOTHING) {
        return TM_OK;
    }
    TM_TRY(tm__registry_rollout(registry, in->model, &rollout, &has, err));
    tm__rollout_done(&rollout);
    if (has || route->version != t->versions[0] || !is_split_so(route, t)) {
        const tm_status st =
            has ? TM_FAIL(err, TM_E_CONFLICT, "'%s' has a rollout", in->model)
            : route->version != t->versions[0]
                ? TM_FAIL(err, TM_E_CONFLICT,
                          "the control of an experiment that acts is the champion, version %u",
                          route->version)
                : TM_FAIL(err, TM_E_CONFLICT, "the requests of '%s' are not split as the arms say",
                          in->model);
        tm_err_hint(
            err, "Split them first, by nothing else: tidemill route split %.60s %u=%g %u=%g",
            in->model, t->versions[0], 100 * (1 - t->share), t->versions[1], 100 * t->share);
        return st;
    }
    return t->then == TM_THEN_PROMOTE
               ? tm__split_may_answer(registry, route, t->versions[1], false, err)
               : TM_OK;
}

static tm_status start_locked(tm_registry *registry, void *arg, tm_err *err) {
    const asking *in = arg;
    json_t *newest = NULL;
    tm_route route;
    TM_TRY(read_newest(registry, in->model, &newest, err));
    tm_status st = is_running(newest) ? refuse_second(newest, in->model, err) : TM_OK;
    json_decref(newest);
    TM_TRY(st);
    TM_TRY(tm__registry_route(registry, in->model, &route, err));
    TM_TRY(check_acts(registry, in, &route, err));
    json_t *details = terms_to_json(in->terms);
    json_object_set_new(details, "split", json_boolean(is_split_so(&route, in->terms)));
    st = tm__json_check(err);
    if (st == TM_OK) {
        const tm_event event = {.model = in->model,
                                .event = STARTED,
                                .version = in->terms->versions[1],
                                .from = in->terms->versions[0],
                                .actor = in->actor,
                                .details = details};
        st = tm__history_append_locked(registry, &event, err);
    }
    json_decref(details);
    return st == TM_OK ? read_newest(registry, in->model, in->out, err) : st;
}

tm_status tm__registry_experiment_start(tm_registry *registry, const char *model,
                                        const tm_experiment_terms *terms, const tm_actor *actor,
                                        json_t **out, tm_err *err) {
    asking in = {.model = model, .terms = terms, .actor = actor, .out = out};
    int64_t id = 0;
    TM_TRY(tm__registry_model_id(registry, model, &id, err));
    if (terms->versions[0] == terms->versions[1]) {
        return TM_FAIL(err, TM_E_CONFLICT, "both arms are version %u of '%s'", terms->versions[0],
                       model);
    }
    for (uint32_t arm = 0; arm < 2; arm++) {
        TM_TRY(check_arm(registry, id, terms->versions[arm], err));
    }
    return change(registry, start_locked, &in, err);
}

/* ---- Stopping ---- */

/* The treatment is promoted, or answers no more. */
static tm_status act(tm_registry *registry, const asking *in, const uint32_t versions[2],
                     tm_err *err) {
    const tm_promotion promotion = {
        .version = versions[1], .champion = versions[0], .is_checked = true};
    tm_route route;
    uint32_t from = 0;
    if (in->end->promotes) {
        return tm__promote_locked(registry, in->model, &promotion, in->actor, err);
    }
    TM_TRY(tm__registry_route(registry, in->model, &route, err));
    for (uint32_t i = 0; i < route.n_arms; i++) {
        if (route.arms[i].version == versions[1]) {
            return tm__split_end_locked(registry, in->model, in->actor, &from, err);
        }
    }
    return TM_OK; /* it was taken from it by hand */
}

static tm_status stop_locked(tm_registry *registry, void *arg, tm_err *err) {
    const asking *in = arg;
    json_t *newest = NULL;
    TM_TRY(read_newest(registry, in->model, &newest, err));
    const json_t *arms = json_object_get(newest, "versions");
    const uint32_t versions[2] = {(uint32_t)json_integer_value(json_array_get(arms, 0)),
                                  (uint32_t)json_integer_value(json_array_get(arms, 1))};
    const bool is_it =
        is_running(newest) &&
        (in->end == NULL || tm__json_i64(newest, "experiment", 0) == in->end->number);
    json_decref(newest);
    if (!is_it) {
        return TM_FAIL(err, TM_E_CONFLICT, "no%s experiment of '%s' is running",
                       in->end == NULL ? "" : " such", in->model);
    }
    if (in->end != NULL) {
        TM_TRY(act(registry, in, versions, err));
    }
    const tm_event event = {.model = in->model,
                            .event = STOPPED,
                            .version = versions[1],
                            .from = versions[0],
                            .actor = in->actor,
                            .details = in->end == NULL ? NULL : in->end->evidence};
    TM_TRY(tm__history_append_locked(registry, &event, err));
    return in->out == NULL ? TM_OK : read_newest(registry, in->model, in->out, err);
}

tm_status tm__registry_experiment_end(tm_registry *registry, const char *model,
                                      const tm_experiment_end *end, const tm_actor *actor,
                                      tm_err *err) {
    asking in = {.model = model, .end = end, .actor = actor};
    json_t *newest = NULL;
    if (end->promotes) { /* the file is read outside of the transaction */
        TM_TRY(read_newest(registry, model, &newest, err));
        const json_t *arms = json_object_get(newest, "versions");
        const uint32_t treatment = (uint32_t)json_integer_value(json_array_get(arms, 1));
        const tm_status st =
            newest == NULL ? TM_OK : tm__registry_file_check(registry, model, treatment, err);
        json_decref(newest);
        TM_TRY(st);
    }
    return tm__registry_transact(registry, stop_locked, &in, err);
}

tm_status tm__registry_experiment_stop(tm_registry *registry, const char *model,
                                       const tm_actor *actor, json_t **out, tm_err *err) {
    asking in = {.model = model, .actor = actor, .out = out};
    int64_t id = 0;
    TM_TRY(tm__registry_model_id(registry, model, &id, err));
    return change(registry, stop_locked, &in, err);
}

tm_status tm__registry_experiment_bundles(tm_registry *registry, const char *model,
                                          const json_t *record, tm_bundle *out[2], tm_err *err) {
    tm_bundle *bundles[2] = {NULL, NULL};
    tm_status st = TM_OK;
    for (size_t arm = 0; st == TM_OK && arm < 2; arm++) {
        char name[TM_MAX_NAME + 16];
        tm_version version = {0};
        (void)snprintf(
            name, sizeof(name), "%s@%u", model,
            (uint32_t)json_integer_value(json_array_get(json_object_get(record, "versions"), arm)));
        st = tm__registry_find(registry, name, &version, err);
        st = st == TM_OK ? tm__registry_bundle(registry, &version, &bundles[arm], err) : st;
        tm__version_done(&version);
    }
    if (st != TM_OK) {
        tm__bundle_unref(bundles[0]);
        return st;
    }
    memcpy(out, bundles, sizeof(bundles));
    return TM_OK;
}
