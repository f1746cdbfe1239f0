/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables once built: columns are plain arrays (see table.h for what each type stores), so learners
 * read them without a call.
 *
 * 1. A table never changes after tm__builder_finish(); what derives from it is a fresh table.
 * 2. Tables share dictionaries: a dictionary may hold texts that no row of this table has, so
 *    whoever counts levels counts codes.
 * 3. The content hash runs over columns in order, each as its name, its type and its values in row
 *    order; a text is its length and bytes, so codes do not show. Little-endian.
 */
#include "table/table_priv.h"

#include <assert.h>
#include <string.h>

#include "base/assert.h"
#include "base/fmath.h"
#include "base/limits.h"
#include "base/mem.h"

#define HASH_MAGIC "tidemill.table/1"
#define HASH_BUFFER 32768u

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "values are hashed as they lie");

static const char *const type_names[] = {"none", "bool", "int", "float", "text", "date", "time"};
static const char *const type_nouns[] = {"nothing", "a bool", "an int", "a float",
                                         "a text",  "a date", "a time"};

const char *tm__type_text(tm_type type) {
    return (unsigned)type < sizeof(type_names) / sizeof(type_names[0]) ? type_names[type] : "none";
}

const char *tm__type_noun(tm_type type) {
    return (unsigned)type < sizeof(type_nouns) / sizeof(type_nouns[0]) ? type_nouns[type]
                                                                       : "nothing";
}

tm_type tm__type_from_text(const char *text) {
    for (unsigned i = 1; i < sizeof(type_names) / sizeof(type_names[0]); i++) {
        if (strcmp(text, type_names[i]) == 0) {
            return (tm_type)i;
        }
    }
    return TM_TYPE_NONE;
}

size_t tm__type_size(tm_type type) {
    return type == TM_TYPE_TEXT ? sizeof(uint32_t) : sizeof(int64_t);
}

uint64_t tm__table_rows(const tm_table *table) {
    return table->n_rows;
}

uint32_t tm__table_cols(const tm_table *table) {
    return table->n_cols;
}

const tm_column *tm__table_column(const tm_table *table, uint32_t col) {
    TM_ASSERT(col < table->n_cols);
    return &table->cols[col];
}

uint32_t tm__table_find(const tm_table *table, const char *name) {
    return tm__dict_find(table->names, tm__str(name));
}

void tm__table_hint_column(const tm_table *table, const char *name, tm_err *err) {
    const char *names[TM_MAX_COLS];
    const uint32_t n = tm__table_cols(table);
    for (uint32_t c = 0; c < n; c++) {
        names[c] = tm__table_column(table, c)->name;
    }
    const char *near = tm__str_nearest(tm__str(name), names, n);
    if (near != NULL) {
        tm_err_hint(err, "Did you mean '%s'?", near);
    } else {
        tm_err_hint(err, "Run 'tidemill data profile' on the data to see its columns.");
    }
}

bool tm__column_is_missing(const tm_column *column, uint64_t row) {
    switch (column->type) {
    case TM_TYPE_TEXT:
        return column->codes[row] == TM_CODE_MISSING;
    case TM_TYPE_FLOAT:
        return column->floats[row] != column->floats[row];
    default:
        return column->ints[row] == TM_INT_MISSING;
    }
}

double tm__column_number(const tm_column *column, uint64_t row) {
    if (column->floats != NULL) {
        return column->floats[row];
    }
    return column->ints[row] == TM_INT_MISSING ? tm__nan() : (double)column->ints[row];
}

tm_cell tm__column_cell(const tm_column *column, uint64_t row) {
    tm_cell cell = {.type = TM_TYPE_NONE};
    if (tm__column_is_missing(column, row)) {
        return cell;
    }
    cell.type = column->type;
    if (column->type == TM_TYPE_TEXT) {
        cell.text = tm__dict_get(column->dict, column->codes[row]);
    } else if (column->type == TM_TYPE_FLOAT) {
        cell.f64 = column->floats[row];
    } else {
        cell.i64 = column->ints[row];
    }
    return cell;
}

tm_table *tm__table_ref(tm_table *table) {
    atomic_fetch_add_explicit(&table->refs, 1, memory_order_relaxed);
    return table;
}

