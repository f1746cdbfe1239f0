/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of expressions. Arithmetic, logic and choices are here with the table; what works on
 * times and texts is in feature_expr_text.c.
 *
 * A missing argument gives a missing result, but where a comment says otherwise. Logic has three
 * values (Kleene): false and missing is false, true or missing is true, all else with a missing
 * part is missing.
 */
#include "feature/feature_expr_fn.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "feature/feature_expr_module.h"
#include "feature/feature_expr_text.h"
#include "feature/feature_fitted.h"

#define UNUSED ((void)n, (void)scratch)
#define TWO_PI 6.283185307179586

static tm_expr_value truth(bool is_known, bool value) {
    return (tm_expr_value){.number = !is_known ? tm__nan() : value ? 1 : 0};
}

static bool has(tm_expr_value value) {
    return !isnan(value.number);
}

static bool is_true(tm_expr_value value) {
    return has(value) && value.number != 0;
}

static bool is_false(tm_expr_value value) {
    return value.number == 0;
}

static bool has_both(const tm_expr_value *a) {
    return has(a[0]) && has(a[1]);
}

static bool times_both(const tm_expr_value *a) {
    return a[0].us != TM_INT_MISSING && a[1].us != TM_INT_MISSING;
}

static bool texts_both(const tm_expr_value *a) {
    return a[0].text.ptr != NULL && a[1].text.ptr != NULL;
}

static tm_expr_value add(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return tm__expr_number(a[0].number + a[1].number);
}

static tm_expr_value subtract(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return tm__expr_number(a[0].number - a[1].number);
}

static tm_expr_value multiply(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return tm__expr_number(a[0].number * a[1].number);
}

static tm_expr_value divide(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return tm__expr_number(a[1].number == 0 ? tm__nan() : a[0].number / a[1].number);
}

static tm_expr_value modulo(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return tm__expr_number(a[1].number == 0
                               ? tm__nan()
                               : a[0].number - a[1].number * floor(a[0].number / a[1].number));
}

static tm_expr_value power(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return tm__expr_number(has_both(a) ? tm__pow(a[0].number, a[1].number) : tm__nan());
}

static tm_expr_value negate(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return tm__expr_number(-a[0].number);
}

static tm_expr_value fn_log(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return tm__expr_number(a[0].number > 0 ? tm__log(a[0].number) : tm__nan());
}

static tm_expr_value fn_log1p(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return tm__expr_number(a[0].number > -1 ? tm__log1p(a[0].number) : tm__nan());
}

static tm_expr_value fn_exp(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return tm__expr_number(tm__exp(a[0].number));
}

static tm_expr_value fn_sqrt(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return tm__expr_number(a[0].number >= 0 ? tm__sqrt(a[0].number) : tm__nan());
}

static tm_expr_value fn_abs(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return tm__expr_number(fabs(a[0].number));
}

static tm_expr_value fn_floor(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return tm__expr_number(floor(a[0].number));
}

static tm_expr_value fn_ceil(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return tm__expr_number(ceil(a[0].number));
}

static tm_expr_value fn_round(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return tm__expr_number(a[0].number < 0 ? -floor(0.5 - a[0].number) : floor(a[0].number + 0.5));
}

static tm_expr_value fn_sign(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return tm__expr_number(a[0].number > 0 ? 1 : a[0].number < 0 ? -1 : a[0].number);
}

static tm_expr_value fn_sin(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return tm__expr_number(tm__sin(a[0].number));
}

static tm_expr_value fn_cos(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return tm__expr_number(tm__cos(a[0].number));
}

static tm_expr_value eq(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return truth(has_both(a), a[0].number == a[1].number);
}

static tm_expr_value ne(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return truth(has_both(a), a[0].number != a[1].number);
}

static tm_expr_value lt(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return truth(has_both(a), a[0].number < a[1].number);
}

static tm_expr_value le(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return truth(has_both(a), a[0].number <= a[1].number);
}

static tm_expr_value gt(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return truth(has_both(a), a[0].number > a[1].number);
}

static tm_expr_value ge(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return truth(has_both(a), a[0].number >= a[1].number);
}

