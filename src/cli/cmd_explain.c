/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain: the parts of one answer.
 *
 *   row typed in (with a history: its features over windows are added) ─┬─> cells ──> parts ──>
 * words row of the log, by the id of its answer ────────────────────────────┘
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "cli/audit_note.h"
#include "cli/cli.h"
#include "cli/history.h"
#include "cli/model_args.h"
#include "monitor/monitor.h"

typedef struct part {
    double value;
    uint32_t input;
} part;

static int compare_parts(const void *a, const void *b) {
    const part *x = a;
    const part *y = b;
    const double dx = fabs(x->value);
    const double dy = fabs(y->value);
    if (dx != dy) {
        return dx > dy ? -1 : 1;
    }
    return x->input < y->input ? -1 : x->input > y->input;
}

/* A member of a row as a cell; arrays and objects are no values. */
static tm_status cell_from_json(const json_t *value, const char *name, tm_cell *out, tm_err *err) {
    *out = (tm_cell){0};
    if (json_is_string(value)) {
        *out = (tm_cell){.type = TM_TYPE_TEXT,
                         .text = {json_string_value(value), json_string_length(value)}};
    } else if (json_is_integer(value)) {
        *out = (tm_cell){.type = TM_TYPE_INT, .i64 = json_integer_value(value)};
    } else if (json_is_real(value)) {
        *out = (tm_cell){.type = TM_TYPE_FLOAT, .f64 = json_real_value(value)};
    } else if (json_is_boolean(value)) {
        *out = (tm_cell){.type = TM_TYPE_BOOL, .i64 = json_is_true(value)};
    } else if (value != NULL && !json_is_null(value)) {
        return TM_FAIL(err, TM_E_DATA, "column '%s' holds an array or an object", name);
    }
    return TM_OK;
}

static void hint_column(const tm_schema *schema, const char *name, tm_err *err) {
    const char *names[TM_MAX_COLS];
    for (uint32_t c = 0; c < schema->n_cols; c++) {
        names[c] = schema->cols[c].name;
    }
    const char *const near = tm__str_nearest(tm__str(name), names, schema->n_cols);
    if (near != NULL) {
        tm_err_hint(err, "Did you mean '%s'?", near);
    }
}

static tm_status cells_from_row(const tm_schema *schema, const json_t *row, tm_cell *cells,
                                char (*texts)[32], tm_err *err) {
    const char *name = NULL;
    json_t *value = NULL;
    bool coerced = false;
    json_object_foreach((json_t *)(uintptr_t)row, name, value) {
        if (tm__schema_find(schema, tm__str(name)) == UINT32_MAX) {
            (void)TM_FAIL(err, TM_E_DATA, "the model reads no column '%s'", name);
            hint_column(schema, name, err);
            return TM_E_DATA;
        }
    }
    for (uint32_t c = 0; c < schema->n_cols; c++) {
        const tm_schema_column *column = &schema->cols[c];
        TM_TRY(cell_from_json(json_object_get(row, column->name), column->name, &cells[c], err));
        TM_TRY(tm__cell_fit(column, &cells[c], texts[c], &coerced, err));
    }
    return TM_OK;
}

/* A logged row also has the columns that say whose it is and when, which no model reads. */
static json_t *read_of(const tm_schema *schema, const json_t *row) {
    json_t *out = json_object();
    for (uint32_t c = 0; c < schema->n_cols; c++) {
        json_t *value = json_object_get(row, schema->cols[c].name);
        if (value != NULL) {
            json_object_set(out, schema->cols[c].name, value);
        }
    }
    return out;
}

/* ROW is an object typed in, or the id of an answer in the log. */
static tm_status find_row(const tm_place *place, const char *text, json_t **out, tm_err *err) {
    const tm_home *const home = place->home;
    if (text[0] == '{') {
        TM_TRY(tm__json_parse(text, strlen(text), TM_MAX_JSON_DEPTH, out, err));
        return TM_OK;
    }
    tm_monitor *monitor = NULL;
    json_t *answer = NULL;
    const tm_monitor_options options = {.can_write = false};
    TM_TRY(tm__monitor_open(home, &options, &monitor, err));
    const tm_status st = tm__monitor_find(monitor, text, &answer, err);
    tm__monitor_close(monitor);
    if (st != TM_OK) {
        tm_err_hint(err, "Give a prediction id, or a row as a JSON object.");
        return st;
    }
    const tm_cli_deed deed = {.event = "answer.read",
                              .kind = "prediction",
                              .name = text,
                              .model = place->version.model,
                              .subject_id = tm__str(tm__json_text(answer, "entity", ""))};
    const tm_status noted = tm__cli_audit(home, &deed, err);
    if (noted == TM_OK) {
        *out = read_of(tm__bundle_schema(place->bundle), json_object_get(answer, "row"));
    }
    json_decref(answer);
    return noted;
}

static json_t *parts_to_json(const tm_schema *schema, const part *parts, uint32_t n) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < n; i++) {
        json_array_append_new(list,
                              json_pack("{s:s, s:o}", "column", schema->cols[parts[i].input].name,
                                        "contribution", tm__json_number(parts[i].value)));
    }
    return list;
}

