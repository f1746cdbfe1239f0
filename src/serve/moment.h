/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When what was loaded begins to answer. With tables in a file: at once. With tables that replicas
 * share, at one moment for all of them, by the server's clock (docs/decisions/0128-one-moment.md).
 */
#ifndef TM_SERVE_MOMENT_H
#define TM_SERVE_MOMENT_H

#include "serve/published.h"
#include "store/db.h"

/** Publish by a moment that was asked for after current was read; its reference is taken. known_ns:
 * up to when what is published was known to be so. Returns what is to be retired, or NULL. The
 * writer; may wait for a moment that is just passing. */
tm_current *tm__moment_publish(tm_published *published, tm_current *current,
                               const tm_db_moment *moment, uint64_t known_ns);
/** What a look at the registry that began then makes known, and tells the published. */
uint64_t tm__moment_know(tm_published *published, const tm_db_moment *moment);
/** Say what a change changes. */
void tm__moment_log(const tm_log *log, tm_prom *prom, const tm_current *old, const tm_current *now);

#endif
