/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     unit ──> estimate of the difference: what the arms' means so far predict
 *              ± (value - what its arm's mean predicts) / chance of that arm
 *          ──> sum of estimates, variation: sum of squared surprises
 *          ──> mixture(sum, variation) over 2 / alpha on a side: the difference is not null
 *
 * 1. A prediction knows only units before its own, so that the sum less its mean is a martingale.
 * 2. Each unit is looked at: decided_at is the first crossing, not the last.
 */
#include "metric/ab_compare.h"

#include <math.h>

#include "base/fmath.h"
#include "metric/special.h"

#define LOOK_UNITS_LEAST 10u
#define LOG_2 0.69314718055994530942

const char *tm__ab_kind_text(tm_ab_kind kind) {
    return kind == TM_AB_BINARY ? "binary" : kind == TM_AB_BOUNDED ? "bounded" : "mean";
}

void tm__ab_arm_add(tm_ab_arm *arm, double value) {
    const double off = value - arm->mean, before = (double)arm->n, n = before + 1;
    const double step = off / n, square = off * step * before;
    arm->n++;
    arm->mean += step;
    arm->cubes += square * step * (n - 2) - 3 * step * arm->spread;
    arm->spread += square;
}

double tm__ab_arm_variance(const tm_ab_arm *arm) {
    return arm->n < 2 ? tm__nan() : arm->spread / (double)(arm->n - 1);
}

/* ---- Any time ---- */

static tm_status check(const tm_ab_options *o, tm_err *err) {
    const bool has_bounds =
        o->kind != TM_AB_BOUNDED || (o->low < o->high && isfinite(o->low) && isfinite(o->high));
    if (!(o->share > 0 && o->share < 1) || !(o->alpha > 0 && o->alpha < 1) || !has_bounds ||
        !(o->units >= 0) || !(o->variance >= 0) || !isfinite(o->units + o->variance + o->null)) {
        return TM_FAIL(err, TM_E_INVALID, "arms cannot be compared by these options");
    }
    return TM_OK;
}

tm_status tm__ab_compare_init(const tm_ab_options *options, tm_ab_compare *out, tm_err *err) {
    tm_ab_compare self = {.options = *options};
    tm_ab_options *const o = &self.options;
    TM_TRY(check(o, err));
    if (o->kind == TM_AB_BINARY) {
        o->low = 0;
        o->high = 1;
    }
    o->units = o->units > 0 ? o->units : TM_AB_UNITS_USUAL;
    self.log_want = (o->kind == TM_AB_MEAN ? 0 : LOG_2) - tm__log(o->alpha);
    if (o->kind == TM_AB_MEAN) {
        self.rho = tm__mixture_rho(o->units, o->alpha);
    } else {
        const double range = o->high - o->low, largest = range * range / 4;
        const double variance = o->variance > 0 ? fmin(o->variance, largest) : largest;
        const double v = o->units * variance * (1 / o->share + 1 / (1 - o->share));
        self.mixture = tm__gamma_mixture(v, o->alpha / 2, 2 * range / fmin(o->share, 1 - o->share));
        self.centre = o->low + range / 2;
    }
    *out = self;
    return TM_OK;
}

uint64_t tm__ab_compare_units(const tm_ab_compare *self) {
    return self->arms[0].n + self->arms[1].n;
}

/* Standard error of the difference of means; NaN: too few units, or none differs. */
static double plain_error(const tm_ab_compare *self) {
    const tm_ab_arm *a = &self->arms[0], *b = &self->arms[1];
    if (a->n < TM_AB_UNITS_LEAST || b->n < TM_AB_UNITS_LEAST || !(a->spread + b->spread > 0)) {
        return tm__nan();
    }
    return tm__sqrt(tm__ab_arm_variance(a) / (double)a->n + tm__ab_arm_variance(b) / (double)b->n);
}

/* Moments of both arms together. */
static tm_ab_arm both_arms(const tm_ab_arm arms[2]) {
    const double a = (double)arms[0].n, b = (double)arms[1].n, n = a + b;
    const double off = arms[1].mean - arms[0].mean;
    return (tm_ab_arm){.n = arms[0].n + arms[1].n,
                       .spread = arms[0].spread + arms[1].spread + off * off * a * b / n,
                       .cubes = arms[0].cubes + arms[1].cubes +
                                off * off * off * a * b * (a - b) / (n * n) +
                                3 * off * (a * arms[1].spread - b * arms[0].spread) / n};
}

/* Skewness of the difference of two means of n[0] and n[1] values. */
static double skew_of(const tm_ab_arm *a, const tm_ab_arm *b, const double n[2]) {
    const double spread = a->spread / (double)a->n / n[0] + b->spread / (double)b->n / n[1];
    const double cubes =
        b->cubes / (double)b->n / (n[1] * n[1]) - a->cubes / (double)a->n / (n[0] * n[0]);
    return fabs(cubes) / (spread * tm__sqrt(spread));
}

double tm__ab_compare_skew(const tm_ab_compare *self) {
    const tm_ab_arm *a = &self->arms[0], *b = &self->arms[1];
    const double n[2] = {(double)a->n, (double)b->n};
    if (a->n < 3 || b->n < 3 || !(a->spread + b->spread > 0)) {
        return tm__nan();
    }
    const tm_ab_arm both = both_arms(self->arms);
    return fmax(skew_of(a, b, n), skew_of(&both, &both, n));
}

/* Half the width of a mean's interval, in standard errors. */
static double mean_reach(const tm_ab_compare *self) {
    const double t = (double)tm__ab_compare_units(self);
    return tm__normal_mixture(t, self->options.alpha, self->rho) / tm__sqrt(t);
}

/* Same; NaN also while it is too skewed. */
static double mean_error(const tm_ab_compare *self) {
    return tm__ab_compare_skew(self) <= TM_AB_SKEW_MOST ? plain_error(self) : tm__nan();
}

/* How far the mean of the treatment is above that of the control, more than null. */
static double mean_excess(const tm_ab_compare *self) {
    return self->arms[1].mean - self->arms[0].mean - self->options.null;
}

/* The sum on the side that it is on, were null true. */
static double sum_excess(const tm_ab_compare *self, int *out_sign) {
    const double s = self->sum - (double)tm__ab_compare_units(self) * self->options.null;
    *out_sign = s < 0 ? -1 : 1;
    return fabs(s);
}

/* What is cheap and never misses a crossing comes first. */
static bool is_crossed(const tm_ab_compare *self, int *out_sign) {
    if (self->options.kind == TM_AB_MEAN) {
        const double z = mean_excess(self) / plain_error(self);
        *out_sign = z < 0 ? -1 : 1;
        return z * z >= 2 * self->log_want && fabs(z) >= mean_reach(self) &&
               tm__ab_compare_skew(self) <= TM_AB_SKEW_MOST;
    }
    const double s = sum_excess(self, out_sign), v = self->variation;
    return s * s >= 2 * v * self->log_want &&
           tm__gamma_mixture_log_most(&self->mixture, s, v) >= self->log_want &&
           tm__gamma_mixture_log(&self->mixture, s, v) >= self->log_want;
}

void tm__ab_compare_add(tm_ab_compare *self, uint32_t arm, double value) {
    if (self->options.kind != TM_AB_MEAN) {
        const double predicted[2] = {self->arms[0].n > 0 ? self->arms[0].mean : self->centre,
                                     self->arms[1].n > 0 ? self->arms[1].mean : self->centre};
        const double weight = arm == 1 ? 1 / self->options.share : -1 / (1 - self->options.share);
        const double surprise = weight * (value - predicted[arm]);
        self->sum += predicted[1] - predicted[0] + surprise;
        self->variation += surprise * surprise;
    }
    tm__ab_arm_add(&self->arms[arm], value);
    int sign = 0;
    if (self->decided_at == 0 && is_crossed(self, &sign)) {
        self->decided_at = tm__ab_compare_units(self);
        self->decided_sign = sign;
    }
}

void tm__ab_compare_interval(const tm_ab_compare *self, double *out_low, double *out_high) {
    const tm_ab_options *o = &self->options;
    const double n = (double)tm__ab_compare_units(self);
    if (o->kind == TM_AB_MEAN) {
        const double middle = mean_excess(self) + o->null;
        const double radius = mean_error(self) * mean_reach(self);
        *out_low = middle - radius;
        *out_high = middle + radius;
    } else if (n > 0) {
        const double range = o->high - o->low, middle = self->sum / n;
        const double radius =
            tm__gamma_mixture_bound(&self->mixture, self->variation, o->alpha / 2) / n;
        *out_low = fmax(middle - radius, -range);
        *out_high = fmin(middle + radius, range);
    } else {
        *out_low = *out_high = tm__nan();
    }
}

double tm__ab_compare_p(const tm_ab_compare *self) {
    int sign = 0;
    const double n = (double)tm__ab_compare_units(self);
    double log_p = tm__nan();
    if (self->options.kind != TM_AB_MEAN && n > 0) {
        const double s = sum_excess(self, &sign);
        log_p = LOG_2 - tm__gamma_mixture_log(&self->mixture, s, self->variation);
    } else if (n > 0) { /* the alpha at which the interval with this rho ends at null */
        const double z = mean_excess(self) / mean_error(self);
        log_p = 0.5 * (tm__log1p(n / self->rho) - z * z * n / (n + self->rho));
    }
    return isnan(log_p) ? tm__nan() : log_p < 0 ? tm__exp(log_p) : 1;
}

/* ---- Once ---- */

/* z of the same tail as t: within 0.0002 for ten and more degrees of freedom. */
static double z_of_t(double t, double df) {
    const double z = tm__sqrt(df * tm__log1p(t * t / df)) * (8 * df + 1) / (8 * df + 3);
    return t < 0 ? -z : z;
}

static double t_of_z(double z, double df) {
    const double root = z * (8 * df + 3) / (8 * df + 1);
    return tm__sqrt(df * tm__expm1(root * root / df));
}

void tm__ab_look(tm_ab_kind kind, const tm_ab_arm arms[2], double alpha, tm_ab_look *out) {
    const double n[2] = {(double)arms[0].n, (double)arms[1].n};
    const double nan = tm__nan(), wanted = tm__normal_upper(alpha / 2);
    *out = (tm_ab_look){nan, nan, nan, nan, nan};
    if (arms[0].n > 0 && arms[1].n > 0) {
        out->difference = arms[1].mean - arms[0].mean;
    }
    if (arms[0].n < LOOK_UNITS_LEAST || arms[1].n < LOOK_UNITS_LEAST ||
        !(arms[0].spread + arms[1].spread > 0)) {
        return;
    }
    double half = 0;
    if (kind == TM_AB_BINARY) {
        const double p[2] = {arms[0].mean, arms[1].mean};
        const double both = (n[0] * p[0] + n[1] * p[1]) / (n[0] + n[1]);
        out->z = out->difference / tm__sqrt(both * (1 - both) * (1 / n[0] + 1 / n[1]));
        half = wanted * tm__sqrt(p[0] * (1 - p[0]) / n[0] + p[1] * (1 - p[1]) / n[1]);
    } else {
        const double e[2] = {tm__ab_arm_variance(&arms[0]) / n[0],
                             tm__ab_arm_variance(&arms[1]) / n[1]};
        const double error = tm__sqrt(e[0] + e[1]);
        const double df =
            (e[0] + e[1]) * (e[0] + e[1]) / (e[0] * e[0] / (n[0] - 1) + e[1] * e[1] / (n[1] - 1));
        out->z = z_of_t(out->difference / error, df);
        half = error * t_of_z(wanted, df);
    }
    out->p = fmin(2 * tm__normal_above(fabs(out->z)), 1);
    out->low = out->difference - half;
    out->high = out->difference + half;
}