static void print_parts(tm_cli *cli, const tm_place *place, const part *parts, uint32_t n,
                        const double *answer, const double *sums) {
    const tm_bundle *bundle = place->bundle;
    const tm_schema *schema = tm__bundle_schema(bundle);
    const tm_task task = tm__bundle_task(bundle);
    const uint32_t decided = tm__bundle_decide(bundle, answer);
    const uint32_t output = task == TM_TASK_MULTICLASS ? decided : 0;
    const char *decision =
        tm__bundle_classes(bundle) == 0 ? NULL : tm__bundle_class(bundle, decided);
    if (cli->json) {
        json_t *result = json_pack(
            "{s:s, s:s, s:I, s:o, s:o, s:o, s:o}", "schema", "tidemill.explain/1", "model",
            place->version.model, "version", (json_int_t)place->version.number, "prediction",
            decision != NULL ? tm__bundle_class_json(bundle, decided) : tm__json_number(answer[0]),
            "base", tm__json_number(sums[0]), "raw", tm__json_number(sums[1]), "reasons",
            parts_to_json(schema, parts, n));
        if (decision != NULL) {
            json_object_set_new(result, "probability", tm__json_number(answer[output]));
        }
        tm__cli_print_json(cli, result);
        json_decref(result);
        return;
    }
    if (decision != NULL) {
        tm__cli_print(cli, "%s version %u answers '%s' (probability %.4g)\n", place->version.model,
                      place->version.number, decision, answer[output]);
    } else {
        tm__cli_print(cli, "%s version %u answers %.6g\n", place->version.model,
                      place->version.number, answer[0]);
    }
    const bool is_log = tm__model_link_of(tm__bundle_model(bundle)) == TM_LINK_EXP;
    tm__cli_print(cli, "starting from %+.4f%s\n", sums[0],
                  decision != NULL ? " (log-odds)" : (is_log ? " (of its log)" : ""));
    const char *titles[] = {"  column", "adds"};
    tm_cli_table table;
    tm__cli_table_init(&table, 2, titles);
    for (uint32_t i = 0; i < n; i++) {
        tm__cli_cell(&table, "  %s", schema->cols[parts[i].input].name);
        tm__cli_cell(&table, "%+.4f", parts[i].value);
    }
    tm__cli_table_print(cli, &table);
    tm__cli_print(cli, "  in all %+.4f\n", sums[1]);
}

/* A server refuses a row that lacks a column; here it may be left out, and that is said. */
static void note_absent(tm_cli *cli, const tm_schema *schema, const json_t *row) {
    const char *first = NULL;
    uint32_t n = 0;
    for (uint32_t c = 0; c < schema->n_cols; c++) {
        if (json_object_get(row, schema->cols[c].name) == NULL) {
            first = first == NULL ? schema->cols[c].name : first;
            n++;
        }
    }
    if (n == 1) {
        tm__cli_note(cli, "the row has no '%s': taken as not known", first);
    } else if (n > 1) {
        tm__cli_note(cli, "the row has no '%s' and lacks %u more columns: taken as not known",
                     first, n - 1);
    }
}

static tm_status explain(tm_cli *cli, const tm_place *place, const json_t *row, tm_err *err) {
    const tm_bundle *bundle = place->bundle;
    const tm_schema *schema = tm__bundle_schema(bundle);
    const uint32_t n = schema->n_cols;
    double sums[2] = {0};
    tm_bundle_scratch *scratch = tm__bundle_scratch_create(bundle);
    tm_cell *cells = tm__mem_zalloc((size_t)n + 1, sizeof(*cells));
    char(*texts)[32] = tm__mem_zalloc((size_t)n + 1, sizeof(*texts));
    double *values = tm__mem_zalloc((size_t)n + 1, sizeof(double));
    double *answer = tm__mem_zalloc(tm__bundle_outputs(bundle), sizeof(double));
    part *parts = tm__mem_zalloc((size_t)n + 1, sizeof(*parts));
    tm_status st = TM_OK;
    if (scratch == NULL || cells == NULL || texts == NULL || values == NULL || answer == NULL ||
        parts == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "no memory to explain a row");
        goto out;
    }
    st = cells_from_row(schema, row, cells, texts, err);
    if (st != TM_OK) {
        goto out;
    }
    if (tm__cli_arg(cli, "ROW")[0] == '{') {
        note_absent(cli, schema, row);
    }
    tm__bundle_predict_row(bundle, scratch, cells, answer);
    const uint32_t output =
        tm__bundle_task(bundle) == TM_TASK_MULTICLASS ? tm__bundle_decide(bundle, answer) : 0;
    st = tm__bundle_explain_row(bundle, scratch, cells, output, values, &sums[0], &sums[1], err);
    if (st != TM_OK) {
        goto out;
    }
    for (uint32_t i = 0; i < n; i++) {
        parts[i] = (part){values[i], i};
    }
    qsort(parts, n, sizeof(*parts), compare_parts);
    const uint32_t top = (uint32_t)tm__cli_i64(cli, "top");
    print_parts(cli, place, parts, top < n ? top : n, answer, sums);
