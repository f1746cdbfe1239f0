/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of expressions that learn from the fitted rows: scaling, bins, groups, rare levels.
 * One table: a function is a learner, a check of what it learned, and what it makes of one value,
 * which rows and columns share, so that the bits are the same. None of them sees the target.
 *
 * A call that learned nothing (no fitted row has a value) has no numbers and no levels, and gives
 * missing values. Not for other folders.
 */
#ifndef TM_FEATURE_FEATURE_FITTED_H
#define TM_FEATURE_FEATURE_FITTED_H

#include "feature/feature_expr.h"

/* What a call may learn from: its arguments over the fitted rows. */
typedef struct tm_fitted_rows {
    const tm_column *columns[2]; /* FLOAT (finite or NaN) or TEXT, of the table's rows */
    const uint32_t *rows;        /* [n_rows] */
    uint64_t n_rows;
    uint32_t min_count; /* rows of a text that may be kept */
    double parameter;
} tm_fitted_rows;

/* The last argument of some, which is a constant. */
typedef struct tm_fitted_parameter {
    const char *words; /* "median|mean": the number of the word; NULL: a number */
    bool is_whole;
    double least, most;
    double usual; /* when it is left out */
} tm_fitted_parameter;

/* Types of arguments and of the result: N a number, S a text. */
typedef struct tm_fitted_fn {
    uint16_t number; /* in files: never reuse one */
    const char *name;
    const char *args;
    char result;
    const tm_fitted_parameter *parameter; /* NULL: it has none */
    /** Fills numbers and levels; leaves them empty when there is nothing to learn from. */
    tm_status (*fit)(const tm_fitted_rows *in, tm_expr_fit *out, tm_err *err);
    /** Whether what was learned, which is not nothing and whose numbers are finite, can be run. */
    bool (*is_valid)(const tm_expr_fit *fit);
    /** Only of a fit that learned something. */
    tm_expr_value (*run)(const tm_expr_fit *fit, const tm_expr_value *args);
} tm_fitted_fn;

/** NULL: there is none. */
const tm_fitted_fn *tm__fitted_get(uint32_t number);
/** The i-th of the table; NULL behind the last. */
const tm_fitted_fn *tm__fitted_at(uint32_t i);
/** The first one of a name (case does not matter), whatever it takes. */
const tm_fitted_fn *tm__fitted_named(tm_str name);
/** The function of a name that takes these types: letters [n], '?' goes with every type; a
 * parameter is none of them. */
const tm_fitted_fn *tm__fitted_find(tm_str name, const char *letters, uint32_t n);
/** A number, or the word of a text, as a function's parameter; false: it is not one. */
bool tm__fitted_number(const tm_fitted_fn *fn, double value, double *out);
bool tm__fitted_word(const tm_fitted_fn *fn, tm_str word, double *out);
/** What is wanted of a parameter, for an error: "a whole number from 2 to 255". */
void tm__fitted_wanted(const tm_fitted_fn *fn, char *out, size_t size);

bool tm__fitted_is_valid(const tm_expr_fit *fit);
tm_expr_value tm__fitted_run(const tm_expr_fit *fit, const tm_expr_value *args);
bool tm__fitted_save(const tm_expr_fit *fit, tm_buf *out);
/** TM_E_DATA for what cannot be right; the function's own check is tm__fitted_is_valid(). */
TM_NODISCARD tm_status tm__fitted_load(tm_reader *in, tm_expr_fit *out, tm_err *err);
void tm__fitted_done(tm_expr_fit *fit);
/** TM_E_NOMEM, said in the words of all functions. */
TM_NODISCARD tm_status tm__fitted_no_memory(tm_err *err);

/** The calls of made column m that learn, in their order, from the fitted rows: `fit` has the
 * columns of the sources before it. */
struct tm_fit;
TM_NODISCARD tm_status tm__calls_fit(struct tm_fit *fit, uint32_t m, tm_err *err);

/* feature_fitted_number.c, feature_fitted_level.c: the functions of numbers and of texts. */
extern const tm_fitted_fn tm__fitted_scale, tm__fitted_robust_scale, tm__fitted_yeo_johnson,
    tm__fitted_quantile, tm__fitted_bin, tm__fitted_cut, tm__fitted_impute_number,
    tm__fitted_impute_text, tm__fitted_frequency, tm__fitted_pool_rare, tm__fitted_mean_by,
    tm__fitted_median_by, tm__fitted_std_by;

/* feature_fitted_sum.c: of many numbers. */
/** The values of the first argument that are there, of at most n_max rows evenly apart, -0 as 0;
 * NULL when out of memory. Ends with tm__mem_free(). */
double *tm__fitted_values(const tm_fitted_rows *in, uint64_t n_max, uint64_t *out_n);
void tm__fitted_sort(double *values, uint64_t n);
/** Value at a share (0 to 1) of sorted ones, between neighbours in proportion; n > 0. */
double tm__fitted_quantile_of(const double *sorted, uint64_t n, double share);
/** The most frequent of sorted ones, the smallest of those as frequent; n > 0. */
double tm__fitted_mode_of(const double *sorted, uint64_t n);
/** Mean and standard deviation of the values themselves (divided by n); n > 0. A spread that is
 * rounding alone is 0. */
void tm__fitted_moments(const double *values, uint64_t n, double *out_mean, double *out_spread);
/** Keeps n numbers; false when out of memory. */
bool tm__fitted_keep(tm_expr_fit *fit, const double *numbers, uint32_t n);
/** Finite: what a number cannot be is missing. */

#endif
