/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of texts that learn. Levels are kept that at least min_count rows have, because a model
 * file should not carry what names one person; the most frequent first, then by bytes.
 *
 *   impute              the most frequent level   it, where the text is missing
 *   frequency           levels, shares [n]        share of the rows; 0 of any other text
 *   pool_rare           levels                    the text when it is one of them, else 'other'
 *   mean_by, ...        levels, numbers [n + 1]   of the level's rows; the last: of all rows, also
 *                                                 for levels with too few numbers
 */
#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "feature/feature_fitted.h"
#include "feature/feature_priv.h"

#define LEVELS_MAX (UINT32_C(1) << 18)
#define BYTES_MAX ((size_t)1 << 26)

static tm_expr_value no_text(void) {
    return (tm_expr_value){.text = {NULL, 0}};
}

/* Levels of a text column that at least `least` rows have, and how many; NULL when out of memory.
 */
static tm_level_count *count_levels(const tm_fitted_rows *in, const tm_column *column, double least,
                                    uint32_t *out_n) {
    const uint32_t n_codes = tm__dict_count(column->dict);
    tm_level_count *counts = tm__mem_zalloc((size_t)n_codes + 1, sizeof(*counts));
    uint32_t n = 0;
    if (counts == NULL) {
        return NULL;
    }
    for (uint64_t i = 0; i < in->n_rows; i++) {
        const uint32_t code = column->codes[in->rows[i]];
        if (code != TM_CODE_MISSING) {
            counts[code].count++;
        }
    }
    for (uint32_t code = 0; code < n_codes; code++) {
        const tm_level_count own = {tm__dict_get(column->dict, code), code, counts[code].count};
        if (own.count >= in->min_count && own.count >= least && tm__str_is_utf8(own.text)) {
            counts[n++] = own;
        }
    }
    tm__levels_sort(counts, n);
    *out_n = n;
    return counts;
}

/* The first of the counts as levels of the fit; *n is how many. */
static tm_status keep_levels(const tm_level_count *counts, uint32_t *n, tm_expr_fit *out,
                             tm_err *err) {
    size_t n_bytes = 0;
    uint32_t n_kept = 0;
    while (n_kept < *n && n_kept < LEVELS_MAX && n_bytes + counts[n_kept].text.len <= BYTES_MAX) {
        n_bytes += counts[n_kept++].text.len;
    }
    *n = n_kept;
    if (n_kept == 0) {
        return TM_OK;
    }
    tm_levels *levels = tm__mem_zalloc(1, sizeof(*levels));
    if (levels == NULL) {
        return tm__fitted_no_memory(err);
    }
    levels->derive = TM_DERIVE_WHOLE;
    const tm_status st = tm__levels_make(counts, n_kept, levels, err);
    if (st != TM_OK) {
        tm__mem_free(levels);
        return st;
    }
    out->levels = levels;
    return TM_OK;
}

/* ---- The most frequent ---- */

static const tm_fitted_parameter usual = {.words = "most_frequent"};

static tm_status impute_fit(const tm_fitted_rows *in, tm_expr_fit *out, tm_err *err) {
    uint32_t n = 0;
    tm_level_count *counts = count_levels(in, in->columns[0], 0, &n);
    if (counts == NULL) {
        return tm__fitted_no_memory(err);
    }
    n = n > 1 ? 1 : n;
    const tm_status st = keep_levels(counts, &n, out, err);
    tm__mem_free(counts);
    return st;
}

static bool impute_is_valid(const tm_expr_fit *fit) {
    return fit->n_numbers == 0 && fit->levels != NULL && fit->levels->n == 1;
}

static tm_expr_value impute_run(const tm_expr_fit *fit, const tm_expr_value *args) {
    const tm_str text = {fit->levels->bytes, fit->levels->starts[1]};
    return args[0].text.ptr != NULL ? args[0] : (tm_expr_value){.text = text};
}

const tm_fitted_fn tm__fitted_impute_text = {
    .number = 8,
    .name = "impute",
    .args = "S",
    .result = 'S',
    .parameter = &usual,
    .fit = impute_fit,
    .is_valid = impute_is_valid,
    .run = impute_run,
};

/* ---- Frequency ---- */

