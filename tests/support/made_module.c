/* SPDX-License-Identifier: Apache-2.0 */
#include "made_module.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#define OUTPUTS_MAX 1000u

/* Scores [n_outputs] are the model and its bytes. */
typedef struct made_model {
    uint32_t n_outputs, spare;
    double scores[];
} made_model;

static int32_t made_fit(const tm_module_call *call, const tm_module_fit *in, void **out_model) {
    made_model *self = call->host->alloc(sizeof(*self) + (size_t)in->n_outputs * sizeof(double));
    double sum = 0, total = 0;
    if (self == NULL) {
        return TM_MODULE_E_NOMEM;
    }
    if (call->is_cancelled(call->self)) {
        call->host->free(self);
        return TM_MODULE_E_CANCELLED;
    }
    for (uint64_t i = 0; i < in->rows.n_rows; i++) {
        const double w = in->weights == NULL ? 1 : in->weights[i];
        sum += w * in->y[i];
        total += w;
    }
    self->n_outputs = in->n_outputs;
    self->spare = 0;
    for (uint32_t k = 0; k < in->n_outputs; k++) {
        self->scores[k] = in->params[0] * sum / total;
    }
    (void)call->spend(call->self, in->rows.n_rows);
    call->progress(call->self, 1, 1);
    call->log(call->self, "fitted");
    *out_model = self;
    return TM_MODULE_OK;
}

static void made_predict(const tm_module_host *host, const void *model, const tm_module_rows *rows,
                         double *out) {
    const made_model *self = model;
    (void)host;
    for (uint64_t i = 0; i < rows->n_rows; i++) {
        memcpy(out + i * self->n_outputs, self->scores, self->n_outputs * sizeof(double));
    }
}

static int32_t made_save(const tm_module_call *call, const void *model) {
    const made_model *self = model;
    return call->write(call->self, self, sizeof(*self) + self->n_outputs * sizeof(double));
}

static int32_t made_load(const tm_module_call *call, const void *data, size_t len,
                         const tm_module_shape *shape, void **out_model) {
    const size_t want = sizeof(made_model) + (size_t)shape->n_outputs * sizeof(double);
    if (len != want || ((const made_model *)data)->n_outputs != shape->n_outputs ||
        ((const made_model *)data)->spare != 0) {
        return call->refuse(call->self, TM_MODULE_E_DAMAGED, "not a mean");
    }
    for (uint32_t k = 0; k < shape->n_outputs; k++) {
        if (!(fabs(((const made_model *)data)->scores[k]) < 1e300)) {
            return call->refuse(call->self, TM_MODULE_E_DAMAGED, "a score is no number");
        }
    }
    made_model *self = call->host->alloc(len);
    if (self == NULL) {
        return TM_MODULE_E_NOMEM;
    }
    memcpy(self, data, len);
    *out_model = self;
    return TM_MODULE_OK;
}

static void made_free(const tm_module_host *host, void *model) {
    host->free(model);
}

static void made_importance(const void *model, double *out) {
    (void)model;
    out[0] = 1;
}

/* The sum of two numbers. */
static void made_apply(const tm_module_host *host, const tm_module_cell *cells, char *room,
                       tm_module_cell *out) {
    (void)host;
    (void)room;
    const double sum = cells[0].number + cells[1].number;
    out->number = isfinite(sum) ? sum : (double)NAN;
}

/* Ten rows: 0 .. 9, from the position on. */
typedef struct made_source {
    int64_t next;
    int64_t ints[4];
    tm_module_batch_column column;
    char position[24];
} made_source;

static int32_t made_open(const tm_module_call *call, const tm_module_open *in, void **out_source) {
    made_source *self = call->host->alloc(sizeof(*self));
    if (self == NULL) {
        return TM_MODULE_E_NOMEM;
    }
    memset(self, 0, sizeof(*self));
    self->next = in->position == NULL ? 0 : atoll(in->position);
    *out_source = self;
    return TM_MODULE_OK;
}

static int32_t made_next(const tm_module_call *call, void *source, tm_module_batch *out) {
    made_source *self = source;
    uint32_t n = 0;
    if (call->is_cancelled(call->self)) {
        return TM_MODULE_E_CANCELLED;
    }
    for (; n < 4 && self->next < 10; n++) {
        self->ints[n] = self->next++;
    }
    (void)snprintf(self->position, sizeof(self->position), "%lld", (long long)self->next);
    self->column = (tm_module_batch_column){"n", TM_MODULE_COL_INT, self->ints, NULL, NULL};
    out->n_rows = n;
    out->n_cols = 1;
    out->columns = &self->column;
    out->position = self->position;
    out->origin = "numbers";
    return TM_MODULE_OK;
}

static void made_close(const tm_module_host *host, void *source) {
    host->free(source);
}

void made_module_init(made_module *self, const char *name) {
    *self = (made_module){
        .params = {{"factor", TM_MODULE_FLOAT, 1, 0, 2, "What the mean is multiplied by.", NULL},
                   {"way", TM_MODULE_CHOICE, 0, 0, 1, "One of two.", "this|that"}},
        .learner = {.size = sizeof(tm_module_learner),
                    .tasks = TM_MODULE_BINARY | TM_MODULE_MULTICLASS | TM_MODULE_REGRESSION,
                    .n_params = 2,
                    .fit = made_fit,
                    .predict = made_predict,
                    .save = made_save,
                    .load = made_load,
                    .free = made_free,
                    .importance = made_importance},
        .inputs = {TM_MODULE_NUMBER, TM_MODULE_NUMBER},
        .transform = {.size = sizeof(tm_module_transform),
                      .n_inputs = 2,
                      .output = TM_MODULE_NUMBER,
                      .apply = made_apply},
        .options = {{"path", 1, NULL, "What to read."}, {"kind", 0, "plain", "How it is read."}},
        .source = {.size = sizeof(tm_module_source),
                   .n_options = 2,
                   .open = made_open,
                   .next = made_next,
                   .close = made_close},
        .table = {.abi = TM_MODULE_ABI,
                  .size = sizeof(tm_module_table),
                  .name = name,
                  .version = "1.0",
                  .licence = "Apache-2.0",
                  .about = "The mean answers."},
    };
    self->learner.params = self->params;
    self->transform.inputs = self->inputs;
    self->source.options = self->options;
    self->table.learner = &self->learner;
    self->table.transform = &self->transform;
    self->table.source = &self->source;
}

const tm_user_module *made_module_add(const made_module *self, uint8_t mark) {
    const tm_user_module *out = NULL;
    tm_err err = {0};
    tm_hash hash;
    memset(hash.bytes, mark, sizeof(hash.bytes));
    if (tm__user_module_add(&self->table, &hash, &out, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return out;
}
