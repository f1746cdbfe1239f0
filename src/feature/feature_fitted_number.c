/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of numbers that learn.
 *
 *   scale, robust_scale   centre, width          (x - centre) / width
 *   yeo_johnson           power, centre, width   (power of x - centre) / width
 *   quantile              knots [k], shares [k]  the share at x, in proportion between knots
 *   bin, cut              edges [k]              how many edges are at most x
 *   impute                value                  x, or the value where x is missing
 *
 * Numbers of rows past SAMPLE and POWER_SAMPLE are not needed to know where a quantile is: evenly
 * spaced rows stand for all. Means are of all rows.
 */
#include <math.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "feature/feature_fitted.h"

enum { SAMPLE = 1 << 18, POWER_SAMPLE = 1 << 14, KNOTS_MAX = 256, EDGES_MAX = 254 };

/* A width of nothing is 1: what is left is the difference from the centre. */
static double width_of(double spread) {
    return spread > 0 && isfinite(spread) ? spread : 1;
}

static tm_status keep(tm_expr_fit *out, const double *numbers, uint32_t n, tm_err *err) {
    return n == 0 || tm__fitted_keep(out, numbers, n) ? TM_OK : tm__fitted_no_memory(err);
}

static bool are_rising(const double *numbers, uint32_t n, bool is_strict) {
    for (uint32_t i = 1; i < n; i++) {
        if (is_strict ? !(numbers[i] > numbers[i - 1]) : !(numbers[i] >= numbers[i - 1])) {
            return false;
        }
    }
    return true;
}

/* ---- Scaling ---- */

static tm_status scale_fit(const tm_fitted_rows *in, tm_expr_fit *out, tm_err *err) {
    uint64_t n = 0;
    double *values = tm__fitted_values(in, UINT64_MAX, &n);
    double own[2] = {0, 1};
    if (values == NULL) {
        return tm__fitted_no_memory(err);
    }
    if (n > 0) {
        tm__fitted_moments(values, n, &own[0], &own[1]);
        own[1] = width_of(own[1]);
    }
    tm__mem_free(values);
    return keep(out, own, n > 0 ? 2 : 0, err);
}

/* Median, and the distance between the quartiles. */
static tm_status robust_fit(const tm_fitted_rows *in, tm_expr_fit *out, tm_err *err) {
    uint64_t n = 0;
    double *values = tm__fitted_values(in, SAMPLE, &n);
    double own[2] = {0, 1};
    if (values == NULL) {
        return tm__fitted_no_memory(err);
    }
    if (n > 0) {
        tm__fitted_sort(values, n);
        own[0] = tm__fitted_quantile_of(values, n, 0.5);
        own[1] = width_of(tm__fitted_quantile_of(values, n, 0.75) -
                          tm__fitted_quantile_of(values, n, 0.25));
    }
    tm__mem_free(values);
    return keep(out, own, n > 0 ? 2 : 0, err);
}

static bool scale_is_valid(const tm_expr_fit *fit) {
    return fit->n_numbers == 2 && fit->levels == NULL && fit->numbers[1] > 0;
}

static tm_expr_value scale_run(const tm_expr_fit *fit, const tm_expr_value *args) {
    return tm__expr_number((args[0].number - fit->numbers[0]) / fit->numbers[1]);
}

const tm_fitted_fn tm__fitted_scale = {
    .number = 1,
    .name = "scale",
    .args = "N",
    .result = 'N',
    .fit = scale_fit,
    .is_valid = scale_is_valid,
    .run = scale_run,
};

const tm_fitted_fn tm__fitted_robust_scale = {
    .number = 2,
    .name = "robust_scale",
    .args = "N",
    .result = 'N',
    .fit = robust_fit,
    .is_valid = scale_is_valid,
    .run = scale_run,
};

/* ---- Power ---- */

#define POWER_MOST 4.0
#define POWER_GRID 16  /* first looks on each side of 0 */
#define POWER_LOOKS 32 /* then narrower ones */

