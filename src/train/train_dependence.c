/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What answers do along one column: a value is put in place of each sampled row's own, and all are
 * answered again, one by one through the call that serves a single row. So numbers, texts, times
 * and columns that several features come from are all one case.
 *
 * Values are twenty quantiles from the first hundredth to the last of a number or a time, the
 * levels of a text that the bundle keeps and most rows have, and none at all where rows lack it.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fmath.h"
#include "base/mem.h"
#include "base/pool.h"
#include "train/train_look_priv.h"

enum { ROWS = 250, GRID = 20, LEVELS = 10, COLUMNS = 8, OUTPUTS = 4 };

typedef struct grid {
    uint32_t n;
    tm_cell cells[GRID + 2];
    char labels[GRID + 2][TM_GROUP_NAME];
    double shares[GRID + 2]; /* of the rows that lie nearest, or have it */
    const char *kind;
} grid;

typedef struct dependence {
    const tm_look *look;
    const tm_schema *schema;
    tm_cell *cells; /* [n_rows x schema->n_cols] */
    uint64_t n_rows;
    uint32_t input; /* of the schema, at hand */
    grid made;      /* values of the column at hand */
    const grid *g;
    double *answers;                      /* [grid x n_rows x n_outputs] */
    uint32_t outputs[OUTPUTS], n_outputs; /* told */
    bool lost[GRID + 2];
} dependence;

/* --- values --- */

static void label_number(const tm_column *column, const tm_cell *cell, char *out) {
    char text[48];
    if (column->type == TM_TYPE_FLOAT) {
        (void)snprintf(out, TM_GROUP_NAME, "%.4g", cell->f64);
    } else if (column->type == TM_TYPE_BOOL) {
        (void)snprintf(out, TM_GROUP_NAME, "%s", cell->i64 != 0 ? "true" : "false");
    } else if (column->type == TM_TYPE_INT) {
        (void)snprintf(out, TM_GROUP_NAME, "%lld", (long long)cell->i64);
    } else {
        (void)tm__time_to_text(cell->i64, text);
        (void)snprintf(out, TM_GROUP_NAME, column->type == TM_TYPE_DATE ? "%.10s" : "%.16s", text);
    }
}

static void add_number(grid *g, const tm_column *column, double value, double share) {
    tm_cell cell = {.type = column->type, .f64 = value, .i64 = 0};
    if (column->floats == NULL) {
        cell.i64 = (int64_t)value;
    }
    g->cells[g->n] = cell;
    g->shares[g->n] = share;
    label_number(column, &cell, g->labels[g->n]);
    g->n++;
}

/* Quantiles of the values; of few values, each of them. */
static bool grid_numbers(const tm_look *look, const tm_column *column, grid *g) {
    double *values = tm__mem_alloc(look->n, sizeof(*values));
    uint64_t n = 0, at = 0;
    if (values == NULL) {
        return false;
    }
    for (uint64_t i = 0; i < look->n; i++) {
        if (isfinite(tm__column_number(column, look->rows[i]))) {
            values[n++] = tm__column_number(column, look->rows[i]);
        }
    }
    qsort(values, n, sizeof(*values), tm__look_compare);
    g->kind = column->type == TM_TYPE_DATE || column->type == TM_TYPE_TIME ? "time"
              : column->type == TM_TYPE_BOOL                               ? "category"
                                                                           : "number";
    for (uint32_t k = 0; n > 0 && k < GRID; k++) {
        double value = tm__look_quantile(values, n, 0.01 + 0.98 * k / (GRID - 1));
        if (column->floats == NULL) {
            value = floor(value + 0.5);
        }
        if (g->n > 0 && !(value > (column->floats != NULL ? g->cells[g->n - 1].f64
                                                          : (double)g->cells[g->n - 1].i64))) {
            continue;
        }
        const uint64_t from = at;
        while (at < n && values[at] <= value) {
            at++;
        }
        add_number(g, column, value, (double)(at - from) / (double)look->n);
    }
    tm__mem_free(values);
    return true;
}

