/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TM_MODEL_IMPORTED_PRIV_H
#define TM_MODEL_IMPORTED_PRIV_H

#include "model/imported/imported.h"
#include "model/tree/tree.h"

/* Numbers are stored in files: never reuse one. */
typedef enum tm_imported_kind { TM_IMPORTED_TREES = 1, TM_IMPORTED_LINEAR = 2 } tm_imported_kind;

typedef enum tm_front_kind {                   /* numbers are stored in files */
                             TM_FRONT_SUB = 1, /* x - value */
                             TM_FRONT_MUL = 2,
                             TM_FRONT_ADD = 3,
                             TM_FRONT_DIV = 4,
                             TM_FRONT_FILL = 5, /* value for what is missing */
                             /* without values: a row is divided by its greatest absolute value,
                              * their sum, the root of the sum of their squares; unless that is 0 */
                             TM_FRONT_NORM_MAX = 6,
                             TM_FRONT_NORM_L1 = 7,
                             TM_FRONT_NORM_L2 = 8
} tm_front_kind;

typedef struct tm_front_step {
    tm_front_kind kind;
    float *values; /* [n_cols]; NULL for a norm */
} tm_front_step;

#define TM_FRONT_STEPS_MAX 16u

/* What comes before trees or weights, in single precision, as the runtimes of ONNX compute it. A
 * front without steps rounds rows to single precision. */
typedef struct tm_front {
    bool is_used;
    uint32_t n_steps;
    tm_front_step steps[TM_FRONT_STEPS_MAX];
} tm_front;

/* Columns of a model with a front: a row's are on the stack. */
#define TM_FRONT_COLS_MAX 2048u

typedef struct tm_imported {
    tm_model base;
    tm_imported_kind kind;
    double scale, divide; /* raw score = sum * scale / divide */
    tm_front front;
    tm_forest forest; /* TREES */
    double *weights;  /* LINEAR: [n_outputs x (n_cols + 1)], the last of a line is its constant */
    double *gains;    /* [n_cols] */
} tm_imported;

typedef struct tm_imported_shape {
    tm_imported_kind kind;
    tm_task task;
    tm_link link;
    uint32_t n_outputs, n_cols;
    bool has_front;
} tm_imported_shape;

/** An empty model that answers 0; NULL when out of memory. */
tm_imported *tm__imported_create(const tm_imported_shape *shape);
/** Add a step to the front of a model that has one: values [n_cols] are copied. */
TM_NODISCARD tm_status tm__imported_add_step(tm_imported *model, tm_front_kind kind,
                                             const float *values, tm_err *err);
/** tm_model_ops.free. */
void tm__imported_free(tm_model *model);

#endif
