/* SPDX-License-Identifier: Apache-2.0 */
/* Looking for many texts at once in bytes. Immutable once made: any thread. */
#ifndef TM_LOOP_SUBJECT_NEEDLES_H
#define TM_LOOP_SUBJECT_NEEDLES_H

#include "table/table.h"
#include "tidemill/err.h"

#define TM_NEEDLE_BYTES_MIN 6u /* what is shorter stands anywhere by chance */

typedef struct tm_needles tm_needles;

/**
 * texts  those of TM_NEEDLE_BYTES_MIN bytes and more are looked for; borrowed, and not changed
 *        until the end. NULL: none.
 *
 * Owns:    *out, which ends with tm__needles_free().
 * Errors:  TM_E_NOMEM.
 * Threads: any.
 */
TM_NODISCARD tm_status tm__needles_create(const tm_dict *texts, tm_needles **out, tm_err *err);
/** Whether any of them stands there. Cost: one pass, a nanosecond a byte or less. */
bool tm__needles_stand_in(const tm_needles *needles, const uint8_t *data, size_t len);
/** Bytes of the longest; 0: there is nothing to look for. */
size_t tm__needles_longest(const tm_needles *needles);
/** Whether every text is long enough to be looked for. */
bool tm__needles_are_all(const tm_needles *needles);
void tm__needles_free(tm_needles *needles);

#endif