static tm_status frequency_fit(const tm_fitted_rows *in, tm_expr_fit *out, tm_err *err) {
    uint32_t n = 0;
    tm_level_count *counts = count_levels(in, in->columns[0], 0, &n);
    double *shares = NULL;
    tm_status st = counts == NULL ? tm__fitted_no_memory(err) : keep_levels(counts, &n, out, err);
    if (st == TM_OK && n > 0) {
        shares = tm__mem_alloc(n, sizeof(double));
        st = shares == NULL ? tm__fitted_no_memory(err) : TM_OK;
    }
    for (uint32_t i = 0; st == TM_OK && i < n; i++) {
        shares[i] = (double)counts[i].count / (double)in->n_rows;
    }
    out->numbers = shares;
    out->n_numbers = st == TM_OK ? n : 0;
    tm__mem_free(counts);
    return st;
}

static bool frequency_is_valid(const tm_expr_fit *fit) {
    return fit->levels != NULL && fit->n_numbers == fit->levels->n;
}

static tm_expr_value frequency_run(const tm_expr_fit *fit, const tm_expr_value *args) {
    if (args[0].text.ptr == NULL) {
        return tm__expr_number(tm__nan());
    }
    const uint32_t level = tm__levels_find(fit->levels, args[0].text);
    return tm__expr_number(level < fit->levels->n ? fit->numbers[level] : 0);
}

const tm_fitted_fn tm__fitted_frequency = {
    .number = 9,
    .name = "frequency",
    .args = "S",
    .result = 'N',
    .fit = frequency_fit,
    .is_valid = frequency_is_valid,
    .run = frequency_run,
};

/* ---- Rare levels ---- */

static const tm_fitted_parameter share = {.least = 0, .most = 1, .usual = 0.01};

static tm_status pool_fit(const tm_fitted_rows *in, tm_expr_fit *out, tm_err *err) {
    uint32_t n = 0;
    tm_level_count *counts =
        count_levels(in, in->columns[0], in->parameter * (double)in->n_rows, &n);
    if (counts == NULL) {
        return tm__fitted_no_memory(err);
    }
    const tm_status st = keep_levels(counts, &n, out, err);
    tm__mem_free(counts);
    return st;
}

static bool pool_is_valid(const tm_expr_fit *fit) {
    return fit->n_numbers == 0 && fit->levels != NULL;
}

static tm_expr_value pool_run(const tm_expr_fit *fit, const tm_expr_value *args) {
    if (args[0].text.ptr == NULL) {
        return no_text();
    }
    const bool is_kept = tm__levels_find(fit->levels, args[0].text) < fit->levels->n;
    return is_kept ? args[0] : (tm_expr_value){.text = TM_STR("other")};
}

const tm_fitted_fn tm__fitted_pool_rare = {
    .number = 10,
    .name = "pool_rare",
    .args = "S",
    .result = 'S',
    .parameter = &share,
    .fit = pool_fit,
    .is_valid = pool_is_valid,
    .run = pool_run,
};

/* ---- A number by group ---- */

typedef double (*group_fn)(double *values, uint64_t n);

static double mean_of(double *values, uint64_t n) {
    double mean = 0, spread = 0;
    tm__fitted_moments(values, n, &mean, &spread);
    return mean;
}

static double std_of(double *values, uint64_t n) {
    double mean = 0, spread = 0;
    tm__fitted_moments(values, n, &mean, &spread);
    return spread;
}

static double median_of(double *values, uint64_t n) {
    tm__fitted_sort(values, n);
    return tm__fitted_quantile_of(values, n, 0.5);
}

/* Group of a row that has a number: a level, or n for any other text and for none. */
static uint32_t group_of(const tm_fitted_rows *in, const uint32_t *map, uint32_t n, uint64_t i) {
    const uint32_t code = in->columns[1]->codes[in->rows[i]];
    return code == TM_CODE_MISSING ? n : map[code];
}

/* Numbers by group, each group's in the order of its rows: starts [n + 2]. */
static void deal(const tm_fitted_rows *in, const uint32_t *map, uint32_t n, uint64_t *starts,
                 double *values) {
    const double *floats = in->columns[0]->floats;
    for (uint64_t i = 0; i < in->n_rows; i++) {
        if (isfinite(floats[in->rows[i]])) {
            starts[group_of(in, map, n, i)]++;
        }
    }
    for (uint32_t g = 1; g <= n + 1; g++) { /* ends, which become begins */
        starts[g] += starts[g - 1];
    }
    for (uint64_t i = in->n_rows; i-- > 0;) {
        const double value = floats[in->rows[i]];
        if (isfinite(value)) {
            values[--starts[group_of(in, map, n, i)]] = value + 0.0;
        }
    }
}

