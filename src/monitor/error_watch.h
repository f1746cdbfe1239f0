/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server does about labels that joined: once a minute those of each version that it serves
 * are taken from log.db, whoever brought them (the server itself or a command beside it), and a
 * mean error that rose becomes an alert (kind "performance", subject "errors"). Of what joined
 * before the version was first seen here only a rise of the last day is told, and only when no
 * alert was raised since.
 */
#ifndef TM_MONITOR_ERROR_WATCH_H
#define TM_MONITOR_ERROR_WATCH_H

#include "monitor/alert_teller.h"
#include "monitor/label_errors.h"

typedef struct tm_error_watch tm_error_watch;

/** The teller must outlive it. NULL when out of memory. */
tm_error_watch *tm__error_watch_create(tm_teller *teller);
/** Looks once more, and tells. */
void tm__error_watch_free(tm_error_watch *watch);

typedef struct tm_error_watched {
    tm_bundle *bundle;
    const char *model;
    uint32_t version;
} tm_error_watched;
/** Look at a version that is served; does nothing within a minute of its last look. What cannot be
 * read or told now is tried again. Owner thread; it waits for a disk. */
TM_NODISCARD tm_status tm__error_watch_see(tm_error_watch *self, const tm_error_watched *served,
                                           int64_t now_us, tm_err *err);
/** Let go of versions for which stays gives false: their files are gone. */
void tm__error_watch_leave(tm_error_watch *self,
                           bool (*stays)(void *arg, const char *model, uint32_t version),
                           void *arg);
/** Versions that nobody has seen for an hour are let go. */
void tm__error_watch_sweep(tm_error_watch *self, int64_t now_us);

#endif
