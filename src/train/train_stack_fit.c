/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of an output's weights and bias, one after the other, each by a step of Newton:
 *
 *     loss of the rows + 1/2 ridge (w - prior)^2,  w >= 0
 *
 * The quadratic model of a block has at most nine unknowns, and is minimised under its bounds by
 * coordinate descent. Members answer nearly the same, so what tells them apart has little
 * curvature: the ridge, of `strength` rows of the sharpest curvature (1/4 for a probability), holds
 * such directions at the prior.
 *
 * Raw answers are centred for each output by the curvature at the prior, so that weights and bias
 * do not move against each other.
 *
 * Invariants:
 *   1. score [i, k] is the raw score of the weights as they are.
 *   2. Of a softmax, part [i, k] is exp(score [i, k] - top [i]), and total [i] their sum.
 *   3. Sums run over rows in their order.
 */
#include "train/train_stack_fit.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"

#define SIZE (TM_STACK_MEMBERS + 1u) /* weights and a bias */
#define SWEEPS 20u
#define QUADRATIC_SWEEPS 60u
#define STEP_MAX 0.5 /* of a weight in one sweep */
#define ENOUGH 1e-3  /* steps below it end the fit */
#define FLOOR 1e-15  /* of a probability in a log-loss, as in metric.c */
#define EXP_MAX 700.0

/* A block: gradient and curvature of an output's weights, the bias last. */
typedef struct block {
    uint32_t n; /* members + 1 */
    double gradient[SIZE];
    double curvature[SIZE][SIZE];
    double step[SIZE];
} block;

typedef struct job {
    const tm_stack_rows *rows;
    uint32_t k, m;              /* outputs, members */
    double *weights, *bias;     /* as they are; bias of centred answers */
    double *prior, *prior_bias; /* [m x k], [k] */
    double *centre, *ridge;     /* [m x k] */
    double *score;              /* [n x k] */
    double *part, *total, *top; /* of a softmax: [n x k], [n], [n] */
    double *slope, *bend;       /* [n] of one output: first and second derivative */
} job;

bool tm__stack_knows(tm_link link) {
    return link == TM_LINK_NONE || link == TM_LINK_EXP || link == TM_LINK_SIGMOID ||
           link == TM_LINK_SOFTMAX;
}

static bool is_class(const tm_stack_rows *rows) {
    return rows->link == TM_LINK_SIGMOID || rows->link == TM_LINK_SOFTMAX;
}

static double weight_of(const tm_stack_rows *rows, uint64_t row) {
    const bool counts = !is_class(rows) || rows->y[row] < rows->n_classes;
    return !counts ? 0.0 : rows->weights != NULL ? rows->weights[row] : 1.0;
}

void tm__stack_apply(const tm_stack_rows *rows, const double *weights, const double *bias,
                     double *out) {
    const uint32_t k = rows->n_outputs;
    for (uint64_t i = 0; i < rows->n; i++) {
        memcpy(out + i * k, bias, k * sizeof(double));
    }
    for (uint32_t m = 0; m < rows->n_members; m++) {
        for (uint64_t i = 0; i < rows->n; i++) {
            for (uint32_t j = 0; j < k; j++) {
                out[i * k + j] += weights[m * k + j] * rows->raw[m][i * k + j];
            }
        }
    }
}

void tm__stack_losses(const tm_stack_rows *rows, double *raw, double *out) {
    const uint32_t k = rows->n_outputs;
    tm__model_link(rows->link, k, rows->n, raw);
    for (uint64_t i = 0; i < rows->n; i++) {
        const double weight = weight_of(rows, i), y = rows->y[i];
        if (!(weight > 0.0)) {
            out[i] = 0.0;
        } else if (is_class(rows)) {
            const double p = k > 1 ? raw[i * k + (uint32_t)y] : y == 1 ? raw[i] : 1.0 - raw[i];
            out[i] = -weight * tm__log(fmax(p, FLOOR));
        } else {
            out[i] = weight * (raw[i] - y) * (raw[i] - y);
        }
    }
}

