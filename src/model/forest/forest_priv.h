/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TM_MODEL_FOREST_PRIV_H
#define TM_MODEL_FOREST_PRIV_H

#include "model/forest/forest.h"
#include "model/tree/tree.h"

enum {
#define TM_WOOD_PARAM(id, name, kind, otherwise, min, max, doc) TM_WOOD_##id,
#define TM_WOOD_CHOICE(id, name, choices, doc) TM_WOOD_##id,
#include "model/forest/forest_params.def"
#undef TM_WOOD_CHOICE
#undef TM_WOOD_PARAM
    TM_WOOD_PARAMS
};

#define TM_WOOD_TREES_MAX 2000u

/* Shares of classes in leaves. Leaf l of the forest, counted over its nodes in their order, has
 * entries starts[l] .. starts[l + 1] - 1; what they lack of 1 goes to the shares of all rows. */
typedef struct tm_wood_shares {
    uint32_t n_leaves;
    uint32_t n_entries;
    uint32_t *starts;  /* [n_leaves + 1] */
    uint16_t *classes; /* [n_entries] ascending in a leaf */
    float *shares;     /* [n_entries] over 0 */
    double *prior;     /* [n_classes] shares of all rows */
    uint32_t leaves_capacity;
    uint32_t entries_capacity;
} tm_wood_shares;

/*
 * BINARY: trees add up to a probability, REGRESSION and RANKING: to the value. MULTICLASS: the
 * trees are outputs of their own, tree t gives the number of the leaf (tm_wood_shares).
 */
typedef struct tm_random_forest {
    tm_model base;
    tm_forest trees;
    tm_wood_shares shares;
    double *gains; /* [n_cols] sums over splits */
    double slope;  /* BINARY, MULTICLASS: raw scores are log-odds or logs times it */
} tm_random_forest;

/** An empty model; the trees are the caller's to make. NULL when out of memory. */
tm_random_forest *tm__random_forest_create(tm_task task, uint32_t n_outputs, uint32_t n_cols);
void tm__random_forest_free(tm_model *model);
/** Room for more leaves and entries; false when out of memory, and all is as before. */
bool tm__wood_shares_reserve(tm_wood_shares *shares, uint64_t n_leaves, uint64_t n_entries);

/** tm_model_ops, each as model.h has it. */
TM_NODISCARD tm_status tm__random_forest_fit(tm_ctx *ctx, const tm_fit_input *in,
                                             const tm_params *params, tm_model **out_model,
                                             tm_err *err);
uint64_t tm__random_forest_needs(const tm_fit_input *in, const tm_params *params,
                                 uint32_t n_threads);
TM_NODISCARD tm_status tm__random_forest_predict(tm_ctx *ctx, const tm_model *model,
                                                 const tm_view *x, double *out, tm_err *err);
void tm__random_forest_predict_row(const tm_model *model, const tm_view *row, double *out);
TM_NODISCARD tm_status tm__random_forest_explain(const tm_model *model, const tm_view *row,
                                                 double *out, tm_err *err);

#endif
