/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns: one retraining of a model from what set it off to what came of it, a row of meta.db each.
 * What is here is the row; what each state does is in loop/loop_retrain.c.
 *
 *   training ──> registering ──> judging ──> closing ──┬──> rollout ──┬──> watching ──> ended
 *                                   │                  └──────────────┘
 *                                   └──refused──> ended
 *
 * 1. A model has one at most that has not ended.
 * 2. A state is saved when what leads to it is durable. Who takes a turn up again does its state
 *    once more, and finds what was done of it before; a verdict and the state that follows from it
 *    are one transaction.
 * 3. What an open turn names (rows, bundle, versions) is no garbage: backups have it, and nobody
 *    collects it.
 */
#ifndef TM_REGISTRY_TURN_H
#define TM_REGISTRY_TURN_H

#include "registry/registry.h"

typedef enum tm_turn_state {
    TM_TURN_TRAINING,    /* its rows are saved */
    TM_TURN_REGISTERING, /* its bundle is in the home */
    TM_TURN_JUDGING,     /* its version is registered */
    TM_TURN_CLOSING,     /* the gate is open */
    TM_TURN_ROLLOUT,     /* the version comes in steps */
    TM_TURN_WATCHING,    /* it is the champion, and the one before may come back */
    TM_TURN_ENDED
} tm_turn_state;

typedef struct tm_turn {
    char model[129];
    uint32_t number; /* from 1 in its model */
    tm_turn_state state;
    uint32_t champion, version; /* beside which it began; what it made, 0: nothing yet */
    int64_t began_us, changed_us;
    char outcome[16]; /* "promoted", "kept" (for a person to promote), "refused", "rolled_back",
                         "failed", "stopped"; empty: not ended */
    json_t *story;    /* an object. Owned */
} tm_turn;
void tm__turn_done(tm_turn *turn);

/**
 * Begin the next one of turn->model, of which champion and story are given; the rest is filled. A
 * turn that watches gives way: it ends as what it is.
 *
 * Errors: TM_E_CONFLICT while another one goes on.
 */
TM_NODISCARD tm_status tm__turn_begin(tm_registry *registry, tm_turn *turn, tm_err *err);
/** Save what it is by now. TM_E_CONFLICT when it was ended meanwhile. */
TM_NODISCARD tm_status tm__turn_save(tm_registry *registry, tm_turn *turn, tm_err *err);
/** Record the verdict on its version, as tm__registry_judge() does, and go on to closing, or end as
 * refused. */
TM_NODISCARD tm_status tm__turn_judge(tm_registry *registry, tm_turn *turn,
                                      const tm_gate_verdict *verdict, const tm_actor *actor,
                                      tm_err *err);
/** End it; reason goes to its story. TM_E_CONFLICT when it was ended meanwhile. */
TM_NODISCARD tm_status tm__turn_end(tm_registry *registry, tm_turn *turn, const char *outcome,
                                    const char *reason, tm_err *err);
/** The one that has not ended; *out_has false: there is none. */
TM_NODISCARD tm_status tm__turn_find(tm_registry *registry, const char *model, tm_turn *out,
                                     bool *out_has, tm_err *err);
/** The newest ones of a model, newest first, as tm__turn_json() tells them but without the recipe,
 * and with "steps": [{"at", "event", "reason"}] of its rollout; n 0: all. New reference. */
TM_NODISCARD tm_status tm__turn_list(tm_registry *registry, const char *model, uint32_t n,
                                     json_t **out, tm_err *err);
/** {"model", "turn", "state", "outcome" (null: not ended), "champion", "version" (null: none yet),
 * "began", "changed", and the members of its story}. NULL when out of memory. */
json_t *tm__turn_json(const tm_turn *turn);

#endif
