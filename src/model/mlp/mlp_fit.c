/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Learning: steps over batches of rows in an order at random, AdamW (Loshchilov and Hutter 2019,
 * arXiv:1711.05101) under a rate that rises for a twentieth of the steps and falls along a cosine.
 *
 * Invariants.
 *   1. Random streams are named by epoch and step, sums are in a fixed order: the same bytes for
 *      any number of threads and any vector width.
 *   2. With validation rows the parameters of the best epoch are kept; without, those of the last
 *      that are finite. The first are those of no epoch: the prior.
 *   3. A budget that ends it leaves what is kept by then.
 */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/fmath.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "model/mlp/mlp_kernel.h"
#include "model/mlp/mlp_priv.h"

#define STEPS_WANTED 2500u /* of a fit whose epochs are not given */
#define EPOCHS_MIN 5u
#define EPOCHS_MAX 80u
#define MEAN_ROWS 20000u
#define PIECE 16384u /* parameters of one item of the pool */

typedef struct trainer {
    tm_ctx *ctx;
    const tm_fit_input *in;
    tm_mlp *model;
    uint32_t *rows; /* [n] of the view, in the order of the epoch */
    uint64_t n;
    double weight_mean;
    uint32_t batch, epochs, drop_share;
    double rate, decay;
    float *grad, *first, *second; /* [n_params] gradient and its moments */
    float *best;                  /* [n_params] */
    double best_loss;
    uint32_t best_epoch;
    uint64_t n_steps, step; /* planned, and done */
    tm_mlp_pass pass;
    tm_mlp_pass wide; /* forward only, for validation rows */
} trainer;

/* ---- losses ---- */

/* Loss of one row's outputs, and its gradient by them unless out is NULL. */
static double row_loss(const tm_model *shape, const float *outputs, double y, float *out) {
    if (shape->task == TM_TASK_BINARY) {
        const double z = outputs[0], p = tm__sigmoid(z);
        if (out != NULL) {
            out[0] = (float)(p - y);
        }
        return (z > 0 ? z : 0) - y * z + tm__log1p(tm__exp(-fabs(z)));
    }
    if (shape->task == TM_TASK_MULTICLASS) {
        double top = outputs[0], sum = 0.0;
        double parts[TM_MLP_WIDTH_MAX] = {0};
        const uint32_t k = shape->n_outputs;
        for (uint32_t o = 1; o < k; o++) {
            top = outputs[o] > top ? outputs[o] : top;
        }
        for (uint32_t o = 0; o < k; o++) {
            parts[o] = outputs[o] - top;
        }
        const double own = parts[(uint32_t)y];
        tm__exp_array(parts, parts, k);
        for (uint32_t o = 0; o < k; o++) {
            sum += parts[o];
        }
        for (uint32_t o = 0; out != NULL && o < k; o++) {
            out[o] = (float)(parts[o] / sum - (o == (uint32_t)y ? 1.0 : 0.0));
        }
        return tm__log(sum) - own;
    }
    const double off = outputs[0] - y;
    if (out != NULL) {
        out[0] = (float)off;
    }
    return 0.5 * off * off;
}

static double target_of(const trainer *t, double y) {
    const bool is_class = t->in->task == TM_TASK_BINARY || t->in->task == TM_TASK_MULTICLASS;
    return is_class ? y : (y - t->model->y_mean) / t->model->y_scale;
}

/* ---- a step ---- */

typedef struct code_job {
    const trainer *t;
    const tm_view *x;
    const uint32_t *rows; /* NULL: from on */
    uint64_t from;
    size_t n, width;
    float *out;
} code_job;

#define CODE_ROWS 32u
static void code_item(void *arg, uint64_t item, uint32_t worker) {
    const code_job *job = arg;
    const size_t from = item * CODE_ROWS;
    const size_t end = from + CODE_ROWS < job->n ? from + CODE_ROWS : job->n;
    const tm_mlp *m = job->t->model;
    (void)worker;
    for (size_t i = from; i < end; i++) {
        tm__mlp_code_row(&m->code, m->params + m->shape.vectors, job->x,
                         job->rows != NULL ? job->rows[i] : job->from + i,
                         job->out + i * job->width);
    }
}

static void code_rows(const trainer *t, code_job *job) {
    job->t = t;
    job->width = t->model->code.width;
    tm__pool_run(t->ctx->pool, (job->n + CODE_ROWS - 1) / CODE_ROWS, code_item, job);
}