void tm__table_unref(tm_table *table) {
    if (table == NULL || atomic_fetch_sub_explicit(&table->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (uint32_t col = 0; col < table->n_cols; col++) {
        tm_column *const c = &table->cols[col];
        tm__mem_free((void *)(uintptr_t)c->ints);
        tm__mem_free((void *)(uintptr_t)c->floats);
        tm__mem_free((void *)(uintptr_t)c->codes);
        tm__dict_free((tm_dict *)(uintptr_t)c->dict);
    }
    tm__mem_free(table->cols);
    tm__dict_free(table->names);
    tm__mem_free(table);
}

/* --- fresh tables from others --- */

/* The columns of a table, with its dictionaries. */
static tm_status add_columns(tm_table_builder *b, const tm_table *table, tm_err *err) {
    for (uint32_t col = 0; col < table->n_cols; col++) {
        const tm_column *const c = &table->cols[col];
        TM_TRY(c->type == TM_TYPE_TEXT ? tm__builder_add_shared(b, c->name, c->dict, err)
                                       : tm__builder_add_column(b, c->name, c->type, err));
    }
    return TM_OK;
}

static void take_values(tm_table_builder *b, uint32_t col, const tm_column *from,
                        const uint32_t *rows, uint64_t n_rows) {
    if (from->type == TM_TYPE_TEXT) {
        uint32_t *const out = tm__builder_codes(b, col);
        for (uint64_t i = 0; i < n_rows; i++) {
            out[i] = from->codes[rows[i]];
        }
    } else if (from->type == TM_TYPE_FLOAT) {
        double *const out = tm__builder_floats(b, col);
        for (uint64_t i = 0; i < n_rows; i++) {
            out[i] = from->floats[rows[i]];
        }
    } else {
        int64_t *const out = tm__builder_ints(b, col);
        for (uint64_t i = 0; i < n_rows; i++) {
            out[i] = from->ints[rows[i]];
        }
    }
}

tm_status tm__table_take_rows(tm_table *table, const uint32_t *rows, uint64_t n_rows,
                              tm_table **out, tm_err *err) {
    for (uint64_t i = 0; i < n_rows; i++) {
        TM_ASSERT(rows[i] < table->n_rows);
    }
    tm_table_builder *b = tm__builder_create();
    if (b == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a table");
    }
    tm_status st = add_columns(b, table, err);
    if (st == TM_OK) {
        st = tm__builder_reserve(b, n_rows, err);
    }
    if (st != TM_OK) {
        tm__builder_free(b);
        return st;
    }
    for (uint32_t col = 0; col < table->n_cols; col++) {
        take_values(b, col, &table->cols[col], rows, n_rows);
    }
    tm__builder_set_rows(b, n_rows);
    return tm__builder_finish(b, out, err);
}

static void copy_values(tm_table_builder *b, uint32_t col, const tm_column *from, uint64_t n_rows) {
    if (from->type == TM_TYPE_TEXT) {
        memcpy(tm__builder_codes(b, col), from->codes, n_rows * sizeof(*from->codes));
    } else if (from->type == TM_TYPE_FLOAT) {
        memcpy(tm__builder_floats(b, col), from->floats, n_rows * sizeof(*from->floats));
    } else {
        memcpy(tm__builder_ints(b, col), from->ints, n_rows * sizeof(*from->ints));
    }
}

tm_status tm__table_widen(const tm_table *table, const char *const *names, double *const *values,
                          uint32_t n, tm_table **out, tm_err *err) {
    tm_table_builder *b = tm__builder_create();
    if (b == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a table");
    }
    tm_status st = add_columns(b, table, err);
    for (uint32_t i = 0; i < n && st == TM_OK; i++) {
        st = tm__builder_add_column(b, names[i], TM_TYPE_FLOAT, err);
    }
    if (st == TM_OK) {
        st = tm__builder_reserve(b, table->n_rows, err);
    }
    if (st != TM_OK) {
        tm__builder_free(b);
        return st;
    }
    for (uint32_t col = 0; col < table->n_cols; col++) {
        copy_values(b, col, &table->cols[col], table->n_rows);
    }
    for (uint32_t i = 0; i < n; i++) {
        memcpy(tm__builder_floats(b, table->n_cols + i), values[i], table->n_rows * sizeof(double));
    }
    tm__builder_set_rows(b, table->n_rows);
    return tm__builder_finish(b, out, err);
}

/* Type of a column that holds values of both; TM_TYPE_NONE when there is none. */
static tm_type joint_type(tm_type a, tm_type b) {
    if (a == b) {
        return a;
    }
    const bool are_numbers =
        (a == TM_TYPE_INT || a == TM_TYPE_FLOAT) && (b == TM_TYPE_INT || b == TM_TYPE_FLOAT);
    return are_numbers ? TM_TYPE_FLOAT : TM_TYPE_NONE;
}

/* Columns of a that go into a table of two; those that b lacks are missing there, or an error. */
typedef struct joining {
    const tm_table *a, *b;
    const uint32_t *cols; /* [n] of a */
    uint32_t n;
    bool is_loose;
} joining;

static const tm_column *find_other(const joining *j, uint32_t i) {
    const uint32_t other = tm__table_find(j->b, j->a->cols[j->cols[i]].name);
    return other == UINT32_MAX ? NULL : &j->b->cols[other];
}

static tm_status join_columns(tm_table_builder *builder, const joining *j, tm_err *err) {
    for (uint32_t i = 0; i < j->n; i++) {
        const tm_column *const c = &j->a->cols[j->cols[i]];
        const tm_column *d = find_other(j, i);
        if (d == NULL && !j->is_loose) {
            return TM_FAIL(err, TM_E_DATA, "rows lack column '%s'", c->name);
        }
        d = d == NULL ? c : d;
        const tm_type type = joint_type(c->type, d->type);
        if (type == TM_TYPE_NONE) {
            return TM_FAIL(err, TM_E_DATA, "column '%s' is %s, but %s in other rows", c->name,
                           tm__type_noun(c->type), tm__type_noun(d->type));
        }
        TM_TRY(type == TM_TYPE_TEXT && c->dict == d->dict
                   ? tm__builder_add_shared(builder, c->name, c->dict, err)
                   : tm__builder_add_column(builder, c->name, type, err));
    }
    return tm__builder_reserve(builder, j->a->n_rows + j->b->n_rows, err);
}

/* Codes of a column in the builder's dictionary. */
static tm_status append_codes(tm_dict *dict, uint32_t *out, const tm_column *from, uint64_t n_rows,
                              tm_err *err) {
    if (dict == from->dict) {
        memcpy(out, from->codes, n_rows * sizeof(*out));
        return TM_OK;
    }
    const uint32_t n_codes = tm__dict_count(from->dict);
    uint32_t *const map = tm__mem_alloc(n_codes, sizeof(*map));
    bool failed = map == NULL;
    for (uint32_t code = 0; code < n_codes && !failed; code++) {
        map[code] = tm__dict_add(dict, tm__dict_get(from->dict, code));
        failed = map[code] == TM_CODE_MISSING;
    }
    for (uint64_t row = 0; row < n_rows && !failed; row++) {
        out[row] = from->codes[row] == TM_CODE_MISSING ? TM_CODE_MISSING : map[from->codes[row]];
    }
    tm__mem_free(map);
    return failed ? TM_FAIL(err, TM_E_NOMEM, "no memory for the texts of column '%s'", from->name)
                  : TM_OK;
}

static void append_missing(tm_table_builder *builder, uint32_t col, uint64_t at, uint64_t n_rows) {
    int64_t *const ints = tm__builder_ints(builder, col);
    double *const floats = tm__builder_floats(builder, col);
    uint32_t *const codes = tm__builder_codes(builder, col);
    for (uint64_t row = at; row < at + n_rows; row++) {
        if (ints != NULL) {
            ints[row] = TM_INT_MISSING;
        } else if (floats != NULL) {
            floats[row] = tm__nan();
        } else {
            codes[row] = TM_CODE_MISSING;
        }
    }
}

static tm_status append_values(tm_table_builder *builder, uint32_t col, uint64_t at,
                               const tm_column *from, uint64_t n_rows, tm_err *err) {
    if (from == NULL) {
        append_missing(builder, col, at, n_rows);
        return TM_OK;
    }
    if (from->type == TM_TYPE_TEXT) {
        return append_codes(tm__builder_dict(builder, col), tm__builder_codes(builder, col) + at,
                            from, n_rows, err);
    }
    double *const floats = tm__builder_floats(builder, col);
    if (floats == NULL) {
        memcpy(tm__builder_ints(builder, col) + at, from->ints, n_rows * sizeof(int64_t));
    } else if (from->type == TM_TYPE_FLOAT) {
        memcpy(floats + at, from->floats, n_rows * sizeof(double));
    } else {
        for (uint64_t row = 0; row < n_rows; row++) {
            floats[at + row] =
                from->ints[row] == TM_INT_MISSING ? tm__nan() : (double)from->ints[row];
        }
    }
    return TM_OK;
}

static tm_status join(const joining *j, tm_table **out, tm_err *err) {
    tm_table_builder *const builder = tm__builder_create();
    if (builder == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a table");
    }
    tm_status st = join_columns(builder, j, err);
    for (uint32_t i = 0; i < j->n && st == TM_OK; i++) {
        st = append_values(builder, i, 0, &j->a->cols[j->cols[i]], j->a->n_rows, err);
        if (st == TM_OK) {
            st = append_values(builder, i, j->a->n_rows, find_other(j, i), j->b->n_rows, err);
        }
    }
    if (st != TM_OK) {
        tm__builder_free(builder);
        return st;
    }
    tm__builder_set_rows(builder, j->a->n_rows + j->b->n_rows);
    return tm__builder_finish(builder, out, err);
}

tm_status tm__table_concat(const tm_table *a, const tm_table *b, tm_table **out, tm_err *err) {
    uint32_t cols[TM_MAX_COLS];
    for (uint32_t col = 0; col < a->n_cols; col++) {
        cols[col] = col;
    }
    const joining j = {.a = a, .b = b, .cols = cols, .n = a->n_cols};
    return join(&j, out, err);
}

tm_status tm__table_append(const tm_table *a, const tm_table *b, const char *const *names,
                           uint32_t n, tm_table **out, tm_err *err) {
    uint32_t cols[TM_MAX_COLS];
    TM_ASSERT(n <= TM_MAX_COLS);
    for (uint32_t i = 0; i < n; i++) {
        cols[i] = tm__table_find(a, names[i]);
        if (cols[i] == UINT32_MAX) {
            return TM_FAIL(err, TM_E_DATA, "the rows lack column '%s'", names[i]);
        }
    }
    const joining j = {.a = a, .b = b, .cols = cols, .n = n, .is_loose = true};
    return join(&j, out, err);
}

/* Columns go over with all they hold. */
static tm_status zip_columns(tm_table *a, tm_table *b, const bool *is_of_b, tm_table *to,
                             tm_err *err) {
    uint32_t next_a = 0, next_b = 0;
    for (uint32_t col = 0; col < to->n_cols; col++) {
        tm_column *const from = is_of_b[col] ? &b->cols[next_b++] : &a->cols[next_a++];
        const uint32_t code = tm__dict_add(to->names, tm__str(from->name));
        if (code == TM_CODE_MISSING) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory for a table");
        }
        if (code != col) {
            (void)TM_FAIL(err, TM_E_DATA, "two columns are named '%s'", from->name);
            tm_err_hint(err, "Rename one of them.");
            return TM_E_DATA;
        }
        to->cols[col] = *from;
        *from = (tm_column){0};
    }
    for (uint32_t col = 0; col < to->n_cols; col++) {
        to->cols[col].name = tm__dict_get(to->names, col).ptr;
    }
    return TM_OK;
}

tm_status tm__table_zip(tm_table *a, tm_table *b, const bool *is_of_b, uint32_t n_cols,
                        tm_table **out, tm_err *err) {
    TM_ASSERT(a->n_rows == b->n_rows && n_cols <= a->n_cols + b->n_cols);
    tm_table *table = tm__mem_zalloc(1, sizeof(*table));
    tm_status st = TM_OK;
    if (table != NULL) {
        atomic_init(&table->refs, 1);
        table->n_rows = a->n_rows;
        table->cols = tm__mem_zalloc(n_cols, sizeof(*table->cols));
        table->names = tm__dict_create();
    }
    if (table == NULL || table->cols == NULL || table->names == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "no memory for a table");
    } else {
        table->n_cols = n_cols;
        st = zip_columns(a, b, is_of_b, table, err);
    }
    if (st == TM_OK) {
        *out = table;
        table = NULL;
    }
    tm__table_unref(a);
    tm__table_unref(b);
    tm__table_unref(table);
    return st;
}

