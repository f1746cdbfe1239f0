/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows by a column: levels of texts, truths and numbers that take few values, bins between
 * quantiles of others, and the rows without a value. Bounds are inner quantiles to four digits, so
 * they are no single row's extreme; texts that few rows have stay together as "(others)".
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fmath.h"
#include "base/mem.h"
#include "base/sort.h"
#include "train/train_look_priv.h"

enum { BINS_MAX = 16, LEVELS_MAX = 64 };

/* True when the bundle keeps this text of an input. */
static bool is_kept(const tm_bundle *bundle, uint32_t input, tm_str text) {
    const tm_program *program = tm__bundle_program(bundle);
    const tm_str first = tm__program_level(program, input, 0);
    for (uint64_t pick = 0; first.ptr != NULL; pick++) {
        const tm_str level = tm__program_level(program, input, pick);
        if (pick > 0 && level.ptr == first.ptr) {
            return false;
        }
        if (tm__str_eq(level, text)) {
            return true;
        }
    }
    return false;
}

static bool groups_alloc(tm_row_groups *g, uint64_t n_rows, uint32_t n) {
    g->n = n;
    g->of_row = tm__mem_alloc(n_rows, sizeof(*g->of_row));
    g->counts = tm__mem_zalloc(n, sizeof(*g->counts));
    g->names = tm__mem_zalloc(n, sizeof(*g->names));
    return g->of_row != NULL && g->counts != NULL && g->names != NULL;
}

void tm__row_groups_done(tm_row_groups *groups) {
    tm__mem_free(groups->of_row);
    tm__mem_free(groups->counts);
    tm__mem_free(groups->names);
    *groups = (tm_row_groups){0};
}

/* --- levels --- */

typedef struct level {
    int64_t value; /* code of a text, or the number itself */
    uint64_t count;
} level;

static int compare_levels(const void *a, const void *b) {
    const level *x = a, *y = b;
    if (x->count != y->count) {
        return x->count > y->count ? -1 : 1;
    }
    return x->value < y->value ? -1 : x->value > y->value;
}

static int compare_values(const void *a, const void *b) {
    const level *x = a, *y = b;
    return x->value < y->value ? -1 : x->value > y->value;
}

static int64_t value_of(const tm_column *column, uint64_t row) {
    return column->codes != NULL ? (int64_t)column->codes[row] : column->ints[row];
}

/* Distinct values of whole numbers or texts with their counts, most frequent first. *out_n: how
 * many. NULL when out of memory. */
static level *count_levels(const tm_look *look, const tm_column *column, uint32_t *out_n) {
    int64_t *values = tm__mem_alloc(look->n, sizeof(*values));
    level *levels = tm__mem_alloc(look->n + 1, sizeof(*levels));
    uint64_t n = 0;
    uint32_t n_levels = 0;
    for (uint64_t i = 0; values != NULL && levels != NULL && i < look->n; i++) {
        if (!tm__column_is_missing(column, look->rows[i])) {
            values[n++] = value_of(column, look->rows[i]);
        }
    }
    if (values != NULL && levels != NULL) {
        qsort(values, n, sizeof(*values), tm__compare_i64);
        for (uint64_t i = 0; i < n; i++) {
            if (i == 0 || values[i] != values[i - 1]) {
                levels[n_levels++] = (level){values[i], 0};
            }
            levels[n_levels - 1].count++;
        }
        qsort(levels, n_levels, sizeof(*levels), compare_levels);
    }
    tm__mem_free(values);
    if (values == NULL) {
        tm__mem_free(levels);
        return NULL;
    }
    *out_n = n_levels;
    return levels;
}

