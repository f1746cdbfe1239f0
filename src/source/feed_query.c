/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading of a query by a cursor, exact with ties.
 *
 *   state  {"last": text of the cursor in the row that came last,
 *           "seen": hashes of all rows with that value that came, 16 hexadecimal digits each,
 *           "columns": the names that the hashes are over,
 *           "kinds": a letter for each: number, text, moment (a date or time),
 *           "read": rows so far}
 *
 * 1. The database gives rows with `last` or a later value, in order. Of those with `last`, each one
 *    whose hash is in `seen` is dropped, as often as it is there: two equal rows are two.
 * 2. A row that is committed late with a value below `last` is not found. --settle leaves out the
 *    newest rows until such ones must have come.
 * 3. A hash is the sum over those of `columns` that have a value, so a column that is added, with
 *    values or without, or moved, does not make a row a new one; when a name of `columns` is gone,
 *    or of another kind, nobody can tell, and the reading fails. Numbers of any type are alike.
 *    Where the database gives hashes, kinds do not matter.
 * 4. A value that no column holds is missing in its row and stands beside the block; the hash is
 *    over it too.
 *
 * Without cursor and key nothing tells a row from the next one, and a query may give its rows in
 * another order each time. So all of them are written to a file first, and taken from there:
 *
 *   state  {"at": offset in the file behind the block that came last, "read": rows so far}, then
 *          {"done": true}
 */
#include "source/feed_query.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/mem.h"
#include "source/row_file.h"

#define SEEN_MAX 100000u /* 1.6 MB of state with each block */
#define HASH_TEXT 16u
#define NAME_KEY UINT64_C(0x636f6c756d6e6b65)
#define VALUE_KEY UINT64_C(0x76616c7565206b65)
#define TEXT_MAX (4u << 20)

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for the rows of a query");
}

/* ---- What is declared ---- */

tm_status tm__feed_query_check(const tm_query_ops *ops, const json_t *spec, bool has_key,
                               tm_err *err) {
    const bool has_cursor = tm__json_text(spec, "cursor", NULL) != NULL;
    tm_status st = TM_OK;
    if (tm__json_text(spec, ops->name, NULL) == NULL ||
        tm__json_text(spec, "query", NULL) == NULL) {
        st = TM_FAIL(err, TM_E_USAGE, "a source from %s needs a file and a query", ops->noun);
        tm_err_hint(err, "Give --%s FILE and --query QUERY.", ops->name);
    } else if (json_object_get(spec, "every_s") != NULL && !has_cursor && !has_key) {
        st = TM_FAIL(err, TM_E_USAGE, "all rows would come again each time");
        tm_err_hint(err, "Name the column that grows with each new row (--cursor), or what tells "
                         "rows apart (--key).");
    } else if (json_object_get(spec, "settle_s") != NULL && (!has_cursor || !ops->can_settle)) {
        st = TM_FAIL(err, TM_E_USAGE, "--settle is for %s",
                     ops->can_settle ? "a cursor" : "databases with several writers at a time");
        tm_err_hint(err, ops->can_settle ? "Name a column of times with --cursor."
                                         : "Leave it out: what is there is committed.");
    }
    return st;
}

/* ---- Hashes and texts of values ---- */

static uint64_t cell_hash(const tm_column *column, uint64_t row) {
    tm_cell cell = tm__column_cell(column, row);
    if (cell.type == TM_TYPE_TEXT) {
        return tm__hash64(cell.text.ptr, cell.text.len, VALUE_KEY);
    }
    if (cell.type == TM_TYPE_FLOAT && fabs(cell.f64) < 0x1p53 && floor(cell.f64) == cell.f64) {
        cell.type = TM_TYPE_INT; /* a column may become one of numbers */
        cell.i64 = (int64_t)cell.f64;
    }
    return cell.type == TM_TYPE_FLOAT ? tm__hash64(&cell.f64, sizeof(cell.f64), VALUE_KEY)
                                      : tm__hash64(&cell.i64, sizeof(cell.i64), VALUE_KEY);
}

