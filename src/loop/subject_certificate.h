/* SPDX-License-Identifier: Apache-2.0 */
/* What an erasure found, what answers now, and what it did not reach, as a certificate says it. */
#ifndef TM_LOOP_SUBJECT_CERTIFICATE_H
#define TM_LOOP_SUBJECT_CERTIFICATE_H

#include "loop/subject.h"
#include "loop/subject_group.h"

typedef struct tm_certificate_facts {
    const tm_home *home;
    tm_registry *registry;
    const tm_subject_erasure *erasure;
    const tm_subject_group *group;
    const json_t *now;     /* in the end */
    const json_t *refused; /* versions that a gate refused */
    bool has_found;        /* rows, versions or answers */
    bool can_scan;         /* files were searched for the id, but those of models that stay */
} tm_certificate_facts;

/** Whether a model that learned from the subject stays. */
bool tm__certificate_keeps_any(const tm_subject_erasure *erasure, const json_t *refused,
                               const json_t *now);
/** What tm__subject_erase() gives. New reference. TM_E_NOMEM, those of the registry. One caller. */
TM_NODISCARD tm_status tm__certificate_make(const tm_certificate_facts *facts, json_t **out,
                                            tm_err *err);

#endif
