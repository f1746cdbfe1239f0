/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A body to rows.
 *
 *   body ── row by row ──> cells ──> intake_encode.c
 *
 * 1. The body is only read: a row's bytes are copied before they are taken apart, so that a bad row
 *    goes to quarantine as it came.
 * 2. What one row does wrong is that row's fault alone, as long as the next one can be found: in
 *    lines it can, and in CSV up to a quote that is not closed. A JSON document is one value: when
 *    it is malformed nothing of it is taken.
 * 3. A column that a row lacks is missing there; null is a value of every column but a key.
 * 4. Arrays and objects as values are text: their JSON.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/json_scan.h"
#include "base/limits.h"
#include "base/mem.h"
#include "source/csv_priv.h"
#include "source/intake_reader.h"
#include "source/source.h"

#define LINE_BYTES_MAX ((size_t)TM_MAX_BODY_BYTES + 64)

const char *const tm__row_reason_names[TM_ROW_REASONS] = {
    "malformed",    "wrong_type",  "null_key",       "null_value",   "too_large",
    "late",         "new_column",  "missing_column", "wider_type",   "renamed_column",
    "new_category", "unit_change", "null_spike",     "out_of_range", "expectation"};

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for rows");
}

void tm__body_refuse(tm_body_reader *r, tm_row_reason reason, tm_str column, const char *fmt, ...) {
    if (r->is_bad) {
        return; /* the first fault is the one that is told */
    }
    va_list args;
    r->is_bad = true;
    r->reason = reason;
    (void)tm__str_copy(r->column, sizeof(r->column), column);
    va_start(args, fmt);
    (void)vsnprintf(r->detail, sizeof(r->detail), fmt, args);
    va_end(args);
}

static const tm_str whole_row = {"", 0};

static void add_stranger(tm_body_reader *r, tm_str name, const tm_cell *cell) {
    if (r->n_strangers == r->strangers_max) {
        const uint32_t n = r->strangers_max == 0 ? 16 : r->strangers_max * 2;
        tm_stranger *grown = tm__mem_realloc(r->strangers, n, sizeof(*grown));
        if (grown == NULL) {
            r->has_failed = true;
            return;
        }
        r->strangers = grown;
        r->strangers_max = n;
    }
    r->strangers[r->n_strangers++] = (tm_stranger){name, *cell};
}

/* ---- JSON ---- */

static uint32_t find_column(tm_body_reader *r, tm_str name) {
    const uint32_t n = r->columns->schema.n_cols;
    uint32_t at = r->expected;
    if (at >= n || !tm__str_is(name, r->columns->schema.cols[at].name)) {
        at = tm__intake_columns_find(r->columns, name);
    }
    r->expected = at == UINT32_MAX ? r->expected : at + 1;
    return at;
}

/* The value at p as a cell; returns what follows. */
static char *read_value(tm_body_reader *r, char *p, tm_str name, tm_cell *out) {
    tm_scan_number number;
    char *const start = p;
    *out = (tm_cell){.type = TM_TYPE_NONE};
    switch (*p) {
    case '"':
        out->type = TM_TYPE_TEXT;
        return tm__scan_string(p, &out->text);
    case 't':
    case 'f':
        *out = (tm_cell){.type = TM_TYPE_BOOL, .i64 = *p == 't'};
        return tm__scan_skip(p);
    case 'n':
        return tm__scan_skip(p);
    case '{':
    case '[':
        p = tm__scan_skip(p);
        *out = (tm_cell){.type = TM_TYPE_TEXT, .text = {start, (size_t)(p - start)}};
        return p;
    default:
        p = tm__scan_number(p, &number);
        if (number.is_int) {
            *out = (tm_cell){.type = TM_TYPE_INT, .i64 = number.int64};
        } else if (number.is_finite) {
            *out = (tm_cell){.type = TM_TYPE_FLOAT, .f64 = number.number};
        } else {
            tm__body_refuse(r, TM_ROW_WRONG_TYPE, name, "the number is larger than a double");
        }
        return p;
    }
}

