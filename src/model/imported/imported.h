/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Models that another library fitted: sums of trees or of weighted numbers, as that library would
 * answer. Reading the files of other libraries is import.h.
 *
 * Not for: fitting. It is found by its name in files, as blends are.
 */
#ifndef TM_MODEL_IMPORTED_H
#define TM_MODEL_IMPORTED_H

#include "model/model.h"

extern const tm_model_ops tm__imported_ops;

#endif
