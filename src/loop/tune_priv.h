/* SPDX-License-Identifier: Apache-2.0 */
/* What tune.c and tune_choice.c share. */
#ifndef TM_LOOP_TUNE_PRIV_H
#define TM_LOOP_TUNE_PRIV_H

#include "loop/replay_priv.h"
#include "loop/tune.h"
#include "metric/threshold.h"

#define TM_TUNE_BLOCKS 40u
#define TM_TUNE_SETTINGS 96u
#define TM_TUNE_STEPS 19u /* thresholds: 0.05 to 0.95 */

typedef struct tm_tuning_setting {
    tm_replay_plan plan;
    double loss[TM_TUNE_BLOCKS];                    /* sums: errors, squared errors */
    double cost[TM_TUNE_STEPS + 1][TM_TUNE_BLOCKS]; /* of calls from each threshold; the last: as it
                                                       is now */
    double score;
    uint64_t n_retrains;
    double train_seconds;
} tm_tuning_setting;

typedef struct tm_tuning {
    tm_ctx *ctx;
    const tm_tune_options *options;
    tm_replay_stream stream;
    double n[TM_TUNE_BLOCKS]; /* labelled rows */
    tm_tuning_setting *list;  /* [n_settings], the first is declared */
    uint32_t n_settings, n_planned;
    tm_replay_kept *kept;
    uint32_t positive; /* class; UINT32_MAX: none, or no costs */
    tm_threshold_rule rule;
    json_t *not_replayed;
} tm_tuning;

/** Of a step, TM_TUNE_STEPS being the one by which the champion calls. */
double tm__tune_threshold(const tm_tuning *t, uint32_t step);
/** The setting that was tried with such a plan; NULL: none. */
const tm_tuning_setting *tm__tune_find(const tm_tuning *t, const tm_replay_plan *plan);
/** As tm__tune_run() gives it; members are lost when out of memory (tm__json_check()). */
json_t *tm__tune_tell(const tm_tuning *t);

#endif
