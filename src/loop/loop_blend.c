/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/loop_blend.h"

#include <string.h>

#include "base/fmath.h"

#define LABELS_MIN 100.0 /* before products are asked */
#define RIDGE_LABELS 50.0
#define SWEEPS_MAX 100u
#define MOVED_MIN 1e-4
#define SWITCHES 0.003 /* of the labels: another one is right than before */
#define USE_MEMORY 2000.0
#define SUM_MAX 1e300 /* values whose squares go beyond it say nothing */

void tm__blend_init(tm_blend *self, uint32_t n_learners, uint32_t n, uint64_t fast_memory,
                    uint64_t slow_memory) {
    memset(self, 0, sizeof(*self));
    self->n_learners = n_learners;
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

/* Each is as likely as it foretold, and now and then another one is right. */
static void follow_moment(tm_blend *self, const double *losses) {
    double sum = 0.0, n_in = 0.0;
    for (uint32_t i = 0; i < self->n; i++) {
        self->moment[i] *= tm__exp(-losses[i]);
        sum += self->moment[i];
        n_in += self->is_in[i] ? 1.0 : 0.0;
    }
    for (uint32_t i = 0; i < self->n && sum > 0.0; i++) {
        const double other = self->is_in[i] ? SWITCHES / n_in : 0.0;
        self->moment[i] = (1.0 - SWITCHES) * self->moment[i] / sum + other;
        self->use[i] += (self->moment[i] - self->use[i]) / USE_MEMORY;
    }
}

void tm__blend_enter(tm_blend *self, uint32_t i, double moment) {
    const uint32_t all = self->n;
    tm_blend_sums *const both[] = {&self->fast, &self->slow};
    double sum = 0.0;
    for (uint32_t k = 0; k < 2; k++) {
        double(*const p)[TM_BLEND_MAX] = both[k]->products;
        for (uint32_t j = 0; j <= all; j++) {
            p[i][j] = p[j][i] = p[all][j];
        }
        p[i][i] = p[all][all];
    }
    self->is_in[i] = true;
    self->use[i] = 0.0;
    self->moment[i] = 0.0;
    for (uint32_t j = 0; j < all; j++) {
        sum += self->moment[j];
    }
    for (uint32_t j = 0; j < all; j++) {
        self->moment[j] *= sum > 0.0 ? (1.0 - moment) / sum : 0.0;
    }
    self->moment[i] = sum > 0.0 ? moment : 1.0;
}

void tm__blend_add(tm_blend *self, const double products[TM_BLEND_MAX][TM_BLEND_MAX],
                   const double *losses, const tm_blend_shares *then) {
    double of_sets[TM_BLEND_MAX][TM_BLEND_MAX] = {{0.0}};
    const uint32_t n = self->n;
    for (uint32_t i = 0; i < TM_BLEND_SETS; i++) {
        for (uint32_t j = 0; j < TM_BLEND_SETS; j++) {
            of_sets[i][j] = between(n, products, then->sets[i], then->sets[j]);
        }
    }
    add_sums(&self->fast, n + 1, self->fast_memory, products);
    add_sums(&self->slow, n + 1, self->slow_memory, products);
    add_sums(&self->of_sets, TM_BLEND_SETS, self->slow_memory,
             (const double(*)[TM_BLEND_MAX])of_sets);
    follow_moment(self, losses);
}

void tm__blend_forget(tm_blend *self, double keep) {
    self->fast.n *= keep;
    for (uint32_t i = 0; i <= self->n; i++) {
        for (uint32_t j = 0; j <= self->n; j++) {
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

static void move_all(const tm_blend_sums *sums, uint32_t n, const bool *is_in, double ridge,
                     double *w) {
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

void tm__blend_least(const tm_blend_sums *sums, uint32_t n, const bool *is_in, double ridge_labels,
                     double *w) {
    double least = SUM_MAX;
    for (uint32_t i = 0; i < n; i++) {
        least = is_in[i] && sums->products[i][i] < least ? sums->products[i][i] : least;
    }
    move_all(sums, n, is_in, sums->n > 0.0 ? ridge_labels * least / sums->n : 0.0, w);
}

static void make_least(const tm_blend_sums *sums, uint32_t n, const bool *is_in, double *w) {
    double least = sums->products[0][0];
    for (uint32_t i = 1; i < n; i++) {
        least = sums->products[i][i] < least ? sums->products[i][i] : least;
    }
    if (sums->n >= LABELS_MIN) {
        move_all(sums, n, is_in, RIDGE_LABELS * least / sums->n, w);
    }
}

void tm__blend_shares(const tm_blend *self, const double *begin, tm_blend_shares *out) {
    const tm_blend_sums *const sums[TM_BLEND_SETS] = {&self->fast, &self->slow, &self->fast,
                                                      &self->slow};
    static const bool every_set[TM_BLEND_SETS] = {true, true, true, true};
    double parts[TM_BLEND_SETS] = {1.0, 0.0, 0.0, 0.0};
    bool is_learner[TM_BLEND_MAX];
    memset(out, 0, sizeof(*out));
    for (uint32_t i = 0; i < self->n; i++) {
        is_learner[i] = self->is_in[i] && i < self->n_learners;
    }
    for (uint32_t set = 0; set < TM_BLEND_SETS; set++) {
        memcpy(out->sets[set], begin, self->n * sizeof(*begin));
        make_least(sums[set], self->n, set < 2 ? is_learner : self->is_in, out->sets[set]);
    }
    make_least(&self->of_sets, TM_BLEND_SETS, every_set, parts);
    for (uint32_t i = 0; i < self->n; i++) {
        for (uint32_t set = 0; set < TM_BLEND_SETS; set++) {
            out->both[i] += parts[set] * out->sets[set][i];
        }
    }
}
