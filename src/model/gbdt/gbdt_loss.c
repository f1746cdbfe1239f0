/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Design. One pass computes gradients as floats with the sums of their sizes; these give the units,
 * and a second pass rounds to integers. The units use the whole range of a 32-bit sum whatever the
 * data: with 700 rows a mean gradient has 21 bits, with a million 11, with 2^30 one.
 *
 * Rounding is at random (up with the probability of the fraction), so that a sum of many rounded
 * gradients has no bias; the random number of a row depends on the stream and the row alone.
 *
 * A target far beyond the others would leave them few units, and every split would be its. So a
 * gradient of squares over SATURATION times the mean size counts as that when splits are searched;
 * at most one row in SATURATION does. Values of leaves come from the gradients as they are.
 *
 * Source: Shi, Ke, Chen, Zheng, Liu 2022, "Quantized training of gradient boosting decision trees",
 * arXiv:2207.09682, for stochastic rounding; here with as many bits as fit instead of 2 to 5.
 */
#include "model/gbdt/gbdt_loss.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/comm.h"
#include "base/fmath.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "base/simd.h"
#include "model/gbdt/gbdt_rank.h"
#include "model/gbdt/gbdt_renew.h"

enum { BLOCK = 256 };

/* A probability of 0 in training data must not become an infinite score. */
static const double PROBABILITY_MIN = 1e-15;

/* Of the mean size of gradients. No set of ordinary rows comes near. */
static const double SATURATION = 512;

/* A packed gradient; with max_g it keeps to 16 bits. */
#define PACKED_MAX (0x1p15 - 2)

/* A gradient is a float: past this score no exp of it would be one with targets up to 1e15. */
static const double SCORE_MAX = 50;

typedef struct loss_job {
    const double *rank_g, *rank_h; /* [n_rows] LAMBDARANK */
    const tm_loss *loss;
    uint32_t output;
    const double *scores;
    double *step_scores; /* of the output; NULL: no step */
    tm_score_step step;
    const double *norms;
    double *norms_out;
    double *chunks;
    tm_gradients *gradients;
} loss_job;

static uint64_t chunk_count(uint64_t n_rows) {
    return (n_rows + TM_LOSS_CHUNK - 1) / TM_LOSS_CHUNK;
}

static uint64_t chunk_end(uint64_t n_rows, uint64_t chunk) {
    const uint64_t end = (chunk + 1) * TM_LOSS_CHUNK;
    return end < n_rows ? end : n_rows;
}

/* Sum of weights (or of weights times y, or of those where y is `is`) in chunk order. */
static double rows_sum(const tm_loss *loss, bool with_y, double center) {
    double sum = 0;
    for (uint64_t chunk = 0; chunk < chunk_count(loss->n_rows); chunk++) {
        double part = 0;
        for (uint64_t row = chunk * TM_LOSS_CHUNK; row < chunk_end(loss->n_rows, chunk); row++) {
            const double w = loss->weights != NULL ? loss->weights[row] : 1;
            part += with_y ? w * (loss->y[row] - center) : w;
        }
        sum += part;
    }
    return sum;
}

static tm_status weights_init(tm_loss *loss, const double *weights, tm_err *err) {
    double *made = tm__mem_alloc(loss->n_rows, sizeof(double)), max = 0;
    for (uint64_t row = 0; row < loss->n_rows; row++) {
        max = weights[row] > max ? weights[row] : max;
    }
    loss->weights = made;
    if (made == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for weights");
    }
    for (uint64_t row = 0; row < loss->n_rows; row++) {
        made[row] = weights[row] / max;
    }
    const double mean = rows_sum(loss, false, 0) / (double)loss->n_rows;
    for (uint64_t row = 0; row < loss->n_rows; row++) {
        made[row] /= mean;
    }
    return TM_OK;
}

/* Whether a row counts: one of no weight must not reach a sum, where its target could be infinite
 * beside the others, nor a scale. */
static bool counts(const tm_loss *loss, uint64_t row) {
    return loss->weights == NULL || loss->weights[row] > 0;
}

/* The first target that counts. */
static double first_of(const tm_loss *loss) {
    uint64_t row = 0;
    while (row + 1 < loss->n_rows && !counts(loss, row)) {
        row++;
    }
    return loss->y[row];
}

/* A power of two over all |y - center|, so that differences divided by it are below 1, exactly. */
static double spread_of(const tm_loss *loss, double center) {
    double spread = 0;
    int exponent = 0;
    for (uint64_t row = 0; row < loss->n_rows; row++) {
        spread = counts(loss, row) ? fmax(spread, fabs(loss->y[row] - center)) : spread;
    }
    frexp(spread, &exponent);
    return spread > 0 ? ldexp(1, exponent) : 1;
}

