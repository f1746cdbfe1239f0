/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What other settings of tidemill.yaml would have been worth over a model's own history: triggers,
 * windows, gates and the threshold, by the replay of replay.h. What is best of all products of them
 * is chosen on the first half of the answers; the second prices that choice alone, so that choosing
 * among many costs no truth, and it is proposed only where it is surely better there. Nothing is
 * applied.
 */
#ifndef TM_LOOP_TUNE_H
#define TM_LOOP_TUNE_H

#include "loop/replay.h"

typedef struct tm_tune_options {
    tm_replay_options replay; /* of the history */
    uint64_t n_rows_max;      /* the newest; 0: all */
    const json_t *recipe;     /* as declared: "retrain", "threshold" */
    double gate_by;           /* as declared */
    const char *positive;     /* class that the threshold calls; NULL: none */
    double threshold;         /* by which the champion calls it */
} tm_tune_options;

/**
 * {"target", "metric": "accuracy" or "rmse", "rows", "chosen_on", "priced_on": rows, "objective":
 * "cost" (of a row, where the recipe's threshold declares costs) or the metric, "declared":
 * SETTING, "settings": [SETTING], "best": SETTING, "gain": {"value", "low", "high"} of the
 * objective (RMSE and cost: what it falls by) by the whole choice beside what is declared,
 * "metric_gain": of the metric, "window": {"rows" (0: all), "gain"} of another window beside the
 * best, or null, "threshold": {"value", "was", "gain" by it alone} or null, "difference":
 * {"retrain"?, "gate"?, "threshold"?} as recipe and gate have them, or null, "not_replayed": [words
 * of retrain: that are not]}. SETTING: {"new_rows" (0: never), "window_rows" (null: all),
 * "on_errors", "gate_by", "score" on all, "retrains", "train_seconds"}.
 *
 * Owns:    *out is a new reference.
 * Errors:  those of tm__replay_run().
 * Cost:    some fifty schedules of tm__replay_run(), of which many share their models.
 * Source:  interval: bootstrap of blocks of time (Kuensch 1989, doi:10.1214/aos/1176347265),
 *          paired.
 */
TM_NODISCARD tm_status tm__tune_run(tm_ctx *ctx, tm_table *table, const tm_tune_options *options,
                                    json_t **out, tm_err *err);

#endif
