/* SPDX-License-Identifier: Apache-2.0 */
/* Tables, fits and comparisons that the tests of this folder share. */
#ifndef TM_TEST_FEATURE_CASE_H
#define TM_TEST_FEATURE_CASE_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "feature/feature_priv.h"
#include "test.h"

enum {
    CASE_BOOL,
    CASE_INT,
    CASE_FLOAT,
    CASE_COLOR,
    CASE_CITY,
    CASE_CODE,
    CASE_REMARK,
    CASE_DAY,
    CASE_TIME,
    CASE_ID,
    CASE_SAME,
    CASE_NONE,
    CASE_COLS
};

static const char *const case_words[] = {"bird", "plane",  "TAKEOFF",     "Landing", "engine",
                                         "gull", "runway", "caf\xc3\xa9", "no",      "42",
                                         "wing", "struck", "climb",       "taxi",    "x"};

static inline tm_cell case_remark(tm_rng *rng, char *text, size_t size) {
    size_t len = 0;
    const uint64_t n = 2 + tm__rng_below(rng, 9);
    for (uint64_t i = 0; i < n; i++)
        len += (size_t)snprintf(text + len, size - len, "%s%s", i > 0 ? " " : "",
                                case_words[tm__rng_below(rng, 15)]);
    if (tm__rng_below(rng, 30) == 0)
        len = 0;
    return (tm_cell){.type = TM_TYPE_TEXT, .text = {text, len}};
}

/* Rows of every type with about 1 in 10 missing. first: number of the first row. */
static inline tm_table *case_table(uint64_t seed, uint64_t n_rows, uint64_t first) {
    static const struct {
        const char *name;
        tm_type type;
    } cols[CASE_COLS] = {
        {"flag", TM_TYPE_BOOL},   {"size", TM_TYPE_INT},   {"price", TM_TYPE_FLOAT},
        {"color", TM_TYPE_TEXT},  {"city", TM_TYPE_TEXT},  {"code", TM_TYPE_TEXT},
        {"remark", TM_TYPE_TEXT}, {"day", TM_TYPE_DATE},   {"at", TM_TYPE_TIME},
        {"row_id", TM_TYPE_INT},  {"same", TM_TYPE_FLOAT}, {"none", TM_TYPE_TEXT},
    };
    tm_table_builder *builder = tm__builder_create();
    for (int c = 0; c < CASE_COLS; c++)
        assert_int_equal(tm__builder_add_column(builder, cols[c].name, cols[c].type, NULL), TM_OK);
    tm_rng rng = tm__rng_split(seed, "case", first);
    for (uint64_t i = 0; i < n_rows; i++) {
        char color[32], city[32], code[32], remark[256];
        tm_cell cells[CASE_COLS];
        memset(cells, 0, sizeof(cells));
        for (int c = 0; c < CASE_COLS; c++)
            cells[c].type = cols[c].type;
        cells[CASE_BOOL].i64 = (int64_t)tm__rng_below(&rng, 2);
        cells[CASE_INT].i64 = (int64_t)tm__rng_below(&rng, 50) - 20;
        cells[CASE_FLOAT].f64 = tm__rng_below(&rng, 40) == 0 ? INFINITY : tm__rng_f64(&rng) * 9;
        snprintf(color, sizeof(color), "color%u", (unsigned)tm__rng_below(&rng, 6));
        cells[CASE_COLOR].text = tm__str(color);
        const uint64_t far = tm__rng_below(&rng, 2) == 0 ? 40 : 600;
        snprintf(city, sizeof(city), "city%u", (unsigned)tm__rng_below(&rng, far));
        cells[CASE_CITY].text = tm__str(city);
        snprintf(code, sizeof(code), "%c/%u", "ABC"[tm__rng_below(&rng, 3)],
                 (unsigned)tm__rng_below(&rng, 9000));
        cells[CASE_CODE].text = tm__str(code);
        cells[CASE_REMARK] = case_remark(&rng, remark, sizeof(remark));
        cells[CASE_DAY].i64 = (int64_t)(tm__rng_below(&rng, 900)) * INT64_C(86400000000);
        cells[CASE_TIME].i64 =
            (int64_t)tm__rng_below(&rng, UINT64_C(90000000000000)) - INT64_C(9000000000000);
        for (int c = 0; c < CASE_COLS; c++) {
            if (tm__rng_below(&rng, 10) == 0 || c == CASE_NONE)
                cells[c].type = TM_TYPE_NONE;
        }
        cells[CASE_ID] = (tm_cell){.type = TM_TYPE_INT, .i64 = (int64_t)(first + i)};
        cells[CASE_SAME] = (tm_cell){.type = TM_TYPE_FLOAT, .f64 = 7};
        assert_int_equal(tm__builder_add_row(builder, cells, NULL), TM_OK);
    }
    tm_table *table = NULL;
    assert_int_equal(tm__builder_finish(builder, &table, NULL), TM_OK);
    return table;
}

typedef struct fit_case {
    tm_ctx ctx;
    tm_table *table;
    tm_schema schema;
    tm_program_options options;
    double *y;
    uint32_t *rows;
    uint64_t n_rows; /* fitted: 3 of 4 */
    tm_program *program;
    tm_matrix *matrix;
} fit_case;

static inline bool case_has_gull(const tm_column *column, uint64_t row) {
    if (column->codes[row] == TM_CODE_MISSING)
        return false;
    const tm_str text = tm__dict_get(column->dict, column->codes[row]);
    for (size_t i = 0; i + 4 <= text.len; i++) {
        if (memcmp(text.ptr + i, "gull", 4) == 0)
            return true;
    }
    return false;
}

