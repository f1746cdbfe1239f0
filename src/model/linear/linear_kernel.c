/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Design. Along rows where rows do not meet (margins, softmax): a column's numbers lie one behind
 * the other. Sums over rows keep the order of rows, so there a vector is of outputs, and the sums
 * of four columns are under way at a time, since each waits for its last one.
 */
#include "model/linear/linear_kernel.h"

#include <string.h>

#include "base/simd.h"

#define BLOCK TM_LINEAR_BLOCK
#define RUN TM_LINEAR_RUN
#define LANES 8u

typedef double lanes_f64 __attribute__((vector_size(LANES * sizeof(double))));

static TM_ALWAYS_INLINE void widen_loop(const float *x, uint64_t n, double *out) {
#pragma omp simd
    for (uint64_t i = 0; i < n; i++) {
        out[i] = (double)x[i];
    }
}

TM_SIMD_KERNEL(widen, (const float *x, uint64_t n, double *out), (x, n, out));

void tm__linear_widen(const float *x, uint64_t n, double *out) {
    widen(x, n, out);
}

/* ---- margins ---- */

void tm__linear_add_run_ref(const double *x, const double *theta, uint64_t n, size_t k, double *z) {
    for (uint32_t c = 0; c < RUN; c++) {
        for (size_t o = 0; o < k; o++) {
            for (uint64_t i = 0; i < n; i++) {
                z[o * BLOCK + i] += theta[c * k + o] * x[c * BLOCK + i];
            }
        }
    }
}

static TM_ALWAYS_INLINE void add_run_loop(const double *x, const double *theta, uint64_t n,
                                          size_t k, double *z) {
    for (size_t o = 0; o < k; o++) {
        const double a = theta[o], b = theta[k + o], c = theta[2 * k + o], d = theta[3 * k + o];
        double *const out = z + o * BLOCK;
#pragma omp simd
        for (uint64_t i = 0; i < n; i++) {
            out[i] = (((out[i] + a * x[i]) + b * x[BLOCK + i]) + c * x[2 * BLOCK + i]) +
                     d * x[3 * BLOCK + i];
        }
    }
}

TM_SIMD_KERNEL(add_run, (const double *x, const double *theta, uint64_t n, size_t k, double *z),
               (x, theta, n, k, z));

void tm__linear_add_run(const double *x, const double *theta, uint64_t n, size_t k, double *z) {
    add_run(x, theta, n, k, z);
}

/* ---- gradients ---- */

static TM_ALWAYS_INLINE double lanes_sum(const double *lanes) {
    return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +
           ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

double tm__linear_dot_ref(const float *x, const double *r, uint64_t n) {
    double lanes[LANES] = {0};
    for (uint64_t i = 0; i < n; i++) {
        lanes[i % LANES] += r[i] * (double)x[i];
    }
    return lanes_sum(lanes);
}

static TM_ALWAYS_INLINE void dot_loop(const float *x, const double *r, uint64_t n, double *out) {
    typedef float narrow __attribute__((vector_size(LANES * sizeof(float))));
    lanes_f64 sum = {0};
    double lanes[LANES];
    uint64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        narrow eight;
        memcpy(&eight, x + i, sizeof(eight));
        lanes_f64 of_rows;
        memcpy(&of_rows, r + i, sizeof(of_rows));
        sum += of_rows * __builtin_convertvector(eight, lanes_f64);
    }
    memcpy(lanes, &sum, sizeof(lanes));
    for (uint32_t l = 0; i < n; i++, l++) {
        lanes[l] += r[i] * (double)x[i];
    }
    *out = lanes_sum(lanes);
}

TM_SIMD_KERNEL(dot, (const float *x, const double *r, uint64_t n, double *out), (x, r, n, out));

double tm__linear_dot(const float *x, const double *r, uint64_t n) {
    double out;
    dot(x, r, n, &out);
    return out;
}

size_t tm__linear_row_lanes(size_t k) {
    return (k + LANES - 1) / LANES * LANES;
}

void tm__linear_by_row(const double *z, uint64_t n, size_t k, double *out) {
    memset(out, 0, tm__linear_row_lanes(k) * BLOCK * sizeof(double));
    for (size_t o = 0; o < k; o++) {
        double *const to = out + o / LANES * LANES * BLOCK + o % LANES;
        for (uint64_t i = 0; i < n; i++) {
            to[i * LANES] = z[o * BLOCK + i];
        }
    }
}

void tm__linear_gather_run_ref(const double *x, const double *by_row, uint64_t n, size_t k,
                               double *sums) {
    for (uint32_t c = 0; c < RUN; c++) {
        for (size_t o = 0; o < k; o++) {
            for (uint64_t i = 0; i < n; i++) {
                sums[c * k + o] +=
                    by_row[(o / LANES * BLOCK + i) * LANES + o % LANES] * x[c * BLOCK + i];
            }
        }
    }
}

