/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/loop_amend.h"

#include <stdint.h>
#include <string.h>

#define K TM_AMEND_TERMS
#define LABELS_MIN 50.0
#define RIDGE_LABELS 50.0
#define SUM_MAX 1e300 /* beyond it nothing is said */

void tm__amend_init(tm_amend *self, double memory) {
    memset(self, 0, sizeof(*self));
    self->memory = memory;
}

void tm__amend_update(tm_amend *self, const double *terms, double off) {
    const double keep = 1.0 - 1.0 / self->memory;
    self->n = self->n * keep + 1.0;
    for (uint32_t i = 0; i < K; i++) {
        for (uint32_t j = 0; j < K; j++) {
            self->sums[i][j] = self->sums[i][j] * keep + terms[i] * terms[j];
        }
        self->of_off[i] = self->of_off[i] * keep + terms[i] * off;
    }
}

/* Weights by elimination; the ridge keeps every pivot above 0. A term that never came has none. */
double tm__amend_predict(const tm_amend *self, const double *terms) {
    double a[K][K + 1], sum = 0.0;
    if (self->n < LABELS_MIN) {
        return 0.0;
    }
    for (uint32_t i = 0; i < K; i++) {
        memcpy(a[i], self->sums[i], sizeof(self->sums[i]));
        a[i][i] *= 1.0 + RIDGE_LABELS / self->n;
        a[i][i] += a[i][i] > 0.0 ? 0.0 : 1.0;
        a[i][K] = self->of_off[i];
    }
    for (uint32_t i = 0; i < K; i++) {
        for (uint32_t j = 0; j < K; j++) {
            const double by = j == i ? 0.0 : a[j][i] / a[i][i];
            for (uint32_t c = i; c <= K; c++) {
                a[j][c] -= by * a[i][c];
            }
        }
    }
    for (uint32_t i = 0; i < K; i++) {
        sum += terms[i] * a[i][K] / a[i][i];
    }
    return sum > -SUM_MAX && sum < SUM_MAX ? sum : 0.0;
}
