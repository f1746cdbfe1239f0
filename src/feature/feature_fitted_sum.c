/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "base/sort.h"
#include "feature/feature_fitted.h"

#define CHUNK 4096u
#define LARGE 0x1p+490 /* past it squares, and sums of those, may be no doubles */
#define SMALL 0x1p-490
#define SHRINK 0x1p-540 /* a power of two, so that nothing is rounded by it */
#define GROW 0x1p+540

double *tm__fitted_values(const tm_fitted_rows *in, uint64_t n_max, uint64_t *out_n) {
    const double *floats = in->columns[0]->floats;
    const uint64_t n = in->n_rows < n_max ? in->n_rows : n_max;
    double *values = tm__mem_alloc(n, sizeof(double));
    uint64_t n_values = 0;
    for (uint64_t i = 0; values != NULL && i < n; i++) {
        const uint64_t at = n == in->n_rows ? i : i * in->n_rows / n_max;
        const double value = floats[in->rows[at]];
        if (isfinite(value)) {
            values[n_values++] = value + 0.0; /* -0 is 0 */
        }
    }
    *out_n = n_values;
    return values;
}

void tm__fitted_sort(double *values, uint64_t n) {
    if (n > 1) {
        qsort(values, n, sizeof(double), tm__compare_f64);
    }
}

double tm__fitted_quantile_of(const double *sorted, uint64_t n, double share) {
    const double place = share * (double)(n - 1);
    const uint64_t low = (uint64_t)floor(place);
    const double part = place - floor(place);
    return low + 1 >= n || part == 0 ? sorted[low]
                                     : sorted[low] * (1 - part) + sorted[low + 1] * part;
}

double tm__fitted_mode_of(const double *sorted, uint64_t n) {
    uint64_t best = 0, n_best = 0;
    for (uint64_t from = 0, end = 0; from < n; from = end) {
        while (end < n && sorted[end] == sorted[from]) {
            end++;
        }
        if (end - from > n_best) {
            n_best = end - from;
            best = from;
        }
    }
    return sorted[best];
}

/* Sum of (value * unit - from), or of its square, by chunks in order. */
static double sum_of(const double *values, uint64_t n, double unit, double from, bool is_square) {
    double sum = 0;
    for (uint64_t at = 0; at < n; at += CHUNK) {
        const uint64_t end = at + CHUNK < n ? at + CHUNK : n;
        double chunk = 0;
        for (uint64_t i = at; i < end; i++) {
            const double off = values[i] * unit - from;
            chunk += is_square ? off * off : off;
        }
        sum += chunk;
    }
    return sum;
}

void tm__fitted_moments(const double *values, uint64_t n, double *out_mean, double *out_spread) {
    double most = 0;
    for (uint64_t i = 0; i < n; i++) {
        most = fabs(values[i]) > most ? fabs(values[i]) : most;
    }
    const double unit = most > LARGE ? SHRINK : most > 0 && most < SMALL ? GROW : 1;
    const double first = values[0] * unit;
    const double mean = first + sum_of(values, n, unit, first, false) / (double)n;
    const double spread = tm__sqrt(sum_of(values, n, unit, mean, true) / (double)n);
    *out_mean = mean / unit;
    *out_spread = spread > fabs(mean) * 1e-12 ? spread / unit : 0;
}

bool tm__fitted_keep(tm_expr_fit *fit, const double *numbers, uint32_t n) {
    double *kept = tm__mem_alloc(n, sizeof(double));
    if (kept == NULL) {
        return false;
    }
    memcpy(kept, numbers, n * sizeof(double));
    fit->numbers = kept;
    fit->n_numbers = n;
    return true;
}