/* Gradients by the inputs, to the vectors that they came from. */
static void spread_vectors(trainer *t, const uint32_t *rows, size_t n) {
    const tm_mlp *m = t->model;
    float *grad = t->grad + m->shape.vectors;
    memset(grad, 0, m->code.n_vectors * sizeof(float));
    for (uint32_t j = 0; j < m->code.n_cols; j++) {
        const tm_mlp_col *col = &m->code.cols[j];
        for (size_t i = 0; col->kind == TM_MLP_LEARNED && i < n; i++) {
            const uint32_t level = tm__mlp_level(col, t->in->x->cols[j][rows[i]]);
            float *to = grad + col->first + (size_t)level * TM_MLP_VECTOR;
            const float *from = t->pass.grads[0] + i * m->code.width + col->input;
            for (uint32_t v = 0; v < TM_MLP_VECTOR; v++) {
                to[v] += from[v];
            }
        }
    }
}

typedef struct adam_job {
    tm_adam a;
    size_t n;
} adam_job;

static void adam_item(void *arg, uint64_t item, uint32_t worker) {
    const adam_job *job = arg;
    const size_t from = item * PIECE;
    (void)worker;
    tm__adam_step(&job->a, from, from + PIECE < job->n ? from + PIECE : job->n);
}

/* The rate at a step, as a share of the largest. */
static double rate_at(const trainer *t) {
    const double done = ((double)t->step + 0.5) / (double)t->n_steps;
    if (done < 0.05) {
        return done / 0.05;
    }
    return 0.5 + 0.5 * tm__cos(3.14159265358979323846 * (done - 0.05) / 0.95);
}

static void update(trainer *t) {
    const double rate = t->rate * rate_at(t);
    const double n = (double)t->step + 1.0;
    adam_job job = {
        .a = {.params = t->model->params,
              .first = t->first,
              .second = t->second,
              .grad = t->grad,
              .rate = (float)rate,
              .fix1 = (float)(1.0 / (1.0 - tm__pow((double)tm__adam_beta[0], n))),
              .fix2 = (float)(1.0 / (1.0 - tm__pow((double)tm__adam_beta[1], n))),
              .keep = (float)(1.0 - rate * t->decay)},
        .n = t->model->shape.n_params,
    };
    tm__pool_run(t->ctx->pool, (job.n + PIECE - 1) / PIECE, adam_item, &job);
    t->step++;
}

static void train_batch(trainer *t, const uint32_t *rows, size_t n) {
    const tm_mlp *m = t->model;
    const tm_mlp_shape *shape = &m->shape;
    const uint32_t last = shape->n_layers;
    const size_t n_out = shape->n_out[last - 1];
    code_job job = {.x = t->in->x, .rows = rows, .n = n, .out = t->pass.acts[0]};
    const tm_mlp_drop drop = {tm__rng_split(t->in->seed, "mlp drop", t->step).key, t->drop_share};
    code_rows(t, &job);
    tm__mlp_forward(t->ctx, shape, m->params, n, &drop, &t->pass);
    memset(t->pass.grads[last], 0, n * n_out * sizeof(float));
    for (size_t i = 0; i < n; i++) {
        float *grad = t->pass.grads[last] + i * n_out;
        const double weight = t->in->weights != NULL ? t->in->weights[rows[i]] / t->weight_mean : 1;
        (void)row_loss(&m->base, t->pass.acts[last] + i * n_out, target_of(t, t->in->y[rows[i]]),
                       grad);
        for (uint32_t o = 0; o < m->base.n_outputs; o++) {
            grad[o] *= (float)(weight / (double)n);
        }
    }
    const tm_mlp_backward how = {
        .drop_share = t->drop_share, .wants_inputs = m->code.n_vectors > 0, .grad = t->grad};
    tm__mlp_backward(t->ctx, shape, m->params, n, &how, &t->pass);
    if (how.wants_inputs) {
        spread_vectors(t, rows, n);
    }
    update(t);
}

/* ---- epochs ---- */

/* Mean loss of the validation rows; NaN when it is not finite. */
static double valid_loss(trainer *t) {
    const tm_view *x = t->in->x_valid;
    const tm_mlp *m = t->model;
    const uint32_t last = m->shape.n_layers;
    const size_t n_out = m->shape.n_out[last - 1];
    double sum = 0.0, weights = 0.0;
    for (uint64_t from = 0; from < x->n_rows; from += t->wide.n_max) {
        const size_t left = x->n_rows - from, n = left < t->wide.n_max ? left : t->wide.n_max;
        code_job job = {.x = x, .from = from, .n = n, .out = t->wide.acts[0]};
        code_rows(t, &job);
        tm__mlp_forward(t->ctx, &m->shape, m->params, n, NULL, &t->wide);
        for (size_t i = 0; i < n; i++) {
            const double w = t->in->weights_valid != NULL ? t->in->weights_valid[from + i] : 1.0;
            sum += w * row_loss(&m->base, t->wide.acts[last] + i * n_out,
                                target_of(t, t->in->y_valid[from + i]), NULL);
            weights += w;
        }
    }
    return weights > 0.0 && isfinite(sum / weights) ? sum / weights : tm__nan();
}

