/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a rollout is one row, and each move changes it, the route's arms and the history in
 * one transaction: a kill leaves the step before or the step after.
 */
#include "registry/rollout.h"

#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "registry/experiment.h"
#include "registry/registry_priv.h"

#define DEFAULT_HOLD_US (INT64_C(600) * 1000000)

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

/* ---- terms ---- */

tm_rollout_terms tm__rollout_default(void) {
    return (tm_rollout_terms){
        .n_steps = 4,
        .steps = {100, 1000, 5000, TM_ARM_PARTS},
        .hold_us = DEFAULT_HOLD_US,
        .hold_rows = 100,
        .guard = {.errors = 0.01, .latency = 2, .drift = 0.1, .metric = 0.01}};
}

json_t *tm__rollout_terms_json(const tm_rollout_terms *terms) {
    json_t *steps = json_array();
    for (uint32_t i = 0; i < terms->n_steps; i++) {
        json_array_append_new(steps, tm__json_number(terms->steps[i] / 100.0));
    }
    return json_pack(
        "{s:o, s:o, s:I, s:{s:o, s:o, s:o, s:o}, s:b}", "steps", steps, "hold_seconds",
        tm__json_number((double)terms->hold_us / 1e6), "rows", (json_int_t)terms->hold_rows,
        "guard", "errors", tm__json_number(terms->guard.errors), "latency",
        tm__json_number(terms->guard.latency), "drift", tm__json_number(terms->guard.drift),
        "metric", tm__json_number(terms->guard.metric), "forced", terms->force);
}

/* Of a text that tm__rollout_terms_json() made. */
static tm_rollout_terms terms_from_json(const json_t *json) {
    const json_t *steps = json_object_get(json, "steps");
    const json_t *guard = json_object_get(json, "guard");
    tm_rollout_terms terms = {.hold_us =
                                  (int64_t)(tm__json_f64(json, "hold_seconds", 0) * 1e6 + 0.5),
                              .hold_rows = (uint64_t)tm__json_i64(json, "rows", 0),
                              .guard = {.errors = tm__json_f64(guard, "errors", 0),
                                        .latency = tm__json_f64(guard, "latency", 0),
                                        .drift = tm__json_f64(guard, "drift", 0),
                                        .metric = tm__json_f64(guard, "metric", 0)},
                              .force = json_is_true(json_object_get(json, "forced"))};
    for (size_t i = 0; i < json_array_size(steps) && i < TM_ROLLOUT_STEPS_MAX; i++) {
        terms.n_steps +=
            tm__split_weight(json_number_value(json_array_get(steps, i)), &terms.steps[i]);
    }
    return terms;
}

static tm_status check_terms(const tm_rollout_terms *terms, tm_err *err) {
    bool is_good = terms->n_steps > 0 && terms->n_steps <= TM_ROLLOUT_STEPS_MAX;
    for (uint32_t i = 0; is_good && i < terms->n_steps; i++) {
        is_good =
            terms->steps[i] > (i == 0 ? 0 : terms->steps[i - 1]) && terms->steps[i] <= TM_ARM_PARTS;
    }
    if (!is_good) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "the steps do not rise between 0 and 100 %%");
        tm_err_hint(err, "Like 1,10,50,100: at most %u, to a hundredth of a percent.",
                    TM_ROLLOUT_STEPS_MAX);
        return st;
    }
    const tm_rollout_guard *g = &terms->guard;
    if (terms->hold_us < 0 || (terms->hold_us == 0 && terms->hold_rows == 0) ||
        !(g->errors >= 0 && g->latency >= 0 && g->drift >= 0 && g->metric >= 0)) {
        const tm_status st =
            TM_FAIL(err, TM_E_USAGE, "a step needs a time or a number of answers to be held for");
        tm_err_hint(err, "Give --hold 10m, --rows 1000, or both; bounds are not below 0.");
        return st;
    }
    return TM_OK;
}

/* ---- state ---- */

void tm__rollout_done(tm_rollout *rollout) {
    json_decref(rollout->counted);
    *rollout = (tm_rollout){0};
}

json_t *tm__rollout_json(const tm_rollout *r) {
    const bool is_last = r->step >= r->terms.n_steps;
    json_t *out =
        json_pack("{s:I, s:I, s:s, s:i, s:o, s:o}", "version", (json_int_t)r->version, "champion",
                  (json_int_t)r->champion, "state", r->is_paused ? "paused" : "running", "step",
                  (int)r->step + 1, "percent",
                  is_last ? json_null() : tm__json_number(r->terms.steps[r->step] / 100.0), "since",
                  tm__registry_time(r->entered_us));
    json_t *terms = tm__rollout_terms_json(&r->terms);
    if (out != NULL && json_object_update(out, terms) != 0) {
        json_decref(out);
        out = NULL;
    }
    json_decref(terms);
    return out;
}