static void name_level(const tm_column *column, int64_t value, char *out) {
    if (column->codes != NULL) {
        tm__look_text(out, TM_GROUP_NAME, tm__dict_get(column->dict, (uint32_t)value));
    } else if (column->type == TM_TYPE_BOOL) {
        (void)snprintf(out, TM_GROUP_NAME, "%s", value != 0 ? "true" : "false");
    } else if (column->type == TM_TYPE_INT) {
        (void)snprintf(out, TM_GROUP_NAME, "%lld", (long long)value);
    } else {
        char text[48];
        (void)tm__time_to_text(value, text);
        (void)snprintf(out, TM_GROUP_NAME, "%.10s", text);
    }
}

/* Levels that are kept come first, most frequent first (numbers in their order); then the others,
 * then the rows without a value. */
static bool group_levels(const tm_look *look, uint32_t col, const tm_row_groups_options *o,
                         level *levels, uint32_t n_levels, tm_row_groups *g) {
    const tm_column *column = tm__table_column(look->table, col);
    const uint32_t input = tm__schema_find(tm__bundle_schema(look->bundle), tm__str(column->name));
    uint32_t n_kept = 0;
    bool has_missing = false, has_others = false;
    for (uint32_t i = 0; i < n_levels && n_kept < o->n_levels && n_kept < LEVELS_MAX; i++) {
        if (levels[i].count >= o->rows_min &&
            (column->codes == NULL || !o->is_kept_alone ||
             is_kept(look->bundle, input, tm__dict_get(column->dict, (uint32_t)levels[i].value)))) {
            levels[n_kept++] = levels[i];
        }
    }
    if (column->codes == NULL) {
        qsort(levels, n_kept, sizeof(*levels), compare_values);
    }
    if (!groups_alloc(g, look->n, n_kept + 2)) {
        return false;
    }
    for (uint64_t i = 0; i < look->n; i++) {
        const uint64_t row = look->rows[i];
        uint32_t group = n_kept;
        if (tm__column_is_missing(column, row)) {
            group = n_kept + 1;
            has_missing = true;
        }
        for (uint32_t k = 0; group == n_kept && k < n_kept; k++) {
            group = levels[k].value == value_of(column, row) ? k : group;
        }
        has_others = has_others || group == n_kept;
        g->of_row[i] = group;
        g->counts[group]++;
    }
    for (uint32_t k = 0; k < n_kept; k++) {
        name_level(column, levels[k].value, g->names[k]);
    }
    /* The group of the others gives its place to that of missing values when nobody is in it. */
    for (uint64_t i = 0; !has_others && has_missing && i < look->n; i++) {
        g->of_row[i] -= g->of_row[i] == n_kept + 1 ? 1 : 0;
    }
    if (!has_others) {
        g->counts[n_kept] = g->counts[n_kept + 1];
    }
    (void)snprintf(g->names[n_kept], TM_GROUP_NAME, "%s", has_others ? "(others)" : "(missing)");
    (void)snprintf(g->names[n_kept + 1], TM_GROUP_NAME, "(missing)");
    g->n = n_kept + (has_others ? 1 : 0) + (has_missing ? 1 : 0);
    return true;
}

/* --- bins --- */

static void bound_text(const tm_column *column, double value, char out[40]) {
    if (column->type == TM_TYPE_DATE || column->type == TM_TYPE_TIME) {
        char text[48];
        (void)tm__time_to_text((int64_t)value, text);
        (void)snprintf(out, 40, "%.10s", text);
    } else {
        (void)snprintf(out, 40, "%.4g", value);
    }
}

/* A bound to four digits, as it is told: what is said of a group is what the group is. */
static double round_bound(const tm_column *column, double value) {
    char text[40];
    double rounded = value;
    if (column->type == TM_TYPE_DATE || column->type == TM_TYPE_TIME) {
        const double day = 86400e6;
        return floor(value / day) * day;
    }
    bound_text(column, value, text);
    return tm__str_to_f64(tm__str(text), &rounded) ? rounded : value;
}

