/* SPDX-License-Identifier: Apache-2.0 */
/* Learners that break a promise, made of a sound one, for tests of the checks. */
#ifndef TM_SUPPORT_BROKEN_LEARNER_H
#define TM_SUPPORT_BROKEN_LEARNER_H

#include "model/conform.h"

/** A copy of a learner whose models belong to the copy. One at a time is checked. */
tm_model_ops broken_copy(const tm_model_ops *sound);
/** The sound learner's fit, for a fit that goes astray before or after; the model belongs to the
 * learner that is checked. */
tm_status broken_fit(tm_ctx *ctx, const tm_fit_input *in, const tm_params *params, tm_model **out,
                     tm_err *err);
/** Run the checks and fail unless the named one is broken. */
void broken_want(const tm_model_ops *ops, const char *check);
/** Run the checks and fail when the named one is broken. */
void broken_want_none(const tm_model_ops *ops, const char *check);

#endif
