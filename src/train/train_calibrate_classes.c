/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fits of calibration maps for several classes, by Newton's steps: the loss is convex in scales and
 * shifts.
 *
 * Parameters of the vector: scales, then shifts. Raw scores are cut as far from zero as no map
 * needs them, so that squares of them stay finite.
 */
#include "train/train_calibrate.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"

#define SCORE_CUT 1e4
#define CLASSES_MAX 20u
#define STEPS_MAX 50u
#define HALVES_MAX 27u /* of a step */
#define RIDGE 1.0      /* a row's worth of pull to scale 1 and shift 0 */
#define CLOSE 1e-8     /* of a row's gradient */
#define SIZE_MAX_OF (2u * CLASSES_MAX)

typedef struct problem {
    const tm_calibrate_rows *rows;
    uint32_t k;        /* classes */
    uint32_t n_params; /* 1: one scale; 2 k: a scale and a shift each */
    double gradient[SIZE_MAX_OF];
    double hessian[SIZE_MAX_OF * SIZE_MAX_OF]; /* lower triangle */
} problem;

static double cut(double x) {
    return fmin(fmax(x, -SCORE_CUT), SCORE_CUT);
}

/* Scores of a row under the parameters in z, and the log of the sum of their exps. */
static double scores_of(const problem *p, const double *theta, uint64_t row, double *z) {
    const double *x = p->rows->raw + row * p->k;
    double top = -INFINITY, sum = 0.0;
    for (uint32_t j = 0; j < p->k; j++) {
        z[j] = p->n_params == 1 ? theta[0] * cut(x[j]) : theta[j] * cut(x[j]) + theta[p->k + j];
        top = z[j] > top ? z[j] : top;
    }
    for (uint32_t j = 0; j < p->k; j++) {
        sum += tm__exp(z[j] - top);
    }
    return top + tm__log(sum);
}

/* How far parameter j is from doing nothing. */
static double away(const problem *p, const double *theta, uint32_t j) {
    return theta[j] - (j < p->k ? 1.0 : 0.0);
}

static double loss_of(const problem *p, const double *theta, double *z) {
    double sum = 0.0;
    for (uint64_t i = 0; i < p->rows->n; i++) {
        const double log_sum = scores_of(p, theta, i, z);
        sum += p->rows->weights[i] * (log_sum - z[(uint32_t)p->rows->y[i]]);
    }
    for (uint32_t j = 0; j < p->n_params; j++) {
        sum += 0.5 * RIDGE * away(p, theta, j) * away(p, theta, j);
    }
    return sum;
}

/* What parameter j multiplies in the score of its class. */
static double factor_of(const problem *p, const double *x, uint32_t j) {
    return j < p->k ? cut(x[j]) : 1.0;
}

static void add_row_of_vector(problem *p, const double *x, const double *prob, uint32_t truth,
                              double w) {
    for (uint32_t a = 0; a < p->n_params; a++) {
        const uint32_t ka = a % p->k;
        const double fa = w * factor_of(p, x, a);
        p->gradient[a] += fa * (prob[ka] - (ka == truth ? 1.0 : 0.0));
        for (uint32_t b = 0; b <= a; b++) {
            const uint32_t kb = b % p->k;
            const double curve = prob[ka] * ((ka == kb ? 1.0 : 0.0) - prob[kb]);
            p->hessian[a * p->n_params + b] += fa * factor_of(p, x, b) * curve;
        }
    }
}

static void add_row_of_scale(problem *p, const double *x, const double *prob, uint32_t truth,
                             double w) {
    double mean = 0.0, square = 0.0;
    for (uint32_t j = 0; j < p->k; j++) {
        mean += prob[j] * cut(x[j]);
        square += prob[j] * cut(x[j]) * cut(x[j]);
    }
    p->gradient[0] += w * (mean - cut(x[truth]));
    p->hessian[0] += w * fmax(square - mean * mean, 0.0);
}

static void derive(problem *p, const double *theta, double *z) {
    const uint32_t n = p->n_params;
    memset(p->gradient, 0, n * sizeof(double));
    memset(p->hessian, 0, (size_t)n * n * sizeof(double));
    for (uint64_t i = 0; i < p->rows->n; i++) {
        const double log_sum = scores_of(p, theta, i, z);
        const double *x = p->rows->raw + i * p->k;
        for (uint32_t j = 0; j < p->k; j++) {
            z[j] = tm__exp(z[j] - log_sum);
        }
        (n == 1 ? add_row_of_scale : add_row_of_vector)(p, x, z, (uint32_t)p->rows->y[i],
                                                        p->rows->weights[i]);
    }
    for (uint32_t j = 0; j < n; j++) {
        p->gradient[j] += RIDGE * away(p, theta, j);
        p->hessian[j * n + j] += RIDGE;
    }
}

