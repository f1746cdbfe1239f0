/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a blend is inside. Not for other folders.
 */
#ifndef TM_MODEL_BLEND_PRIV_H
#define TM_MODEL_BLEND_PRIV_H

#include "model/blend/blend.h"

typedef struct tm_blend {
    tm_model base;
    uint32_t n;
    bool is_stack;
    tm_model *members[TM_MAX_BLEND];
    double shares[TM_MAX_BLEND]; /* of importance: the weights of a mean */
    double *weights;             /* [n x n_outputs], then the bias [n_outputs] */
} tm_blend;

/* What members count. */
typedef struct tm_blend_counts {
    bool is_stack;
    const double *weights; /* [n], of a stack [n x n_outputs] */
    const double *bias;    /* [n_outputs] of a stack */
} tm_blend_counts;

/* ---- blend.c ---- */
/** [n_outputs] weights of a member. */
static inline const double *tm__blend_weights(const tm_blend *self, uint32_t m) {
    return self->weights + (size_t)m * self->base.n_outputs;
}
/** [n_outputs]; 0 of a mean. */
static inline const double *tm__blend_bias(const tm_blend *self) {
    return tm__blend_weights(self, self->n);
}
/** A learner: no blend, and nothing else that is put together. */
bool tm__blend_can_hold(const tm_model_ops *ops);
/** What tm__blend_create() and tm__blend_create_stack() do. */
TM_NODISCARD tm_status tm__blend_join(tm_model **members, const tm_blend_counts *of, uint32_t n,
                                      tm_model **out, tm_err *err);
/* ---- blend_file.c ---- */
TM_NODISCARD tm_status tm__blend_save(const tm_model *model, tm_buf *out, tm_err *err);
TM_NODISCARD tm_status tm__blend_load(const void *data, size_t len, tm_model **out_model,
                                      tm_err *err);

#endif