/* Yeo and Johnson 2000, doi:10.1093/biomet/87.4.954, (2.1), by the exponential of a logarithm less
 * 1, which keeps what is near 0. */
static double to_power(double x, double power) {
    const double away = tm__log1p(fabs(x));
    const double own = x < 0 ? 2 - power : power;
    const double value = fabs(own) < 1e-9 ? away : tm__expm1(own * away) / own;
    return x < 0 ? -value : value;
}

/* Log-likelihood of a power (section 3 there), without what does not depend on it. */
static double likelihood(const double *values, uint64_t n, double power, double *moved) {
    double mean = 0, spread = 0, jacobian = 0;
    for (uint64_t i = 0; i < n; i++) {
        moved[i] = to_power(values[i], power);
        if (!isfinite(moved[i])) {
            return -INFINITY;
        }
        jacobian += values[i] < 0 ? -tm__log1p(-values[i]) : tm__log1p(values[i]);
    }
    tm__fitted_moments(moved, n, &mean, &spread);
    return spread > 0 && isfinite(spread) ? (power - 1) * jacobian - (double)n * tm__log(spread)
                                          : -INFINITY;
}

/* The best of a grid, then halves of the way to its neighbours; 1 leaves values as they are. */
static double best_power(const double *values, uint64_t n, double *moved) {
    double best = 1, step = POWER_MOST / POWER_GRID;
    double most = likelihood(values, n, best, moved);
    for (int i = -POWER_GRID; i <= POWER_GRID; i++) {
        const double found = likelihood(values, n, i * step, moved);
        if (found > most) {
            most = found;
            best = i * step;
        }
    }
    for (int i = 0; i < POWER_LOOKS && isfinite(most); i++) {
        step /= 2;
        const double sides[2] = {best - step, best + step};
        for (int side = 0; side < 2; side++) {
            const double found = likelihood(values, n, sides[side], moved);
            if (found > most && fabs(sides[side]) <= POWER_MOST) {
                most = found;
                best = sides[side];
            }
        }
    }
    return best;
}

static tm_status power_fit(const tm_fitted_rows *in, tm_expr_fit *out, tm_err *err) {
    uint64_t n = 0, n_sample = 0, n_kept = 0;
    double own[3] = {1, 0, 1};
    double *values = tm__fitted_values(in, UINT64_MAX, &n);
    double *sample = tm__fitted_values(in, POWER_SAMPLE, &n_sample);
    double *moved = tm__mem_alloc(POWER_SAMPLE, sizeof(double));
    const bool ok = values != NULL && sample != NULL && moved != NULL;
    if (ok && n_sample > 0) {
        own[0] = best_power(sample, n_sample, moved);
    }
    for (uint64_t i = 0; ok && i < n; i++) {
        const double value = to_power(values[i], own[0]);
        if (isfinite(value)) {
            values[n_kept++] = value;
        }
    }
    if (n_kept > 0) {
        tm__fitted_moments(values, n_kept, &own[1], &own[2]);
        own[2] = width_of(own[2]);
    }
    tm__mem_free(values);
    tm__mem_free(sample);
    tm__mem_free(moved);
    return ok ? keep(out, own, n_kept > 0 ? 3 : 0, err) : tm__fitted_no_memory(err);
}

static bool power_is_valid(const tm_expr_fit *fit) {
    return fit->n_numbers == 3 && fit->levels == NULL && fabs(fit->numbers[0]) <= POWER_MOST &&
           fit->numbers[2] > 0;
}

static tm_expr_value power_run(const tm_expr_fit *fit, const tm_expr_value *args) {
    const double moved = to_power(args[0].number, fit->numbers[0]);
    return tm__expr_number((moved - fit->numbers[1]) / fit->numbers[2]);
}

const tm_fitted_fn tm__fitted_yeo_johnson = {
    .number = 3,
    .name = "yeo_johnson",
    .args = "N",
    .result = 'N',
    .fit = power_fit,
    .is_valid = power_is_valid,
    .run = power_run,
};

/* ---- Quantiles ---- */