static void keep_best(trainer *t, uint32_t epoch) {
    memcpy(t->best, t->model->params, t->model->shape.n_params * sizeof(float));
    t->best_epoch = epoch;
}

/* False when learning went astray: what was kept before is the model. */
static bool judge(trainer *t, uint32_t epoch) {
    if (!tm__mlp_is_bounded(t->model)) {
        return false;
    }
    if (t->in->x_valid == NULL || t->in->x_valid->n_rows == 0) {
        keep_best(t, epoch);
        return true;
    }
    const double loss = valid_loss(t);
    tm__ctx_round(t->ctx, epoch, loss);
    if (loss < t->best_loss) {
        t->best_loss = loss;
        keep_best(t, epoch);
    }
    return !isnan(loss);
}

static void shuffle(trainer *t, uint32_t epoch) {
    tm_rng rng = tm__rng_split(t->in->seed, "mlp order", epoch);
    for (uint64_t i = t->n - 1; i > 0; i--) {
        const uint64_t other = tm__rng_below(&rng, i + 1);
        const uint32_t row = t->rows[i];
        t->rows[i] = t->rows[other];
        t->rows[other] = row;
    }
}

static tm_status run_epochs(trainer *t, tm_err *err) {
    const uint64_t per_row = t->model->shape.n_params / 10 + 1;
    t->best_loss = t->in->x_valid != NULL && t->in->x_valid->n_rows > 0 ? valid_loss(t) : 0.0;
    keep_best(t, 0);
    for (uint32_t epoch = 1; epoch <= t->epochs; epoch++) {
        shuffle(t, epoch);
        for (uint64_t from = 0; from < t->n; from += t->batch) {
            if (tm__ctx_cancelled(t->ctx)) {
                return TM_FAIL(err, TM_E_CANCELLED, "fitting was cancelled");
            }
            train_batch(t, t->rows + from, t->n - from < t->batch ? t->n - from : t->batch);
        }
        t->model->base.work_used += t->n * per_row;
        const bool is_right = judge(t, epoch);
        tm__ctx_progress(t->ctx, "fit", epoch, t->epochs, NULL);
        if (tm__ctx_spend(t->ctx, t->n * per_row) || !is_right) {
            break;
        }
    }
    memcpy(t->model->params, t->best, t->model->shape.n_params * sizeof(float));
    t->model->base.n_rounds = t->best_epoch;
    return TM_OK;
}

/* ---- before and after ---- */

/* Rows to learn from, evenly spaced past the limit; those without weight say nothing. */
static tm_status choose_rows(trainer *t, uint64_t rows_max, tm_err *err) {
    const uint64_t n_all = t->in->x->n_rows;
    const double step = n_all > rows_max ? (double)n_all / (double)rows_max : 1.0;
    t->rows = tm__mem_alloc(n_all < rows_max ? n_all : rows_max, sizeof(uint32_t));
    if (t->rows == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the rows of a network");
    }
    double sum = 0.0;
    for (uint64_t i = 0; i < rows_max; i++) {
        const uint64_t row = (uint64_t)((double)i * step);
        if (row >= n_all) {
            break;
        }
        const double weight = t->in->weights != NULL ? t->in->weights[row] : 1.0;
        sum += weight;
        if (weight > 0.0) {
            t->rows[t->n++] = (uint32_t)row;
        }
    }
    t->weight_mean = t->n > 0 ? sum / (double)t->n : 1.0;
    return t->n > 0 ? TM_OK : TM_FAIL(err, TM_E_INVALID, "no row that is learned from has weight");
}

