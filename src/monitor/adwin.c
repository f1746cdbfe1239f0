/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   buckets [size 1] [1] [2] [2] ... [2^k]: the newest value is the first bucket of size 1's last
 *   a sixth bucket of a size ─> its two oldest become one of the next size
 *   a look: from the oldest bucket on, each cut of the window into old and new
 *
 * A cut is real when the means differ by more than
 *   sqrt(2 v d / m) + 2 d / (3 m),  1 / m = 1 / n_old + 1 / n_new,  d = log(2 log(n) / delta)
 * with v the variance of the window (a look under a budget: d = log(2 buckets / chance)); parts of
 * fewer than 5 values are not looked at, nor windows of fewer than 10, as in the authors' program.
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
                                                join_spread(size, a->sum, size, b->sum),
                                      .at_us = a->at_us};
        drop_oldest(self, row, 2);
        push(self, row + 1, &both);
    }
}

static void insert(tm_adwin *self, double value, int64_t at_us) {
    const tm_adwin_bucket one = {.sum = value, .at_us = at_us};
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

/* By how many times the means of the oldest n_old values and of the others differ by more than
 * chance would have it; d is the log of one over that chance. */
static double cut_size(const tm_adwin *self, double n_old, double sum_old, double d) {
    const double n = (double)self->n, n_new = n - n_old;
    const double least = PART_LEAST;
    if (n_old < least || n_new < least) {
        return 0;
    }
    const double inverse = 1 / (n_old - least + 1) + 1 / (n_new - least + 1);
    const double bound = tm__sqrt(2 * inverse * (self->spread / n) * d) + 2.0 / 3.0 * d * inverse;
    return fabs(sum_old / n_old - (self->sum - sum_old) / n_new) / bound;
}

/* The cut that says most, from the oldest on; the first real one with is_first. 0: none is real. */
static double find_cut(const tm_adwin *self, double d, bool is_first, tm_adwin_cut *out) {
    double n_old = 0, sum_old = 0, best = 1;
    bool is_next = false; /* the bucket at hand is the first one behind the best cut */
    for (uint32_t row = self->n_rows; row > 0; row--) {
        for (uint32_t i = 0; i < self->n_buckets[row - 1]; i++) {
            const tm_adwin_bucket *const bucket = &self->buckets[row - 1][i];
            if (is_next) {
                out->since_us = bucket->at_us;
                is_next = false;
            }
            n_old += (double)(UINT64_C(1) << (row - 1));
            sum_old += bucket->sum;
            const double size = n_old < (double)self->n ? cut_size(self, n_old, sum_old, d) : 0;
            if (size > best) {
                const double n_new = (double)self->n - n_old;
                best = size;
                is_next = true;
                *out = (tm_adwin_cut){.was = sum_old / n_old,
                                      .is = (self->sum - sum_old) / n_new,
                                      .n_was = (uint64_t)n_old,
                                      .n_is = (uint64_t)n_new};
                if (is_first) {
                    return best;
                }
            }
        }
    }
    return best > 1 ? best : 0;
}

static uint32_t count_buckets(const tm_adwin *self) {
    uint32_t n = 0;
    for (uint32_t row = 0; row < self->n_rows; row++) {
        n += self->n_buckets[row];
    }
    return n;
}

/* NaN is no value. */
static bool take(tm_adwin *self, double value, int64_t at_us) {
    if (isnan(value)) {
        return false;
    }
    insert(self, value < 0 ? 0 : value > 1 ? 1 : value, at_us);
    self->n_seen++;
    return true;
}

bool tm__adwin_add(tm_adwin *self, double value) {
    const uint32_t every = self->every > 0 ? self->every : EVERY;
    const double delta = self->delta > 0 ? self->delta : DELTA;
    tm_adwin_cut cut;
    bool dropped = false;
    if (!take(self, value, 0)) {
        return false;
    }
    while (self->n_seen % every == 0 && self->n > WINDOW_LEAST &&
           find_cut(self, tm__log(2 * tm__log((double)self->n) / delta), true, &cut) > 0) {
        forget_oldest(self);
        dropped = true;
    }
    self->n_drops += dropped ? 1 : 0;
    return dropped;
}

void tm__adwin_push(tm_adwin *self, double value, int64_t at_us) {
    (void)take(self, value, at_us);
}

/* Each cut, and each direction, has its part of the chance. All before the cut that says most goes
 * at once: bucket by bucket, as above, would leave a mixture that is found again. */
bool tm__adwin_look(tm_adwin *self, double chance, tm_adwin_cut *out) {
    const double d = tm__log(2 * (double)count_buckets(self) / chance);
    tm_adwin_cut cut = {0};
    if (self->n <= WINDOW_LEAST || find_cut(self, d, false, &cut) == 0) {
        return false;
    }
    while (self->n > cut.n_is) {
        forget_oldest(self);
    }
    self->n_drops++;
    *out = cut;
    return true;
}

double tm__adwin_mean(const tm_adwin *self) {
    return self->n == 0 ? tm__nan() : self->sum / (double)self->n;
}
