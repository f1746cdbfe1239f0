/* SPDX-License-Identifier: Apache-2.0 */
/*
 * same_run THREADS < configurations > results
 *
 * A line in is a JSON object: "id", "path" of a data file, "rows" (0: all, else that many, evenly
 * spaced), "no_header", "recipe" as a bundle's record holds it, "target_index" (a column, in place
 * of recipe.target), "stops" (of an earlier run, to be repeated). A line out is what must be the
 * same everywhere: hashes of the rows, of the bundle, of all answers in a batch, of all answers row
 * by row, of explanations, or the status and the message of what failed.
 *
 * same_run --libm prints a hash of the C library's exp, log, pow and sin: these do change with the
 * processor that the library sees, and so show that hiding a part of it had its effect.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/simd.h"
#include "source/source.h"
#include "train/train.h"

#define LINE_MAX (1u << 20)
#define EXPLAINED 32u

typedef struct same {
    const json_t *config;
    tm_ctx *ctx;
    tm_table *table;
    tm_recipe recipe;
    tm_train_result result;
    tm_bundle *bundle;
    double *batch, *alone;
    tm_cell *cells;
    tm_bundle_scratch *scratch;
    json_t *out;
} same;

static void set_hash(json_t *out, const char *name, const tm_hash *hash) {
    char text[TM_HASH_TEXT];
    tm__hash_to_text(hash, text);
    json_object_set_new(out, name, json_string(text));
}

static void set_numbers(json_t *out, const char *name, const double *values, size_t n) {
    tm_hash hash;
    tm__hash_bytes(values, n * sizeof(double), &hash);
    set_hash(out, name, &hash);
}

static tm_status read_rows(same *s, tm_err *err) {
    const tm_source_spec spec = {.path = tm__json_text(s->config, "path", ""),
                                 .no_header = tm__json_bool(s->config, "no_header", false)};
    const uint64_t wanted = (uint64_t)tm__json_i64(s->config, "rows", 0);
    tm_table *all = NULL;
    TM_TRY(tm__source_read(s->ctx, &spec, &all, err));
    const uint64_t n = tm__table_rows(all);
    if (wanted == 0 || wanted >= n) {
        s->table = all;
        return TM_OK;
    }
    uint32_t *rows = tm__mem_alloc(wanted, sizeof(*rows));
    tm_status st = rows == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory") : TM_OK;
    for (uint64_t i = 0; st == TM_OK && i < wanted; i++) {
        rows[i] = (uint32_t)(i * n / wanted);
    }
    if (st == TM_OK) {
        st = tm__table_take_rows(all, rows, wanted, &s->table, err);
    }
    tm__mem_free(rows);
    tm__table_unref(all);
    return st;
}

static tm_status train(same *s, tm_err *err) {
    const json_t *stops = json_object_get(s->config, "stops");
    const json_t *target = json_object_get(s->config, "target_index");
    tm_hash hash;
    TM_TRY(tm__recipe_init(&s->recipe, json_object_get(s->config, "recipe"), err));
    tm_train_options *o = &s->recipe.options;
    o->model = "same";
    if (target != NULL) {
        const uint64_t index = (uint64_t)json_integer_value(target);
        o->target = tm__table_column(s->table, (uint32_t)(index % tm__table_cols(s->table)))->name;
    }
    if (stops != NULL) {
        s->recipe.stops = tm__mem_alloc(json_array_size(stops), sizeof(uint64_t));
        for (size_t i = 0; i < json_array_size(stops); i++) {
            s->recipe.stops[i] = (uint64_t)json_integer_value(json_array_get(stops, i));
        }
        o->is_repeat = true;
        o->stops = s->recipe.stops;
        o->n_stops = (uint32_t)json_array_size(stops);
    }
    tm__table_hash(s->table, &hash);
    tm__hash_to_text(&hash, o->snapshot);
    json_object_set_new(s->out, "snapshot", json_string(o->snapshot));
    return tm__train_run(s->ctx, s->table, NULL, o, &s->result, err);
}

static tm_status alone(same *s, uint64_t row, double *explained, tm_err *err) {
    const tm_schema *schema = tm__bundle_schema(s->bundle);
    const uint32_t n_outputs = tm__bundle_outputs(s->bundle);
    for (uint32_t c = 0; c < schema->n_cols; c++) {
        const uint32_t col = tm__table_find(s->table, schema->cols[c].name);
        s->cells[c] = tm__column_cell(tm__table_column(s->table, col), row);
    }
    tm__bundle_predict_row(s->bundle, s->scratch, s->cells, s->alone + row * n_outputs);
    if (row >= EXPLAINED) {
        return TM_OK;
    }
    double *to = explained + row * (schema->n_cols + 2);
    return tm__bundle_explain_row(s->bundle, s->scratch, s->cells, (uint32_t)row % n_outputs,
                                  to + 2, &to[0], &to[1], err);
}

static tm_status answer(same *s, tm_err *err) {
    TM_TRY(tm__bundle_load(s->result.bundle.data, s->result.bundle.len, &s->bundle, err));
    const uint64_t n = tm__table_rows(s->table);
    const size_t n_answers = (size_t)n * tm__bundle_outputs(s->bundle);
    const uint32_t n_cols = tm__bundle_schema(s->bundle)->n_cols;
    double *explained = tm__mem_zalloc((size_t)EXPLAINED * (n_cols + 2), sizeof(double));
    s->batch = tm__mem_alloc(n_answers, sizeof(double));
    s->alone = tm__mem_alloc(n_answers, sizeof(double));
    s->cells = tm__mem_zalloc((size_t)n_cols + 1, sizeof(tm_cell));
    s->scratch = tm__bundle_scratch_create(s->bundle);
    tm_status st = explained == NULL || s->batch == NULL || s->alone == NULL || s->cells == NULL ||
                           s->scratch == NULL
                       ? TM_FAIL(err, TM_E_NOMEM, "out of memory")
                       : tm__bundle_predict(s->ctx, s->bundle, s->table, NULL, n, s->batch, err);
    for (uint64_t row = 0; st == TM_OK && row < n; row++) {
        st = alone(s, row, explained, err);
    }
    if (st == TM_OK) {
        set_hash(s->out, "bundle_hash", &s->result.bundle_hash);
        set_numbers(s->out, "batch", s->batch, n_answers);
        set_numbers(s->out, "row_by_row", s->alone, n_answers);
        set_numbers(s->out, "explained", explained, (size_t)EXPLAINED * (n_cols + 2));
        json_object_set_new(s->out, "rows", json_integer((json_int_t)n));
        json_object_set(s->out, "learner", json_object_get(s->result.report, "learner"));
        json_object_set(s->out, "task", json_object_get(s->result.report, "task"));
        json_object_set(s->out, "work_used", json_object_get(s->result.report, "work_used"));
        json_object_set(s->out, "test", json_object_get(s->result.report, "test"));
        if (json_object_get(s->result.report, "stops") != NULL) {
            json_object_set(s->out, "stops", json_object_get(s->result.report, "stops"));
        }
    }
    tm__mem_free(explained);
    return st;
}

/* One configuration: its results, or what failed. */
static json_t *run(const json_t *config, tm_ctx *ctx) {
    same s = {.config = config, .ctx = ctx, .out = json_object()};
    tm_err err = {0};
    json_object_set(s.out, "id", json_object_get(config, "id"));
    tm_status st = read_rows(&s, &err);
    if (st == TM_OK) {
        st = train(&s, &err);
    }
    if (st == TM_OK) {
        st = answer(&s, &err);
    }
    if (st != TM_OK) {
        json_object_set_new(s.out, "status", json_string(tm_status_text(st)));
        json_object_set_new(s.out, "message", json_string(err.message));
    }
    tm__bundle_scratch_free(s.scratch);
    tm__mem_free(s.cells);
    tm__mem_free(s.batch);
    tm__mem_free(s.alone);
    tm__bundle_unref(s.bundle);
    tm__train_result_done(&s.result);
    tm__recipe_done(&s.recipe);
    tm__table_unref(s.table);
    return s.out;
}

