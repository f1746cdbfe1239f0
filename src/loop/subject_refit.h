/* SPDX-License-Identifier: Apache-2.0 */
/* A version fitted anew on the rows that a subject left. Threads as registry.h. */
#ifndef TM_LOOP_SUBJECT_REFIT_H
#define TM_LOOP_SUBJECT_REFIT_H

#include "loop/subject.h"

/** Whether the record of a version says all that a training needs. TM_E_CONFLICT with the reason.
 */
TM_NODISCARD tm_status tm__subject_can_refit(const tm_version *version, tm_err *err);
/** Train by its record on its rows without those in which one of the columns is the id, register
 * and promote it. Its bytes follow from the rows that are left: `train --repeat` of the new version
 * gives them again. */
TM_NODISCARD tm_status tm__subject_refit(tm_ctx *ctx, const tm_home *home, tm_registry *registry,
                                         const tm_version *version, const json_t *columns,
                                         const tm_subject_erasure *erasure, tm_err *err);

#endif
