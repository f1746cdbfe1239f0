/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A target that is the sum or difference of other columns: they are parts of it, known when it is.
 *
 *     some rows, all number columns ──> least squares ──> coefficients near -1, 0, 1? ──> all rows
 *
 * 1. Least squares on a few more rows than columns finds the parts, however many there are, at the
 *    cost of one small system; columns that follow from others are left out of it.
 * 2. What is said is exact: the sum is taken again in every row, whole numbers as such, others
 *    within the rounding of doubles. A relation that merely fits well is none.
 * 3. Each part must change some rows, or a column of zeros would be one.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "train/train_priv.h"

#define COLUMNS_MAX 256u
#define ROWS_LEAST 50u   /* as of all findings about columns */
#define CHANGED_LEAST 5u /* rows that a part must change */
#define MISSING_MOST 0.05
#define PARTS_NAMED 8u
#define DEPENDENT 1e-7 /* of a column's length: what is left of it beside the others */
#define NEAR 1e-3      /* of a coefficient; the rows have the last word */
#define ROUNDING 1e-9  /* of what is added up */

typedef struct sum_search {
    const tm_table *table;
    uint32_t target;
    uint32_t cols[COLUMNS_MAX]; /* [n] candidates */
    double scales[COLUMNS_MAX]; /* [n] largest size in the sample */
    uint32_t n;
    uint64_t n_sample;
    double *x; /* [n x n_sample], a column after the other */
    double *y; /* [n_sample] */
    int8_t signs[COLUMNS_MAX];
} sum_search;

static bool is_number(const tm_column *column) {
    return column->type == TM_TYPE_INT || column->type == TM_TYPE_FLOAT;
}

static bool is_there(const tm_column *column, uint64_t row) {
    return isfinite(tm__column_number(column, row));
}

/* --- the sample --- */

static void choose_columns(sum_search *s, const tm_schema *roles, double missing_most) {
    const double n_rows = (double)tm__table_rows(s->table);
    s->n = 0;
    for (uint32_t col = 0; col < tm__table_cols(s->table) && s->n < COLUMNS_MAX; col++) {
        const tm_column *const column = tm__table_column(s->table, col);
        const bool is_input = roles == NULL || roles->cols[col].role == TM_ROLE_FEATURE;
        if (col != s->target && is_input && is_number(column) &&
            (double)column->n_missing <= missing_most * n_rows) {
            s->cols[s->n++] = col;
        }
    }
}

static bool is_complete(const sum_search *s, uint64_t row) {
    bool ok = is_there(tm__table_column(s->table, s->target), row);
    for (uint32_t i = 0; ok && i < s->n; i++) {
        ok = is_there(tm__table_column(s->table, s->cols[i]), row);
    }
    return ok;
}

/* Rows from all over the table with a value in every candidate; n_sample says how many. */
static void fill_sample(sum_search *s, uint64_t n_wanted) {
    const uint64_t n_rows = tm__table_rows(s->table);
    const uint64_t stride = n_rows / (2 * n_wanted) + 1;
    s->n_sample = 0;
    for (uint64_t row = 0; row < n_rows && s->n_sample < n_wanted; row += stride) {
        if (!is_complete(s, row)) {
            continue;
        }
        s->y[s->n_sample] = tm__column_number(tm__table_column(s->table, s->target), row);
        for (uint32_t i = 0; i < s->n; i++) {
            s->x[i * n_wanted + s->n_sample] =
                tm__column_number(tm__table_column(s->table, s->cols[i]), row);
        }
        s->n_sample++;
    }
}

/* Columns to lengths near 1, so that what is small is small beside its own column. */
static void scale_sample(sum_search *s, uint64_t width) {
    for (uint32_t i = 0; i < s->n; i++) {
        double *const x = s->x + i * width;
        double most = 0;
        for (uint64_t k = 0; k < s->n_sample; k++) {
            most = fmax(most, fabs(x[k]));
        }
        s->scales[i] = most > 0 ? most : 1;
        for (uint64_t k = 0; k < s->n_sample; k++) {
            x[k] /= s->scales[i];
        }
    }
}

/* --- least squares --- */

static double dot(const double *a, const double *b, uint64_t n) {
    double sum = 0;
    for (uint64_t k = 0; k < n; k++) {
        sum += a[k] * b[k];
    }
    return sum;
}

/* What is left of b without its part along a unit vector; returns that part's length. */
static double take_out(double *b, const double *unit, uint64_t n) {
    const double along = dot(b, unit, n);
    for (uint64_t k = 0; k < n; k++) {
        b[k] -= along * unit[k];
    }
    return along;
}

/* The factorisation: upper[i * n + j] is column order[j] along direction i. */
typedef struct factor {
    uint32_t order[COLUMNS_MAX], rank;
    double lengths[COLUMNS_MAX]; /* of the columns as they were */
    double along[COLUMNS_MAX];   /* the target along each direction */
    double *upper;
} factor;

