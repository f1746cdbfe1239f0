/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several fitted models that answer together on the same view: by the weighted mean of their raw
 * scores, or by a second layer (a stack), which has a weight for each member and output, and a bias
 * for each output. Not a learner: members and weights are fitted elsewhere.
 */
#ifndef TM_MODEL_BLEND_H
#define TM_MODEL_BLEND_H

#include "model/model.h"

#define TM_MAX_BLEND 16u
/* That a stack's weights of one output may sum up to, so that no sum of raw scores overflows. */
#define TM_STACK_SUM_MAX 16.0

extern const tm_model_ops tm__blend_ops;

/**
 * Take n fitted models of the same task and view [n], with weights that sum to 1. On success the
 * members belong to the blend and their pointers in `members` become NULL; on failure they stay the
 * caller's.
 */
TM_NODISCARD tm_status tm__blend_create(tm_model **members, const double *weights, uint32_t n,
                                        tm_model **out, tm_err *err);

/**
 * Same as tm__blend_create, with a second layer: the raw score of output k is bias[k] plus the sum
 * of weights[m * n_outputs + k] times that of member m.
 *
 * weights  [n x n_outputs] not negative, so that what a member's rules promise holds for the sum;
 *          each member has one over 0, and those of an output sum to TM_STACK_SUM_MAX at most.
 * bias     [n_outputs], within TM_MODEL_SCORE_MAX.
 */
TM_NODISCARD tm_status tm__blend_create_stack(tm_model **members, const double *weights,
                                              const double *bias, uint32_t n, tm_model **out,
                                              tm_err *err);

#endif
