/* SPDX-License-Identifier: Apache-2.0 */
/* How many answers of a time have a label, from the lists of the log alone: for who looks again and
 * again. tm__monitor_ages() reads the answers, and tells of delays and origins too. */
#ifndef TM_MONITOR_LABEL_COUNT_H
#define TM_MONITOR_LABEL_COUNT_H

#include "monitor/monitor.h"

typedef struct tm_label_ask {
    const char *model;
    int64_t from_us, until_us; /* when they were answered: from, up to */
} tm_label_ask;

typedef struct tm_label_counted {
    uint64_t n_answers, n_labelled; /* of the time; all versions */
} tm_label_counted;
/**
 * Count.
 *
 * Errors:  TM_E_INTEGRITY, TM_E_NOMEM.
 * Threads: any.
 * Cost:    walks the lists of blocks and labels of the time; reads the few blocks in which it
 *          begins or ends.
 */
TM_NODISCARD tm_status tm__label_count(tm_monitor *monitor, const tm_label_ask *ask,
                                       tm_label_counted *out, tm_err *err);

#endif
