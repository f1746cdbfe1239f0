/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which groups of rows are too thin to know the score of. A group is a level of a column, one of
 * five bins of a number, or the rows without a value.
 *
 * The score of a group is known as well as its test rows are many: its half width is that of all
 * test rows, times the root of how many times more those are. Rows count as they do for the score:
 * where it compares two classes (auc and the like), by their harmonic number p * q / (p + q), so
 * that a thousand rows of one class are none. That takes groups to be as hard as the whole, since
 * the scatter of a score of five rows says nothing about itself.
 *
 * Columns of which most values differ have no groups, and no value of theirs is told.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "base/sort.h"
#include "table/associate.h"
#include "train/train_priv.h"

#define BINS 5u
#define NUMBER_LEVELS 20u /* numbers with more values go to bins */
#define LIST_MAX 15u
#define LIST_OF_COLUMN 3u
#define NEEDED_MAX 1e15 /* of a half width that no data will ever have */
#define Z 1.96

typedef struct group_count {
    uint64_t rows, test, positives; /* positives: of the test rows */
    uint64_t first;                 /* a row of it */
} group_count;

typedef struct thin_group {
    uint32_t col, group;
    double half; /* infinity: no row that counts */
    group_count count;
    char name[80];
} thin_group;

typedef struct grouping {
    const tm_slice_input *in;
    bool compares; /* the score is of pairs of two classes */
    double counted_all;
    uint32_t *groups; /* [n_rows] of the column at hand */
    uint32_t n_groups;
    bool has_missing; /* the last group */
    double bounds[BINS + 1];
    bool is_binned;
    thin_group *thin;
    uint32_t n_thin, n_listed; /* n_listed: of thin[] */
    uint32_t n_groups_all;
    json_t *columns;
} grouping;

static double counted(const grouping *g, uint64_t n, uint64_t positives) {
    if (!g->compares) {
        return (double)n;
    }
    const double p = (double)positives, q = (double)(n - positives);
    return n > 0 ? p * q / (double)n : 0;
}

/* --- groups of a column --- */

/* Bins of one width between the hundredths at the ends, which take what lies beyond, too. */
static bool group_by_bins(grouping *g, const tm_column *column, uint64_t n_rows) {
    double *const values = tm__mem_alloc(n_rows + 1, sizeof(*values));
    uint64_t n = 0;
    if (values == NULL) {
        return false;
    }
    for (uint64_t row = 0; row < n_rows; row++) {
        if (isfinite(tm__column_number(column, row))) {
            values[n++] = tm__column_number(column, row);
        }
    }
    qsort(values, n, sizeof(*values), tm__compare_f64);
    const double low = n > 0 ? values[n / 100] : 0, high = n > 0 ? values[n - 1 - n / 100] : 0;
    tm__mem_free(values);
    g->n_groups = high > low ? BINS : 0;
    g->is_binned = true;
    for (uint32_t i = 0; i <= BINS; i++) {
        g->bounds[i] = low + (high - low) * i / BINS;
    }
    for (uint64_t row = 0; g->n_groups > 0 && row < n_rows; row++) {
        g->groups[row] = TM_CODE_MISSING;
        if (!tm__column_is_missing(column, row)) {
            const double at = (tm__column_number(column, row) - low) / (high - low) * BINS;
            g->groups[row] = at >= BINS - 1 ? BINS - 1 : at > 0 ? (uint32_t)at : 0;
        }
    }
    return true;
}

/* g->n_groups is 0 for a column without groups. False when out of memory. */
static bool group_column(grouping *g, uint32_t col) {
    const tm_table *const table = g->in->data->table;
    const tm_column *const column = tm__table_column(table, col);
    const uint64_t n_rows = tm__table_rows(table);
    tm_facet facet;
    if (!tm__facet_init(&facet, table, col, true)) {
        return false;
    }
    const bool is_category = column->type == TM_TYPE_TEXT || column->type == TM_TYPE_BOOL;
    bool ok = true;
    g->n_groups = 0;
    g->is_binned = false;
    if (!is_category && (facet.n_levels == 0 || facet.n_levels > NUMBER_LEVELS)) {
        const bool is_number = column->type == TM_TYPE_INT || column->type == TM_TYPE_FLOAT;
        ok = !is_number || group_by_bins(g, column, n_rows);
    } else if (facet.n_levels > 0 && facet.n_distinct * 2 <= n_rows) {
        g->n_groups = facet.n_levels;
        memcpy(g->groups, facet.levels, n_rows * sizeof(*g->groups));
    }
    tm__facet_done(&facet);
    g->has_missing = g->n_groups > 0 && column->n_missing > 0;
    for (uint64_t row = 0; g->has_missing && row < n_rows; row++) {
        g->groups[row] = g->groups[row] == TM_CODE_MISSING ? g->n_groups : g->groups[row];
    }
    g->n_groups += g->has_missing ? 1 : 0;
    return ok;
}

