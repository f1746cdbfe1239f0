/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as the model section of a bundle. The first byte picks the learner. What is taken must
 * predict finite scores, and save to bytes that load again.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "model/blend/blend.h"
#include "model/offset/offset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void predict(const tm_model *model) {
    static const uint64_t starts[] = {0, 0};
    const tm_sparse no_terms = {.n_terms = model->n_terms, .starts = starts};
    static const double cells[] = {0.0, 1.0, -1.0, 3.0, 1e300};
    const double **cols = tm__mem_alloc(model->n_cols > 0 ? model->n_cols : 1, sizeof(*cols));
    tm_feature *features = tm__mem_zalloc(model->n_cols > 0 ? model->n_cols : 1, sizeof(*features));
    double *out = tm__mem_alloc(model->n_outputs > 0 ? model->n_outputs : 1, sizeof(*out));
    if (cols == NULL || features == NULL || out == NULL) {
        abort();
    }
    double *shares = tm__mem_alloc((size_t)model->n_cols + 1, sizeof(*shares));
    if (shares == NULL) {
        abort();
    }
    model->ops->importance(model, shares);
    tm__mem_free(shares);
    for (uint32_t round = 0; round < 5; round++) {
        for (uint32_t i = 0; i < model->n_cols; i++) {
            cols[i] = &cells[(i + round) % 5];
        }
        const tm_view view = {.n_rows = 1,
                              .n_cols = model->n_cols,
                              .cols = cols,
                              .features = features,
                              .sparse = &no_terms};
        tm__model_predict_row(model, &view, out);
        for (uint32_t k = 0; k < model->n_outputs; k++) {
            if (!(fabs(out[k]) <= 1e302)) { /* a blend of 16 */
                abort();
            }
        }
    }
    tm__mem_free((void *)cols);
    tm__mem_free(features);
    tm__mem_free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    const tm_model_ops *const *list = tm__model_list();
    uint32_t n = 0;
    while (list[n] != NULL) {
        n++;
    }
    if (len < 1) {
        return 0;
    }
    const uint32_t pick = data[0] % (n + 1); /* 3 is a blend, whatever learners came since */
    const tm_model_ops *ops = data[0] == UINT8_MAX ? &tm__offset_ops
                              : pick == 3          ? &tm__blend_ops
                                                   : list[pick < 3 ? pick : pick - 1];
    uint8_t *copy = tm__mem_alloc(len, 1); /* aligned, as a bundle's section is */
    tm_model *model = NULL;
    tm_model *again = NULL;
    tm_err err = {0};
    tm_buf saved;
    if (copy == NULL) {
        abort();
    }
    memcpy(copy, data + 1, len - 1);
    tm__buf_init(&saved, 256u << 20);
    if (ops->load(copy, len - 1, &model, &err) == TM_OK) {
        if (model->n_cols <= TM_MAX_COLS && model->n_outputs <= TM_MAX_CLASSES) {
            predict(model);
        }
        json_decref(ops->describe(model));
        if (ops->save(model, &saved, &err) != TM_OK ||
            ops->load(saved.data, saved.len, &again, &err) != TM_OK) {
            fprintf(stderr, "%s: %s\n", ops->name, err.message);
            abort();
        }
        ops->free(again);
        ops->free(model);
    }
    tm__buf_done(&saved);
    tm__mem_free(copy);
    return 0;
}