/* --- hashes --- */

typedef struct sink {
    tm_hasher hasher;
    size_t len;
    uint8_t buffer[HASH_BUFFER];
} sink;

static void sink_flush(sink *s) {
    tm__hasher_update(&s->hasher, s->buffer, s->len);
    s->len = 0;
}

static void sink_add(sink *s, const void *data, size_t len) {
    if (len > HASH_BUFFER - s->len) {
        sink_flush(s);
    }
    if (len > HASH_BUFFER / 4) {
        sink_flush(s);
        tm__hasher_update(&s->hasher, data, len);
        return;
    }
    memcpy(s->buffer + s->len, data, len);
    s->len += len;
}

static void sink_text(sink *s, tm_str text) {
    const uint32_t len = (uint32_t)text.len;
    sink_add(s, &len, sizeof(len));
    sink_add(s, text.ptr, text.len);
}

static void hash_texts(sink *s, const tm_column *column, uint64_t n_rows) {
    const uint32_t missing = TM_CODE_MISSING;
    for (uint64_t row = 0; row < n_rows; row++) {
        if (column->codes[row] == TM_CODE_MISSING) {
            sink_add(s, &missing, sizeof(missing));
        } else {
            sink_text(s, tm__dict_get(column->dict, column->codes[row]));
        }
    }
}

