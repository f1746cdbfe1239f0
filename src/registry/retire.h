/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Versions that answer until a date and no longer, for they learned from somebody who was erased.
 * What is to be retired stands in the audit chain ("subject.retiring": versions by their bundles,
 * and the date), so a restored home keeps to it; what went on from such a version (`continues`) is
 * retired with it. Of several dates the first one holds. Threads as registry.h.
 */
#ifndef TM_REGISTRY_RETIRE_H
#define TM_REGISTRY_RETIRE_H

#include "registry/registry.h"

/** Note that versions ([{"model", "version"}]) are to be retired at by_us. subjects: who were
 * erased, as tm__audit_subject_make() gives them: an entry each. */
typedef struct tm_retiring {
    const json_t *versions;
    int64_t by_us;
    const tm_hash *subjects; /* [n] */
    uint32_t n_subjects;
} tm_retiring;
TM_NODISCARD tm_status tm__retiring_note(tm_registry *registry, const tm_retiring *retiring,
                                         const tm_actor *actor, tm_err *err);

/** [{"model", "version", "bundle_hash", "retire_by", "retire_by_us", "is_champion"}] of those that
 * have their files still, by model and version. New reference.
 * Cost: one query by an index where nothing was ever to be retired, else the record of each version
 * is read. */
TM_NODISCARD tm_status tm__retiring_list(tm_registry *registry, json_t **out, tm_err *err);

/** TM_E_NOT_FOUND for a version whose date has passed, whether somebody retired it or not. */
TM_NODISCARD tm_status tm__retiring_check(tm_registry *registry, const tm_version *version,
                                          tm_err *err);

/**
 * Retire the versions whose date has passed: what they take part in ends (a split, a shadow, a
 * rollout, an experiment), their bundles and the snapshots that nobody else names are removed, and
 * "subject.retired" stands in the chain. A champion keeps its name and answers no more.
 *
 * *out_n:  versions that went.
 * Errors:  those of the database and of files. A run that was killed is gone on with by the next.
 */
TM_NODISCARD tm_status tm__retire_due(tm_registry *registry, int64_t now_us, const tm_actor *actor,
                                      uint32_t *out_n, tm_err *err);

/* What a process that goes on remembers between two looks; zeroed to begin with. */
typedef struct tm_retire_watch {
    int64_t seq;     /* of the newest entry that was read */
    int64_t next_us; /* the next date; 0: not read yet */
} tm_retire_watch;
/** tm__retire_due() when there is news or a date has come, else one query by an index.
 * *out_is_due: a date came, whoever retired what was to be. */
TM_NODISCARD tm_status tm__retire_look(tm_registry *registry, tm_retire_watch *watch,
                                       int64_t now_us, bool *out_is_due, tm_err *err);

#endif
