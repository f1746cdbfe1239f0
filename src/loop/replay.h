/* SPDX-License-Identifier: Apache-2.0 */
/*
 * History at full speed: each row is answered by the model in force before its label is known, its
 * label comes later, and models are learned from what is known by then (prequential evaluation:
 * Gama, Sebastiao and Rodrigues, "On evaluating stream learning algorithms" (2013),
 * doi:10.1007/s10994-012-5320-9). The same rows are answered by a model that is learned once, by
 * fixed schedules, by rules that learn nothing, and by the policy of loop_policy.h.
 */
#ifndef TM_LOOP_REPLAY_H
#define TM_LOOP_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ctx.h"
#include "base/json.h"
#include "table/table.h"
#include "table/task.h"

typedef struct tm_replay_options {
    const char *target;
    const char *time;    /* column that orders the rows; NULL: they stand in order */
    tm_task task;        /* NONE: text, truth values and at most 20 whole numbers are classes */
    uint64_t delay_rows; /* a label is known before the row so many later; 0 counts as 1 */
    int64_t delay_us;    /* with time: so long after its row's; then delay_rows does not count */
    double first;        /* share of the rows that only teach, over 0 and below 1 */
    uint64_t period;     /* rows of "same time last period"; 0: found in the first part */
    const char *const *drop;
    uint32_t n_drop;
    uint64_t seed;
    /* Of the policy alone, which then is TM_E_LIMIT: */
    uint64_t work_max;    /* units of work of its fits, at the first look behind them; 0: none */
    uint64_t deadline_ns; /* tm__mono_ns(); 0: none */
} tm_replay_options;

/**
 * {"target", "task", "metric": "accuracy" or "rmse", "rows", "first_rows", "scored_rows",
 * "delay_rows" or "delay_seconds", "sorted": whether rows had to be put in order, "static",
 * "schedule", "policy", "trivial", "curve": {"row": [ends of parts], and a score of each part for
 * "static", "schedule", "policy" and "trivial"}}. Each of the four has "score" (accuracy, or
 * -RMSE), "retrains", "train_seconds" (by the wall), "train_cpu_seconds" (of all threads of the
 * process meanwhile) and "answer_seconds". Everything but seconds follows from the rows and the
 * options.
 *
 * Owns:    *out is a new reference.
 * Errors:  TM_E_USAGE (a column that is not there, bounds), TM_E_DATA (a row without a time, no
 *          label to begin with, none to score), TM_E_CANCELLED, TM_E_NOMEM.
 * Cost:    eight schedules, the shortest of 500 rows on all so far: fits of n^2 / 1000 rows.
 */
TM_NODISCARD tm_status tm__replay_run(tm_ctx *ctx, tm_table *table,
                                      const tm_replay_options *options, json_t **out, tm_err *err);
/**
 * What the policy has come to at the end of rows whose labels are known by now, to be learned anew
 * by a training: {"mixture": of tm_train_options, "say": what models have of it, beside rules that
 * learn nothing, "rows": answered on the way, "score", "metric", "changes", "fits", "rule"?: that
 * was surely right more often}.
 *
 * Owns, errors: as tm__replay_run().
 * Cost:    some dozens of small fits.
 */
TM_NODISCARD tm_status tm__replay_mixture(tm_ctx *ctx, tm_table *table,
                                          const tm_replay_options *options, json_t **out,
                                          tm_err *err);

#endif
