/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a window's features are: their bounds, how a value becomes an integer, and how sums of those
 * become an aggregate.
 *
 * Sums are taken modulo 2^128. With n < 2^32 values, |r| <= 2^31 and times that span at most 2^33
 * units, the numbers that are looked at in the end stay below 2^127: n sum(r^2) - (sum r)^2 is at
 * most n^2 times a quarter of the square of the span, and likewise with times. Such differences do
 * not change when all times are shifted, so no origin has to be agreed on.
 */
#include "feature/window.h"

#include <math.h>
#include <string.h>

#include "feature/window_priv.h"

#define TIME_SPAN (UINT64_C(1) << 32)
#define SUM_BOUND 0x1p62
#define SMALL_BOUND 0x1p31
#define DAY_US 86400e6
#define EXPONENT_MIN (-900)
#define EXPONENT_MAX 1024

static const char *const fn_names[] = {NULL,  "count", "sum", "mean",     "std", "trend", "min",
                                       "max", "last",  "lag", "distinct", "age", "rate",  "share"};
#define N_FNS (sizeof(fn_names) / sizeof(fn_names[0]))

const char *tm__window_fn_text(tm_window_fn fn) {
    return (unsigned)fn < N_FNS ? fn_names[fn] : NULL;
}

tm_window_fn tm__window_fn_from_text(const char *text) {
    for (unsigned fn = 1; fn < N_FNS; fn++) {
        if (strcmp(text, fn_names[fn]) == 0) {
            return (tm_window_fn)fn;
        }
    }
    return (tm_window_fn)0;
}

/* What a function cannot be asked of a column's type; NULL when it can. */
static const char *wrong_type(tm_window_fn fn, tm_type type) {
    const bool is_time = type == TM_TYPE_DATE || type == TM_TYPE_TIME;
    switch (fn) {
    case TM_WINDOW_SUM:
    case TM_WINDOW_MEAN:
    case TM_WINDOW_STD:
    case TM_WINDOW_TREND:
        return type == TM_TYPE_TEXT || is_time ? "needs numbers" : NULL;
    case TM_WINDOW_MIN:
    case TM_WINDOW_MAX:
        return type == TM_TYPE_TEXT ? "needs numbers or times" : NULL;
    case TM_WINDOW_SHARE:
        return type == TM_TYPE_FLOAT ? "needs a column of levels" : NULL;
    default:
        return NULL;
    }
}

static const char *wrong_feature(const tm_window_plan *plan, const tm_window_feature *f) {
    if (tm__window_fn_text(f->fn) == NULL) {
        return "has an unknown function";
    }
    if (f->width_us < 0 || f->n_last > TM_WINDOW_LAST_MAX) {
        return "has a window out of bounds";
    }
    if (f->fn == TM_WINDOW_LAG ? f->lag < 1 || f->lag > TM_WINDOW_LAG_MAX : f->lag != 0) {
        return "has a lag out of bounds";
    }
    if (f->fn == TM_WINDOW_RATE && f->width_us == 0) {
        return "is a rate and needs a width";
    }
    if (f->fn == TM_WINDOW_DISTINCT && tm__window_is_open(f)) {
        return "counts different values and needs a bounded window";
    }
    if (f->column == TM_WINDOW_EVENTS) {
        const bool can =
            f->fn == TM_WINDOW_COUNT || f->fn == TM_WINDOW_AGE || f->fn == TM_WINDOW_RATE;
        return can ? NULL : "needs a column";
    }
    if (f->column >= plan->n_cols) {
        return "has a column that is not there";
    }
    return wrong_type(f->fn, plan->cols[f->column].type);
}