/* Around the first value, so that a large mean does not drown small differences. */
static double mean_of(const tm_loss *loss, double center) {
    return center + rows_sum(loss, true, center) / rows_sum(loss, false, 0);
}

static void scale_init(tm_loss *loss) {
    int exponent = 0;
    loss->spread = spread_of(loss, mean_of(loss, first_of(loss)));
    if (loss->spec.objective == TM_OBJECTIVE_SQUARED) {
        loss->scale = loss->spread;
    } else if (loss->spec.objective == TM_OBJECTIVE_HUBER) {
        /* Gradients end at delta: they would vanish beside a spread that is far over it. */
        frexp(loss->spec.huber_delta, &exponent);
        loss->scale = fmin(loss->spread, ldexp(1, exponent));
    }
}

static bool has_scale(const tm_loss *loss) {
    const tm_objective o = loss->spec.objective;
    return o == TM_OBJECTIVE_SQUARED || tm__objective_renews(o);
}

tm_status tm__loss_init(const tm_loss_spec *spec, uint64_t n_rows, const double *y,
                        const double *weights, tm_loss *out, tm_err *err) {
    tm_loss loss = {
        .spec = *spec, .n_rows = n_rows, .y = y, .spread = 1, .scale = 1, .n_all = n_rows};
    if (n_rows == 0 || n_rows > TM_LOSS_MAX_ROWS) {
        return TM_FAIL(err, n_rows == 0 ? TM_E_INVALID : TM_E_LIMIT,
                       "boosting takes 1 to %llu rows, got %llu",
                       (unsigned long long)TM_LOSS_MAX_ROWS, (unsigned long long)n_rows);
    }
    TM_TRY(tm__objective_resolve(spec->task, &loss.spec.objective, err));
    TM_TRY(tm__objective_check(loss.spec.objective, y, n_rows, err));
    if (weights != NULL) {
        const tm_status st = weights_init(&loss, weights, err);
        if (st != TM_OK) {
            tm__loss_done(&loss);
            return st;
        }
    }
    if (loss.spec.objective == TM_OBJECTIVE_LAMBDARANK) {
        const tm_status st =
            tm__rank_create(spec->query, y, n_rows, spec->rank_depth, &loss.rank, err);
        if (st != TM_OK) {
            tm__loss_done(&loss);
            return st;
        }
    }
    if (has_scale(&loss)) {
        scale_init(&loss);
    }
    *out = loss;
    return TM_OK;
}

tm_loss tm__loss_part(const tm_loss *loss, struct tm_comm *comm, uint64_t row_begin,
                      uint64_t row_end) {
    tm_loss part = *loss;
    TM_ASSERT(row_begin % TM_LOSS_CHUNK == 0 || row_begin == row_end);
    part.n_rows = row_end - row_begin;
    part.y += row_begin;
    part.weights = loss->weights != NULL ? loss->weights + row_begin : NULL;
    part.comm = comm;
    part.row_begin = row_begin;
    return part;
}

void tm__loss_done(tm_loss *loss) {
    tm__mem_free((double *)loss->weights);
    tm__rank_free(loss->rank);
    *loss = (tm_loss){0};
}

static void base_of_classes(const tm_loss *loss, double *out) {
    const uint32_t n_outputs = loss->spec.n_outputs;
    const double n = rows_sum(loss, false, 0);
    memset(out, 0, n_outputs * sizeof(double));
    for (uint64_t row = 0; row < loss->n_rows; row++) {
        out[(uint32_t)loss->y[row]] += loss->weights != NULL ? loss->weights[row] : 1;
    }
    for (uint32_t k = 0; k < n_outputs; k++) {
        out[k] = tm__log(fmax(out[k] / n, PROBABILITY_MIN));
    }
}

/* The c where sum of w * clamp(y - c, delta) is 0: the sum falls with c, so halving finds it. */
static double base_of_huber(const tm_loss *loss) {
    const double delta = loss->spec.huber_delta;
    double low = first_of(loss), high = low;
    for (uint64_t row = 1; row < loss->n_rows; row++) {
        low = counts(loss, row) ? fmin(low, loss->y[row]) : low;
        high = counts(loss, row) ? fmax(high, loss->y[row]) : high;
    }
    for (uint32_t step = 0; step < 64; step++) {
        const double c = low / 2 + high / 2;
        double sum = 0;
        for (uint64_t row = 0; row < loss->n_rows; row++) {
            const double w = loss->weights != NULL ? loss->weights[row] : 1;
            sum += w * fmin(fmax((loss->y[row] - c) / loss->scale, -delta / loss->scale),
                            delta / loss->scale);
        }
        if (sum == 0) {
            return c;
        }
        low = sum > 0 ? c : low;
        high = sum > 0 ? high : c;
    }
    return low / 2 + high / 2;
}