/* Values evenly apart in rank; one that comes several times has the middle of their shares. */
static uint32_t find_knots(const double *sorted, uint64_t n, double *knots, double *shares) {
    const uint32_t n_looks = n < KNOTS_MAX ? (uint32_t)n : KNOTS_MAX;
    uint32_t n_knots = 0, first = 0;
    for (uint32_t i = 0; i < n_looks; i++) {
        const double value = sorted[n_looks == 1 ? 0 : i * (n - 1) / (n_looks - 1)];
        if (n_knots == 0 || value > knots[n_knots - 1]) {
            knots[n_knots++] = value;
            first = i;
        }
        shares[n_knots - 1] =
            n_looks == 1 ? 0.5 : (double)(first + i) / (2 * (double)(n_looks - 1));
    }
    return n_knots;
}

static tm_status quantile_fit(const tm_fitted_rows *in, tm_expr_fit *out, tm_err *err) {
    uint64_t n = 0;
    double *values = tm__fitted_values(in, SAMPLE, &n);
    double own[2 * KNOTS_MAX], shares[KNOTS_MAX];
    uint32_t n_knots = 0;
    if (values == NULL) {
        return tm__fitted_no_memory(err);
    }
    if (n > 0) {
        tm__fitted_sort(values, n);
        n_knots = find_knots(values, n, own, shares);
    }
    for (uint32_t i = 0; i < n_knots; i++) {
        own[n_knots + i] = shares[i];
    }
    tm__mem_free(values);
    return keep(out, own, 2 * n_knots, err);
}

static bool quantile_is_valid(const tm_expr_fit *fit) {
    const uint32_t n = fit->n_numbers / 2;
    return fit->n_numbers % 2 == 0 && n >= 1 && n <= KNOTS_MAX && fit->levels == NULL &&
           are_rising(fit->numbers, n, true) && are_rising(fit->numbers + n, n, false) &&
           fit->numbers[n] >= 0 && fit->numbers[2 * n - 1] <= 1;
}

/* Numbers that are at most a value, of rising ones. */
static uint32_t count_below(const double *numbers, uint32_t n, double value) {
    uint32_t low = 0, end = n;
    while (low < end) {
        const uint32_t middle = low + (end - low) / 2;
        if (numbers[middle] <= value) {
            low = middle + 1;
        } else {
            end = middle;
        }
    }
    return low;
}

static tm_expr_value quantile_run(const tm_expr_fit *fit, const tm_expr_value *args) {
    const uint32_t n = fit->n_numbers / 2;
    const double *knots = fit->numbers, *shares = fit->numbers + n;
    const double x = args[0].number;
    const uint32_t at = count_below(knots, n, x);
    if (isnan(x) || at == 0 || at == n) {
        return tm__expr_number(isnan(x) ? x : shares[at == 0 ? 0 : n - 1]);
    }
    /* Halves, whose differences are doubles. */
    const double part = (x / 2 - knots[at - 1] / 2) / (knots[at] / 2 - knots[at - 1] / 2);
    return tm__expr_number(shares[at - 1] + (shares[at] - shares[at - 1]) * part);
}

const tm_fitted_fn tm__fitted_quantile = {
    .number = 4,
    .name = "quantile",
    .args = "N",
    .result = 'N',
    .fit = quantile_fit,
    .is_valid = quantile_is_valid,
    .run = quantile_run,
};

/* ---- Bins ---- */

static const tm_fitted_parameter bins = {
    .is_whole = true, .least = 2, .most = EDGES_MAX + 1, .usual = 10};

/* The smallest and the largest alone: quantiles of the two are evenly apart. */
static uint64_t keep_ends(double *values, uint64_t n) {
    double low = INFINITY, high = -INFINITY;
    for (uint64_t i = 0; i < n; i++) {
        low = values[i] < low ? values[i] : low;
        high = values[i] > high ? values[i] : high;
    }
    const double ends[2] = {low, high};
    const uint64_t n_ends = low < high ? 2 : n > 0 ? 1 : 0;
    for (uint64_t i = 0; i < n_ends; i++) {
        values[i] = ends[i];
    }
    return n_ends;
}

