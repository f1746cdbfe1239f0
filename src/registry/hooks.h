/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is told of what happens to a model. A receiver has a place in the history, so an event and
 * that it is owed are one commit; each gets the records of its model one after the other, from the
 * one that declared it on. Sending is loop's. Threads as registry.h.
 */
#ifndef TM_REGISTRY_HOOKS_H
#define TM_REGISTRY_HOOKS_H

#include "registry/registry.h"

#define TM_HOOK_TRIES 12u /* then a record is passed over */

/** Each receiver that is owed a record now, who waits longest first; until fn says false. Cheap:
 * for every look of a daemon. */
TM_NODISCARD tm_status tm__hooks_due(tm_registry *registry, int64_t now_us,
                                     bool (*fn)(void *arg, const char *model, const char *name),
                                     void *arg, tm_err *err);
/** The record that a receiver is owed next: {"schema", "seq", "event", "model", "version", "from",
 * "at", "actor", "reason", "details"}; JSON null when there is none or it is not time yet. New
 * reference. */
TM_NODISCARD tm_status tm__hook_next(tm_registry *registry, const char *model, const char *name,
                                     int64_t now_us, json_t **out, tm_err *err);
/** Note that it was taken (problem NULL) or was not, and why: then it comes again after ten
 * seconds, twice as long each time up to six hours, and is passed over after TM_HOOK_TRIES. */
TM_NODISCARD tm_status tm__hook_done(tm_registry *registry, const char *model, const char *name,
                                     int64_t seq, const char *problem, int64_t now_us, tm_err *err);
/** [{"model", "receiver", "behind": records that it is owed, "tries": of the next one, "error": of
 * the last one that was not taken, "next": when it comes again}] of a model (NULL: of all), by
 * name. What there is not is null. New reference. */
TM_NODISCARD tm_status tm__hooks_list(tm_registry *registry, const char *model, json_t **out,
                                      tm_err *err);

#endif
