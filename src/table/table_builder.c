/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building of tables. Storage of all columns grows together by doubling; from then on a pointer
 * into it is stale. Whoever knows the number of rows reserves first and writes columns directly.
 */
#include "table/table_priv.h"

#include <string.h>

#include "base/assert.h"
#include "base/fmath.h"
#include "base/limits.h"
#include "base/mem.h"

#define FIRST_ROWS 16u /* small, because tables may have thousands of columns */

typedef struct build_column {
    tm_type type;
    void *values;  /* [capacity] of tm__type_size() */
    tm_dict *dict; /* TEXT */
} build_column;

struct tm_table_builder {
    uint32_t n_cols, cols_capacity;
    uint64_t n_rows, capacity;
    build_column *cols;
    tm_dict *names; /* code i is the name of column i */
};

tm_table_builder *tm__builder_create(void) {
    tm_table_builder *const builder = tm__mem_zalloc(1, sizeof(*builder));
    if (builder == NULL) {
        return NULL;
    }
    builder->names = tm__dict_create();
    if (builder->names == NULL) {
        tm__mem_free(builder);
        return NULL;
    }
    return builder;
}

void tm__builder_free(tm_table_builder *builder) {
    if (builder == NULL) {
        return;
    }
    for (uint32_t col = 0; col < builder->n_cols; col++) {
        tm__mem_free(builder->cols[col].values);
        tm__dict_free(builder->cols[col].dict);
    }
    tm__mem_free(builder->cols);
    tm__dict_free(builder->names);
    tm__mem_free(builder);
}

static tm_status check_name(const tm_table_builder *builder, const char *name, tm_err *err) {
    const tm_str text = tm__str(name);
    const uint32_t number = builder->n_cols + 1;
    if (builder->n_cols >= TM_MAX_COLS) {
        (void)TM_FAIL(err, TM_E_LIMIT, "more than %u columns", TM_MAX_COLS);
        tm_err_hint(err, "Select the columns you need with --sql.");
        return TM_E_LIMIT;
    }
    if (text.len == 0) {
        (void)TM_FAIL(err, TM_E_DATA, "column %u has no name", number);
        tm_err_hint(err, "Give every column a name of its own.");
        return TM_E_DATA;
    }
    if (text.len > TM_MAX_COLUMN_NAME) {
        (void)TM_FAIL(err, TM_E_LIMIT, "the name of column %u has more than %u bytes", number,
                      TM_MAX_COLUMN_NAME);
        tm_err_hint(err, "Shorten it, or pass --no-header if the first line holds values.");
        return TM_E_LIMIT;
    }
    if (!tm__str_is_utf8(text)) {
        (void)TM_FAIL(err, TM_E_DATA, "the name of column %u is not UTF-8", number);
        tm_err_hint(err, "Convert the file to UTF-8.");
        return TM_E_DATA;
    }
    if (tm__dict_find(builder->names, text) != TM_CODE_MISSING) {
        (void)TM_FAIL(err, TM_E_DATA, "two columns are named '%s'", name);
        tm_err_hint(err, "Rename one of them.");
        return TM_E_DATA;
    }
    return TM_OK;
}

static bool grow_columns(tm_table_builder *builder) {
    if (builder->n_cols < builder->cols_capacity) {
        return true;
    }
    const uint32_t capacity = builder->cols_capacity == 0 ? 16 : builder->cols_capacity * 2;
    build_column *const cols = tm__mem_realloc(builder->cols, capacity, sizeof(*cols));
    if (cols == NULL) {
        return false;
    }
    builder->cols = cols;
    builder->cols_capacity = capacity;
    return true;
}

/* Takes the values and the dictionary in every case. */
static tm_status add_column(tm_table_builder *builder, const char *name, build_column column,
                            tm_err *err) {
    TM_ASSERT(builder->n_rows == 0);
    tm_status st = check_name(builder, name, err);
    if (st != TM_OK) {
        goto out;
    }
    if (!grow_columns(builder)) {
        st = TM_FAIL(err, TM_E_NOMEM, "no memory for column '%s'", name);
        goto out;
    }
    if (builder->capacity > 0 && column.values == NULL) {
        column.values = tm__mem_alloc(builder->capacity, tm__type_size(column.type));
    }
    if ((builder->capacity > 0 && column.values == NULL) ||
        tm__dict_add(builder->names, tm__str(name)) == TM_CODE_MISSING) {
        st = TM_FAIL(err, TM_E_NOMEM, "no memory for column '%s'", name);
        goto out;
    }
    builder->cols[builder->n_cols++] = column;
    column = (build_column){0};
out:
    tm__mem_free(column.values);
    tm__dict_free(column.dict);
    return st;
}

tm_status tm__builder_add_column(tm_table_builder *builder, const char *name, tm_type type,
                                 tm_err *err) {
    TM_ASSERT(type >= TM_TYPE_BOOL && type <= TM_TYPE_TIME);
    build_column column = {.type = type};
    if (type == TM_TYPE_TEXT) {
        column.dict = tm__dict_create();
        if (column.dict == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory for column '%s'", name);
        }
    }
    return add_column(builder, name, column, err);
}