static tm_status base_of_quantile(const tm_loss *loss, double share, double *out, tm_err *err) {
    double *values = tm__mem_alloc(loss->n_rows, sizeof(double));
    double *weights = loss->weights != NULL ? tm__mem_alloc(loss->n_rows, sizeof(double)) : NULL;
    if (values == NULL || (loss->weights != NULL && weights == NULL)) {
        tm__mem_free(values);
        tm__mem_free(weights);
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for a quantile of the target");
    }
    memcpy(values, loss->y, loss->n_rows * sizeof(double));
    if (weights != NULL) {
        memcpy(weights, loss->weights, loss->n_rows * sizeof(double));
    }
    *out = tm__quantile(values, weights, loss->n_rows, share);
    tm__mem_free(values);
    tm__mem_free(weights);
    return TM_OK;
}

tm_status tm__loss_base(const tm_loss *loss, double *out, tm_err *err) {
    double p;
    switch (loss->spec.objective) {
    case TM_OBJECTIVE_SOFTMAX:
        base_of_classes(loss, out);
        return TM_OK;
    case TM_OBJECTIVE_LOGISTIC:
        p = fmin(fmax(mean_of(loss, 0), PROBABILITY_MIN), 1 - PROBABILITY_MIN);
        out[0] = tm__log(p / (1 - p));
        return TM_OK;
    case TM_OBJECTIVE_POISSON:
    case TM_OBJECTIVE_GAMMA:
    case TM_OBJECTIVE_TWEEDIE:
        out[0] = tm__log(fmax(mean_of(loss, 0), PROBABILITY_MIN));
        return TM_OK;
    case TM_OBJECTIVE_LAMBDARANK:
        out[0] = 0; /* only differences count */
        return TM_OK;
    case TM_OBJECTIVE_HUBER:
        out[0] = base_of_huber(loss);
        return TM_OK;
    case TM_OBJECTIVE_ABSOLUTE:
        return base_of_quantile(loss, 0.5, out, err);
    case TM_OBJECTIVE_QUANTILE:
        return base_of_quantile(loss, loss->spec.quantile, out, err);
    default:
        out[0] = mean_of(loss, first_of(loss));
        return TM_OK;
    }
}

static TM_ALWAYS_INLINE void larger_loop(const double *s, uint32_t n, double *max) {
#pragma omp simd
    for (uint32_t i = 0; i < n; i++) {
        max[i] = s[i] > max[i] ? s[i] : max[i];
    }
}

TM_SIMD_KERNEL(larger, (const double *s, uint32_t n, double *max), (s, n, max));

static TM_ALWAYS_INLINE void less_loop(const double *s, const double *by, uint32_t n, double *out) {
#pragma omp simd
    for (uint32_t i = 0; i < n; i++) {
        out[i] = s[i] - by[i];
    }
}

TM_SIMD_KERNEL(less, (const double *s, const double *by, uint32_t n, double *out), (s, by, n, out));

static TM_ALWAYS_INLINE void more_loop(const double *by, uint32_t n, double *sum) {
#pragma omp simd
    for (uint32_t i = 0; i < n; i++) {
        sum[i] += by[i];
    }
}

TM_SIMD_KERNEL(more, (const double *by, uint32_t n, double *sum), (by, n, sum));

static void norms_task(void *arg, uint64_t chunk, uint32_t worker) {
    const loss_job *job = arg;
    const uint64_t n_rows = job->loss->n_rows, end = chunk_end(n_rows, chunk);
    TM_UNSET double max[BLOCK], sum[BLOCK], e[BLOCK];
    (void)worker;
    for (uint64_t row = chunk * TM_LOSS_CHUNK; row < end; row += BLOCK) {
        const uint32_t n = end - row < BLOCK ? (uint32_t)(end - row) : (uint32_t)BLOCK;
        memcpy(max, job->scores + row, n * sizeof(double));
        memset(sum, 0, sizeof(sum));
        for (uint32_t k = 1; k < job->loss->spec.n_outputs; k++) {
            larger(job->scores + k * n_rows + row, n, max);
        }
        for (uint32_t k = 0; k < job->loss->spec.n_outputs; k++) {
            less(job->scores + k * n_rows + row, max, n, e);
            tm__exp_array(e, e, n);
            more(e, n, sum);
        }
        tm__log_array(sum, e, n);
        for (uint32_t i = 0; i < n; i++) {
            job->norms_out[row + i] = max[i] + e[i];
        }
    }
}

