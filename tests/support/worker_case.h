/* SPDX-License-Identifier: Apache-2.0 */
/* One worker without a server around it: the test accepts connections and says who answers. */
#ifndef TM_SUPPORT_WORKER_CASE_H
#define TM_SUPPORT_WORKER_CASE_H

#include "serve/worker.h"

typedef struct worker_case {
    tm_serve_limits limits;
    tm_log log;
    char address[128];
    int listen_fd;
    tm_prom *prom;
    tm_desk desk;
    tm_worker_shared shared;
    tm_worker *worker;
} worker_case;

/** Nothing is served, nobody has a key; limits may be NULL. post gets what the worker hands over.
 */
void worker_case_open(worker_case *c, const tm_serve_limits *limits,
                      void (*post)(void *arg, tm_conn *conn, tm_queue queue), void *arg);
/** A connection to the worker; blocking, reads wait for at most five seconds. */
int worker_case_connect(worker_case *c);
/** Send bytes and read until `want` arrived; fails the test when it does not. */
void worker_case_expect(int fd, const char *bytes, const char *want);
/** The exchanges that were handed over must be back or answered by then. */
void worker_case_close(worker_case *c);

#endif
