/* SPDX-License-Identifier: Apache-2.0 */
/* How a verdict came about: the difference with its interval as units came to be judged, thinned to
 * some moments. */
#ifndef TM_METRIC_AB_SERIES_H
#define TM_METRIC_AB_SERIES_H

#include "metric/ab_judge.h"

/* Zeroed but for n_points: nothing yet. */
typedef struct tm_ab_series {
    uint32_t n_points; /* at most, of equal steps in time (in units, where times are not known) */
    json_t *list;      /* owned */
} tm_ab_series;

/**
 * Take note of a metric after unit `unit` of those that are judged, if it is the last of its step
 * or of all (is_last).
 *
 * A point is {"at": when it was known, "units": judged of each arm, "difference", "low", "high"};
 * what is not known is null. Running out of memory is seen by tm__json_check(). Threads: owner
 * thread.  Cost: an interval a point.
 */
void tm__ab_series_look(tm_ab_series *self, const tm_ab_input *in, const tm_ab_compare *metric,
                        uint64_t unit, bool is_last);
/** The list; the series is empty then. New reference. last: the metric as it is told, whose
 * interval the last point takes. */
json_t *tm__ab_series_take(tm_ab_series *self, const json_t *last);

#endif
