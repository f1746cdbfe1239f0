/* SPDX-License-Identifier: Apache-2.0 */
#include "metric/any_time.h"

#include <math.h>

#include "base/fmath.h"
#include "metric/special.h"

#define HALVINGS 50

/* Log of the mixture over the likelihood at p; rises away from k / n. 0 < p < 1. */
static double evidence(double n, double k, double p) {
    const double log_beta = tm__log_gamma(k + 1) + tm__log_gamma(n - k + 1) - tm__log_gamma(n + 2);
    return log_beta - k * tm__log(p) - (n - k) * tm__log(1 - p);
}

/* Between inside, where evidence is below the bound, and outside, where it is not. */
static double edge(double n, double k, double inside, double outside, double bound) {
    for (int i = 0; i < HALVINGS; i++) {
        const double middle = (inside + outside) / 2;
        if (evidence(n, k, middle) < bound) {
            inside = middle;
        } else {
            outside = middle;
        }
    }
    return outside;
}

tm_share_range tm__share_any_time(uint64_t n, uint64_t k, double alpha) {
    tm_share_range range = {0, 1};
    if (n == 0 || k > n) {
        return range;
    }
    const double bound = -tm__log(alpha), rows = (double)n, yes = (double)k;
    const double best = (yes + 0.5) / (rows + 1); /* never 0 or 1 */
    range.low = k == 0 ? 0 : edge(rows, yes, best, 0, bound);
    range.high = k == n ? 1 : edge(rows, yes, best, 1, bound);
    return range;
}

tm_share_range tm__shares_apart_any_time(const uint64_t n[2], const uint64_t k[2], double alpha) {
    const tm_share_range first = tm__share_any_time(n[0], k[0], alpha / 2);
    const tm_share_range second = tm__share_any_time(n[1], k[1], alpha / 2);
    return (tm_share_range){second.low - first.high, second.high - first.low};
}

double tm__cdf_radius_any_time(uint64_t n, double alpha) {
    if (n == 0) {
        return 1;
    }
    const double rows = (double)n;
    const double radius =
        0.85 * sqrt((tm__log(1 + tm__log(rows)) + 0.8 * tm__log(1612 / alpha)) / rows);
    return radius < 1 ? radius : 1;
}

double tm__cdf_distance(const double *a, size_t n_a, const double *b, size_t n_b, double *out_at) {
    double most = 0;
    size_t i = 0, k = 0;
    *out_at = 0;
    while (i < n_a && k < n_b) {
        const double at = a[i] < b[k] ? a[i] : b[k];
        while (i < n_a && a[i] == at) {
            i++;
        }
        while (k < n_b && b[k] == at) {
            k++;
        }
        const double apart = fabs((double)i / (double)n_a - (double)k / (double)n_b);
        if (apart > most) {
            most = apart;
            *out_at = at;
        }
    }
    return most;
}
