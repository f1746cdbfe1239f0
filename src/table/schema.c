/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schemas: made from a table, to JSON and back. The JSON is part of a bundle, so its order and its
 * words never change: {"columns": [{"name", "type", "role", "nullable", "min", "max", "levels",
 * "reason"}]}. min and max are null when there are none, reason is left out then.
 */
#include "table/schema.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/limits.h"
#include "base/mem.h"
#include "table/table_priv.h"

static const char *const role_names[] = {"feature", "target",  "time",  "entity", "weight",
                                         "group",   "dropped", "score", "read"};
#define N_ROLES (sizeof(role_names) / sizeof(role_names[0]))

const char *tm__role_text(tm_role role) {
    return (unsigned)role < N_ROLES ? role_names[role] : "none";
}

void tm__schema_done(tm_schema *schema) {
    for (uint32_t col = 0; col < schema->n_cols; col++) {
        tm__mem_free(schema->cols[col].name);
        tm__mem_free(schema->cols[col].reason);
    }
    tm__mem_free(schema->cols);
    *schema = (tm_schema){0};
}

uint32_t tm__schema_find(const tm_schema *schema, tm_str name) {
    for (uint32_t col = 0; col < schema->n_cols; col++) {
        if (tm__str_is(name, schema->cols[col].name)) {
            return col;
        }
    }
    return UINT32_MAX;
}

/* Room for n columns, all zero. */
static tm_status schema_init(tm_schema *schema, uint32_t n_cols, tm_err *err) {
    schema->cols = tm__mem_zalloc(n_cols, sizeof(*schema->cols));
    if (schema->cols == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a schema");
    }
    schema->n_cols = n_cols;
    return TM_OK;
}

tm_status tm__schema_copy(const tm_schema *schema, tm_schema *out, tm_err *err) {
    tm_schema copy = {0};
    TM_TRY(schema_init(&copy, schema->n_cols, err));
    for (uint32_t col = 0; col < schema->n_cols; col++) {
        const tm_schema_column *const from = &schema->cols[col];
        tm_schema_column *const to = &copy.cols[col];
        *to = *from;
        to->name = tm__mem_strdup(from->name);
        to->reason = from->reason == NULL ? NULL : tm__mem_strdup(from->reason);
        if (to->name == NULL || (from->reason != NULL && to->reason == NULL)) {
            /* Columns after this one hold nothing yet. */
            tm__schema_done(&copy);
            return TM_FAIL(err, TM_E_NOMEM, "no memory for a schema");
        }
    }
    *out = copy;
    return TM_OK;
}

/* Without branches: this is a pass over the whole table. */
static void scan_floats(const tm_column *from, uint64_t n_rows, tm_schema_column *to) {
    double min = INFINITY, max = -INFINITY;
    for (uint64_t row = 0; row < n_rows; row++) {
        const double value = from->floats[row];
        const bool is_number = fabs(value) <= DBL_MAX;
        const double low = is_number ? value : (double)INFINITY;
        const double high = is_number ? value : (double)-INFINITY;
        min = low < min ? low : min;
        max = high > max ? high : max;
    }
    if (min <= max) {
        to->min = min;
        to->max = max;
    }
}

static void scan_ints(const tm_column *from, uint64_t n_rows, tm_schema_column *to) {
    int64_t min = INT64_MAX, max = INT64_MIN;
    for (uint64_t row = 0; row < n_rows; row++) {
        const int64_t value = from->ints[row];
        const int64_t low = value == TM_INT_MISSING ? INT64_MAX : value;
        min = low < min ? low : min;
        max = value > max ? value : max; /* a missing value is the least of all */
    }
    if (max != INT64_MIN) {
        to->min = (double)min;
        to->max = (double)max;
        to->n_levels = from->type == TM_TYPE_BOOL ? (min == max ? 1 : 2) : 0;
    }
}

static tm_status count_levels(const tm_column *from, uint64_t n_rows, uint32_t *out, tm_err *err) {
    const uint32_t n_codes = tm__dict_count(from->dict);
    uint8_t *const seen = tm__mem_zalloc(n_codes, 1);
    if (seen == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to count the levels of column '%s'", from->name);
    }
    uint32_t n = 0;
    for (uint64_t row = 0; row < n_rows; row++) {
        const uint32_t code = from->codes[row];
        if (code != TM_CODE_MISSING && seen[code] == 0) {
            seen[code] = 1;
            n++;
        }
    }
    tm__mem_free(seen);
    *out = n;
    return TM_OK;
}

tm_status tm__schema_from_table(const tm_table *table, tm_schema *out, tm_err *err) {
    tm_schema schema = {0};
    tm_status st = schema_init(&schema, tm__table_cols(table), err);
    for (uint32_t col = 0; col < schema.n_cols && st == TM_OK; col++) {
        const tm_column *const from = tm__table_column(table, col);
        tm_schema_column *const to = &schema.cols[col];
        *to = (tm_schema_column){.type = from->type,
                                 .is_nullable = from->n_missing > 0,
                                 .min = tm__nan(),
                                 .max = tm__nan()};
        to->name = tm__mem_strdup(from->name);
        if (to->name == NULL) {
            st = TM_FAIL(err, TM_E_NOMEM, "no memory for a schema");
        } else if (from->type == TM_TYPE_TEXT) {
            st = count_levels(from, tm__table_rows(table), &to->n_levels, err);
        } else if (from->type == TM_TYPE_FLOAT) {
            scan_floats(from, tm__table_rows(table), to);
        } else {
            scan_ints(from, tm__table_rows(table), to);
        }
    }
    if (st != TM_OK) {
        tm__schema_done(&schema);
        return st;
    }
    *out = schema;
    return TM_OK;
}
