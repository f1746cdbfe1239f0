/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random forests and extremely randomised trees: the learner "forest". Parameters and their
 * meaning: forest_params.def. Why it is built this way: ../README.md.
 */
#ifndef TM_MODEL_FOREST_H
#define TM_MODEL_FOREST_H

#include "model/model.h"

extern const tm_model_ops tm__random_forest_ops;

#endif