/* skips: [n cols] columns that are left out; NULL: none. */
static uint64_t row_hash(const tm_table *table, uint64_t row, const bool *skips) {
    uint64_t sum = 0;
    for (uint32_t col = 0; col < tm__table_cols(table); col++) {
        const tm_column *const c = tm__table_column(table, col);
        if (!tm__column_is_missing(c, row) && (skips == NULL || !skips[col])) {
            const uint64_t parts[2] = {tm__hash64(c->name, strlen(c->name), NAME_KEY),
                                       cell_hash(c, row)};
            sum += tm__hash64(parts, sizeof(parts), VALUE_KEY);
        }
    }
    return sum;
}

static bool put_cell(const tm_column *column, uint64_t row, tm_buf *out) {
    const tm_cell cell = tm__column_cell(column, row);
    char text[48];
    tm__buf_reset(out);
    switch (cell.type) {
    case TM_TYPE_TEXT:
        return tm__buf_append(out, cell.text.ptr, cell.text.len);
    case TM_TYPE_FLOAT:
        return tm__buf_append(out, text, tm__f64_to_text(cell.f64, text));
    case TM_TYPE_DATE:
        return tm__buf_append(out, text, tm__date_to_text(cell.i64, text));
    case TM_TYPE_TIME:
        return tm__buf_append(out, text, tm__time_to_text(cell.i64, text));
    case TM_TYPE_BOOL:
        return tm__buf_printf(out, "%lld", (long long)cell.i64);
    default: /* also the least integer, which is missing */
        return tm__buf_printf(out, "%lld", (long long)column->ints[row]);
    }
}

static bool is_same_cell(const tm_column *column, uint64_t a, uint64_t b) {
    return column->type == TM_TYPE_TEXT    ? column->codes[a] == column->codes[b]
           : column->type == TM_TYPE_FLOAT ? column->floats[a] == column->floats[b]
                                           : column->ints[a] == column->ints[b];
}

/* ---- The state ---- */

typedef struct seen {
    uint64_t hash;
    uint64_t n_used; /* of the first one of a hash: how many rows it has dropped */
} seen;

typedef struct reading {
    const tm_query_ops *ops;
    const tm_feed_input *in;
    const tm_feed_sink *sink;
    const char *cursor; /* name of a column */
    tm_buf last;        /* text of the last value */
    bool has_last;
    bool has_all; /* `rows` holds all rows with the last value */
    seen *rows;
    uint32_t n_rows, capacity;
    uint32_t
        n_sorted;     /* those of earlier readings, in order; what came in this one drops nothing */
    json_t *columns;  /* names at the time of the hashes; NULL: none yet */
    char *kinds;      /* of them; NULL: not known */
    bool is_earlier;  /* `columns` are those of an earlier reading, which the database was told */
    uint64_t n_read;  /* rows that were taken */
    uint64_t n_given; /* rows that the query of this reading gave before the block */
} reading;

static int compare_seen(const void *a, const void *b) {
    const seen *x = a, *y = b;
    return (x->hash > y->hash) - (x->hash < y->hash);
}

static bool add_seen(reading *r, uint64_t hash) {
    if (r->n_rows == r->capacity) {
        const uint32_t capacity = r->capacity == 0 ? 16 : r->capacity * 2;
        seen *const rows = tm__mem_realloc(r->rows, capacity, sizeof(*rows));
        if (rows == NULL) {
            return false;
        }
        r->rows = rows;
        r->capacity = capacity;
    }
    r->rows[r->n_rows++] = (seen){hash, 0};
    return true;
}

static bool read_hash(const char *text, uint64_t *out) {
    *out = 0;
    for (uint32_t i = 0; i < HASH_TEXT; i++) {
        const char c = text[i];
        const uint32_t digit = tm__is_digit(c)        ? (uint32_t)(c - '0')
                               : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                                                      : 16;
        if (digit > 15) {
            return false;
        }
        *out = *out << 4 | digit;
    }
    return true;
}

