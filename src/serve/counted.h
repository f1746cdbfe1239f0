/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of an entry that is served, counted by the threads that answer them (monitor/sketch_cells.h)
 * and collected by the watch. */
#ifndef TM_SERVE_COUNTED_H
#define TM_SERVE_COUNTED_H

#include "monitor/drift_watch.h"
#include "serve/serve_priv.h"

typedef struct tm_counted {
    tm_cells_plan *plan;
    tm_cells **cells; /* [n] one for each thread that answers */
    uint32_t n;
    tm_counts before, now; /* the watch's: what was collected, and room */
} tm_counted;

/** *out NULL: the bundle has no reference. TM_E_NOMEM. */
TM_NODISCARD tm_status tm__counted_create(const tm_bundle *bundle, uint32_t n_threads,
                                          tm_counted **out, tm_err *err);
void tm__counted_free(tm_counted *counted);

/** Hand what came since the last call to the watch. One thread at a time. */
TM_NODISCARD tm_status tm__counted_collect(const tm_current *current, tm_drift_watch *watch,
                                           int64_t now_us, tm_err *err);

#endif
