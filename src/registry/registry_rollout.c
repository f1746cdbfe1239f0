/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a rollout is one row, and each move changes it, the route's arms and the history in
 * one transaction: a kill leaves the step before or the step after.
 */
#include "registry/rollout.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "registry/experiment.h"
#include "registry/registry_priv.h"

#define IN_SHADOW (-1) /* the step in its row */

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

/* ---- state ---- */

void tm__rollout_done(tm_rollout *rollout) {
    json_decref(rollout->counted);
    *rollout = (tm_rollout){0};
}

double tm__rollout_percent(const tm_rollout *r) {
    return r->in_shadow ? 0 : r->terms.steps[r->step] / 100.0;
}

static uint32_t next_step(const tm_rollout *r) {
    return r->in_shadow ? 0 : r->step + 1;
}

static bool is_promotion(const tm_rollout_terms *terms, uint32_t step) {
    return step >= terms->n_steps || terms->steps[step] == TM_ARM_PARTS;
}

bool tm__rollout_promotes(const tm_rollout *r) {
    return is_promotion(&r->terms, next_step(r));
}

json_t *tm__rollout_json(const tm_rollout *r) {
    json_t *out =
        json_pack("{s:I, s:I, s:s, s:i, s:o, s:o}", "version", (json_int_t)r->version, "champion",
                  (json_int_t)r->champion, "state", r->is_paused ? "paused" : "running", "step",
                  (int)next_step(r), "percent", tm__json_number(tm__rollout_percent(r)), "since",
                  tm__json_time(r->entered_us));
    json_t *terms = tm__rollout_terms_json(&r->terms);
    if (out != NULL && json_object_update(out, terms) != 0) {
        json_decref(out);
        out = NULL;
    }
    json_decref(terms);
    return out;
}

/* A row of rollouts. */
static tm_status read_row(tm_stmt *stmt, const char *model, tm_rollout *out, tm_err *err) {
    json_t *terms = NULL;
    const int64_t step = tm__stmt_i64(stmt, 2);
    *out = (tm_rollout){.version = (uint32_t)tm__stmt_i64(stmt, 0),
                        .champion = (uint32_t)tm__stmt_i64(stmt, 1),
                        .in_shadow = step == IN_SHADOW,
                        .step = step == IN_SHADOW ? 0 : (uint32_t)step,
                        .is_paused = tm__stmt_i64(stmt, 3) != 0,
                        .entered_us = tm__stmt_i64(stmt, 4)};
    TM_TRY(tm__registry_json(tm__stmt_text(stmt, 5), &terms, err));
    out->terms.force = json_is_true(json_object_get(terms, "forced"));
    tm_status st = tm__rollout_terms_read(terms, &out->terms, NULL);
    json_decref(terms);
    if (st != TM_OK || out->step >= out->terms.n_steps) {
        return TM_FAIL(err, st == TM_E_NOMEM ? st : TM_E_INTEGRITY,
                       "the rollout of '%s' is not as it was stored", model);
    }
    return tm__stmt_is_null(stmt, 6)
               ? TM_OK
               : tm__registry_json(tm__stmt_text(stmt, 6), &out->counted, err);
}

tm_status tm__registry_rollout(tm_registry *registry, const char *model, tm_rollout *out,
                               bool *out_has, tm_err *err) {
    tm_stmt *stmt = NULL;
    tm_rollout found = {0};
    *out_has = false;
    TM_TRY(tm__stmt_init(registry->db,
                         "SELECT number, champion, step, is_paused, entered_us, terms, counted"
                         " FROM rollouts WHERE model = ?",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, model);
    tm_status st = tm__stmt_step(stmt, out_has, err);
    st = st == TM_OK && *out_has ? read_row(stmt, model, &found, err) : st;
    tm__stmt_done(stmt);
    if (st == TM_OK) {
        *out = found;
    } else {
        tm__rollout_done(&found);
    }
    return st;
}

tm_status tm__registry_rollouts(tm_registry *registry, json_t **out, tm_err *err) {
    return tm__registry_names(registry, "SELECT model FROM rollouts ORDER BY model", NULL, out,
                              err);
}

static tm_status remove_locked(tm_registry *registry, const char *model, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db, "DELETE FROM rollouts WHERE model = ?", &stmt, err));
    tm__stmt_bind_text(stmt, 1, model);
    return tm__stmt_run_done(stmt, err);
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
                             "INSERT INTO rollouts(model, number, champion, step,"
                             " is_paused, entered_us, terms, counted) VALUES(?,?,?,?,?,?,?,?)"
                             " ON CONFLICT(model) DO UPDATE SET number = excluded.number,"
                             " champion = excluded.champion, step = excluded.step,"
                             " is_paused = excluded.is_paused, entered_us = excluded.entered_us,"
                             " terms = excluded.terms, counted = excluded.counted",
                             &stmt, err)
             : st;
    if (st == TM_OK) {
        tm__stmt_bind_text(stmt, 1, model);
        tm__stmt_bind_i64(stmt, 2, r->version);
        tm__stmt_bind_i64(stmt, 3, r->champion);
        tm__stmt_bind_i64(stmt, 4, r->in_shadow ? IN_SHADOW : (int64_t)r->step);
        tm__stmt_bind_i64(stmt, 5, r->is_paused);
        tm__stmt_bind_i64(stmt, 6, r->entered_us);
        tm__stmt_bind_text(stmt, 7, terms);
        tm__stmt_bind_text(stmt, 8, counted);
        st = tm__stmt_run_done(stmt, err);
    }
    tm__mem_free(terms);
    tm__mem_free(counted);
    return st;
}

/* ---- moves ---- */

