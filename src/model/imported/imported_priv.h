/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TM_MODEL_IMPORTED_PRIV_H
#define TM_MODEL_IMPORTED_PRIV_H

#include "model/imported/imported.h"
#include "model/tree/tree.h"

/* Numbers are stored in files: never reuse one. */
typedef enum tm_imported_kind { TM_IMPORTED_TREES = 1, TM_IMPORTED_LINEAR = 2 } tm_imported_kind;

typedef enum tm_norm { /* of the numbers of a row; stored in files */
                       TM_NORM_NONE = 0,
                       TM_NORM_MAX = 1,
                       TM_NORM_L1 = 2,
                       TM_NORM_L2 = 3
} tm_norm;

/* What comes before trees or weights, in single precision, as the runtimes of ONNX compute it:
 * (x - offset) * factor, and `fill` for what is missing then (NaN: it stays missing). */
typedef struct tm_front {
    bool is_used;
    tm_norm norm;
    float *fill, *offset, *factor; /* [n_cols] */
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
/** tm_model_ops.free. */
void tm__imported_free(tm_model *model);

#endif
