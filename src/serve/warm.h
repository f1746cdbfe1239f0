/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A version is asked what its route was asked last, before anybody else can ask it. A row that it
 * would refuse, or that it has no answer for, is a request that would fail the moment it is
 * visible.
 *
 * Not for speed alone: pages and caches are warm by the check of its bytes and the golden rows.
 */
#ifndef TM_SERVE_WARM_H
#define TM_SERVE_WARM_H

#include "base/json.h"
#include "base/log.h"
#include "model/bundle.h"
#include "monitor/monitor.h"

#define TM_WARM_ROWS 256u /* when the recipe says nothing */
#define TM_WARM_ROWS_MAX 10000u
#define TM_WARM_NS UINT64_C(2000000000) /* then what was answered has to do */

/* Where the requests are; zero: nowhere. */
typedef struct tm_warm_source {
    tm_monitor *monitor;
    const tm_log *log; /* may be NULL */
} tm_warm_source;

typedef struct tm_warm_terms {
    tm_warm_source source;
    const char *model, *route;
    uint32_t version;
    uint32_t n_rows; /* at most; 0: none are asked */
} tm_warm_terms;

/** Rows that a recipe (may be JSON null) wants: "warm_up". */
uint32_t tm__warm_rows(const json_t *recipe);
/**
 * Ask the newest logged rows of the route. *out_n of them were answered.
 *
 * Cost:    two seconds and some tens of MiB at most.
 * Errors:  TM_E_REFUSED: a row that it cannot answer, with why; TM_E_NOMEM. A log that cannot be
 *          read says nothing of the version: it is told to the log of events, and none were asked.
 * Threads: any.
 */
TM_NODISCARD tm_status tm__warm_up(const tm_bundle *bundle, const tm_warm_terms *terms,
                                   uint32_t *out_n, tm_err *err);

#endif
