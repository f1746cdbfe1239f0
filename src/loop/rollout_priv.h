/* SPDX-License-Identifier: Apache-2.0 */
/* What a look at a rollout gathers and judges; only for rollout_*.c. */
#ifndef TM_LOOP_ROLLOUT_PRIV_H
#define TM_LOOP_ROLLOUT_PRIV_H

#include "loop/rollout_look.h"
#include "model/bundle.h"
#include "registry/rollout.h"

#define TM_ROLLOUT_ROWS_MAX 100000u /* of an arm, whose values are kept */

/* An arm's answers of the step; the champion is 0. */
typedef struct tm_rollout_arm {
    tm_bundle *bundle;
    uint64_t n_rows;
    uint64_t n_requests, n_failed; /* since the step was first looked at */
    uint32_t n_outputs;
    uint32_t n_kept, capacity;
    double *outputs;      /* [n_outputs][capacity], a column an output */
    uint32_t *latency_us; /* [n_kept] */
} tm_rollout_arm;

typedef struct tm_rollout_loss { /* of a labelled answer */
    int64_t at_us, number;
    uint32_t arm;
    double loss;
} tm_rollout_loss;

typedef struct tm_rollout_figures {
    const char *model;
    const tm_rollout *rollout;
    tm_rollout_arm arms[2];
    bool has_server; /* the counters of requests are of now */
    tm_rollout_loss *losses;
    uint64_t n_losses, losses_capacity;
} tm_rollout_figures;

/** Read the log since the step began. The figures are to be ended, also after an error. */
TM_NODISCARD tm_status tm__rollout_read(const tm_home *home, tm_registry *registry,
                                        tm_rollout_figures *out, tm_err *err);
/** Read what the server counted: `now` of both arms, as serving.json has it; NULL when no server
 * says that it runs. New reference. */
TM_NODISCARD tm_status tm__rollout_counted(const tm_home *home, const tm_rollout_figures *figures,
                                           json_t **out, tm_err *err);
void tm__rollout_figures_done(tm_rollout_figures *figures);

/** All checks in order, as tm__rollout_look() tells them; *out_breach: what the first that is
 * broken said ("" : none is). Figures are reordered. New reference. */
TM_NODISCARD tm_status tm__rollout_judge(tm_rollout_figures *figures, char out_breach[256],
                                         json_t **out, tm_err *err);

#endif
