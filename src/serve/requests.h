/* SPDX-License-Identifier: Apache-2.0 */
/* Requests for predictions of an entry that is served, counted by the threads that reply: what
 * became of them, how long they took and who called (monitor/traffic.h). Plain stores, no lock, no
 * name or address kept: of a caller a hash of six bits, and the public id of its key. */
#ifndef TM_SERVE_REQUESTS_H
#define TM_SERVE_REQUESTS_H

#include "monitor/traffic_watch.h"
#include "serve/serve_priv.h"

typedef struct tm_requests tm_requests;
/** Counters for so many threads; NULL when out of memory. */
tm_requests *tm__requests_create(uint32_t n_threads);
void tm__requests_free(tm_requests *requests);

/** Who calls: a hash of the address without its port. */
uint32_t tm__requests_caller(const char *peer);

typedef struct tm_request_end {
    uint32_t thread;
    unsigned status;
    uint64_t ns;       /* that it took */
    uint32_t caller;   /* tm__requests_caller() */
    const char *actor; /* "key:1A2B3C4D": counts as the caller; others do not */
} tm_request_end;
/** Count a request. The thread's own. */
void tm__requests_count(tm_requests *self, const tm_request_end *end);

/** Hand what came since the last call to the watch, zeros too; rows are those that
 * tm__counted_collect() has taken before. One thread at a time. */
TM_NODISCARD tm_status tm__requests_collect(const tm_current *current, tm_traffic_watch *watch,
                                            tm_moment now, tm_err *err);

#endif