void tm__loss_norms(struct tm_pool *pool, const tm_loss *loss, const double *scores, double *out) {
    if (loss->spec.objective == TM_OBJECTIVE_SOFTMAX) {
        loss_job job = {.loss = loss, .scores = scores, .norms_out = out};
        tm__pool_run(pool, chunk_count(loss->n_rows), norms_task, &job);
    }
}

/*
 * Of the log objectives: -y e^{(1-p) s} / (1-p) + e^{(2-p) s} / (2-p), where a power of 1 or 2 is
 * its limit (Jorgensen 1987, "Exponential dispersion models").
 */
static double log_loss_of(double p, double y, double s) {
    s = fmin(fmax(s, -SCORE_MAX), SCORE_MAX);
    if (p == 1) {
        return tm__exp(s) - y * s;
    }
    if (p == 2) {
        return y * tm__exp(-s) + s;
    }
    return y * tm__exp((1 - p) * s) / (p - 1) + tm__exp((2 - p) * s) / (2 - p);
}

static double row_loss(const loss_job *job, uint64_t row) {
    const tm_loss *loss = job->loss;
    const double y = loss->y[row], s = job->scores[row];
    const double d = (s - y) / loss->spread; /* cannot overflow when squared */
    const double delta = loss->spec.huber_delta / loss->spread;
    switch (loss->spec.objective) {
    case TM_OBJECTIVE_LOGISTIC:
        return fmax(s, 0) - s * y + tm__log1p(tm__exp(-fabs(s)));
    case TM_OBJECTIVE_SOFTMAX:
        return job->norms[row] - job->scores[(uint64_t)y * loss->n_rows + row];
    case TM_OBJECTIVE_ABSOLUTE:
        return fabs(d);
    case TM_OBJECTIVE_QUANTILE:
        return d >= 0 ? (1 - loss->spec.quantile) * d : -loss->spec.quantile * d;
    case TM_OBJECTIVE_HUBER:
        return fabs(d) <= delta ? d * d / 2 : delta * (fabs(d) - delta / 2);
    case TM_OBJECTIVE_POISSON:
    case TM_OBJECTIVE_GAMMA:
    case TM_OBJECTIVE_TWEEDIE:
        return log_loss_of(tm__objective_power(&loss->spec), y, s);
    default:
        return d * d;
    }
}

/* What a sum of row_loss is multiplied by. */
static double loss_unit(const tm_loss *loss) {
    const tm_objective o = loss->spec.objective;
    const bool is_square = o == TM_OBJECTIVE_SQUARED || o == TM_OBJECTIVE_HUBER;
    return is_square ? loss->spread * loss->spread : loss->spread;
}

static void loss_task(void *arg, uint64_t chunk, uint32_t worker) {
    const loss_job *job = arg;
    const tm_loss *loss = job->loss;
    double sum = 0;
    (void)worker;
    for (uint64_t row = chunk * TM_LOSS_CHUNK; row < chunk_end(loss->n_rows, chunk); row++) {
        const double w = loss->weights != NULL ? loss->weights[row] : 1;
        sum += w > 0 ? w * row_loss(job, row) : 0;
    }
    job->chunks[chunk] = sum;
}

double tm__loss_mean(struct tm_pool *pool, const tm_loss *loss, const double *scores,
                     const double *norms, double *chunks) {
    const uint64_t n_chunks = chunk_count(loss->n_rows);
    loss_job job = {.loss = loss, .scores = scores, .norms = norms, .chunks = chunks};
    tm__pool_run(pool, n_chunks, loss_task, &job);
    double sum = 0;
    for (uint64_t chunk = 0; chunk < n_chunks; chunk++) {
        sum += chunks[chunk];
    }
    return sum / (double)loss->n_rows * loss_unit(loss);
}

static tm_status gradients_alloc(uint64_t n_rows, uint64_t n_all, tm_gradients *out, tm_err *err) {
    tm_gradients gradients = {.n_rows = n_rows};
    gradients.g = tm__mem_alloc(n_rows, sizeof(float));
    gradients.h = tm__mem_alloc(n_rows, sizeof(float));
    gradients.chunks = tm__mem_alloc(chunk_count(n_all) * 4, sizeof(double));
    if (gradients.g == NULL || gradients.h == NULL || gradients.chunks == NULL) {
        tm__gradients_done(&gradients);
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for the gradients of %llu rows",
                       (unsigned long long)n_rows);
    }
    *out = gradients;
    return TM_OK;
}

