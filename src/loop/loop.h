/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The closed loop: retrain on what is new, gate, promote or refuse, and say why in the history. A
 * daemon runs it in a child process. docs/architecture.md follows one retraining through the house.
 */
#ifndef TM_LOOP_LOOP_H
#define TM_LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ctx.h"
#include "base/json.h"
#include "base/proc.h"
#include "feature/window_set.h"
#include "registry/registry.h"
#include "store/home.h"

/* Puts the load that a gate asks for on a version, where a crash or a hang is nobody else's: what
 * gave way is an error, the figures go to *out (a new reference) as tm_gate_scores.measured has
 * them
 * ("load"). version: "late@3", or the path of a bundle that is in no home yet. */
typedef struct tm_load_tester {
    tm_status (*run)(void *arg, const tm_home *home, const char *version, const tm_gate *gate,
                     json_t **out, tm_err *err);
    void *arg;
} tm_load_tester;

typedef struct tm_retrain_options {
    const char *model;
    bool resumes;  /* go on with the turn that was not ended, by the orders that it began with, or
                      see what became of it */
    bool promote;  /* promote when the gate opens (default of the command) */
    uint64_t work; /* 0: as the recipe says */
    uint64_t budget_ms; /* 0: as the recipe says */
    bool keeps_state;   /* of the training in the home, every checkpoint_ns, to go on from */
    uint64_t checkpoint_ns;
    const char *how;     /* "recipe", "trees", "update", "policy" (loop_how.h); NULL: as declared */
    const char *window;  /* of rows to learn from (loop_choice.h); NULL: as the model declares */
    const char *actor;   /* who asked: "cli:root", "loop:schedule" */
    const char *because; /* why, for the history; NULL: nothing is said */
    /* What must hold of a version and its training rows before it is published, and the evidence of
     * it (a new reference); NULL: nothing. */
    tm_status (*prove)(tm_ctx *ctx, const tm_bundle *bundle, tm_table *table,
                       const tm_window_tables *others, json_t **out, tm_err *err);
    const tm_load_tester *load; /* NULL: a gate that asks for a load refuses */
    uint64_t memory_max; /* that the training is held to have, besides what is free; 0: no bound */
} tm_retrain_options;
/**
 * Read the recipe's source again, add the labelled answers that are newer than the champion's
 * snapshot, hold out the newest of them, begin a turn (registry/turn.h), train, score candidate and
 * champion on the held-out rows, judge by the gate, promote or begin the declared rollout, or
 * refuse; write the history. *out: tm__turn_json() without its gate and recipe, and {"from",
 * "is_open", "promoted", "metric", "candidate", "champion": scores, "reason": of the gate, "why":
 * of the outcome}. Nothing new to learn from is TM_E_REFUSED with a hint.
 *
 * Errors: also TM_E_CONFLICT while another training runs in the home, or a version of the model
 * comes in steps. What fails ends the turn; TM_E_CANCELLED, a kill, and TM_E_LIMIT of a plan that
 * asks for more memory than is free (loop_admit.h) leave it to be gone on with.
 */
TM_NODISCARD tm_status tm__loop_retrain(tm_ctx *ctx, const tm_home *home,
                                        const tm_retrain_options *options, json_t **out,
                                        tm_err *err);

typedef struct tm_judging {
    const tm_home *home;
    tm_registry *registry;
    const tm_version *version;
    const tm_actor *actor;
    const tm_load_tester *load; /* NULL: a gate that asks for a load refuses */
    bool is_refit;              /* see tm_gate */
} tm_judging;
/**
 * Judge a fresh version by its model's gate, if it has one (*out_judged says so): candidate and
 * champion are scored on the newest labelled answers (at most 20,000, none that the candidate
 * learned from), or, when there are fewer than 200, only the floor on its own test score counts.
 * The verdict is recorded by tm__registry_judge().
 */
TM_NODISCARD tm_status tm__loop_judge(tm_ctx *ctx, const tm_judging *in, tm_gate_verdict *out,
                                      bool *out_judged, tm_err *err);

/* The first version of a model, before it is one: nothing is compared with a champion. */
typedef struct tm_judging_first {
    const tm_home *home;
    const tm_bundle *bundle;
    const char *path; /* of its file */
    const tm_gate *gate;
    const tm_load_tester *load;
} tm_judging_first;
/** Its verdict, which nobody records; a gate that asks for nothing of a version alone is open. */
TM_NODISCARD tm_status tm__loop_judge_first(tm_ctx *ctx, const tm_judging_first *in,
                                            tm_gate_verdict *out, tm_err *err);

/* Where a schedule works. */
typedef struct tm_loop_place {
    const tm_home *home;
    tm_supervisor *supervisor;
    const struct tm_log *log; /* may be NULL */
    int64_t epoch; /* of the leader (registry/leader.h), which each commit is held against; 0: none
                    */
    uint64_t training_memory_max; /* bytes that a training may have; 0: what is free */
} tm_loop_place;

/* The schedule of a daemon: which model is due when. Owner thread: a thread of `tidemill run`.
 * Opening changes nothing: whoever holds the home (the server) begins the epoch of its jobs. */
typedef struct tm_loop tm_loop;
TM_NODISCARD tm_status tm__loop_open(const tm_loop_place *place, tm_loop **out, tm_err *err);
/** One look at what is due; starts or reaps children. Returns milliseconds until the next look. */
uint32_t tm__loop_step(tm_loop *loop);
void tm__loop_close(tm_loop *loop);

/* Same of a daemon that stands by while another one leads, in a home that shares its sources: it
 * reads its part of the streams that homes divide, and nothing else. */
typedef struct tm_loop_share tm_loop_share;
TM_NODISCARD tm_status tm__loop_share_open(const tm_loop_place *place, tm_loop_share **out,
                                           tm_err *err);
uint32_t tm__loop_share_step(tm_loop_share *share);
void tm__loop_share_close(tm_loop_share *share);

#endif
