/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server does about what its threads have counted: keeps it in watch.db, feeds the detectors
 * of each version with whole minutes, raises alerts. One thread has it, which may wait for a disk.
 * What was counted and not kept when a server is killed is lost: some seconds.
 */
#ifndef TM_MONITOR_DRIFT_WATCH_H
#define TM_MONITOR_DRIFT_WATCH_H

#include "model/bundle.h"
#include "monitor/alert_teller.h"
#include "monitor/drift.h"

typedef struct tm_drift_watch tm_drift_watch;

/** The teller must outlive it. Nothing is opened before there is something to keep. NULL when out
 * of memory. */
tm_drift_watch *tm__drift_watch_create(tm_teller *teller);
/** Keeps what is left. */
void tm__drift_watch_free(tm_drift_watch *watch);

typedef struct tm_drift_news {
    tm_bundle *bundle; /* that answered, with a reference */
    const char *model;
    uint32_t version;
    const tm_counts *counts; /* since the last news of it */
} tm_drift_news;
/** Take rows that were answered about now. TM_E_NOMEM. */
TM_NODISCARD tm_status tm__drift_watch_add(tm_drift_watch *self, const tm_drift_news *news,
                                           int64_t now_us, tm_err *err);
/** Keep what came, and when a minute is over look at it. What cannot be kept is tried again;
 * it is said once. */
void tm__drift_watch_step(tm_drift_watch *self, int64_t now_us);

/** Let go of versions for which stays gives false: their files are gone. What of theirs was not
 * kept is lost. */
void tm__drift_watch_leave(tm_drift_watch *self,
                           bool (*stays)(void *arg, const char *model, uint32_t version),
                           void *arg);

#endif