tm_status tm__gradients_init(uint64_t n_rows, tm_gradients *out, tm_err *err) {
    return gradients_alloc(n_rows, n_rows, out, err);
}

tm_status tm__gradients_init_part(const tm_loss *part, tm_gradients *out, tm_err *err) {
    return gradients_alloc(part->n_rows, part->n_all, out, err);
}

void tm__gradients_done(tm_gradients *gradients) {
    tm__mem_free(gradients->g);
    tm__mem_free(gradients->h);
    tm__mem_free(gradients->chunks);
    *gradients = (tm_gradients){0};
}

/* Rows of one output whose gradients are wanted. */
typedef struct row_block {
    const tm_loss *loss;
    const double *s, *y, *norms; /* [n] */
    uint32_t output, n;
    double *g, *h; /* [n] */
} row_block;

static void squared_gradients(const row_block *b) {
    const double per_scale = 1 / b->loss->scale; /* exact: a power of two */
#pragma omp simd
    for (uint32_t i = 0; i < b->n; i++) {
        b->g[i] = (b->s[i] - b->y[i]) * per_scale;
        b->h[i] = 1;
    }
}

/* SQUARED up to delta. */
static void huber_gradients(const row_block *b) {
    const double delta = b->loss->spec.huber_delta / b->loss->scale;
    squared_gradients(b);
#pragma omp simd
    for (uint32_t i = 0; i < b->n; i++) {
        const double g = b->g[i] > delta ? delta : b->g[i];
        b->g[i] = g < -delta ? -delta : g;
    }
}

/* ABSOLUTE is twice the quantile of one half. At the target itself 0 is one of the slopes. */
static void quantile_gradients(const row_block *b, double above, double below) {
#pragma omp simd
    for (uint32_t i = 0; i < b->n; i++) {
        const double d = b->s[i] - b->y[i];
        const double g = d > 0 ? above : 0;
        b->g[i] = d < 0 ? below : g;
        b->h[i] = 1;
    }
}

/* b->h holds probabilities. */
static TM_ALWAYS_INLINE void of_probabilities_loop(const row_block *b) {
    const double *y = b->y;
    double *g = b->g, *h = b->h;
#pragma omp simd
    for (uint32_t i = 0; i < b->n; i++) {
        g[i] = h[i] - y[i];
        h[i] = h[i] * (1 - h[i]);
    }
}

TM_SIMD_KERNEL(of_probabilities, (const row_block *b), (b));

static void logistic_gradients(const row_block *b) {
    tm__sigmoid_array(b->s, b->h, b->n);
    of_probabilities(b);
}

/* b->g holds probabilities of the output. */
static TM_ALWAYS_INLINE void of_classes_loop(const row_block *b, double factor, double output) {
    const double *y = b->y;
    double *g = b->g, *h = b->h;
#pragma omp simd
    for (uint32_t i = 0; i < b->n; i++) {
        const double p = g[i], curve = factor * p * (1 - p);
        g[i] = p - (y[i] == output ? 1 : 0);
        h[i] = curve > 0 ? curve : 0; /* p may be an ulp over 1 */
    }
}

TM_SIMD_KERNEL(of_classes, (const row_block *b, double factor, double output), (b, factor, output));

static void softmax_gradients(const row_block *b) {
    const double k = (double)b->loss->spec.n_outputs;
    less(b->s, b->norms, b->n, b->g);
    tm__exp_array(b->g, b->g, b->n);
    /* Friedman 2001, sec. 4.6: scores have one freedom less. */
    of_classes(b, k / (k - 1), (double)b->output);
}

/*
 * With up = y e^{(1-p) s} and down = e^{(2-p) s}: g = down - up, h = (2-p) down + (p-1) up. A power
 * of 1 needs one exp, of 2 the other.
 */
static void log_gradients(const row_block *b) {
    const double p = tm__objective_power(&b->loss->spec);
    TM_UNSET double up[BLOCK], down[BLOCK];
#pragma omp simd
    for (uint32_t i = 0; i < b->n; i++) {
        const double s = b->s[i] > SCORE_MAX ? SCORE_MAX : b->s[i];
        const double within = s < -SCORE_MAX ? -SCORE_MAX : s;
        up[i] = (1 - p) * within;
        down[i] = (2 - p) * within;
    }
    if (p > 1) {
        tm__exp_array(up, up, b->n);
    }
    if (p < 2) {
        tm__exp_array(down, down, b->n);
    }
#pragma omp simd
    for (uint32_t i = 0; i < b->n; i++) {
        const double u = b->y[i] * (p > 1 ? up[i] : 1), d = p < 2 ? down[i] : 1;
        b->g[i] = d - u;
        b->h[i] = (2 - p) * d + (p - 1) * u;
    }
}