static int print_libm(void) {
    tm_hasher hasher;
    tm_hash hash;
    char text[TM_HASH_TEXT];
    tm__hasher_init(&hasher);
    for (unsigned i = 1; i < 100000; i++) {
        const volatile double x = i * 0.00713;
        const double values[] = {exp(x), log(x), pow(x, 1.7), sin(x), exp(-x)};
        tm__hasher_update(&hasher, values, sizeof(values));
    }
    tm__hasher_final(&hasher, &hash);
    tm__hash_to_text(&hash, text);
    return printf("%s\n", text) < 0;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--libm") == 0) {
        return print_libm();
    }
    const unsigned long n_threads = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
    tm_err err = {0};
    if (n_threads == 0 || tm__simd_check(&err) != TM_OK) {
        fprintf(stderr, "usage: same_run THREADS < configurations\n%s\n", err.message);
        return 2;
    }
    char *line = malloc(LINE_MAX);
    tm_ctx ctx = {.pool = tm__pool_create((uint32_t)n_threads)};
    int status = 0;
    while (line != NULL && status == 0 && fgets(line, LINE_MAX, stdin) != NULL) {
        json_t *config = NULL;
        if (tm__json_parse(line, strlen(line), TM_MAX_JSON_DEPTH, &config, &err) != TM_OK) {
            fprintf(stderr, "%s\n", err.message);
            status = 2;
            continue;
        }
        json_t *result = run(config, &ctx);
        tm_buf text;
        tm__buf_init(&text, LINE_MAX);
        status = !tm__json_write(&text, result, TM_JSON_SORTED) ||
                 printf("%.*s\n", (int)text.len, (const char *)text.data) < 0 ||
                 fflush(stdout) != 0;
        tm__buf_done(&text);
        json_decref(result);
        json_decref(config);
    }
    tm__pool_free(ctx.pool);
    free(line);
    return status;
}