static void count_groups(const grouping *g, group_count *counts) {
    const tm_train_data *const data = g->in->data;
    const uint32_t *const sides[] = {data->train, data->test};
    const uint64_t n_rows[] = {data->n_train, data->n_test};
    for (int side = 0; side < 2; side++) {
        for (uint64_t i = 0; i < n_rows[side]; i++) {
            group_count *const count = &counts[g->groups[sides[side][i]]];
            count->first = count->rows == 0 ? sides[side][i] : count->first;
            count->rows++;
            count->test += side == 1;
            count->positives += side == 1 && data->y[sides[side][i]] == 1.0;
        }
    }
}

static void name_group(const grouping *g, const tm_column *column, const thin_group *thin,
                       char *out, size_t size) {
    char text[64];
    if (g->has_missing && thin->group == g->n_groups - 1) {
        (void)snprintf(out, size, "(missing)");
    } else if (g->is_binned) {
        const double from = g->bounds[thin->group], to = g->bounds[thin->group + 1];
        if (thin->group == 0) {
            (void)snprintf(out, size, "below %.5g", to);
        } else if (thin->group == BINS - 1) {
            (void)snprintf(out, size, "from %.5g", from);
        } else {
            (void)snprintf(out, size, "%.5g to %.5g", from, to);
        }
    } else {
        const tm_str level = tm__train_class_text(column, thin->count.first, text);
        (void)tm__str_copy(out, size, level);
    }
}

/* --- the list --- */

static int compare_thin(const void *a, const void *b) {
    const thin_group *x = a, *y = b;
    if (x->half != y->half) {
        return x->half > y->half ? -1 : 1;
    }
    if (x->count.rows != y->count.rows) {
        return x->count.rows > y->count.rows ? -1 : 1;
    }
    return x->col != y->col ? (x->col < y->col ? -1 : 1) : x->group < y->group ? -1 : 1;
}

/* The worst of a column stay in the list. */
static void keep_worst(grouping *g, thin_group *found, uint32_t n, const tm_column *column) {
    qsort(found, n, sizeof(*found), compare_thin);
    for (uint32_t i = 0; i < n && i < LIST_OF_COLUMN; i++) {
        name_group(g, column, &found[i], found[i].name, sizeof(found[i].name));
        g->thin[g->n_listed++] = found[i];
    }
}

static void say_column(grouping *g, const char *name, uint32_t n_there, uint32_t n_thin,
                       uint64_t n_rows_thin) {
    const tm_train_data *const data = g->in->data;
    json_array_append_new(
        g->columns,
        json_pack("{s:s, s:I, s:I, s:o}", "column", name, "groups", (json_int_t)n_there, "thin",
                  (json_int_t)n_thin, "share_of_rows",
                  tm__json_number((double)n_rows_thin / (double)(data->n_train + data->n_test))));
}