/* Gradients and hessians without their weights. Loops of one kind a block, so that each is a loop
 * over arrays. */
static void block_gradients(const row_block *b) {
    const tm_loss *loss = b->loss;
    switch (loss->spec.objective) {
    case TM_OBJECTIVE_LOGISTIC:
        logistic_gradients(b);
        break;
    case TM_OBJECTIVE_SOFTMAX:
        softmax_gradients(b);
        break;
    case TM_OBJECTIVE_ABSOLUTE:
        quantile_gradients(b, 1, -1);
        break;
    case TM_OBJECTIVE_QUANTILE:
        quantile_gradients(b, 1 - loss->spec.quantile, -loss->spec.quantile);
        break;
    case TM_OBJECTIVE_HUBER:
        huber_gradients(b);
        break;
    case TM_OBJECTIVE_POISSON:
    case TM_OBJECTIVE_GAMMA:
    case TM_OBJECTIVE_TWEEDIE:
        log_gradients(b);
        break;
    default:
        squared_gradients(b);
        break;
    }
}

void tm__gradients_narrow_ref(const tm_narrow *narrow, uint32_t n) {
    for (uint32_t k = 0; k < 2; k++) {
        tm_sum_lanes *sums = narrow->sums[k];
        for (uint32_t i = 0; i < n; i++) {
            const uint32_t lane = i % TM_SUM_LANES;
            narrow->out[k][i] = (float)narrow->x[k][i];
            const double size = fabs((double)narrow->out[k][i]);
            sums->sum[lane] += size;
            sums->max[lane] = size > sums->max[lane] ? size : sums->max[lane];
        }
    }
}

typedef double lanes_f64 __attribute__((vector_size(TM_SUM_LANES * sizeof(double))));
typedef float lanes_f32 __attribute__((vector_size(TM_SUM_LANES * sizeof(float))));
typedef int64_t lanes_i64 __attribute__((vector_size(TM_SUM_LANES * sizeof(int64_t))));

/* The same, a vector of lanes a step: sums wait for each other, those of both arrays do not. */
static TM_ALWAYS_INLINE void narrow_both_loop(const tm_narrow *narrow, uint32_t n) {
    const lanes_i64 no_sign = (lanes_i64){0} + INT64_MAX;
    const tm_narrow to = *narrow;
    lanes_f64 sum[2], max[2];
    uint32_t i = 0;
    for (uint32_t k = 0; k < 2; k++) {
        memcpy(&sum[k], to.sums[k]->sum, sizeof(sum[k]));
        memcpy(&max[k], to.sums[k]->max, sizeof(max[k]));
    }
    for (; i + TM_SUM_LANES <= n; i += TM_SUM_LANES) {
#pragma GCC unroll 2
        for (uint32_t k = 0; k < 2; k++) {
            lanes_f64 size;
            memcpy(&size, to.x[k] + i, sizeof(size));
            const lanes_f32 rounded = __builtin_convertvector(size, lanes_f32);
            memcpy(to.out[k] + i, &rounded, sizeof(rounded));
            size = __builtin_convertvector(rounded, lanes_f64);
            size = (lanes_f64)((lanes_i64)size & no_sign);
            sum[k] += size;
            const lanes_i64 is_more = size > max[k];
            max[k] = (lanes_f64)(((lanes_i64)size & is_more) | ((lanes_i64)max[k] & ~is_more));
        }
    }
    for (uint32_t k = 0; k < 2; k++) {
        memcpy(to.sums[k]->sum, &sum[k], sizeof(sum[k]));
        memcpy(to.sums[k]->max, &max[k], sizeof(max[k]));
    }
    const tm_narrow rest = {.x = {to.x[0] + i, to.x[1] + i},
                            .out = {to.out[0] + i, to.out[1] + i},
                            .sums = {to.sums[0], to.sums[1]}};
    tm__gradients_narrow_ref(&rest, n - i);
}

TM_SIMD_KERNEL(narrow_both, (const tm_narrow *narrow, uint32_t n), (narrow, n));

void tm__gradients_narrow(const tm_narrow *narrow, uint32_t n) {
    narrow_both(narrow, n);
}

void tm__gradients_fixed_ref(const float *x, double per_unit, uint32_t n, int64_t *out) {
    for (uint32_t i = 0; i < n; i++) {
        out[i] = (int64_t)((double)x[i] * per_unit);
    }
}

