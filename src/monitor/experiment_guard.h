/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guardrails of an experiment on versions of a model: what must not get worse, said when it starts.
 *
 *     [{"metric": "accuracy", "margin": 0.01}, {"metric": "latency", "margin": 0.01, "slow_us":
 *     20000}, {"metric": "errors", "margin": 0.005}]
 *
 * A score is one of single answers, by unit, once its label came. "latency" is the share of units
 * whose first answer was slow, which is known at once. "errors" is the share of requests that
 * failed or were answered by the control for the treatment, as the server counts them.
 */
#ifndef TM_MONITOR_EXPERIMENT_GUARD_H
#define TM_MONITOR_EXPERIMENT_GUARD_H

#include "metric/ab_judge.h"
#include "monitor/monitor_arms.h"
#include "store/home.h"

#define TM_GUARD_LATENCY "latency"
#define TM_GUARD_ERRORS "errors"

/** Does a list of guardrails have this one? */
bool tm__guards_have(const json_t *guardrails, const char *metric);

/**
 * What the server of a home has counted of both versions: {"server": when it started, "requests":
 * [control, treatment], "failed": the same}; json null when none says that it runs. New reference.
 * Errors: TM_E_NOMEM.
 */
TM_NODISCARD tm_status tm__guards_counted(const tm_home *home, const char *model,
                                          const uint32_t versions[2], json_t **out, tm_err *err);
/**
 * Requests since the experiment started, by what was counted then (null: no server ran) and now. A
 * server that started since begins anew; one of which the first figures are not known says nothing.
 */
void tm__guards_errors(const json_t *experiment, const json_t *now, tm_ab_share *out);

/** Same of one that is over: what its verdict rested on; nothing when it was stopped by hand. */
void tm__guards_errors_then(const json_t *experiment, tm_ab_share *out);

/* First answers of units, while a log is read. Zeroed: none. */
typedef struct tm_first_answers {
    uint8_t *seen; /* [n] by unit: bit a: answered in arm a; 4: its first answer was slow */
    uint64_t n, n_max;
    uint32_t slow_us;
} tm_first_answers;
/** An answer of a unit, whose codes rise by one with each new unit. TM_E_NOMEM. */
TM_NODISCARD tm_status tm__first_answer(tm_first_answers *self, uint64_t unit,
                                        const tm_arm_answer *answer, tm_err *err);
/** Units of one arm, and those of them that were slow. */
void tm__first_answers_count(const tm_first_answers *self, tm_ab_share *out);
void tm__first_answers_done(tm_first_answers *self);

#endif