static tm_expr_value text_eq(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return truth(texts_both(a), tm__str_eq(a[0].text, a[1].text));
}

static tm_expr_value text_ne(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return truth(texts_both(a), !tm__str_eq(a[0].text, a[1].text));
}

static tm_expr_value time_eq(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return truth(times_both(a), a[0].us == a[1].us);
}

static tm_expr_value time_ne(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return truth(times_both(a), a[0].us != a[1].us);
}

static tm_expr_value time_lt(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return truth(times_both(a), a[0].us < a[1].us);
}

static tm_expr_value time_le(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return truth(times_both(a), a[0].us <= a[1].us);
}

static tm_expr_value time_gt(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return truth(times_both(a), a[0].us > a[1].us);
}

static tm_expr_value time_ge(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return truth(times_both(a), a[0].us >= a[1].us);
}

static tm_expr_value fn_and(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return truth(is_false(a[0]) || is_false(a[1]) || has_both(a), is_true(a[0]) && is_true(a[1]));
}

static tm_expr_value fn_or(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return truth(is_true(a[0]) || is_true(a[1]) || has_both(a), is_true(a[0]) || is_true(a[1]));
}

static tm_expr_value fn_not(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return truth(has(a[0]), is_false(a[0]));
}

static tm_expr_value number_is_missing(const tm_expr_value *a, uint32_t n,
                                       tm_expr_scratch *scratch) {
    UNUSED;
    return truth(true, !has(a[0]));
}

static tm_expr_value text_is_missing(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return truth(true, a[0].text.ptr == NULL);
}

static tm_expr_value time_is_missing(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return truth(true, a[0].us == TM_INT_MISSING);
}

static tm_expr_value number_if(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return !has(a[0]) ? tm__expr_number(tm__nan()) : is_true(a[0]) ? a[1] : a[2];
}

static tm_expr_value text_if(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return !has(a[0]) ? (tm_expr_value){.text = {NULL, 0}} : is_true(a[0]) ? a[1] : a[2];
}

static tm_expr_value time_if(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return !has(a[0]) ? (tm_expr_value){.us = TM_INT_MISSING} : is_true(a[0]) ? a[1] : a[2];
}

/* The first that is there. */
static tm_expr_value number_coalesce(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    (void)scratch;
    uint32_t i = 0;
    while (i + 1 < n && !has(a[i])) {
        i++;
    }
    return a[i];
}

static tm_expr_value text_coalesce(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    (void)scratch;
    uint32_t i = 0;
    while (i + 1 < n && a[i].text.ptr == NULL) {
        i++;
    }
    return a[i];
}

static tm_expr_value time_coalesce(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    (void)scratch;
    uint32_t i = 0;
    while (i + 1 < n && a[i].us == TM_INT_MISSING) {
        i++;
    }
    return a[i];
}

/* Smallest and largest of those that are there: a missing one is passed over. */
static tm_expr_value fn_min(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    (void)scratch;
    double best = tm__nan();
    for (uint32_t i = 0; i < n; i++) {
        best = isnan(best) || a[i].number < best ? a[i].number : best;
    }
    return tm__expr_number(best);
}

static tm_expr_value fn_max(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    (void)scratch;
    double best = tm__nan();
    for (uint32_t i = 0; i < n; i++) {
        best = isnan(best) || a[i].number > best ? a[i].number : best;
    }
    return tm__expr_number(best);
}

/* A missing choice is none. */
static tm_expr_value number_in(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    (void)scratch;
    bool is_in = false;
    for (uint32_t i = 1; i < n; i++) {
        is_in = is_in || a[0].number == a[i].number;
    }
    return truth(has(a[0]), is_in);
}

static tm_expr_value text_in(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    (void)scratch;
    bool is_in = false;
    for (uint32_t i = 1; i < n; i++) {
        is_in = is_in || (a[i].text.ptr != NULL && tm__str_eq(a[0].text, a[i].text));
    }
    return truth(a[0].text.ptr != NULL, is_in);
}