typedef struct moving {
    const char *model;
    const tm_rollout_move *move;   /* NULL: a start, */
    const tm_rollout_order *order; /* of this */
    const tm_rollout_terms *terms;
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

/* Its shadow, if the route has it still, sees nothing any more. */
static tm_status end_shadow(tm_registry *registry, const moving *in, const tm_rollout *r,
                            tm_err *err) {
    const tm_arm none = {0};
    tm_route route;
    TM_TRY(tm__registry_route(registry, in->model, &route, err));
    return r->in_shadow && route.shadow.version == r->version
               ? tm__shadow_order_locked(registry, &route, &none, in->actor, err)
               : TM_OK;
}

/* The step begins: what was counted before is nothing to it. */
static tm_status enter(tm_registry *registry, const moving *in, tm_rollout *r, tm_err *err) {
    json_decref(r->counted);
    r->counted = NULL;
    r->entered_us = tm__now_us();
    TM_TRY(save_locked(registry, in->model, r, err));
    return note(registry, in, in->move == NULL ? "rollout.started" : "rollout.step", r, err);
}

static tm_status go_to(tm_registry *registry, const moving *in, tm_rollout *r, uint32_t step,
                       tm_err *err) {
    TM_TRY(end_shadow(registry, in, r, err));
    if (is_promotion(&r->terms, step)) {
        return promote(registry, in, r, err);
    }
    r->in_shadow = false;
    r->step = step;
    TM_TRY(split_step(registry, in, r, err));
    return enter(registry, in, r, err);
}

static tm_status go_back(tm_registry *registry, const moving *in, const char *event,
                         const tm_rollout *r, tm_err *err) {
    uint32_t from = 0;
    TM_TRY(remove_locked(registry, in->model, err));
    TM_TRY(note(registry, in, event, r, err));
    TM_TRY(end_shadow(registry, in, r, err));
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

/* At the same step, and moving. */
static bool is_at(const tm_rollout *r, const tm_rollout *seen) {
    return r->version == seen->version && r->in_shadow == seen->in_shadow &&
           r->step == seen->step && !r->is_paused;
}

static bool is_as_seen(const tm_rollout *r, const tm_rollout *seen) {
    return seen == NULL || (is_at(r, seen) && r->entered_us == seen->entered_us);
}

static tm_status move_one(tm_registry *registry, const moving *in, tm_rollout *r, tm_err *err) {
    switch (in->move->kind) {
    case TM_ROLLOUT_NEXT:
        return go_to(registry, in, r, next_step(r), err);
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

/* The version becomes the shadow of the route; who may not answer later need not begin. */
static tm_status begin_shadow(tm_registry *registry, const moving *in, const tm_route *route,
                              tm_rollout *r, tm_err *err) {
    const tm_arm shadow = {.version = r->version, .weight = r->terms.shadow};
    if (route->shadow.version != 0 && route->shadow.version != r->version) {
        return refuse_beside(in->model, "a shadow",
                             "End it with 'tidemill route shadow MODEL --off'.", err);
    }
    TM_TRY(tm__split_may_answer(registry, route, r->version, r->terms.force, err));
    TM_TRY(tm__shadow_order_locked(registry, route, &shadow, in->actor, err));
    r->in_shadow = true;
    return enter(registry, in, r, err);
}

static tm_status start_locked(tm_registry *registry, void *arg, tm_err *err) {
    const moving *in = arg;
    const tm_rollout_order *order = in->order;
    tm_route route;
    TM_TRY(tm__registry_route(registry, in->model, &route, err));
    TM_TRY(check_alone(registry, in, &route, err));
    if (order->version == route.version) {
        return TM_FAIL(err, TM_E_CONFLICT, "version %u of '%s' is its champion already",
                       order->version, in->model);
    }
    if (order->champion != 0 && order->champion != route.version) {
        return TM_FAIL(err, TM_E_CONFLICT, "the champion of '%s' is version %u now, not %u",
                       in->model, route.version, order->champion);
    }
    tm_rollout r = {.version = order->version, .champion = route.version, .terms = *in->terms};
    return r.terms.shadow > 0 ? begin_shadow(registry, in, &route, &r, err)
                              : go_to(registry, in, &r, 0, err);
}

tm_status tm__registry_rollout_declared(tm_registry *registry, const char *model,
                                        tm_rollout_terms *out, bool *out_has, tm_err *err) {
    json_t *recipe = NULL;
    TM_TRY(tm__registry_recipe(registry, model, &recipe, err));
    const tm_status st = tm__rollout_declared(recipe, out, out_has, err);
    json_decref(recipe);
    return st;
}

tm_status tm__registry_rollout_start(tm_registry *registry, const char *model,
                                     const tm_rollout_order *order, const tm_actor *actor,
                                     tm_err *err) {
    tm_rollout_terms terms;
    bool has = false;
    moving in = {.model = model, .order = order, .terms = order->terms, .actor = actor};
    if (in.terms == NULL) {
        TM_TRY(tm__registry_rollout_declared(registry, model, &terms, &has, err));
        in.terms = &terms;
    }
    TM_TRY(tm__rollout_terms_check(in.terms, err));
    TM_TRY(tm__registry_file_check(registry, model, order->version, err));
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
    const bool is_same = has && is_at(&now, in->rollout);
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
    st = st == TM_OK && has ? end_shadow(registry, &in, &r, err) : st;
    tm__rollout_done(&r);
    return st;
}

tm_status tm__rollout_unshadow_locked(tm_registry *registry, const char *model,
                                      const tm_actor *actor, tm_err *err) {
    tm_rollout r = {0};
    bool has = false;
    TM_TRY(tm__registry_rollout(registry, model, &r, &has, err));
    const bool in_shadow = has && r.in_shadow;
    tm__rollout_done(&r);
    return in_shadow ? tm__rollout_end_locked(registry, model, actor, err) : TM_OK;
}
