/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ops have no argument that says whose they are where a model begins (fit and load). So each module
 * has a slot of its own with two functions of its own, made by a macro, and the rest is shared.
 *
 *   bytes:  magic version | task outputs columns | hash of the module | its version | length,
 *           zeros to 64, the module's bytes, which it may borrow
 *
 * Invariants.
 * 1. A score that leaves here is finite and below TM_MODEL_SCORE_MAX: a batch with another one
 *    fails, a row alone answers NaN, which is no answer.
 * 2. Bytes are given to the module that wrote them only, by its hash.
 */
#include "model/module/module_learner.h"

#include <assert.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/assert.h"
#include "base/fmath.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/user_call.h"

#define MAGIC UINT32_C(0x444f4d54) /* "TMOD" */
#define VERSION 1u
#define ALIGN 64u
#define CHUNK 1024u   /* rows of a batch that a thread takes at a time */
#define TRY_ROWS 256u /* rows that a fresh model must answer */

typedef struct module_model {
    tm_model base;
    const tm_user_module *module;
    void *state; /* the module's */
} module_model;

typedef struct slot {
    const tm_user_module *module; /* NULL: free */
    tm_param_def params[TM_MAX_PARAMS + 1];
    tm_model_ops ops;
} slot;

static slot slots[TM_MAX_MODULES];

static const tm_module_learner *learner_of(const module_model *self) {
    return self->module->table->learner;
}

static uint32_t task_of(tm_task task) {
    return task == TM_TASK_BINARY       ? TM_MODULE_BINARY
           : task == TM_TASK_MULTICLASS ? TM_MODULE_MULTICLASS
           : task == TM_TASK_REGRESSION ? TM_MODULE_REGRESSION
                                        : 0;
}

static void free_model(tm_model *model) {
    module_model *self = (module_model *)model;
    if (self->state != NULL) {
        learner_of(self)->free(tm__user_module_host(), self->state);
    }
    tm__mem_free(self);
}

/* ---- predict ---- */

static bool is_score(double value) {
    return fabs(value) <= TM_MODEL_SCORE_MAX; /* not of NaN */
}

static void predict_row(const tm_model *model, const tm_view *row, double *out) {
    const module_model *self = (const module_model *)model;
    const tm_module_rows rows = {1, row->n_cols, row->cols};
    learner_of(self)->predict(tm__user_module_host(), self->state, &rows, out);
    for (uint32_t k = 0; k < model->n_outputs; k++) {
        out[k] = is_score(out[k]) ? out[k] : tm__nan();
    }
}

typedef struct predict_job {
    const module_model *self;
    const tm_view *x;
    const double **cols; /* [n_threads][n_cols] where a chunk begins */
    double *out;
    atomic_bool *is_bad;
} predict_job;

static void predict_chunk(void *arg, uint64_t item, uint32_t worker) {
    const predict_job *job = arg;
    const uint64_t from = item * CHUNK, left = job->x->n_rows - from;
    const uint32_t n_cols = job->x->n_cols;
    const size_t k = job->self->base.n_outputs;
    const double **cols = job->cols + (size_t)worker * n_cols;
    const tm_module_rows rows = {left < CHUNK ? left : CHUNK, n_cols, cols};
    double *out = job->out + from * k;
    for (uint32_t c = 0; c < n_cols; c++) {
        cols[c] = job->x->cols[c] + from;
    }
    learner_of(job->self)->predict(tm__user_module_host(), job->self->state, &rows, out);
    for (uint64_t i = 0; i < rows.n_rows * k; i++) {
        if (!is_score(out[i])) {
            atomic_store_explicit(job->is_bad, true, memory_order_relaxed);
        }
    }
}

static tm_status predict(tm_ctx *ctx, const tm_model *model, const tm_view *x, double *out,
                         tm_err *err) {
    const module_model *self = (const module_model *)model;
    const uint32_t n_threads = tm__pool_threads(ctx->pool);
    atomic_bool is_bad = false;
    const double **cols = tm__mem_alloc((size_t)n_threads * (x->n_cols + 1), sizeof(*cols));
    predict_job job = {self, x, cols, out, &is_bad};
    if (cols == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for scores");
    }
    if (tm__ctx_cancelled(ctx)) {
        tm__mem_free(cols);
        return TM_FAIL(err, TM_E_CANCELLED, "predicting was cancelled");
    }
    tm__pool_run(ctx->pool, (x->n_rows + CHUNK - 1) / CHUNK, predict_chunk, &job);
    tm__mem_free(cols);
    if (atomic_load_explicit(&is_bad, memory_order_relaxed)) {
        (void)TM_FAIL(err, TM_E_INTERNAL, "module '%s' gave a score that is no finite number",
                      self->module->table->name);
        tm_err_hint(err, "The module is at fault: 'tidemill module check' shows with which rows.");
        return TM_E_INTERNAL;
    }
    return TM_OK;
}

