/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The request that servers get most: one row, written plainly.
 *
 *      {"rows": [{"name": value, ...}]}
 *
 * It is checked and read in one pass. Whatever is not plain (an escape, a letter beyond ASCII, an
 * exponent, a long number, a value that has to be changed to fit, any error) gives up before
 * anything was written but cells, and the document is checked and read as all others are: nothing
 * is decided here that decode.c decides otherwise, and no error is told here.
 */
#include "base/limits.h"
#include "serve/decode_priv.h"

#include <string.h>

/* Behind a word or a sign with the white space around it; NULL when something else is there. */
static char *expect(char *p, const char *word, size_t len) {
    p = tm__scan_space(p);
    return strncmp(p, word, len) == 0 ? tm__scan_space(p + len) : NULL;
}

/* True when the cell is right for its column as it is, or as a whole number for a float column. */
static bool fits(tm_decoder *d, uint32_t i, tm_cell *cell) {
    if (i >= d->plan->inputs->n_cols) {
        return true; /* time or entity: kept as given */
    }
    const tm_schema_column *column = &d->plan->inputs->cols[i];
    if (cell->type == TM_TYPE_NONE) {
        d->counts.n_nulls++;
        return column->role != TM_ROLE_SCORE;
    }
    if (column->type == TM_TYPE_FLOAT && cell->type == TM_TYPE_INT) {
        *cell = (tm_cell){.type = TM_TYPE_FLOAT, .f64 = (double)cell->i64};
    }
    if (cell->type == TM_TYPE_TEXT &&
        (column->type == TM_TYPE_DATE || column->type == TM_TYPE_TIME)) {
        bool is_changed = false;
        return tm__cell_fit(column, cell, d->texts + (size_t)i * 32, &is_changed, NULL) == TM_OK &&
               cell->type != TM_TYPE_NONE;
    }
    return cell->type == column->type;
}

static char *read_cell(char *p, tm_cell *out) {
    tm_scan_number number;
    switch (*p) {
    case '"':
        *out = (tm_cell){.type = TM_TYPE_TEXT};
        p = tm__scan_plain_string(p, &out->text);
        return p != NULL && out->text.len <= TM_MAX_TEXT_BYTES ? p : NULL;
    case 't':
        *out = (tm_cell){.type = TM_TYPE_BOOL, .i64 = 1};
        return strncmp(p, "true", 4) == 0 ? p + 4 : NULL;
    case 'f':
        *out = (tm_cell){.type = TM_TYPE_BOOL, .i64 = 0};
        return strncmp(p, "false", 5) == 0 ? p + 5 : NULL;
    case 'n':
        *out = (tm_cell){.type = TM_TYPE_NONE};
        return strncmp(p, "null", 4) == 0 ? p + 4 : NULL;
    default:
        p = tm__scan_plain_number(p, &number);
        *out = p == NULL || number.is_int ? (tm_cell){.type = TM_TYPE_INT, .i64 = number.int64}
                                          : (tm_cell){.type = TM_TYPE_FLOAT, .f64 = number.number};
        return p;
    }
}

/* The name at p, its index in *out; NULL when it is unknown, not plain or stood before. */
static char *read_name(tm_decoder *d, char *p, uint32_t *out) {
    const tm_plan *plan = d->plan;
    if (*p != '"') {
        return NULL;
    }
    if (tm__plan_names_at(plan, *out, p)) {
        p += plan->names[*out].len + 2;
    } else {
        tm_str name;
        p = tm__scan_plain_string(p, &name);
        *out = p == NULL ? TM_NAME_NONE : tm__plan_find(plan, name);
    }
    if (p == NULL || *out == TM_NAME_NONE || d->seen[*out] != 0) {
        return NULL;
    }
    d->seen[*out] = 1;
    p = tm__scan_space(p);
    return *p == ':' ? tm__scan_space(p + 1) : NULL;
}

/* From the first name to behind the closing brace. */
static char *read_row(tm_decoder *d, char *p) {
    for (uint32_t i = 0;; i++) {
        tm_cell cell;
        p = read_name(d, p, &i);
        p = p == NULL ? NULL : read_cell(p, &cell);
        /* A value that is not used may be anything: that is for the other path. */
        if (p == NULL || i >= d->plan->n_cells || !fits(d, i, &cell)) {
            return NULL;
        }
        d->cells[i] = cell;
        p = tm__scan_space(p);
        if (*p == '}') {
            return p + 1;
        }
        if (*p != ',') {
            return NULL;
        }
        p = tm__scan_space(p + 1);
    }
}

static bool may_be_absent(tm_decoder *d) {
    for (uint32_t i = 0; i < d->plan->n_cells; i++) {
        if (d->seen[i] != 0) {
            continue;
        }
        const bool is_input = i < d->plan->inputs->n_cols;
        d->cells[i] = (tm_cell){.type = TM_TYPE_NONE};
        if (tm__plan_fills(d->plan, i)) {
            continue;
        }
        d->counts.n_nulls += is_input ? 1 : 0;
        const plan_name *const n = &d->plan->names[i];
        if (is_input && ((n->is_window && !n->may_lack) || !d->plan->inputs->cols[i].is_nullable)) {
            return false;
        }
    }
    return true;
}

bool tm__decoder_read_quick(tm_decoder *d, char *document, size_t len) {
    char *p = d->plan->privacy != NULL ? NULL : expect(document, "{", 1);
    p = p == NULL ? NULL : expect(p, "\"rows\"", 6);
    p = p == NULL ? NULL : expect(p, ":", 1);
    p = p == NULL ? NULL : expect(p, "[", 1);
    p = p == NULL ? NULL : expect(p, "{", 1);
    p = p == NULL ? NULL : read_row(d, p);
    p = p == NULL ? NULL : expect(p, "]", 1);
    p = p == NULL ? NULL : expect(p, "}", 1);
    d->is_ready = p == document + len && may_be_absent(d);
    if (!d->is_ready) {
        memset(d->seen, 0, (d->plan->n_names + 1) * sizeof *d->seen);
        d->counts = (tm_decode_counts){0};
        return false;
    }
    tm__decoder_count_row(d);
    return true;
}
