/* SPDX-License-Identifier: Apache-2.0 */
/* Who is erased together: what stands for each in the audit chain, how much each had, and what was
 * found of all of them at first. One caller. */
#ifndef TM_LOOP_SUBJECT_GROUP_H
#define TM_LOOP_SUBJECT_GROUP_H

#include "base/hash.h"
#include "loop/subject.h"

typedef struct tm_subject_group {
    tm_registry *registry;
    const tm_subject_erasure *erasure;
    uint32_t n;
    tm_hash *hashes;            /* [n] what stands for them in the chain; owned */
    tm_subject_counts now;      /* [n] each: to be filled by a look; owned */
    tm_subject_counts at_first; /* [n] each: and what came meanwhile; owned */
    json_t *found;              /* of all together, the same; owned */
} tm_subject_group;

/** Ends with tm__subject_group_done(), also after an error. TM_E_NOMEM, those of the registry. */
TM_NODISCARD tm_status tm__subject_group_init(tm_subject_group *group, tm_registry *registry,
                                              const tm_subject_erasure *erasure, tm_err *err);
/** Set the counts of now to zero. */
void tm__subject_group_look(tm_subject_group *group);
/** Go on with erasures that were not ended, and begin the others with an entry in the chain each;
 * found is what was found then and now. */
TM_NODISCARD tm_status tm__subject_group_begin(tm_subject_group *group, const json_t *now,
                                               tm_err *err);
/** What is there now, after all that was there had gone, is found too. */
void tm__subject_group_came(tm_subject_group *group, const json_t *now);
/** An entry each in the chain, in one transaction. details may be NULL. */
TM_NODISCARD tm_status tm__subject_group_note(const tm_subject_group *group, const char *event,
                                              const json_t *details, tm_err *err);
/** A zeroed one is a no-op. */
void tm__subject_group_done(tm_subject_group *group);

#endif