static void name_bins(const tm_column *column, const double *bounds, uint32_t n_bins,
                      tm_row_groups *g) {
    const bool is_time = column->type == TM_TYPE_DATE || column->type == TM_TYPE_TIME;
    for (uint32_t b = 0; b < n_bins; b++) {
        char from[40] = "", to[40] = "";
        if (b > 0) {
            bound_text(column, bounds[b - 1], from);
        }
        if (b + 1 < n_bins) {
            bound_text(column, bounds[b], to);
        }
        (void)(b == 0
                   ? snprintf(g->names[b], TM_GROUP_NAME, "%s %s", is_time ? "before" : "below", to)
               : b + 1 == n_bins ? snprintf(g->names[b], TM_GROUP_NAME, "from %s", from)
                                 : snprintf(g->names[b], TM_GROUP_NAME, "from %s to %s", from, to));
    }
}

static bool group_bins(const tm_look *look, const tm_column *column, uint32_t n_bins,
                       tm_row_groups *g) {
    double *values = tm__mem_alloc(look->n, sizeof(*values));
    double bounds[BINS_MAX];
    uint64_t n = 0;
    uint32_t n_bounds = 0;
    if (values == NULL) {
        return false;
    }
    for (uint64_t i = 0; i < look->n; i++) {
        const uint64_t row = look->rows[i];
        if (isfinite(tm__column_number(column, row))) {
            values[n++] = tm__column_number(column, row);
        }
    }
    qsort(values, n, sizeof(*values), tm__look_compare);
    for (uint32_t b = 1; n > 0 && b < n_bins; b++) {
        const double at =
            round_bound(column, tm__look_quantile(values, n, (double)b / (double)n_bins));
        if (at > values[0] && at <= values[n - 1] && (n_bounds == 0 || at > bounds[n_bounds - 1])) {
            bounds[n_bounds++] = at;
        }
    }
    tm__mem_free(values);
    if (n_bounds == 0) {
        return true; /* no groups */
    }
    if (!groups_alloc(g, look->n, n_bounds + 2)) {
        return false;
    }
    for (uint64_t i = 0; i < look->n; i++) {
        const uint64_t row = look->rows[i];
        uint32_t bin = 0;
        const bool is_missing = isnan(tm__column_number(column, row));
        while (!is_missing && bin < n_bounds && tm__column_number(column, row) >= bounds[bin]) {
            bin++;
        }
        g->of_row[i] = is_missing ? n_bounds + 1 : bin;
        g->counts[g->of_row[i]]++;
    }
    name_bins(column, bounds, n_bounds + 1, g);
    (void)snprintf(g->names[n_bounds + 1], TM_GROUP_NAME, "(missing)");
    g->n = n_bounds + 1 + (g->counts[n_bounds + 1] > 0 ? 1 : 0);
    return true;
}

tm_status tm__row_groups_init(const tm_look *look, uint32_t col,
                              const tm_row_groups_options *options, tm_row_groups *out,
                              tm_err *err) {
    const tm_column *column = tm__table_column(look->table, col);
    const uint32_t n_bins = options->n_bins < BINS_MAX ? options->n_bins : BINS_MAX;
    tm_row_groups g = {0};
    uint32_t n_levels = 0;
    level *levels = NULL;
    bool ok = true;
    if (column->floats == NULL) {
        levels = count_levels(look, column, &n_levels);
        ok = levels != NULL;
    }
    const bool has_levels =
        levels != NULL && (column->codes != NULL || column->type == TM_TYPE_BOOL ||
                           (n_levels <= options->n_levels && n_levels > 0 &&
                            levels[n_levels - 1].count >= options->rows_min));
    if (ok && has_levels) {
        ok = group_levels(look, col, options, levels, n_levels, &g);
    } else if (ok) {
        ok = group_bins(look, column, n_bins, &g);
    }
    tm__mem_free(levels);
    if (!ok) {
        tm__row_groups_done(&g);
        return TM_FAIL(err, TM_E_NOMEM, "no memory for groups of '%s'", column->name);
    }
    *out = g;
    return TM_OK;
}