static tm_status fit_groups(const tm_fitted_rows *in, const tm_levels *levels, group_fn of,
                            double *out, tm_err *err) {
    const uint32_t n = levels->n;
    uint32_t *map =
        tm__mem_alloc((size_t)tm__dict_count(in->columns[1]->dict) + 1, sizeof(uint32_t));
    uint64_t *starts = tm__mem_zalloc((size_t)n + 2, sizeof(uint64_t));
    double *values = tm__mem_alloc(in->n_rows, sizeof(double));
    const bool ok = map != NULL && starts != NULL && values != NULL;
    if (ok) {
        tm__levels_map(NULL, levels, in->columns[1]->dict, map);
        deal(in, map, n, starts, values);
        for (uint32_t g = 0; g < n; g++) {
            const uint64_t n_own = starts[g + 1] - starts[g];
            out[g] = n_own >= in->min_count ? of(values + starts[g], n_own) : tm__nan();
        }
        out[n] = of(values, starts[n + 1]);
        for (uint32_t g = 0; g < n; g++) {
            out[g] = isnan(out[g]) ? out[n] : out[g];
        }
    }
    tm__mem_free(map);
    tm__mem_free(starts);
    tm__mem_free(values);
    return ok ? TM_OK : tm__fitted_no_memory(err);
}

static bool has_numbers(const tm_fitted_rows *in) {
    for (uint64_t i = 0; i < in->n_rows; i++) {
        if (isfinite(in->columns[0]->floats[in->rows[i]])) {
            return true;
        }
    }
    return false;
}

static tm_status by_fit(const tm_fitted_rows *in, group_fn of, tm_expr_fit *out, tm_err *err) {
    uint32_t n = 0;
    if (!has_numbers(in)) {
        return TM_OK;
    }
    tm_level_count *counts = count_levels(in, in->columns[1], 0, &n);
    tm_status st = counts == NULL ? tm__fitted_no_memory(err) : keep_levels(counts, &n, out, err);
    tm__mem_free(counts);
    if (st != TM_OK || n == 0) {
        return st;
    }
    out->numbers = tm__mem_alloc((size_t)n + 1, sizeof(double));
    if (out->numbers == NULL) {
        return tm__fitted_no_memory(err);
    }
    out->n_numbers = n + 1;
    return fit_groups(in, out->levels, of, out->numbers, err);
}

static tm_status mean_by_fit(const tm_fitted_rows *in, tm_expr_fit *out, tm_err *err) {
    return by_fit(in, mean_of, out, err);
}

static tm_status median_by_fit(const tm_fitted_rows *in, tm_expr_fit *out, tm_err *err) {
    return by_fit(in, median_of, out, err);
}

static tm_status std_by_fit(const tm_fitted_rows *in, tm_expr_fit *out, tm_err *err) {
    return by_fit(in, std_of, out, err);
}

static bool by_is_valid(const tm_expr_fit *fit) {
    return fit->levels != NULL && fit->n_numbers >= 1 && fit->n_numbers - 1 == fit->levels->n;
}

static tm_expr_value by_run(const tm_expr_fit *fit, const tm_expr_value *args) {
    if (args[1].text.ptr == NULL) {
        return tm__expr_number(tm__nan());
    }
    return tm__expr_number(fit->numbers[tm__levels_find(fit->levels, args[1].text)]);
}

const tm_fitted_fn tm__fitted_mean_by = {
    .number = 11,
    .name = "mean_by",
    .args = "NS",
    .result = 'N',
    .fit = mean_by_fit,
    .is_valid = by_is_valid,
    .run = by_run,
};

const tm_fitted_fn tm__fitted_median_by = {
    .number = 12,
    .name = "median_by",
    .args = "NS",
    .result = 'N',
    .fit = median_by_fit,
    .is_valid = by_is_valid,
    .run = by_run,
};

const tm_fitted_fn tm__fitted_std_by = {
    .number = 13,
    .name = "std_by",
    .args = "NS",
    .result = 'N',
    .fit = std_by_fit,
    .is_valid = by_is_valid,
    .run = by_run,
};