/* An angle: how far x is in a period. */
static double angle_of(const tm_expr_value *a) {
    const double turns = a[0].number / a[1].number;
    return a[1].number > 0 ? TWO_PI * (turns - floor(turns)) : tm__nan();
}

static tm_expr_value fn_cycle_sin(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return tm__expr_number(tm__sin(angle_of(a)));
}

static tm_expr_value fn_cycle_cos(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return tm__expr_number(tm__cos(angle_of(a)));
}

static const tm_expr_fn fns[] = {
    {1, "+", "NN", 'N', false, add},
    {2, "-", "NN", 'N', false, subtract},
    {3, "*", "NN", 'N', false, multiply},
    {4, "/", "NN", 'N', false, divide},
    {5, "%", "NN", 'N', false, modulo},
    {6, "^", "NN", 'N', false, power},
    {7, "-", "N", 'N', false, negate},
    {8, "-", "TT", 'N', false, tm__expr_time_days_between},
    {9, "+", "TN", 'T', false, tm__expr_time_later},
    {10, "-", "TN", 'T', false, tm__expr_time_earlier},
    {11, "=", "NN", 'N', false, eq},
    {12, "!=", "NN", 'N', false, ne},
    {13, "<", "NN", 'N', false, lt},
    {14, "<=", "NN", 'N', false, le},
    {15, ">", "NN", 'N', false, gt},
    {16, ">=", "NN", 'N', false, ge},
    {17, "=", "SS", 'N', false, text_eq},
    {18, "!=", "SS", 'N', false, text_ne},
    {19, "=", "TT", 'N', false, time_eq},
    {20, "!=", "TT", 'N', false, time_ne},
    {21, "<", "TT", 'N', false, time_lt},
    {22, "<=", "TT", 'N', false, time_le},
    {23, ">", "TT", 'N', false, time_gt},
    {24, ">=", "TT", 'N', false, time_ge},
    {25, "and", "NN", 'N', false, fn_and},
    {26, "or", "NN", 'N', false, fn_or},
    {27, "not", "N", 'N', false, fn_not},
    {28, "if", "NNN", 'N', false, number_if},
    {29, "if", "NSS", 'S', false, text_if},
    {30, "if", "NTT", 'T', false, time_if},
    {31, "coalesce", "NN", 'N', true, number_coalesce},
    {32, "coalesce", "SS", 'S', true, text_coalesce},
    {33, "coalesce", "TT", 'T', true, time_coalesce},
    {34, "is_missing", "N", 'N', false, number_is_missing},
    {35, "is_missing", "S", 'N', false, text_is_missing},
    {36, "is_missing", "T", 'N', false, time_is_missing},
    {37, "in", "NN", 'N', true, number_in},
    {38, "in", "SS", 'N', true, text_in},
    {39, "log", "N", 'N', false, fn_log},
    {40, "log1p", "N", 'N', false, fn_log1p},
    {41, "exp", "N", 'N', false, fn_exp},
    {42, "sqrt", "N", 'N', false, fn_sqrt},
    {43, "abs", "N", 'N', false, fn_abs},
    {44, "floor", "N", 'N', false, fn_floor},
    {45, "ceil", "N", 'N', false, fn_ceil},
    {46, "round", "N", 'N', false, fn_round},
    {47, "min", "NN", 'N', true, fn_min},
    {48, "max", "NN", 'N', true, fn_max},
    {49, "sign", "N", 'N', false, fn_sign},
    {50, "sin", "N", 'N', false, fn_sin},
    {51, "cos", "N", 'N', false, fn_cos},
    {52, "hour", "T", 'N', false, tm__expr_time_hour},
    {53, "minute", "T", 'N', false, tm__expr_time_minute},
    {54, "minute_of_day", "T", 'N', false, tm__expr_time_minute_of_day},
    {55, "day_of_week", "T", 'N', false, tm__expr_time_day_of_week},
    {56, "day_of_month", "T", 'N', false, tm__expr_time_day_of_month},
    {57, "month", "T", 'N', false, tm__expr_time_month},
    {58, "year", "T", 'N', false, tm__expr_time_year},
    {59, "days", "T", 'N', false, tm__expr_time_days},
    {60, "day_of_year", "T", 'N', false, tm__expr_time_day_of_year},
    {61, "length", "S", 'N', false, tm__expr_text_length},
    {62, "words", "S", 'N', false, tm__expr_text_words},
    {63, "lower", "S", 'S', false, tm__expr_text_lower},
    {64, "upper", "S", 'S', false, tm__expr_text_upper},
    {65, "left", "SN", 'S', false, tm__expr_text_left},
    {66, "right", "SN", 'S', false, tm__expr_text_right},
    {67, "before", "SS", 'S', false, tm__expr_text_before},
    {68, "after", "SS", 'S', false, tm__expr_text_after},
    {69, "contains", "SS", 'N', false, tm__expr_text_contains},
    {70, "starts_with", "SS", 'N', false, tm__expr_text_starts},
    {71, "ends_with", "SS", 'N', false, tm__expr_text_ends},
    {72, "concat", "SS", 'S', true, tm__expr_text_concat},
    {73, "text", "N", 'S', false, tm__expr_text_of_number},
    {74, "number", "S", 'N', false, tm__expr_text_to_number},
    {75, "trim", "S", 'S', false, tm__expr_text_trim},
    {76, "time", "S", 'T', false, tm__expr_text_to_time},
    {77, "ordinal", "SS", 'N', true, tm__expr_text_ordinal},
    {78, "hash", "SN", 'N', false, tm__expr_text_hash},
    {79, "cycle_sin", "NN", 'N', false, fn_cycle_sin},
    {80, "cycle_cos", "NN", 'N', false, fn_cycle_cos},
};

