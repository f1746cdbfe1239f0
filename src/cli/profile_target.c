/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Relations between columns, on the sample of a profile.
 *
 * The target has a value a row: itself when it is a number, 1 for the class that is meant when it
 * has two. Along a column of numbers its mean is taken in ten parts of equal size, along
 * categories a level.
 */
#include "cli/profile_target.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fmath.h"
#include "base/mem.h"
#include "table/associate.h"
#include "table/schema.h"

enum { N_CORRELATED = 12, N_PARTS = 10, N_LEVELS = 8 };

/* --- correlations --- */

static json_t *correlation(const tm_facet *a, const tm_facet *b) {
    tm_association found;
    if (!tm__associate(a, b, &found)) {
        return tm__json_lost();
    }
    return found.measure == TM_MEASURE_RANK ? tm__json_number(found.value) : json_null();
}

json_t *tm__profile_correlations(const tm_table *sample) {
    tm_facet facets[N_CORRELATED];
    uint32_t n = 0;
    json_t *names = json_array(), *values = json_array();
    for (uint32_t col = 0; col < tm__table_cols(sample) && n < N_CORRELATED; col++) {
        const tm_column *const column = tm__table_column(sample, col);
        if (column->type != TM_TYPE_INT && column->type != TM_TYPE_FLOAT) {
            continue;
        }
        if (!tm__facet_init(&facets[n], sample, col, false)) {
            (void)tm__json_lost();
            break;
        }
        if (facets[n].n_distinct < 2) {
            tm__facet_done(&facets[n]);
            continue;
        }
        json_array_append_new(names, json_string(column->name));
        n++;
    }
    for (uint32_t i = 0; i < n; i++) {
        json_t *row = json_array();
        for (uint32_t k = 0; k < n; k++) {
            json_array_append_new(row, correlation(&facets[i], &facets[k]));
        }
        json_array_append_new(values, row);
    }
    for (uint32_t i = 0; i < n; i++) {
        tm__facet_done(&facets[i]);
    }
    if (n < 2) {
        json_decref(names);
        json_decref(values);
        return NULL;
    }
    return json_pack("{s:o, s:o}", "columns", names, "values", values);
}

/* --- the target --- */

typedef struct target {
    const tm_table *sample;
    uint32_t col;
    tm_facet facet;
    double *values; /* [n_rows] what is averaged, NaN: missing; NULL: three classes or more */
    double mean;
    char positive[64];
    bool shows_values;
} target;

static void cell_text(const tm_column *column, uint64_t row, char *out, size_t size) {
    const tm_cell cell = tm__column_cell(column, row);
    char text[64];
    switch (cell.type) {
    case TM_TYPE_TEXT:
        (void)snprintf(out, size, "%.*s", (int)(cell.text.len < 48 ? cell.text.len : 48),
                       cell.text.ptr);
        while (out[0] != '\0' && !tm__str_is_utf8(tm__str(out))) {
            out[strlen(out) - 1] = '\0'; /* no half a character */
        }
        break;
    case TM_TYPE_BOOL:
        (void)snprintf(out, size, "%s", cell.i64 != 0 ? "true" : "false");
        break;
    case TM_TYPE_DATE:
    case TM_TYPE_TIME:
        text[tm__date_to_text(cell.i64, text)] = '\0';
        (void)snprintf(out, size, "%s", text);
        break;
    case TM_TYPE_FLOAT:
        (void)snprintf(out, size, "%.4g", cell.f64);
        break;
    default:
        (void)snprintf(out, size, "%lld", (long long)cell.i64);
    }
}

/* Of two classes the one that training would ask about: true, 1, yes; else the rarer. */
static uint32_t find_positive(const target *t, const tm_facet *levels) {
    uint64_t counts[2] = {0, 0};
    for (uint64_t row = 0; row < levels->n_rows; row++) {
        if (levels->levels[row] < 2) {
            counts[levels->levels[row]]++;
        }
    }
    for (uint32_t level = 0; level < 2; level++) {
        for (uint64_t row = 0; row < levels->n_rows; row++) {
            char text[64];
            bool is_true = false;
            if (levels->levels[row] != level) {
                continue;
            }
            cell_text(levels->column, row, text, sizeof(text));
            if (tm__text_to_bool(tm__str(text), &is_true) && is_true) {
                return level;
            }
            break;
        }
    }
    (void)t;
    return counts[1] < counts[0] ? 1 : 0;
}

