/* SPDX-License-Identifier: Apache-2.0 */
/* A version fitted anew on the rows that subjects left. Threads as registry.h. */
#ifndef TM_LOOP_SUBJECT_REFIT_H
#define TM_LOOP_SUBJECT_REFIT_H

#include "loop/subject.h"

/** Whether the record of a version says all that a training needs, and its rows are for its purpose
 * still. TM_E_CONFLICT with the reason. */
TM_NODISCARD tm_status tm__subject_can_refit(const tm_home *home, const tm_version *version,
                                             tm_err *err);
typedef struct tm_refit_order {
    const tm_home *home;
    tm_registry *registry;
    const tm_version *version;
    const json_t *columns; /* of its rows that may hold ids */
    const tm_subject_erasure *erasure;
} tm_refit_order;
/** Train by its record on its rows without those in which one of the columns is an id, register
 * it, let the model's gate judge it, and promote it unless the gate refuses and the policy keeps
 * the champion: then *out_refused is {"model", "version", "reason"} (a new reference), else NULL.
 * Rows of a source whose people do not agree any more are left out as well, and noted as of any
 * training. Its bytes follow from the rows that are left: `train --repeat` of the new version gives
 * them again.
 */
TM_NODISCARD tm_status tm__subject_refit(tm_ctx *ctx, const tm_refit_order *order,
                                         json_t **out_refused, tm_err *err);

#endif