static bool look_at(grouping *g, uint32_t col) {
    const tm_column *const column = tm__table_column(g->in->data->table, col);
    if (!group_column(g, col)) {
        return false;
    }
    if (g->n_groups < 2) {
        return true;
    }
    group_count *const counts = tm__mem_zalloc(g->n_groups, sizeof(*counts));
    thin_group *const found = tm__mem_zalloc(g->n_groups, sizeof(*found));
    uint32_t n = 0, n_there = 0;
    uint64_t n_rows_thin = 0;
    if (counts != NULL && found != NULL) {
        count_groups(g, counts);
    }
    for (uint32_t i = 0; counts != NULL && found != NULL && i < g->n_groups; i++) {
        const double own = counted(g, counts[i].test, counts[i].positives);
        const double half =
            own > 0 ? Z * g->in->error * tm__sqrt(g->counted_all / own) : (double)INFINITY;
        n_there += counts[i].rows > 0;
        if (counts[i].rows > 0 && half > g->in->within) {
            n_rows_thin += counts[i].rows;
            found[n++] = (thin_group){.col = col, .group = i, .half = half, .count = counts[i]};
        }
    }
    g->n_groups_all += n_there;
    g->n_thin += n;
    const bool ok = counts != NULL && found != NULL;
    if (ok && n > 0) {
        say_column(g, column->name, n_there, n, n_rows_thin);
        keep_worst(g, found, n, column);
    }
    tm__mem_free(counts);
    tm__mem_free(found);
    return ok;
}

/* Test rows that a group needs to be known within the half width, at its own mix of classes. */
static uint64_t rows_needed(const grouping *g, const group_count *count) {
    const double root = Z * g->in->error / g->in->within;
    const double needed = g->counted_all * root * root;
    const double own = counted(g, count->test, count->positives);
    const double each =
        own > 0 ? own / (double)count->test : g->counted_all / (double)g->in->data->n_test;
    return (uint64_t)fmin(ceil(needed / each), NEEDED_MAX);
}

static json_t *thin_to_json(const grouping *g) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < g->n_listed && i < LIST_MAX; i++) {
        const thin_group *const thin = &g->thin[i];
        json_t *entry = json_pack("{s:s, s:s, s:I, s:I, s:o, s:I}", "column",
                                  tm__table_column(g->in->data->table, thin->col)->name, "group",
                                  thin->name, "rows", (json_int_t)thin->count.rows, "test_rows",
                                  (json_int_t)thin->count.test, "half_width",
                                  isinf(thin->half) ? json_null() : tm__json_number(thin->half),
                                  "test_rows_needed", (json_int_t)rows_needed(g, &thin->count));
        if (g->compares) {
            json_object_set_new(entry, "test_positives",
                                json_integer((json_int_t)thin->count.positives));
        }
        json_array_append_new(list, entry);
    }
    return list;
}

static bool compares_classes(const char *metric) {
    static const char *const names[] = {"auc", "average_precision", "f1", "precision", "recall"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], metric) == 0) {
            return true;
        }
    }
    return false;
}

static double count_all(const grouping *g) {
    const tm_train_data *const data = g->in->data;
    uint64_t positives = 0;
    for (uint64_t i = 0; i < data->n_test; i++) {
        positives += data->y[data->test[i]] == 1.0;
    }
    return counted(g, data->n_test, positives);
}

tm_status tm__train_slices(const tm_slice_input *in, json_t **out, tm_err *err) {
    const tm_train_data *const data = in->data;
    grouping g = {.in = in, .compares = compares_classes(in->metric), .columns = json_array()};
    const uint32_t n_cols = data->schema.n_cols;
    g.counted_all = count_all(&g);
    g.groups = tm__mem_alloc(tm__table_rows(data->table) + 1, sizeof(*g.groups));
    g.thin = tm__mem_zalloc((size_t)n_cols * LIST_OF_COLUMN + 1, sizeof(*g.thin));
    bool ok = g.groups != NULL && g.thin != NULL;
    for (uint32_t col = 0; ok && col < n_cols; col++) {
        ok = data->schema.cols[col].role != TM_ROLE_FEATURE || look_at(&g, col);
    }
    if (ok) {
        qsort(g.thin, g.n_listed, sizeof(*g.thin), compare_thin);
        *out = json_pack("{s:o, s:o, s:I, s:I, s:O, s:o}", "within", tm__json_number(in->within),
                         "whole", tm__json_number(Z * in->error), "groups",
                         (json_int_t)g.n_groups_all, "thin", (json_int_t)g.n_thin, "columns",
                         g.columns, "worst", thin_to_json(&g));
    }
    json_decref(g.columns);
    tm__mem_free(g.groups);
    tm__mem_free(g.thin);
    return ok ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "no memory to look at groups of rows");
}