/* ---- derivatives ---- */

/* Invariant 2, with the top of each row anew. */
static void settle_parts(job *j) {
    for (uint64_t i = 0; i < j->rows->n; i++) {
        const double *score = j->score + i * j->k;
        double *part = j->part + i * j->k;
        j->top[i] = score[0];
        for (uint32_t c = 1; c < j->k; c++) {
            j->top[i] = fmax(j->top[i], score[c]);
        }
        j->total[i] = 0.0;
        for (uint32_t c = 0; c < j->k; c++) {
            part[c] = tm__exp(score[c] - j->top[i]);
            j->total[i] += part[c];
        }
    }
}

/* First and second derivative of each row's loss by the score of output c. */
static void derive(job *j, uint32_t c) {
    const tm_stack_rows *rows = j->rows;
    for (uint64_t i = 0; i < rows->n; i++) {
        const double weight = weight_of(rows, i), score = j->score[i * j->k + c];
        if (!(weight > 0.0)) {
            j->slope[i] = j->bend[i] = 0.0;
        } else if (is_class(rows)) {
            const double p = rows->link == TM_LINK_SIGMOID
                                 ? tm__sigmoid(score)
                                 : fmin(j->part[i * j->k + c] / j->total[i], 1.0);
            const bool is_true = rows->y[i] == (j->k > 1 ? (double)c : 1.0);
            j->slope[i] = weight * (p - (is_true ? 1.0 : 0.0));
            j->bend[i] = weight * p * (1.0 - p);
        } else if (rows->link == TM_LINK_EXP) {
            const double mean = tm__exp(fmin(score, EXP_MAX));
            j->slope[i] = weight * (mean - rows->y[i]) * mean;
            j->bend[i] = weight * mean * mean; /* Gauss and Newton */
        } else {
            j->slope[i] = weight * (score - rows->y[i]);
            j->bend[i] = weight;
        }
    }
}

/* Centres and ridge by the curvature at the prior; the bias is that of centred answers then. */
static void settle_prior(job *j, double strength) {
    const uint64_t n = j->rows->n;
    for (uint32_t c = 0; c < j->k; c++) {
        double bends = 0.0;
        derive(j, c);
        for (uint64_t i = 0; i < n; i++) {
            bends += j->bend[i];
        }
        for (uint32_t m = 0; m < j->m; m++) {
            const double *raw = j->rows->raw[m];
            double sum = 0.0, squares = 0.0;
            for (uint64_t i = 0; i < n; i++) {
                sum += j->bend[i] * raw[i * j->k + c];
            }
            const double centre = bends > 0.0 ? sum / bends : 0.0;
            for (uint64_t i = 0; i < n; i++) {
                const double d = raw[i * j->k + c] - centre;
                squares += j->bend[i] * d * d;
            }
            const uint32_t at = m * j->k + c;
            const double sharpest = is_class(j->rows) ? 0.25 : bends / (double)n;
            j->centre[at] = centre;
            j->ridge[at] = bends > 0.0 ? strength * sharpest * squares / bends : 1.0;
            j->bias[c] += j->weights[at] * centre;
        }
    }
    memcpy(j->prior, j->weights, (size_t)j->m * j->k * sizeof(double));
    memcpy(j->prior_bias, j->bias, j->k * sizeof(double));
}

/* A row's curvature of the bias: it is shrunk by one row alone. */
static double ridge_of_bias(const job *j) {
    return is_class(j->rows) ? 0.25 : 1.0;
}

static double penalty(const job *j) {
    double sum = 0.0;
    for (uint32_t at = 0; at < j->m * j->k; at++) {
        const double d = j->weights[at] - j->prior[at];
        sum += 0.5 * j->ridge[at] * d * d;
    }
    for (uint32_t c = 0; c < j->k; c++) {
        const double d = j->bias[c] - j->prior_bias[c];
        sum += 0.5 * ridge_of_bias(j) * d * d;
    }
    return sum;
}

