/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass over a design: margins, losses, residuals, gradient.
 *
 *   chunk of rows (>= 4096, at most 64 of them) -> blocks of 256 rows
 *     margins   z[k x 256] column by column, then terms
 *     residuals r = w * dloss/dz, in place of z
 *     gradient  dense slots into the chunk's own sums; terms later from all residuals, by term
 *
 * Invariants.
 * 1. Chunks depend on the shape of the design alone; their sums are added in chunk order, and a sum
 *    over the rows of a block has 8 lanes in the source: no thread count or SIMD width can show.
 * 2. A term's gradient is one sum in row order.
 *
 * Over ranks each passes over some of the chunks; the sums of all are gathered and added in their
 * order, so that 1. and 2. hold for ranks, too.
 */
#include "model/linear/linear_priv.h"

#include <math.h>
#include <string.h>

#include "base/comm.h"
#include "base/fmath.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/simd.h"
#include "model/linear/linear_kernel.h"

#define BLOCK TM_LINEAR_BLOCK
#define CHUNK_MIN 4096u
#define CHUNKS_MAX 64u
#define SUMS_MAX (UINT64_C(1) << 25) /* doubles in all chunks' sums: 256 MiB */
#define TERMS_AN_ITEM 1024u

struct tm_loss {
    const tm_design *design;
    uint64_t chunk_rows;
    uint32_t n_chunks;
    size_t n_sums;     /* of a chunk: dense slots and the intercept, times outputs */
    double *sums;      /* [n_chunks x n_sums] */
    double *losses;    /* [n_chunks] */
    double *scratch;   /* [n_threads x scratch_size()] margins, then residuals; those by row */
    double *residuals; /* [n_rows x n_outputs], NULL without terms */
    bool is_shared;    /* large enough to be divided over ranks */
    uint64_t first;    /* of the chunks of this rank */
    const double *theta;
    double *gradient; /* of the pass that runs; NULL: loss only */
};

static size_t scratch_size(size_t n_outputs) {
    return n_outputs * BLOCK + (n_outputs > 1 ? tm__linear_row_lanes(n_outputs) * BLOCK : 0);
}

tm_loss *tm__loss_create(const tm_ctx *ctx, const tm_design *design) {
    const size_t k = design->n_outputs;
    tm_loss *self = tm__mem_zalloc(1, sizeof(*self));
    if (self == NULL) {
        return NULL;
    }
    self->design = design;
    self->n_sums = ((size_t)design->code->n_dense + 1) * k;
    self->is_shared = design->n_rows * design->code->n_cols >= TM_SHARED_CELLS ||
                      (design->starts != NULL && design->starts[design->n_rows] >= TM_SHARED_CELLS);
    uint64_t n_chunks = (design->n_rows + CHUNK_MIN - 1) / CHUNK_MIN;
    const uint64_t room = SUMS_MAX / self->n_sums;
    n_chunks = n_chunks > CHUNKS_MAX ? CHUNKS_MAX : n_chunks;
    n_chunks = n_chunks > room ? room : n_chunks;
    n_chunks = n_chunks == 0 ? 1 : n_chunks;
    const uint64_t even = (design->n_rows + n_chunks - 1) / n_chunks;
    self->chunk_rows = (even + BLOCK - 1) / BLOCK * BLOCK;
    self->n_chunks = (uint32_t)((design->n_rows + self->chunk_rows - 1) / self->chunk_rows);
    self->sums = tm__mem_alloc(self->n_chunks * self->n_sums, sizeof(double));
    self->losses = tm__mem_alloc(self->n_chunks, sizeof(double));
    self->scratch = tm__mem_alloc(tm__pool_threads(ctx->pool) * scratch_size(k), sizeof(double));
    if (design->term_starts != NULL) {
        self->residuals = tm__mem_alloc(design->n_rows * k, sizeof(double));
    }
    if (self->sums == NULL || self->losses == NULL || self->scratch == NULL ||
        (design->term_starts != NULL && self->residuals == NULL)) {
        tm__loss_free(self);
        return NULL;
    }
    return self;
}

void tm__loss_free(tm_loss *loss) {
    if (loss != NULL) {
        tm__mem_free(loss->sums);
        tm__mem_free(loss->losses);
        tm__mem_free(loss->scratch);
        tm__mem_free(loss->residuals);
        tm__mem_free(loss);
    }
}

/* ---- margins: z [n_outputs x BLOCK] ---- */

/* Columns of numbers from j on that come one behind the other, without missing values between. */
static uint32_t run_of_numbers(const tm_design *design, uint32_t j) {
    uint32_t n = 0;
    while (n < TM_LINEAR_RUN && j + n < design->code->n_cols && design->numbers[j + n] != NULL &&
           design->missing[j + n] == NULL) {
        n++;
    }
    return n;
}