tm_status tm__builder_add_shared(tm_table_builder *builder, const char *name, const tm_dict *dict,
                                 tm_err *err) {
    return add_column(builder, name,
                      (build_column){.type = TM_TYPE_TEXT, .dict = tm__dict_ref(dict)}, err);
}

tm_status tm__builder_give_column(tm_table_builder *builder, const char *name, tm_type type,
                                  void *values, tm_dict *dict, uint64_t n_rows, tm_err *err) {
    TM_ASSERT(values != NULL && (dict != NULL) == (type == TM_TYPE_TEXT));
    TM_ASSERT(builder->n_cols == 0 || builder->capacity == n_rows);
    TM_TRY(check_name(builder, name, err));
    if (!grow_columns(builder) || tm__dict_add(builder->names, tm__str(name)) == TM_CODE_MISSING) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for column '%s'", name);
    }
    builder->cols[builder->n_cols++] = (build_column){.type = type, .values = values, .dict = dict};
    builder->capacity = n_rows;
    return TM_OK;
}

tm_status tm__builder_reserve(tm_table_builder *builder, uint64_t n_rows, tm_err *err) {
    if (n_rows <= builder->capacity) {
        return TM_OK;
    }
    if (n_rows > TM_MAX_ROWS) {
        return TM_FAIL(err, TM_E_LIMIT, "more than %u rows", TM_MAX_ROWS);
    }
    for (uint32_t col = 0; col < builder->n_cols; col++) {
        build_column *const c = &builder->cols[col];
        void *const values = tm__mem_realloc(c->values, n_rows, tm__type_size(c->type));
        if (values == NULL) {
            /* Some columns are larger than the capacity says, which does no harm. */
            (void)TM_FAIL(err, TM_E_NOMEM, "no memory for %llu rows of %u columns",
                          (unsigned long long)n_rows, builder->n_cols);
            tm_err_hint(err, "Select fewer rows or columns with --sql.");
            return TM_E_NOMEM;
        }
        c->values = values;
    }
    builder->capacity = n_rows;
    return TM_OK;
}

static const build_column *column_of(const tm_table_builder *builder, uint32_t col) {
    TM_ASSERT(col < builder->n_cols);
    return &builder->cols[col];
}

void tm__builder_copy_column(tm_table_builder *builder, uint32_t col, const tm_column *from,
                             uint64_t n_rows) {
    if (from->ints != NULL) {
        memcpy(tm__builder_ints(builder, col), from->ints, n_rows * sizeof(*from->ints));
    } else if (from->floats != NULL) {
        memcpy(tm__builder_floats(builder, col), from->floats, n_rows * sizeof(*from->floats));
    } else if (from->codes != NULL) {
        memcpy(tm__builder_codes(builder, col), from->codes, n_rows * sizeof(*from->codes));
    }
}

int64_t *tm__builder_ints(tm_table_builder *builder, uint32_t col) {
    const build_column *const c = column_of(builder, col);
    return c->type == TM_TYPE_TEXT || c->type == TM_TYPE_FLOAT ? NULL : c->values;
}

double *tm__builder_floats(tm_table_builder *builder, uint32_t col) {
    const build_column *const c = column_of(builder, col);
    return c->type == TM_TYPE_FLOAT ? c->values : NULL;
}

uint32_t *tm__builder_codes(tm_table_builder *builder, uint32_t col) {
    const build_column *const c = column_of(builder, col);
    return c->type == TM_TYPE_TEXT ? c->values : NULL;
}

tm_dict *tm__builder_dict(tm_table_builder *builder, uint32_t col) {
    return column_of(builder, col)->dict;
}

void tm__builder_set_rows(tm_table_builder *builder, uint64_t n_rows) {
    TM_ASSERT(n_rows <= builder->capacity);
    builder->n_rows = n_rows;
}

static tm_status misfit(const tm_table_builder *builder, uint32_t col, const tm_cell *cell,
                        tm_err *err) {
    return TM_FAIL(err, TM_E_DATA, "column '%s' wants %s, got %s",
                   tm__dict_get(builder->names, col).ptr, tm__type_noun(builder->cols[col].type),
                   tm__type_noun(cell->type));
}