static bool fill_classes(target *t, const tm_facet *levels) {
    const uint32_t positive = find_positive(t, levels);
    t->values = tm__mem_alloc(levels->n_rows + 1, sizeof(*t->values));
    if (t->values == NULL) {
        return false;
    }
    for (uint64_t row = 0; row < levels->n_rows; row++) {
        const uint32_t level = levels->levels[row];
        t->values[row] = level == TM_CODE_MISSING ? tm__nan() : level == positive ? 1 : 0;
        if (level == positive && t->positive[0] == '\0') {
            cell_text(levels->column, row, t->positive, sizeof(t->positive));
        }
    }
    return true;
}

static bool target_init(target *t, const tm_table *sample, uint32_t col) {
    tm_facet levels;
    const tm_column *const column = tm__table_column(sample, col);
    const uint64_t n_rows = tm__table_rows(sample);
    *t = (target){.sample = sample, .col = col};
    if (!tm__facet_init(&levels, sample, col, true)) {
        return false;
    }
    const bool has_two = levels.n_distinct == 2;
    const bool is_number = column->type == TM_TYPE_INT || column->type == TM_TYPE_FLOAT;
    bool ok = !has_two || fill_classes(t, &levels);
    tm__facet_done(&levels);
    ok = ok && tm__facet_init(&t->facet, sample, col, has_two);
    if (ok && !has_two && is_number) {
        t->values = tm__mem_alloc(n_rows + 1, sizeof(*t->values));
        ok = t->values != NULL;
        for (uint64_t row = 0; ok && row < n_rows; row++) {
            const double value = column->floats != NULL                ? column->floats[row]
                                 : column->ints[row] == TM_INT_MISSING ? tm__nan()
                                                                       : (double)column->ints[row];
            t->values[row] = isfinite(value) ? value : tm__nan();
        }
    }
    double n = 0;
    for (uint64_t row = 0; ok && t->values != NULL && row < n_rows; row++) {
        n += isnan(t->values[row]) ? 0 : 1;
        t->mean += isnan(t->values[row]) ? 0 : t->values[row];
    }
    t->mean = n > 0 ? t->mean / n : tm__nan();
    return ok;
}

static void target_done(target *t) {
    tm__facet_done(&t->facet);
    tm__mem_free(t->values);
}

/* --- along a column --- */

/* Rows of one part or level. */
typedef struct place {
    double sum, n;
    uint64_t first_row; /* with the least value, or any */
    uint64_t last_row;
    double low, high;
} place;

static void place_add(place *p, double value, uint64_t row, double rank) {
    if (p->n == 0 || rank < p->low) {
        p->low = rank;
        p->first_row = row;
    }
    if (p->n == 0 || rank > p->high) {
        p->high = rank;
        p->last_row = row;
    }
    p->sum += value;
    p->n++;
}

static json_t *place_json(const place *p, const char *label) {
    return json_pack("{s:s, s:I, s:o}", "label", label, "rows", (json_int_t)p->n, "value",
                     tm__json_number(p->sum / p->n));
}

static json_t *along_ranks(const target *t, const tm_facet *f) {
    place parts[N_PARTS];
    double n = 0;
    json_t *by = json_array();
    memset(parts, 0, sizeof(parts));
    for (uint64_t row = 0; row < f->n_rows; row++) {
        n += isnan(f->ranks[row]) ? 0 : 1;
    }
    for (uint64_t row = 0; row < f->n_rows; row++) {
        if (!isnan(f->ranks[row]) && !isnan(t->values[row])) {
            const uint32_t part = (uint32_t)(f->ranks[row] / n * N_PARTS);
            place_add(&parts[part < N_PARTS ? part : N_PARTS - 1], t->values[row], row,
                      f->ranks[row]);
        }
    }
    for (uint32_t i = 0; i < N_PARTS; i++) {
        char low[64], high[64], label[160];
        if (parts[i].n == 0) {
            continue;
        }
        cell_text(f->column, parts[i].first_row, low, sizeof(low));
        cell_text(f->column, parts[i].last_row, high, sizeof(high));
        (void)snprintf(label, sizeof(label), strcmp(low, high) == 0 ? "%s" : "%s to %s", low, high);
        json_array_append_new(by, place_json(&parts[i], label));
    }
    return by;
}

