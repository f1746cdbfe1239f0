/* SPDX-License-Identifier: Apache-2.0 */
#include "tiny_bundle.h"

#include "test.h"

#include "base/mem.h"

static tm_table *rows_create(bool is_value, const char *target) {
    tm_table_builder *builder = tm__builder_create();
    tm_table *table = NULL;
    assert_non_null(builder);
    assert_int_equal(tm__builder_add_column(builder, "x", TM_TYPE_FLOAT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(builder, "c", TM_TYPE_TEXT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(builder, "day", TM_TYPE_DATE, NULL), TM_OK);
    assert_int_equal(
        tm__builder_add_column(builder, target, is_value ? TM_TYPE_FLOAT : TM_TYPE_TEXT, NULL),
        TM_OK);
    for (int i = 0; i < 20; i++) {
        tm_cell cells[4] = {
            {.type = TM_TYPE_FLOAT, .f64 = i * 0.5},
            {.type = TM_TYPE_TEXT, .text = i % 3 == 0 ? TM_STR("red") : TM_STR("blue")},
            {.type = TM_TYPE_DATE, .i64 = (int64_t)i * 86400000000},
            {.type = TM_TYPE_TEXT, .text = i % 2 == 0 ? TM_STR("no") : TM_STR("yes")},
        };
        if (is_value) {
            cells[3] = (tm_cell){.type = TM_TYPE_FLOAT, .f64 = i};
        }
        assert_int_equal(tm__builder_add_row(builder, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(builder, &table, NULL), TM_OK);
    return table;
}

/* The program and the model of the rows. */
typedef struct tm_tiny_fit {
    tm_program *program;
    tm_model *model;
} tm_tiny_fit;

static tm_tiny_fit fit(tm_table *table, const char *target, tm_task task) {
    tm_ctx ctx = {0};
    tm_tiny_fit out = {0};
    tm_schema schema;
    tm_matrix *matrix = NULL;
    tm_params params;
    double y[20];
    uint32_t rows[20];
    for (uint32_t i = 0; i < 20; i++) {
        y[i] = task == TM_TASK_REGRESSION ? i : i % 2;
        rows[i] = i;
    }
    assert_int_equal(tm__schema_from_table(table, &schema, NULL), TM_OK);
    schema.cols[tm__schema_find(&schema, tm__str(target))].role = TM_ROLE_TARGET;
    for (uint32_t i = 0; i < schema.n_cols; i++) {
        schema.cols[i].is_nullable = true;
    }
    const tm_program_options options = {.task = task,
                                        .n_classes = task == TM_TASK_REGRESSION ? 0 : 2,
                                        .max_levels = 254,
                                        .max_terms = 1024};
    assert_int_equal(
        tm__program_fit(&ctx, table, &schema, y, rows, 20, &options, &out.program, &matrix, NULL),
        TM_OK);
    const tm_model_ops *ops = tm__model_find("baseline");
    assert_non_null(ops);
    tm__params_init(ops, &params);
    const tm_fit_input in = {
        .task = task, .n_classes = options.n_classes, .x = tm__matrix_view(matrix), .y = y};
    assert_int_equal(tm__model_fit(&ctx, ops, &in, &params, &out.model, NULL), TM_OK);
    tm__matrix_free(matrix);
    tm__schema_done(&schema);
    return out;
}

static json_t *info_create(const tm_tiny_bundle *options, const char *target, tm_task task) {
    const char *name = options->model != NULL ? options->model : "tiny";
    json_t *info =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:{s:f, s:i}}", "model", name, "task",
                  tm__task_text(task), "target", target, "learner", "baseline", "metric",
                  task == TM_TASK_REGRESSION ? "rmse" : "auc", "test",
                  task == TM_TASK_REGRESSION ? "rmse" : "auc", options->auc, "n_rows", 20);
    assert_non_null(info);
    if (task == TM_TASK_BINARY) {
        json_object_set_new(info, "classes", json_pack("[s, s]", "no", "yes"));
        json_object_set_new(info, "positive", json_string("yes"));
        json_object_set_new(info, "threshold", json_pack("{s:f, s:s}", "value", 0.5, "reason", ""));
    }
    if (options->entity != NULL) {
        json_object_set_new(info, "entity", json_string(options->entity));
    }
    if (options->time != NULL) {
        json_object_set_new(info, "time", json_string(options->time));
    }
    if (options->windows != NULL) {
        json_object_set_new(info, "windows", json_deep_copy(options->windows));
    }
    if (options->events != NULL) {
        json_object_set_new(info, "event_snapshots", json_deep_copy(options->events));
    }
    if (options->continues) {
        json_object_set_new(info, "continues", json_pack("{s:s}", "how", "update"));
    }
    if (options->recipe != NULL) {
        json_t *recipe = json_loads(options->recipe, 0, NULL);
        assert_non_null(recipe);
        json_object_set_new(info, "recipe", recipe);
    }
    return info;
}

tm_bundle *tm__tiny_bundle_create(const tm_home *home, const tm_tiny_bundle *options) {
    const char *target = options->target != NULL ? options->target : "y";
    const tm_task task = options->task == NULL ? TM_TASK_BINARY : tm__task_from_text(options->task);
    tm_table *table = rows_create(task == TM_TASK_REGRESSION, target);
    const tm_tiny_fit fitted = fit(table, target, task);
    json_t *info = info_create(options, target, task);
    json_t *notes = json_object();
    tm_buf bytes;
    tm_hash hash;
    tm_bundle *bundle = NULL;
    tm_err err = {0};
    tm__buf_init(&bytes, 16u << 20);
    const tm_bundle_parts parts = {
        .program = fitted.program, .model = fitted.model, .info = info, .notes = notes};
    if (tm__bundle_write(&parts, &bytes, &hash, &err) != TM_OK ||
        tm__home_bundle_save(home, &hash, bytes.data, bytes.len, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    char *path = tm__home_bundle_path(home, &hash);
    if (tm__bundle_open(path, &bundle, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    tm__mem_free(path);
    tm__buf_done(&bytes);
    json_decref(info);
    json_decref(notes);
    tm__model_free(fitted.model);
    tm__program_free(fitted.program);
    tm__table_unref(table);
    return bundle;
}

tm_registry *tm__tiny_registry_open(const tm_home *home, int n) {
    static const tm_actor actor = {.name = "test"};
    tm_registry *registry = NULL;
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    for (int i = 0; i < n; i++) {
        tm_version version = {0};
        tm_bundle *bundle = tm__tiny_bundle_create(home, &(tm_tiny_bundle){.auc = 0.5 + 0.01 * i});
        assert_int_equal(tm__registry_add(registry, "late", bundle, NULL, &actor, &version, NULL),
                         TM_OK);
        tm__version_done(&version);
        tm__bundle_unref(bundle);
    }
    return registry;
}
