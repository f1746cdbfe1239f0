/* SPDX-License-Identifier: Apache-2.0 */
/* How one column of a version went: the evidence that it moved beside what an alarm needs, and how
 * far its rows lay from the reference, over time. */
#ifndef TM_MONITOR_DRIFT_SERIES_H
#define TM_MONITOR_DRIFT_SERIES_H

#include "base/json.h"
#include "model/bundle.h"
#include "store/home.h"

#define TM_DRIFT_POINTS_MAX 400u

typedef struct tm_drift_series_ask {
    const char *model;
    uint32_t version;
    int64_t budget_us;  /* 0: TM_BUDGET_US */
    const char *column; /* NULL: the answers */
} tm_drift_series_ask;
/**
 * {"column" (null: the answers), "kind", "evidence_needed", "width_seconds", "points": [{"at",
 * "rows", "evidence", "psi", "missing": share, "alarms"}]}, the oldest first, of the two months
 * before the newest row. A point is of all rows of its width, which is the least usual one that
 * makes at most TM_DRIFT_POINTS_MAX of them; evidence is the most within it. No points: the bundle
 * has no reference, or nothing was counted.
 *
 * Owns:    *out is a new reference.
 * Cost:    reads the version's windows of two months; looks at one column of them.
 * Errors:  TM_E_NOT_FOUND (the version reads no such column), TM_E_NOMEM, TM_E_INTEGRITY and those
 *          of the store.
 * Threads: any.
 */
TM_NODISCARD tm_status tm__drift_series(const tm_home *home, const tm_bundle *bundle,
                                        const tm_drift_series_ask *ask, json_t **out, tm_err *err);

#endif
