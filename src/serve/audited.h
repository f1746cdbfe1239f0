/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What requests leave in the audit chain beside the moves, which are entries of their own: who was
 * refused (401, 403) and who sent labels and rows, counted by caller and endpoint and appended
 * together every few seconds. A commit for each request would be slower than the request, and
 * refusals would let anybody fill the disk.
 */
#ifndef TM_SERVE_AUDITED_H
#define TM_SERVE_AUDITED_H

#include "registry/chain.h"
#include "serve/serve_priv.h"

typedef struct tm_audited tm_audited;
/** NULL when out of memory. */
tm_audited *tm__audited_create(void);
void tm__audited_free(tm_audited *audited);

/** Count a request that was answered; most are of no interest. Any thread. Cost: a lock for those
 * that count. */
void tm__audited_count(tm_audited *audited, const tm_endpoint *endpoint, const char *actor,
                       unsigned status);
/** Append what was counted when it is time, or must be. What cannot be appended is kept for the
 * next time. One thread at a time. */
TM_NODISCARD tm_status tm__audited_keep(tm_audited *audited, tm_registry *registry, bool must,
                                        tm_err *err);

#endif