static void take_member(tm_body_reader *r, tm_str name, const tm_cell *cell) {
    const uint32_t col = find_column(r, name);
    if (cell->type == TM_TYPE_TEXT && cell->text.len > TM_MAX_TEXT_BYTES) {
        tm__body_refuse(r, TM_ROW_TOO_LARGE, name, "the text is longer than %u bytes",
                        TM_MAX_TEXT_BYTES);
    }
    if (col == UINT32_MAX) {
        if (name.len == 0 || name.len > TM_MAX_COLUMN_NAME) {
            tm__body_refuse(r, TM_ROW_MALFORMED, name, "a name is empty or longer than %u bytes",
                            TM_MAX_COLUMN_NAME);
        }
        add_stranger(r, name, cell);
        return;
    }
    if (r->seen[col] == r->row) {
        tm__body_refuse(r, TM_ROW_MALFORMED, name, "the name stands twice");
    }
    r->seen[col] = r->row;
    r->cells[col] = *cell;
    r->n_values++;
}

static bool copy_raw(tm_body_reader *r) {
    tm__buf_reset(&r->line);
    r->has_failed = r->has_failed || !tm__buf_append(&r->line, r->raw, r->raw_len);
    return !r->has_failed;
}

/* Take the row apart in its copy. */
static void read_object(tm_body_reader *r) {
    char *after = NULL;
    char *p = tm__scan_space((char *)r->line.data);
    if (*p != '{') {
        tm__body_refuse(r, TM_ROW_MALFORMED, whole_row,
                        "a row must be an object of values by column");
        return;
    }
    for (char *m = tm__scan_enter(p, &after); m != NULL;) {
        tm_str name;
        tm_cell cell;
        char *value = tm__scan_name(m, &name);
        char *behind = read_value(r, value, name, &cell);
        take_member(r, name, &cell);
        m = tm__scan_more(behind, &after);
    }
}

static char *skip_lines(char *p, const char *end) {
    while (p < end && (*p == '\n' || *p == '\r' || *p == ' ' || *p == '\t')) {
        p++;
    }
    return p < end ? p : NULL;
}

static void next_line(tm_body_reader *r) {
    char *const line_end = memchr(r->p, '\n', (size_t)(r->end - r->p));
    r->raw = r->p;
    r->raw_len = (size_t)((line_end != NULL ? line_end : r->end) - r->p);
    r->p = line_end != NULL ? skip_lines(line_end + 1, r->end) : NULL;
    if (r->raw_len > 0 && r->raw[r->raw_len - 1] == '\r') {
        r->raw_len--;
    }
    tm_scan_error e = {0};
    if (r->raw_len > TM_MAX_BODY_BYTES) {
        tm__body_refuse(r, TM_ROW_TOO_LARGE, whole_row, "the line is longer than %u bytes",
                        TM_MAX_BODY_BYTES);
        return;
    }
    if (!copy_raw(r)) {
        return;
    }
    if (!tm__scan_check((const char *)r->line.data, r->line.len, &e)) {
        tm__body_refuse(r, TM_ROW_MALFORMED, whole_row, "not JSON: %s (column %zu)", e.reason,
                        e.column);
    } else {
        read_object(r);
    }
}

static void next_element(tm_body_reader *r) {
    char *after = NULL;
    r->raw = r->p;
    char *const behind = tm__scan_skip(r->p);
    r->raw_len = (size_t)(behind - r->raw);
    r->p = tm__scan_more(behind, &after);
    if (copy_raw(r)) {
        read_object(r);
    }
}

/* ---- CSV ---- */

typedef enum field_end { FIELD_COMMA, FIELD_LINE, FIELD_BAD } field_end;

static const tm_push_csv plain_csv = {.delimiter = ',', .quote = '"'};

/* A text that is too large stands in the line only so far that it is seen to be. */
static void append_text(tm_buf *line, size_t start, const char *text, size_t len) {
    const size_t left = TM_MAX_TEXT_BYTES + 1 - (line->len - start);
    (void)tm__buf_append(line, text, len < left ? len : left);
}

