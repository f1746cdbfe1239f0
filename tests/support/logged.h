/* SPDX-License-Identifier: Apache-2.0 */
/* One answer for the log, its row as JSON. */
#ifndef TM_SUPPORT_LOGGED_H
#define TM_SUPPORT_LOGGED_H

#include "monitor/monitor.h"

typedef struct tm_logged {
    const char *id, *model; /* the route has the model's name */
    uint32_t version, latency_us;
    int64_t at_us, event_us;
    const char *entity;    /* NULL: none */
    const char *row;       /* an object of numbers, texts, booleans and nulls */
    const double *outputs; /* [n_outputs] */
    uint32_t n_outputs;
} tm_logged;
/** Queue it; false when it was dropped. Fails the test when there is no memory for it. */
bool tm__logged_answer(tm_monitor *monitor, const tm_logged *logged);

#endif