void tm__table_hash(const tm_table *table, tm_hash *out) {
    sink s;
    tm__hasher_init(&s.hasher);
    s.len = 0;
    sink_text(&s, TM_STR(HASH_MAGIC));
    sink_add(&s, &table->n_cols, sizeof(table->n_cols));
    sink_add(&s, &table->n_rows, sizeof(table->n_rows));
    for (uint32_t col = 0; col < table->n_cols; col++) {
        const tm_column *const c = &table->cols[col];
        const uint32_t type = (uint32_t)c->type;
        sink_text(&s, tm__str(c->name));
        sink_add(&s, &type, sizeof(type));
        if (c->type == TM_TYPE_TEXT) {
            hash_texts(&s, c, table->n_rows);
        } else {
            /* Storage is canonical already: one missing value, one NaN. */
            sink_add(&s, c->type == TM_TYPE_FLOAT ? (const void *)c->floats : (const void *)c->ints,
                     table->n_rows * sizeof(int64_t));
        }
    }
    sink_flush(&s);
    tm__hasher_final(&s.hasher, out);
}

/* The finaliser of MurmurHash3: every bit of the input moves about half of the output. */
static uint64_t mix(uint64_t x) {
    x ^= x >> 33;
    x *= UINT64_C(0xff51afd7ed558ccd);
    x ^= x >> 33;
    x *= UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ (x >> 33);
}

