/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a score grows with the rows: limit - scale * share^-slope, share being rows over those of the
 * largest fit (inverse power law: Hestness et al. 2017, arXiv:1712.00409; Viering, Loog 2021,
 * arXiv:2103.10948).
 *
 * For each slope of a list, limit and scale follow by weighted least squares; the slope with the
 * least squares wins, where a slope far from a half must be earned (a weak prior on its logarithm),
 * because three points or five say little about it. scale may be negative: a score that falls with
 * more rows is then found, and the interval of a gain is not cut at zero.
 *
 * Uncertainty is by drawing the points again: each by its own error (other rows to learn from) and
 * all together by what leaving out a part of the test rows moves them (a jackknife, so what all
 * points share cancels in a gain), then fitting each draw.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmath.h"
#include "base/rng.h"
#include "base/sort.h"
#include "train/train_priv.h"

#define DRAWS 1000u
#define SLOPES 30u
#define SLOPE_STEP 0.05
#define SLOPE_USUAL 0.5
#define SLOPE_SPREAD 1.0 /* standard deviation of the slope's logarithm */
#define TWO_PI 6.283185307179586

static double slope_of(uint32_t i) {
    return SLOPE_STEP * (double)(i + 1);
}

/* share^-slope of points, for each slope of the list: made once for all draws. */
typedef struct powers {
    double x[SLOPES][TM_POWER_POINTS];
} powers;

static void make_powers(const tm_power_points *p, powers *out) {
    for (uint32_t i = 0; i < SLOPES; i++) {
        for (uint32_t k = 0; k < p->n; k++) {
            out->x[i][k] = tm__pow(p->shares[k], -slope_of(i));
        }
    }
}

/* The line through the points at x = share^-slope; returns the squares that are left. */
static double fit_slope(const tm_power_points *p, const double *means, const double *xs,
                        tm_power *out) {
    double w = 0, wx = 0, wy = 0, wxx = 0, wxy = 0, left = 0;
    for (uint32_t i = 0; i < p->n; i++) {
        const double x = xs[i];
        const double weight = 1 / (p->errors[i] * p->errors[i]);
        w += weight;
        wx += weight * x;
        wy += weight * means[i];
        wxx += weight * (x * x);
        wxy += weight * (x * means[i]);
    }
    const double det = w * wxx - wx * wx;
    const double b = det > 0 ? (w * wxy - wx * wy) / det : 0;
    out->scale = -b;
    out->limit = (wy - b * wx) / w;
    for (uint32_t i = 0; i < p->n; i++) {
        const double off = (means[i] - (out->limit - out->scale * xs[i])) / p->errors[i];
        left += off * off;
    }
    return left;
}

static double fit_means(const tm_power_points *p, const powers *at, const double *means,
                        tm_power *out) {
    double least = INFINITY, least_left = 0;
    for (uint32_t i = 0; i < SLOPES; i++) {
        tm_power power;
        const double left = fit_slope(p, means, at->x[i], &power);
        power.slope = slope_of(i);
        const double away = tm__log(power.slope / SLOPE_USUAL) / SLOPE_SPREAD;
        if (left + away * away < least) {
            least = left + away * away;
            least_left = left;
            *out = power;
        }
    }
    return least_left;
}

double tm__power_at(const tm_power *power, double share) {
    return power->limit - power->scale * tm__pow(share, -power->slope);
}

/* Two values of a standard normal distribution (Box, Muller 1958). */
static void draw_normal(tm_rng *rng, double out[2]) {
    const double r = tm__sqrt(-2 * tm__log(1 - tm__rng_f64(rng)));
    const double turn = TWO_PI * tm__rng_f64(rng);
    out[0] = r * tm__cos(turn);
    out[1] = r * tm__sin(turn);
}

static void draw_normals(tm_rng *rng, uint32_t n, double *out) {
    for (uint32_t i = 0; i < n; i += 2) {
        double two[2];
        draw_normal(rng, two);
        out[i] = two[0];
        if (i + 1 < n) {
            out[i + 1] = two[1];
        }
    }
}

/* Points as they could have come. */
static void draw_means(const tm_power_points *p, double stretch, tm_rng *rng, double *out) {
    double own[TM_POWER_POINTS], parts[TM_POWER_PARTS];
    draw_normals(rng, p->n, own);
    draw_normals(rng, p->n_parts, parts);
    const double share = p->n_parts > 0 ? tm__sqrt((p->n_parts - 1.0) / p->n_parts) : 0;
    for (uint32_t i = 0; i < p->n; i++) {
        double together = 0;
        for (uint32_t k = 0; k < p->n_parts; k++) {
            together += parts[k] * p->moves[i][k];
        }
        out[i] = p->means[i] + stretch * p->errors[i] * own[i] + share * together;
    }
}

static void take_interval(double *draws, double value, tm_interval *out) {
    qsort(draws, DRAWS, sizeof(*draws), tm__compare_f64);
    *out = (tm_interval){value, draws[DRAWS / 40], draws[DRAWS - 1 - DRAWS / 40]};
}

/* Points that lie farther from the curve than their errors say have larger errors. */
static double stretch_of(const tm_power_points *p, double left) {
    const double free = (double)p->n - 3;
    return free > 0 && left > free ? tm__sqrt(left / free) : 1;
}

void tm__power_fit(const tm_power_points *points, uint64_t seed, tm_power *out,
                   tm_interval *out_gain) {
    double gains[DRAWS];
    powers at;
    make_powers(points, &at);
    const double left = fit_means(points, &at, points->means, out);
    const double stretch = stretch_of(points, left);
    tm_rng rng = tm__rng_split(seed, "power", 0);
    for (uint32_t i = 0; i < DRAWS; i++) {
        double means[TM_POWER_POINTS];
        tm_power drawn;
        draw_means(points, stretch, &rng, means);
        (void)fit_means(points, &at, means, &drawn);
        gains[i] = tm__power_at(&drawn, 2) - tm__power_at(&drawn, 1);
    }
    take_interval(gains, tm__power_at(out, 2) - tm__power_at(out, 1), out_gain);
}

void tm__power_foretell(const tm_power_points *points, uint64_t seed, tm_interval *out_foretold,
                        tm_interval *out_measured, tm_interval *out_apart) {
    double foretold[DRAWS], measured[DRAWS], apart[DRAWS];
    tm_power_points rest = *points; /* without the largest, which stands last */
    tm_power power;
    rest.n = points->n - 1;
    const uint32_t last = rest.n;
    const double half = points->shares[last - 1], whole = points->shares[last];
    powers at;
    make_powers(&rest, &at);
    const double stretch = stretch_of(&rest, fit_means(&rest, &at, points->means, &power));
    tm_rng rng = tm__rng_split(seed, "power", 1);
    for (uint32_t i = 0; i < DRAWS; i++) {
        double means[TM_POWER_POINTS];
        tm_power drawn;
        draw_means(points, stretch, &rng, means);
        (void)fit_means(&rest, &at, means, &drawn);
        foretold[i] = tm__power_at(&drawn, whole) - tm__power_at(&drawn, half);
        measured[i] = means[last] - means[last - 1];
        apart[i] = measured[i] - foretold[i];
    }
    const double told = tm__power_at(&power, whole) - tm__power_at(&power, half);
    const double seen = points->means[last] - points->means[last - 1];
    take_interval(foretold, told, out_foretold);
    take_interval(measured, seen, out_measured);
    take_interval(apart, seen - told, out_apart);
}
