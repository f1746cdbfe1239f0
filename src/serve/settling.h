/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server's part of an erasure beside it (store/settle.h): it answers until what was served before
 * can answer nothing any more, an online store of earlier rows is closed, and what it has answered
 * is in the log.
 */
#ifndef TM_SERVE_SETTLING_H
#define TM_SERVE_SETTLING_H

#include "monitor/monitor.h"
#include "store/home.h"

typedef struct tm_settling_place {
    const tm_home *home;
    tm_monitor *monitor;
    bool (*refresh)(void *arg);    /* serve what the registry says now; false: not at the moment */
    bool (*is_settled)(void *arg); /* what was served before is gone */
    void *arg;
} tm_settling_place;

typedef struct tm_settling {
    uint64_t refreshed, answered; /* numbers of what was asked; 0: nothing yet */
} tm_settling;

/** One look, and what can be done now; may wait for a disk. One caller, the watch. */
void tm__settling_step(tm_settling *settling, const tm_settling_place *place);

#endif