/* The field at *p, which may be the body's end: text without its quotes, in line. */
static field_end take_field(const tm_push_csv *csv, char **p, const char *end, tm_buf *line,
                            size_t *out_start) {
    const char delimiter = csv->delimiter, quote_mark = csv->quote;
    char *at = *p;
    *out_start = line->len;
    while (csv->skips_blanks && at < end && *at == ' ') {
        at++;
    }
    if (at < end && *at == quote_mark && quote_mark != '\0') {
        const char *const start = ++at;
        for (;;) {
            char *const quote = memchr(at, quote_mark, (size_t)(end - at));
            if (quote == NULL || (csv->names != NULL && quote - start > TM_MAX_TEXT_BYTES)) {
                return FIELD_BAD;
            }
            const bool is_doubled = quote + 1 < end && quote[1] == quote_mark;
            append_text(line, *out_start, at, (size_t)(quote - at) + (is_doubled ? 1 : 0));
            at = quote + (is_doubled ? 2 : 1);
            if (!is_doubled) {
                break;
            }
        }
        while (csv->names != NULL && at < end && *at == ' ') {
            at++;
        }
    } else {
        char *const start = at;
        while (at < end && *at != delimiter && *at != '\n') {
            at++;
        }
        const bool has_cr = at > start && (at == end || *at == '\n') && at[-1] == '\r';
        append_text(line, *out_start, start, (size_t)(at - start) - (has_cr ? 1 : 0));
    }
    if (at < end && *at == '\r' && (at + 1 == end || at[1] == '\n')) {
        at++;
    }
    *p = at < end ? at + 1 : at;
    return at == end || *at == '\n' ? FIELD_LINE : *at == delimiter ? FIELD_COMMA : FIELD_BAD;
}

static char *skip_blank(char *p, const char *end) {
    while (p < end && (*p == '\n' || (*p == '\r' && p + 1 < end && p[1] == '\n'))) {
        p++;
    }
    return p < end ? p : NULL;
}

static void take_text(tm_body_reader *r, uint32_t field, tm_str text) {
    const tm_str name = r->names[field];
    tm_cell cell = {.type = TM_TYPE_TEXT, .text = text};
    if (tm__csv_is_missing(text)) {
        cell = (tm_cell){.type = TM_TYPE_NONE};
    } else if (field == 0 && text.len >= 3 && memcmp(text.ptr, "\xEF\xBB\xBF", 3) == 0) {
        tm__body_refuse(r, TM_ROW_MALFORMED, name, "a byte order mark amid the rows");
    } else if (!tm__str_is_utf8(text) || memchr(text.ptr, '\0', text.len) != NULL) {
        tm__body_refuse(r, TM_ROW_MALFORMED, name, "the text is not UTF-8");
    } else if (text.len > TM_MAX_TEXT_BYTES) {
        tm__body_refuse(r, TM_ROW_TOO_LARGE, name, "the text is longer than %u bytes",
                        TM_MAX_TEXT_BYTES);
    }
    if (r->csv->orders != NULL && cell.type == TM_TYPE_TEXT && r->csv->orders[field] != 0) {
        tm__cell_read_order(r->csv->orders[field], &cell);
    }
    const uint32_t col = r->fields[field];
    if (col == UINT32_MAX) {
        add_stranger(r, name, &cell);
    } else {
        r->seen[col] = r->row;
        r->cells[col] = cell;
        r->n_values++;
    }
}

/* Fields are cut first, and texts looked at when the line no longer moves. */
static void next_record(tm_body_reader *r) {
    char *p = r->p;
    field_end how = FIELD_COMMA;
    uint32_t n = 0;
    size_t *const starts = (size_t *)(void *)(r->names + r->n_fields);
    tm__buf_reset(&r->line);
    for (; how == FIELD_COMMA; n++) {
        size_t start = 0;
        how = take_field(r->csv, &p, r->end, &r->line, &start);
        if (n < r->n_fields) {
            starts[n] = start;
        }
    }
    r->raw = r->p;
    if (how == FIELD_BAD && r->csv->names != NULL) {
        char *const line_end = memchr(r->p, '\n', (size_t)(r->end - r->p));
        tm__body_refuse(
            r, TM_ROW_MALFORMED, whole_row,
            "text behind a quote, or a quote that is not closed; the next line was read anew");
        r->raw_len = (size_t)((line_end != NULL ? line_end : r->end) - r->raw);
        r->p = line_end != NULL ? skip_blank(line_end + 1, r->end) : NULL;
        return;
    }
    if (how == FIELD_BAD) {
        tm__body_refuse(
            r, TM_ROW_MALFORMED, whole_row,
            "text behind a quote, or a quote that is not closed; nothing behind it was read");
        r->raw_len = (size_t)(r->end - r->raw);
        r->p = NULL;
        return;
    }
    r->raw_len = (size_t)(p - r->p);
    while (r->raw_len > 0 && (r->raw[r->raw_len - 1] == '\n' || r->raw[r->raw_len - 1] == '\r')) {
        r->raw_len--;
    }
    r->p = skip_blank(p, r->end);
    r->has_failed = r->has_failed || r->line.failed;
    if (n != r->n_fields) {
        tm__body_refuse(r, TM_ROW_MALFORMED, whole_row, "%u values for %u columns", n, r->n_fields);
        return;
    }
    for (uint32_t i = 0; i < n && !r->has_failed; i++) {
        const size_t end = i + 1 < n ? starts[i + 1] : r->line.len;
        take_text(r, i, (tm_str){(const char *)r->line.data + starts[i], end - starts[i]});
    }
}