static TM_ALWAYS_INLINE void fixed_loop(const float *x, double per_unit, uint32_t n, int64_t *out) {
#pragma omp simd
    for (uint32_t i = 0; i < n; i++) {
        out[i] = (int64_t)((double)x[i] * per_unit);
    }
}

TM_SIMD_KERNEL(fixed, (const float *x, double per_unit, uint32_t n, int64_t *out),
               (x, per_unit, n, out));

void tm__gradients_fixed(const float *x, double per_unit, uint32_t n, int64_t *out) {
    fixed(x, per_unit, n, out);
}

static void gradients_task(void *arg, uint64_t chunk, uint32_t worker) {
    const loss_job *job = arg;
    const tm_loss *loss = job->loss;
    tm_gradients *out = job->gradients;
    const uint64_t end = chunk_end(loss->n_rows, chunk);
    TM_UNSET double g[BLOCK], h[BLOCK];
    tm_sum_lanes sums_g = {0}, sums_h = {0};
    (void)worker;
    for (uint64_t row = chunk * TM_LOSS_CHUNK; row < end; row += BLOCK) {
        const uint32_t n = end - row < BLOCK ? (uint32_t)(end - row) : (uint32_t)BLOCK;
        for (uint32_t i = 0; i < n && job->step_scores != NULL; i++) {
            job->step_scores[row + i] += job->step.values[job->step.leaf_of[row + i]];
        }
        const row_block b = {
            .loss = loss,
            .s = job->scores + job->output * loss->n_rows + row,
            .y = loss->y + row,
            .norms = loss->spec.objective == TM_OBJECTIVE_SOFTMAX ? job->norms + row : NULL,
            .output = job->output,
            .n = n,
            .g = g,
            .h = h};
        if (job->rank_g != NULL) {
            memcpy(g, job->rank_g + row, n * sizeof(double));
            memcpy(h, job->rank_h + row, n * sizeof(double));
        } else {
            block_gradients(&b);
        }
        for (uint32_t i = 0; i < n && loss->weights != NULL; i++) {
            const double w = loss->weights[row + i];
            g[i] = w > 0 ? g[i] * w : 0;
            h[i] = w > 0 ? h[i] * w : 0;
        }
        const tm_narrow narrow = {
            .x = {g, h}, .out = {out->g + row, out->h + row}, .sums = {&sums_g, &sums_h}};
        tm__gradients_narrow(&narrow, n);
    }
    double *sums = out->chunks + 4 * (loss->row_begin / TM_LOSS_CHUNK + chunk);
    sums[0] = sums[1] = sums[2] = sums[3] = 0;
    for (uint32_t lane = 0; lane < TM_SUM_LANES; lane++) {
        sums[0] += sums_g.sum[lane];
        sums[1] += sums_h.sum[lane];
        sums[2] = fmax(sums[2], sums_g.max[lane]);
        sums[3] = fmax(sums[3], sums_h.max[lane]);
    }
}

/*
 * x rounded up or down at random, by 32 random bits. Adding 1.5 * 2^52 leaves the nearest integer
 * in the low bits of a double; x is moved before by less than a half either way, so that an integer
 * stays what it is.
 */
static TM_ALWAYS_INLINE int64_t round_random(double x, uint64_t random) {
    const double magic = 0x1.8p52, one = 0x1p52;
    double uniform, rounded;
    uint64_t one_bits, magic_bits, bits;
    memcpy(&one_bits, &one, sizeof(bits));
    memcpy(&magic_bits, &magic, sizeof(bits));
    bits = one_bits | random;
    memcpy(&uniform, &bits, sizeof(bits));
    rounded = x + (((uniform - one) + 0.5) * 0x1p-32 - 0.5) + magic;
    memcpy(&bits, &rounded, sizeof(bits));
    return (int64_t)(bits - magic_bits);
}

static TM_ALWAYS_INLINE double saturated(double g) {
    const double low = g < -PACKED_MAX ? -PACKED_MAX : g;
    return low > PACKED_MAX ? PACKED_MAX : low;
}

void tm__gradients_pack_ref(const tm_pack *p, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        const int64_t g =
            round_random(saturated((double)p->g[i] * p->per_g), p->random[i] & 0xFFFFFFFFu);
        const int64_t h = round_random((double)p->h[i] * p->per_h, p->random[i] >> 32);
        const bool counts = h == 0 && p->h[i] > 0;
        p->out[i] = (int32_t)(g * (1 << 16) + (counts ? 1 : h));
    }
}