/* ---- fit ---- */

static tm_module_rows rows_of(const tm_view *x) {
    return x == NULL ? (tm_module_rows){0, 0, NULL}
                     : (tm_module_rows){x->n_rows, x->n_cols, x->cols};
}

static module_model *make(const tm_user_module *module, const tm_model_ops *ops) {
    module_model *self = tm__mem_zalloc(1, sizeof(*self));
    if (self != NULL) {
        self->base.ops = ops;
        self->module = module;
    }
    return self;
}

/* What it would answer to the first rows it learned from. */
static tm_status try_it(tm_ctx *ctx, const module_model *self, const tm_view *x, tm_err *err) {
    tm_view some = *x;
    some.n_rows = x->n_rows < TRY_ROWS ? x->n_rows : TRY_ROWS;
    double *out = tm__mem_alloc(some.n_rows * self->base.n_outputs, sizeof(*out));
    const tm_status st = out == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory for scores")
                                     : predict(ctx, &self->base, &some, out, err);
    tm__mem_free(out);
    return st;
}

static tm_status call_fit(tm_ctx *ctx, module_model *self, const tm_module_fit *in, tm_err *err) {
    tm_user_call call;
    void *state = NULL;
    tm__user_call_init(&call, ctx, "fit", NULL);
    const int32_t status = learner_of(self)->fit(&call.call, in, &state);
    if (status != TM_MODULE_OK) {
        return tm__user_call_fail(&call, self->module->table->name, "fit", status, err);
    }
    if (state == NULL) {
        return TM_FAIL(err, TM_E_INTERNAL, "module '%s' fits and gives no model",
                       self->module->table->name);
    }
    self->state = state;
    self->base.work_used = call.work_used;
    return TM_OK;
}

static tm_status fit_slot(const slot *s, tm_ctx *ctx, const tm_fit_input *in,
                          const tm_params *params, tm_model **out_model, tm_err *err) {
    const uint32_t task = task_of(in->task), n_cols = in->x->n_cols;
    if ((s->module->table->learner->tasks & task) == 0) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "learner '%s' is not made for this task: %s",
                       s->ops.name, tm__task_text(in->task));
    }
    tm_module_column *columns = tm__mem_zalloc(n_cols, sizeof(*columns));
    module_model *self = make(s->module, &s->ops);
    tm_status st = TM_OK;
    if (columns == NULL || self == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory for a model");
        goto out;
    }
    for (uint32_t c = 0; c < n_cols; c++) {
        const tm_feature *feature = &in->x->features[c];
        columns[c] =
            (tm_module_column){feature->name, feature->is_categorical ? feature->n_levels : 0};
    }
    self->base.task = in->task;
    self->base.n_outputs = task == TM_MODULE_MULTICLASS ? in->n_classes : 1;
    self->base.n_cols = n_cols;
    const tm_module_fit fit = {.size = sizeof(fit),
                               .task = task,
                               .n_classes = task == TM_MODULE_MULTICLASS ? in->n_classes : 0,
                               .n_outputs = self->base.n_outputs,
                               .columns = columns,
                               .rows = rows_of(in->x),
                               .y = in->y,
                               .weights = in->weights,
                               .valid = rows_of(in->x_valid),
                               .y_valid = in->y_valid,
                               .weights_valid = in->weights_valid,
                               .params = params->values,
                               .seed = in->seed};
    st = call_fit(ctx, self, &fit, err);
    st = st == TM_OK ? try_it(ctx, self, in->x, err) : st;
    if (st == TM_OK) {
        *out_model = &self->base;
        self = NULL;
    }
out:
    if (self != NULL) {
        free_model(&self->base);
    }
    tm__mem_free(columns);
    return st;
}

/* ---- bytes ---- */

