/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model fitted beside scores that its rows bring along (log of an exposure, the margin of another
 * model): its raw score is that of the model within plus the row's last column. Not a learner: the
 * model within is fitted elsewhere.
 */
#ifndef TM_MODEL_OFFSET_H
#define TM_MODEL_OFFSET_H

#include "model/model.h"

extern const tm_model_ops tm__offset_ops;

/**
 * Take a fitted model of one output; the view of the new one has one column more, the score. On
 * success *inner becomes NULL; on failure it stays the caller's. TM_E_INVALID for a model of
 * classes with an output each.
 *
 * A row without a score, or with one beyond TM_MODEL_SCORE_MAX, is TM_E_DATA in a batch and NaN
 * alone.
 */
TM_NODISCARD tm_status tm__offset_create(tm_model **inner, tm_model **out, tm_err *err);

#endif
