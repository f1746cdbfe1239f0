/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One epoll thread: the connections that it was given, from their first byte to their last. What
 * would keep others waiting goes to a queue and comes back answered.
 */
#ifndef TM_SERVE_WORKER_H
#define TM_SERVE_WORKER_H

#include "base/pool.h"
#include "serve/access_log.h"
#include "serve/conn.h"

typedef struct tm_worker tm_worker;

/* How far the end of the server is; only grows. */
typedef enum tm_stage {
    TM_STAGE_SERVING,
    TM_STAGE_STOPPING, /* replies close their connections */
    TM_STAGE_DRAINING, /* connections without a request are closed */
    TM_STAGE_ENDING    /* workers leave their loops */
} tm_stage;

/* What all workers share; outlives them. */
typedef struct tm_worker_shared {
    const tm_serve_limits *limits;
    const tm_log *log;
    tm_access_place place; /* address, names and origins */
    tm_published *published;
    _Atomic int stage; /* a tm_stage */
    _Atomic uint64_t body_bytes;
    tm_access_log *access_log;                              /* NULL: none */
    void (*post)(void *arg, tm_conn *conn, tm_queue queue); /* any worker's thread */
    bool (*can_take)(void *arg, tm_queue queue, uint64_t wait_ns_max);
    void *post_arg;
} tm_worker_shared;

/** desk: the worker's own, whose index is also its number among the readers of what is published.
 * NULL when memory or files are out. */
tm_worker *tm__worker_create(tm_worker_shared *shared, tm_desk *desk);
/** Start its thread; false when there is no room for one. */
bool tm__worker_start(tm_worker *worker);
/** Connections that it has, or is about to have. Any thread. */
uint32_t tm__worker_load(tm_worker *worker);
/** Give it a socket. One caller. */
void tm__worker_give(tm_worker *worker, const tm_accepted *accepted);
/** An exchange of one of its connections was answered elsewhere. Any thread. */
void tm__worker_answered(tm_conn *conn);
/** Look at the stage. Any thread. */
void tm__worker_wake(tm_worker *worker);
/** Wait for its thread's end (stage ENDING). */
void tm__worker_join(tm_worker *worker);
/** Close what is open and free. Its exchanges must be back, and its thread joined. */
void tm__worker_free(tm_worker *worker);

#endif