/* The same without branches, for vectors. */
static TM_ALWAYS_INLINE void pack_loop(const tm_pack *pack, uint32_t n) {
    const tm_pack p = *pack;
#pragma omp simd
    for (uint32_t i = 0; i < n; i++) {
        const double size = saturated((double)p.g[i] * p.per_g);
        const int64_t g = round_random(size, p.random[i] & 0xFFFFFFFFu);
        const int64_t h = round_random((double)p.h[i] * p.per_h, p.random[i] >> 32);
        const int64_t one = (h == 0) & (p.h[i] > 0);
        p.out[i] = (int32_t)(((uint32_t)g << 16) + (uint32_t)(h + one));
    }
}

TM_SIMD_KERNEL(pack, (const tm_pack *p, uint32_t n), (p, n));

void tm__gradients_pack(const tm_pack *p, uint32_t n) {
    pack(p, n);
}

void tm__gradients_pack_rows(const tm_gradients *gradients, uint64_t begin, uint64_t end,
                             int32_t *out) {
    TM_UNSET uint64_t random[BLOCK];
    for (uint64_t row = begin; gradients->packed != NULL && row < end; row++) {
        out[row - begin] = gradients->packed[row * gradients->packed_step];
    }
    for (uint64_t row = begin; gradients->packed == NULL && row < end; row += BLOCK) {
        const uint32_t n = end - row < BLOCK ? (uint32_t)(end - row) : (uint32_t)BLOCK;
        tm__rng_fill(gradients->key, gradients->row_begin + row, n, random);
        const tm_pack block = {.g = gradients->g + row,
                               .h = gradients->h + row,
                               .random = random,
                               .per_g = gradients->unit_g > 0 ? 1 / gradients->unit_g : 0,
                               .per_h = gradients->unit_h > 0 ? 1 / gradients->unit_h : 0,
                               .out = out + (row - begin)};
        tm__gradients_pack(&block, n);
    }
}

/* Every hessian is 1. */
static bool has_counts(const tm_loss *loss) {
    const tm_objective o = loss->spec.objective;
    return loss->weights == NULL && (o == TM_OBJECTIVE_SQUARED || tm__objective_renews(o));
}

void tm__gradients_fit(struct tm_pool *pool, const tm_loss *loss, uint32_t output,
                       const tm_gradients_from *from, tm_gradients *out) {
    TM_ASSERT(out->n_rows == loss->n_rows && loss->n_all <= TM_LOSS_MAX_ROWS);
    TM_ASSERT(from->step == NULL || loss->rank == NULL);
    loss_job job = {.loss = loss,
                    .output = output,
                    .scores = from->scores,
                    .norms = from->norms,
                    .gradients = out};
    if (from->step != NULL) {
        job.step = *from->step;
        job.step_scores = from->scores + output * loss->n_rows;
    }
    const uint64_t n_chunks = chunk_count(loss->n_all);
    if (loss->rank != NULL) {
        tm__rank_fit(pool, loss->rank, from->all_scores != NULL ? from->all_scores : from->scores,
                     &job.rank_g, &job.rank_h);
        job.rank_g += loss->row_begin;
        job.rank_h += loss->row_begin;
    }
    tm__pool_run(pool, chunk_count(loss->n_rows), gradients_task, &job);
    tm__comm_gather(loss->comm, (tm_row_deal){n_chunks, 1}, 4 * sizeof(double), out->chunks);
    out->sum_abs_g = out->sum_h = out->max_abs_g = out->max_h = 0;
    for (uint64_t chunk = 0; chunk < n_chunks; chunk++) {
        const double *sums = out->chunks + 4 * chunk;
        out->sum_abs_g += sums[0];
        out->sum_h += sums[1];
        out->max_abs_g = fmax(out->max_abs_g, sums[2]);
        out->max_h = fmax(out->max_h, sums[3]);
    }
    /* A row fits 16 bits, and all rows 32. Rounding adds less than 1 to each row; what is left is
     * shared in proportion. */
    const double n = (double)loss->n_all;
    const double most = loss->spec.objective == TM_OBJECTIVE_SQUARED
                            ? fmin(out->max_abs_g, SATURATION * out->sum_abs_g / n)
                            : out->max_abs_g;
    out->unit_g = fmax(out->sum_abs_g / (0x1p31 - 2 - n), most / PACKED_MAX);
    out->unit_h = fmax(out->sum_h / (0x1p32 - 2 - n), out->max_h / (0x1p16 - 2));
    if (has_counts(loss)) {
        out->unit_h = 1; /* hessians are counts */
    }
    out->packed = NULL;
    out->key = from->key;
    out->row_begin = loss->row_begin;
}