static tm_status refuse(tm_err *err, const char *what, const char *hint) {
    const tm_status st = TM_FAIL(err, TM_E_DATA, "%s", what);
    tm_err_hint(err, "%s", hint);
    return st;
}

static tm_status name_field(tm_body_reader *r, uint32_t i, tm_str name, tm_err *err) {
    if (name.len == 0 || name.len > TM_MAX_COLUMN_NAME || !tm__str_is_utf8(name) ||
        memchr(name.ptr, '\0', name.len) != NULL) {
        (void)TM_FAIL(err, TM_E_DATA, "the name in field %u of the first line is %s", i + 1,
                      name.len == 0                   ? "empty"
                      : name.len > TM_MAX_COLUMN_NAME ? "too long"
                                                      : "not UTF-8");
        tm_err_hint(err, "Send a line of names first, then rows.");
        return TM_E_DATA;
    }
    const uint32_t code = tm__dict_add(r->codes, name);
    if (code == TM_CODE_MISSING) {
        return no_memory(err);
    }
    if (code != i) {
        (void)TM_FAIL(err, TM_E_DATA, "fields %u and %u of the first line are both named '%.*s'",
                      code + 1, i + 1, (int)name.len, name.ptr);
        tm_err_hint(err, "Give each column a name of its own.");
        return TM_E_DATA;
    }
    r->names[i] = name;
    r->fields[i] = tm__intake_columns_find(r->columns, name);
    return TM_OK;
}

tm_status tm__many_columns(tm_err *err) {
    (void)TM_FAIL(err, TM_E_LIMIT, "more than %u columns", TM_MAX_COLS);
    tm_err_hint(err, "Send the columns you need, or store rows where columns are.");
    return TM_E_LIMIT;
}

/* Names that are known: columns of a file that stand in its first line, or nowhere. */
static tm_status open_named(tm_body_reader *r, tm_err *err) {
    const tm_push_csv *const csv = r->csv;
    char *p = r->p;
    size_t start = 0;
    r->names = tm__mem_alloc(csv->n_names, sizeof(*r->names) + sizeof(size_t));
    r->fields = tm__mem_alloc(csv->n_names, sizeof(*r->fields));
    if (r->names == NULL || r->fields == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < csv->n_names; i++) {
        r->names[i] = tm__str(csv->names[i]);
        r->fields[i] = tm__intake_columns_find(r->columns, r->names[i]);
    }
    r->n_fields = csv->n_names;
    p = skip_blank(p, r->end);
    while (csv->skips_first && p != NULL &&
           take_field(csv, &p, r->end, &r->header, &start) == FIELD_COMMA) {
    }
    r->p = p == NULL ? NULL : skip_blank(p, r->end);
    return r->header.failed ? no_memory(err) : TM_OK;
}

/* A line of one name that holds another delimiter is that of another kind of CSV: its rows would
 * become one column of text. */
static tm_status check_delimiter(const tm_body_reader *r, size_t n_names, tm_err *err) {
    const char *const found =
        n_names == 1 && r->header.len > 0 ? strpbrk((const char *)r->header.data, ";\t|") : NULL;
    if (found == NULL) {
        return TM_OK;
    }
    (void)TM_FAIL(err, TM_E_DATA, "the first line has no comma, and %s",
                  *found == ';'    ? "semicolons"
                  : *found == '\t' ? "tabs"
                                   : "bars");
    tm_err_hint(err, "Send commas between fields, and numbers with a point.");
    return TM_E_DATA;
}