/* 64 bits of a text, the same in every dictionary. */
static uint64_t text_bits(const tm_column *column, uint64_t row) {
    const uint32_t code = column->codes[row];
    return code == TM_CODE_MISSING ? (uint64_t)TM_INT_MISSING : tm__dict_hash(column->dict, code);
}

void tm__table_row_hashes(const tm_table *table, const uint32_t *cols, uint32_t n_cols,
                          uint64_t *out) {
    tm__table_row_hashes_of(table, cols, n_cols, (tm_row_span){0, table->n_rows}, out);
}

/* Rows whose hashes stay in the cache from column to column. */
#define HASH_ROWS 2048u

static void add_column(const tm_column *c, uint32_t number, tm_row_span rows, uint64_t *out) {
    for (uint64_t row = rows.begin; row < rows.end; row++) {
        const uint64_t bits = c->floats != NULL ? tm__f64_bits(c->floats[row])
                              : c->ints != NULL ? (uint64_t)c->ints[row]
                                                : text_bits(c, row);
        out[row] = mix(out[row] * UINT64_C(0x9e3779b97f4a7c15) + mix(bits + number));
    }
}

void tm__table_row_hashes_of(const tm_table *table, const uint32_t *cols, uint32_t n_cols,
                             tm_row_span rows, uint64_t *out) {
    for (uint64_t begin = rows.begin; begin < rows.end; begin += HASH_ROWS) {
        const uint64_t end = rows.end - begin < HASH_ROWS ? rows.end : begin + HASH_ROWS;
        memset(out + begin, 0, (end - begin) * sizeof(*out));
        for (uint32_t i = 0; i < n_cols; i++) {
            add_column(tm__table_column(table, cols[i]), i + 1, (tm_row_span){begin, end}, out);
        }
    }
}