static tm_status save(const tm_model *model, tm_buf *out, tm_err *err) {
    const module_model *self = (const module_model *)model;
    tm_user_call call;
    tm_buf bytes;
    tm_status st = TM_OK;
    tm__buf_init(&bytes, TM_MAX_BUNDLE_BYTES);
    tm__user_call_init(&call, NULL, "save", &bytes);
    const int32_t status = learner_of(self)->save(&call.call, self->state);
    if (status != TM_MODULE_OK) {
        st = tm__user_call_fail(&call, self->module->table->name, "save", status, err);
    } else if (bytes.failed) {
        st = TM_FAIL(err, TM_E_NOMEM, "no memory for the bytes of a model");
    } else {
        tm__buf_u32(out, MAGIC);
        tm__buf_u32(out, VERSION);
        tm__buf_u32(out, task_of(model->task));
        tm__buf_u32(out, model->n_outputs);
        tm__buf_u32(out, model->n_cols);
        tm__buf_append(out, self->module->hash.bytes, TM_HASH_BYTES);
        tm__buf_str(out, tm__str(self->module->table->version));
        tm__buf_u64(out, bytes.len);
        tm__buf_align(out, ALIGN);
        tm__buf_append(out, bytes.data, bytes.len);
        st = out->failed ? TM_FAIL(err, TM_E_NOMEM, "no memory for the bytes of a model") : TM_OK;
    }
    tm__buf_done(&bytes);
    return st;
}

/* Head of the bytes, in self->base; *in stands at the module's. */
static tm_status load_head(module_model *self, tm_reader *in, size_t *out_len, tm_err *err) {
    static const tm_task tasks[] = {[TM_MODULE_BINARY] = TM_TASK_BINARY,
                                    [TM_MODULE_MULTICLASS] = TM_TASK_MULTICLASS,
                                    [3] = TM_TASK_NONE,
                                    [TM_MODULE_REGRESSION] = TM_TASK_REGRESSION};
    const uint32_t magic = tm__reader_u32(in), version = tm__reader_u32(in);
    const uint32_t task = tm__reader_u32(in);
    self->base.n_outputs = tm__reader_u32(in);
    self->base.n_cols = tm__reader_u32(in);
    const void *hash = tm__reader_view(in, TM_HASH_BYTES, 1);
    if (in->failed || magic != MAGIC) {
        return TM_FAIL(err, TM_E_INTEGRITY, "not a module's model");
    }
    if (version != VERSION) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "a module's model has version %u, not %u", version,
                       VERSION);
    }
    if (memcmp(hash, self->module->hash.bytes, TM_HASH_BYTES) != 0) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "module '%s' is not the one that the model came from",
                       self->module->table->name);
    }
    (void)tm__reader_str(in);
    const uint64_t len = tm__reader_u64(in);
    tm__reader_align(in, ALIGN);
    self->base.task = task <= TM_MODULE_REGRESSION ? tasks[task] : TM_TASK_NONE;
    if (in->failed || self->base.task == TM_TASK_NONE || len != in->len - in->pos ||
        self->base.n_cols > TM_MAX_COLS * 4u || self->base.n_outputs == 0 ||
        self->base.n_outputs > TM_MAX_CLASSES ||
        (task == TM_MODULE_MULTICLASS) != (self->base.n_outputs > 1)) {
        return TM_FAIL(err, TM_E_INTEGRITY, "the head of a module's model cannot be");
    }
    *out_len = (size_t)len;
    return TM_OK;
}

size_t tm__module_learner_head(const void *data, size_t len) {
    tm_reader in;
    tm__reader_init(&in, data, len);
    (void)tm__reader_view(&in, 5 * sizeof(uint32_t) + TM_HASH_BYTES, 1);
    (void)tm__reader_str(&in);
    (void)tm__reader_u64(&in);
    tm__reader_align(&in, ALIGN);
    return in.pos;
}

static tm_status call_load(module_model *self, const void *data, size_t len, tm_err *err) {
    const tm_module_shape shape = {.size = sizeof(shape),
                                   .task = task_of(self->base.task),
                                   .n_outputs = self->base.n_outputs,
                                   .n_cols = self->base.n_cols};
    tm_user_call call;
    void *state = NULL;
    tm__user_call_init(&call, NULL, "load", NULL);
    const int32_t status = learner_of(self)->load(&call.call, data, len, &shape, &state);
    if (status != TM_MODULE_OK) {
        return tm__user_call_fail(&call, self->module->table->name, "load", status, err);
    }
    if (state == NULL) {
        return TM_FAIL(err, TM_E_INTERNAL, "module '%s' loads and gives no model",
                       self->module->table->name);
    }
    self->state = state;
    return TM_OK;
}

