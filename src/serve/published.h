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

/** NULL when memory is out; readers are 0 .. n_readers - 1, all away. */
tm_published *tm__published_create(uint32_t n_readers);
/** Lets go of what is published; no reader may be in. */
void tm__published_free(tm_published *published);

void tm__published_enter(tm_published *published, uint32_t reader);
/** Between enter and leave: borrowed until leave. */
tm_current *tm__published_view(tm_published *published);
void tm__published_leave(tm_published *published, uint32_t reader);

/** Publish current (its reference is taken); what was there before is the caller's again, with the
 * epoch to ask for in its retired_epoch. NULL: there was nothing. One writer at a time. */
tm_current *tm__published_swap(tm_published *published, tm_current *current);
/** True when no reader can still look at what was swapped out in that epoch. */
bool tm__published_is_past(tm_published *published, uint64_t epoch);

#endif
