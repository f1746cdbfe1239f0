/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was made of the log and of what is watched, for who asks again: one thread's own.
 *
 * A value is as good as a new one while neither file changed. When one did, it is still given for
 * REMEMBERED_TIMES as long as it took to make, so that a long log that grows all the time costs a
 * small part of one thread, and never for longer than a minute, for much depends on the time.
 */
#ifndef TM_SERVE_REMEMBERED_H
#define TM_SERVE_REMEMBERED_H

#include "base/json.h"
#include "store/home.h"

#define TM_REMEMBERED_MAX 32u
#define TM_REMEMBERED_TIMES 20u
#define TM_REMEMBERED_NS (UINT64_C(60) * 1000000000)

typedef struct tm_remembered tm_remembered;
/** NULL when out of memory. */
tm_remembered *tm__remembered_create(void);

/* Now, as far as a value depends on it. */
typedef struct tm_remembered_now {
    uint64_t stamp; /* of all that it is made of */
    uint64_t ns;    /* tm__mono_ns() */
} tm_remembered_now;
/** Of the files of the log and of what is watched: other processes write them too. */
tm_remembered_now tm__remembered_now(const tm_home *home);

/** The value of a key if it is still good, else NULL. New reference of what must not be changed. */
json_t *tm__remembered_find(tm_remembered *self, const char *key, const tm_remembered_now *now);
/** Keep a value that was made from `now` on; the oldest goes. Without memory nothing is kept. The
 * caller keeps its reference, and changes the value no more. */
void tm__remembered_keep(tm_remembered *self, const char *key, const tm_remembered_now *now,
                         json_t *value);
/** NULL is a no-op. */
void tm__remembered_free(tm_remembered *self);

#endif