#define N_FNS (sizeof(fns) / sizeof(fns[0]))
#define NEAREST_MORE 32u /* functions that learn, of feature_fitted.h */

char tm__expr_letter(tm_expr_type type) {
    return "?NST"[type];
}

tm_expr_type tm__expr_type_of_letter(char letter) {
    return letter == 'N' ? TM_EXPR_NUMBER : letter == 'S' ? TM_EXPR_TEXT : TM_EXPR_TIME;
}

const tm_expr_fn *tm__expr_fn_get(uint32_t number_of) {
    return number_of >= 1 && number_of <= N_FNS ? &fns[number_of - 1]
                                                : tm__expr_module_get(number_of);
}

/* letters: '?' goes with every type. */
static bool takes(const tm_expr_fn *fn, const char *letters, uint32_t n) {
    const uint32_t n_args = (uint32_t)strlen(fn->args);
    bool is_fit = fn->is_open ? n >= n_args : n == n_args;
    for (uint32_t i = 0; is_fit && i < n; i++) {
        is_fit = letters[i] == '?' || letters[i] == fn->args[i < n_args ? i : n_args - 1];
    }
    return is_fit;
}

const tm_expr_fn *tm__expr_fn_find(tm_str name, const char *letters, uint32_t n) {
    for (size_t i = 0; i < N_FNS; i++) {
        if (tm__str_is_nocase(name, fns[i].name) && takes(&fns[i], letters, n)) {
            return &fns[i];
        }
    }
    const tm_expr_fn *fn = tm__expr_module_named(name);
    return fn != NULL && takes(fn, letters, n) ? fn : NULL;
}

const tm_expr_fn *tm__expr_fn_named(tm_str name) {
    for (size_t i = 0; i < N_FNS; i++) {
        if (tm__str_is_nocase(name, fns[i].name)) {
            return &fns[i];
        }
    }
    return tm__expr_module_named(name);
}

const char *tm__expr_fn_nearest(tm_str name) {
    const char *names[N_FNS + NEAREST_MORE];
    uint32_t n = 0;
    for (size_t i = 27; i < N_FNS; i++) { /* operators come first */
        names[n++] = fns[i].name;
    }
    for (uint32_t i = 0; i < NEAREST_MORE && tm__fitted_at(i) != NULL; i++) {
        names[n++] = tm__fitted_at(i)->name;
    }
    return tm__str_nearest(name, names, n);
}
