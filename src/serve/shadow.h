/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shadow arm: a version that sees live requests and answers nobody. A request that its route's
 * version answered is copied before it is read, waits in a queue, and is answered once more by the
 * shadow on a thread of its own; what comes out goes to the log and nowhere else.
 *
 *      request ──take──> copy ──answered──> queue ──> handler again, with the shadow ──> log
 *                          └── refused: let go         └── it could not answer: counted
 *
 * 1. Nothing here is waited for: a client's answer is the same, and as soon, with a shadow and
 *    without (but for the copy of the body).
 * 2. Copies, waiting or not, hold at most TM_SHADOW_BYTES_MAX together; a request beyond is not
 *    shadowed, and counted.
 * 3. Of the requests that were chosen and answered, each is in exactly one count: answered by the
 *    shadow, failed, or dropped.
 */
#ifndef TM_SERVE_SHADOW_H
#define TM_SERVE_SHADOW_H

#include "serve/score.h"

#define TM_SHADOW_BYTES_MAX ((uint64_t)64 << 20)

typedef struct tm_shadows tm_shadows;
typedef struct tm_mirror tm_mirror;

/** The queue and its thread, which uses the desk. NULL when memory or room for a thread is out. */
tm_shadows *tm__shadows_create(tm_desk *desk, const tm_log *log, const tm_serve_limits *limits);
/** End the thread; what waits is dropped, and counted. Nobody offers any more. NULL is a no-op. */
void tm__shadows_stop(tm_shadows *shadows);
/** When no exchange has a copy any more. NULL is a no-op. */
void tm__shadows_free(tm_shadows *shadows);

/** Before the body is read: x->mirror is a copy when its route has a shadow and the request is
 * among those that it sees. Any thread that answers. */
void tm__shadow_take(tm_exchange *x, const tm_served *route);
/** The rows were answered and logged: the copy goes to the queue, with what the answers were; those
 * of a copy are held against them. */
void tm__shadow_offer(tm_scoring *s);
/** Let go of a copy that was not offered. NULL is a no-op. */
void tm__mirror_free(tm_mirror *mirror);

/** Of an exchange that is run for a shadow: who answers it; NULL for all others. */
tm_served *tm__mirror_served(const tm_mirror *mirror);
/** The id under which the shadow's answer of a row is logged: the twin of the client's. False
 * behind the last row that the client had. */
bool tm__mirror_id(const tm_mirror *mirror, uint64_t row, char out[27]);

#endif
