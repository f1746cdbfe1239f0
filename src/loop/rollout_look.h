/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One look at a rollout: are its guardrails kept, is its step over, and the move that follows.
 *
 *      serving.json (requests that failed) ──┐
 *      log (answers, their time, labels) ────┼──> checks ──> breach: back, with an alert
 *      state (registry/rollout.h) ───────────┘          ├──> held long enough: the next step
 *                                                       └──> wait
 *
 * Both arms get like requests at the same time, so all but time of day and traffic is the
 * version's. Each check is an interval that holds at all looks of a step together but for a chance
 * of TM_ROLLOUT_ALPHA, so looking every second is not paid for with false alarms.
 */
#ifndef TM_LOOP_ROLLOUT_LOOK_H
#define TM_LOOP_ROLLOUT_LOOK_H

#include "base/json.h"
#include "registry/registry.h"
#include "store/home.h"

#define TM_ROLLOUT_ALPHA 0.01

/**
 * Look, and make the move that follows: as `actor`, to whose name the reason is added.
 *
 * *out: {"model", "action": "wait", "paused", "next", "promoted", "rolled_back", "reason",
 * "version", "champion", "step" (0: the shadow), "percent", "answers": [champion's, version's],
 * "checks":
 * [{"check": "errors", "latency", "drift", "metric", "state": "kept", "breach", "open" (not known
 * yet), "off", "said"}]}. New reference.
 *
 * Errors:  TM_E_CONFLICT when the model has no rollout, or another looked at the same moment;
 *          TM_E_NOMEM, those of the log and the registry. Then nothing was moved.
 * Threads: one caller.
 * Cost:    reads the answers of the step; 100,000 of each arm are held for the comparison of
 *          distributions (all count otherwise).
 */
TM_NODISCARD tm_status tm__rollout_look(const tm_home *home, tm_registry *registry,
                                        const char *model, const char *actor, json_t **out,
                                        tm_err *err);

#endif
