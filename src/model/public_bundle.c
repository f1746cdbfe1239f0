/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public calls of include/tidemill/bundle.h over the bundle's own. A row keeps a cell for each
 * input column, fitted to its type when it is set, and a block for each text; so that predicting
 * allocates nothing.
 */
#include <math.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "model/bundle.h"
#include "tidemill/bundle.h"

#define NUMBER_TEXT 32u
#define TIME_MAX 9.2e18 /* microseconds that fit in 64 bits */

typedef struct row_text {
    char *block; /* [capacity], owned */
    size_t capacity;
    char number[NUMBER_TEXT]; /* a number made text */
} row_text;

struct tm_row {
    const tm_schema *schema; /* of the bundle */
    tm_bundle_scratch *scratch;
    tm_cell *cells;
    row_text *texts;
};

tm_status tm_bundle_open(const char *path, tm_bundle **out_bundle, tm_err *err) {
    return tm__bundle_open(path, out_bundle, err);
}

uint32_t tm_bundle_columns(const tm_bundle *bundle) {
    return tm__bundle_schema(bundle)->n_cols;
}

static tm_status check_column(const tm_schema *schema, uint32_t col, tm_err *err) {
    if (col < schema->n_cols) {
        return TM_OK;
    }
    return TM_FAIL(err, TM_E_INVALID, "there is no column %u, the bundle has %u", col,
                   schema->n_cols);
}

tm_status tm_bundle_column(const tm_bundle *bundle, uint32_t col, const char **out_name,
                           const char **out_type, tm_err *err) {
    const tm_schema *schema = tm__bundle_schema(bundle);
    TM_TRY(check_column(schema, col, err));
    *out_name = schema->cols[col].name;
    *out_type = tm__type_text(schema->cols[col].type);
    return TM_OK;
}

uint32_t tm_bundle_outputs(const tm_bundle *bundle) {
    return tm__bundle_outputs(bundle);
}

const char *tm_bundle_class(const tm_bundle *bundle, uint32_t index) {
    return tm__bundle_class(bundle, index);
}

void tm_bundle_hash(const tm_bundle *bundle, char *out) {
    tm__hash_to_text(tm__bundle_hash(bundle), out);
}

void tm_bundle_close(tm_bundle *bundle) {
    tm__bundle_unref(bundle);
}

tm_status tm_row_create(const tm_bundle *bundle, tm_row **out_row, tm_err *err) {
    const tm_schema *schema = tm__bundle_schema(bundle);
    tm_row *row = tm__mem_zalloc(1, sizeof(*row));
    if (row == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for a row");
    }
    row->schema = schema;
    row->scratch = tm__bundle_scratch_create(bundle);
    row->cells = tm__mem_zalloc(schema->n_cols, sizeof(*row->cells));
    row->texts = tm__mem_zalloc(schema->n_cols, sizeof(*row->texts));
    if (row->scratch == NULL || row->cells == NULL || row->texts == NULL) {
        tm_row_free(row);
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for a row");
    }
    *out_row = row;
    return TM_OK;
}

void tm_row_reset(tm_row *row) {
    memset(row->cells, 0, row->schema->n_cols * sizeof(*row->cells));
}

/* Room for a text; NULL when out of memory, and the block stays as it was. */
static char *reserve(row_text *text, size_t len) {
    if (text->capacity < len) {
        char *block = tm__mem_realloc(text->block, len, 1);
        if (block == NULL) {
            return NULL;
        }
        text->block = block;
        text->capacity = len;
    }
    return text->block;
}

tm_status tm_row_set_text(tm_row *row, uint32_t col, const char *text, size_t len, tm_err *err) {
    char number[NUMBER_TEXT];
    bool is_coerced = false;
    TM_TRY(check_column(row->schema, col, err));
    /* An empty field of a CSV file is a missing value. */
    if (text == NULL || len == 0) {
        row->cells[col] = (tm_cell){.type = TM_TYPE_NONE};
        return TM_OK;
    }
    if (len > TM_MAX_TEXT_BYTES) {
        return TM_FAIL(err, TM_E_LIMIT, "text of column '%s' is longer than %u bytes",
                       row->schema->cols[col].name, TM_MAX_TEXT_BYTES);
    }
    tm_cell cell = {.type = TM_TYPE_TEXT, .text = {text, len}};
    if (!tm__str_is_utf8(cell.text)) {
        return TM_FAIL(err, TM_E_DATA, "text of column '%s' is not UTF-8",
                       row->schema->cols[col].name);
    }
    TM_TRY(tm__cell_fit(&row->schema->cols[col], &cell, number, &is_coerced, err));
    if (cell.type == TM_TYPE_TEXT) {
        char *copy = reserve(&row->texts[col], len);
        if (copy == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "out of memory for a text of %zu bytes", len);
        }
        memcpy(copy, text, len);
        cell.text.ptr = copy;
    }
    row->cells[col] = cell;
    return TM_OK;
}

