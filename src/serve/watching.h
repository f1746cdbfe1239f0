/* SPDX-License-Identifier: Apache-2.0 */
/* What a server watches of its own: rows (serve/counted.h), traffic (serve/requests.h), and errors
 * of labels that joined. One thread has it, which may wait for a disk. */
#ifndef TM_SERVE_WATCHING_H
#define TM_SERVE_WATCHING_H

#include "serve/serve_priv.h"

typedef struct tm_watching tm_watching;
/* All of it outlives what watches. */
typedef struct tm_watching_place {
    const tm_home *home;
    tm_registry *registry; /* of the thread that watches */
    struct tm_audited *audited;
    const tm_log *log;
} tm_watching_place;
/** Nothing is opened before there is something to keep. NULL when out of memory. */
tm_watching *tm__watching_create(const tm_watching_place *place);
/** Take what was counted of what is served or was, and keep what fields came. What cannot be taken
 * or kept now is the next time. */
void tm__watching_collect(tm_watching *watching, const tm_current *current, int64_t now_us);
/** Same of what is counted no more, or for some time: nothing waits for its minute. */
void tm__watching_end(tm_watching *watching, const tm_current *current, int64_t now_us);
/** Keep and look at what came; current may be NULL. What cannot be done now is tried again; it is
 * said once. */
void tm__watching_step(tm_watching *watching, const tm_current *current, int64_t now_us);
/** Let go of versions that are neither served nor kept ready: their files may be gone. */
void tm__watching_leave(tm_watching *watching, const tm_current *current, int64_t now_us);
/** Append to the audit chain what requests left for it and is not appended yet. */
void tm__watching_audit(tm_watching *watching);
/** Keeps what is left. */
void tm__watching_free(tm_watching *watching);

#endif