/* Cholesky in place, then the step: hessian * step = -gradient. False when it is not positive. */
static bool solve(problem *p, double *step) {
    const uint32_t n = p->n_params;
    double *l = p->hessian;
    for (uint32_t a = 0; a < n; a++) {
        for (uint32_t b = 0; b <= a; b++) {
            double sum = l[a * n + b];
            for (uint32_t c = 0; c < b; c++) {
                sum -= l[a * n + c] * l[b * n + c];
            }
            if (a == b && !(sum > 0.0)) {
                return false;
            }
            l[a * n + b] = a == b ? tm__sqrt(sum) : sum / l[b * n + b];
        }
    }
    for (uint32_t a = 0; a < n; a++) {
        double sum = -p->gradient[a];
        for (uint32_t c = 0; c < a; c++) {
            sum -= l[a * n + c] * step[c];
        }
        step[a] = sum / l[a * n + a];
    }
    for (uint32_t a = n; a-- > 0;) {
        double sum = step[a];
        for (uint32_t c = a + 1; c < n; c++) {
            sum -= l[c * n + a] * step[c];
        }
        step[a] = sum / l[a * n + a];
    }
    return true;
}

/* Along Newton's step as far as the loss falls enough; false at the end of the way. */
static bool advance(problem *p, double *theta, double *io_loss, double *z) {
    double step[SIZE_MAX_OF], next[SIZE_MAX_OF], fall = 0.0, steepest = 0.0;
    derive(p, theta, z);
    for (uint32_t j = 0; j < p->n_params; j++) {
        steepest = fmax(steepest, fabs(p->gradient[j]));
    }
    if (steepest < CLOSE * (double)p->rows->n || !solve(p, step)) {
        return false;
    }
    for (uint32_t j = 0; j < p->n_params; j++) {
        fall += p->gradient[j] * step[j];
    }
    double size = 1.0;
    for (uint32_t half = 0; half < HALVES_MAX; half++, size *= 0.5) {
        for (uint32_t j = 0; j < p->n_params; j++) {
            next[j] = theta[j] + size * step[j];
        }
        const double loss = loss_of(p, next, z);
        if (loss < *io_loss + 1e-4 * size * fall) {
            memcpy(theta, next, p->n_params * sizeof(double));
            *io_loss = loss;
            return true;
        }
    }
    return false;
}

static tm_status fit(const tm_calibrate_rows *rows, bool is_vector, tm_calibration *out,
                     tm_err *err) {
    const uint32_t k = rows->n_outputs;
    double theta[SIZE_MAX_OF] = {0};
    problem *p = tm__mem_zalloc(1, sizeof(*p));
    double *z = tm__mem_alloc(k, sizeof(double));
    tm_calibration map = {0};
    tm_status st = p == NULL || z == NULL
                       ? TM_FAIL(err, TM_E_NOMEM, "no memory for a calibration")
                       : tm__calibration_init(&map, TM_CALIBRATION_SCALE, k, err);
    if (st == TM_OK) {
        p->rows = rows;
        p->k = k;
        p->n_params = is_vector ? 2 * k : 1;
        for (uint32_t j = 0; j < (is_vector ? k : 1); j++) {
            theta[j] = 1.0;
        }
        double loss = loss_of(p, theta, z);
        for (uint32_t i = 0; i < STEPS_MAX && advance(p, theta, &loss, z); i++) {
        }
        for (uint32_t j = 0; j < k; j++) {
            map.scales[j] = theta[is_vector ? j : 0];
            map.shifts[j] = is_vector ? theta[k + j] : 0.0;
        }
        if (!tm__calibration_is_sound(&map)) {
            tm__calibration_done(&map);
        }
        *out = map;
    }
    tm__mem_free(p);
    tm__mem_free(z);
    return st;
}

tm_status tm__temperature_fit(const tm_calibrate_rows *rows, tm_calibration *out, tm_err *err) {
    return fit(rows, false, out, err);
}

tm_status tm__vector_fit(const tm_calibrate_rows *rows, tm_calibration *out, tm_err *err) {
    if (rows->n_outputs > CLASSES_MAX) {
        memset(out, 0, sizeof(*out));
        return TM_OK;
    }
    return fit(rows, true, out, err);
}
