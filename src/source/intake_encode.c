/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of a body, encoded, with their keys and what was found in them.
 *
 *   rows ── fitted to columns ──> a look ──> batch               (all is well: one pass)
 *            └─ something new ──> evidence of all rows ──> other columns, again
 *                                   a look at the whole ──> all of it to quarantine, again
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/mem.h"
#include "source/expect.h"
#include "source/intake_reader.h"

#define BATCH_BYTES_MAX ((size_t)1 << 30)
#define KEY_BYTES_MAX ((size_t)64 << 20)
#define NUMBER_TEXT 32u

static const tm_str whole_row = {"", 0};

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for rows");
}

/* ---- Evidence ---- */

typedef struct evidence_list {
    tm_evidence *items;
    uint32_t n, capacity;
    bool *is_fixed; /* [n columns] the type may not be wider */
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

static tm_status collect(tm_body_reader *r, evidence_list *list, tm_err *err) {
    const uint32_t n_cols = r->columns->schema.n_cols;
    while (tm__body_next(r)) {
        for (uint32_t i = 0; !r->is_bad && i < n_cols; i++) {
            if (!list->is_fixed[i]) {
                tm__evidence_add(&list->items[i], &r->cells[i]);
            }
        }
        for (uint32_t i = 0; !r->is_bad && i < r->n_strangers; i++) {
            tm_evidence *e = evidence_of(list, n_cols, r->strangers[i].name);
            if (e == NULL) {
                return no_memory(err);
            }
            tm__evidence_add(e, &r->strangers[i].cell);
        }
        if (list->n > TM_MAX_COLS) {
            return tm__many_columns(err);
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
    tm_body_reader r;
    list.items = tm__mem_zalloc(list.capacity, sizeof(*list.items));
    list.names = tm__dict_create();
    list.is_fixed = tm__mem_zalloc((size_t)n_cols + 1, sizeof(*list.is_fixed));
    tm_status st = tm__body_open(&r, push, columns, err);
    if (list.items == NULL || list.names == NULL || list.is_fixed == NULL) {
        st = no_memory(err);
    }
    for (uint32_t i = 0; st == TM_OK && i < n_cols; i++) {
        const tm_schema_column *column = &columns->schema.cols[i];
        list.is_fixed[i] =
            column->type != TM_TYPE_NONE &&
            (tm__body_is_bound(&r, column) || tm__body_wider(&r, column) >= TM_POLICY_QUARANTINE);
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
    tm__mem_free(list.is_fixed);
    tm__dict_free(list.names);
    tm__body_done(&r);
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
    tm_body_reader *r;
    tm_rows *rows;
    char *numbers; /* [n columns][NUMBER_TEXT] */
    tm_buf key;
    bool is_strange; /* other columns might take what these do not */
} encoder;

static bool fits_wider(const tm_schema_column *column, const tm_cell *cell) {
    tm_cell copy = *cell;
    char room[NUMBER_TEXT];
    bool is_coerced = false;
    const tm_schema_column wider = {
        .name = column->name, .type = column->type == TM_TYPE_INT ? TM_TYPE_FLOAT : TM_TYPE_TIME};
    return (column->type == TM_TYPE_INT || column->type == TM_TYPE_DATE) &&
           tm__cell_fit(&wider, &copy, room, &is_coerced, NULL) == TM_OK;
}

static void misfit(encoder *e, const tm_schema_column *column, const tm_cell *cell,
                   const tm_err *err) {
    /* A declared type has no wider one. */
    const bool is_wider = fits_wider(column, cell) && !tm__body_is_bound(e->r, column);
    const tm_change_policy policy = is_wider ? tm__body_wider(e->r, column) : TM_POLICY_ADAPT;
    e->is_strange = e->is_strange || (is_wider && policy <= TM_POLICY_ADAPT);
    if (policy >= TM_POLICY_QUARANTINE) {
        tm__body_change(e->r, TM_CHANGE_WIDER_TYPE, policy, tm__str(column->name), err->message);
    }
    tm__body_refuse(e->r, TM_ROW_WRONG_TYPE, tm__str(column->name), "%s", err->message);
}

/* False for a cell without a value whose column needs one. */
static bool has_needed(encoder *e, uint32_t col) {
    const char *name = e->r->columns->schema.cols[col].name;
    if (!tm__intake_columns_rule(e->r->columns, col)->is_required) {
        return true;
    }
    tm__body_refuse(e->r, TM_ROW_NULL_VALUE, tm__str(name), "column '%s' is required, got no value",
                    name);
    return false;
}

/* Fit cells to their columns; false when one does not. */
static bool fit_cells(encoder *e) {
    const tm_body_reader *r = e->r;
    const tm_schema *schema = &r->columns->schema;
    for (uint32_t i = 0; i < schema->n_cols; i++) {
        tm_cell *cell = &r->cells[i];
        const tm_schema_column *column = &schema->cols[i];
        if (cell->type == TM_TYPE_NONE && r->columns->rules != NULL && !has_needed(e, i)) {
            return false;
        }
        if (cell->type == TM_TYPE_NONE || cell->type == column->type) {
            continue;
        }
        bool is_coerced = false;
        tm_err err = {0};
        if (column->type == TM_TYPE_NONE) {
            e->is_strange = true;
            return false;
        }
        if (r->push->csv != NULL &&
            (column->type == TM_TYPE_DATE || column->type == TM_TYPE_TIME)) {
            tm__cell_read_loose_date(cell);
        }
        if (column->type == TM_TYPE_DATE && tm__cell_has_hour(cell)) {
            (void)TM_FAIL(&err, TM_E_DATA, "column '%s' wants a date, got a time of day",
                          column->name);
            misfit(e, column, cell, &err);
            return false;
        }
        if (column->type == TM_TYPE_FLOAT && r->push->csv != NULL && tm__cell_read_infinity(cell)) {
            continue;
        }
        if (tm__cell_fit(column, cell, e->numbers + (size_t)i * NUMBER_TEXT, &is_coerced, &err) !=
            TM_OK) {
            misfit(e, column, cell, &err);
            return false;
        }
        if (cell->type == TM_TYPE_NONE && r->columns->rules != NULL && !has_needed(e, i)) {
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
        tm__body_refuse(e->r, TM_ROW_NULL_KEY, whole_row, "a key column has no value");
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

/* Number of the current row for people. Lines are only counted up to bad rows. */
static uint64_t row_number(tm_body_reader *r) {
    if (r->push->first_line == 0) {
        return r->push->first_row +
               (r->push->numbers == NULL ? r->row : r->push->numbers[r->next_in_table - 1] + 1);
    }
    for (const char *at = r->counted; at < r->raw; r->line_number++) {
        at = memchr(at, '\n', (size_t)(r->raw - at));
        if (at == NULL) {
            break;
        }
        at++;
        r->counted = at;
    }
    return r->line_number - (r->push->from_zero ? 1 : 0);
}

/* How a file of CSV is written, as JSON: without it its row could not be read again. In orders '-'
 * is a column that has none. */
static bool keep_dialect(tm_rows *rows, const tm_push_csv *csv) {
    const char delimiter[2] = {csv->delimiter, 0}, quote[2] = {csv->quote, 0};
    tm_buf orders;
    json_t *names = json_array();
    bool ok = true;
    tm__buf_init(&orders, BATCH_BYTES_MAX);
    for (uint32_t i = 0; i < csv->n_names; i++) {
        const char order = csv->orders == NULL ? 0 : csv->orders[i];
        json_array_append_new(names, json_string(csv->names[i]));
        ok = ok && (i == 0 || tm__buf_byte(&rows->names, (uint8_t)csv->delimiter)) &&
             tm__buf_text(&rows->names, csv->names[i]) &&
             tm__buf_byte(&orders, (uint8_t)(order == 0 ? '-' : order));
    }
    json_t *json = json_pack("{s:s, s:s, s:b, s:o, s:o}", "delimiter", delimiter, "quote", quote,
                             "blanks", (int)csv->skips_blanks, "orders",
                             json_stringn((const char *)orders.data, orders.len), "names", names);
    ok = ok && tm__buf_byte(&rows->names, 0) && tm__json_write(&rows->dialect, json, 0) &&
         tm__buf_byte(&rows->dialect, 0);
    json_decref(json);
    tm__buf_done(&orders);
    return ok;
}

/* The line of names, without which a row of CSV cannot be read again. */
static bool keep_names(tm_rows *rows, const tm_push *push) {
    if (push->csv != NULL) {
        return keep_dialect(rows, push->csv);
    }
    const char *const line_end = memchr(push->data, '\n', push->len);
    size_t len = line_end == NULL ? push->len : (size_t)(line_end - push->data);
    len -= len > 0 && push->data[len - 1] == '\r' ? 1 : 0;
    return tm__buf_append(&rows->names, push->data, len) && tm__buf_byte(&rows->names, 0);
}

/* The place of a row by its cursor. A text is not told, since it may name a person. */
static bool add_place(const tm_body_reader *r, tm_bad_row *bad) {
    const char *const name = r->push->cursor;
    const uint32_t col = name == NULL ? UINT32_MAX : tm__table_find(r->push->table, name);
    if (col == UINT32_MAX) {
        return true;
    }
    const tm_cell cell =
        tm__column_cell(tm__table_column(r->push->table, col), r->next_in_table - 1);
    tm_buf text;
    tm__buf_init(&text, sizeof(bad->detail));
    if (cell.type != TM_TYPE_TEXT && cell.type != TM_TYPE_NONE &&
        tm__cell_write_json(&cell, &text)) {
        const size_t len = strlen(bad->detail);
        const bool is_quoted = text.data[0] == '"';
        (void)snprintf(bad->detail + len, sizeof(bad->detail) - len, " (%.40s %.*s)", name,
                       (int)text.len - (is_quoted ? 2 : 0),
                       (const char *)text.data + (is_quoted ? 1 : 0));
    }
    const bool is_good = !text.failed;
    tm__buf_done(&text);
    return is_good;
}

static bool keep_bad(encoder *e) {
    tm_rows *rows = e->rows;
    tm_body_reader *r = e->r;
    const uint64_t number = row_number(r); /* by where its bytes are */
    const bool has_policies = r->columns->n_private > 0;
    if (r->push->form == TM_PUSH_TABLE ? !tm__body_write(r)
                                       : has_policies && !tm__body_withhold(r)) {
        return false;
    }
    if (r->push->form == TM_PUSH_CSV && !has_policies && rows->names.len == 0 &&
        !keep_names(rows, r->push)) {
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
    *bad = (tm_bad_row){
        .row = number, .reason = r->reason, .start = rows->bad_bytes.len, .len = r->raw_len};
    (void)tm__str_copy(bad->column, sizeof(bad->column), tm__str(r->column));
    (void)tm__str_copy(bad->detail, sizeof(bad->detail), tm__str(r->detail));
    if (!add_place(r, bad)) {
        return false;
    }
    return tm__buf_append(&rows->bad_bytes, r->raw, r->raw_len);
}

/* False when the history sends the row to quarantine. */
static bool look_at(tm_body_reader *r) {
    tm_finding f;
    if (r->look == NULL || (tm__look_ask(r->look, r->cells, &f) &&
                            tm__look_row(r->look, r->cells, r->seen, r->row, &f))) {
        return true;
    }
    tm__body_found(r, &f);
    return false;
}

/* A row whose time is behind what is waited for is kept out, whatever else it is. */
static void look_at_time(tm_body_reader *r) {
    const tm_push *const push = r->push;
    const uint64_t number = row_number(r);
    while (r->next_late < push->n_late && push->late[r->next_late] < number) {
        r->next_late++;
    }
    if (r->next_late < push->n_late && push->late[r->next_late] == number) {
        tm__body_refuse(r, TM_ROW_LATE, tm__str(push->late_column),
                        "the time is before the watermark");
    }
}

static tm_status encode(encoder *e, uint64_t n_rows_max, tm_err *err) {
    tm_body_reader *r = e->r;
    while (tm__body_next(r)) {
        if (r->row > n_rows_max) {
            const tm_status st = TM_FAIL(err, TM_E_LIMIT, "more than %llu rows in one push",
                                         (unsigned long long)n_rows_max);
            tm_err_hint(err, "Send them in several pushes.");
            return st;
        }
        if (r->push->n_late > 0) {
            look_at_time(r);
        }
        e->is_strange = e->is_strange || (!r->is_bad && r->n_strangers > 0);
        if (!r->is_bad && fit_cells(e) && look_at(r) && !encode_row(e)) {
            return no_memory(err);
        }
        if (r->is_bad && !keep_bad(e)) {
            return no_memory(err);
        }
    }
    return r->has_failed ? no_memory(err) : TM_OK;
}

/* Whether a name of the table that no column has may become one. */
static bool takes_new(const tm_body_reader *r, uint32_t field) {
    const char *name = tm__table_column(r->push->table, field)->name;
    return r->watch == NULL ||
           tm__watch_policy(r->watch, TM_CHANGE_NEW_COLUMN, tm__str(name)) == TM_POLICY_ADAPT;
}

static void rows_reset(tm_rows *rows) {
    rows->n_rows = rows->n_bad = rows->n_coerced = rows->n_incomplete = 0;
    tm__buf_reset(&rows->batch);
    tm__buf_reset(&rows->bad_bytes);
}

/* Rows of a body, by the first line's length. */
static uint64_t guess_rows(const tm_body_reader *r) {
    if (r->push->form == TM_PUSH_TABLE) {
        return tm__table_rows(r->push->table);
    }
    if (r->p == NULL) {
        return 0;
    }
    const char end = r->push->form == TM_PUSH_JSON ? '}' : '\n';
    const char *const found = memchr(r->p, end, (size_t)(r->end - r->p));
    return found == NULL ? 1 : (uint64_t)(r->end - r->p) / (uint64_t)(found - r->p + 1);
}

/* A look at the rows of this pass in place of an earlier one's. */
static tm_status look_again(tm_body_reader *r, tm_rows *rows, uint32_t n_before, tm_err *err) {
    const tm_look_input input = {.schema = &r->columns->schema,
                                 .n_before = n_before,
                                 .keys = r->columns->keys,
                                 .n_keys = r->columns->n_keys,
                                 .n_rows = guess_rows(r)};
    tm__look_free(rows->look);
    rows->look = NULL;
    if (r->columns->watch != NULL) {
        TM_TRY(tm__look_create(r->columns->watch, &input, &rows->look, err));
    }
    r->look = rows->look;
    return TM_OK;
}

/* One pass with these columns; *out_strange says whether others might take more. forced: every row
 * goes to quarantine because of it. */
static tm_status read_pass(const tm_push *push, tm_intake_columns *columns, uint32_t n_before,
                           const tm_finding *forced, tm_rows *rows, bool *out_strange,
                           tm_err *err) {
    static const uint8_t head[TM_BATCH_HEAD];
    const uint64_t n_rows_max = push->n_rows_max == 0 ? TM_MAX_REQUEST_ROWS : push->n_rows_max;
    tm_body_reader r;
    rows_reset(rows);
    tm_status st = tm__body_open(&r, push, columns, err);
    encoder e = {.r = &r, .rows = rows};
    r.forced = forced;
    if (st == TM_OK && forced == NULL) {
        st = look_again(&r, rows, n_before, err);
    }
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
        const bool is_new = col == UINT32_MAX && takes_new(&r, i);
        e.is_strange = e.is_strange || is_new ||
                       (col != UINT32_MAX && columns->schema.cols[col].type == TM_TYPE_NONE);
    }
    *out_strange = e.is_strange;
    rows->is_stopped = r.must_stop;
    rows->stop = r.stop;
    tm__mem_free(e.numbers);
    tm__buf_done(&e.key);
    tm__body_done(&r);
    return st;
}

/* Rules about the good rows together. */
static tm_status ask_all(const tm_push *push, tm_rows *rows, tm_err *err) {
    tm_batch_walk walk = {
        .batch = &rows->batch, .n_cols = rows->columns->schema.n_cols, .n_rows = rows->n_rows};
    const tm_condition_rows all = {.rewind = tm__batch_walk_rewind,
                                   .next = tm__batch_walk_next,
                                   .arg = &walk,
                                   .n_rows = rows->n_rows};
    if (rows->n_rows == 0 || !tm__look_has_rules(rows->look)) {
        return TM_OK;
    }
    walk.cells = tm__mem_alloc((size_t)walk.n_cols + 1, sizeof(*walk.cells));
    if (walk.cells == NULL) {
        return no_memory(err);
    }
    tm__look_ask_all(rows->look, push->is_single ? NULL : &all);
    tm__mem_free(walk.cells);
    return tm__look_has_failed(rows->look) ? no_memory(err) : TM_OK;
}

/* What the columns took over is found too, and what the batch as a whole shows is judged. */
static tm_status judge(const tm_push *push, tm_intake_columns *columns, tm_rows *rows,
                       tm_err *err) {
    size_t i = 0;
    const json_t *change = NULL;
    bool is_strange = false;
    json_array_foreach(rows->columns != columns && columns->version > 0 ? rows->columns->changes
                                                                        : NULL,
                       i, change) {
        const char *kind = tm__json_text(change, "kind", "");
        tm_finding f = {.kind = strcmp(kind, "new_column") == 0 ? TM_CHANGE_NEW_COLUMN
                                                                : TM_CHANGE_WIDER_TYPE,
                        .policy = TM_POLICY_ADAPT,
                        .n = 1};
        (void)tm__str_copy(f.column, sizeof(f.column),
                           tm__str(tm__json_text(change, "column", "")));
        (void)snprintf(f.detail, sizeof(f.detail), "%s from here on",
                       tm__json_text(change, "to", ""));
        if (strcmp(kind, "first_value") != 0) {
            tm__look_note(rows->look, &f);
        }
    }
    TM_TRY(ask_all(push, rows, err));
    const tm_finding *worst = tm__look_judge(rows->look);
    if (tm__look_has_failed(rows->look)) {
        return no_memory(err);
    }
    if (worst == NULL || rows->is_stopped) {
        return TM_OK;
    }
    if (worst->policy == TM_POLICY_STOP) {
        rows->is_stopped = true;
        rows->stop = *worst;
        return TM_OK;
    }
    const tm_finding forced = *worst;
    tm__intake_columns_unref(rows->columns);
    rows->columns = tm__intake_columns_ref(columns);
    rows->is_refused = true;
    return read_pass(push, columns, columns->schema.n_cols, &forced, rows, &is_strange, err);
}

static void take_nothing(tm_rows *rows, tm_intake_columns *columns) {
    rows_reset(rows);
    tm__intake_columns_unref(rows->columns);
    rows->columns = tm__intake_columns_ref(columns);
}

tm_status tm__rows_read(const tm_push *push, tm_intake_columns *columns, tm_rows *out,
                        tm_err *err) {
    const uint32_t n_before = columns->schema.n_cols;
    tm_rows rows = {0};
    bool is_strange = false;
    tm_intake_columns *fitted = NULL;
    TM_ASSERT(push->form == TM_PUSH_TABLE || push->data[push->len] == '\0');
    tm__buf_init(&rows.batch, BATCH_BYTES_MAX);
    tm__buf_init(&rows.bad_bytes, BATCH_BYTES_MAX);
    tm__buf_init(&rows.names, BATCH_BYTES_MAX);
    tm__buf_init(&rows.dialect, BATCH_BYTES_MAX);
    rows.columns = tm__intake_columns_ref(columns);
    tm_status st = read_pass(push, columns, n_before, NULL, &rows, &is_strange, err);
    if (st == TM_OK && is_strange && !rows.is_stopped) {
        st = columns_for(push, columns, &fitted, err);
    }
    if (st == TM_OK && fitted != NULL && fitted != columns) {
        tm__intake_columns_unref(rows.columns);
        rows.columns = tm__intake_columns_ref(fitted);
        st = read_pass(push, fitted, n_before, NULL, &rows, &is_strange, err);
    }
    tm__intake_columns_unref(fitted);
    if (st == TM_OK && rows.look != NULL) {
        st = judge(push, columns, &rows, err);
    }
    if (st != TM_OK) {
        tm__rows_done(&rows);
        return st;
    }
    if (rows.is_stopped) {
        take_nothing(&rows, columns);
    }
    *out = rows;
    return TM_OK;
}

void tm__rows_done(tm_rows *rows) {
    tm__intake_columns_unref(rows->columns);
    tm__buf_done(&rows->batch);
    tm__buf_done(&rows->bad_bytes);
    tm__buf_done(&rows->names);
    tm__buf_done(&rows->dialect);
    tm__mem_free(rows->ends);
    tm__mem_free(rows->keys);
    tm__mem_free(rows->bad);
    tm__look_free(rows->look);
    *rows = (tm_rows){0};
}