/* Eight outputs are a vector, and four columns wait for each other in none of their sums. */
static TM_ALWAYS_INLINE void gather_run_loop(const double *x, const double *by_row, uint64_t n,
                                             size_t k, double *sums) {
    for (size_t first = 0; first < k; first += LANES) {
        const size_t bytes = (k - first < LANES ? k - first : LANES) * sizeof(double);
        const double *const r = by_row + first * BLOCK;
        lanes_f64 sum[RUN] = {{0}};
        for (uint32_t c = 0; c < RUN; c++) {
            memcpy(&sum[c], sums + c * k + first, bytes);
        }
        lanes_f64 a = sum[0], b = sum[1], c = sum[2], d = sum[3];
        for (uint64_t i = 0; i < n; i++) {
            lanes_f64 row;
            memcpy(&row, r + i * LANES, sizeof(row));
            a += row * x[i];
            b += row * x[BLOCK + i];
            c += row * x[2 * BLOCK + i];
            d += row * x[3 * BLOCK + i];
        }
        memcpy(sums + first, &a, bytes);
        memcpy(sums + k + first, &b, bytes);
        memcpy(sums + 2 * k + first, &c, bytes);
        memcpy(sums + 3 * k + first, &d, bytes);
    }
}

TM_SIMD_KERNEL(gather_run,
               (const double *x, const double *by_row, uint64_t n, size_t k, double *sums),
               (x, by_row, n, k, sums));

void tm__linear_gather_run(const double *x, const double *by_row, uint64_t n, size_t k,
                           double *sums) {
    gather_run(x, by_row, n, k, sums);
}

static TM_ALWAYS_INLINE void sum_rows_loop(const double *by_row, uint64_t n, size_t k,
                                           double *sums) {
    for (size_t first = 0; first < k; first += LANES) {
        const size_t bytes = (k - first < LANES ? k - first : LANES) * sizeof(double);
        const double *const r = by_row + first * BLOCK;
        lanes_f64 sum = {0};
        memcpy(&sum, sums + first, bytes);
        for (uint64_t i = 0; i < n; i++) {
            lanes_f64 row;
            memcpy(&row, r + i * LANES, sizeof(row));
            sum += row;
        }
        memcpy(sums + first, &sum, bytes);
    }
}

TM_SIMD_KERNEL(sum_rows, (const double *by_row, uint64_t n, size_t k, double *sums),
               (by_row, n, k, sums));

void tm__linear_sum_rows(const double *by_row, uint64_t n, size_t k, double *sums) {
    sum_rows(by_row, n, k, sums);
}

/* ---- softmax ---- */

static TM_ALWAYS_INLINE void below_top_loop(uint64_t n, size_t k, double *top, double *z) {
    memcpy(top, z, n * sizeof(double));
    for (size_t o = 1; o < k; o++) {
#pragma omp simd
        for (uint64_t i = 0; i < n; i++) {
            top[i] = z[o * BLOCK + i] > top[i] ? z[o * BLOCK + i] : top[i];
        }
    }
    for (size_t o = 0; o < k; o++) {
#pragma omp simd
        for (uint64_t i = 0; i < n; i++) {
            z[o * BLOCK + i] -= top[i];
        }
    }
}

TM_SIMD_KERNEL(below_top, (uint64_t n, size_t k, double *top, double *z), (n, k, top, z));

void tm__linear_below_top(uint64_t n, size_t k, double *top, double *z) {
    below_top(n, k, top, z);
}

static TM_ALWAYS_INLINE void sum_outputs_loop(const double *z, uint64_t n, size_t k, double *out) {
    memset(out, 0, n * sizeof(double));
    for (size_t o = 0; o < k; o++) {
#pragma omp simd
        for (uint64_t i = 0; i < n; i++) {
            out[i] += z[o * BLOCK + i];
        }
    }
}

TM_SIMD_KERNEL(sum_outputs, (const double *z, uint64_t n, size_t k, double *out), (z, n, k, out));

void tm__linear_sum_outputs(const double *z, uint64_t n, size_t k, double *out) {
    sum_outputs(z, n, k, out);
}

static TM_ALWAYS_INLINE void class_residuals_loop(const tm_class_rows *rows, uint64_t n,
                                                  double *z) {
    const tm_class_rows r = *rows;
#pragma omp simd
    for (uint64_t i = 0; i < n; i++) {
        z[i] = r.w[i] * (z[i] / r.sums[i] - (r.y[i] == r.output ? 1.0 : 0.0));
    }
}

TM_SIMD_KERNEL(class_residuals, (const tm_class_rows *rows, uint64_t n, double *z), (rows, n, z));

void tm__linear_class_residuals(const tm_class_rows *rows, uint64_t n, double *z) {
    class_residuals(rows, n, z);
}
