/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rollout: a version comes to a route in steps, each held until its answers were looked at, and
 * is promoted behind the last one, or goes back at once. What is here is its state and the moves,
 * each one transaction with its record; who drives it (`tidemill run`, or `route rollout --look`)
 * and what the guardrails are is in loop/rollout_look.h.
 *
 *      started ──> step 1 ──held──> step 2 ── ... ──held──> promoted        "rollout.done"
 *                    │  breach, or it can no longer be served               "rollout.rolled_back"
 *                    │  stopped by hand                                     "rollout.stopped"
 *                    │  a split, promotion or rollback by hand              "rollout.ended"
 *                    └─ paused: stays where it is until resumed             "rollout.paused"
 *
 * 1. A route has one at most.
 * 2. While there is one, the route is split as its step says and its champion is the one it began
 *    beside: whatever else moves requests ends it in the same transaction.
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
    uint32_t n_steps;
    uint32_t steps[TM_ROLLOUT_STEPS_MAX]; /* weights of the new version in TM_ARM_PARTS, rising;
                                             TM_ARM_PARTS is the promotion and may be left out */
    int64_t hold_us;                      /* each step lasts so long, */
    uint64_t hold_rows;                   /* and until it gave so many answers */
    tm_rollout_guard guard;
    bool force; /* also a version that its gate refused; recorded */
} tm_rollout_terms;
/** 1, 10, 50, 100 %, ten minutes and 100 answers each, all guardrails. */
tm_rollout_terms tm__rollout_default(void);

typedef struct tm_rollout {
    uint32_t version, champion;
    uint32_t step; /* from 0 */
    bool is_paused;
    int64_t entered_us; /* when the step began, by the clock */
    tm_rollout_terms terms;
    json_t *counted; /* what was counted when the step was first looked at; NULL: not yet. Owned */
} tm_rollout;
void tm__rollout_done(tm_rollout *rollout);
/** Whether a step (from 0) is the promotion. */
bool tm__rollout_promotes(const tm_rollout *rollout, uint32_t step);

/**
 * Begin with the first step.
 *
 * Errors: TM_E_USAGE for steps that do not rise or are out of 0 to 100 %; TM_E_CONFLICT while
 * another rollout, a split or an experiment is there, or when the version is the champion;
 * otherwise as tm__registry_split().
 */
TM_NODISCARD tm_status tm__registry_rollout_start(tm_registry *registry, const char *model,
                                                  uint32_t version, const tm_rollout_terms *terms,
                                                  const tm_actor *actor, tm_err *err);
/** The rollout of a model; *out_has false: there is none. */
TM_NODISCARD tm_status tm__registry_rollout(tm_registry *registry, const char *model,
                                            tm_rollout *out, bool *out_has, tm_err *err);
/** Names of the models that have one: ["churn"]. New reference. */
TM_NODISCARD tm_status tm__registry_rollouts(tm_registry *registry, json_t **out, tm_err *err);

typedef enum tm_rollout_move_kind {
    TM_ROLLOUT_NEXT,  /* the next step, or the promotion */
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
/** Terms as JSON (percent, seconds). NULL when out of memory. */
json_t *tm__rollout_terms_json(const tm_rollout_terms *terms);
/** The state for people and programs; NULL when out of memory. */
json_t *tm__rollout_json(const tm_rollout *rollout);

#endif
