/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/label_rows.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "monitor/label_cover.h"

#define TEXT_BYTES ((size_t)4 << 30)

/* What is being read. */
typedef struct reading {
    const tm_table *table;
    const tm_label_rows_options *options;
    const tm_column *id, *entity, *time, *known, *value; /* NULL: not a column of the labels */
    tm_label_cover cover;
    tm_label_rows *out;
} reading;

static tm_status find_column(const reading *r, const char *name, const tm_column **out,
                             tm_err *err) {
    const uint32_t col = tm__table_find(r->table, name);
    if (col == UINT32_MAX) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "the data has no column '%.128s'", name);
        tm_err_hint(err, "Name the columns of the labels: of an id (or an entity and a time) and "
                         "of what came true.");
        return st;
    }
    *out = tm__table_column(r->table, col);
    return TM_OK;
}

static tm_status find_time(const reading *r, const char *name, const tm_column **out, tm_err *err) {
    if (name == NULL) {
        return TM_OK;
    }
    TM_TRY(find_column(r, name, out, err));
    const tm_type type = (*out)->type;
    if (type != TM_TYPE_TIME && type != TM_TYPE_DATE && type != TM_TYPE_INT) {
        return TM_FAIL(err, TM_E_DATA, "column '%.128s' holds no times", name);
    }
    return TM_OK;
}

static tm_status find_columns(reading *r, tm_err *err) {
    const tm_label_columns *const c = &r->options->columns;
    const char *const id = c->id != NULL ? c->id : TM_LABEL_ID;
    const char *const value = c->value != NULL ? c->value : tm__bundle_target(r->options->bundle);
    TM_TRY(c->entity != NULL ? find_column(r, c->entity, &r->entity, err)
                             : find_column(r, id, &r->id, err));
    TM_TRY(find_column(r, value, &r->value, err));
    TM_TRY(find_time(r, c->time, &r->time, err));
    return find_time(r, c->known_at, &r->known, err);
}

/* Text of a cell, NULL for a missing one; *ok is false when out of memory. */
static const char *text_of(const reading *r, const tm_column *column, uint64_t row, bool *ok) {
    const tm_cell cell = tm__column_cell(column, row);
    const char *text = NULL;
    tm_buf number;
    if (cell.type == TM_TYPE_NONE) {
        return NULL;
    }
    tm__buf_init(&number, 128);
    if (cell.type == TM_TYPE_TEXT) {
        text = tm__arena_strndup(r->out->arena, cell.text.ptr, cell.text.len);
    } else if (tm__cell_write_csv(&cell, &number)) {
        text = tm__arena_strndup(r->out->arena, (const char *)number.data, number.len);
    }
    tm__buf_done(&number);
    *ok = *ok && text != NULL;
    return text;
}

static tm_status bad_row(const reading *r, uint64_t row, const char *what, tm_err *err) {
    if (r->options->skips_bad) {
        r->out->n_bad++;
        return TM_OK;
    }
    const tm_status st = TM_FAIL(err, TM_E_DATA, "%s", what);
    tm_err_at(err, NULL, row + 1, 0);
    return st;
}

static tm_status refuse_row(const reading *r, uint64_t row, const char *why, tm_err *err) {
    char what[128];
    (void)snprintf(what, sizeof(what), "a label %s", why);
    return bad_row(r, row, what, err);
}

static int64_t time_of(const tm_column *column, uint64_t row) {
    return column == NULL || tm__column_is_missing(column, row) ? TM_INT_MISSING
                                                                : column->ints[row];
}

static tm_status read_row(const reading *r, uint64_t row, tm_err *err) {
    const tm_label_rows_options *const options = r->options;
    tm_label_rows *const out = r->out;
    bool ok = true;
    double number = 0;
    const tm_column *who = r->entity != NULL ? r->entity : r->id;
    const char *value = text_of(r, r->value, row, &ok), *name = text_of(r, who, row, &ok);
    if (!ok) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for the labels");
    }
    if (value == NULL) { /* not known yet */
        out->n_empty++;
        return TM_OK;
    }
    if (name == NULL) {
        return bad_row(r, row, "a label names neither a prediction nor an entity", err);
    }
    tm_label label = {.prediction_id = r->entity == NULL ? name : NULL,
                      .model = options->model,
                      .entity = r->entity != NULL ? name : NULL,
                      .event_us = time_of(r->time, row),
                      .within_us = r->time != NULL ? options->within_us : 0,
                      .value = value,
                      .observed_us = time_of(r->known, row),
                      .origin = options->origin};
    const char *const why = tm__label_cover(&r->cover, out->arena, &label);
    if (why != NULL) {
        return refuse_row(r, row, why, err);
    }
    if (!tm__label_number(options->bundle, tm__str(label.value), &number)) {
        return bad_row(r, row, "a label is no number, and the model predicts one", err);
    }
    const uint32_t n_classes = tm__bundle_classes(options->bundle);
    out->n_other += n_classes > 0 && number == (double)n_classes;
    out->rows[out->n] = row;
    out->labels[out->n++] = label;
    return TM_OK;
}

tm_status tm__label_rows_read(const tm_table *table, const tm_label_rows_options *options,
                              tm_label_rows *out, tm_err *err) {
    reading r = {.table = table, .options = options, .out = out};
    const uint64_t n = tm__table_rows(table);
    *out = (tm_label_rows){0};
    TM_TRY(find_columns(&r, err));
    TM_TRY(tm__label_cover_init(options->bundle, &r.cover, err));
    out->arena = tm__arena_create(TEXT_BYTES);
    out->labels = tm__mem_zalloc(n, sizeof(*out->labels));
    out->rows = tm__mem_zalloc(n, sizeof(*out->rows));
    if (out->arena == NULL || out->labels == NULL || out->rows == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for %llu labels", (unsigned long long)n);
    }
    for (uint64_t row = 0; row < n; row++) {
        TM_TRY(read_row(&r, row, err));
    }
    return TM_OK;
}

void tm__label_rows_done(tm_label_rows *rows) {
    tm__arena_free(rows->arena);
    tm__mem_free(rows->labels);
    tm__mem_free(rows->rows);
    *rows = (tm_label_rows){0};
}
