/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   buckets [size 1] [1] [2] [2] ... [2^k]: the newest value is the first bucket of size 1's last
 *   a sixth bucket of a size ─> its two oldest become one of the next size
 *   a look: from the oldest bucket on, each cut of the window into old and new
 *
 * A cut is real when the means differ by more than
 *   sqrt(2 v d / m) + 2 d / (3 m),  1 / m = 1 / n_old + 1 / n_new,  d = log(2 log(n) / delta)
 * with v the variance of the window; parts of fewer than 5 values are not looked at, nor windows of
 * fewer than 10, as in the authors' program.
 */
#include "monitor/adwin.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"

#define DELTA 0.002
#define EVERY 32u
#define WINDOW_LEAST 10u
#define PART_LEAST 5u

/* Sums of two parts: the spread grows by the distance of their means (Chan et al. 1979). */
static double join_spread(double n_a, double sum_a, double n_b, double sum_b) {
    const double gap = sum_a / n_a - sum_b / n_b;
    return n_a * n_b / (n_a + n_b) * gap * gap;
}

static void push(tm_adwin *self, uint32_t row, const tm_adwin_bucket *bucket) {
    self->buckets[row][self->n_buckets[row]++] = *bucket;
    self->n_rows = row + 1 > self->n_rows ? row + 1 : self->n_rows;
}

static void drop_oldest(tm_adwin *self, uint32_t row, uint32_t n) {
    self->n_buckets[row] -= n;
    memmove(self->buckets[row], self->buckets[row] + n,
            self->n_buckets[row] * sizeof(self->buckets[row][0]));
}

static void compress(tm_adwin *self) {
    for (uint32_t row = 0; row + 1 < TM_ADWIN_ROWS && self->n_buckets[row] == TM_ADWIN_BUCKETS;
         row++) {
        const tm_adwin_bucket *const a = &self->buckets[row][0], *const b = &self->buckets[row][1];
        const double size = (double)(UINT64_C(1) << row);
        const tm_adwin_bucket both = {.sum = a->sum + b->sum,
                                      .spread = a->spread + b->spread +
                                                join_spread(size, a->sum, size, b->sum)};
        drop_oldest(self, row, 2);
        push(self, row + 1, &both);
    }
}

static void insert(tm_adwin *self, double value) {
    const tm_adwin_bucket one = {.sum = value};
    if (self->n > 0) {
        self->spread += join_spread((double)self->n, self->sum, 1, value);
    }
    self->n++;
    self->sum += value;
    push(self, 0, &one);
    compress(self);
}

static void forget_oldest(tm_adwin *self) {
    const uint32_t row = self->n_rows - 1;
    const tm_adwin_bucket old = self->buckets[row][0];
    const uint64_t size = UINT64_C(1) << row;
    self->n -= size;
    self->sum -= old.sum;
    self->spread -= old.spread;
    if (self->n > 0) {
        self->spread -= join_spread((double)size, old.sum, (double)self->n, self->sum);
    }
    self->spread = self->spread < 0 ? 0 : self->spread; /* rounding */
    drop_oldest(self, row, 1);
    while (self->n_rows > 0 && self->n_buckets[self->n_rows - 1] == 0) {
        self->n_rows--;
    }
}

/* Whether the oldest n_old values have another mean than the others. */
static bool is_cut(const tm_adwin *self, double n_old, double sum_old) {
    const double n = (double)self->n, n_new = n - n_old;
    const double least = PART_LEAST;
    if (n_old < least || n_new < least) {
        return false;
    }
    const double delta = self->delta > 0 ? self->delta : DELTA;
    const double d = tm__log(2 * tm__log(n) / delta);
    const double inverse = 1 / (n_old - least + 1) + 1 / (n_new - least + 1);
    const double bound = tm__sqrt(2 * inverse * (self->spread / n) * d) + 2.0 / 3.0 * d * inverse;
    return fabs(sum_old / n_old - (self->sum - sum_old) / n_new) > bound;
}

static bool has_cut(const tm_adwin *self) {
    double n_old = 0, sum_old = 0;
    for (uint32_t row = self->n_rows; row > 0; row--) {
        for (uint32_t i = 0; i < self->n_buckets[row - 1]; i++) {
            n_old += (double)(UINT64_C(1) << (row - 1));
            sum_old += self->buckets[row - 1][i].sum;
            if (n_old < (double)self->n && is_cut(self, n_old, sum_old)) {
                return true;
            }
        }
    }
    return false;
}

bool tm__adwin_add(tm_adwin *self, double value) {
    const uint32_t every = self->every > 0 ? self->every : EVERY;
    bool dropped = false;
    if (isnan(value)) {
        return false;
    }
    insert(self, value < 0 ? 0 : value > 1 ? 1 : value);
    self->n_seen++;
    while (self->n_seen % every == 0 && self->n > WINDOW_LEAST && has_cut(self)) {
        forget_oldest(self);
        dropped = true;
    }
    self->n_drops += dropped ? 1 : 0;
    return dropped;
}

double tm__adwin_mean(const tm_adwin *self) {
    return self->n == 0 ? tm__nan() : self->sum / (double)self->n;
}
