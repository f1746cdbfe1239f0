/* SPDX-License-Identifier: Apache-2.0 */
/* Labels that wait for an answer that never comes do not wait for ever: the watch lets go of those
 * that have waited for as long as was declared. */
#ifndef TM_SERVE_EXPIRY_H
#define TM_SERVE_EXPIRY_H

#include "base/log.h"
#include "store/home.h"

/* Of one thread; zeroed but for what is named. */
typedef struct tm_expiry {
    const tm_home *home;
    const tm_log *log;
    int64_t wait_us;    /* 0: TM_LABEL_WAIT_US */
    uint64_t looked_ns; /* at the last look, by both clocks; 0: none yet */
    int64_t looked_us;
    bool is_failing;
} tm_expiry;

/* Two clocks at one moment. */
typedef struct tm_expiry_now {
    uint64_t ns; /* tm__mono_ns() */
    int64_t us;  /* tm__now_us() */
} tm_expiry_now;
/** Every ten minutes a look at the log; else nothing. A wall clock that went another way than the
 * other one since the last look removes nothing: it may come back. What was removed is logged as
 * labels.expired. */
void tm__expiry_step(tm_expiry *expiry, tm_expiry_now now);

#endif
