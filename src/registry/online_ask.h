/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The features of one entity at a moment, from the online store: the same bits that training would
 * have computed from the same events. A plan is shared, an asker is a thread's own.
 */
#ifndef TM_REGISTRY_ONLINE_ASK_H
#define TM_REGISTRY_ONLINE_ASK_H

#include "registry/online_plan.h"
#include "store/online.h"

typedef struct tm_online_asker tm_online_asker;
/** NULL when out of memory. The plan must live as long. */
tm_online_asker *tm__online_asker_create(const tm_online_plan *plan);
void tm__online_asker_free(tm_online_asker *asker);

typedef struct tm_online_question {
    uint32_t group;
    const tm_cell *keys; /* [n_keys of the group] as they came; fitted to the source's types */
    int64_t moment_us;   /* TM_INT_MISSING: every feature is missing */
    int64_t now_us;
} tm_online_question;

typedef struct tm_online_note {
    int64_t lag_us;    /* since the store last had all rows of the source */
    int64_t newest_us; /* known time of the newest event before the moment; TM_INT_MISSING: none */
    bool is_absent;    /* the store has no event of the entity; true as well without a key */
} tm_online_note;

/**
 * out  [plan.n_features of the group], in the group's order; an entity that is absent has the
 *      features of one without events, one whose key is missing has none.
 *
 * Cost:    a look-up of the view and one of the entity; memory only when a state is larger than any
 *          before.
 * Errors:  TM_E_UNAVAILABLE (never built, standing still, or its lag is past the plan's),
 *          TM_E_INVALID (the moment lies before what the entity's state still knows), TM_E_DATA (a
 *          key does not fit its column), TM_E_INTEGRITY, TM_E_NOMEM. No value is in a message.
 * Threads: owner thread; the reader is open.
 */
TM_NODISCARD tm_status tm__online_ask(tm_online_asker *asker, tm_online_reader *reader,
                                      const tm_online_question *question, double *out,
                                      tm_online_note *note, tm_err *err);

#endif
