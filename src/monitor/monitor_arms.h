/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of two versions of a model with their labels, one by one, for experiments. */
#ifndef TM_MONITOR_MONITOR_ARMS_H
#define TM_MONITOR_MONITOR_ARMS_H

#include "monitor/monitor.h"

/* An answer of an arm; texts and numbers live for the callback. */
typedef struct tm_arm_answer {
    uint32_t arm; /* 0 or 1: which of the versions */
    tm_str id;
    tm_str entity;         /* ptr NULL: none */
    int64_t at_us;         /* when it was given */
    const double *outputs; /* [n_outputs] */
    uint32_t n_outputs;
    uint32_t latency_us;
    const char *label; /* NULL: not known yet */
    int64_t known_us;  /* when the label became known; no earlier than at_us */
} tm_arm_answer;

typedef struct tm_arms_query {
    const char *model;
    uint32_t versions[2];
    int64_t from_us, until_us; /* when answers were given: from, up to */
    bool waits; /* for the first answer of the second: what was given up to then does not count */
    tm_status (*fn)(void *arg, const tm_arm_answer *answer, tm_err *err);
    void *arg;
} tm_arms_query;

/**
 * Call fn for each answer, those of the control first (of the other when it waits), each arm's in
 * the order of the log; a failure of it ends the reading.
 *
 * Errors: those of fn, TM_E_NOMEM, TM_E_INTEGRITY.  Threads: any.  Cost: reads the answers once.
 */
TM_NODISCARD tm_status tm__monitor_arms(tm_monitor *monitor, const tm_arms_query *query,
                                        tm_err *err);

#endif
