/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How who erases asks those that have a home open to let go of what they opened before: versions
 * that have no file any more, online stores of earlier rows, answers that wait in memory.
 *
 *     <home>/settle.asked   a number, and what is asked      who erases
 *     <home>/settle.done    the number of the last answer    the server
 *
 * Not for what must outlive a kill: who erases asks anew.
 */
#ifndef TM_STORE_SETTLE_H
#define TM_STORE_SETTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "store/home.h"

typedef struct tm_settle {
    uint64_t number;  /* 0: nothing is asked */
    bool begins_anew; /* who keeps the online store is to make it anew, of the rows that are left */
} tm_settle;

/** Ask; *io gets its number. TM_E_NOMEM, TM_E_IO.  Any thread, one process at a time. */
TM_NODISCARD tm_status tm__settle_ask(const tm_home *home, tm_settle *io, tm_err *err);
/** What is asked now. One look at a folder when nothing is. Any thread. */
void tm__settle_asked(const tm_home *home, tm_settle *out);
/** Say that it is done. TM_E_NOMEM, TM_E_IO.  Any thread, one process at a time. */
TM_NODISCARD tm_status tm__settle_answer(const tm_home *home, uint64_t number, tm_err *err);
/** True when it is. Any thread. */
bool tm__settle_is_answered(const tm_home *home, uint64_t number);
/** Nothing is asked any more. Any thread. */
void tm__settle_end(const tm_home *home);

#endif
