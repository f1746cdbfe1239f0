/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a fitted network does.
 *
 * Invariants.
 *   1. A row alone and in a block go through the same sums: their bits are the same.
 *   2. load() accepts what save() writes and nothing else: finite numbers, rising edges, exact
 *      length, and no row with a score that is not finite.
 */
#include "model/mlp/mlp.h"

#include <math.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/pool.h"
#include "model/mlp/mlp_priv.h"

#define MAGIC UINT32_C(0x50544C4D) /* "MLTP" */
#define VERSION 1u
#define HEAD_BYTES 72u
#define COL_BYTES 8u
#define BLOCK 64u
#define BOUND_MAX 1e30 /* of a unit, far below the largest float */

static const tm_param_def params[] = {
    {"hidden", TM_PARAM_INT, 128.0, 32.0, 1024.0,
     "Units of each hidden layer, rounded up to a multiple of 32.", NULL},
    {"layers", TM_PARAM_INT, 2.0, 1.0, 4.0, "Hidden layers.", NULL},
    {"epochs", TM_PARAM_INT, 0.0, 0.0, 1000.0,
     "Passes over the rows; 0: as many as make 2,500 steps, 5 at the least and 80 at the most.",
     NULL},
    {"batch", TM_PARAM_INT, 256.0, 16.0, 4096.0, "Rows of a step.", NULL},
    {"learning_rate", TM_PARAM_FLOAT, 0.004, 1e-6, 1.0,
     "The largest rate of AdamW (Loshchilov and Hutter 2019); it rises, then falls along a cosine.",
     NULL},
    {"dropout", TM_PARAM_FLOAT, 0.15, 0.0, 0.9, "Share of hidden units that a step leaves out.",
     NULL},
    {"decay", TM_PARAM_FLOAT, 0.1, 0.0, 10.0, "Decay of weights, times the rate, at each step.",
     NULL},
    {"bins", TM_PARAM_INT, 48.0, 1.0, 64.0,
     "Pieces that a number's inputs are cut into, at its quantiles (Gorishniy et al. 2022).", NULL},
    {"max_rows", TM_PARAM_INT, 200000.0, 1000.0, 4e9,
     "Learn from at most this many rows, evenly spaced.", NULL},
    {.name = NULL},
};

/* Takes the code, also on failure. */
tm_mlp *tm__mlp_create(const tm_model *shape, const tm_mlp_code *code, uint32_t hidden,
                       uint32_t n_hidden) {
    tm_mlp *self = tm__mem_zalloc(1, sizeof(*self));
    if (self == NULL) {
        tm_mlp_code taken = *code;
        tm__mlp_code_done(&taken);
        return NULL;
    }
    self->base = *shape;
    self->base.ops = &tm__mlp_ops;
    self->code = *code;
    self->hidden = hidden;
    self->y_scale = 1.0;
    tm__mlp_shape(code, hidden, n_hidden, shape->n_outputs, &self->shape);
    self->params = tm__mem_zalloc(self->shape.n_params, sizeof(float));
    self->mean = tm__mem_zalloc(code->width, sizeof(float));
    self->shares = tm__mem_zalloc((size_t)shape->n_cols + 1, sizeof(double));
    if (self->params == NULL || self->mean == NULL || self->shares == NULL) {
        tm__mlp_free(&self->base);
        return NULL;
    }
    return self;
}

void tm__mlp_free(tm_model *model) {
    if (model != NULL) {
        tm_mlp *self = (tm_mlp *)model;
        tm__mlp_code_done(&self->code);
        tm__mem_free(self->params);
        tm__mem_free(self->mean);
        tm__mem_free(self->shares);
        tm__mem_free(self);
    }
}

/* ---- answers ---- */

static void answer(const tm_mlp *self, const float *outputs, double *out) {
    for (uint32_t o = 0; o < self->base.n_outputs; o++) {
        out[o] = self->y_mean + self->y_scale * (double)outputs[o];
    }
}

