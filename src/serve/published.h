/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one pointer to what is served. Workers read it without a lock and without writing to a line
 * that they share; who replaced it may let go of the old one when every worker has since been away
 * once (epochs, as in quiescent-state reclamation). A worker is away while it waits for events, so
 * that takes one turn of a loop. Who keeps what was read past leave() takes a reference.
 */
#ifndef TM_SERVE_PUBLISHED_H
#define TM_SERVE_PUBLISHED_H

#include "serve/serve_priv.h"

typedef struct tm_published tm_published;

#define TM_PUBLISHED_WAITS 5000u /* of a millisecond: longer nobody waits for a registry */

/** NULL when memory is out; readers are 0 .. n_readers - 1, all away. n_waits_max: see
 * TM_PUBLISHED_WAITS. */
tm_published *tm__published_create(uint32_t n_readers, uint32_t n_waits_max);
/** Lets go of what is published; no reader may be in. */
void tm__published_free(tm_published *published);

void tm__published_enter(tm_published *published, uint32_t reader);
/** Between enter and leave: borrowed until leave. */
tm_current *tm__published_view(tm_published *published);
void tm__published_leave(tm_published *published, uint32_t reader);

/** Publish current (its reference is taken); what was there before is the caller's again, with the
 * epoch to ask for in its retired_epoch. NULL: there was nothing. One writer at a time. */
tm_current *tm__published_swap(tm_published *published, tm_current *current);
/** Same for a change that takes effect at a moment between two times of the monotonic clock: up to
 * the first one answers what was there, from the second one on current, and who asks between them
 * waits. What was there is given back by tm__published_settle(); returned is what was staged and
 * never answered, or NULL. Another stage of the same moment keeps the times. */
tm_current *tm__published_stage(tm_published *published, tm_current *current, uint64_t from_ns,
                                uint64_t surely_ns);
/** What answered until the moment, once it has passed: the caller's again, as from a swap; else
 * NULL. Call it before each swap and stage. */
tm_current *tm__published_settle(tm_published *published);
/** Whether a moment has not been settled. The writer. */
bool tm__published_is_staged(const tm_published *published);
/** Milliseconds until the moment has passed; 0: none is waited for. The writer, or with its lock.
 */
uint32_t tm__published_wait_ms(const tm_published *published);
/** What is published may answer until this time without another look at the registry; 0: for as
 * long as need be. */
void tm__published_know(tm_published *published, uint64_t until_ns);
/** Same as view(), of what answers a request at this moment: waits for a look at the registry that
 * is late, until it has ended, and for the moment of a change. */
tm_current *tm__published_answer(tm_published *published, bool *out_has_waited);
/** True when no reader can still look at what was swapped out in that epoch. */
bool tm__published_is_past(tm_published *published, uint64_t epoch);

#endif