tm_status tm__window_check(const tm_window_plan *plan, tm_err *err) {
    if (plan->n_features > TM_WINDOW_FEATURES_MAX || plan->n_cols > TM_MAX_COLS ||
        plan->late_us < 0) {
        return TM_FAIL(err, TM_E_INVALID, "a plan of windows is out of bounds");
    }
    for (uint32_t i = 0; i < plan->n_cols; i++) {
        const tm_window_input *const in = &plan->cols[i];
        if (in->type < TM_TYPE_BOOL || in->type > TM_TYPE_TIME || in->exponent < EXPONENT_MIN ||
            in->exponent > EXPONENT_MAX) {
            return TM_FAIL(err, TM_E_INVALID, "column %u of a plan of windows is out of bounds",
                           i + 1);
        }
    }
    for (uint32_t i = 0; i < plan->n_features; i++) {
        const char *const wrong = wrong_feature(plan, &plan->features[i]);
        if (wrong != NULL) {
            return TM_FAIL(err, TM_E_INVALID, "window feature %u %s", i + 1, wrong);
        }
    }
    return TM_OK;
}

tm_window_input tm__window_fit(const tm_column *column, uint64_t n_rows) {
    tm_window_input out = {.type = column->type};
    double most = 0;
    for (uint64_t row = 0; column->type == TM_TYPE_FLOAT && row < n_rows; row++) {
        const double size = fabs(column->floats[row]);
        most = isfinite(size) && size > most ? size : most;
    }
    for (uint64_t row = 0; column->type == TM_TYPE_INT && row < n_rows; row++) {
        const double size = fabs((double)column->ints[row]);
        most = column->ints[row] != TM_INT_MISSING && size > most ? size : most;
    }
    int exponent = column->type == TM_TYPE_BOOL ? 1 : 0;
    if (most > 0) {
        (void)frexp(most, &exponent);
    }
    out.exponent = exponent < EXPONENT_MIN ? EXPONENT_MIN : exponent;
    return out;
}

void tm__window_known(const int64_t *time_us, uint64_t n_rows, int64_t delay_us,
                      int64_t *out_known_us) {
    for (uint64_t row = 0; row < n_rows; row++) {
        int64_t known = 0;
        const bool is_out = time_us[row] == TM_INT_MISSING ||
                            __builtin_add_overflow(time_us[row], delay_us, &known);
        out_known_us[row] = is_out ? TM_INT_MISSING : known;
    }
}

uint64_t tm__window_cell_f64(double value) {
    return isfinite(value) ? tm__f64_bits(value == 0 ? 0 : value) : tm__f64_bits(tm__nan());
}

uint64_t tm__window_cell(const tm_column *column, uint64_t row) {
    if (column->type == TM_TYPE_FLOAT) {
        return tm__window_cell_f64(column->floats[row]);
    }
    return column->type == TM_TYPE_TEXT ? column->codes[row] : (uint64_t)column->ints[row];
}

tm_window_step tm__window_step(const tm_window_plan *plan, uint32_t feature) {
    const tm_window_feature *const f = &plan->features[feature];
    tm_window_step step = {.feature = *f, .scale = 1, .bound = SUM_BOUND, .unit = 1};
    step.time_unit = f->width_us > 0 ? 1 + (int64_t)((uint64_t)f->width_us / TIME_SPAN) : 1000000;
    if (f->column != TM_WINDOW_EVENTS) {
        const tm_window_input *const in = &plan->cols[f->column];
        const bool is_small = f->fn == TM_WINDOW_STD || f->fn == TM_WINDOW_TREND;
        int quantum = is_small ? in->exponent - 28 : in->exponent - 54;
        quantum = in->type == TM_TYPE_FLOAT || (is_small && quantum > 0) ? quantum : 0;
        step.type = in->type;
        step.scale = ldexp(1, -quantum);
        step.unit = ldexp(1, quantum);
        step.bound = is_small ? SMALL_BOUND : SUM_BOUND;
    }
    switch (f->fn) {
    case TM_WINDOW_SUM:
    case TM_WINDOW_MEAN:
    case TM_WINDOW_SHARE:
        step.n_sums = 1;
        break;
    case TM_WINDOW_STD:
        step.n_sums = 2;
        break;
    case TM_WINDOW_TREND:
        step.n_sums = 4;
        break;
    default:
        break;
    }
    return step;
}

