/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small neural network: numbers as piecewise linear codes of their quantiles (Gorishniy et al.
 * 2022, arXiv:2203.05556, section 3.2), categories as learned vectors, hidden layers with rectified
 * units and dropout, AdamW under one cosine of learning rates. It errs where trees do not, so it
 * pays beside them; text terms are left to the linear learner.
 */
#ifndef TM_MODEL_MLP_H
#define TM_MODEL_MLP_H

#include "model/model.h"

extern const tm_model_ops tm__mlp_ops;

#endif
