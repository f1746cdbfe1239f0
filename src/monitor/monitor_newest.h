/* SPDX-License-Identifier: Apache-2.0 */
/* The newest rows that a route was asked about, to ask them again. */
#ifndef TM_MONITOR_MONITOR_NEWEST_H
#define TM_MONITOR_MONITOR_NEWEST_H

#include "base/buf.h"
#include "monitor/monitor.h"

typedef struct tm_newest_options {
    const char *model, *route;
    uint32_t n_max;   /* rows, at most TM_NEWEST_MAX */
    size_t bytes_max; /* of their text */
} tm_newest_options;
#define TM_NEWEST_MAX 10000u

/**
 * Append rows as lines of JSON objects, as they were scored: what a request left out stands as null
 * or as what it was filled with. The newest n_max of the log, oldest first; fewer when there are
 * not so many or they do not fit. *out_n of them.
 *
 * Cost:    a look at an index for each stream of the route, and the newest blocks.
 * Errors:  TM_E_NOMEM, TM_E_INTEGRITY, those of the log.
 * Threads: any; the monitor's other readers wait meanwhile.
 */
TM_NODISCARD tm_status tm__monitor_newest(tm_monitor *monitor, const tm_newest_options *options,
                                          tm_buf *out, uint32_t *out_n, tm_err *err);

#endif