static int compare_places(const void *a, const void *b) {
    const place *const x = a, *const y = b;
    if (x->n != y->n) {
        return x->n > y->n ? -1 : 1;
    }
    return x->first_row < y->first_row ? -1 : x->first_row > y->first_row;
}

static json_t *along_levels(const target *t, const tm_facet *f) {
    place *const levels = tm__mem_zalloc((size_t)f->n_levels + 1, sizeof(*levels));
    json_t *by = json_array();
    if (levels == NULL) {
        json_decref(by);
        return tm__json_lost();
    }
    for (uint64_t row = 0; row < f->n_rows; row++) {
        if (f->levels[row] != TM_CODE_MISSING && !isnan(t->values[row])) {
            place_add(&levels[f->levels[row]], t->values[row], row, 0);
        }
    }
    qsort(levels, f->n_levels, sizeof(*levels), compare_places);
    for (uint32_t i = 0; i < f->n_levels && i < N_LEVELS && levels[i].n > 0; i++) {
        char label[64];
        cell_text(f->column, levels[i].first_row, label, sizeof(label));
        json_array_append_new(by, place_json(&levels[i], label));
    }
    tm__mem_free(levels);
    return by;
}

static bool may_show(const target *t, const json_t *columns, const char *name) {
    size_t i = 0;
    const json_t *column = NULL;
    json_array_foreach(columns, i, column) {
        if (strcmp(tm__json_text(column, "name", ""), name) == 0) {
            return t->shows_values || !tm__json_bool(column, "identifier", false);
        }
    }
    return t->shows_values;
}

static json_t *relation(const target *t, uint32_t col, const json_t *columns) {
    tm_facet f;
    tm_association found;
    json_t *out = NULL;
    if (!tm__facet_init(&f, t->sample, col, false)) {
        return tm__json_lost();
    }
    if (!tm__associate(&f, &t->facet, &found)) {
        out = tm__json_lost();
    } else if (found.measure != TM_MEASURE_NONE) {
        out = json_pack("{s:s, s:s, s:o, s:b}", "column", f.column->name, "measure",
                        tm__measure_text(found.measure), "value", tm__json_number(found.value),
                        "ordered", f.is_ordered);
        if (t->values != NULL && may_show(t, columns, f.column->name)) {
            json_object_set_new(out, "by", f.is_ordered ? along_ranks(t, &f) : along_levels(t, &f));
        }
    }
    tm__facet_done(&f);
    return out;
}

/* Insert by falling strength. */
static void put_relation(json_t *list, json_t *entry) {
    const double value = fabs(tm__json_f64(entry, "value", 0));
    size_t at = 0;
    while (at < json_array_size(list) &&
           fabs(tm__json_f64(json_array_get(list, at), "value", 0)) >= value) {
        at++;
    }
    json_array_insert_new(list, at, entry);
}

json_t *tm__profile_target(const tm_table *sample, uint32_t col, const json_t *columns,
                           bool shows_values) {
    target t;
    json_t *list = json_array(), *out = NULL;
    if (!target_init(&t, sample, col)) {
        target_done(&t);
        json_decref(list);
        return tm__json_lost();
    }
    t.shows_values = shows_values;
    for (uint32_t other = 0; other < tm__table_cols(sample); other++) {
        json_t *entry = other == col ? NULL : relation(&t, other, columns);
        if (entry != NULL) {
            put_relation(list, entry);
        }
    }
    out = json_pack("{s:s, s:I, s:o, s:o}", "column", tm__table_column(sample, col)->name, "rows",
                    (json_int_t)tm__table_rows(sample), "mean", tm__json_number(t.mean), "columns",
                    list);
    if (t.positive[0] != '\0') {
        json_object_set_new(out, "positive", json_string(t.positive));
    }
    target_done(&t);
    return out;
}