static tm_status load_state(reading *r, tm_err *err) {
    const json_t *state = r->in->state;
    const char *last = tm__json_text(state, "last", NULL);
    const char *text = tm__json_text(state, "seen", NULL);
    r->n_read = (uint64_t)tm__json_i64(state, "read", 0);
    r->has_last = last != NULL;
    r->has_all = text != NULL;
    if (last != NULL && !tm__buf_text(&r->last, last)) {
        return no_memory(err);
    }
    for (size_t i = 0; text != NULL && text[i] != '\0'; i += HASH_TEXT) {
        uint64_t hash = 0;
        if (strnlen(text + i, HASH_TEXT) < HASH_TEXT || !read_hash(text + i, &hash)) {
            return TM_FAIL(err, TM_E_INTEGRITY, "the state of a source is damaged");
        }
        if (!add_seen(r, hash)) {
            return no_memory(err);
        }
    }
    r->columns = json_incref(json_object_get(state, "columns"));
    r->is_earlier = true;
    const char *kinds = tm__json_text(state, "kinds", NULL);
    r->kinds = kinds == NULL ? NULL : tm__mem_strdup(kinds);
    if (kinds != NULL && r->kinds == NULL) {
        return no_memory(err);
    }
    r->n_sorted = r->n_rows;
    if (r->n_rows > 0) {
        qsort(r->rows, r->n_rows, sizeof(*r->rows), compare_seen);
    }
    return TM_OK;
}

static json_t *save_state(const reading *r) {
    json_t *state =
        json_pack("{s:o, s:I}", "last", json_stringn((const char *)r->last.data, r->last.len),
                  "read", (json_int_t)r->n_read);
    if (r->has_all) {
        char *text = tm__mem_alloc((size_t)r->n_rows * HASH_TEXT + 1, 1);
        if (text == NULL) {
            json_decref(state);
            return tm__json_lost();
        }
        for (uint32_t i = 0; i < r->n_rows; i++) {
            (void)snprintf(text + (size_t)i * HASH_TEXT, HASH_TEXT + 1, "%016llx",
                           (unsigned long long)r->rows[i].hash);
        }
        json_object_set_new(state, "seen", json_stringn(text, (size_t)r->n_rows * HASH_TEXT));
        json_object_set(state, "columns", r->columns);
        if (r->kinds != NULL) {
            json_object_set_new(state, "kinds", json_string(r->kinds));
        }
        tm__mem_free(text);
    }
    return state;
}

static json_t *column_names(const tm_table *table) {
    json_t *names = json_array();
    for (uint32_t i = 0; i < tm__table_cols(table); i++) {
        json_array_append_new(names, json_string(tm__table_column(table, i)->name));
    }
    return names;
}

static char kind_of(const tm_column *column) {
    switch (column->type) {
    case TM_TYPE_TEXT:
        return 't';
    case TM_TYPE_DATE:
    case TM_TYPE_TIME:
        return 'm';
    default:
        return 'n';
    }
}

/* NULL when out of memory. */
static char *column_kinds(const tm_table *table) {
    const uint32_t n = tm__table_cols(table);
    char *const kinds = tm__mem_alloc((size_t)n + 1, 1);
    for (uint32_t i = 0; kinds != NULL && i < n; i++) {
        kinds[i] = kind_of(tm__table_column(table, i));
    }
    if (kinds != NULL) {
        kinds[n] = '\0';
    }
    return kinds;
}

static const char *kind_name(char kind) {
    return kind == 't' ? "a text" : kind == 'm' ? "a date or time" : "a number";
}

static tm_status other_kind(const reading *r, const tm_column *column, char before, tm_err *err) {
    (void)TM_FAIL(err, TM_E_DATA, "column '%s' of the query was %s and is %s now", column->name,
                  kind_name(before), kind_name(kind_of(column)));
    tm_err_hint(err,
                "Rows with the last value of '%s' could not be told from those that came: cast it "
                "in the query to what it was.",
                r->cursor);
    return TM_E_DATA;
}

/* Invariant 3. */
static tm_status check_columns(const reading *r, const tm_query_block *block, tm_err *err) {
    const tm_table *const table = block->rows;
    const size_t n_kinds = r->kinds == NULL || block->hashes != NULL ? 0 : strlen(r->kinds);
    size_t i = 0;
    const json_t *name = NULL;
    json_array_foreach(r->columns, i, name) {
        const char *text = json_string_value(name);
        const uint32_t col = text == NULL ? UINT32_MAX : tm__table_find(table, text);
        if (i < n_kinds && col != UINT32_MAX &&
            kind_of(tm__table_column(table, col)) != r->kinds[i]) {
            return other_kind(r, tm__table_column(table, col), r->kinds[i], err);
        }
        if (text != NULL && col == UINT32_MAX) {
            (void)TM_FAIL(err, TM_E_DATA, "the query gives no column '%s' any more", text);
            tm_err_hint(err, "Rows could not be told from those that came: give it again, as NULL "
                             "AS it if need be.");
            return TM_E_DATA;
        }
    }
    return TM_OK;
}

