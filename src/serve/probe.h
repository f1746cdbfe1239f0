/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which online store the server may open. A damaged page ends the process that reads it, so a child
 * (`tidemill online check`) walks each store before a server opens it.
 */
#ifndef TM_SERVE_PROBE_H
#define TM_SERVE_PROBE_H

#include "base/log.h"
#include "base/proc.h"
#include "store/home.h"

typedef struct tm_probe {
    const tm_home *home;
    tm_supervisor *supervisor; /* NULL: nothing is walked before */
    const tm_log *log;         /* may be NULL */
    uint64_t asked;            /* generation that the child walks, or walked */
    uint64_t child;
    bool is_running;
} tm_probe;

/** One look: begins, or ends, the walk of a new store. Never waits. *out_generation is the newest
 * one that was found whole; it stays as it is when there is none. One caller. */
void tm__probe_step(tm_probe *probe, uint64_t *out_generation);

#endif