static void predict_row(const tm_model *model, const tm_view *row, double *out) {
    const tm_mlp *self = (const tm_mlp *)model;
    float inputs[TM_MLP_INPUTS_MAX], hidden[TM_MLP_WIDTH_MAX], other[TM_MLP_WIDTH_MAX];
    tm_mlp_pass pass = {.n_max = 1};
    tm__mlp_code_row(&self->code, self->params + self->shape.vectors, row, 0, inputs);
    pass.acts[0] = inputs;
    for (uint32_t l = 1; l <= self->shape.n_layers; l++) {
        pass.acts[l] = l % 2 == 1 ? hidden : other;
    }
    tm__mlp_forward(NULL, &self->shape, self->params, 1, NULL, &pass);
    answer(self, pass.acts[self->shape.n_layers], out);
}

typedef struct predict_job {
    const tm_mlp *self;
    const tm_view *x;
    tm_mlp_pass *passes; /* one a thread */
    double *out;
} predict_job;

static void predict_block(void *arg, uint64_t item, uint32_t worker) {
    const predict_job *job = arg;
    const tm_mlp *self = job->self;
    const uint64_t from = item * BLOCK, left = job->x->n_rows - from;
    const size_t n = left < BLOCK ? left : BLOCK;
    tm_mlp_pass *pass = &job->passes[worker];
    const uint32_t last = self->shape.n_layers;
    for (size_t i = 0; i < n; i++) {
        tm__mlp_code_row(&self->code, self->params + self->shape.vectors, job->x, from + i,
                         pass->acts[0] + i * self->code.width);
    }
    tm__mlp_forward(NULL, &self->shape, self->params, n, NULL, pass);
    for (size_t i = 0; i < n; i++) {
        answer(self, pass->acts[last] + i * self->shape.n_out[last - 1],
               job->out + (from + i) * self->base.n_outputs);
    }
}

static tm_status predict(tm_ctx *ctx, const tm_model *model, const tm_view *x, double *out,
                         tm_err *err) {
    const uint32_t n_threads = tm__pool_threads(ctx->pool);
    const tm_mlp *self = (const tm_mlp *)model;
    if (tm__ctx_cancelled(ctx)) {
        return TM_FAIL(err, TM_E_CANCELLED, "predicting was cancelled");
    }
    tm_mlp_pass *passes = tm__mem_zalloc(n_threads, sizeof(*passes));
    tm_status st = passes == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory to predict") : TM_OK;
    for (uint32_t i = 0; st == TM_OK && i < n_threads; i++) {
        st = tm__mlp_pass_init(&self->shape, BLOCK, false, &passes[i], err);
    }
    if (st == TM_OK) {
        predict_job job = {self, x, passes, out};
        tm__pool_run(ctx->pool, (x->n_rows + BLOCK - 1) / BLOCK, predict_block, &job);
    }
    for (uint32_t i = 0; passes != NULL && i < n_threads; i++) {
        tm__mlp_pass_done(&passes[i]);
    }
    tm__mem_free(passes);
    return st;
}

static void importance(const tm_model *model, double *out) {
    memcpy(out, ((const tm_mlp *)model)->shares, ((size_t)model->n_cols + 1) * sizeof(double));
}

static json_t *describe(const tm_model *model) {
    const tm_mlp *self = (const tm_mlp *)model;
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "inputs", (json_int_t)self->code.n_inputs,
                     "hidden", (json_int_t)self->hidden, "layers",
                     (json_int_t)self->shape.n_layers - 1, "n_parameters",
                     (json_int_t)self->shape.n_params, "epochs", (json_int_t)model->n_rounds);
}

/* ---- bounds ---- */

/* The largest unit of a layer when none before it is over `most`; NaN comes out as it is. */
static double layer_most(const tm_mlp *self, uint32_t l, double most) {
    const size_t n_in = self->shape.n_in[l], n_out = self->shape.n_out[l];
    const float *weights = self->params + self->shape.weights[l];
    const float *biases = self->params + self->shape.biases[l];
    double sums[TM_MLP_WIDTH_MAX] = {0}, top = 0.0;
    for (size_t k = 0; k < n_in; k++) {
        for (size_t o = 0; o < n_out; o++) {
            sums[o] += fabs((double)weights[k * n_out + o]);
        }
    }
    for (size_t o = 0; o < n_out; o++) {
        const double unit = fabs((double)biases[o]) + most * sums[o];
        top = unit > top || isnan(unit) ? unit : top;
    }
    return top;
}

