/* SPDX-License-Identifier: Apache-2.0 */
#include "bundle_data.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model_data.h"

static void must(tm_status st, const tm_err *err) {
    if (st != TM_OK) {
        (void)fprintf(stderr, "bundle_data: %s\n", err->message);
        abort();
    }
}

static tm_cell text_cell(const char *text) {
    return (tm_cell){.type = TM_TYPE_TEXT, .text = tm__str(text)};
}

static tm_table *make_table(uint64_t n_rows) {
    static const struct {
        const char *name;
        tm_type type;
    } columns[] = {{"age", TM_TYPE_FLOAT}, {"city", TM_TYPE_TEXT}, {"day", TM_TYPE_DATE},
                   {"note", TM_TYPE_TEXT}, {"id", TM_TYPE_INT},    {"ok", TM_TYPE_BOOL}};
    static const char *const cities[] = {"Bremen", "Kiel", "Emden", "Husum"};
    static const char *const words[] = {"mill", "tide", "wheel", "grain", "water", "stone"};
    tm_table_builder *builder = tm__builder_create();
    tm_table *table = NULL;
    tm_err err = {0};
    for (size_t c = 0; c < 6; c++) {
        must(tm__builder_add_column(builder, columns[c].name, columns[c].type, &err), &err);
    }
    for (uint64_t i = 0; i < n_rows; i++) {
        char note[96];
        (void)snprintf(note, sizeof(note), "%s and %s for row %u at %s", words[i % 6],
                       words[(uint32_t)(model_uniform(i, 1) * 6)], (unsigned)i,
                       words[(uint32_t)(model_uniform(i, 2) * 6)]);
        tm_cell cells[6] = {
            {.type = TM_TYPE_FLOAT, .f64 = floor(model_uniform(i, 3) * 80)},
            text_cell(cities[(uint32_t)(model_uniform(i, 4) * 4)]),
            {.type = TM_TYPE_DATE, .i64 = (int64_t)(i % 700) * INT64_C(86400000000)},
            text_cell(note),
            {.type = TM_TYPE_INT, .i64 = (int64_t)(model_uniform(i, 5) * 1000)},
            {.type = TM_TYPE_BOOL, .i64 = model_uniform(i, 6) < 0.5},
        };
        for (size_t c = 0; c < 6; c++) {
            if (model_uniform(i, 40 + c) < 0.06) {
                cells[c] = (tm_cell){.type = TM_TYPE_NONE};
            }
        }
        must(tm__builder_add_row(builder, cells, &err), &err);
    }
    must(tm__builder_finish(builder, &table, &err), &err);
    return table;
}

static double target_of(const tm_table *table, uint64_t row, tm_task task) {
    const double age = tm__table_column(table, 0)->floats[row];
    const bool is_kiel = tm__table_column(table, 1)->codes[row] == 1;
    const double value = (isnan(age) ? 30 : age) / 20 + (is_kiel ? 2 : 0) + model_uniform(row, 9);
    if (task == TM_TASK_BINARY) {
        return value > 2.5 ? 1.0 : 0.0;
    }
    return task == TM_TASK_MULTICLASS ? fmin(2.0, floor(value / 2)) : value;
}

static void fit_model(bundle_data *data, const tm_matrix *matrix, const tm_fit_input *shape,
                      const char *learner) {
    const tm_model_ops *ops = tm__model_find(learner);
    tm_ctx ctx = {0};
    tm_params params;
    tm_err err = {0};
    tm_fit_input in = *shape;
    in.x = tm__matrix_view(matrix);
    tm__params_init(ops, &params);
    /* No search, few trees: these tests want a model, not a good one. */
    for (uint32_t p = 0; ops->params[p].name != NULL; p++) {
        const char *name = ops->params[p].name;
        if (strcmp(name, "strength") == 0) {
            must(tm__params_set(ops, &params, name, "0.003", &err), &err);
        } else if (strcmp(name, "n_trees") == 0) {
            must(tm__params_set(ops, &params, name, "12", &err), &err);
        }
    }
    must(tm__model_fit(&ctx, ops, &in, &params, &data->model, &err), &err);
}

static json_t *make_info(tm_task task, const char *learner) {
    json_t *classes = task == TM_TASK_BINARY       ? json_pack("[s,s]", "no", "yes")
                      : task == TM_TASK_MULTICLASS ? json_pack("[s,s,s]", "low", "mid", "high")
                                                   : json_array();
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:{s:f, s:s}}", "model", "mill", "task",
                     tm__task_text(task), "target", "late", "learner", learner, "classes", classes,
                     "threshold", "value", 0.25, "reason", "misses cost three times as much");
}

static void make_cells(tm_ref_column *c, const tm_schema_column *column, const tm_table *table) {
    static const double edges[] = {0, 20, 40, 79};
    const tm_column *const values = tm__table_column(table, tm__table_find(table, column->name));
    c->n_blocks = 2;
    c->importance = 0.125;
    if (strcmp(column->name, "age") == 0) {
        c->kind = TM_REF_NUMBERS;
        c->n_edges = 4;
        c->edges = tm__mem_alloc(4, sizeof(double));
        memcpy(c->edges, edges, sizeof(edges));
    } else if (strcmp(column->name, "city") == 0) {
        c->kind = TM_REF_LEVELS;
        c->levels = tm__mem_zalloc(2, sizeof(*c->levels));
        c->n_levels = 2;
        tm__ref_level_set(&c->levels[0], tm__str("Kiel"));
        tm__ref_level_set(&c->levels[1], tm__str("Bremen"));
        c->n_filter = 8;
        c->filter = tm__mem_zalloc(8, 1);
        tm__ref_filter_add(c, tm__ref_hash(tm__str("Emden")));
        tm__ref_filter_add(c, tm__ref_hash(tm__str("Husum")));
    }
    (void)tm__ref_column_settle(c);
    for (uint64_t i = 0; i < tm__table_rows(table) && i < TM_REF_ROWS_MAX; i++) {
        const tm_cell cell = tm__column_cell(values, i);
        c->counts[i % 2 * c->n_cells + tm__ref_cell(c, &cell)]++;
    }
}