/* ---- By a cursor ---- */

static bool is_last(const reading *r, const tm_column *cursor, uint64_t row, tm_buf *text) {
    return r->has_last && put_cell(cursor, row, text) &&
           tm__str_eq((tm_str){(const char *)text->data, text->len},
                      (tm_str){(const char *)r->last.data, r->last.len});
}

/* The first of the sorted ones that is not below a hash, or above it. */
static uint32_t find_seen(const reading *r, uint64_t hash, bool above) {
    uint32_t low = 0, high = r->n_sorted;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const uint64_t h = r->rows[middle].hash;
        if (h < hash || (above && h == hash)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Invariant 1: whether a row with the last value came in an earlier reading. */
static bool is_seen(reading *r, uint64_t hash) {
    const uint32_t first = find_seen(r, hash, false), end = find_seen(r, hash, true);
    if (first == end || r->rows[first].n_used == end - first) {
        return false;
    }
    r->rows[first].n_used++;
    return true;
}

/* Invariant 4; skips as of row_hash(). */
static uint64_t bad_hash(const tm_query_block *block, uint64_t row, const bool *skips) {
    const tm_bad_values *const bad = &block->bad;
    uint64_t sum = 0;
    for (uint32_t i = tm__bad_values_find(bad, row); i < bad->n && bad->items[i].row == row; i++) {
        const tm_bad_value value = tm__bad_values_get(bad, i);
        const char *const name = tm__table_column(block->rows, value.col)->name;
        const uint64_t parts[2] = {tm__hash64(name, strlen(name), NAME_KEY),
                                   tm__hash64(value.value.ptr, value.value.len, VALUE_KEY)};
        sum += skips == NULL || !skips[value.col] ? tm__hash64(parts, sizeof(parts), VALUE_KEY) : 0;
    }
    return sum;
}

static uint64_t hash_of(const tm_query_block *block, uint64_t row) {
    return bad_hash(block, row, NULL) +
           (block->hashes != NULL ? block->hashes[row] : row_hash(block->rows, row, NULL));
}

/* The same over r->columns; skips are the others of a block. */
static uint64_t known_hash_of(const reading *r, const tm_query_block *block, const bool *skips,
                              uint64_t row) {
    const bool has_known = r->is_earlier && block->known_hashes != NULL;
    return bad_hash(block, row, skips) + (block->hashes == NULL ? row_hash(block->rows, row, skips)
                                          : has_known           ? block->known_hashes[row]
                                                                : block->hashes[row]);
}

/* [n cols] whether a column is not among r->columns; *out NULL when all are. */
static tm_status find_new(const reading *r, const tm_table *rows, bool **out, tm_err *err) {
    const uint32_t n = tm__table_cols(rows);
    if (r->columns == NULL) {
        return TM_OK;
    }
    bool *const skips = tm__mem_alloc(n, sizeof(*skips));
    if (skips == NULL) {
        return no_memory(err);
    }
    memset(skips, 1, n);
    uint32_t n_new = n;
    size_t i = 0;
    const json_t *name = NULL;
    json_array_foreach(r->columns, i, name) {
        const char *const text = json_string_value(name);
        const uint32_t col = text == NULL ? UINT32_MAX : tm__table_find(rows, text);
        if (col != UINT32_MAX && skips[col]) {
            skips[col] = false;
            n_new--;
        }
    }
    if (n_new == 0) {
        tm__mem_free(skips);
        return TM_OK;
    }
    *out = skips;
    return TM_OK;
}

/* Row numbers of a block to keep; r->rows grows by those with the last value. */
static tm_status choose(reading *r, const tm_query_block *block, const tm_column *cursor,
                        uint32_t *keep, uint64_t *out_n, tm_err *err) {
    const uint64_t n = tm__table_rows(block->rows);
    tm_buf text;
    uint64_t row = 0, kept = 0;
    bool *skips = NULL;
    tm_status st = r->has_all ? find_new(r, block->rows, &skips, err) : TM_OK;
    tm__buf_init(&text, TEXT_MAX);
    for (; st == TM_OK && row < n && is_last(r, cursor, row, &text); row++) {
        const uint64_t hash = r->has_all ? known_hash_of(r, block, skips, row) : 0;
        if (r->has_all && is_seen(r, hash)) {
            continue;
        }
        keep[kept++] = (uint32_t)row;
        st = r->has_all && !add_seen(r, hash) ? no_memory(err) : TM_OK;
    }
    st = st == TM_OK && text.failed ? no_memory(err) : st;
    tm__buf_done(&text);
    tm__mem_free(skips);
    for (; row < n; row++) {
        keep[kept++] = (uint32_t)row;
    }
    *out_n = kept;
    return st;
}

/* Bring the state behind a block. */
static tm_status advance(reading *r, const tm_query_block *block, const tm_column *cursor,
                         tm_err *err) {
    const uint64_t n = tm__table_rows(block->rows);
    tm_buf text;
    tm__buf_init(&text, TEXT_MAX);
    tm_status st = TM_OK;
    if (!is_last(r, cursor, n - 1, &text)) {
        uint64_t first = n - 1;
        while (first > 0 && is_same_cell(cursor, first - 1, n - 1)) {
            first--;
        }
        r->n_rows = r->n_sorted = 0;
        r->has_all = true;
        r->has_last = true;
        json_decref(r->columns);
        r->columns = column_names(block->rows);
        r->is_earlier = false;
        tm__mem_free(r->kinds);
        r->kinds = column_kinds(block->rows);
        st = r->kinds == NULL ? no_memory(err) : TM_OK;
        for (uint64_t row = first; row < n && st == TM_OK; row++) {
            st = add_seen(r, hash_of(block, row)) ? TM_OK : no_memory(err);
        }
        st = st == TM_OK && !put_cell(cursor, n - 1, &r->last) ? no_memory(err) : st;
    }
    tm__buf_done(&text);
    if (st == TM_OK && r->has_all && r->n_rows > SEEN_MAX) {
        if (!r->in->has_key) {
            (void)TM_FAIL(err, TM_E_LIMIT, "more than %u rows have the same value of '%s'",
                          SEEN_MAX, r->cursor);
            tm_err_hint(err, "Go by a column that tells rows apart better, or name a --key.");
            return TM_E_LIMIT;
        }
        r->has_all = false; /* the source drops them by their key */
        r->n_rows = r->n_sorted = 0;
    }
    return st;
}

/* Rows of a block: all, or chosen ones. */
typedef struct chosen {
    tm_table *rows;
    const tm_bad_values *bad;
    const uint32_t *numbers; /* [n rows] in the block; NULL: all */
} chosen;

static tm_status give(reading *r, const chosen *what, const json_t *state, tm_err *err) {
    const tm_feed_block block = {.rows = what->rows,
                                 .bad = what->bad,
                                 .numbers = what->numbers,
                                 .cursor = r->cursor,
                                 .origin = r->ops->name,
                                 .first_row = r->n_given,
                                 .state = state};
    return r->sink->take(r->sink->arg, &block, err);
}

/* Rows behind it could not be told from those that came: it stands in the way until it is mended.
 */
static tm_status no_place(const reading *r, const tm_query_block *block, const tm_column *cursor,
                          tm_err *err) {
    const uint64_t n = tm__table_rows(block->rows);
    uint64_t row = 0;
    while (row < n && tm__column_cell(cursor, row).type != TM_TYPE_NONE) {
        row++;
    }
    (void)TM_FAIL(err, TM_E_DATA, "a row has no value of its cursor '%s' that can be written down",
                  r->cursor);
    tm_err_at(err, r->ops->name, r->n_given + row + 1, 0);
    tm_err_hint(err,
                "Rows before its block are taken. Correct it in the database, or make it null, "
                "which leaves the row out; then 'tidemill data pull %.60s' goes on.",
                r->in->name);
    return TM_E_DATA;
}

static tm_status cursor_column(const reading *r, const tm_query_block *block, const tm_column **out,
                               tm_err *err) {
    const uint32_t col = block->cursor != NULL ? 0 : tm__table_find(block->rows, r->cursor);
    TM_ASSERT(col != UINT32_MAX);
    *out = tm__table_column(block->cursor != NULL ? block->cursor : block->rows, col);
    /* The least integer is missing in its column, and a row of it is put aside. */
    return (*out)->n_missing == 0 || (*out)->type == TM_TYPE_INT ? TM_OK
                                                                 : no_place(r, block, *out, err);
}

static tm_status take_block(reading *r, const tm_query_block *block, tm_err *err) {
    const tm_column *cursor = NULL;
    const uint64_t n = tm__table_rows(block->rows);
    uint64_t kept = 0;
    tm_table *rows = NULL;
    tm_bad_values bad = {0};
    TM_TRY(cursor_column(r, block, &cursor, err));
    TM_TRY(check_columns(r, block, err));
    uint32_t *const keep = tm__mem_alloc(n, sizeof(*keep));
    tm_status st = keep == NULL ? no_memory(err) : choose(r, block, cursor, keep, &kept, err);
    if (st == TM_OK && kept < n && kept > 0) {
        st = tm__table_take_rows(block->rows, keep, kept, &rows, err);
        st = st == TM_OK && !tm__bad_values_take_rows(&block->bad, keep, kept, &bad)
                 ? no_memory(err)
                 : st;
    } else if (st == TM_OK && kept > 0) {
        rows = tm__table_ref(block->rows);
    }
    st = st == TM_OK ? advance(r, block, cursor, err) : st;
    if (st == TM_OK && rows != NULL) {
        const chosen what = {rows, kept < n ? &bad : &block->bad, kept < n ? keep : NULL};
        r->n_read += kept;
        json_t *state = save_state(r);
        st = tm__json_check(err);
        st = st == TM_OK ? give(r, &what, state, err) : st;
        json_decref(state);
    }
    r->n_given += n;
    tm__bad_values_done(&bad);
    tm__mem_free(keep);
    tm__table_unref(rows);
    return st;
}

static void block_done(tm_query_block *block) {
    tm__table_unref(block->rows);
    tm__table_unref(block->cursor);
    tm__mem_free(block->hashes);
    tm__mem_free(block->known_hashes);
    tm__bad_values_done(&block->bad);
    *block = (tm_query_block){0};
}

/* Give each block of a query to fn. */
static tm_status each_block(const tm_query_ops *ops, tm_ctx *ctx, void *self,
                            tm_status (*fn)(void *arg, const tm_query_block *block, tm_err *err),
                            void *arg, tm_err *err) {
    tm_status st = TM_OK;
    for (bool more = true; st == TM_OK && more;) {
        tm_query_block block = {0};
        st = tm__ctx_cancelled(ctx) ? TM_FAIL(err, TM_E_CANCELLED, "cancelled")
                                    : ops->next(self, &block, err);
        more = st == TM_OK && block.rows != NULL;
        st = more ? fn(arg, &block, err) : st;
        block_done(&block);
    }
    return st;
}

static tm_status take_by_cursor(void *arg, const tm_query_block *block, tm_err *err) {
    return take_block(arg, block, err);
}

static tm_status take_all(void *arg, const tm_query_block *block, tm_err *err) {
    reading *r = arg;
    const chosen what = {block->rows, &block->bad, NULL};
    r->n_read += tm__table_rows(block->rows);
    json_t *state = json_pack("{s:I}", "read", (json_int_t)r->n_read);
    tm_status st = tm__json_check(err);
    st = st == TM_OK ? give(r, &what, state, err) : st;
    r->n_given += tm__table_rows(block->rows);
    json_decref(state);
    return st;
}

/* The file that the spec names, below the folder where it was declared. */
static tm_status spec_file(const reading *r, char **out, tm_err *err) {
    const char *const file = tm__json_text(r->in->spec, r->ops->name, "");
    const char *const dir = tm__json_text(r->in->spec, "dir", NULL);
    *out = file[0] == '/' || dir == NULL ? tm__mem_strdup(file) : tm__fs_join(dir, file);
    return *out == NULL ? no_memory(err) : TM_OK;
}

static tm_status select_rows(const reading *r, tm_ctx *ctx, void **out, tm_err *err) {
    const json_t *spec = r->in->spec;
    const int64_t settle_us = tm__json_i64(spec, "settle_s", 0) * 1000000;
    const tm_query_select what = {.query = tm__json_text(spec, "query", ""),
                                  .cursor = r->cursor,
                                  .after = r->has_last
                                               ? (tm_str){(const char *)r->last.data, r->last.len}
                                               : (tm_str){NULL, 0},
                                  .until_us = settle_us > 0 ? tm__now_us() - settle_us : 0,
                                  .schema = r->in->schema,
                                  .known = r->columns};
    void *self = NULL;
    char *file = NULL;
    TM_TRY(spec_file(r, &file, err));
    tm_status st = r->ops->open(ctx, file, &self, err);
    st = st != TM_OK ? st : r->ops->select(self, &what, err);
    tm__mem_free(file);
    if (st != TM_OK) {
        r->ops->close(self);
        return st;
    }
    *out = self;
    return TM_OK;
}

/* ---- Once, through a file ---- */

static tm_status write_block(void *arg, const tm_query_block *block, tm_err *err) {
    return tm__row_writer_put(arg, block->rows, &block->bad, err);
}

static tm_status write_file(const reading *r, tm_ctx *ctx, const char *path, tm_err *err) {
    tm_row_writer *writer = NULL;
    void *self = NULL;
    TM_TRY(select_rows(r, ctx, &self, err));
    tm_status st = tm__row_writer_open(path, &writer, err);
    st = st == TM_OK ? tm__row_writer_seal(writer, err) : st;
    st = st != TM_OK ? st : each_block(r->ops, ctx, self, write_block, writer, err);
    r->ops->close(self);
    return tm__row_writer_close(writer, st, err);
}

static tm_status take_file(reading *r, const char *path, tm_err *err) {
    tm_row_reader *reader = NULL;
    TM_TRY(tm__row_reader_open(path, (uint64_t)tm__json_i64(r->in->state, "at", 0), &reader, err));
    tm_status st = TM_OK;
    for (bool more = true; st == TM_OK && more;) {
        tm_table *rows = NULL;
        tm_bad_values bad = {0};
        st = tm__row_reader_next(reader, &rows, &bad, err);
        more = st == TM_OK && rows != NULL;
        if (more) {
            const chosen what = {rows, &bad, NULL};
            r->n_given = r->n_read; /* of the one query */
            r->n_read += tm__table_rows(rows);
            const bool is_end = tm__row_reader_is_end(reader);
            json_t *state =
                is_end ? json_pack("{s:b, s:I}", "done", 1, "read", (json_int_t)r->n_read)
                       : json_pack("{s:I, s:I}", "at", (json_int_t)tm__row_reader_at(reader),
                                   "read", (json_int_t)r->n_read);
            st = tm__json_check(err);
            st = st == TM_OK ? give(r, &what, state, err) : st;
            json_decref(state);
        }
        tm__bad_values_done(&bad);
        tm__table_unref(rows);
    }
    tm__row_reader_close(reader);
    return st;
}

static tm_status read_once(reading *r, tm_ctx *ctx, tm_err *err) {
    char name[TM_MAX_NAME + 8];
    const json_t *state = r->in->state;
    (void)snprintf(name, sizeof(name), "%s.rows", r->in->name);
    char *dir = tm__fs_join(r->in->common, "pull");
    char *path = dir == NULL ? NULL : tm__fs_join(dir, name);
    tm_status st = path == NULL ? no_memory(err) : TM_OK;
    const bool is_done = json_is_true(json_object_get(state, "done"));
    if (st == TM_OK && !is_done && !json_is_integer(json_object_get(state, "at"))) {
        st = write_file(r, ctx, path, err);
    }
    if (st == TM_OK && !is_done) {
        st = take_file(r, path, err);
    }
    if (st == TM_OK) {
        st = tm__fs_remove(path, err);
    }
    tm__mem_free(dir);
    tm__mem_free(path);
    return st;
}

tm_status tm__feed_query_read(const tm_query_ops *ops, tm_ctx *ctx, const tm_feed_input *in,
                              const tm_feed_sink *sink, tm_err *err) {
    reading r = {
        .ops = ops, .in = in, .sink = sink, .cursor = tm__json_text(in->spec, "cursor", NULL)};
    void *self = NULL;
    tm__buf_init(&r.last, TEXT_MAX);
    tm_status st = load_state(&r, err);
    if (st == TM_OK && r.cursor == NULL && !in->has_key) {
        st = read_once(&r, ctx, err);
    } else if (st == TM_OK) {
        st = select_rows(&r, ctx, &self, err);
        st = st != TM_OK ? st
                         : each_block(ops, ctx, self, r.cursor != NULL ? take_by_cursor : take_all,
                                      &r, err);
    }
    ops->close(self);
    json_decref(r.columns);
    tm__mem_free(r.kinds);
    tm__mem_free(r.rows);
    tm__buf_done(&r.last);
    return st;
}
