/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer without any column: the share of each class, or the mean, of the weighted training
 * rows. What every other learner has to beat; never a candidate of its own.
 */
#ifndef TM_MODEL_BASELINE_BASELINE_H
#define TM_MODEL_BASELINE_BASELINE_H

#include "model/model.h"

extern const tm_model_ops tm__baseline_ops;

#endif