static uint32_t longest(const sum_search *s, const factor *f, uint32_t from, uint64_t width,
                        double *out) {
    uint32_t best = from;
    double most = -1;
    for (uint32_t j = from; j < s->n; j++) {
        const double *const x = s->x + f->order[j] * width;
        const double whole = f->lengths[f->order[j]];
        const double left = whole > 0 ? sqrt(dot(x, x, s->n_sample)) / whole : 0;
        if (left > most) {
            most = left;
            best = j;
        }
    }
    *out = most;
    return best;
}

static void swap_columns(factor *f, uint32_t n, uint32_t a, uint32_t b) {
    const uint32_t col = f->order[a];
    f->order[a] = f->order[b];
    f->order[b] = col;
    for (uint32_t i = 0; i < a; i++) {
        const double value = f->upper[i * n + a];
        f->upper[i * n + a] = f->upper[i * n + b];
        f->upper[i * n + b] = value;
    }
}

/* Modified Gram-Schmidt with the column that is left most of first. */
static void factorise(sum_search *s, factor *f, uint64_t width) {
    for (uint32_t i = 0; i < s->n; i++) {
        const double *const x = s->x + i * width;
        f->order[i] = i;
        f->lengths[i] = sqrt(dot(x, x, s->n_sample));
    }
    for (f->rank = 0; f->rank < s->n; f->rank++) {
        double left = 0;
        const uint32_t best = longest(s, f, f->rank, width, &left);
        if (left < DEPENDENT) {
            return;
        }
        swap_columns(f, s->n, f->rank, best);
        double *const unit = s->x + f->order[f->rank] * width;
        const double length = sqrt(dot(unit, unit, s->n_sample));
        for (uint64_t k = 0; k < s->n_sample; k++) {
            unit[k] /= length;
        }
        f->upper[f->rank * s->n + f->rank] = length;
        f->along[f->rank] = take_out(s->y, unit, s->n_sample);
        for (uint32_t j = f->rank + 1; j < s->n; j++) {
            f->upper[f->rank * s->n + j] = take_out(s->x + f->order[j] * width, unit, s->n_sample);
        }
    }
}

/* Signs of the columns, when all coefficients are near -1, 0 or 1 and two or more are not 0. */
static bool solve(sum_search *s, factor *f) {
    uint32_t n_parts = 0;
    memset(s->signs, 0, sizeof(s->signs));
    for (uint32_t i = f->rank; i-- > 0;) {
        double value = f->along[i];
        for (uint32_t j = i + 1; j < f->rank; j++) {
            value -= f->upper[i * s->n + j] * f->along[j];
        }
        value /= f->upper[i * s->n + i];
        f->along[i] = value;
        const double coefficient = value / s->scales[f->order[i]];
        const double whole = round(coefficient);
        if (fabs(whole) > 1 || fabs(coefficient - whole) > NEAR) {
            return false;
        }
        s->signs[f->order[i]] = (int8_t)whole;
        n_parts += whole != 0;
    }
    return n_parts >= 2;
}

/* --- all rows --- */

typedef struct sum_evidence {
    uint64_t n_rows, n_absent; /* rows added up; with a target and a part missing */
    uint64_t n_changed[COLUMNS_MAX];
} sum_evidence;

/* Whole numbers are added as such. False: out of their range. */
static bool add_whole(const sum_search *s, uint64_t row, int64_t *out) {
    int64_t sum = 0;
    bool ok = true;
    for (uint32_t i = 0; ok && i < s->n; i++) {
        if (s->signs[i] != 0) {
            const int64_t value = tm__table_column(s->table, s->cols[i])->ints[row];
            ok = s->signs[i] > 0 ? !__builtin_add_overflow(sum, value, &sum)
                                 : !__builtin_sub_overflow(sum, value, &sum);
        }
    }
    *out = sum;
    return ok;
}

static bool is_sum(const sum_search *s, uint64_t row, bool is_whole) {
    const tm_column *const y = tm__table_column(s->table, s->target);
    double sum = 0, size = 0;
    int64_t whole = 0;
    if (is_whole) {
        return add_whole(s, row, &whole) && whole == y->ints[row];
    }
    for (uint32_t i = 0; i < s->n; i++) {
        if (s->signs[i] != 0) {
            const double value = tm__column_number(tm__table_column(s->table, s->cols[i]), row);
            sum += s->signs[i] * value;
            size += fabs(value);
        }
    }
    return fabs(sum - tm__column_number(y, row)) <= ROUNDING * size;
}

static bool has_parts(const sum_search *s, uint64_t row) {
    bool ok = true;
    for (uint32_t i = 0; ok && i < s->n; i++) {
        ok = s->signs[i] == 0 || is_there(tm__table_column(s->table, s->cols[i]), row);
    }
    return ok;
}