bool tm__mlp_is_bounded(const tm_mlp *self) {
    double most = 1.0;
    for (size_t i = self->shape.vectors; i < self->shape.n_params; i++) {
        const double size = fabs((double)self->params[i]);
        most = size > most || isnan(size) ? size : most;
    }
    for (uint32_t l = 0; l < self->shape.n_layers && most <= BOUND_MAX; l++) {
        most = layer_most(self, l, most);
    }
    return most <= BOUND_MAX && fabs(self->y_mean) + self->y_scale * most <= TM_MODEL_SCORE_MAX;
}

/* ---- bytes ---- */

static void save_floats(tm_buf *out, const float *values, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = 0;
        memcpy(&bits, &values[i], sizeof(bits));
        tm__buf_u32(out, bits);
    }
}

static tm_status save(const tm_model *model, tm_buf *out, tm_err *err) {
    const tm_mlp *self = (const tm_mlp *)model;
    const uint32_t head[] = {MAGIC,
                             VERSION,
                             (uint32_t)model->task,
                             model->n_outputs,
                             model->n_cols,
                             self->hidden,
                             self->shape.n_layers - 1,
                             self->code.n_inputs,
                             model->n_rounds,
                             0};
    for (size_t i = 0; i < sizeof(head) / sizeof(head[0]); i++) {
        tm__buf_u32(out, head[i]);
    }
    tm__buf_u64(out, model->work_used);
    tm__buf_u64(out, self->code.n_edges);
    tm__buf_f64(out, self->y_mean);
    tm__buf_f64(out, self->y_scale);
    for (uint32_t j = 0; j < model->n_cols; j++) {
        tm__buf_u32(out, (uint32_t)self->code.cols[j].kind);
        tm__buf_u32(out, self->code.cols[j].n);
    }
    tm__buf_f64s(out, self->code.edges, self->code.n_edges);
    tm__buf_f64s(out, self->shares, (uint64_t)model->n_cols + 1);
    save_floats(out, self->mean, self->code.width);
    save_floats(out, self->params, self->shape.n_params);
    return out->failed ? TM_FAIL(err, TM_E_NOMEM, "no room to save a network") : TM_OK;
}

/* Places of the columns' inputs, edges and vectors, which must use them up exactly. */
static bool lay_columns(tm_mlp_code *code, uint32_t n_inputs) {
    uint64_t input = 0, edge = 0;
    for (uint32_t j = 0; j < code->n_cols; j++) {
        tm_mlp_col *col = &code->cols[j];
        const bool is_number = col->kind == TM_MLP_NUMBER;
        const bool is_learned = col->kind == TM_MLP_LEARNED;
        if (col->kind < TM_MLP_NUMBER || col->kind > TM_MLP_NOTHING ||
            (is_number && col->n > TM_MLP_BINS_MAX) ||
            (col->kind == TM_MLP_ONE && col->n >= TM_MLP_ONE_HOT) ||
            (is_learned && col->n > UINT16_MAX) || (col->kind == TM_MLP_NOTHING && col->n != 0)) {
            return false;
        }
        col->first = is_learned ? code->n_vectors : edge;
        col->n_inputs = is_learned ? TM_MLP_VECTOR : col->kind == TM_MLP_NOTHING ? 0 : col->n + 1;
        col->input = (uint32_t)input;
        input += col->n_inputs;
        edge += is_number && col->n > 0 ? (uint64_t)col->n + 1 : 0;
        code->n_vectors += is_learned ? ((uint64_t)col->n + 1) * TM_MLP_VECTOR : 0;
        if (input > n_inputs || edge > code->n_edges) {
            return false;
        }
    }
    return input == n_inputs && edge == code->n_edges;
}

static bool load_floats(tm_reader *in, float *out, size_t n) {
    bool is_right = true;
    for (size_t i = 0; i < n; i++) {
        const uint32_t bits = tm__reader_u32(in);
        memcpy(&out[i], &bits, sizeof(bits));
        is_right = is_right && isfinite(out[i]);
    }
    return is_right;
}

