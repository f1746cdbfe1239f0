/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A queue of exchanges and the threads that answer them: one for the desk, a few for batches. An
 * exchange belongs to the queue from the post until its worker has it back. Threads that wait for
 * one help with those that others have, a part at a time.
 */
#ifndef TM_SERVE_JOBS_H
#define TM_SERVE_JOBS_H

#include "serve/conn.h"

typedef struct tm_jobs tm_jobs;

/** One thread for each desk; NULL when memory or room for threads is out. */
tm_jobs *tm__jobs_create(const char *name, tm_desk *desks, uint32_t n_desks);
/** True when there is room for one more and its turn would come within wait_ns_max, as far as the
 * speed of the exchanges before it tells. Any thread; racing callers may each be told yes. */
bool tm__jobs_can_take(tm_jobs *jobs, uint32_t n_max, uint64_t wait_ns_max);
/* Work in parts, of which several threads may do one each. */
typedef struct tm_shared_work {
    bool (*step)(void *arg, tm_desk *desk); /* a part; false: none was left */
    void *arg;
} tm_shared_work;
/** Do all parts, with the threads that have nothing else to do. A thread of the queue, with its own
 * desk; returns when every part is done. */
void tm__jobs_share(tm_jobs *jobs, const tm_shared_work *work, tm_desk *desk);
/** Any thread. */
void tm__jobs_post(tm_jobs *jobs, tm_conn *conn);
/** Answer what waits, then end the threads. NULL is a no-op. */
void tm__jobs_free(tm_jobs *jobs);

#endif