static void widen_run(const tm_design *design, uint32_t j, uint64_t row, uint64_t n, double *out) {
    for (uint32_t c = 0; c < TM_LINEAR_RUN; c++) {
        tm__linear_widen(design->numbers[j + c] + row, n, out + c * BLOCK);
    }
}

static void add_number(const float *x, const double *theta, uint64_t n, size_t k, double *z) {
    for (size_t o = 0; o < k; o++) {
        for (uint64_t i = 0; i < n; i++) {
            z[o * BLOCK + i] += theta[o] * (double)x[i];
        }
    }
}

static void add_code(const uint32_t *codes, const double *theta, uint64_t n, size_t k, double *z) {
    for (size_t o = 0; o < k; o++) {
        for (uint64_t i = 0; i < n; i++) {
            z[o * BLOCK + i] += theta[codes[i] * k + o];
        }
    }
}

static void add_missing(const uint8_t *missing, const double *theta, uint64_t n, size_t k,
                        double *z) {
    for (uint64_t i = 0; i < n; i++) {
        for (size_t o = 0; missing[i] != 0 && o < k; o++) {
            z[o * BLOCK + i] += theta[o];
        }
    }
}

static void add_terms(const tm_design *design, const double *theta, uint64_t row, uint64_t n,
                      double *z) {
    const size_t k = design->n_outputs;
    const double *first = theta + design->code->n_dense * k;
    for (uint64_t i = 0; i < n; i++) {
        for (uint64_t e = design->starts[row + i]; e < design->starts[row + i + 1]; e++) {
            const double value = (double)design->values[e];
            for (size_t o = 0; o < k; o++) {
                z[o * BLOCK + i] += value * first[design->terms[e] * k + o];
            }
        }
    }
}

static void margins(const tm_design *design, const double *theta, uint64_t row, uint64_t n,
                    double *z) {
    const tm_linear_code *code = design->code;
    const size_t k = design->n_outputs;
    const double *bias = theta + ((size_t)code->n_dense + code->n_active) * k;
    TM_UNSET double x[TM_LINEAR_RUN * BLOCK];
    for (size_t o = 0; o < k; o++) {
        for (uint64_t i = 0; i < n; i++) {
            z[o * BLOCK + i] = bias[o];
        }
    }
    for (uint32_t j = 0; j < code->n_cols; j++) {
        const double *first = theta + code->cols[j].slot * k;
        if (design->codes[j] != NULL) {
            add_code(design->codes[j] + row, first, n, k, z);
            continue;
        }
        if (run_of_numbers(design, j) == TM_LINEAR_RUN) {
            widen_run(design, j, row, n, x);
            tm__linear_add_run(x, first, n, k, z);
            j += TM_LINEAR_RUN - 1;
            continue;
        }
        add_number(design->numbers[j] + row, first, n, k, z);
        if (design->missing[j] != NULL) {
            add_missing(design->missing[j] + row, first + k, n, k, z);
        }
    }
    if (design->starts != NULL) {
        add_terms(design, theta, row, n, z);
    }
}

/* ---- losses; z becomes the weighted residual ---- */

static double logistic(const double *y, const double *w, uint64_t n, double *z) {
    TM_UNSET double e[BLOCK], logs[BLOCK];
    double sum = 0.0;
    for (uint64_t i = 0; i < n; i++) {
        e[i] = -fabs(z[i]);
    }
    tm__exp_array(e, e, n);
    tm__log1p_array(e, logs, n);
    for (uint64_t i = 0; i < n; i++) {
        sum += w[i] * (logs[i] + (z[i] > 0.0 ? z[i] : 0.0) - y[i] * z[i]);
    }
#pragma omp simd
    for (uint64_t i = 0; i < n; i++) {
        const double p = (z[i] >= 0.0 ? 1.0 : e[i]) / (1.0 + e[i]);
        z[i] = w[i] * (p - y[i]);
    }
    return sum;
}

static double squared(const double *y, const double *w, uint64_t n, double *z) {
    double sum = 0.0;
    for (uint64_t i = 0; i < n; i++) {
        const double off = z[i] - y[i];
        sum += w[i] * (0.5 * off * off);
        z[i] = w[i] * off;
    }
    return sum;
}

