/* SPDX-License-Identifier: Apache-2.0 */
#include "model/gbdt/gbdt_weights.h"

#include "base/mem.h"

static double weight_of(const tm_fit_input *in, uint64_t row) {
    return in->weights != NULL ? in->weights[row] : 1;
}

/* A class without weight has no rows that count: its factor is never used. */
static void factors_balance(const tm_fit_input *in, uint32_t n, double *factors) {
    double total = 0;
    for (uint64_t row = 0; row < in->x->n_rows; row++) {
        factors[(uint32_t)in->y[row]] += weight_of(in, row);
        total += weight_of(in, row);
    }
    for (uint32_t k = 0; k < n; k++) {
        factors[k] = factors[k] > 0 ? total / n / factors[k] : 1;
    }
}

tm_status tm__class_weights_apply(const tm_fit_input *in, const tm_class_weights *weights,
                                  double **out, tm_err *err) {
    const bool is_binary = in->task == TM_TASK_BINARY;
    const uint32_t n = is_binary ? 2 : in->n_classes;
    *out = NULL;
    if (weights->positive != 1 && !is_binary) {
        return TM_FAIL(err, TM_E_USAGE, "a weight of the positive class needs a binary target");
    }
    if (weights->is_balanced && !is_binary && in->task != TM_TASK_MULTICLASS) {
        return TM_FAIL(err, TM_E_USAGE, "balanced weights of classes need a target of classes");
    }
    if (!weights->is_balanced && weights->positive == 1) {
        return TM_OK;
    }
    double *factors = tm__mem_zalloc(n, sizeof(double));
    double *made = tm__mem_alloc(in->x->n_rows, sizeof(double));
    if (factors == NULL || made == NULL) {
        tm__mem_free(factors);
        tm__mem_free(made);
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for weights of classes");
    }
    for (uint32_t k = 0; k < n && !weights->is_balanced; k++) {
        factors[k] = 1;
    }
    if (weights->is_balanced) {
        factors_balance(in, n, factors);
    }
    if (is_binary) {
        factors[1] *= weights->positive;
    }
    for (uint64_t row = 0; row < in->x->n_rows; row++) {
        made[row] = weight_of(in, row) * factors[(uint32_t)in->y[row]];
    }
    tm__mem_free(factors);
    *out = made;
    return TM_OK;
}
