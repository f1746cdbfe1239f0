/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Elastic-net linear, logistic and softmax regression: numbers standardised, missing values
 * imputed with an indicator, categories as one-hot indices, text terms as sparse columns. RANKING
 * is fitted pointwise on the relevance.
 */
#ifndef TM_MODEL_LINEAR_LINEAR_H
#define TM_MODEL_LINEAR_LINEAR_H

#include "model/model.h"

extern const tm_model_ops tm__linear_ops;

#endif
