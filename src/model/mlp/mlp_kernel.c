/* SPDX-License-Identifier: Apache-2.0 */
/* Each loop is written once and compiled for every level; the plain one is the reference. */
#include "model/mlp/mlp_kernel.h"

#include <string.h>

#include "base/simd.h"

#define BETA1 0.9F
#define BETA2 0.95F
#define EPSILON 1e-8F

const float tm__adam_beta[2] = {BETA1, BETA2};

static TM_ALWAYS_INLINE void rectify_loop(float *acts, size_t n) {
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        acts[i] = acts[i] > 0.0F ? acts[i] : 0.0F;
    }
}
TM_SIMD_KERNEL(rectify, (float *acts, size_t n), (acts, n));

void tm__rectify(float *acts, size_t n) {
    rectify(acts, n);
}

void tm__rectify_ref(float *acts, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (!(acts[i] > 0.0F)) {
            acts[i] = 0.0F;
        }
    }
}

static TM_ALWAYS_INLINE void back_loop(const float *acts, float scale, float *grads, size_t n) {
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        grads[i] = acts[i] > 0.0F ? grads[i] * scale : 0.0F;
    }
}
TM_SIMD_KERNEL(back, (const float *acts, float scale, float *grads, size_t n),
               (acts, scale, grads, n));

void tm__rectify_back(const float *acts, float scale, float *grads, size_t n) {
    back(acts, scale, grads, n);
}

void tm__rectify_back_ref(const float *acts, float scale, float *grads, size_t n) {
    for (size_t i = 0; i < n; i++) {
        grads[i] = !(acts[i] > 0.0F) ? 0.0F : scale * grads[i];
    }
}

static TM_ALWAYS_INLINE void sum_loop(const float *rows, size_t n, size_t width, float *out) {
    memset(out, 0, width * sizeof(float));
    for (size_t i = 0; i < n; i++) {
#pragma omp simd
        for (size_t j = 0; j < width; j++) {
            out[j] += rows[i * width + j];
        }
    }
}
TM_SIMD_KERNEL(sum, (const float *rows, size_t n, size_t width, float *out), (rows, n, width, out));

void tm__rows_sum(const float *rows, size_t n, size_t width, float *out) {
    sum(rows, n, width, out);
}

void tm__rows_sum_ref(const float *rows, size_t n, size_t width, float *out) {
    for (size_t j = 0; j < width; j++) {
        out[j] = 0.0F;
        for (size_t i = 0; i < n; i++) {
            out[j] += rows[i * width + j];
        }
    }
}

static TM_ALWAYS_INLINE void adam_loop(const tm_adam *a, size_t from, size_t end) {
#pragma omp simd
    for (size_t i = from; i < end; i++) {
        const float g = a->grad[i];
        a->first[i] = BETA1 * a->first[i] + (1.0F - BETA1) * g;
        a->second[i] = BETA2 * a->second[i] + (1.0F - BETA2) * g * g;
        const float size = __builtin_sqrtf(a->second[i] * a->fix2) + EPSILON;
        a->params[i] = a->params[i] * a->keep - a->rate * (a->first[i] * a->fix1) / size;
    }
}
TM_SIMD_KERNEL(adam, (const tm_adam *a, size_t from, size_t end), (a, from, end));

void tm__adam_step(const tm_adam *a, size_t from, size_t end) {
    adam(a, from, end);
}

void tm__adam_step_ref(const tm_adam *a, size_t from, size_t end) {
    for (size_t i = from; i < end; i++) {
        const float g = a->grad[i];
        const float first = BETA1 * a->first[i] + (1.0F - BETA1) * g;
        const float second = BETA2 * a->second[i] + (1.0F - BETA2) * g * g;
        const float size = __builtin_sqrtf(second * a->fix2) + EPSILON;
        a->first[i] = first;
        a->second[i] = second;
        a->params[i] = a->params[i] * a->keep - a->rate * (first * a->fix1) / size;
    }
}
