/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server does about the traffic of its routes: adds what was counted to minutes, keeps hours
 * in watch.db, feeds the detectors (traffic.h) with minutes that are over, also those without a
 * request, and raises alerts of the kind "traffic". A minute lasts as long as a steady clock says,
 * so a clock that jumps makes no minute of few requests; while no server runs nothing is known, and
 * that is not taken for nothing having come.
 */
#ifndef TM_MONITOR_TRAFFIC_WATCH_H
#define TM_MONITOR_TRAFFIC_WATCH_H

#include "monitor/alert_teller.h"
#include "monitor/traffic.h"

typedef struct tm_traffic_watch tm_traffic_watch;

/** The teller must outlive it. NULL when out of memory. */
tm_traffic_watch *tm__traffic_watch_create(tm_teller *teller);
/** Keeps what is left, but for the minute at hand. */
void tm__traffic_watch_free(tm_traffic_watch *watch);

typedef struct tm_moment {
    int64_t now_us;
    uint64_t mono_ns;
} tm_moment;
typedef struct tm_traffic_news {
    const char *route, *model;
    uint32_t version;
    const tm_traffic *counts; /* since the last news; may be zeros: the route is served */
} tm_traffic_news;
/** Take what was counted about now. TM_E_NOMEM. Owner thread, as for the rest. */
TM_NODISCARD tm_status tm__traffic_watch_add(tm_traffic_watch *self, const tm_traffic_news *news,
                                             tm_moment now, tm_err *err);
/** Look at the minutes that are over. What cannot be kept or told now is tried again; what cannot
 * be kept within its hour is lost. A route of which there was no news for an hour is let go. */
TM_NODISCARD tm_status tm__traffic_watch_step(tm_traffic_watch *self, tm_moment now, tm_err *err);

#endif
