/* SPDX-License-Identifier: Apache-2.0 */
/* A minute of a version's rows as all replicas with the store have counted it. */
#ifndef TM_MONITOR_DRIFT_MINUTE_H
#define TM_MONITOR_DRIFT_MINUTE_H

#include "monitor/drift_store.h"
#include "monitor/sketch_cells.h"

/** Add the minute that begins at at_us to counts of its version's plan; *out_has false: nobody has
 * kept it, or for another reference. Errors: those of the store. */
TM_NODISCARD tm_status tm__drift_minute(tm_drift_store *store, const tm_drift_window_key *key,
                                        int64_t at_us, tm_counts *io, bool *out_has, tm_err *err);

#endif