static bool holds(const sum_search *s, sum_evidence *e) {
    const tm_column *const y = tm__table_column(s->table, s->target);
    bool is_whole = y->type == TM_TYPE_INT;
    for (uint32_t i = 0; i < s->n; i++) {
        const tm_column *const column = tm__table_column(s->table, s->cols[i]);
        is_whole = is_whole && (s->signs[i] == 0 || column->type == TM_TYPE_INT);
    }
    for (uint64_t row = 0; row < tm__table_rows(s->table); row++) {
        if (!is_there(y, row)) {
            continue;
        }
        if (!has_parts(s, row)) {
            e->n_absent++;
            continue;
        }
        if (!is_sum(s, row, is_whole)) {
            return false;
        }
        e->n_rows++;
        for (uint32_t i = 0; i < s->n; i++) {
            e->n_changed[i] += s->signs[i] != 0 &&
                               tm__column_number(tm__table_column(s->table, s->cols[i]), row) != 0;
        }
    }
    bool all_count = e->n_rows >= ROWS_LEAST &&
                     (double)e->n_absent <= MISSING_MOST * (double)(e->n_rows + e->n_absent);
    for (uint32_t i = 0; i < s->n; i++) {
        all_count = all_count && (s->signs[i] == 0 || e->n_changed[i] >= CHANGED_LEAST);
    }
    return all_count;
}

/* --- what it says --- */

static void say_sum(const sum_search *s, const sum_evidence *e, json_t *list) {
    char text[512], parts[384] = "";
    uint32_t n = 0, n_more = 0;
    size_t used = 0;
    json_t *terms = json_array();
    for (int sign = 1; sign >= -1; sign -= 2) { /* what is added first */
        for (uint32_t i = 0; i < s->n; i++) {
            const char *name = tm__table_column(s->table, s->cols[i])->name;
            if (s->signs[i] != sign) {
                continue;
            }
            json_array_append_new(terms, json_pack("{s:s, s:i}", "column", name, "sign", sign));
            if (n++ < PARTS_NAMED) {
                (void)snprintf(parts + used, sizeof(parts) - used, "%s'%.32s'",
                               sign < 0   ? " - "
                               : used > 0 ? " + "
                                          : "",
                               name);
                used = strlen(parts);
            } else {
                n_more++;
            }
        }
    }
    char more[32] = "";
    if (n_more > 0) {
        (void)snprintf(more, sizeof(more), " and %u more", n_more);
    }
    (void)snprintf(text, sizeof(text), "is %s%s in all %llu rows", parts, more,
                   (unsigned long long)e->n_rows);
    tm__train_find(list, "sum", tm__table_column(s->table, s->target)->name,
                   json_pack("{s:o, s:I}", "parts", terms, "rows", (json_int_t)e->n_rows),
                   "Leave its parts out with --drop, unless they are known before the target is.",
                   text);
}

/* With the columns chosen; *out_enough is false when too few rows have all of them. */
static bool search(sum_search *s, json_t *list, bool *out_enough) {
    const uint64_t width = 2 * (uint64_t)s->n + 64;
    factor *const f = tm__mem_zalloc(1, sizeof(*f));
    sum_evidence *const e = tm__mem_zalloc(1, sizeof(*e));
    s->x = tm__mem_alloc(width * s->n + 1, sizeof(*s->x));
    s->y = tm__mem_alloc(width, sizeof(*s->y));
    if (f != NULL) {
        f->upper = tm__mem_zalloc((size_t)s->n * s->n + 1, sizeof(*f->upper));
    }
    const bool ok = f != NULL && e != NULL && s->x != NULL && s->y != NULL && f->upper != NULL;
    if (ok) {
        fill_sample(s, width);
        *out_enough = s->n_sample >= s->n + 32;
        if (*out_enough) {
            scale_sample(s, width);
            factorise(s, f, width);
            if (solve(s, f) && holds(s, e)) {
                say_sum(s, e, list);
            }
        }
    }
    tm__mem_free(f != NULL ? f->upper : NULL);
    tm__mem_free(f);
    tm__mem_free(e);
    tm__mem_free(s->x);
    tm__mem_free(s->y);
    return ok;
}

tm_status tm__train_find_sum(const tm_table *table, uint32_t target, const tm_schema *roles,
                             json_t *list, tm_err *err) {
    static const double missing_most[] = {MISSING_MOST, 0};
    sum_search *const s = tm__mem_zalloc(1, sizeof(*s));
    bool ok = s != NULL, is_enough = false;
    if (ok && is_number(tm__table_column(table, target))) {
        s->table = table;
        s->target = target;
        for (size_t i = 0; i < 2 && ok && !is_enough; i++) {
            choose_columns(s, roles, missing_most[i]);
            is_enough = s->n < 2;
            ok = is_enough || search(s, list, &is_enough);
        }
    }
    tm__mem_free(s);
    return ok ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "no memory to look for parts of the target");
}