static tm_status open_csv(tm_body_reader *r, tm_err *err) {
    char *p = r->p;
    field_end how = FIELD_COMMA;
    size_t n_max = 1;
    for (const char *c = p; c < r->end && *c != '\n'; c++) {
        n_max += *c == ',' ? 1 : 0;
    }
    if (n_max > TM_MAX_COLS) {
        return tm__many_columns(err);
    }
    size_t start = 0, n = 0;
    /* Behind the names: where the fields of a record start. */
    r->names = tm__mem_alloc(n_max, sizeof(*r->names) + sizeof(size_t));
    r->fields = tm__mem_alloc(n_max, sizeof(*r->fields));
    r->codes = tm__dict_create();
    size_t *starts = tm__mem_alloc(n_max + 1, sizeof(*starts));
    tm_status st = r->names == NULL || r->fields == NULL || r->codes == NULL || starts == NULL
                       ? no_memory(err)
                       : TM_OK;
    while (st == TM_OK && how == FIELD_COMMA && n < n_max) {
        how = take_field(r->csv, &p, r->end, &r->header, &start);
        starts[n++] = start;
    }
    if (st == TM_OK && r->header.failed) {
        st = no_memory(err);
    }
    if (st == TM_OK && how != FIELD_LINE) {
        st = refuse(err, "the first line is not one of names in CSV",
                    "Send a line of names first, then rows.");
    }
    st = st == TM_OK ? check_delimiter(r, n, err) : st;
    starts = st == TM_OK ? starts : (tm__mem_free(starts), NULL);
    for (uint32_t i = 0; st == TM_OK && i < n; i++) {
        const size_t end = i + 1 < n ? starts[i + 1] : r->header.len;
        st = name_field(r, i, (tm_str){(char *)r->header.data + starts[i], end - starts[i]}, err);
    }
    tm__mem_free(starts);
    r->n_fields = (uint32_t)n;
    r->p = st == TM_OK ? skip_blank(p, r->end) : NULL;
    return st;
}

/* ---- A table ---- */

static tm_status open_table(tm_body_reader *r, tm_err *err) {
    const uint32_t n = tm__table_cols(r->push->table);
    r->fields = tm__mem_alloc((size_t)n + 1, sizeof(*r->fields));
    if (r->fields == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < n; i++) {
        const char *name = tm__table_column(r->push->table, i)->name;
        r->fields[i] = tm__intake_columns_find(r->columns, tm__str(name));
    }
    r->n_fields = n;
    return TM_OK;
}

static void refuse_bad(tm_body_reader *r, uint64_t row) {
    static const tm_row_reason reasons[TM_BAD_KINDS] = {TM_ROW_MALFORMED, TM_ROW_WRONG_TYPE,
                                                        TM_ROW_WRONG_TYPE, TM_ROW_WRONG_TYPE,
                                                        TM_ROW_TOO_LARGE};
    const tm_bad_values *const bad = r->push->bad;
    for (; bad != NULL && r->next_bad < bad->n && bad->items[r->next_bad].row == row;
         r->next_bad++) {
        const tm_bad_value value = tm__bad_values_get(bad, r->next_bad);
        tm__body_refuse(r, reasons[value.kind],
                        tm__str(tm__table_column(r->push->table, value.col)->name), "%s",
                        tm__bad_kind_text(value.kind));
    }
}

static void next_of_table(tm_body_reader *r) {
    const tm_table *table = r->push->table;
    const uint64_t row = r->next_in_table++;
    refuse_bad(r, row);
    for (uint32_t i = 0; i < r->n_fields; i++) {
        const tm_column *column = tm__table_column(table, i);
        const tm_cell cell = tm__column_cell(column, row);
        const uint32_t col = r->fields[i];
        if (cell.type == TM_TYPE_TEXT && cell.text.len > TM_MAX_TEXT_BYTES) {
            tm__body_refuse(r, TM_ROW_TOO_LARGE, tm__str(column->name),
                            "the text is longer than %u bytes", TM_MAX_TEXT_BYTES);
        }
        if (col == UINT32_MAX) {
            add_stranger(r, tm__str(column->name), &cell);
        } else {
            r->seen[col] = r->row;
            r->cells[col] = cell;
            r->n_values++;
        }
    }
}

/* A number as JSON has it. */
static bool is_number(tm_str text) {
    tm_scan_error e = {0};
    char *const copy =
        text.len == 0 || text.len > 400000 ? NULL : tm__mem_strndup(text.ptr, text.len);
    const bool is_good = copy != NULL && (copy[0] == '-' || tm__is_digit(copy[0])) &&
                         tm__scan_check(copy, text.len, &e);
    tm__mem_free(copy);
    return is_good;
}