tm_status tm__registry_rollout(tm_registry *registry, const char *model, tm_rollout *out,
                               bool *out_has, tm_err *err) {
    tm_stmt *stmt = NULL;
    json_t *terms = NULL;
    tm_rollout found = {0};
    *out_has = false;
    TM_TRY(tm__stmt_init(registry->db,
                         "SELECT number, champion, step, is_paused, entered_us, terms, counted"
                         " FROM rollouts WHERE model = ?",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, model);
    tm_status st = tm__stmt_step(stmt, out_has, err);
    if (st == TM_OK && *out_has) {
        found = (tm_rollout){.version = (uint32_t)tm__stmt_i64(stmt, 0),
                             .champion = (uint32_t)tm__stmt_i64(stmt, 1),
                             .step = (uint32_t)tm__stmt_i64(stmt, 2),
                             .is_paused = tm__stmt_i64(stmt, 3) != 0,
                             .entered_us = tm__stmt_i64(stmt, 4)};
        st = tm__registry_json(tm__stmt_text(stmt, 5), &terms, err);
        found.terms = terms_from_json(terms);
        if (st == TM_OK && !tm__stmt_is_null(stmt, 6)) {
            st = tm__registry_json(tm__stmt_text(stmt, 6), &found.counted, err);
        }
    }
    tm__stmt_done(stmt);
    json_decref(terms);
    if (st == TM_OK) {
        *out = found;
    }
    return st;
}

tm_status tm__registry_rollouts(tm_registry *registry, json_t **out, tm_err *err) {
    tm_stmt *stmt = NULL;
    json_t *names = json_array();
    TM_TRY(tm__stmt_init(registry->db, "SELECT model FROM rollouts ORDER BY model", &stmt, err));
    tm_status st = TM_OK;
    for (bool has_row = true; st == TM_OK && has_row;) {
        st = tm__stmt_step(stmt, &has_row, err);
        if (st == TM_OK && has_row) {
            json_array_append_new(names, json_string(tm__stmt_text(stmt, 0)));
        }
    }
    tm__stmt_done(stmt);
    st = st == TM_OK ? tm__json_check(err) : st;
    if (st == TM_OK) {
        *out = names;
    } else {
        json_decref(names);
    }
    return st;
}

static tm_status remove_locked(tm_registry *registry, const char *model, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db, "DELETE FROM rollouts WHERE model = ?", &stmt, err));
    tm__stmt_bind_text(stmt, 1, model);
    const tm_status st = tm__stmt_run(stmt, err);
    tm__stmt_done(stmt);
    return st;
}

static tm_status save_locked(tm_registry *registry, const char *model, const tm_rollout *r,
                             tm_err *err) {
    char *terms = NULL, *counted = NULL;
    tm_stmt *stmt = NULL;
    json_t *json = tm__rollout_terms_json(&r->terms);
    tm_status st = json == NULL ? no_memory(err) : tm__registry_json_text(json, &terms, err);
    json_decref(json);
    st = st == TM_OK ? tm__registry_json_text(r->counted, &counted, err) : st;
    st = st == TM_OK
             ? tm__stmt_init(registry->db,
                             "INSERT OR REPLACE INTO rollouts(model, number, champion, step,"
                             " is_paused, entered_us, terms, counted) VALUES(?,?,?,?,?,?,?,?)",
                             &stmt, err)
             : st;
    if (st == TM_OK) {
        tm__stmt_bind_text(stmt, 1, model);
        tm__stmt_bind_i64(stmt, 2, r->version);
        tm__stmt_bind_i64(stmt, 3, r->champion);
        tm__stmt_bind_i64(stmt, 4, r->step);
        tm__stmt_bind_i64(stmt, 5, r->is_paused);
        tm__stmt_bind_i64(stmt, 6, r->entered_us);
        tm__stmt_bind_text(stmt, 7, terms);
        tm__stmt_bind_text(stmt, 8, counted);
        st = tm__stmt_run(stmt, err);
        tm__stmt_done(stmt);
    }
    tm__mem_free(terms);
    tm__mem_free(counted);
    return st;
}

/* ---- moves ---- */

typedef struct moving {
    const char *model;
    const tm_rollout_move *move;
    const tm_rollout_terms *terms; /* of a start */
    uint32_t version;
    const tm_actor *actor;
} moving;