static tm_status grid_levels(const tm_look *look, uint32_t col, const tm_column *column, grid *g,
                             tm_err *err) {
    const tm_row_groups_options options = {
        .n_levels = LEVELS, .rows_min = 2, .is_kept_alone = true};
    tm_row_groups groups;
    g->kind = "category";
    TM_TRY(tm__row_groups_init(look, col, &options, &groups, err));
    for (uint32_t k = 0; k < groups.n && k < LEVELS; k++) {
        uint64_t first = 0;
        while (first < look->n && groups.of_row[first] != k) {
            first++;
        }
        const bool is_level = first < look->n && strcmp(groups.names[k], "(others)") != 0 &&
                              strcmp(groups.names[k], "(missing)") != 0;
        if (is_level) {
            g->cells[g->n] = tm__column_cell(column, look->rows[first]);
            g->shares[g->n] = (double)groups.counts[k] / (double)look->n;
            memcpy(g->labels[g->n++], groups.names[k], TM_GROUP_NAME);
        }
    }
    tm__row_groups_done(&groups);
    return TM_OK;
}

static tm_status grid_init(const tm_look *look, uint32_t col, grid *g, tm_err *err) {
    const tm_column *column = tm__table_column(look->table, col);
    uint64_t n_missing = 0;
    *g = (grid){0};
    if (column->codes != NULL) {
        TM_TRY(grid_levels(look, col, column, g, err));
    } else if (!grid_numbers(look, column, g)) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the values of '%s'", column->name);
    }
    for (uint64_t i = 0; i < look->n; i++) {
        n_missing += tm__column_is_missing(column, look->rows[i]);
    }
    if (n_missing > 0 && g->n > 0) {
        g->cells[g->n] = (tm_cell){0};
        g->shares[g->n] = (double)n_missing / (double)look->n;
        (void)snprintf(g->labels[g->n++], TM_GROUP_NAME, "(missing)");
    }
    return TM_OK;
}

/* --- answers --- */

static void answer_task(void *arg, uint64_t item, uint32_t worker) {
    dependence *d = arg;
    const uint32_t n_cols = d->schema->n_cols;
    const uint32_t n_outputs = d->look->n_outputs;
    tm_bundle_scratch *scratch = tm__bundle_scratch_create(d->look->bundle);
    tm_cell *row = tm__mem_alloc(n_cols, sizeof(*row));
    (void)worker;
    d->lost[item] = scratch == NULL || row == NULL;
    for (uint64_t i = 0; !d->lost[item] && i < d->n_rows; i++) {
        memcpy(row, d->cells + i * n_cols, n_cols * sizeof(*row));
        row[d->input] = d->g->cells[item];
        tm__bundle_predict_row(d->look->bundle, scratch, row,
                               d->answers + (item * d->n_rows + i) * n_outputs);
    }
    tm__bundle_scratch_free(scratch);
    tm__mem_free(row);
}

typedef struct counted_class {
    uint64_t n;
    uint32_t output;
} counted_class;

static int compare_counted(const void *a, const void *b) {
    const counted_class *x = a, *y = b;
    if (x->n != y->n) {
        return x->n > y->n ? -1 : 1;
    }
    return x->output < y->output ? -1 : x->output > y->output;
}

/* The classes that most rows have. */
static bool choose_outputs(dependence *d) {
    const tm_look *look = d->look;
    counted_class *classes = tm__mem_zalloc((size_t)look->n_outputs + 1, sizeof(*classes));
    if (classes == NULL) {
        return false;
    }
    for (uint32_t o = 0; o < look->n_outputs; o++) {
        classes[o].output = o;
    }
    for (uint64_t i = 0; look->n_outputs > 1 && i < look->n; i++) {
        classes[(uint32_t)look->y[i]].n++; /* one more for a class that training has not */
    }
    qsort(classes, look->n_outputs, sizeof(*classes), compare_counted);
    d->n_outputs = look->n_outputs < OUTPUTS ? look->n_outputs : OUTPUTS;
    for (uint32_t k = 0; k < d->n_outputs; k++) {
        d->outputs[k] = classes[k].output;
    }
    tm__mem_free(classes);
    return true;
}

static void put(json_t *list, double value) {
    json_array_append_new(list, tm__json_number(value));
}

static json_t *say_output(const dependence *d, uint32_t output, double *sorted) {
    json_t *means = json_array(), *lows = json_array(), *highs = json_array();
    for (uint32_t k = 0; k < d->g->n; k++) {
        double sum = 0;
        for (uint64_t i = 0; i < d->n_rows; i++) {
            sorted[i] = d->answers[(k * d->n_rows + i) * d->look->n_outputs + output];
            sum += sorted[i];
        }
        qsort(sorted, d->n_rows, sizeof(*sorted), tm__look_compare);
        put(means, sum / (double)d->n_rows);
        put(lows, tm__look_quantile(sorted, d->n_rows, 0.1));
        put(highs, tm__look_quantile(sorted, d->n_rows, 0.9));
    }
    json_t *entry = json_pack("{s:o, s:o, s:o}", "mean", means, "low", lows, "high", highs);
    if (d->look->n_classes > 0) {
        json_object_set_new(entry, "class",
                            json_string(tm__bundle_class(
                                d->look->bundle, d->look->task == TM_TASK_BINARY ? 1 : output)));
    }
    return entry;
}