static tm_reference *make_reference(const bundle_data *data, uint64_t n_rows, tm_task task) {
    const tm_schema *const inputs = tm__program_schema(data->program);
    tm_reference *const self = tm__reference_create(inputs->n_cols);
    tm_ref_column *const answers = &self->columns[inputs->n_cols];
    for (uint32_t i = 0; i < inputs->n_cols; i++) {
        make_cells(&self->columns[i], &inputs->cols[i], data->table);
    }
    answers->n_blocks = 1;
    answers->kind = task == TM_TASK_MULTICLASS ? TM_REF_CLASSES : TM_REF_NUMBERS;
    answers->n_classes = task == TM_TASK_MULTICLASS ? 3 : 0;
    if (task != TM_TASK_MULTICLASS) {
        answers->n_edges = 3;
        answers->edges = tm__mem_zalloc(3, sizeof(double));
        answers->edges[1] = 0.25;
        answers->edges[2] = 1;
    }
    (void)tm__ref_column_settle(answers);
    answers->counts[1] = n_rows < TM_REF_ROWS_MAX ? n_rows : TM_REF_ROWS_MAX;
    answers->loss_rows[1] = 10;
    answers->loss[1] = 0.5;
    self->has_output = true;
    self->loss_kind = TM_REF_LOSS_LOG;
    self->loss = 0.5;
    self->loss_constant = 0.625;
    return self;
}

bundle_data *bundle_data_create(uint64_t n_rows, tm_task task, const char *learner) {
    bundle_data *data = tm__mem_zalloc(1, sizeof(*data));
    uint32_t *rows = tm__mem_alloc(n_rows, sizeof(*rows));
    tm_matrix *matrix = NULL;
    tm_ctx ctx = {0};
    tm_err err = {0};
    const uint32_t n_classes = task == TM_TASK_BINARY ? 2 : task == TM_TASK_MULTICLASS ? 3 : 0;
    const tm_program_options options = {
        .task = task, .n_classes = n_classes, .max_levels = 254, .max_terms = 1u << 10, .seed = 1};
    data->table = make_table(n_rows);
    data->y = tm__mem_alloc(n_rows, sizeof(double));
    must(tm__schema_from_table(data->table, &data->schema, &err), &err);
    for (uint64_t i = 0; i < n_rows; i++) {
        rows[i] = (uint32_t)i;
        data->y[i] = target_of(data->table, i, task);
    }
    must(tm__program_fit(&ctx, data->table, &data->schema, data->y, rows, n_rows, &options,
                         &data->program, &matrix, &err),
         &err);
    const tm_fit_input shape = {.task = task, .n_classes = n_classes, .y = data->y, .seed = 1};
    fit_model(data, matrix, &shape, learner);
    data->info = make_info(task, learner);
    data->reference = make_reference(data, n_rows, task);
    data->notes = json_pack("{s:s, s:i}", "host", "here", "threads", 2);
    tm__matrix_free(matrix);
    tm__mem_free(rows);
    return data;
}

void bundle_data_write(const bundle_data *data, tm_buf *out, tm_hash *out_hash) {
    const tm_bundle_parts parts = {.program = data->program,
                                   .model = data->model,
                                   .calibration = &data->calibration,
                                   .conformal = &data->conformal,
                                   .info = data->info,
                                   .notes = data->notes,
                                   .reference = data->reference};
    tm_err err = {0};
    tm__buf_init(out, 1 << 26);
    must(tm__bundle_write(&parts, out, out_hash, &err), &err);
}

void bundle_data_cells(const bundle_data *data, uint64_t row, tm_cell *out) {
    const tm_schema *inputs = tm__program_schema(data->program);
    for (uint32_t c = 0; c < inputs->n_cols; c++) {
        const uint32_t at = tm__table_find(data->table, inputs->cols[c].name);
        out[c] = tm__column_cell(tm__table_column(data->table, at), row);
    }
}

tm_bundle *bundle_data_open(const bundle_data *data) {
    tm_buf bytes;
    tm_hash hash;
    tm_bundle *bundle = NULL;
    tm_err err = {0};
    bundle_data_write(data, &bytes, &hash);
    must(tm__bundle_load(bytes.data, bytes.len, &bundle, &err), &err);
    tm__buf_done(&bytes);
    return bundle;
}

void bundle_data_free(bundle_data *data) {
    tm__calibration_done(&data->calibration);
    tm__conformal_done(&data->conformal);
    tm__model_free(data->model);
    tm__program_free(data->program);
    tm__reference_free(data->reference);
    tm__schema_done(&data->schema);
    tm__table_unref(data->table);
    json_decref(data->info);
    json_decref(data->notes);
    tm__mem_free(data->y);
    tm__mem_free(data);
}