tm_status tm_row_set_number(tm_row *row, uint32_t col, double value, tm_err *err) {
    char number[NUMBER_TEXT];
    bool is_coerced = false;
    TM_TRY(check_column(row->schema, col, err));
    const tm_schema_column *column = &row->schema->cols[col];
    tm_cell cell = {.type = TM_TYPE_FLOAT, .f64 = value};
    if ((column->type == TM_TYPE_DATE || column->type == TM_TYPE_TIME) && !isnan(value)) {
        if (!(fabs(value) < TIME_MAX) || floor(value) != value) {
            return TM_FAIL(err, TM_E_DATA, "column '%s' wants whole microseconds", column->name);
        }
        cell = (tm_cell){.type = TM_TYPE_TIME, .i64 = (int64_t)value};
    }
    TM_TRY(tm__cell_fit(column, &cell, number, &is_coerced, err));
    if (cell.type == TM_TYPE_TEXT) {
        memcpy(row->texts[col].number, number, sizeof(number));
        cell.text.ptr = row->texts[col].number;
    }
    row->cells[col] = cell;
    return TM_OK;
}

const tm_cell *tm__row_cells(const tm_row *row) {
    return row->cells;
}

void tm_bundle_predict_row(const tm_bundle *bundle, tm_row *row, double *out) {
    tm__bundle_predict_row(bundle, row->scratch, row->cells, out);
}

static tm_status find_interval(const tm_bundle *bundle, tm_conformal_kind kind, double level,
                               tm_conformal_at *out, tm_err *err) {
    const tm_conformal *conformal = tm__bundle_conformal(bundle);
    if (conformal->kind != TM_CONFORMAL_NONE && conformal->kind != kind) {
        return TM_FAIL(err, TM_E_UNSUPPORTED,
                       kind == TM_CONFORMAL_NUMBER
                           ? "the model's answers are classes, not numbers"
                           : "the model's answers are numbers, not classes");
    }
    return tm__conformal_find(conformal, level, out, err);
}

tm_status tm_bundle_interval(const tm_bundle *bundle, double level, const double *out,
                             double *out_low, double *out_high, tm_err *err) {
    tm_conformal_at at;
    TM_TRY(find_interval(bundle, TM_CONFORMAL_NUMBER, level, &at, err));
    const tm_conformal_range range = tm__conformal_range(tm__bundle_conformal(bundle), &at, out[0]);
    *out_low = range.low;
    *out_high = range.high;
    return TM_OK;
}

tm_status tm_bundle_set(const tm_bundle *bundle, double level, const double *out,
                        unsigned char *out_held, tm_err *err) {
    const uint32_t n = tm__bundle_classes(bundle);
    tm_conformal_at at;
    TM_TRY(find_interval(bundle, TM_CONFORMAL_CLASSES, level, &at, err));
    bool *held = tm__mem_alloc(n, sizeof(*held));
    if (held == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for %u classes", n);
    }
    (void)tm__conformal_set(&at, out, tm__bundle_outputs(bundle), held);
    for (uint32_t k = 0; k < n; k++) {
        out_held[k] = held[k] ? 1 : 0;
    }
    tm__mem_free(held);
    return TM_OK;
}

void tm_row_free(tm_row *row) {
    if (row == NULL) {
        return;
    }
    for (uint32_t c = 0; row->texts != NULL && c < row->schema->n_cols; c++) {
        tm__mem_free(row->texts[c].block);
    }
    tm__mem_free(row->texts);
    tm__mem_free(row->cells);
    tm__bundle_scratch_free(row->scratch);
    tm__mem_free(row);
}