static json_t *say_column(const dependence *d, double *sorted) {
    const grid *g = d->g;
    json_t *values = json_array(), *labels = json_array(), *shares = json_array(),
           *outputs = json_array();
    for (uint32_t k = 0; k < g->n; k++) {
        const tm_cell *cell = &g->cells[k];
        if (strcmp(g->kind, "category") == 0 || cell->type == TM_TYPE_NONE) {
            json_array_append_new(values, json_null());
        } else {
            put(values, cell->type == TM_TYPE_FLOAT ? cell->f64 : (double)cell->i64);
        }
        json_array_append_new(labels, json_string(g->labels[k]));
        put(shares, g->shares[k]);
    }
    for (uint32_t o = 0; o < d->n_outputs; o++) {
        json_array_append_new(outputs, say_output(d, d->outputs[o], sorted));
    }
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "column", d->schema->cols[d->input].name,
                     "kind", g->kind, "values", values, "labels", labels, "shares", shares,
                     "outputs", outputs);
}

static bool dependence_init(dependence *d, double **sorted) {
    const tm_look *look = d->look;
    const uint32_t n_cols = d->schema->n_cols;
    d->n_rows = look->n < ROWS ? look->n : ROWS;
    d->cells = tm__mem_zalloc(d->n_rows * n_cols, sizeof(*d->cells));
    d->answers = tm__mem_alloc((GRID + 2) * d->n_rows * look->n_outputs, sizeof(double));
    *sorted = tm__mem_alloc(d->n_rows, sizeof(double));
    if (d->cells == NULL || d->answers == NULL || *sorted == NULL) {
        return false;
    }
    for (uint32_t c = 0; c < n_cols; c++) {
        const uint32_t col = tm__table_find(look->table, d->schema->cols[c].name);
        for (uint64_t i = 0; col != UINT32_MAX && i < d->n_rows; i++) {
            const uint64_t row = look->rows[i * look->n / d->n_rows];
            d->cells[i * n_cols + c] = tm__column_cell(tm__table_column(look->table, col), row);
        }
    }
    return choose_outputs(d);
}

static tm_status look_along(dependence *d, const json_t *entry, double *sorted, json_t *list,
                            tm_err *err) {
    const char *name = tm__json_text(entry, "column", "");
    const uint32_t col = tm__table_find(d->look->table, name);
    d->input = tm__schema_find(d->schema, tm__str(name));
    if (col == UINT32_MAX || d->input == UINT32_MAX) {
        return TM_OK;
    }
    TM_TRY(grid_init(d->look, col, &d->made, err));
    d->g = &d->made;
    if (d->g->n < 2) {
        return TM_OK;
    }
    tm__pool_run(d->look->ctx->pool, d->g->n, answer_task, d);
    for (uint32_t k = 0; k < d->g->n; k++) {
        if (d->lost[k]) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory for answers along '%s'", name);
        }
    }
    json_array_append_new(list, say_column(d, sorted));
    return TM_OK;
}

tm_status tm__look_dependence(const tm_look *look, const json_t *worth, json_t **out, tm_err *err) {
    dependence d = {.look = look, .schema = tm__bundle_schema(look->bundle)};
    const json_t *columns = json_object_get(worth, "columns");
    double *sorted = NULL;
    tm_status st = TM_OK;
    json_t *list = json_array();
    if (!dependence_init(&d, &sorted)) {
        st = TM_FAIL(err, TM_E_NOMEM, "no memory for rows to look along columns with");
    }
    for (size_t i = 0;
         st == TM_OK && i < json_array_size(columns) && json_array_size(list) < COLUMNS; i++) {
        tm__ctx_progress(look->ctx, "along", json_array_size(list), COLUMNS, "columns");
        st = look_along(&d, json_array_get(columns, i), sorted, list, err);
    }
    tm__mem_free(d.cells);
    tm__mem_free(d.answers);
    tm__mem_free(sorted);
    return tm__json_give(st, list, out, err);
}