static tm_status load_slot(const slot *s, const void *data, size_t len, tm_model **out_model,
                           tm_err *err) {
    module_model *self = make(s->module, &s->ops);
    tm_reader in;
    size_t n_bytes = 0;
    if (self == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for a model");
    }
    tm__reader_init(&in, data, len);
    tm_status st = load_head(self, &in, &n_bytes, err);
    st = st == TM_OK ? call_load(self, in.data + in.pos, n_bytes, err) : st;
    if (st != TM_OK) {
        free_model(&self->base);
        return st;
    }
    *out_model = &self->base;
    return TM_OK;
}

/* ---- what it says of itself ---- */

static void importance(const tm_model *model, double *out) {
    const module_model *self = (const module_model *)model;
    memset(out, 0, (model->n_cols + 1u) * sizeof(double));
    if (learner_of(self)->importance != NULL) {
        learner_of(self)->importance(self->state, out);
    }
    for (uint32_t c = 0; c < model->n_cols; c++) {
        out[c] = out[c] >= 0 && isfinite(out[c]) ? out[c] : 0;
    }
}

static json_t *describe(const tm_model *model) {
    const module_model *self = (const module_model *)model;
    char hash[TM_HASH_TEXT];
    tm__hash_to_text(&self->module->hash, hash);
    return json_pack("{s:s, s:s, s:s}", "module", self->module->table->name, "version",
                     self->module->table->version, "hash", hash);
}

/* ---- slots ---- */

#define EACH_SLOT(X)                                                                               \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
static_assert(TM_MAX_MODULES == 16, "a slot for each module");
static_assert(TM_MODULE_PARAMS_MAX <= TM_MAX_PARAMS, "each parameter has a place");

#define DEFINE(i)                                                                                  \
    static tm_status fit_##i(tm_ctx *ctx, const tm_fit_input *in, const tm_params *params,         \
                             tm_model **out_model, tm_err *err) {                                  \
        return fit_slot(&slots[i], ctx, in, params, out_model, err);                               \
    }                                                                                              \
    static tm_status load_##i(const void *data, size_t len, tm_model **out_model, tm_err *err) {   \
        return load_slot(&slots[i], data, len, out_model, err);                                    \
    }
EACH_SLOT(DEFINE) struct slot; /* fit_0, load_0, ... */

#define FIT(i) fit_##i,
#define LOAD(i) load_##i,

static void fill(slot *s, uint32_t index) {
    static tm_status (*const fits[])(tm_ctx *, const tm_fit_input *, const tm_params *, tm_model **,
                                     tm_err *) = {EACH_SLOT(FIT)};
    static tm_status (*const loads[])(const void *, size_t, tm_model **,
                                      tm_err *) = {EACH_SLOT(LOAD)};
    const tm_module_table *table = s->module->table;
    static_assert((int)TM_PARAM_INT == (int)TM_MODULE_INT &&
                      (int)TM_PARAM_FLOAT == (int)TM_MODULE_FLOAT &&
                      (int)TM_PARAM_CHOICE == (int)TM_MODULE_CHOICE,
                  "kinds of parameters have the same numbers");
    for (uint32_t i = 0; i < table->learner->n_params; i++) {
        const tm_module_param *p = &table->learner->params[i];
        s->params[i] = (tm_param_def){
            p->name, (tm_param_kind)p->kind, p->otherwise, p->min, p->max, p->doc, p->choices};
    }
    s->ops = (tm_model_ops){.name = table->name,
                            .abi = TM_MODEL_ABI,
                            .params = s->params,
                            .is_external = true,
                            .fit = fits[index],
                            .predict = predict,
                            .save = save,
                            .load = loads[index],
                            .free = free_model,
                            .predict_row = predict_row,
                            .importance = importance,
                            .describe = describe};
}

const tm_model_ops *tm__module_learner(const tm_user_module *module) {
    uint32_t i = 0;
    while (i < TM_MAX_MODULES && slots[i].module != NULL && slots[i].module != module) {
        i++;
    }
    TM_ASSERT(i < TM_MAX_MODULES && module->table->learner != NULL);
    if (slots[i].module == NULL) {
        slots[i].module = module;
        fill(&slots[i], i);
    }
    return &slots[i].ops;
}

const tm_user_module *tm__module_of(const tm_model_ops *ops) {
    for (uint32_t i = 0; i < TM_MAX_MODULES && slots[i].module != NULL; i++) {
        if (&slots[i].ops == ops) {
            return slots[i].module;
        }
    }
    return NULL;
}