static bool edges_rise(const tm_mlp_code *code) {
    for (uint32_t j = 0; j < code->n_cols; j++) {
        const tm_mlp_col *col = &code->cols[j];
        for (uint32_t t = 0; col->kind == TM_MLP_NUMBER && t < col->n; t++) {
            const double *edge = code->edges + col->first + t;
            if (!(edge[1] > edge[0]) || !isfinite(edge[1] - edge[0])) {
                return false;
            }
        }
    }
    return true;
}

/* The columns and their edges. The code is the caller's also on failure. */
static tm_status load_code(tm_reader *in, uint32_t n_inputs, tm_mlp_code *code, tm_err *err) {
    code->cols = tm__mem_zalloc(code->n_cols, sizeof(*code->cols));
    code->edges = tm__mem_alloc(code->n_edges, sizeof(double));
    if (code->cols == NULL || code->edges == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a network");
    }
    for (uint32_t j = 0; j < code->n_cols; j++) {
        code->cols[j].kind = (tm_mlp_kind)tm__reader_u32(in);
        code->cols[j].n = tm__reader_u32(in);
    }
    code->n_inputs = n_inputs;
    code->width = (n_inputs + TM_MLP_LANES - 1) / TM_MLP_LANES * TM_MLP_LANES;
    if (!lay_columns(code, n_inputs) || !tm__reader_f64s(in, code->edges, code->n_edges) ||
        !edges_rise(code)) {
        return TM_FAIL(err, TM_E_INTEGRITY, "a network has wrong inputs");
    }
    return TM_OK;
}

typedef struct head {
    tm_model shape;
    uint32_t hidden, n_hidden, n_inputs;
    uint64_t n_edges;
    double y_mean, y_scale;
} head;

static tm_status load_head(tm_reader *in, head *out, tm_err *err) {
    const uint32_t magic = tm__reader_u32(in), version = tm__reader_u32(in);
    tm_model *shape = &out->shape;
    shape->task = (tm_task)tm__reader_u32(in);
    shape->n_outputs = tm__reader_u32(in);
    shape->n_cols = tm__reader_u32(in);
    out->hidden = tm__reader_u32(in);
    out->n_hidden = tm__reader_u32(in);
    out->n_inputs = tm__reader_u32(in);
    shape->n_rounds = tm__reader_u32(in);
    const uint32_t zero = tm__reader_u32(in);
    shape->work_used = tm__reader_u64(in);
    out->n_edges = tm__reader_u64(in);
    out->y_mean = tm__reader_f64(in);
    out->y_scale = tm__reader_f64(in);
    if (in->failed || magic != MAGIC) {
        return TM_FAIL(err, TM_E_INTEGRITY, "not a network");
    }
    if (version != VERSION) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "a network has version %u, not %u", version, VERSION);
    }
    const bool is_multi = shape->task == TM_TASK_MULTICLASS;
    const bool is_right =
        zero == 0 && shape->task >= TM_TASK_BINARY && shape->task <= TM_TASK_RANKING &&
        shape->n_outputs >= (is_multi ? 2u : 1u) &&
        shape->n_outputs <= (is_multi ? TM_MLP_WIDTH_MAX : 1u) && out->hidden >= 32 &&
        out->hidden <= TM_MLP_WIDTH_MAX && out->n_hidden >= 1 &&
        out->n_hidden < TM_MLP_LAYERS_MAX && out->n_inputs <= TM_MLP_INPUTS_MAX &&
        out->n_edges <= in->len / 8 && shape->n_cols <= in->len / COL_BYTES &&
        isfinite(out->y_mean) && isfinite(out->y_scale) && out->y_scale > 0.0;
    return is_right ? TM_OK : TM_FAIL(err, TM_E_INTEGRITY, "a network has a wrong shape");
}

