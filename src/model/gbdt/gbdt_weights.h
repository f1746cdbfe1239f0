/* SPDX-License-Identifier: Apache-2.0 */
/* Weights of classes: what a row counts besides its own weight. */
#ifndef TM_MODEL_GBDT_WEIGHTS_H
#define TM_MODEL_GBDT_WEIGHTS_H

#include "model/model.h"

typedef struct tm_class_weights {
    bool is_balanced; /* all classes have the same weight in all */
    double positive;  /* BINARY: a positive row counts so often, besides; 1: as a negative one */
} tm_class_weights;

/**
 * Weights of the training rows times those of their classes: a new array [x->n_rows] in *out, which
 * ends with tm__mem_free(); NULL when classes have no weights.
 *
 * Errors: TM_E_USAGE (weights of classes for another task), TM_E_NOMEM.
 */
TM_NODISCARD tm_status tm__class_weights_apply(const tm_fit_input *in,
                                               const tm_class_weights *weights, double **out,
                                               tm_err *err);

#endif
