/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serving.json: what a running server says of itself once a second, for `tidemill status` and
 * whoever reads files. docs/formats/home.md has its members. It is not synced and nothing relies on
 * it: the next one is a second away.
 */
#ifndef TM_SERVE_SERVING_H
#define TM_SERVE_SERVING_H

#include "monitor/monitor_recent.h"
#include "serve/serve_priv.h"

typedef struct tm_serving tm_serving;

/* What it is made of; all of it the server's. */
typedef struct tm_serving_place {
    const tm_home *home;
    const char *address;
    int64_t started_us;
    tm_prom *const *proms; /* [n_proms] */
    uint32_t n_proms;
    tm_monitor *monitor;
    tm_recent *recent;
    const tm_health *health;
} tm_serving_place;
/** NULL when out of memory. */
tm_serving *tm__serving_create(const tm_serving_place *place);
void tm__serving_free(tm_serving *serving);

/**
 * Write what is so now. Rates are those of the last one or two minutes, or since the server
 * started.
 *
 * Errors:  TM_E_NOMEM, TM_E_IO; the file is then the one before.
 * Threads: one caller, the watch.
 * Cost:    for each route a look at its counters and at what is new in the log.
 */
TM_NODISCARD tm_status tm__serving_write(tm_serving *serving, const tm_current *current,
                                         bool is_stopped, int64_t now_us, tm_err *err);

#endif
