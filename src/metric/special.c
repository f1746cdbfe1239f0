/* SPDX-License-Identifier: Apache-2.0 */
#include "metric/special.h"

#include <math.h>

#include "base/fmath.h"

#define HALF_LOG_2PI 0.91893853320467274178
#define STEPS_MAX 2000000u /* near x = a some times sqrt(a) are needed */
#define SMALL 1e-300

/* Stirling's series, for a >= 10: the first term left out is below 2e-14. DLMF 5.11.1. */
static double stirling_rest(double a) {
    const double b = 1 / (a * a);
    return (1.0 / 12 - b * (1.0 / 360 - b * (1.0 / 1260 - b * (1.0 / 1680 - b * (1.0 / 1188))))) /
           a;
}

static double stirling(double a) {
    return (a - 0.5) * tm__log(a) - a + HALF_LOG_2PI;
}

double tm__log_gamma_rest(double a) {
    double product = 1, up = a;
    if (!(a > 0)) {
        return tm__nan();
    }
    while (up < 10) { /* gamma(a + 1) = a gamma(a) */
        product *= up;
        up += 1;
    }
    if (up == a) {
        return stirling_rest(a);
    }
    return stirling_rest(up) + stirling(up) - tm__log(product) - stirling(a);
}

double tm__log_gamma(double a) {
    return a > 0 ? stirling(a) + tm__log_gamma_rest(a) : tm__nan();
}

double tm__log1p_gap(double x) {
    double power = x * x, sum = 0;
    if (!(fabs(x) < 0.1)) {
        return x - tm__log1p(x);
    }
    for (unsigned k = 2; k < 24; k++) {
        sum += (k % 2 == 0 ? power : -power) / k;
        power *= x;
    }
    return sum;
}

/* x^a exp(-x) / gamma(a), without the large terms that cancel when x is near a. */
static double gamma_front(double a, double x) {
    const double d = (x - a) / a;
    return tm__exp(-a * tm__log1p_gap(d) + 0.5 * tm__log(a) - HALF_LOG_2PI - tm__log_gamma_rest(a));
}

/* P(a, x) / front, for x < a + 1. */
static double below_series(double a, double x) {
    double term = 1 / a, sum = term;
    for (unsigned i = 1; i < STEPS_MAX && term > sum * 1e-17; i++) {
        term *= x / (a + i);
        sum += term;
    }
    return sum;
}

/* Q(a, x) / front, for x >= a + 1, by Lentz's method. */
static double above_fraction(double a, double x) {
    double b = x + 1 - a, c = 1 / SMALL, d = 1 / b, value = d;
    for (unsigned i = 1; i < STEPS_MAX; i++) {
        const double up = -(double)i * ((double)i - a);
        b += 2;
        d = up * d + b;
        d = 1 / (fabs(d) < SMALL ? SMALL : d);
        c = b + up / c;
        c = fabs(c) < SMALL ? SMALL : c;
        value *= c * d;
        if (fabs(c * d - 1) < 1e-16) {
            break;
        }
    }
    return value;
}

static double gamma_side(double a, double x, int is_above) {
    if (!(a > 0) || !(x >= 0)) {
        return tm__nan();
    }
    if (x == 0 || isinf(x)) {
        return (x == 0) == is_above ? 1 : 0;
    }
    const int is_series = x < a + 1;
    const double value =
        gamma_front(a, x) * (is_series ? below_series(a, x) : above_fraction(a, x));
    return is_series == is_above ? 1 - value : value;
}

double tm__gamma_below(double a, double x) {
    return gamma_side(a, x, 0);
}

double tm__gamma_above(double a, double x) {
    return gamma_side(a, x, 1);
}

double tm__normal_above(double z) {
    if (isnan(z)) {
        return tm__nan();
    }
    const double tail = 0.5 * tm__gamma_above(0.5, 0.5 * z * z);
    return z < 0 ? 1 - tail : tail;
}

/* For p in (0, 1/2]: Hastings' start (Abramowitz and Stegun 26.2.23, error below 4.5e-4), then
 * Halley's steps, each of which triples the digits. */
static double upper_half(double p) {
    const double t = tm__sqrt(-2 * tm__log(p));
    double z = t - (2.515517 + t * (0.802853 + t * 0.010328)) /
                       (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
    for (unsigned i = 0; i < 4; i++) {
        const double density = tm__exp(-0.5 * z * z - HALF_LOG_2PI);
        const double step = (tm__normal_above(z) - p) / density;
        z += step / (1 - 0.5 * z * step);
    }
    return z;
}

double tm__normal_upper(double p) {
    if (!(p >= 0 && p <= 1)) {
        return tm__nan();
    }
    if (p == 0 || p == 1) {
        return p == 0 ? INFINITY : -INFINITY;
    }
    return p == 0.5 ? 0 : p < 0.5 ? upper_half(p) : -upper_half(1 - p);
}

double tm__chi2_above(double x, double df) {
    return tm__gamma_above(0.5 * df, 0.5 * x);
}
