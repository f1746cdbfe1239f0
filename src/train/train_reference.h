/* SPDX-License-Identifier: Apache-2.0 */
/* What the rows that a model learned from were like, and what it loses on others, for those who
 * watch it: model/reference.h. */
#ifndef TM_TRAIN_TRAIN_REFERENCE_H
#define TM_TRAIN_TRAIN_REFERENCE_H

#include "model/reference.h"
#include "train/train_priv.h"

/* Answers to rows that were not learned from. */
typedef struct tm_held_out {
    uint64_t n;           /* 0: there are none */
    const uint32_t *rows; /* [n] of the table; NULL: only their answers are known */
    const double *y;      /* [n], or NULL: that of the rows */
    const double *pred;   /* [n x n_outputs] */
} tm_held_out;

typedef struct tm_reference_input {
    const tm_train_data *data;
    const tm_program *program;
    const tm_model *model;
    tm_held_out held_out;
    uint64_t seed;
    size_t bytes_max; /* that it may take in a file; 0: no limit. Past it cells become fewer, then
                         there is none */
} tm_reference_input;

/**
 * The reference of a finished model; *out ends with tm__reference_free(), NULL: it has no room.
 *
 * Cost:    O(columns * rows * log rows) of at most TM_REF_ROWS_MAX rows, and a pass over the texts.
 * Errors:  TM_E_NOMEM.
 * Threads: one caller. The same rows, model and seed give the same reference.
 */
TM_NODISCARD tm_status tm__train_reference(const tm_reference_input *in, tm_reference **out,
                                           tm_err *err);

#endif