static tm_status load(const void *data, size_t len, tm_model **out_model, tm_err *err) {
    tm_reader in;
    head h = {0};
    tm__reader_init(&in, data, len);
    TM_TRY(load_head(&in, &h, err));
    tm_mlp_code code = {.n_cols = h.shape.n_cols, .n_edges = h.n_edges};
    tm_mlp_shape shape;
    tm_status st = load_code(&in, h.n_inputs, &code, err);
    if (st == TM_OK) {
        tm__mlp_shape(&code, h.hidden, h.n_hidden, h.shape.n_outputs, &shape);
        const uint64_t rest =
            8 * ((uint64_t)h.shape.n_cols + 1) + 4 * code.width + 4 * (uint64_t)shape.n_params;
        if (in.failed || len - in.pos != rest) {
            st = TM_FAIL(err, TM_E_INTEGRITY, "a network has a wrong length");
        }
    }
    if (st != TM_OK) {
        tm__mlp_code_done(&code);
        return st;
    }
    tm_mlp *self = tm__mlp_create(&h.shape, &code, h.hidden, h.n_hidden);
    if (self == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a network");
    }
    self->y_mean = h.y_mean;
    self->y_scale = h.y_scale;
    if (!tm__reader_f64s(&in, self->shares, (uint64_t)h.shape.n_cols + 1) ||
        !load_floats(&in, self->mean, code.width) ||
        !load_floats(&in, self->params, self->shape.n_params) || !tm__reader_is_done(&in) ||
        !tm__mlp_is_bounded(self)) {
        tm__mlp_free(&self->base);
        return TM_FAIL(err, TM_E_INTEGRITY, "a network has wrong values");
    }
    *out_model = &self->base;
    return TM_OK;
}

/* What a fit takes at the most: mlp_fit.c has the list. */
static uint64_t needs(const tm_fit_input *in, const tm_params *given, uint32_t n_threads) {
    const uint64_t bins = (uint64_t)given->values[TM_MLP_BINS];
    const uint64_t rows_max = (uint64_t)given->values[TM_MLP_ROWS];
    const uint64_t batch = (uint64_t)given->values[TM_MLP_BATCH];
    const uint32_t n_outputs = in->task == TM_TASK_MULTICLASS ? in->n_classes : 1;
    tm_mlp_code code = {0};
    tm_mlp_shape shape;
    uint64_t inputs = 0, units = 0;
    (void)n_threads;
    for (uint32_t j = 0; j < in->x->n_cols; j++) {
        const tm_feature *feature = &in->x->features[j];
        const bool is_learned = feature->is_categorical && feature->n_levels >= TM_MLP_ONE_HOT;
        inputs += is_learned                ? TM_MLP_VECTOR
                  : feature->is_categorical ? (uint64_t)feature->n_levels + 1
                                            : bins + 1;
        code.n_vectors += is_learned ? ((uint64_t)feature->n_levels + 1) * TM_MLP_VECTOR : 0;
    }
    inputs = inputs < TM_MLP_INPUTS_MAX ? inputs : TM_MLP_INPUTS_MAX;
    code.width = (uint32_t)(inputs + TM_MLP_LANES - 1) / TM_MLP_LANES * TM_MLP_LANES;
    tm__mlp_shape(&code, (uint32_t)given->values[TM_MLP_HIDDEN],
                  (uint32_t)given->values[TM_MLP_LAYERS], n_outputs, &shape);
    for (uint32_t l = 0; l < shape.n_layers; l++) {
        units += shape.n_in[l];
    }
    units += shape.n_out[shape.n_layers - 1];
    const uint64_t layers = 4 * (units * (2 * batch + TM_MLP_VALID_ROWS) + shape.n_params);
    const uint64_t columns = (uint64_t)in->x->n_cols * (sizeof(tm_mlp_col) + 8 * (bins + 3));
    const uint64_t rows = 4 * (in->x->n_rows < rows_max ? in->x->n_rows : rows_max);
    return 20 * shape.n_params + layers + columns + rows + 8 * TM_MLP_SAMPLE + 16 * code.width +
           (1 << 16);
}

const tm_model_ops tm__mlp_ops = {
    .name = "mlp",
    .abi = TM_MODEL_ABI,
    .params = params,
    .fit = tm__mlp_fit,
    .predict = predict,
    .save = save,
    .load = load,
    .free = tm__mlp_free,
    .predict_row = predict_row,
    .explain = tm__mlp_explain,
    .importance = importance,
    .describe = describe,
    .needs = needs,
};