/* A table with a target that the color and some words decide in part, not fitted yet. */
static inline void case_init(fit_case *c, tm_task task, uint64_t n_rows) {
    memset(c, 0, sizeof(*c));
    c->table = case_table(7, n_rows, 0);
    assert_int_equal(tm__schema_from_table(c->table, &c->schema, NULL), TM_OK);
    c->y = tm__mem_alloc(n_rows, sizeof(double));
    c->rows = tm__mem_alloc(n_rows, sizeof(uint32_t));
    const uint32_t k = task == TM_TASK_MULTICLASS ? 5 : task == TM_TASK_BINARY ? 2 : 0;
    c->options = (tm_program_options){.task = task, .n_classes = k, .max_levels = 20, .seed = 3};
    tm_rng rng = tm__rng_split(5, "target", 0);
    for (uint64_t i = 0; i < n_rows; i++) {
        const uint32_t code = tm__table_column(c->table, CASE_COLOR)->codes[i];
        const double color = code == TM_CODE_MISSING ? 0 : code;
        const double noise = tm__rng_f64(&rng);
        c->y[i] = k == 0 ? color + noise : floor(fmod(color + noise * 2, (double)k));
        if (noise < 0.85 && case_has_gull(tm__table_column(c->table, CASE_REMARK), i))
            c->y[i] = 1;
        if (i % 4 != 3)
            c->rows[c->n_rows++] = (uint32_t)i;
    }
}

static inline tm_status case_fit(fit_case *c, tm_err *err) {
    return tm__program_fit(&c->ctx, c->table, &c->schema, c->y, c->rows, c->n_rows, &c->options,
                           &c->program, &c->matrix, err);
}

static inline void case_done(fit_case *c) {
    tm__program_free(c->program);
    tm__matrix_free(c->matrix);
    tm__schema_done(&c->schema);
    tm__table_unref(c->table);
    tm__mem_free(c->y);
    tm__mem_free(c->rows);
}

static inline uint64_t case_bits(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static inline void assert_views_equal(const tm_view *a, const tm_view *b) {
    assert_int_equal(a->n_rows, b->n_rows);
    assert_int_equal(a->n_cols, b->n_cols);
    for (uint32_t c = 0; c < a->n_cols; c++) {
        for (uint64_t i = 0; i < a->n_rows; i++)
            assert_int_equal(case_bits(a->cols[c][i]), case_bits(b->cols[c][i]));
    }
    assert_int_equal(a->sparse == NULL, b->sparse == NULL);
    if (a->sparse == NULL)
        return;
    const uint64_t n = a->sparse->starts[a->n_rows];
    assert_memory_equal(a->sparse->starts, b->sparse->starts, (a->n_rows + 1) * sizeof(uint64_t));
    assert_int_equal(a->sparse->n_terms, b->sparse->n_terms);
    if (n > 0) {
        assert_memory_equal(a->sparse->terms, b->sparse->terms, n * sizeof(uint32_t));
        assert_memory_equal(a->sparse->values, b->sparse->values, n * sizeof(float));
    }
}

/* Columns of a table and its rows one by one through a program give the same bits. */
static inline void assert_rows_equal_columns(const tm_program *program, const tm_table *table) {
    tm_ctx ctx = {0};
    tm_matrix *matrix = NULL;
    assert_int_equal(tm__program_apply(&ctx, program, table, NULL, 0, &matrix, NULL), TM_OK);
    const tm_view *all = tm__matrix_view(matrix);
    tm_row_scratch *scratch = tm__row_scratch_create(program);
    assert_non_null(scratch);
    const tm_schema *schema = tm__program_schema(program);
    tm_cell cells[64];
    const uint64_t calls = tm__mem_calls();
    for (uint64_t i = 0; i < all->n_rows; i++) {
        for (uint32_t c = 0; c < schema->n_cols; c++) {
            const uint32_t col = tm__table_find(table, schema->cols[c].name);
            cells[c] =
                col == UINT32_MAX ? (tm_cell){0} : tm__column_cell(tm__table_column(table, col), i);
        }
        const tm_view *row = tm__program_apply_row(program, scratch, cells);
        for (uint32_t c = 0; c < all->n_cols; c++)
            assert_int_equal(case_bits(all->cols[c][i]), case_bits(row->cols[c][0]));
        if (all->sparse == NULL)
            continue;
        const uint64_t start = all->sparse->starts[i], n = all->sparse->starts[i + 1] - start;
        assert_int_equal(row->sparse->starts[1], n);
        for (uint64_t t = 0; t < n; t++) {
            assert_int_equal(row->sparse->terms[t], all->sparse->terms[start + t]);
            assert_true(row->sparse->values[t] == all->sparse->values[start + t]);
            assert_true(t == 0 || row->sparse->terms[t] > row->sparse->terms[t - 1]);
        }
    }
    assert_int_equal(tm__mem_calls(), calls); /* a row allocates nothing */
    tm__row_scratch_free(scratch);
    tm__matrix_free(matrix);
}

static inline uint32_t case_feature(const tm_program *program, const char *name) {
    for (uint32_t i = 0; i < tm__program_features(program); i++) {
        if (strcmp(tm__program_feature(program, i)->name, name) == 0)
            return i;
    }
    return UINT32_MAX;
}

#endif