/* A value as an integer: the nearest multiple, ties to even, within the bound. */
static int64_t integer(const tm_window_step *step, uint64_t cell) {
    if (step->type != TM_TYPE_FLOAT && step->scale == 1 && step->bound == SUM_BOUND) {
        const int64_t most = INT64_C(1) << 62, value = (int64_t)cell;
        return value > most ? most : value < -most ? -most : value;
    }
    const double x = tm__window_number(step->type, cell) * step->scale;
    return llrint(x > step->bound ? step->bound : x < -step->bound ? -step->bound : x);
}

static int64_t time_of(const tm_window_step *step, int64_t known) {
    const int64_t unit = step->time_unit, cut = known / unit;
    const int64_t t = cut - (known % unit < 0 ? 1 : 0);
    const int64_t most = (int64_t)TIME_SPAN;
    if (step->feature.width_us > 0) {
        return t;
    }
    return t > most ? most : t < -most ? -most : t;
}

void tm__window_add(const tm_window_step *step, uint64_t cell, int64_t known,
                    tm_window_sums *sums) {
    sums->n++;
    switch (step->feature.fn) {
    case TM_WINDOW_SUM:
    case TM_WINDOW_MEAN:
        sums->sums[0] += tm__wide(integer(step, cell));
        break;
    case TM_WINDOW_SHARE:
        sums->sums[0] += cell == (uint64_t)step->feature.level ? 1 : 0;
        break;
    case TM_WINDOW_STD: {
        const tm_u128 r = tm__wide(integer(step, cell));
        sums->sums[0] += r;
        sums->sums[1] += r * r;
        break;
    }
    case TM_WINDOW_TREND: {
        const tm_u128 r = tm__wide(integer(step, cell)), t = tm__wide(time_of(step, known));
        sums->sums[0] += r;
        sums->sums[1] += t;
        sums->sums[2] += t * t;
        sums->sums[3] += t * r;
        break;
    }
    case TM_WINDOW_MIN:
    case TM_WINDOW_MAX: {
        const double x = tm__window_number(step->type, cell);
        const bool is_new = sums->n == 1 || (step->feature.fn == TM_WINDOW_MIN ? x < sums->extreme
                                                                               : x > sums->extreme);
        sums->extreme = is_new ? x : sums->extreme;
        break;
    }
    default:
        break;
    }
}

static double std_of(const tm_window_step *step, const tm_window_sums *s) {
    if (s->n < 2) {
        return tm__nan();
    }
    const double square = tm__wide_f64(s->n * s->sums[1] - s->sums[0] * s->sums[0]);
    return tm__sqrt(square / ((double)s->n * (double)(s->n - 1))) * step->unit;
}

static double trend_of(const tm_window_step *step, const tm_window_sums *s) {
    const tm_u128 below = s->n * s->sums[2] - s->sums[1] * s->sums[1];
    if (s->n < 2 || below == 0) {
        return tm__nan();
    }
    const double above = tm__wide_f64(s->n * s->sums[3] - s->sums[1] * s->sums[0]);
    return above / tm__wide_f64_unsigned(below) * (DAY_US / (double)step->time_unit) * step->unit;
}

double tm__window_value(const tm_window_step *step, const tm_window_sums *sums) {
    const double n = (double)sums->n;
    switch (step->feature.fn) {
    case TM_WINDOW_COUNT:
        return n;
    case TM_WINDOW_RATE:
        return n / ((double)step->feature.width_us / DAY_US);
    case TM_WINDOW_SUM:
        return tm__wide_f64(sums->sums[0]) * step->unit;
    case TM_WINDOW_MEAN:
    case TM_WINDOW_SHARE:
        return sums->n == 0 ? tm__nan() : tm__wide_f64(sums->sums[0]) / n * step->unit;
    case TM_WINDOW_STD:
        return std_of(step, sums);
    case TM_WINDOW_TREND:
        return trend_of(step, sums);
    default:
        return sums->n == 0 ? tm__nan() : sums->extreme;
    }
}

double tm__window_age(int64_t known, int64_t moment) {
    return (double)((uint64_t)moment - (uint64_t)known) / 1e6;
}