static void make_block(job *j, uint32_t c, block *b) {
    const uint32_t n_members = j->m;
    memset(b, 0, sizeof(*b));
    b->n = n_members + 1;
    for (uint64_t i = 0; i < j->rows->n; i++) {
        double x[SIZE];
        for (uint32_t m = 0; m < n_members; m++) {
            x[m] = j->rows->raw[m][i * j->k + c] - j->centre[m * j->k + c];
        }
        x[n_members] = 1.0;
        for (uint32_t a = 0; a < b->n; a++) {
            const double bent = j->bend[i] * x[a];
            b->gradient[a] += j->slope[i] * x[a];
            for (uint32_t e = 0; e <= a; e++) {
                b->curvature[a][e] += bent * x[e];
            }
        }
    }
    for (uint32_t a = 0; a < b->n; a++) {
        const uint32_t at = a * j->k + c;
        const double ridge = a < n_members ? j->ridge[at] : ridge_of_bias(j);
        const double away =
            a < n_members ? j->weights[at] - j->prior[at] : j->bias[c] - j->prior_bias[c];
        b->gradient[a] += ridge * away;
        b->curvature[a][a] += ridge;
        for (uint32_t e = 0; e < a; e++) {
            b->curvature[e][a] = b->curvature[a][e];
        }
    }
}

/* Least of the quadratic model, with no weight under 0. */
static void solve_block(const job *j, uint32_t c, block *b) {
    for (uint32_t sweep = 0; sweep < QUADRATIC_SWEEPS; sweep++) {
        double most = 0.0;
        for (uint32_t a = 0; a < b->n; a++) {
            double slope = b->gradient[a];
            for (uint32_t e = 0; e < b->n; e++) {
                slope += b->curvature[a][e] * b->step[e];
            }
            double next = b->curvature[a][a] > 0.0 ? b->step[a] - slope / b->curvature[a][a] : 0.0;
            next = a < j->m ? fmax(next, -j->weights[a * j->k + c]) : next;
            most = fmax(most, fabs(next - b->step[a]));
            b->step[a] = next;
        }
        if (most < 0.01 * ENOUGH) {
            break;
        }
    }
}

/* Go a step, a shorter one where it is long; returns the largest move of a weight. */
static double move(job *j, uint32_t c, const block *b) {
    double most = 0.0;
    for (uint32_t m = 0; m < j->m; m++) {
        most = fmax(most, fabs(b->step[m]));
    }
    const double scale = most > STEP_MAX ? STEP_MAX / most : 1.0;
    double shift = scale * b->step[j->m];
    j->bias[c] += shift;
    for (uint32_t m = 0; m < j->m; m++) {
        double *weight = &j->weights[m * j->k + c];
        *weight = fmax(*weight + scale * b->step[m], 0.0);
        shift -= scale * b->step[m] * j->centre[m * j->k + c];
    }
    for (uint64_t i = 0; i < j->rows->n; i++) {
        double *score = &j->score[i * j->k + c];
        *score += shift;
        for (uint32_t m = 0; m < j->m; m++) {
            *score += scale * b->step[m] * j->rows->raw[m][i * j->k + c];
        }
        if (j->part != NULL) {
            double *part = &j->part[i * j->k + c];
            j->total[i] -= *part;
            *part = tm__exp(fmin(*score - j->top[i], EXP_MAX));
            j->total[i] += *part;
        }
    }
    return scale * most;
}

/* Penalised loss; halved squares, as the derivatives have them. */
static double objective(job *j, double *raw, double *losses) {
    double sum = 0.0;
    memcpy(raw, j->score, j->rows->n * j->k * sizeof(double));
    tm__stack_losses(j->rows, raw, losses);
    for (uint64_t i = 0; i < j->rows->n; i++) {
        sum += losses[i];
    }
    return (is_class(j->rows) ? 1.0 : 0.5) * sum + penalty(j);
}

