/* SPDX-License-Identifier: Apache-2.0 */
/* The newest labelled answers of a version, and their scores. */
#ifndef TM_MONITOR_RECENT_RING_H
#define TM_MONITOR_RECENT_RING_H

#include "metric/metric_sure.h"
#include "monitor/monitor_priv.h"

typedef struct tm_recent_ring {
    uint32_t n_outputs;
    double *rows; /* [n_room x (2 + n_outputs)]: the truth, for how many it stands, the answer */
    uint64_t n, n_room, n_max;
    uint64_t at; /* where the next one goes */
} tm_recent_ring;

/** Of TM_RECENT_LABELS answers, or fewer of many classes. */
void tm__recent_ring_init(tm_recent_ring *ring, uint32_t n_outputs);
void tm__recent_ring_done(tm_recent_ring *ring);
void tm__recent_ring_reset(tm_recent_ring *ring);
/** An answer of n_outputs, which stands for `weight` answers. TM_E_NOMEM. */
TM_NODISCARD tm_status tm__recent_ring_add(tm_recent_ring *ring, double y, double weight,
                                           const tm_record *record, tm_err *err);
/**
 * Scores of the ring: the report of the task (NULL: there is none) and the score of one metric with
 * its interval, NaN where it is not known. Answers that stand for different numbers weigh so; how
 * sure a score is, is not known then.
 *
 * Owns:    *out_report is the caller's.  Errors: TM_E_NOMEM.  Cost: O(n log n).
 */
TM_NODISCARD tm_status tm__recent_ring_score(const tm_recent_ring *ring, const tm_bundle *bundle,
                                             const char *metric, json_t **out_report,
                                             tm_score_range *out, tm_err *err);

#endif
