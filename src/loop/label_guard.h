/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Labels of whom are believed. An origin whose labels are found wrong (monitor/label_origins.h) is
 * quarantined: its labels stay in the log and are neither learned from nor judged by, until
 * somebody trusts it. History has who did either, and on what evidence; who was trusted by a person
 * is not quarantined again.
 *
 *     history: labels.quarantined, labels.trusted ──> state of each origin, the last one counts
 */
#ifndef TM_LOOP_LABEL_GUARD_H
#define TM_LOOP_LABEL_GUARD_H

#include "base/json.h"
#include "monitor/monitor.h"
#include "registry/registry.h"

/** {ORIGIN: {"state": "quarantined" or "trusted", "at", "actor", "reason", "evidence"}} of the
 * origins that something was said of. New reference. TM_E_INTEGRITY, TM_E_NOMEM. */
TM_NODISCARD tm_status tm__label_guard_states(tm_registry *registry, const char *model,
                                              json_t **out, tm_err *err);

/** Say that an origin's labels count, or not; evidence may be NULL. TM_E_CONFLICT when that is its
 * state already. */
TM_NODISCARD tm_status tm__label_guard_set(tm_registry *registry, const char *model,
                                           const char *origin, bool is_trusted,
                                           const tm_actor *actor, const json_t *evidence,
                                           tm_err *err);

typedef struct tm_label_guard {
    tm_registry *registry;
    tm_monitor *monitor;
    const tm_bundle *bundle; /* of the champion */
    const char *model;
    const json_t *recipe; /* declares the delay of labels; may be NULL */
    int64_t now_us;
} tm_label_guard;

/** What tm__label_origins() finds now of the last 90 days, each origin also with its "state"
 * ("trusted" where nothing was said); and origins that something was said of and that sent no label
 * meanwhile (of rows: row_guard.h), as they were found then. New reference. */
TM_NODISCARD tm_status tm__label_guard_look(const tm_label_guard *guard, json_t **out, tm_err *err);

/** Quarantine who of these (as "origins" of tm__label_origins()) is found wrong and of whom nothing
 * was said yet; their names are appended. The actor is noted with the evidence. */
TM_NODISCARD tm_status tm__label_guard_found(tm_registry *registry, const char *model,
                                             const json_t *origins, const tm_actor *actor,
                                             json_t *names, tm_err *err);

/** Where the model teaches itself, of what was found: {"copies": [ORIGIN], "hidden": {"decision",
 * "share", "others"} or null}: whose labels repeat its answers, and the decision (of 100 answers at
 * the least, beside as many others) whose answers get labels not a tenth as often as the other
 * decisions of the same versions. NULL where neither is; otherwise a new reference. Threads: any.
 */
json_t *tm__label_guard_feedback(const json_t *found);

/** Look, quarantine what is found wrong, and give the origins that are quarantined now as an array
 * of names. New references in *out_names and, if it is not NULL, in *out_feedback, which is NULL
 * where there is none. The actor is noted with the evidence. */
TM_NODISCARD tm_status tm__label_guard_act(const tm_label_guard *guard, const tm_actor *actor,
                                           json_t **out_names, json_t **out_feedback, tm_err *err);

#endif