static void run(job *j) {
    for (uint32_t sweep = 0; sweep < SWEEPS; sweep++) {
        double most = 0.0;
        if (j->part != NULL) {
            settle_parts(j);
        }
        for (uint32_t c = 0; c < j->k; c++) {
            block b;
            derive(j, c);
            make_block(j, c, &b);
            solve_block(j, c, &b);
            most = fmax(most, move(j, c, &b));
        }
        if (!(most >= ENOUGH)) {
            break;
        }
    }
}

static void job_done(job *j) {
    double *const owned[] = {j->weights, j->bias, j->prior, j->prior_bias, j->centre, j->ridge,
                             j->score,   j->part, j->total, j->top,        j->slope,  j->bend};
    for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++) {
        tm__mem_free(owned[i]);
    }
}

static tm_status job_init(job *j, const tm_stack_rows *rows, tm_err *err) {
    const size_t n = rows->n, k = rows->n_outputs, cells = rows->n_members * k;
    *j = (job){.rows = rows, .k = rows->n_outputs, .m = rows->n_members};
    struct {
        double **out;
        size_t n;
    } wanted[] = {{&j->weights, cells}, {&j->bias, k},      {&j->prior, cells}, {&j->prior_bias, k},
                  {&j->centre, cells},  {&j->ridge, cells}, {&j->score, n * k}, {&j->slope, n},
                  {&j->bend, n},        {&j->part, n * k},  {&j->total, n},     {&j->top, n}};
    const size_t n_wanted = rows->link == TM_LINK_SOFTMAX ? 12 : 9;
    for (size_t i = 0; i < n_wanted; i++) {
        *wanted[i].out = tm__mem_zalloc(wanted[i].n, sizeof(double));
        if (*wanted[i].out == NULL) {
            job_done(j);
            return TM_FAIL(err, TM_E_NOMEM, "no memory for a stack");
        }
    }
    return TM_OK;
}

/* Weights and the bias of answers that are not centred; false where they are of no use. */
static bool take(const job *j, double *weights, double *bias) {
    bool is_finite = true;
    for (uint32_t c = 0; c < j->k; c++) {
        double sum = j->bias[c];
        for (uint32_t m = 0; m < j->m; m++) {
            sum -= j->weights[m * j->k + c] * j->centre[m * j->k + c];
            is_finite = is_finite && isfinite(j->weights[m * j->k + c]);
        }
        is_finite = is_finite && isfinite(sum);
        j->bias[c] = sum;
    }
    if (is_finite) {
        memcpy(weights, j->weights, (size_t)j->m * j->k * sizeof(double));
        memcpy(bias, j->bias, j->k * sizeof(double));
    }
    return is_finite;
}

tm_status tm__stack_fit(const tm_stack_rows *rows, double strength, double *weights, double *bias,
                        tm_err *err) {
    job j;
    TM_TRY(job_init(&j, rows, err));
    double *raw = tm__mem_alloc(rows->n * rows->n_outputs, sizeof(double));
    double *losses = tm__mem_alloc(rows->n, sizeof(double));
    tm_status st = TM_OK;
    if (raw == NULL || losses == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "no memory for a stack");
    } else {
        memcpy(j.weights, weights, (size_t)j.m * j.k * sizeof(double));
        memcpy(j.bias, bias, j.k * sizeof(double));
        tm__stack_apply(rows, weights, bias, j.score);
        if (j.part != NULL) {
            settle_parts(&j);
        }
        settle_prior(&j, strength);
        const double before = objective(&j, raw, losses);
        run(&j);
        const double after = objective(&j, raw, losses);
        if (after < before) {
            (void)take(&j, weights, bias);
        }
    }
    tm__mem_free(raw);
    tm__mem_free(losses);
    job_done(&j);
    return st;
}
