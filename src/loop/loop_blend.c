/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/loop_blend.h"

#include <string.h>

#define LABELS_MIN 100.0 /* before products are asked */
#define RIDGE_LABELS 20.0
#define SWEEPS_MAX 100u
#define MOVED_MIN 1e-4
#define SUM_MAX 1e300 /* values whose squares go beyond it say nothing */

void tm__blend_init(tm_blend *self, uint32_t n, uint64_t fast_memory, uint64_t slow_memory) {
    memset(self, 0, sizeof(*self));
    self->n = n;
    self->fast_memory = fast_memory;
    self->slow_memory = slow_memory;
}

/* ---- what labels say ---- */

static void add_sums(tm_blend_sums *sums, uint32_t n, uint64_t memory,
                     const double products[TM_BLEND_MAX][TM_BLEND_MAX]) {
    const double keep = 1.0 - 1.0 / (double)memory;
    sums->n = sums->n * keep + 1.0;
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = 0; j < n; j++) {
            sums->products[i][j] = sums->products[i][j] * keep + products[i][j];
        }
    }
}

static double between(uint32_t n, const double products[TM_BLEND_MAX][TM_BLEND_MAX],
                      const double *left, const double *right) {
    double sum = 0.0;
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = 0; j < n; j++) {
            sum += left[i] * right[j] * products[i][j];
        }
    }
    return sum;
}

void tm__blend_add(tm_blend *self, const double products[TM_BLEND_MAX][TM_BLEND_MAX],
                   const tm_blend_shares *then) {
    const double keep = 1.0 - 1.0 / (double)self->slow_memory;
    const uint32_t n = self->n;
    add_sums(&self->fast, n, self->fast_memory, products);
    add_sums(&self->slow, n, self->slow_memory, products);
    self->of_fast = self->of_fast * keep + between(n, products, then->fast, then->fast);
    self->of_slow = self->of_slow * keep + between(n, products, then->slow, then->slow);
    self->of_both = self->of_both * keep + between(n, products, then->fast, then->slow);
}

void tm__blend_forget(tm_blend *self, double keep) {
    self->fast.n *= keep;
    for (uint32_t i = 0; i < self->n; i++) {
        for (uint32_t j = 0; j < self->n; j++) {
            self->fast.products[i][j] *= keep;
        }
    }
}

/* ---- shares ---- */

/* Half of the slope of w'Pw + ridge w'w along the share of i. */
static double slope(const tm_blend_sums *sums, uint32_t n, double ridge, const double *w,
                    uint32_t i) {
    double sum = ridge * w[i];
    for (uint32_t k = 0; k < n; k++) {
        sum += sums->products[i][k] * w[k];
    }
    return sum;
}

/* Move from j to i, or back, what makes the sum least; returns how much. */
static double move(const tm_blend_sums *sums, uint32_t n, double ridge, double *w, uint32_t i,
                   uint32_t j) {
    const double bend =
        sums->products[i][i] + sums->products[j][j] - 2.0 * sums->products[i][j] + 2.0 * ridge;
    if (!(bend > 0.0 && bend < SUM_MAX)) {
        return 0.0;
    }
    double step = (slope(sums, n, ridge, w, j) - slope(sums, n, ridge, w, i)) / bend;
    step = step > w[j] ? w[j] : step < -w[i] ? -w[i] : step;
    w[i] += step;
    w[j] -= step;
    return step < 0.0 ? -step : step;
}

static void make_least(const tm_blend_sums *sums, uint32_t n, const bool *is_in, double *w) {
    double least = sums->products[0][0];
    for (uint32_t i = 1; i < n; i++) {
        least = sums->products[i][i] < least ? sums->products[i][i] : least;
    }
    if (sums->n < LABELS_MIN) {
        return;
    }
    const double ridge = RIDGE_LABELS * least / sums->n;
    for (uint32_t sweep = 0; sweep < SWEEPS_MAX; sweep++) {
        double moved = 0.0;
        for (uint32_t i = 0; i < n; i++) {
            for (uint32_t j = 0; j < i; j++) {
                moved += is_in[i] && is_in[j] ? move(sums, n, ridge, w, i, j) : 0.0;
            }
        }
        if (moved < MOVED_MIN) {
            return;
        }
    }
}

/* How much of the fast set: what makes the square of the mean of both least. */
static double part_of_fast(const tm_blend *self) {
    const double bend = self->of_fast + self->of_slow - 2.0 * self->of_both;
    const double part = bend > 0.0 ? (self->of_slow - self->of_both) / bend : 1.0;
    return part < 0.0 ? 0.0 : part > 1.0 ? 1.0 : part;
}

void tm__blend_shares(const tm_blend *self, const double *begin, const bool *is_in,
                      tm_blend_shares *out) {
    memset(out, 0, sizeof(*out));
    memcpy(out->fast, begin, self->n * sizeof(*begin));
    memcpy(out->slow, begin, self->n * sizeof(*begin));
    make_least(&self->fast, self->n, is_in, out->fast);
    make_least(&self->slow, self->n, is_in, out->slow);
    const double part = part_of_fast(self);
    for (uint32_t i = 0; i < self->n; i++) {
        out->both[i] = part * out->fast[i] + (1.0 - part) * out->slow[i];
    }
}