static double softmax(const double *y, const double *w, uint64_t n, size_t k, double *z) {
    TM_UNSET double at_truth[BLOCK], top[BLOCK], sums[BLOCK], logs[BLOCK];
    double loss = 0.0;
    tm__linear_below_top(n, k, top, z);
    for (uint64_t i = 0; i < n; i++) {
        at_truth[i] = z[(size_t)y[i] * BLOCK + i];
    }
    for (size_t o = 0; o < k; o++) {
        tm__exp_array(z + o * BLOCK, z + o * BLOCK, n);
    }
    tm__linear_sum_outputs(z, n, k, sums);
    tm__log_array(sums, logs, n);
    for (uint64_t i = 0; i < n; i++) {
        loss += w[i] * (logs[i] - at_truth[i]);
    }
    for (size_t o = 0; o < k; o++) {
        tm__linear_class_residuals(&(tm_class_rows){y, w, sums, (double)o}, n, z + o * BLOCK);
    }
    return loss;
}

static double residuals(const tm_design *design, uint64_t row, uint64_t n, double *z) {
    const double *y = design->y + row, *w = design->w + row;
    switch (design->task) {
    case TM_TASK_BINARY:
        return logistic(y, w, n, z);
    case TM_TASK_MULTICLASS:
        return softmax(y, w, n, design->n_outputs, z);
    default:
        return squared(y, w, n, z);
    }
}

/* ---- gradients ---- */

static void gather_codes(const uint32_t *codes, const double *r, uint64_t n, size_t k,
                         double *sums) {
    for (size_t o = 0; o < k; o++) {
        for (uint64_t i = 0; i < n; i++) {
            sums[codes[i] * k + o] += r[o * BLOCK + i];
        }
    }
}

static void gather_missing(const uint8_t *missing, const double *r, uint64_t n, size_t k,
                           double *sums) {
    for (uint64_t i = 0; i < n; i++) {
        for (size_t o = 0; missing[i] != 0 && o < k; o++) {
            sums[o] += r[o * BLOCK + i];
        }
    }
}

/* A number: of one output in lanes of rows, of more row by row. */
static void gather_number(const float *x, const double *r, uint64_t n, size_t k, double *sums) {
    if (k == 1) {
        sums[0] += tm__linear_dot(x, r, n);
        return;
    }
    for (size_t o = 0; o < k; o++) {
        for (uint64_t i = 0; i < n; i++) {
            sums[o] += r[o * BLOCK + i] * (double)x[i];
        }
    }
}

/* by_row: r once more, as tm__linear_gather_run() takes it; read with more outputs than one. */
static void gather_dense(const tm_design *design, uint64_t row, uint64_t n, const double *r,
                         const double *by_row, double *sums) {
    const tm_linear_code *code = design->code;
    const size_t k = design->n_outputs;
    TM_UNSET double x[TM_LINEAR_RUN * BLOCK];
    for (uint32_t j = 0; j < code->n_cols; j++) {
        double *first = sums + code->cols[j].slot * k;
        if (design->codes[j] != NULL) {
            gather_codes(design->codes[j] + row, r, n, k, first);
            continue;
        }
        if (k > 1 && run_of_numbers(design, j) == TM_LINEAR_RUN) {
            widen_run(design, j, row, n, x);
            tm__linear_gather_run(x, by_row, n, k, first);
            j += TM_LINEAR_RUN - 1;
            continue;
        }
        gather_number(design->numbers[j] + row, r, n, k, first);
        if (design->missing[j] != NULL) {
            gather_missing(design->missing[j] + row, r, n, k, first + k);
        }
    }
    double *bias = sums + code->n_dense * k;
    if (k > 1) {
        tm__linear_sum_rows(by_row, n, k, bias);
        return;
    }
    for (uint64_t i = 0; i < n; i++) {
        bias[0] += r[i];
    }
}

static void pass_chunk(void *arg, uint64_t item, uint32_t worker) {
    tm_loss *self = arg;
    const tm_design *design = self->design;
    const size_t k = design->n_outputs;
    const uint64_t chunk = self->first + item;
    const uint64_t from = chunk * self->chunk_rows, last = from + self->chunk_rows;
    const uint64_t end = last < design->n_rows ? last : design->n_rows;
    double *sums = self->sums + chunk * self->n_sums;
    double *z = self->scratch + worker * scratch_size(k), *by_row = z + k * BLOCK;
    double loss = 0.0;
    if (self->gradient != NULL) {
        memset(sums, 0, self->n_sums * sizeof(double));
    }
    for (uint64_t row = from; row < end; row += BLOCK) {
        const uint64_t n = row + BLOCK < end ? BLOCK : end - row;
        margins(design, self->theta, row, n, z);
        loss += residuals(design, row, n, z);
        if (self->gradient == NULL) {
            continue;
        }
        if (k > 1) {
            tm__linear_by_row(z, n, k, by_row);
        }
        gather_dense(design, row, n, z, by_row, sums);
        for (uint64_t i = 0; self->residuals != NULL && i < n * k; i++) {
            self->residuals[row * k + i] = z[i % k * BLOCK + i / k];
        }
    }
    self->losses[chunk] = loss;
}

