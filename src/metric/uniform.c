/* SPDX-License-Identifier: Apache-2.0 */
#include "metric/uniform.h"

#include <math.h>

#include "base/fmath.h"
#include "metric/special.h"

double tm__mixture_rho(double v, double alpha) {
    const double l = -2 * tm__log(alpha);
    return v / (l + tm__log1p(l));
}

/* tm__mixture_rho() for a boundary on one side alone. */
static double rho_one_sided(double v, double alpha) {
    return tm__mixture_rho(v, 2 * alpha);
}

double tm__normal_mixture(double v, double alpha, double rho) {
    return tm__sqrt((v + rho) * (tm__log1p(v / rho) - 2 * tm__log(alpha)));
}

tm_gamma_mixture tm__gamma_mixture(double v_opt, double alpha, double c) {
    tm_gamma_mixture m = {.rho = rho_one_sided(v_opt, alpha), .c = c};
    const double a = m.rho / (c * c);
    m.log_start = 0.5 * tm__log(a) - tm__log_gamma_rest(a) - tm__log(tm__gamma_below(a, a));
    return m;
}

/*
 * With a = (v + rho) / c^2 and x = a + s / c the mixture is, up to its start,
 * gamma(a) P(a, x) x^-a exp(x - rho / c^2); gamma(a) by Stirling leaves only terms of the size of
 * the result.
 */
double tm__gamma_mixture_log(const tm_gamma_mixture *m, double s, double v) {
    const double a = (v + m->rho) / (m->c * m->c);
    const double step = s / (m->c * a);
    if (!(step > -1)) {
        return -INFINITY;
    }
    return m->log_start - 0.5 * tm__log(a) + tm__log_gamma_rest(a) + a * tm__log1p_gap(step) +
           tm__log(tm__gamma_below(a, a * (1 + step)));
}

double tm__gamma_mixture_log_most(const tm_gamma_mixture *m, double s, double v) {
    if (!(s > 0)) {
        return 0;
    }
    if (!(v > 0)) {
        return INFINITY; /* no bound from this side */
    }
    return v / (m->c * m->c) * tm__log1p_gap(m->c * s / v);
}

double tm__gamma_mixture_bound(const tm_gamma_mixture *m, double v, double alpha) {
    const double want = -tm__log(alpha);
    double low = 0, high = tm__sqrt(v + m->rho) + m->c;
    while (tm__gamma_mixture_log(m, high, v) < want) {
        low = high;
        high *= 2;
    }
    while (high - low > 1e-13 * high) {
        const double middle = low + 0.5 * (high - low);
        if (tm__gamma_mixture_log(m, middle, v) < want) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return high;
}
