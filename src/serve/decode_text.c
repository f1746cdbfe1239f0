/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows as lines: of JSON (an object each), and CSV with a line of names first. Both are read in
 * place: the end of a line or a field becomes a NUL, and doubled quotes move together.
 *
 * CSV is that of RFC 4180 with LF or CRLF: commas, quotes around a field that needs them, each
 * record as long as the names. What is missing in a file (nothing, NA, null, ?) is missing here.
 */
#include <stdio.h>
#include <string.h>

#include "serve/decode_priv.h"
#include "source/source.h"

char *tm__lines_next(char *p) {
    p += strspn(p, " \t\r\n");
    return *p == '\0' ? NULL : p;
}

char *tm__decoder_read_line(tm_decoder *d) {
    char *const start = d->p;
    const size_t len = strcspn(start, "\n");
    char *const next = start[len] == '\0' ? NULL : tm__lines_next(start + len + 1);
    tm_scan_error e = {0};
    start[len] = '\0';
    if (!tm__scan_check(start, len, &e)) {
        tm__decoder_error(d, (tm_str){NULL, 0}, NULL, "%s[%llu] is not JSON: %s (column %zu)",
                          d->place->path, (unsigned long long)d->row, e.reason, e.column);
    } else {
        (void)tm__decoder_read_record(d, start);
    }
    return next;
}

typedef enum field_end { FIELD_COMMA, FIELD_LINE, FIELD_BAD } field_end;

static field_end end_of(char *p, char **next) {
    if (*p == '\r' && p[1] == '\n') {
        p++;
    }
    *next = p + (*p == '\0' ? 0 : 1);
    return *p == ',' ? FIELD_COMMA : *p == '\n' || *p == '\0' ? FIELD_LINE : FIELD_BAD;
}

/* The field at *p as text. */
static field_end take_field(char **p, tm_str *out) {
    char *from = *p;
    if (*from != '"') {
        const size_t len = strcspn(from, ",\n");
        const size_t n_cr = len > 0 && from[len] == '\n' && from[len - 1] == '\r' ? 1 : 0;
        *out = (tm_str){from, len - n_cr};
        return end_of(from + len - n_cr, p);
    }
    char *to = ++from;
    *out = (tm_str){to, 0};
    for (;; from++) {
        if (*from == '\0') {
            return FIELD_BAD;
        }
        if (*from == '"' && *++from != '"') {
            break;
        }
        *to++ = *from;
    }
    out->len = (size_t)(to - out->ptr);
    return end_of(from, p);
}

char *tm__record_next(char *p) {
    while (*p == '\n' || (*p == '\r' && p[1] == '\n')) {
        p++;
    }
    return *p == '\0' ? NULL : p;
}

bool tm__decoder_open_csv(tm_decoder *d, tm_arena *arena) {
    const uint32_t n_max = d->plan->n_names;
    char *p = d->place->rows;
    field_end end = FIELD_COMMA;
    uint32_t n_ignored = 0;
    d->columns = tm_arena_alloc(arena, uint32_t, (size_t)n_max + TM_MAX_COLS);
    if (d->columns == NULL) {
        return false;
    }
    while (end == FIELD_COMMA && !d->is_full) {
        tm_str name = {NULL, 0};
        end = take_field(&p, &name);
        const uint32_t i = tm__plan_find(d->plan, name);
        if (end == FIELD_BAD || n_ignored == TM_MAX_COLS) {
            tm__decoder_error(d, (tm_str){NULL, 0}, NULL,
                              "the line of names is not CSV, or too long");
            d->is_full = true;
        } else if (tm__decoder_take(d, i, name)) {
            d->columns[d->n_columns++] = i;
        } else {
            d->columns[d->n_columns++] = TM_NAME_NONE;
            n_ignored++;
        }
    }
    memset(d->seen, 0, n_max * sizeof *d->seen);
    d->p = d->is_full ? NULL : tm__record_next(p);
    return true;
}

char *tm__decoder_read_csv(tm_decoder *d) {
    char *p = d->p;
    field_end end = FIELD_COMMA;
    uint32_t n = 0;
    for (; end == FIELD_COMMA && !d->is_full; n++) {
        tm_cell cell = {.type = TM_TYPE_TEXT};
        end = take_field(&p, &cell.text);
        if (end == FIELD_BAD) {
            tm__decoder_error(d, (tm_str){NULL, 0}, NULL,
                              "%s[%llu] has text behind a quote, or a quote that is not closed",
                              d->place->path, (unsigned long long)d->row);
            d->is_full = true;
            return NULL;
        }
        const uint32_t i = n < d->n_columns ? d->columns[n] : TM_NAME_NONE;
        if (i == TM_NAME_NONE) {
            continue;
        }
        d->seen[i] = d->row + 1;
        if (!tm__plan_uses(d->plan, i)) {
            continue;
        }
        cell.type = tm__csv_is_missing(cell.text) ? TM_TYPE_NONE : TM_TYPE_TEXT;
        const bool is_text =
            tm__str_is_utf8(cell.text) &&
            (cell.text.len == 0 || memchr(cell.text.ptr, '\0', cell.text.len) == NULL);
        tm__decoder_put(d, i, &cell, is_text);
    }
    if (n != d->n_columns && !d->is_full) {
        tm__decoder_error(d, (tm_str){NULL, 0}, NULL, "%s[%llu] has %u values for %u columns",
                          d->place->path, (unsigned long long)d->row, n, d->n_columns);
    }
    return tm__record_next(p);
}