/* Mean and spread of a number to predict; weights of classes as log-odds are the first biases. */
static void fit_prior(trainer *t, float *biases) {
    tm_mlp *m = t->model;
    double sums[TM_MLP_WIDTH_MAX] = {0}, sum = 0.0, total = 0.0, squares = 0.0;
    for (uint64_t i = 0; i < t->n; i++) {
        const double y = t->in->y[t->rows[i]];
        const double w = t->in->weights != NULL ? t->in->weights[t->rows[i]] : 1.0;
        total += w;
        sum += w * y;
        if (t->in->task == TM_TASK_MULTICLASS) {
            sums[(uint32_t)y] += w;
        }
    }
    if (t->in->task == TM_TASK_MULTICLASS) {
        for (uint32_t o = 0; o < m->base.n_outputs; o++) {
            biases[o] = (float)tm__log((sums[o] + 0.5 * t->weight_mean) / total);
        }
        return;
    }
    if (t->in->task == TM_TASK_BINARY) {
        const double half = 0.5 * t->weight_mean;
        biases[0] = (float)tm__log((sum + half) / (total - sum + half));
        return;
    }
    m->y_mean = sum / total;
    for (uint64_t i = 0; i < t->n; i++) {
        const double w = t->in->weights != NULL ? t->in->weights[t->rows[i]] : 1.0;
        const double off = t->in->y[t->rows[i]] - m->y_mean;
        squares += w * off * off;
    }
    const double scale = tm__sqrt(squares / total);
    m->y_scale = isfinite(scale) && scale > 0.0 ? scale : 1.0;
}

/* A number near the normal distribution, of variance 1: twelve uniform ones. */
static float draw_normal(tm_rng *rng) {
    double sum = -6.0;
    for (uint32_t i = 0; i < 12; i++) {
        sum += tm__rng_f64(rng);
    }
    return (float)sum;
}

/* He et al. 2015 for hidden layers; the last begins at 0, so that the first answer is the prior. */
static void draw_params(trainer *t) {
    const tm_mlp_shape *shape = &t->model->shape;
    float *params = t->model->params;
    tm_rng rng = tm__rng_split(t->in->seed, "mlp start", 0);
    for (uint32_t l = 0; l + 1 < shape->n_layers; l++) {
        const double fan = l == 0 ? (double)t->model->code.n_inputs * 0.5 + 1.0 : shape->n_in[l];
        const float scale = (float)tm__sqrt(2.0 / fan);
        for (size_t i = 0; i < (size_t)shape->n_in[l] * shape->n_out[l]; i++) {
            params[shape->weights[l] + i] = scale * draw_normal(&rng);
        }
    }
    for (size_t i = shape->vectors; i < shape->n_params; i++) {
        params[i] = 0.3F * draw_normal(&rng);
    }
    fit_prior(t, params + shape->biases[shape->n_layers - 1]);
}

/* Mean inputs of the training rows. */
static tm_status average_inputs(trainer *t, tm_err *err) {
    tm_mlp *m = t->model;
    const size_t width = m->code.width;
    const uint64_t step = t->n / MEAN_ROWS + 1;
    double *sums = tm__mem_zalloc(width, sizeof(double));
    float *row = tm__mem_alloc(width, sizeof(float));
    uint64_t n = 0;
    if (sums == NULL || row == NULL) {
        tm__mem_free(sums);
        tm__mem_free(row);
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the inputs of a network");
    }
    for (uint64_t i = 0; i < t->n; i += step, n++) {
        tm__mlp_code_row(&m->code, m->params + m->shape.vectors, t->in->x, t->rows[i], row);
        for (size_t k = 0; k < width; k++) {
            sums[k] += row[k];
        }
    }
    for (size_t k = 0; k < width; k++) {
        m->mean[k] = (float)(sums[k] / (double)n);
    }
    tm__mem_free(sums);
    tm__mem_free(row);
    return TM_OK;
}

/* Sizes of slope times way from the average, by column, of a batch that went through. */
static void add_sizes(trainer *t, size_t n) {
    tm_mlp *m = t->model;
    const size_t width = m->code.width;
    for (size_t i = 0; i < n; i++) {
        const float *input = t->pass.acts[0] + i * width, *slope = t->pass.grads[0] + i * width;
        for (uint32_t j = 0; j < m->code.n_cols; j++) {
            const tm_mlp_col *col = &m->code.cols[j];
            double sum = 0.0;
            for (uint32_t k = col->input; k < col->input + col->n_inputs; k++) {
                sum += (double)slope[k] * ((double)input[k] - m->mean[k]);
            }
            m->shares[j] += fabs(sum);
        }
    }
}