/* A record of the rollout: where it stood, and what the move rests on. */
static tm_status note(tm_registry *registry, const moving *in, const char *event,
                      const tm_rollout *r, tm_err *err) {
    json_t *details = tm__rollout_json(r);
    if (details != NULL && in->move != NULL && in->move->evidence != NULL) {
        json_object_set(details, "evidence", (json_t *)(uintptr_t)in->move->evidence);
    }
    const tm_event full = {.model = in->model,
                           .event = event,
                           .version = r->version,
                           .from = r->champion,
                           .actor = in->actor,
                           .details = details};
    tm_status st = details == NULL ? no_memory(err) : tm__json_check(err);
    st = st == TM_OK ? tm__history_append_locked(registry, &full, err) : st;
    json_decref(details);
    return st;
}

/* The requests of the step. */
static tm_status split_step(tm_registry *registry, const moving *in, const tm_rollout *r,
                            tm_err *err) {
    const uint32_t weight = r->terms.steps[r->step];
    const tm_split_order order = {
        .n = 2,
        .arms = {{.version = r->champion, .weight = TM_ARM_PARTS - weight},
                 {.version = r->version, .weight = weight}},
        .force = r->terms.force};
    return tm__split_locked(registry, in->model, &order, in->actor, err);
}

bool tm__rollout_promotes(const tm_rollout *r, uint32_t step) {
    return step >= r->terms.n_steps || r->terms.steps[step] == TM_ARM_PARTS;
}

static tm_status promote(tm_registry *registry, const moving *in, const tm_rollout *r,
                         tm_err *err) {
    const tm_promotion promotion = {.version = r->version,
                                    .force = r->terms.force,
                                    .champion = r->champion,
                                    .is_checked = true};
    TM_TRY(remove_locked(registry, in->model, err));
    TM_TRY(note(registry, in, "rollout.done", r, err));
    return tm__promote_locked(registry, in->model, &promotion, in->actor, err);
}

static tm_status go_to(tm_registry *registry, const moving *in, tm_rollout *r, uint32_t step,
                       tm_err *err) {
    if (tm__rollout_promotes(r, step)) {
        return promote(registry, in, r, err);
    }
    json_decref(r->counted);
    r->counted = NULL;
    r->step = step;
    r->entered_us = tm__now_us();
    TM_TRY(split_step(registry, in, r, err));
    TM_TRY(save_locked(registry, in->model, r, err));
    return note(registry, in, in->move == NULL ? "rollout.started" : "rollout.step", r, err);
}

static tm_status go_back(tm_registry *registry, const moving *in, const char *event,
                         const tm_rollout *r, tm_err *err) {
    uint32_t from = 0;
    TM_TRY(remove_locked(registry, in->model, err));
    TM_TRY(note(registry, in, event, r, err));
    return tm__split_end_locked(registry, in->model, in->actor, &from, err);
}

static tm_status hold(tm_registry *registry, const moving *in, tm_rollout *r, bool pauses,
                      tm_err *err) {
    if (r->is_paused == pauses) {
        return TM_FAIL(err, TM_E_CONFLICT, "the rollout of '%s' is %s already", in->model,
                       pauses ? "paused" : "running");
    }
    r->is_paused = pauses;
    if (!pauses) { /* what came meanwhile nobody looked at */
        r->entered_us = tm__now_us();
        json_decref(r->counted);
        r->counted = NULL;
    }
    TM_TRY(save_locked(registry, in->model, r, err));
    return note(registry, in, pauses ? "rollout.paused" : "rollout.resumed", r, err);
}

static bool is_as_seen(const tm_rollout *r, const tm_rollout *seen) {
    return seen == NULL || (r->version == seen->version && r->step == seen->step &&
                            r->entered_us == seen->entered_us && !r->is_paused);
}

static tm_status move_one(tm_registry *registry, const moving *in, tm_rollout *r, tm_err *err) {
    switch (in->move->kind) {
    case TM_ROLLOUT_NEXT:
        return go_to(registry, in, r, r->step + 1, err);
    case TM_ROLLOUT_BACK:
        return go_back(registry, in, "rollout.rolled_back", r, err);
    case TM_ROLLOUT_STOP:
        return go_back(registry, in, "rollout.stopped", r, err);
    case TM_ROLLOUT_PAUSE:
        return hold(registry, in, r, true, err);
    case TM_ROLLOUT_RESUME:
        return hold(registry, in, r, false, err);
    }
    return TM_FAIL(err, TM_E_INTERNAL, "a rollout has no such move");
}

static tm_status move_locked(tm_registry *registry, void *arg, tm_err *err) {
    const moving *in = arg;
    tm_rollout r = {0};
    bool has = false;
    TM_TRY(tm__registry_rollout(registry, in->model, &r, &has, err));
    tm_status st = TM_OK;
    if (!has) {
        st = TM_FAIL(err, TM_E_CONFLICT, "'%s' has no rollout", in->model);
        tm_err_hint(err, "Begin one: tidemill route rollout %.80s@VERSION", in->model);
    } else if (!is_as_seen(&r, in->move->seen)) {
        st = TM_FAIL(err, TM_E_CONFLICT, "the rollout of '%s' has just been moved", in->model);
    } else {
        st = move_one(registry, in, &r, err);
    }
    tm__rollout_done(&r);
    return st;
}