static void pass_terms(void *arg, uint64_t item, uint32_t worker) {
    tm_loss *self = arg;
    const tm_design *design = self->design;
    const size_t k = design->n_outputs;
    const uint64_t from = item * TERMS_AN_ITEM, last = from + TERMS_AN_ITEM;
    const uint64_t end = last < design->code->n_active ? last : design->code->n_active;
    (void)worker;
    for (uint64_t t = from; t < end; t++) {
        double *out = self->gradient + (design->code->n_dense + t) * k;
        memset(out, 0, k * sizeof(double));
        for (uint64_t e = design->term_starts[t]; e < design->term_starts[t + 1]; e++) {
            const double *r = self->residuals + design->term_rows[e] * k;
            for (size_t o = 0; o < k; o++) {
                out[o] += r[o] * (double)design->term_values[e];
            }
        }
    }
}

/* The chunks of this rank, and then what all ranks have of theirs. */
static void pass_run(const tm_ctx *ctx, tm_loss *self) {
    struct tm_comm *comm = self->is_shared ? ctx->comm : NULL;
    const tm_row_deal chunks = {.n_rows = self->n_chunks, .chunk_rows = 1};
    const uint32_t rank = tm__comm_rank(comm), n_ranks = tm__comm_ranks(comm);
    const tm_row_part own = tm__comm_part(chunks, rank, n_ranks);
    self->first = own.begin;
    tm__pool_run(ctx->pool, own.end - own.begin, pass_chunk, self);
    tm__comm_gather(comm, chunks, sizeof(double), self->losses);
    if (self->gradient != NULL) {
        tm__comm_gather(comm, chunks, self->n_sums * sizeof(double), self->sums);
    }
    if (self->gradient != NULL && self->residuals != NULL) {
        const tm_row_deal rows = {.n_rows = self->design->n_rows, .chunk_rows = self->chunk_rows};
        tm__comm_gather(comm, rows, self->design->n_outputs * sizeof(double), self->residuals);
    }
}

double tm__loss_eval(const tm_ctx *ctx, tm_loss *loss, const double *theta, double *out_gradient) {
    const tm_linear_code *code = loss->design->code;
    const size_t k = loss->design->n_outputs, n_dense = code->n_dense * k;
    double total = 0.0;
    loss->theta = theta;
    loss->gradient = out_gradient;
    pass_run(ctx, loss);
    if (tm__comm_is_lost(ctx->comm)) { /* a minimum, so that solvers end; the fit fails then */
        for (size_t i = 0; out_gradient != NULL && i < tm__design_params(loss->design); i++) {
            out_gradient[i] = 0;
        }
        return INFINITY;
    }
    for (uint32_t c = 0; c < loss->n_chunks; c++) {
        total += loss->losses[c];
    }
    if (out_gradient == NULL) {
        return total;
    }
    double *bias = out_gradient + n_dense + code->n_active * k;
    memset(out_gradient, 0, n_dense * sizeof(double));
    memset(bias, 0, k * sizeof(double));
    for (uint32_t c = 0; c < loss->n_chunks; c++) {
        const double *sums = loss->sums + c * loss->n_sums;
        for (size_t i = 0; i < n_dense; i++) {
            out_gradient[i] += sums[i];
        }
        for (size_t o = 0; o < k; o++) {
            bias[o] += sums[n_dense + o];
        }
    }
    if (loss->residuals != NULL) {
        const uint64_t n_items = (code->n_active + TERMS_AN_ITEM - 1) / TERMS_AN_ITEM;
        tm__pool_run(ctx->pool, n_items, pass_terms, loss);
    }
    return total;
}

/* ---- curvature ---- */

void tm__loss_curvature(const tm_design *design, double *out) {
    const tm_linear_code *code = design->code;
    const size_t k = design->n_outputs, n_slots = (size_t)code->n_dense + code->n_active;
    /* The second derivative of the logistic loss is at most 1/4, that of the squared loss is 1. */
    const bool is_class = design->task == TM_TASK_BINARY || design->task == TM_TASK_MULTICLASS;
    tm__design_squares(design, out);
    out[n_slots] = 1.0;
    /* Spread slot by slot to all outputs, from the end, in place. */
    for (size_t s = n_slots + 1; s-- > 0;) {
        const double bound = (is_class ? 0.25 : 1.0) * out[s] + 1e-12;
        for (size_t o = k; o-- > 0;) {
            out[s * k + o] = bound;
        }
    }
}