/* How much each column moves the outputs, on a batch of rows evenly spaced. */
static void weigh_columns(trainer *t) {
    tm_mlp *m = t->model;
    const uint32_t last = m->shape.n_layers;
    const size_t n_out = m->shape.n_out[last - 1];
    const size_t n = t->n < t->batch ? t->n : t->batch;
    double total = 0.0;
    for (size_t i = 0; i < n; i++) {
        t->rows[i] = t->rows[i * t->n / n];
    }
    code_job job = {.x = t->in->x, .rows = t->rows, .n = n, .out = t->pass.acts[0]};
    code_rows(t, &job);
    tm__mlp_forward(t->ctx, &m->shape, m->params, n, NULL, &t->pass);
    for (uint32_t o = 0; o < m->base.n_outputs; o++) {
        memset(t->pass.grads[last], 0, n * n_out * sizeof(float));
        for (size_t i = 0; i < n; i++) {
            t->pass.grads[last][i * n_out + o] = 1.0F;
        }
        const tm_mlp_backward how = {.wants_inputs = true};
        tm__mlp_backward(t->ctx, &m->shape, m->params, n, &how, &t->pass);
        add_sizes(t, n);
    }
    for (uint32_t j = 0; j < m->code.n_cols; j++) {
        total += m->shares[j];
    }
    for (uint32_t j = 0; total > 0.0 && j < m->code.n_cols; j++) {
        m->shares[j] /= total;
    }
}

static tm_status trainer_init(trainer *t, const tm_params *params, tm_err *err) {
    const uint32_t given = (uint32_t)params->values[TM_MLP_EPOCHS];
    t->batch = (uint32_t)params->values[TM_MLP_BATCH];
    t->rate = params->values[TM_MLP_RATE];
    t->decay = params->values[TM_MLP_DECAY];
    t->drop_share = (uint32_t)(params->values[TM_MLP_DROPOUT] * 256.0);
    const uint64_t per_epoch = (t->n + t->batch - 1) / t->batch;
    const uint64_t wanted = STEPS_WANTED / per_epoch;
    t->epochs = given > 0             ? given
                : wanted < EPOCHS_MIN ? EPOCHS_MIN
                : wanted > EPOCHS_MAX ? EPOCHS_MAX
                                      : (uint32_t)wanted;
    t->n_steps = per_epoch * t->epochs;
    const size_t n = t->model->shape.n_params;
    t->grad = tm__mem_zalloc(n, sizeof(float));
    t->first = tm__mem_zalloc(n, sizeof(float));
    t->second = tm__mem_zalloc(n, sizeof(float));
    t->best = tm__mem_alloc(n, sizeof(float));
    if (t->grad == NULL || t->first == NULL || t->second == NULL || t->best == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to learn a network");
    }
    TM_TRY(tm__mlp_pass_init(&t->model->shape, t->batch, true, &t->pass, err));
    return tm__mlp_pass_init(&t->model->shape, TM_MLP_VALID_ROWS, false, &t->wide, err);
}

static void trainer_done(trainer *t) {
    tm__mlp_pass_done(&t->pass);
    tm__mlp_pass_done(&t->wide);
    tm__mem_free(t->rows);
    tm__mem_free(t->grad);
    tm__mem_free(t->first);
    tm__mem_free(t->second);
    tm__mem_free(t->best);
}

tm_status tm__mlp_fit(tm_ctx *ctx, const tm_fit_input *in, const tm_params *params,
                      tm_model **out_model, tm_err *err) {
    trainer t = {.ctx = ctx, .in = in};
    tm_mlp_code code = {0};
    const uint64_t started = tm__mono_ns();
    const tm_model shape = {
        .task = in->task,
        .n_outputs = in->task == TM_TASK_MULTICLASS ? in->n_classes : 1,
        .n_cols = in->x->n_cols,
    };
    if (shape.n_outputs > TM_MLP_WIDTH_MAX) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "a network learns at most %u classes",
                       TM_MLP_WIDTH_MAX);
    }
    tm_status st = choose_rows(&t, (uint64_t)params->values[TM_MLP_ROWS], err);
    if (st == TM_OK) {
        st =
            tm__mlp_code_fit(in->x, t.rows, t.n, (uint32_t)params->values[TM_MLP_BINS], &code, err);
    }
    if (st == TM_OK) {
        t.model = tm__mlp_create(&shape, &code, (uint32_t)params->values[TM_MLP_HIDDEN],
                                 (uint32_t)params->values[TM_MLP_LAYERS]);
        st = t.model == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for a network") : TM_OK;
    }
    if (st == TM_OK) {
        st = trainer_init(&t, params, err);
    }
    if (st == TM_OK) {
        draw_params(&t);
        st = run_epochs(&t, err);
    }
    if (st == TM_OK) {
        st = average_inputs(&t, err);
    }
    if (st == TM_OK) {
        weigh_columns(&t);
    }
    trainer_done(&t);
    if (st != TM_OK) {
        tm__mlp_free(t.model != NULL ? &t.model->base : NULL);
        return st;
    }
    t.model->base.seconds_fit = (double)(tm__mono_ns() - started) * 1e-9;
    *out_model = &t.model->base;
    return TM_OK;
}
