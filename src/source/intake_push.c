/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A body to rows.
 *
 *   body ── row by row ──> cells ── fitted to columns ──> batch        (all is well: one pass)
 *                             └── something new ──> evidence of all rows ──> other columns, again
 *
 * 1. The body is only read: a row's bytes are copied before they are taken apart, so that a bad row
 *    goes to quarantine as it came.
 * 2. What one row does wrong is that row's fault alone, as long as the next one can be found: in
 *    lines it can, and in CSV up to a quote that is not closed. A JSON document is one value: when
 *    it is malformed nothing of it is taken.
 * 3. A column that a row lacks is missing there; null is a value of every column but a key.
 * 4. Arrays and objects as values are text: their JSON.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/json_scan.h"
#include "base/limits.h"
#include "base/mem.h"
#include "source/intake_priv.h"
#include "source/source.h"

#define LINE_BYTES_MAX ((size_t)TM_MAX_BODY_BYTES + 64)
#define BATCH_BYTES_MAX ((size_t)1 << 30)
#define KEY_BYTES_MAX ((size_t)64 << 20)
#define NUMBER_TEXT 32u

const char *const tm__row_reason_names[TM_ROW_REASONS] = {"malformed", "wrong_type", "null_key",
                                                          "too_large"};

/* A value under a name that no column has. */
typedef struct stranger {
    tm_str name; /* in line, or in the body's first line */
    tm_cell cell;
} stranger;

typedef struct reader {
    const tm_push *push;
    tm_intake_columns *columns;
    char *p;   /* at the next row; NULL: no more */
    char *end; /* of the body */
    tm_buf line;
    uint64_t row; /* of the current one, from 1 */
    char *raw;    /* its bytes in the body */
    size_t raw_len;
    tm_cell *cells; /* [n columns] */
    uint64_t *seen; /* [n columns] row in which a value stood last */
    uint32_t expected;
    uint32_t n_values; /* values with a column in this row */
    stranger *strangers;
    uint32_t n_strangers, strangers_max;
    bool is_bad;     /* the row cannot be read */
    bool has_failed; /* memory ran out */
    tm_row_reason reason;
    char column[65], detail[160];
    /* CSV: */
    tm_buf header;
    uint32_t *fields; /* [n_fields] column; of a table too */
    tm_str *names;    /* [n_fields] */
    tm_dict *codes;   /* the same names, to find one that comes twice */
    uint32_t n_fields;
    uint64_t next_in_table;
} reader;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for rows");
}

static void bad_row(reader *r, tm_row_reason reason, tm_str column, const char *fmt, ...)
    TM_PRINTF(4, 5);
static void bad_row(reader *r, tm_row_reason reason, tm_str column, const char *fmt, ...) {
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

static void add_stranger(reader *r, tm_str name, const tm_cell *cell) {
    if (r->n_strangers == r->strangers_max) {
        const uint32_t n = r->strangers_max == 0 ? 16 : r->strangers_max * 2;
        stranger *grown = tm__mem_realloc(r->strangers, n, sizeof(*grown));
        if (grown == NULL) {
            r->has_failed = true;
            return;
        }
        r->strangers = grown;
        r->strangers_max = n;
    }
    r->strangers[r->n_strangers++] = (stranger){name, *cell};
}

/* ---- JSON ---- */

static uint32_t find_column(reader *r, tm_str name) {
    const uint32_t n = r->columns->schema.n_cols;
    uint32_t at = r->expected;
    if (at >= n || !tm__str_is(name, r->columns->schema.cols[at].name)) {
        at = tm__intake_columns_find(r->columns, name);
    }
    r->expected = at == UINT32_MAX ? r->expected : at + 1;
    return at;
}

/* The value at p as a cell; returns what follows. */
static char *read_value(reader *r, char *p, tm_str name, tm_cell *out) {
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
            bad_row(r, TM_ROW_WRONG_TYPE, name, "the number is larger than a double");
        }
        return p;
    }
}

