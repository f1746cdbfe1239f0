/* SPDX-License-Identifier: Apache-2.0 */
/* An erasure and the server of its home: either no server runs until it is done, or the server goes
 * on answering and lets go of what it had opened before (store/settle.h). */
#ifndef TM_LOOP_SUBJECT_BESIDE_H
#define TM_LOOP_SUBJECT_BESIDE_H

#include "base/ctx.h"
#include "base/fs.h"
#include "store/home.h"

typedef struct tm_beside {
    tm_ctx *ctx;
    const tm_home *home;
    tm_file *lock; /* no server runs while it is held; NULL: one does */
} tm_beside;

/** Hold servers off when none runs; looks again at each call. Errors of files. */
TM_NODISCARD tm_status tm__beside_look(tm_beside *beside, tm_err *err);
/** fn, again while a server or its children are in the way (TM_E_CONFLICT), for some seconds. */
TM_NODISCARD tm_status tm__beside_try(tm_beside *beside, tm_status (*fn)(void *arg, tm_err *err),
                                      void *arg, tm_err *err);
/** No answer rests on rows that are gone from the sources any more. Without a server the online
 * store goes, else it is made anew of the rows that are left, by who keeps it or here. Waits for
 * that, and until the server has changed to it. TM_E_CONFLICT while another process keeps it
 * without a server; TM_E_CANCELLED by ctx. */
TM_NODISCARD tm_status tm__beside_online(tm_beside *beside, tm_err *err);
/** Wait until the server has let go of versions that have no file any more and has logged what it
 * answered; at once without one. TM_E_CONFLICT after a minute, TM_E_CANCELLED. */
TM_NODISCARD tm_status tm__beside_settle(tm_beside *beside, tm_err *err);
/** A zeroed one is a no-op. */
void tm__beside_end(tm_beside *beside);

#endif