out:
    tm__bundle_scratch_free(scratch);
    tm__mem_free(cells);
    tm__mem_free(texts);
    tm__mem_free(values);
    tm__mem_free(answer);
    tm__mem_free(parts);
    return st;
}

/* A row typed in, as a table of one row with what its features look at. */
static tm_status table_of_row(const tm_schema *schema, const json_t *row, tm_table **out,
                              tm_err *err) {
    tm_table_builder *builder = tm__builder_create();
    tm_cell *cells = tm__mem_zalloc((size_t)schema->n_cols + 1, sizeof(*cells));
    char(*texts)[32] = tm__mem_zalloc((size_t)schema->n_cols + 1, sizeof(*texts));
    tm_status st = builder == NULL || cells == NULL || texts == NULL
                       ? TM_FAIL(err, TM_E_NOMEM, "no memory to explain a row")
                       : cells_from_row(schema, row, cells, texts, err);
    uint32_t n = 0;
    for (uint32_t c = 0; st == TM_OK && c < schema->n_cols; c++) {
        const tm_schema_column *const column = &schema->cols[c];
        if (json_object_get(row, column->name) != NULL) {
            cells[n++] = cells[c];
            st = tm__builder_add_column(builder, column->name, column->type, err);
        }
    }
    if (st == TM_OK) {
        st = tm__builder_add_row(builder, cells, err);
    }
    if (st == TM_OK) {
        st = tm__builder_finish(builder, out, err);
        builder = NULL;
    }
    tm__builder_free(builder);
    tm__mem_free(cells);
    tm__mem_free(texts);
    return st;
}

/* The features of a row typed in, by their names, from the events before it. */
static tm_status add_features(const tm_bundle *bundle, const tm_table *wide, json_t *row,
                              tm_err *err) {
    tm_window_set *set = NULL;
    TM_TRY(tm__bundle_windows(bundle, &set, err));
    for (uint32_t i = 0; i < tm__window_set_count(set); i++) {
        const char *const name = tm__window_set_name(set, i);
        const tm_column *const column = tm__table_column(wide, tm__table_find(wide, name));
        json_object_set_new(row, name, tm__json_number(column->floats[0]));
    }
    tm__window_set_free(set);
    return tm__json_check(err);
}

/* Only what the model reads stays in the row. */
static void keep_inputs(const tm_bundle *bundle, json_t *row) {
    const char *name = NULL;
    json_t *value = NULL;
    void *next = NULL;
    json_object_foreach_safe(row, next, name, value) {
        if (tm__schema_find(tm__bundle_schema(bundle), tm__str(name)) == UINT32_MAX) {
            json_object_del(row, name);
        }
    }
}

static tm_status widen_row(tm_cli *cli, const tm_place *place, json_t *row, tm_err *err) {
    const tm_bundle *const bundle = place->bundle;
    tm_ctx ctx = {0};
    tm_schema schema;
    tm_table *table = NULL, *wide = NULL;
    tm_cli_history history = {0};
    TM_TRY(tm__bundle_rows_schema(bundle, &schema, err));
    tm_status st = table_of_row(&schema, row, &table, err);
    tm__schema_done(&schema);
    if (st == TM_OK) {
        st = tm__cli_ctx_init(cli, 0, &ctx, err);
    }
    if (st == TM_OK) {
        st = tm__cli_read_history(cli, &ctx, place, NULL, &history, err);
    }
    if (st == TM_OK) {
        st = tm__bundle_widen(&ctx, bundle, table, history.is_given ? &history.history : NULL,
                              &wide, err);
    }
    if (st == TM_OK && history.is_given) {
        st = add_features(bundle, wide, row, err);
    }
    keep_inputs(bundle, row);
    tm__table_unref(wide);
    tm__table_unref(table);
    tm__cli_history_done(&history);
    tm__cli_ctx_done(&ctx);
    return st;
}

tm_status cmd_explain(tm_cli *cli, tm_err *err) {
    tm_place place = {0};
    json_t *row = NULL;
    TM_TRY(tm__place_open_version(cli, tm__cli_arg(cli, "MODEL"), &place, err));
    tm_status st = find_row(&place, tm__cli_arg(cli, "ROW"), &row, err);
    if (st == TM_OK && !json_is_object(row)) {
        st = TM_FAIL(err, TM_E_DATA, "the row is no JSON object");
    }
    const bool is_typed = tm__cli_arg(cli, "ROW")[0] == '{'; /* the log has all of a row */
    if (st == TM_OK && is_typed &&
        (tm__bundle_has_windows(place.bundle) || tm__cli_has_history(cli))) {
        st = widen_row(cli, &place, row, err);
    }
    if (st == TM_OK) {
        st = explain(cli, &place, row, err);
    }
    json_decref(row);
    tm__place_close(&place);
    return st;
}
