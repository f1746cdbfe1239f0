/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inputs that say what others say: repeats, whose features have the bits of another's, and
 * followers, numbers that are all but a line of another one.
 */
#ifndef TM_TRAIN_TRAIN_ALIKE_H
#define TM_TRAIN_TRAIN_ALIKE_H

#include "feature/feature.h"

/* Features of each input. */
typedef struct tm_input_features {
    uint32_t n_inputs;
    uint32_t *starts; /* [n_inputs + 1] into list */
    uint32_t *list;   /* [features] rising within an input */
} tm_input_features;

/** TM_E_NOMEM; *out ends with tm__input_features_done(). */
TM_NODISCARD tm_status tm__input_features_init(const tm_view *x, uint32_t n_inputs,
                                               tm_input_features *out, tm_err *err);
void tm__input_features_done(tm_input_features *features);

typedef struct tm_alike {
    uint32_t twin; /* an input before it that has no twin among its own kind; UINT32_MAX: none */
    bool is_repeat;
    double likeness; /* correlation with its twin */
} tm_alike;

/**
 * Twins of the candidates.
 *
 * is_candidate  [n_inputs] the others have no twins and are none.
 * out           [n_inputs]
 *
 * Cost:    one pass over all features, a sort, and pairs of the first 256 numbers on 2,000 rows.
 * Errors:  TM_E_NOMEM.
 * Threads: any.
 */
TM_NODISCARD tm_status tm__train_alike(const tm_view *x, const tm_input_features *features,
                                       const uint8_t *is_candidate, tm_alike *out, tm_err *err);

#endif