/* A value that no column holds as it came: its very bytes, so that it can be corrected. */
static bool write_bad(const tm_bad_value *value, tm_buf *out) {
    static const char hex[] = "0123456789abcdef";
    const bool is_plain =
        (value->kind == TM_BAD_NUMBER || value->kind == TM_BAD_WHOLE) && is_number(value->value);
    if (is_plain) {
        return tm__buf_append(out, value->value.ptr, value->value.len);
    }
    bool ok = tm__buf_byte(out, '"');
    for (size_t i = 0; ok && i < value->value.len; i++) {
        const uint8_t c = (uint8_t)value->value.ptr[i];
        const char escaped[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15u]};
        ok = c < 0x20                ? tm__buf_append(out, escaped, sizeof(escaped))
             : c == '"' || c == '\\' ? tm__buf_byte(out, '\\') && tm__buf_byte(out, c)
                                     : tm__buf_byte(out, c);
    }
    return ok && tm__buf_byte(out, '"');
}

/* A row of a table has no bytes: its values as a line of JSON stand for them. */
bool tm__body_write(tm_body_reader *r) {
    tm__buf_reset(&r->line);
    bool ok = tm__buf_text(&r->line, "{");
    const uint64_t row = r->next_in_table - 1;
    const tm_bad_values *const bad = r->push->bad;
    uint32_t next = tm__bad_values_find(bad, row);
    for (uint32_t i = 0; i < r->n_fields; i++) {
        const tm_column *column = tm__table_column(r->push->table, i);
        const tm_cell cell = tm__column_cell(column, row);
        const tm_cell name = {.type = TM_TYPE_TEXT, .text = tm__str(column->name)};
        ok = ok && (i == 0 || tm__buf_text(&r->line, ",")) &&
             tm__cell_write_json(&name, &r->line) && tm__buf_text(&r->line, ":");
        const bool is_bad = bad != NULL && next < bad->n && bad->items[next].row == row &&
                            bad->items[next].col == i;
        const uint32_t col = r->fields[i];
        if (r->rooms != NULL && col != UINT32_MAX &&
            tm__privacy_changes(&r->columns->rules[col].privacy)) {
            next += is_bad ? 1 : 0;
            ok = ok && tm__cell_write_json(&r->cells[col], &r->line);
        } else if (is_bad) {
            const tm_bad_value value = tm__bad_values_get(bad, next++);
            ok = ok && write_bad(&value, &r->line);
        } else {
            ok = ok && tm__cell_write_json(&cell, &r->line);
        }
    }
    ok = ok && tm__buf_text(&r->line, "}");
    r->raw = (char *)r->line.data;
    r->raw_len = r->line.len;
    return ok;
}

/* ---- The reader ---- */

/* First element of the array of rows, or NULL with *out_empty. */
static tm_status open_json(tm_body_reader *r, tm_err *err) {
    static const char shape[] = "Send an array of objects, or {\"rows\": [{column: value}, ...]}.";
    tm_scan_error e = {0};
    char *after = NULL;
    if (!tm__scan_check(r->p, (size_t)(r->end - r->p), &e)) {
        (void)TM_FAIL(err, e.is_limit ? TM_E_LIMIT : TM_E_DATA,
                      "not JSON: %s (line %zu, column %zu)", e.reason, e.line, e.column);
        tm_err_hint(err, "Nothing of this push was taken; send it again when it is mended.");
        return e.is_limit ? TM_E_LIMIT : TM_E_DATA;
    }
    char *p = tm__scan_space(r->p);
    if (*p == '{') {
        char *m = tm__scan_enter(p, &after);
        tm_str name = {0};
        /* The name is only looked at: unescaping would change the body. */
        const bool is_rows = m != NULL && strncmp(m, "\"rows\"", 6) == 0;
        p = is_rows ? tm__scan_name(m, &name) : p;
        if (!is_rows || *p != '[' || tm__scan_more(tm__scan_skip(p), &after) != NULL) {
            return refuse(err, "the body has no rows, or more than rows", shape);
        }
    }
    if (*p != '[') {
        return refuse(err, "the body is no array of rows", shape);
    }
    r->p = tm__scan_enter(p, &after);
    return TM_OK;
}

void tm__body_done(tm_body_reader *r) {
    tm__buf_done(&r->line);
    tm__buf_done(&r->header);
    tm__buf_done(&r->kept);
    tm__mem_free(r->rooms);
    tm__mem_free(r->cells);
    tm__mem_free(r->seen);
    tm__mem_free(r->strangers);
    tm__mem_free(r->fields);
    tm__mem_free(r->names);
    tm__dict_free(r->codes);
}

/* Two bytes tell: neither JSON nor a name in CSV has a zero among them. */
static bool is_utf16(const tm_push *push) {
    const uint8_t *const data = (const uint8_t *)push->data;
    return push->len >= 2 && ((data[0] == 0xff && data[1] == 0xfe) ||
                              (data[0] == 0xfe && data[1] == 0xff) || data[0] == 0 || data[1] == 0);
}

