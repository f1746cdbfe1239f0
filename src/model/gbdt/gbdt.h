/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gradient-boosted trees: the learner "gbdt". Parameters and their meaning: gbdt_params.def.
 * Why it is built this way: ../README.md.
 */
#ifndef TM_MODEL_GBDT_H
#define TM_MODEL_GBDT_H

#include "model/model.h"

extern const tm_model_ops tm__gbdt_ops;

#endif
