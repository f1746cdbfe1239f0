/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CSV of a file as a table, a column at a time and several at once: what rows that are all well
 * cost the least. A text of which any cell needs another look is read row by row, by intake_push.c,
 * and the result is the same.
 *
 * 1. A cell of a kind that the column's type does not settle alone is left to the other reader: a
 *    mark such as "-", a day with an hour, a date in the other order.
 * 2. A column without a type may hold missing values only: the first value gives it one, by
 *    evidence of all rows.
 */
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "source/csv_priv.h"
#include "source/intake_priv.h"

typedef struct text {
    const tm_push *push;
    const tm_intake_columns *columns;
    tm_csv_scanner *part;
    tm_csv_block block;
    tm_csv_column *cols; /* [n names] */
} text;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for rows");
}

/* Kinds of cells that mean the same to both readers, whatever the other rows hold. */
static uint32_t plain_kinds(tm_type type) {
    const uint32_t dates =
        TM_CAN_DATE | TM_CAN_NATIONAL | TM_CAN_DAY_FIRST | TM_CAN_MONTH_FIRST | TM_CAN_MISSING;
    switch (type) {
    case TM_TYPE_BOOL:
        return TM_CAN_BOOL | TM_CAN_MISSING;
    case TM_TYPE_INT:
        return TM_CAN_INT | TM_CAN_MISSING;
    case TM_TYPE_FLOAT:
        return TM_CAN_INT | TM_CAN_FLOAT | TM_CAN_BIG | TM_CAN_MISSING;
    case TM_TYPE_DATE:
        return dates;
    case TM_TYPE_TIME:
        return dates | TM_CAN_TIME;
    case TM_TYPE_TEXT:
        return UINT32_MAX;
    default:
        return TM_CAN_MISSING;
    }
}

static bool fits_order(tm_type type, char order) {
    return tm__csv_is_style(order) ? type == TM_TYPE_INT || type == TM_TYPE_FLOAT
                                   : type == TM_TYPE_DATE || type == TM_TYPE_TIME;
}

/* Columns with their types; false: this text is none for a table. */
static bool set_columns(text *t) {
    const tm_push_csv *const csv = t->push->csv;
    for (uint32_t i = 0; i < csv->n_names; i++) {
        tm_csv_column *const c = &t->cols[i];
        const uint32_t at = tm__intake_columns_find(t->columns, tm__str(csv->names[i]));
        const tm_schema_column *const known =
            at == UINT32_MAX ? NULL : &t->columns->schema.cols[at];
        const char order = csv->orders == NULL ? 0 : csv->orders[i];
        if (known != NULL && order != 0 && !fits_order(known->type, order)) {
            return false;
        }
        c->field = i;
        c->is_active = true;
        c->is_day_first = order == 'd';
        c->is_month_first = order == 'm';
        c->wanted = known == NULL || known->type == TM_TYPE_NONE ? NULL : known;
        c->type = c->wanted == NULL ? TM_TYPE_NONE : known->type;
        c->is_learning = c->wanted == NULL;
    }
    return true;
}

/* "-0" is an int to one reader, a float that keeps its sign to the other. */
static bool has_lost_sign(text *t, tm_csv_column *c) {
    const double *const values = c->values;
    for (uint64_t i = 0; i < t->block.record_end - t->block.record; i++) {
        if (values[i] == 0) {
            const tm_str cell =
                tm__str_trim(tm__csv_column_text(c, &t->block, t->block.record + i));
            if (cell.len > 0 && cell.ptr[0] == '-') {
                return true;
            }
        }
    }
    return false;
}

static void run_column(void *arg, uint64_t item, uint32_t worker) {
    text *const t = arg;
    tm_csv_column *const c = &t->cols[item];
    (void)worker;
    tm__csv_column_block(c, &t->block);
    if (c->wanted != NULL && c->type == TM_TYPE_FLOAT && c->status == TM_OK &&
        (c->kinds & TM_CAN_INT) != 0 && has_lost_sign(t, c)) {
        c->needs_pass = true;
    }
}

/* TM_OK with *out_fits false: some cell needs the other reader. */
static tm_status read_columns(tm_ctx *ctx, text *t, bool *out_fits, tm_err *err) {
    const uint32_t n = t->push->csv->n_names;
    tm__pool_run(ctx->pool, n, run_column, t);
    for (uint32_t i = 0; i < n; i++) {
        tm_csv_column *const c = &t->cols[i];
        const tm_type type = c->wanted == NULL ? TM_TYPE_NONE : c->wanted->type;
        const bool is_settled = c->wanted != NULL || c->values == NULL;
        if (c->status == TM_E_NOMEM) {
            return no_memory(err);
        }
        *out_fits = *out_fits && c->status == TM_OK && is_settled && !c->needs_pass &&
                    (c->kinds & ~plain_kinds(type)) == 0;
        c->type = c->wanted == NULL ? TM_TYPE_TEXT : c->type;
        c->name = tm__mem_strdup(t->push->csv->names[i]);
        if (c->name == NULL) {
            return no_memory(err);
        }
    }
    return TM_OK;
}

static tm_status read_text(tm_ctx *ctx, text *t, uint64_t n_rows_min, tm_table **out, tm_err *err) {
    const tm_push_csv *const csv = t->push->csv;
    uint64_t n = 0;
    bool fits = true;
    t->cols = tm__mem_zalloc(csv->n_names, sizeof(*t->cols));
    t->part = tm__csv_text_open(t->push->data, t->push->len, csv);
    if (t->cols == NULL || t->part == NULL) {
        return no_memory(err);
    }
    if (!set_columns(t)) {
        return TM_OK;
    }
    const tm_status st = tm__csv_cut(t->part, &n, err);
    const uint64_t first = csv->skips_first ? 1 : 0;
    if (st == TM_E_NOMEM) {
        return st;
    }
    if (st != TM_OK || n < first + n_rows_min) {
        return TM_OK; /* what is wrong is one row's fault there */
    }
    t->block = (tm_csv_block){.scanner = t->part,
                              .path = "",
                              .fields = tm__csv_fields(t->part),
                              .n_cols = csv->n_names,
                              .record = first,
                              .record_end = n};
    TM_TRY(read_columns(ctx, t, &fits, err));
    return fits ? tm__csv_table(t->cols, csv->n_names, n - first, out, err) : TM_OK;
}

tm_status tm__text_table(tm_ctx *ctx, const tm_push *push, const tm_intake_columns *columns,
                         uint64_t n_rows_min, tm_table **out, tm_err *err) {
    text t = {.push = push, .columns = columns};
    tm_table *table = NULL;
    tm_err ignored = {0};
    tm_status st = TM_OK;
    if (columns->n_private == 0 && push->form == TM_PUSH_CSV && push->csv != NULL &&
        push->csv->n_names > 1 && memchr(push->data, '\0', push->len) == NULL) {
        st = read_text(ctx, &t, n_rows_min, &table, &ignored);
    }
    for (uint32_t i = 0; t.cols != NULL && i < push->csv->n_names; i++) {
        tm__csv_column_done(&t.cols[i]);
    }
    tm__mem_free(t.cols);
    tm__csv_close(t.part);
    if (st != TM_OK) {
        if (err != NULL) {
            *err = ignored;
        }
        return st;
    }
    *out = table;
    return TM_OK;
}
