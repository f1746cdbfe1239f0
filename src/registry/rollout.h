/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rollout: a version comes to a route in steps, each held until its answers were looked at, and
 * is promoted behind the last one, or goes back at once. What is here is its state and the moves,
 * each one transaction with its record; who drives it (`tidemill run`, or `route rollout --look`)
 * and what the guardrails are is in loop/rollout_look.h.
 *
 *      started ──> (shadow) ──held──> step 1 ──held──> ... ──held──> promoted   "rollout.done"
 *                    │  breach, or it can no longer be served               "rollout.rolled_back"
 *                    │  stopped by hand                                     "rollout.stopped"
 *                    │  a split, shadow, promotion or rollback by hand      "rollout.ended"
 *                    └─ paused: stays where it is until resumed             "rollout.paused"
 *
 * 1. A route has one at most.
 * 2. While there is one, the route is split as its step says (in its shadow, not at all, and the
 *    version is the shadow of the route) and its champion is the one it began beside: whatever else
 *    moves requests ends it in the same transaction.
 */
#ifndef TM_REGISTRY_ROLLOUT_H
#define TM_REGISTRY_ROLLOUT_H

#include "registry/registry.h"

#define TM_ROLLOUT_STEPS_MAX 16u

/* Bounds of the guardrails; 0: not looked at. */
typedef struct tm_rollout_guard {
    double errors;  /* share of requests that it may fail more than the champion */
    double latency; /* its time that 99 of 100 answers meet, over the champion's */
    double drift;   /* of the distribution of its answers from the champion's: the largest
                       difference of their shares up to a value */
    double metric;  /* loss of a labelled answer beyond the champion's */
} tm_rollout_guard;

typedef struct tm_rollout_terms {
    uint32_t shadow; /* of the requests so many parts are seen before the first step, and answered
                        by the champion alone; 0: it begins with the first step */
    uint32_t n_steps;
    uint32_t steps[TM_ROLLOUT_STEPS_MAX]; /* weights of the new version in TM_ARM_PARTS, rising;
                                             TM_ARM_PARTS is the promotion and may be left out */
    int64_t hold_us;                      /* the shadow and each step last so long, */
    uint64_t hold_rows;                   /* and until the version gave so many answers */
    tm_rollout_guard guard;
    bool force; /* also a version that its gate refused; recorded */
} tm_rollout_terms;
/** 1, 10, 50, 100 %, ten minutes and 100 answers each, all guardrails, without a shadow. */
tm_rollout_terms tm__rollout_default(void);
/**
 * Take what an object says into terms: {"shadow": percent, "steps": [percent], "hold_seconds",
 * "rows", "guard": {"errors", "latency", "drift", "metric"}}. What it does not say stays; but rows
 * without a time hold a step alone.
 *
 * Errors: TM_E_USAGE names the member; terms are as they were.
 */
TM_NODISCARD tm_status tm__rollout_terms_read(const json_t *json, tm_rollout_terms *terms,
                                              tm_err *err);
/** TM_E_USAGE for steps that do not rise or are out of 0 to 100 %, and when nothing holds them. */
TM_NODISCARD tm_status tm__rollout_terms_check(const tm_rollout_terms *terms, tm_err *err);
/** As tm__rollout_terms_read() takes them, with "forced". NULL when out of memory. */
json_t *tm__rollout_terms_json(const tm_rollout_terms *terms);
/** As a model's recipe declares them (tidemill.yaml: rollout). *out_has false: it declares none,
 * and they are the default. TM_E_INTEGRITY for what no tidemill.yaml wrote. */
TM_NODISCARD tm_status tm__rollout_declared(const json_t *recipe, tm_rollout_terms *out,
                                            bool *out_has, tm_err *err);
/** Same of a model, whose recipe is read. */
TM_NODISCARD tm_status tm__registry_rollout_declared(tm_registry *registry, const char *model,
                                                     tm_rollout_terms *out, bool *out_has,
                                                     tm_err *err);

typedef struct tm_rollout {
    uint32_t version, champion;
    bool in_shadow; /* before the first step */
    uint32_t step;  /* from 0 */
    bool is_paused;
    int64_t entered_us; /* when the step began, by the clock */
    tm_rollout_terms terms;
    json_t *counted; /* what was counted when the step was first looked at; NULL: not yet. Owned */
} tm_rollout;
void tm__rollout_done(tm_rollout *rollout);
/** Percent of the requests that the version answers; 0 in its shadow. */
double tm__rollout_percent(const tm_rollout *rollout);
/** Whether the next move is the promotion. */
bool tm__rollout_promotes(const tm_rollout *rollout);

typedef struct tm_rollout_order {
    uint32_t version;
    uint32_t champion; /* not 0: TM_E_CONFLICT unless this version is the champion now */
    const tm_rollout_terms *terms; /* NULL: as the model's recipe declares, else the default */
} tm_rollout_order;
/**
 * Begin, in the shadow or with the first step. `tidemill run` does the rest.
 *
 * Errors: as tm__rollout_terms_check(); TM_E_CONFLICT while another rollout, a split, an experiment
 * or (with a shadow to begin with) another shadow is there, or when the version is the champion;
 * otherwise as tm__registry_split().
 */
TM_NODISCARD tm_status tm__registry_rollout_start(tm_registry *registry, const char *model,
                                                  const tm_rollout_order *order,
                                                  const tm_actor *actor, tm_err *err);
/** The rollout of a model; *out_has false: there is none. */
TM_NODISCARD tm_status tm__registry_rollout(tm_registry *registry, const char *model,
                                            tm_rollout *out, bool *out_has, tm_err *err);
/** Names of the models that have one: ["churn"]. New reference. */
TM_NODISCARD tm_status tm__registry_rollouts(tm_registry *registry, json_t **out, tm_err *err);

typedef enum tm_rollout_move_kind {
    TM_ROLLOUT_NEXT,  /* the first step after the shadow, the next one, or the promotion */
    TM_ROLLOUT_BACK,  /* a breach: the champion alone */
    TM_ROLLOUT_STOP,  /* by hand: the champion alone */
    TM_ROLLOUT_PAUSE, /* the step stays, and nobody moves it */
    TM_ROLLOUT_RESUME /* the step begins anew */
} tm_rollout_move_kind;
typedef struct tm_rollout_move {
    tm_rollout_move_kind kind;
    const tm_rollout *seen; /* NEXT and BACK: what was looked at; TM_E_CONFLICT when it moved on */
    const json_t *evidence; /* may be NULL */
} tm_rollout_move;
/** One move with its record, of which the actor's reason says why. TM_E_CONFLICT when there is no
 * rollout, or it is paused (resumed) already; NEXT also as tm__registry_promote(). */
TM_NODISCARD tm_status tm__registry_rollout_move(tm_registry *registry, const char *model,
                                                 const tm_rollout_move *move, const tm_actor *actor,
                                                 tm_err *err);
/** The clock went back: the step began now. Or remember what was counted. Neither is a record. */
TM_NODISCARD tm_status tm__registry_rollout_keep(tm_registry *registry, const char *model,
                                                 const tm_rollout *rollout, tm_err *err);
/** The state for people and programs: {"version", "champion", "state": "running" or "paused",
 * "step": from 1, 0 in the shadow, "percent", "since"} and the terms. NULL when out of memory. */
json_t *tm__rollout_json(const tm_rollout *rollout);

#endif