/* Edges between bins of as many rows each, or of one width. */
static tm_status edges_fit(const tm_fitted_rows *in, bool is_even, tm_expr_fit *out, tm_err *err) {
    uint64_t n = 0;
    double edges[EDGES_MAX];
    uint32_t n_edges = 0;
    double *values = tm__fitted_values(in, is_even ? UINT64_MAX : SAMPLE, &n);
    if (values == NULL) {
        return tm__fitted_no_memory(err);
    }
    if (is_even) {
        n = keep_ends(values, n);
    } else {
        tm__fitted_sort(values, n);
    }
    for (double i = 1; n > 0 && i < in->parameter; i++) {
        const double edge = tm__fitted_quantile_of(values, n, i / in->parameter);
        if (edge > (n_edges == 0 ? values[0] : edges[n_edges - 1])) {
            edges[n_edges++] = edge;
        }
    }
    tm__mem_free(values);
    return keep(out, edges, n_edges, err);
}

static tm_status bin_fit(const tm_fitted_rows *in, tm_expr_fit *out, tm_err *err) {
    return edges_fit(in, false, out, err);
}

static tm_status cut_fit(const tm_fitted_rows *in, tm_expr_fit *out, tm_err *err) {
    return edges_fit(in, true, out, err);
}

static bool edges_are_valid(const tm_expr_fit *fit) {
    return fit->n_numbers >= 1 && fit->n_numbers <= EDGES_MAX && fit->levels == NULL &&
           are_rising(fit->numbers, fit->n_numbers, true);
}

static tm_expr_value bin_run(const tm_expr_fit *fit, const tm_expr_value *args) {
    const double x = args[0].number;
    return tm__expr_number(isnan(x) ? x : (double)count_below(fit->numbers, fit->n_numbers, x));
}

const tm_fitted_fn tm__fitted_bin = {
    .number = 5,
    .name = "bin",
    .args = "N",
    .result = 'N',
    .parameter = &bins,
    .fit = bin_fit,
    .is_valid = edges_are_valid,
    .run = bin_run,
};

const tm_fitted_fn tm__fitted_cut = {
    .number = 6,
    .name = "cut",
    .args = "N",
    .result = 'N',
    .parameter = &bins,
    .fit = cut_fit,
    .is_valid = edges_are_valid,
    .run = bin_run,
};

/* ---- Missing values ---- */

enum { MEDIAN, MEAN };

static const tm_fitted_parameter middles = {.words = "median|mean|most_frequent"};

static tm_status impute_fit(const tm_fitted_rows *in, tm_expr_fit *out, tm_err *err) {
    uint64_t n = 0;
    double own = 0, spread = 0;
    double *values = tm__fitted_values(in, in->parameter == MEAN ? UINT64_MAX : SAMPLE, &n);
    if (values == NULL) {
        return tm__fitted_no_memory(err);
    }
    if (n > 0 && in->parameter == MEAN) {
        tm__fitted_moments(values, n, &own, &spread);
    } else if (n > 0) {
        tm__fitted_sort(values, n);
        own = in->parameter == MEDIAN ? tm__fitted_quantile_of(values, n, 0.5)
                                      : tm__fitted_mode_of(values, n);
    }
    tm__mem_free(values);
    return keep(out, &own, n > 0 ? 1 : 0, err);
}

static bool impute_is_valid(const tm_expr_fit *fit) {
    return fit->n_numbers == 1 && fit->levels == NULL;
}

static tm_expr_value impute_run(const tm_expr_fit *fit, const tm_expr_value *args) {
    return isnan(args[0].number) ? (tm_expr_value){.number = fit->numbers[0]} : args[0];
}

const tm_fitted_fn tm__fitted_impute_number = {
    .number = 7,
    .name = "impute",
    .args = "N",
    .result = 'N',
    .parameter = &middles,
    .fit = impute_fit,
    .is_valid = impute_is_valid,
    .run = impute_run,
};