static tm_status store_cell(tm_table_builder *builder, uint32_t col, const tm_cell *cell,
                            tm_err *err) {
    const build_column *const c = &builder->cols[col];
    const bool is_missing = cell->type == TM_TYPE_NONE;
    if (c->type == TM_TYPE_TEXT) {
        uint32_t code = TM_CODE_MISSING;
        if (!is_missing && cell->text.len > TM_MAX_TEXT_BYTES) {
            return TM_FAIL(err, TM_E_LIMIT, "a text of column '%s' has more than %u bytes",
                           tm__dict_get(builder->names, col).ptr, TM_MAX_TEXT_BYTES);
        }
        if (!is_missing) {
            code = tm__dict_add(c->dict, cell->text);
            if (code == TM_CODE_MISSING) {
                return TM_FAIL(err, TM_E_NOMEM, "no memory for the texts of column '%s'",
                               tm__dict_get(builder->names, col).ptr);
            }
        }
        ((uint32_t *)c->values)[builder->n_rows] = code;
    } else if (c->type == TM_TYPE_FLOAT) {
        const bool is_int = cell->type == TM_TYPE_INT;
        const double value = is_int ? (double)cell->i64 : cell->f64;
        const bool is_gone = is_missing || (is_int && cell->i64 == TM_INT_MISSING);
        ((double *)c->values)[builder->n_rows] = is_gone ? tm__nan() : value;
    } else {
        ((int64_t *)c->values)[builder->n_rows] = is_missing ? TM_INT_MISSING : cell->i64;
    }
    return TM_OK;
}

tm_status tm__builder_add_row(tm_table_builder *builder, const tm_cell *cells, tm_err *err) {
    for (uint32_t col = 0; col < builder->n_cols; col++) {
        const tm_type want = builder->cols[col].type;
        const tm_type got = cells[col].type;
        if (got != TM_TYPE_NONE && got != want && !(want == TM_TYPE_FLOAT && got == TM_TYPE_INT)) {
            return misfit(builder, col, &cells[col], err);
        }
    }
    if (builder->n_rows == builder->capacity) {
        const uint64_t twice = builder->capacity == 0 ? FIRST_ROWS : builder->capacity * 2;
        const uint64_t most =
            builder->capacity < TM_MAX_ROWS && twice > TM_MAX_ROWS ? TM_MAX_ROWS : twice;
        TM_TRY(tm__builder_reserve(builder, most, err));
    }
    for (uint32_t col = 0; col < builder->n_cols; col++) {
        TM_TRY(store_cell(builder, col, &cells[col], err));
    }
    builder->n_rows++;
    return TM_OK;
}

static uint64_t count_missing(const build_column *c, uint64_t n_rows) {
    uint64_t n = 0;
    if (c->type == TM_TYPE_TEXT) {
        const uint32_t *const codes = c->values;
        for (uint64_t row = 0; row < n_rows; row++) {
            TM_ASSERT_SLOW(codes[row] == TM_CODE_MISSING || codes[row] < tm__dict_count(c->dict));
            n += codes[row] == TM_CODE_MISSING;
        }
    } else if (c->type == TM_TYPE_FLOAT) {
        double *const floats = c->values;
        const double nan = tm__nan();
        for (uint64_t row = 0; row < n_rows; row++) {
            const bool is_nan = floats[row] != floats[row];
            floats[row] = is_nan ? nan : floats[row];
            n += is_nan;
        }
    } else {
        const int64_t *const ints = c->values;
        for (uint64_t row = 0; row < n_rows; row++) {
            n += ints[row] == TM_INT_MISSING;
        }
    }
    return n;
}

static void finish_column(const tm_table_builder *builder, uint32_t col, tm_column *out) {
    build_column *const c = &builder->cols[col];
    if (builder->n_rows < builder->capacity - builder->capacity / 4) {
        void *const fitting = tm__mem_realloc(c->values, builder->n_rows, tm__type_size(c->type));
        c->values = fitting != NULL ? fitting : c->values;
    }
    *out = (tm_column){.name = tm__dict_get(builder->names, col).ptr,
                       .type = c->type,
                       .n_missing = count_missing(c, builder->n_rows),
                       .dict = c->dict};
    if (c->type == TM_TYPE_TEXT) {
        out->codes = c->values;
    } else if (c->type == TM_TYPE_FLOAT) {
        out->floats = c->values;
    } else {
        out->ints = c->values;
    }
    *c = (build_column){0};
}

tm_status tm__builder_finish(tm_table_builder *builder, tm_table **out, tm_err *err) {
    tm_table *const table = tm__mem_zalloc(1, sizeof(*table));
    tm_column *const cols = tm__mem_zalloc(builder->n_cols, sizeof(*cols));
    /* A table without rows has storage too, so that a column's pointer is never NULL. */
    tm_status st = table == NULL || cols == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for a table")
                                                 : tm__builder_reserve(builder, 1, err);
    if (st != TM_OK) {
        tm__mem_free(table);
        tm__mem_free(cols);
        tm__builder_free(builder);
        return st;
    }
    for (uint32_t col = 0; col < builder->n_cols; col++) {
        finish_column(builder, col, &cols[col]);
    }
    atomic_init(&table->refs, 1);
    table->n_cols = builder->n_cols;
    table->n_rows = builder->n_rows;
    table->cols = cols;
    table->names = builder->names;
    builder->names = NULL;
    builder->n_cols = 0;
    tm__builder_free(builder);
    *out = table;
    return TM_OK;
}
