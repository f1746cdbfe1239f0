/* SPDX-License-Identifier: Apache-2.0 */
#include "metric/flips.h"

#include <math.h>
#include <stdbool.h>

#include "base/fmath.h"

#define SHARES 101u /* of f: squares of equal steps, closer where it is small */
#define RATES 33u   /* of c: over six standard deviations either way */
/* Labels count like so many times those of the reference at the most: what it leaves open they
 * cannot tell, and a sharper likelihood would fall between the points of c. */
#define REFERENCE_TIMES 4.0
#define RATE_LEAST 1e-6
#define STEPS 41u /* of log-odds, from -3 to 3 */

/* What a reference leaves open of a rate: values and logs of their weights. */
typedef struct rates {
    double c[RATES], weight[RATES];
} rates;

/* Beta(hits + 1/2, misses + 1/2): Jeffreys' prior. */
static void find_rates(const tm_flip_cell *cell, rates *out) {
    const double a = cell->ref_hits + 0.5, b = cell->ref_n - cell->ref_hits + 0.5;
    const double mean = a / (a + b), sd = tm__sqrt(mean * (1 - mean) / (a + b + 1));
    const double low = fmax(mean - 6 * sd, RATE_LEAST), high = fmin(mean + 6 * sd, 1 - RATE_LEAST);
    double most = -INFINITY, sum = 0;
    for (uint32_t i = 0; i < RATES; i++) {
        out->c[i] = low + (high - low) * (i + 0.5) / RATES;
        out->weight[i] = (a - 1) * tm__log(out->c[i]) + (b - 1) * tm__log(1 - out->c[i]);
        most = fmax(most, out->weight[i]);
    }
    for (uint32_t i = 0; i < RATES; i++) {
        sum += tm__exp(out->weight[i] - most);
    }
    for (uint32_t i = 0; i < RATES; i++) {
        out->weight[i] -= most + tm__log(sum);
    }
}

static double log_sum(const double *logs, uint32_t n) {
    double most = -INFINITY, sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        most = fmax(most, logs[i]);
    }
    for (uint32_t i = 0; i < n; i++) {
        sum += tm__exp(logs[i] - most);
    }
    return most + tm__log(sum);
}

/* Log of the chance of a cell's hits at these rates, but for what they do not change. */
static double log_chance(const tm_flip_cell *cell, const rates *r, const double *hits) {
    double logs[RATES];
    const double weight = fmin(1, REFERENCE_TIMES * cell->ref_n / (double)cell->n);
    const double n_hits = weight * (double)cell->n_hits, n = weight * (double)cell->n;
    for (uint32_t i = 0; i < RATES; i++) {
        const double rate = fmin(fmax(hits[i], RATE_LEAST), 1 - RATE_LEAST);
        logs[i] = r->weight[i] + n_hits * tm__log(rate) + (n - n_hits) * tm__log(1 - rate);
    }
    return log_sum(logs, RATES);
}

static double flipped_chance(const tm_flip_cell *cell, const rates *r, double f,
                             uint32_t n_classes) {
    double hits[RATES];
    for (uint32_t i = 0; i < RATES; i++) {
        const double c = r->c[i];
        const double other = isnan(cell->other_hits) ? (1 - c) / (n_classes - 1) : cell->other_hits;
        hits[i] = c + f * (other - c);
    }
    return log_chance(cell, r, hits);
}

static double shifted_chance(const tm_flip_cell *cell, const rates *r, double step) {
    double hits[RATES];
    for (uint32_t i = 0; i < RATES; i++) {
        const double odds = r->c[i] / (1 - r->c[i]) * tm__exp(step);
        hits[i] = odds / (1 + odds);
    }
    return log_chance(cell, r, hits);
}

static double step_at(uint32_t i) {
    return -3 + 6.0 * i / (STEPS - 1);
}

/* Steps by a normal distribution of deviation 1, against none. */
static double shift_evidence(const double logs[STEPS]) {
    double weighed[STEPS], prior[STEPS];
    for (uint32_t i = 0; i < STEPS; i++) {
        prior[i] = -step_at(i) * step_at(i) / 2;
        weighed[i] = logs[i] + prior[i];
    }
    return log_sum(weighed, STEPS) - log_sum(prior, STEPS) - logs[STEPS / 2];
}

static double share_at(uint32_t i) {
    const double x = (double)i / (SHARES - 1);
    return x * x;
}

/* Length of f that a point stands for. */
static double length_at(uint32_t i) {
    const double low = i == 0 ? 0 : (share_at(i) + share_at(i - 1)) / 2;
    const double high = i + 1 == SHARES ? 1 : (share_at(i) + share_at(i + 1)) / 2;
    return high - low;
}

static tm_flips summarize(const double logs[SHARES]) {
    tm_flips out = {.high = 1};
    uint32_t best = 0;
    double sum = 0, below = 0;
    for (uint32_t i = 1; i < SHARES; i++) {
        best = logs[i] > logs[best] ? i : best;
    }
    for (uint32_t i = 0; i < SHARES; i++) {
        sum += length_at(i) * tm__exp(logs[i] - logs[best]);
    }
    for (uint32_t i = 0; i < SHARES; i++) {
        const double before = below;
        below += length_at(i) * tm__exp(logs[i] - logs[best]) / sum;
        out.low = before < 0.025 && below >= 0.025 ? share_at(i) : out.low;
        out.high = before < 0.975 && below >= 0.975 ? share_at(i) : out.high;
    }
    out.share = share_at(best);
    out.evidence = logs[best] + tm__log(sum) - logs[0];
    out.low = out.evidence > 0 ? out.low : 0;
    return out;
}

tm_flips tm__flips_judge(const tm_flip_cell *cells, uint32_t n_cells, uint32_t n_classes) {
    double logs[SHARES] = {0}, shifts[STEPS] = {0};
    bool is_shift = n_classes == 2;
    for (uint32_t k = 0; k < n_cells; k++) {
        rates r;
        if (cells[k].n == 0) {
            continue;
        }
        find_rates(&cells[k], &r);
        for (uint32_t i = 0; i < SHARES; i++) {
            logs[i] += flipped_chance(&cells[k], &r, share_at(i), n_classes);
        }
        is_shift = is_shift && isnan(cells[k].other_hits);
        for (uint32_t i = 0; i < STEPS && is_shift; i++) {
            shifts[i] += shifted_chance(&cells[k], &r, step_at(i));
        }
    }
    tm_flips out = summarize(logs);
    out.shifted = is_shift ? shift_evidence(shifts) : 0;
    return out;
}
