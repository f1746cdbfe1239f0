/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TM_MODEL_GBDT_PRIV_H
#define TM_MODEL_GBDT_PRIV_H

#include "model/gbdt/gbdt.h"
#include "model/gbdt/gbdt_objective.h"
#include "model/tree/tree.h"

enum {
#define TM_GBDT_PARAM(id, name, kind, otherwise, min, max, doc) TM_GBDT_##id,
#define TM_GBDT_CHOICE(id, name, choices, doc) TM_GBDT_##id,
#include "model/gbdt/gbdt_params.def"
#undef TM_GBDT_CHOICE
#undef TM_GBDT_PARAM
    TM_GBDT_PARAMS
};

typedef struct tm_gbdt {
    tm_model base;
    tm_objective objective; /* resolved */
    tm_forest forest;
    double *gains; /* [n_cols] sums over splits of the rounds kept */
} tm_gbdt;

/** An empty model; NULL when out of memory. */
tm_gbdt *tm__gbdt_create(tm_task task, tm_objective objective, uint32_t n_outputs, uint32_t n_cols);
/** The objective that parameters ask for, not resolved yet. */
tm_loss_spec tm__gbdt_loss_spec(tm_task task, uint32_t n_outputs, const tm_params *params);
/** Trees that grow at the same time, a thread each; 1: one after the other, by all threads. */
uint32_t tm__gbdt_lanes(uint64_t n_rows, uint32_t n_outputs, uint32_t n_threads);
/** tm_model_ops.fit and .free. */
TM_NODISCARD tm_status tm__gbdt_fit(tm_ctx *ctx, const tm_fit_input *in, const tm_params *params,
                                    tm_model **out_model, tm_err *err);
void tm__gbdt_free(tm_model *model);

#endif