tm_status tm__body_open(tm_body_reader *r, const tm_push *push, tm_intake_columns *columns,
                        tm_err *err) {
    const bool is_table = push->form == TM_PUSH_TABLE;
    const bool has_mark = !is_table && push->len >= 3 && memcmp(push->data, "\xEF\xBB\xBF", 3) == 0;
    const uint32_t n = columns->schema.n_cols;
    *r = (tm_body_reader){.push = push,
                          .columns = columns,
                          .csv = push->csv != NULL ? push->csv : &plain_csv,
                          .line_number = push->first_line};
    r->watch = columns->version > 0 ? columns->watch : NULL;
    tm__buf_init(&r->line, LINE_BYTES_MAX);
    tm__buf_init(&r->header, LINE_BYTES_MAX);
    r->p = is_table ? NULL : push->data + (has_mark ? 3 : 0);
    r->end = is_table ? NULL : push->data + push->len;
    r->counted = r->p;
    tm__buf_init(&r->kept, 4 * LINE_BYTES_MAX);
    r->rooms = columns->n_private == 0 ? NULL : tm__mem_alloc(n, TM_PRIVACY_ROOM);
    r->cells = tm__mem_alloc((size_t)n + 1, sizeof(*r->cells));
    r->seen = tm__mem_zalloc((size_t)n + 1, sizeof(*r->seen));
    if (r->cells == NULL || r->seen == NULL || (columns->n_private > 0 && r->rooms == NULL) ||
        !tm__buf_text(&r->line, "") || tm__buf_reserve(&r->line, 64) == NULL ||
        tm__buf_reserve(&r->header, 64) == NULL) {
        return no_memory(err);
    }
    if (is_table) {
        return open_table(r, err);
    }
    if (push->first_line == 0 && is_utf16(push)) { /* else lines are looked at one by one */
        return refuse(err, "the body is UTF-16 or binary", "Send text in UTF-8.");
    }
    if (push->form == TM_PUSH_LINES) {
        r->p = skip_lines(r->p, r->end);
        return TM_OK;
    }
    if (push->csv != NULL) {
        return open_named(r, err);
    }
    if (skip_lines(r->p, r->end) == NULL) {
        return refuse(err, "the body is empty", "Send at least one row.");
    }
    return push->form == TM_PUSH_JSON ? open_json(r, err) : open_csv(r, err);
}

void tm__body_found(tm_body_reader *r, const tm_finding *f) {
    tm_bad_row bad;
    tm__finding_reason(f, &bad);
    tm__body_refuse(r, bad.reason, tm__str(bad.column), "%s", bad.detail);
}

/* A change that a row shows: to be counted, to quarantine or to the end of it. */
void tm__body_change(tm_body_reader *r, tm_change_kind kind, tm_change_policy policy, tm_str column,
                     const char *detail) {
    tm_finding f = {.kind = kind, .policy = policy, .n = 1};
    (void)tm__str_copy(f.column, sizeof(f.column), column);
    (void)tm__str_copy(f.detail, sizeof(f.detail), tm__str(detail));
    if (r->look != NULL) {
        tm__look_note(r->look, &f);
    }
    if (policy >= TM_POLICY_QUARANTINE) {
        tm__body_refuse(r, (tm_row_reason)(TM_ROW_CHANGE + kind), column, "%s", detail);
    }
    if (policy == TM_POLICY_STOP && !r->must_stop) {
        r->must_stop = true;
        r->stop = f;
    }
}

/* Values under names that no column has: those that may not become columns are left out. */
static void judge_strangers(tm_body_reader *r) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->n_strangers && !r->is_bad && r->watch != NULL; i++) {
        const tm_stranger s = r->strangers[i];
        const tm_change_policy policy = tm__watch_policy(r->watch, TM_CHANGE_NEW_COLUMN, s.name);
        if (policy == TM_POLICY_ADAPT) {
            r->strangers[n++] = s;
        } else {
            tm__body_change(r, TM_CHANGE_NEW_COLUMN, policy, s.name, "no column has this name");
        }
    }
    r->n_strangers = r->watch != NULL ? n : r->n_strangers;
}