tm_status tm__registry_rollout_move(tm_registry *registry, const char *model,
                                    const tm_rollout_move *move, const tm_actor *actor,
                                    tm_err *err) {
    moving in = {.model = model, .move = move, .actor = actor};
    int64_t id = 0;
    TM_TRY(tm__registry_model_id(registry, model, &id, err));
    if (move->kind == TM_ROLLOUT_NEXT && move->seen != NULL) {
        TM_TRY(tm__registry_file_check(registry, model, move->seen->version, err));
    }
    return tm__registry_transact(registry, move_locked, &in, err);
}

/* ---- start ---- */

static tm_status refuse_beside(const char *model, const char *what, const char *hint, tm_err *err) {
    const tm_status st = TM_FAIL(err, TM_E_CONFLICT, "'%s' has %s already", model, what);
    tm_err_hint(err, "%s", hint);
    return st;
}

static tm_status check_alone(tm_registry *registry, const moving *in, const tm_route *route,
                             tm_err *err) {
    tm_rollout other = {0};
    bool has = false;
    TM_TRY(tm__registry_rollout(registry, in->model, &other, &has, err));
    tm__rollout_done(&other);
    if (has) {
        return refuse_beside(in->model, "a rollout",
                             "Look at it with 'tidemill route ls', or end it with 'tidemill route "
                             "rollout MODEL --stop'.",
                             err);
    }
    if (route->n_arms > 0) {
        return refuse_beside(in->model, "a split",
                             "End it with 'tidemill route split MODEL champion=100'.", err);
    }
    json_t *arms = json_object();
    tm_status st = arms == NULL ? no_memory(err)
                                : tm__registry_experiment_arms(registry, in->model, arms, err);
    if (st == TM_OK && json_object_size(arms) > 0) {
        st = refuse_beside(in->model, "an experiment",
                           "End it with 'tidemill experiment stop MODEL': changing shares would "
                           "spoil it.",
                           err);
    }
    json_decref(arms);
    return st;
}

static tm_status start_locked(tm_registry *registry, void *arg, tm_err *err) {
    const moving *in = arg;
    tm_route route;
    TM_TRY(tm__registry_route(registry, in->model, &route, err));
    TM_TRY(check_alone(registry, in, &route, err));
    if (in->version == route.version) {
        return TM_FAIL(err, TM_E_CONFLICT, "version %u of '%s' is its champion already",
                       in->version, in->model);
    }
    tm_rollout r = {.version = in->version, .champion = route.version, .terms = *in->terms};
    return go_to(registry, in, &r, 0, err);
}

tm_status tm__registry_rollout_start(tm_registry *registry, const char *model, uint32_t version,
                                     const tm_rollout_terms *terms, const tm_actor *actor,
                                     tm_err *err) {
    moving in = {.model = model, .terms = terms, .version = version, .actor = actor};
    TM_TRY(check_terms(terms, err));
    TM_TRY(tm__registry_file_check(registry, model, version, err));
    return tm__registry_transact(registry, start_locked, &in, err);
}

/* ---- what is no move ---- */

typedef struct keeping {
    const char *model;
    const tm_rollout *rollout;
} keeping;

static tm_status keep_locked(tm_registry *registry, void *arg, tm_err *err) {
    const keeping *in = arg;
    tm_rollout now = {0};
    bool has = false;
    TM_TRY(tm__registry_rollout(registry, in->model, &now, &has, err));
    const bool is_same = has && now.version == in->rollout->version &&
                         now.step == in->rollout->step && !now.is_paused;
    tm__rollout_done(&now);
    return is_same
               ? save_locked(registry, in->model, in->rollout, err)
               : TM_FAIL(err, TM_E_CONFLICT, "the rollout of '%s' has just been moved", in->model);
}

tm_status tm__registry_rollout_keep(tm_registry *registry, const char *model,
                                    const tm_rollout *rollout, tm_err *err) {
    keeping in = {model, rollout};
    return tm__registry_transact(registry, keep_locked, &in, err);
}

tm_status tm__rollout_end_locked(tm_registry *registry, const char *model, const tm_actor *actor,
                                 tm_err *err) {
    tm_rollout r = {0};
    bool has = false;
    TM_TRY(tm__registry_rollout(registry, model, &r, &has, err));
    const moving in = {.model = model, .actor = actor};
    tm_status st = has ? remove_locked(registry, model, err) : TM_OK;
    st = st == TM_OK && has ? note(registry, &in, "rollout.ended", &r, err) : st;
    tm__rollout_done(&r);
    return st;
}
