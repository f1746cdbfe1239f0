/* SPDX-License-Identifier: Apache-2.0 */
/* Traffic of routes by hours, in watch.db (table traffic): the newest TM_TRAFFIC_HOURS of a route,
 * whatever the clock says. */
#ifndef TM_MONITOR_TRAFFIC_STORE_H
#define TM_MONITOR_TRAFFIC_STORE_H

#include "monitor/drift_store.h"
#include "monitor/traffic.h"

/** In a transaction: add to an hour, made when missing. Errors: those of the store. */
TM_NODISCARD tm_status tm__traffic_store_add_locked(tm_drift_store *store, const char *route,
                                                    const tm_traffic_hour *add, tm_err *err);
/** Hours of a route in order of time, each once. Numbers that cannot be are TM_E_INTEGRITY. */
typedef void (*tm_traffic_hour_fn)(void *arg, const tm_traffic_hour *hour);
TM_NODISCARD tm_status tm__traffic_store_read(tm_drift_store *store, const char *route,
                                              tm_traffic_hour_fn fn, void *arg, tm_err *err);

#endif
