/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several fitted models that answer together: the weighted mean of their raw scores on the same
 * view. Not a learner: its members are fitted elsewhere.
 */
#ifndef TM_MODEL_BLEND_H
#define TM_MODEL_BLEND_H

#include "model/model.h"

#define TM_MAX_BLEND 16u

extern const tm_model_ops tm__blend_ops;

/**
 * Take n fitted models of the same task and view [n], with weights that sum to 1. On success the
 * members belong to the blend and their pointers in `members` become NULL; on failure they stay the
 * caller's.
 */
TM_NODISCARD tm_status tm__blend_create(tm_model **members, const double *weights, uint32_t n,
                                        tm_model **out, tm_err *err);

#endif