/* What is kept of columns with policies takes the place of what came. */
static void apply_policies(tm_body_reader *r) {
    const tm_hash *const key = r->columns->has_privacy_key ? &r->columns->privacy_key : NULL;
    for (uint32_t i = 0; i < r->columns->schema.n_cols; i++) {
        const tm_declared_rule *const rule = &r->columns->rules[i];
        const char *const name = r->columns->schema.cols[i].name;
        if (!tm__privacy_changes(&rule->privacy)) {
            continue;
        }
        if (r->push->csv != NULL &&
            (rule->privacy.kind == TM_PRIVACY_MONTH || rule->privacy.kind == TM_PRIVACY_YEAR)) {
            tm__cell_read_loose_date(&r->cells[i]);
        }
        if (!tm__privacy_cell(&rule->privacy, key, &r->cells[i],
                              r->rooms + (size_t)i * TM_PRIVACY_ROOM)) {
            /* A replay as it is finds no value that it could take either. */
            r->cells[i] = (tm_cell){.type = TM_TYPE_TEXT, .text = TM_STR("not kept")};
            tm__body_refuse(r, TM_ROW_WRONG_TYPE, tm__str(name),
                            "the policy '%s' cannot be applied to the value", rule->policy);
        }
    }
}

static bool write_value(tm_buf *out, bool is_first, tm_str name, const tm_cell *cell) {
    const tm_cell text = {.type = TM_TYPE_TEXT, .text = name};
    return (is_first || tm__buf_text(out, ",")) && tm__cell_write_json(&text, out) &&
           tm__buf_text(out, ":") && tm__cell_write_json(cell, out);
}

bool tm__body_withhold(tm_body_reader *r) {
    tm_buf *const out = &r->kept;
    bool is_first = true, ok = true;
    tm__buf_reset(out);
    if (r->reason == TM_ROW_MALFORMED || r->reason == TM_ROW_TOO_LARGE) {
        ok = tm__buf_text(out, "\"not kept: columns of the source have policies\"");
    } else {
        ok = tm__buf_text(out, "{");
        for (uint32_t i = 0; ok && i < r->columns->schema.n_cols; i++) {
            if (r->seen[i] == r->row) {
                ok = write_value(out, is_first, tm__str(r->columns->schema.cols[i].name),
                                 &r->cells[i]);
                is_first = false;
            }
        }
        for (uint32_t i = 0; ok && i < r->n_strangers; i++) {
            ok = write_value(out, is_first, r->strangers[i].name, &r->strangers[i].cell);
            is_first = false;
        }
        ok = ok && tm__buf_text(out, "}");
    }
    r->raw = (char *)out->data;
    r->raw_len = out->len;
    return ok;
}

/* The next row in cells, those of columns that it lacks missing; false at the end. */
bool tm__body_next(tm_body_reader *r) {
    const bool is_table = r->push->form == TM_PUSH_TABLE;
    const bool is_done =
        is_table ? r->next_in_table == tm__table_rows(r->push->table) : r->p == NULL;
    if (is_done || r->has_failed) {
        return false;
    }
    r->row++;
    r->is_bad = false;
    r->n_values = 0;
    r->n_strangers = 0;
    r->expected = 0;
    switch (r->push->form) {
    case TM_PUSH_LINES:
        next_line(r);
        break;
    case TM_PUSH_JSON:
        next_element(r);
        break;
    case TM_PUSH_TABLE:
        next_of_table(r);
        break;
    default:
        next_record(r);
    }
    for (uint32_t i = 0; i < r->columns->schema.n_cols; i++) {
        if (r->seen[i] != r->row) {
            r->cells[i] = (tm_cell){.type = TM_TYPE_NONE};
        }
    }
    if (r->rooms != NULL) {
        apply_policies(r);
    }
    if (r->n_strangers > 0) {
        judge_strangers(r);
    }
    if (r->forced != NULL && !r->is_bad) {
        tm__body_found(r, r->forced);
    }
    return !r->has_failed;
}

bool tm__body_is_bound(const tm_body_reader *r, const tm_schema_column *column) {
    const uint32_t col = (uint32_t)(column - r->columns->schema.cols);
    return tm__intake_columns_rule(r->columns, col)->has_type &&
           (r->watch == NULL || !tm__watch_says(r->watch, TM_CHANGE_WIDER_TYPE));
}

tm_change_policy tm__body_wider(const tm_body_reader *r, const tm_schema_column *column) {
    return r->watch == NULL
               ? TM_POLICY_ADAPT
               : tm__watch_policy(r->watch, TM_CHANGE_WIDER_TYPE, tm__str(column->name));
}
