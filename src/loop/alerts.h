/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling people of alerts and of moves: to webhooks, signed, and to Alertmanager. What is to be
 * told lies in watch.db (monitor/alert.h) and in the history (registry/hooks.h); children of the
 * daemon send it, one for each receiver, so that one that hangs makes nobody wait but its own
 * child.
 */
#ifndef TM_LOOP_ALERTS_H
#define TM_LOOP_ALERTS_H

#include <stdbool.h>

#include "base/json.h"
#include "store/home.h"

#define TM_RECEIVER_MARK 24 /* with NUL */
/** What stands for a receiver's name, which may be any text, where a word is wanted. model: whose
 * moves it is told of; NULL: it is told of alerts. */
void tm__receiver_mark(const char *model, const char *name, char out[TM_RECEIVER_MARK]);
/** True for a mark, or "moves" for all of them, of who is told of moves. */
bool tm__receiver_is_of_moves(const char *mark);

#define TM_RECEIVERS_OF_MOVES "moves" /* stands for all who are told of moves */

/**
 * Send what is due, each once; what is not taken comes again later. only: the receiver that is
 * told, by its name or mark; NULL: all. Of a receiver that does not answer the rest is put off.
 * *out: {"sent", "failed"}.
 *
 * A webhook gets {"schema", "event", "alert"} as tm__webhook_send() sends it, Alertmanager POST
 * /api/v2/alerts.
 *
 * Errors:  TM_E_NOMEM and those of the store; a receiver's are noted with the delivery.
 * Threads: one caller; waits up to ten seconds a delivery.
 */
TM_NODISCARD tm_status tm__alerts_deliver(const tm_home *home, const char *only, json_t **out,
                                          tm_err *err);

/** Same of the history: each receiver of "webhooks" gets the records of its model in their order,
 * as registry/hooks.h has them. only: by name, mark or TM_RECEIVERS_OF_MOVES; NULL: all. */
TM_NODISCARD tm_status tm__hooks_deliver(const tm_home *home, const char *only, json_t **out,
                                         tm_err *err);

#endif
