/* SPDX-License-Identifier: Apache-2.0 */
/* The answers of a model one after the other, each with its label, in the order of the log. */
#ifndef TM_MONITOR_MONITOR_WALK_H
#define TM_MONITOR_MONITOR_WALK_H

#include "monitor/monitor.h"

typedef struct tm_walk_options {
    const char *model;
    uint32_t version;          /* 0: all */
    int64_t from_us, until_us; /* by when they were given: from, up to */
} tm_walk_options;

/* One answer; everything is a view until the call returns, but names, which are the same for all
 * answers of a stream until the walk ends. */
typedef struct tm_walk_row {
    int64_t number; /* in the log */
    int64_t stream; /* equal numbers have equal names, route, arm, version and share */
    char id[27];
    int64_t at_us, event_us; /* event_us TM_INT_MISSING: none */
    tm_str entity;           /* ptr NULL: none */
    const char *route, *arm;
    uint32_t version;
    double share; /* of the answers that were logged: this one stands for 1 / share */
    uint32_t latency_us;
    uint32_t n_cells, n_outputs;
    const char *const *names;    /* [n_cells] */
    const tm_cell *cells;        /* [n_cells] the row as it was scored */
    const double *outputs;       /* [n_outputs] */
    const char *label;           /* NULL: none yet */
    const char *origin;          /* who sent it; "": not known */
    int64_t known_us, joined_us; /* when the label became known, and when it joined */
} tm_walk_row;

/**
 * Call fn for each answer of the time that was in the log when the walk began. Other processes
 * write meanwhile; a label that joins meanwhile may be seen or not.
 *
 * Errors:  those of fn, which end it; TM_E_INTEGRITY, TM_E_NOMEM.
 * Threads: any; the monitor's other readers wait while a piece of 64 blocks is walked.
 * Cost:    reads the blocks of the time once; memory of one block.
 */
TM_NODISCARD tm_status tm__monitor_walk(tm_monitor *monitor, const tm_walk_options *options,
                                        tm_status (*fn)(void *arg, const tm_walk_row *row,
                                                        tm_err *err),
                                        void *arg, tm_err *err);

#endif