static void take_member(reader *r, tm_str name, const tm_cell *cell) {
    const uint32_t col = find_column(r, name);
    if (cell->type == TM_TYPE_TEXT && cell->text.len > TM_MAX_TEXT_BYTES) {
        bad_row(r, TM_ROW_TOO_LARGE, name, "the text is longer than %u bytes", TM_MAX_TEXT_BYTES);
    }
    if (col == UINT32_MAX) {
        if (name.len == 0 || name.len > TM_MAX_COLUMN_NAME) {
            bad_row(r, TM_ROW_MALFORMED, name, "a name is empty or longer than %u bytes",
                    TM_MAX_COLUMN_NAME);
        }
        add_stranger(r, name, cell);
        return;
    }
    if (r->seen[col] == r->row) {
        bad_row(r, TM_ROW_MALFORMED, name, "the name stands twice");
    }
    r->seen[col] = r->row;
    r->cells[col] = *cell;
    r->n_values++;
}

static bool copy_raw(reader *r) {
    tm__buf_reset(&r->line);
    r->has_failed = r->has_failed || !tm__buf_append(&r->line, r->raw, r->raw_len);
    return !r->has_failed;
}

/* Take the row apart in its copy. */
static void read_object(reader *r) {
    char *after = NULL;
    char *p = tm__scan_space((char *)r->line.data);
    if (*p != '{') {
        bad_row(r, TM_ROW_MALFORMED, whole_row, "a row must be an object of values by column");
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

static void next_line(reader *r) {
    char *const line_end = memchr(r->p, '\n', (size_t)(r->end - r->p));
    r->raw = r->p;
    r->raw_len = (size_t)((line_end != NULL ? line_end : r->end) - r->p);
    r->p = line_end != NULL ? skip_lines(line_end + 1, r->end) : NULL;
    if (r->raw_len > 0 && r->raw[r->raw_len - 1] == '\r') {
        r->raw_len--;
    }
    tm_scan_error e = {0};
    if (!copy_raw(r)) {
        return;
    }
    if (!tm__scan_check((const char *)r->line.data, r->line.len, &e)) {
        bad_row(r, TM_ROW_MALFORMED, whole_row, "not JSON: %s (column %zu)", e.reason, e.column);
    } else {
        read_object(r);
    }
}

static void next_element(reader *r) {
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

/* The field at *p, which may be the body's end: text without its quotes, in line. */
static field_end take_field(char **p, const char *end, tm_buf *line, size_t *out_start) {
    char *at = *p;
    *out_start = line->len;
    if (at < end && *at == '"') {
        for (at++;;) {
            char *const quote = memchr(at, '"', (size_t)(end - at));
            if (quote == NULL) {
                return FIELD_BAD;
            }
            const bool is_doubled = quote + 1 < end && quote[1] == '"';
            (void)tm__buf_append(line, at, (size_t)(quote - at) + (is_doubled ? 1 : 0));
            at = quote + (is_doubled ? 2 : 1);
            if (!is_doubled) {
                break;
            }
        }
    } else {
        char *const start = at;
        while (at < end && *at != ',' && *at != '\n') {
            at++;
        }
        const bool has_cr = at > start && (at == end || *at == '\n') && at[-1] == '\r';
        (void)tm__buf_append(line, start, (size_t)(at - start) - (has_cr ? 1 : 0));
    }
    if (at < end && *at == '\r' && (at + 1 == end || at[1] == '\n')) {
        at++;
    }
    *p = at < end ? at + 1 : at;
    return at == end || *at == '\n' ? FIELD_LINE : *at == ',' ? FIELD_COMMA : FIELD_BAD;
}

static char *skip_blank(char *p, const char *end) {
    while (p < end && (*p == '\n' || (*p == '\r' && p + 1 < end && p[1] == '\n'))) {
        p++;
    }
    return p < end ? p : NULL;
}

static void take_text(reader *r, uint32_t field, tm_str text) {
    const tm_str name = r->names[field];
    tm_cell cell = {.type = TM_TYPE_TEXT, .text = text};
    if (tm__csv_is_missing(text)) {
        cell = (tm_cell){.type = TM_TYPE_NONE};
    } else if (field == 0 && text.len >= 3 && memcmp(text.ptr, "\xEF\xBB\xBF", 3) == 0) {
        bad_row(r, TM_ROW_MALFORMED, name, "a byte order mark amid the rows");
    } else if (!tm__str_is_utf8(text) || memchr(text.ptr, '\0', text.len) != NULL) {
        bad_row(r, TM_ROW_MALFORMED, name, "the text is not UTF-8");
    } else if (text.len > TM_MAX_TEXT_BYTES) {
        bad_row(r, TM_ROW_TOO_LARGE, name, "the text is longer than %u bytes", TM_MAX_TEXT_BYTES);
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
static void next_record(reader *r) {
    char *p = r->p;
    field_end how = FIELD_COMMA;
    uint32_t n = 0;
    size_t *const starts = (size_t *)(void *)(r->names + r->n_fields);
    tm__buf_reset(&r->line);
    for (; how == FIELD_COMMA; n++) {
        size_t start = 0;
        how = take_field(&p, r->end, &r->line, &start);
        if (n < r->n_fields) {
            starts[n] = start;
        }
    }
    r->raw = r->p;
    if (how == FIELD_BAD) {
        bad_row(r, TM_ROW_MALFORMED, whole_row,
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
        bad_row(r, TM_ROW_MALFORMED, whole_row, "%u values for %u columns", n, r->n_fields);
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

static tm_status name_field(reader *r, uint32_t i, tm_str name, tm_err *err) {
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

static tm_status many_columns(tm_err *err) {
    (void)TM_FAIL(err, TM_E_LIMIT, "more than %u columns", TM_MAX_COLS);
    tm_err_hint(err, "Send the columns you need, or store rows where columns are.");
    return TM_E_LIMIT;
}

static tm_status open_csv(reader *r, tm_err *err) {
    char *p = r->p;
    field_end how = FIELD_COMMA;
    size_t n_max = 1;
    for (const char *c = p; c < r->end && *c != '\n'; c++) {
        n_max += *c == ',' ? 1 : 0;
    }
    if (n_max > TM_MAX_COLS) {
        return many_columns(err);
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
        how = take_field(&p, r->end, &r->header, &start);
        starts[n++] = start;
    }
    if (st == TM_OK && r->header.failed) {
        st = no_memory(err);
    }
    if (st == TM_OK && how != FIELD_LINE) {
        st = refuse(err, "the first line is not one of names in CSV",
                    "Send a line of names first, then rows.");
    }
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

static tm_status open_table(reader *r, tm_err *err) {
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

static void next_of_table(reader *r) {
    const tm_table *table = r->push->table;
    const uint64_t row = r->next_in_table++;
    for (uint32_t i = 0; i < r->n_fields; i++) {
        const tm_column *column = tm__table_column(table, i);
        const tm_cell cell = tm__column_cell(column, row);
        const uint32_t col = r->fields[i];
        if (cell.type == TM_TYPE_TEXT && cell.text.len > TM_MAX_TEXT_BYTES) {
            bad_row(r, TM_ROW_TOO_LARGE, tm__str(column->name), "the text is longer than %u bytes",
                    TM_MAX_TEXT_BYTES);
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

/* A row of a table has no bytes: its values as a line of JSON stand for them. */
static bool write_table_row(reader *r) {
    tm__buf_reset(&r->line);
    bool ok = tm__buf_text(&r->line, "{");
    const uint64_t row = r->next_in_table - 1;
    for (uint32_t i = 0; i < r->n_fields; i++) {
        const tm_column *column = tm__table_column(r->push->table, i);
        const tm_cell cell = tm__column_cell(column, row);
        const tm_cell name = {.type = TM_TYPE_TEXT, .text = tm__str(column->name)};
        ok = ok && (i == 0 || tm__buf_text(&r->line, ",")) &&
             tm__cell_write_json(&name, &r->line) && tm__buf_text(&r->line, ":") &&
             tm__cell_write_json(&cell, &r->line);
    }
    ok = ok && tm__buf_text(&r->line, "}");
    r->raw = (char *)r->line.data;
    r->raw_len = r->line.len;
    return ok;
}

/* ---- The reader ---- */

/* First element of the array of rows, or NULL with *out_empty. */
static tm_status open_json(reader *r, tm_err *err) {
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

static void reader_done(reader *r) {
    tm__buf_done(&r->line);
    tm__buf_done(&r->header);
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

static tm_status reader_open(reader *r, const tm_push *push, tm_intake_columns *columns,
                             tm_err *err) {
    const bool is_table = push->form == TM_PUSH_TABLE;
    const bool has_mark = !is_table && push->len >= 3 && memcmp(push->data, "\xEF\xBB\xBF", 3) == 0;
    const uint32_t n = columns->schema.n_cols;
    *r = (reader){.push = push, .columns = columns};
    tm__buf_init(&r->line, LINE_BYTES_MAX);
    tm__buf_init(&r->header, LINE_BYTES_MAX);
    r->p = is_table ? NULL : push->data + (has_mark ? 3 : 0);
    r->end = is_table ? NULL : push->data + push->len;
    r->cells = tm__mem_alloc((size_t)n + 1, sizeof(*r->cells));
    r->seen = tm__mem_zalloc((size_t)n + 1, sizeof(*r->seen));
    if (r->cells == NULL || r->seen == NULL || !tm__buf_text(&r->line, "") ||
        tm__buf_reserve(&r->line, 64) == NULL || tm__buf_reserve(&r->header, 64) == NULL) {
        return no_memory(err);
    }
    if (is_table) {
        return open_table(r, err);
    }
    if (is_utf16(push)) {
        return refuse(err, "the body is UTF-16 or binary", "Send text in UTF-8.");
    }
    if (push->form == TM_PUSH_LINES) {
        r->p = skip_lines(r->p, r->end);
        return TM_OK;
    }
    if (skip_lines(r->p, r->end) == NULL) {
        return refuse(err, "the body is empty", "Send at least one row.");
    }
    return push->form == TM_PUSH_JSON ? open_json(r, err) : open_csv(r, err);
}

/* The next row in cells, those of columns that it lacks missing; false at the end. */
static bool reader_next(reader *r) {
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
    return !r->has_failed;
}

/* ---- Evidence ---- */

typedef struct evidence_list {
    tm_evidence *items;
    uint32_t n, capacity;
    tm_dict *names; /* of strangers: code + n columns is the item */
} evidence_list;

static tm_evidence *evidence_of(evidence_list *list, uint32_t n_cols, tm_str name) {
    const uint32_t code = tm__dict_add(list->names, name);
    if (code == TM_CODE_MISSING) {
        return NULL;
    }
    if (n_cols + code == list->n) {
        if (list->n == list->capacity) {
            const uint32_t capacity = list->capacity * 2;
            tm_evidence *items = tm__mem_realloc(list->items, capacity, sizeof(*items));
            if (items == NULL) {
                return NULL;
            }
            list->items = items;
            list->capacity = capacity;
        }
        list->items[list->n] =
            (tm_evidence){.name = tm__mem_strndup(name.ptr, name.len), .col = UINT32_MAX};
        if (list->items[list->n].name == NULL) {
            return NULL;
        }
        list->n++;
    }
    return &list->items[n_cols + code];
}

static tm_status collect(reader *r, evidence_list *list, tm_err *err) {
    const uint32_t n_cols = r->columns->schema.n_cols;
    while (reader_next(r)) {
        for (uint32_t i = 0; !r->is_bad && i < n_cols; i++) {
            tm__evidence_add(&list->items[i], &r->cells[i]);
        }
        for (uint32_t i = 0; !r->is_bad && i < r->n_strangers; i++) {
            tm_evidence *e = evidence_of(list, n_cols, r->strangers[i].name);
            if (e == NULL) {
                return no_memory(err);
            }
            tm__evidence_add(e, &r->strangers[i].cell);
        }
        if (list->n > TM_MAX_COLS) {
            return many_columns(err);
        }
    }
    return r->has_failed ? no_memory(err) : TM_OK;
}

/* A table knows types of columns that have no value in it. */
static tm_status declare_types(const tm_table *table, evidence_list *list, uint32_t n_cols,
                               const tm_intake_columns *columns, tm_err *err) {
    for (uint32_t i = 0; i < tm__table_cols(table); i++) {
        const tm_column *column = tm__table_column(table, i);
        const tm_str name = tm__str(column->name);
        const uint32_t at = tm__intake_columns_find(columns, name);
        tm_evidence *e = at != UINT32_MAX ? &list->items[at] : evidence_of(list, n_cols, name);
        if (e == NULL) {
            return no_memory(err);
        }
        e->declared = column->type;
    }
    return TM_OK;
}

static tm_status columns_for(const tm_push *push, tm_intake_columns *columns,
                             tm_intake_columns **out, tm_err *err) {
    const uint32_t n_cols = columns->schema.n_cols;
    evidence_list list = {.capacity = n_cols + 64, .n = n_cols};
    reader r;
    list.items = tm__mem_zalloc(list.capacity, sizeof(*list.items));
    list.names = tm__dict_create();
    tm_status st = reader_open(&r, push, columns, err);
    if (list.items == NULL || list.names == NULL) {
        st = no_memory(err);
    }
    for (uint32_t i = 0; st == TM_OK && i < n_cols; i++) {
        list.items[i] = (tm_evidence){.name = columns->schema.cols[i].name, .col = i};
    }
    if (st == TM_OK) {
        st = collect(&r, &list, err);
    }
    if (st == TM_OK && push->form == TM_PUSH_TABLE) {
        st = declare_types(push->table, &list, n_cols, columns, err);
    }
    if (st == TM_OK) {
        st = tm__intake_columns_fit(columns, list.items, list.n, push->form == TM_PUSH_CSV, out,
                                    err);
    }
    for (uint32_t i = n_cols; list.items != NULL && i < list.n; i++) {
        tm__mem_free(list.items[i].name);
    }
    tm__mem_free(list.items);
    tm__dict_free(list.names);
    reader_done(&r);
    return st;
}

/* ---- Rows ---- */

/* A number is the same key whether its column holds integers or not. */
static void key_cell(const tm_cell *cell, tm_buf *out) {
    double number = cell->f64;
    if (cell->type == TM_TYPE_FLOAT && fabs(number) < 0x1p53 && floor(number) == number) {
        tm__buf_u8(out, TM_TYPE_INT);
        tm__buf_i64(out, (int64_t)number);
        return;
    }
    tm__buf_u8(out, (uint8_t)(cell->type == TM_TYPE_DATE ? TM_TYPE_TIME : cell->type));
    if (cell->type == TM_TYPE_TEXT) {
        tm__buf_str(out, cell->text);
    } else if (cell->type == TM_TYPE_FLOAT) {
        tm__buf_f64(out, number);
    } else {
        tm__buf_i64(out, cell->i64);
    }
}

bool tm__row_key_bytes(const tm_cell *cells, const tm_intake_columns *columns, tm_buf *out) {
    tm__buf_reset(out);
    for (uint32_t i = 0; i < columns->n_keys; i++) {
        const tm_cell *cell = &cells[columns->keys[i]];
        if (cell->type == TM_TYPE_NONE) {
            return false;
        }
        key_cell(cell, out);
    }
    return true;
}

typedef struct encoder {
    reader *r;
    tm_rows *rows;
    char *numbers; /* [n columns][NUMBER_TEXT] */
    tm_buf key;
    bool is_strange; /* other columns might take what these do not */
} encoder;

/* Fit cells to their columns; false when one does not. */
static bool fit_cells(encoder *e) {
    const reader *r = e->r;
    const tm_schema *schema = &r->columns->schema;
    for (uint32_t i = 0; i < schema->n_cols; i++) {
        tm_cell *cell = &r->cells[i];
        const tm_schema_column *column = &schema->cols[i];
        if (cell->type == TM_TYPE_NONE || cell->type == column->type) {
            continue;
        }
        bool is_coerced = false;
        tm_err err = {0};
        if (column->type == TM_TYPE_NONE) {
            e->is_strange = true;
            return false;
        }
        if (tm__cell_fit(column, cell, e->numbers + (size_t)i * NUMBER_TEXT, &is_coerced, &err) !=
            TM_OK) {
            e->is_strange =
                e->is_strange || column->type == TM_TYPE_INT || column->type == TM_TYPE_DATE;
            bad_row(e->r, TM_ROW_WRONG_TYPE, tm__str(column->name), "%s", err.message);
            return false;
        }
        e->rows->n_coerced += is_coerced && r->push->form != TM_PUSH_CSV ? 1 : 0;
    }
    return true;
}

static bool grow_rows(tm_rows *rows, bool has_keys) {
    if (rows->n_rows < rows->capacity) {
        return true;
    }
    const uint64_t capacity = rows->capacity == 0 ? 256 : rows->capacity * 2;
    if (has_keys) {
        uint32_t *ends = tm__mem_realloc(rows->ends, capacity, sizeof(*ends));
        rows->ends = ends == NULL ? rows->ends : ends;
        tm_row_key *keys =
            ends == NULL ? NULL : tm__mem_realloc(rows->keys, capacity, sizeof(*keys));
        if (keys == NULL) {
            return false;
        }
        rows->keys = keys;
    }
    rows->capacity = capacity;
    return true;
}

/* False when memory is out. */
static bool encode_row(encoder *e) {
    tm_rows *rows = e->rows;
    const uint32_t n_cols = e->r->columns->schema.n_cols;
    const bool has_keys = e->r->columns->n_keys > 0;
    if (has_keys && !tm__row_key_bytes(e->r->cells, e->r->columns, &e->key)) {
        bad_row(e->r, TM_ROW_NULL_KEY, whole_row, "a key column has no value");
        return true;
    }
    const size_t size = tm__batch_row_size(e->r->cells, n_cols);
    uint8_t *const to = tm__buf_reserve(&rows->batch, size);
    if (to == NULL || e->key.failed || !grow_rows(rows, has_keys)) {
        return false;
    }
    rows->batch.len += (size_t)(tm__batch_row_put(to, e->r->cells, n_cols) - to);
    if (has_keys) {
        rows->keys[rows->n_rows] = tm__row_key(e->key.data, e->key.len);
        rows->ends[rows->n_rows] = (uint32_t)rows->batch.len;
    }
    rows->n_rows++;
    rows->n_incomplete += e->r->n_values < n_cols ? 1 : 0;
    return true;
}

static bool keep_bad(encoder *e) {
    tm_rows *rows = e->rows;
    reader *r = e->r;
    if (r->push->form == TM_PUSH_TABLE && !write_table_row(r)) {
        return false;
    }
    if ((rows->n_bad & (rows->n_bad - 1)) == 0) { /* grows at powers of two */
        const uint64_t capacity = rows->n_bad == 0 ? 1 : rows->n_bad * 2;
        tm_bad_row *bad = tm__mem_realloc(rows->bad, capacity, sizeof(*bad));
        if (bad == NULL) {
            return false;
        }
        rows->bad = bad;
    }
    tm_bad_row *bad = &rows->bad[rows->n_bad++];
    *bad = (tm_bad_row){.row = r->push->first_row + r->row,
                        .reason = r->reason,
                        .start = rows->bad_bytes.len,
                        .len = r->raw_len};
    (void)tm__str_copy(bad->column, sizeof(bad->column), tm__str(r->column));
    (void)tm__str_copy(bad->detail, sizeof(bad->detail), tm__str(r->detail));
    return tm__buf_append(&rows->bad_bytes, r->raw, r->raw_len);
}

static tm_status encode(encoder *e, uint64_t n_rows_max, tm_err *err) {
    reader *r = e->r;
    while (reader_next(r)) {
        if (r->row > n_rows_max) {
            const tm_status st = TM_FAIL(err, TM_E_LIMIT, "more than %llu rows in one push",
                                         (unsigned long long)n_rows_max);
            tm_err_hint(err, "Send them in several pushes.");
            return st;
        }
        e->is_strange = e->is_strange || (!r->is_bad && r->n_strangers > 0);
        if (!r->is_bad && fit_cells(e) && !encode_row(e)) {
            return no_memory(err);
        }
        if (r->is_bad && !keep_bad(e)) {
            return no_memory(err);
        }
    }
    return r->has_failed ? no_memory(err) : TM_OK;
}

static void rows_reset(tm_rows *rows) {
    rows->n_rows = rows->n_bad = rows->n_coerced = rows->n_incomplete = 0;
    tm__buf_reset(&rows->batch);
    tm__buf_reset(&rows->bad_bytes);
}

/* One pass with these columns; *out_strange says whether others might take more. */
static tm_status read_pass(const tm_push *push, tm_intake_columns *columns, tm_rows *rows,
                           bool *out_strange, tm_err *err) {
    static const uint8_t head[TM_BATCH_HEAD];
    const uint64_t n_rows_max = push->n_rows_max == 0 ? TM_MAX_REQUEST_ROWS : push->n_rows_max;
    reader r;
    rows_reset(rows);
    tm_status st = reader_open(&r, push, columns, err);
    encoder e = {.r = &r, .rows = rows};
    tm__buf_init(&e.key, KEY_BYTES_MAX);
    e.numbers = tm__mem_alloc((size_t)columns->schema.n_cols + 1, NUMBER_TEXT);
    if (st == TM_OK && (e.numbers == NULL || !tm__buf_append(&rows->batch, head, sizeof(head)))) {
        st = no_memory(err);
    }
    if (st == TM_OK) {
        st = encode(&e, n_rows_max, err);
    }
    for (uint32_t i = 0; st == TM_OK && push->form == TM_PUSH_TABLE && i < r.n_fields; i++) {
        const uint32_t col = r.fields[i];
        e.is_strange =
            e.is_strange || col == UINT32_MAX || columns->schema.cols[col].type == TM_TYPE_NONE;
    }
    *out_strange = e.is_strange;
    tm__mem_free(e.numbers);
    tm__buf_done(&e.key);
    reader_done(&r);
    return st;
}

tm_status tm__rows_read(const tm_push *push, tm_intake_columns *columns, tm_rows *out,
                        tm_err *err) {
    tm_rows rows = {0};
    bool is_strange = false;
    tm_intake_columns *fitted = NULL;
    TM_ASSERT(push->form == TM_PUSH_TABLE || push->data[push->len] == '\0');
    tm__buf_init(&rows.batch, BATCH_BYTES_MAX);
    tm__buf_init(&rows.bad_bytes, BATCH_BYTES_MAX);
    rows.columns = tm__intake_columns_ref(columns);
    tm_status st = read_pass(push, columns, &rows, &is_strange, err);
    if (st == TM_OK && is_strange) {
        st = columns_for(push, columns, &fitted, err);
    }
    if (st == TM_OK && fitted != NULL && fitted != columns) {
        tm__intake_columns_unref(rows.columns);
        rows.columns = tm__intake_columns_ref(fitted);
        st = read_pass(push, fitted, &rows, &is_strange, err);
    }
    tm__intake_columns_unref(fitted);
    if (st != TM_OK) {
        tm__rows_done(&rows);
        return st;
    }
    *out = rows;
    return TM_OK;
}

void tm__rows_done(tm_rows *rows) {
    tm__intake_columns_unref(rows->columns);
    tm__buf_done(&rows->batch);
    tm__buf_done(&rows->bad_bytes);
    tm__mem_free(rows->ends);
    tm__mem_free(rows->keys);
    tm__mem_free(rows->bad);
    *rows = (tm_rows){0};
}
