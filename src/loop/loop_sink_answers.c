/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scores of a batch, the rows that are written and the answers that are logged.
 *
 *     written   passed columns | prediction | probability, or probability_CLASS ...
 *                              | prediction_id | model | version | scored_at
 *     logged    inputs of the model, time and entity: as a server logs them
 *
 * Everything but the scores is a function of the plan, and the scores are one of rows and bundle,
 * so a batch that is computed again is the same bytes.
 */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "guard/guard.h"
#include "loop/loop_sink_priv.h"
#include "model/bundle_windows.h"
#include "monitor/monitor_table.h"
#include "table/schema.h"

#define NAME_BYTES_MAX 65536u
#define LOG_BYTES ((size_t)8 << 20) /* handed to the log at a time */

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for the answers of a sink");
}

/* ---- Columns ---- */

json_t *tm__sink_passed(const tm_sink_run *run, const tm_bundle *bundle, const tm_table *rows) {
    json_t *names = json_array();
    for (uint32_t i = 0; i < run->n_keys; i++) {
        json_array_append_new(names, json_string(run->keys[i]));
    }
    for (uint32_t i = 0; run->n_keys == 0 && i < tm__table_cols(rows); i++) {
        const char *name = tm__table_column(rows, i)->name;
        if (tm__schema_find(tm__bundle_schema(bundle), tm__str(name)) == UINT32_MAX &&
            tm__renames_find(tm__bundle_renames(bundle), name) == NULL &&
            strcmp(name, tm__bundle_target(bundle)) != 0) {
            json_array_append_new(names, json_string(name));
        }
    }
    return names;
}

static tm_status check_name(const char *name, tm_err *err) {
    static const char *const own[] = {"prediction", "prediction_id", "model", "version",
                                      "scored_at"};
    const tm_str text = tm__str(name);
    bool is_own = text.len >= 11 && tm__str_is_nocase((tm_str){text.ptr, 11}, "probability");
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        is_own = is_own || tm__str_is_nocase(text, own[i]);
    }
    if (!is_own) {
        return TM_OK;
    }
    const tm_status st = TM_FAIL(err, TM_E_DATA, "column '%s' has the name of an answer", name);
    tm_err_hint(err, "Rename it where it comes from, or name other columns as the sink's key.");
    return st;
}

static tm_status add_passed(const tm_sink_batch *batch, const json_t *passed, tm_table_builder *to,
                            tm_err *err) {
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach(passed, i, item) {
        const char *name = json_string_value(item);
        const uint32_t at = tm__table_find(batch->rows, name);
        TM_TRY(check_name(name, err));
        if (at == UINT32_MAX) {
            const tm_status st = TM_FAIL(err, TM_E_DATA, "the input has no column '%s'", name);
            tm_err_hint(err, "The sink writes it beside each answer; name other columns as key.");
            return st;
        }
        TM_TRY(tm__builder_add_column(to, name, tm__table_column(batch->rows, at)->type, err));
    }
    return TM_OK;
}

static tm_status add_answer_columns(const tm_sink_batch *batch, tm_table_builder *to, tm_err *err) {
    const tm_task task = tm__bundle_task(batch->bundle);
    const bool has_classes = task == TM_TASK_BINARY || task == TM_TASK_MULTICLASS;
    TM_TRY(
        tm__builder_add_column(to, "prediction", has_classes ? TM_TYPE_TEXT : TM_TYPE_FLOAT, err));
    if (task == TM_TASK_BINARY) {
        TM_TRY(tm__builder_add_column(to, "probability", TM_TYPE_FLOAT, err));
    }
    for (uint32_t k = 0; task == TM_TASK_MULTICLASS && k < tm__bundle_outputs(batch->bundle); k++) {
        tm_buf name;
        tm__buf_init(&name, NAME_BYTES_MAX);
        (void)tm__buf_printf(&name, "probability_%s", tm__bundle_class(batch->bundle, k));
        const tm_status st =
            name.failed ? no_memory(err)
                        : tm__builder_add_column(to, (const char *)name.data, TM_TYPE_FLOAT, err);
        tm__buf_done(&name);
        TM_TRY(st);
    }
    TM_TRY(tm__builder_add_column(to, "prediction_id", TM_TYPE_TEXT, err));
    TM_TRY(tm__builder_add_column(to, "model", TM_TYPE_TEXT, err));
    TM_TRY(tm__builder_add_column(to, "version", TM_TYPE_INT, err));
    return tm__builder_add_column(to, "scored_at", TM_TYPE_TIME, err);
}

/* ---- Values ---- */

static tm_status fill_passed(const tm_sink_batch *batch, const json_t *passed, tm_table_builder *to,
                             tm_err *err) {
    for (uint32_t col = 0; col < json_array_size(passed); col++) {
        const char *name = json_string_value(json_array_get(passed, col));
        const tm_column *from = tm__table_column(batch->rows, tm__table_find(batch->rows, name));
        if (from->ints != NULL) {
            memcpy(tm__builder_ints(to, col), from->ints, batch->n_rows * sizeof(int64_t));
        } else if (from->floats != NULL) {
            memcpy(tm__builder_floats(to, col), from->floats, batch->n_rows * sizeof(double));
        }
        for (uint64_t row = 0; from->codes != NULL && row < batch->n_rows; row++) {
            const uint32_t code = from->codes[row];
            const uint32_t own =
                code == TM_CODE_MISSING
                    ? code
                    : tm__dict_add(tm__builder_dict(to, col), tm__dict_get(from->dict, code));
            if (own == TM_CODE_MISSING && code != TM_CODE_MISSING) {
                return no_memory(err);
            }
            tm__builder_codes(to, col)[row] = own;
        }
    }
    return TM_OK;
}

static tm_status fill_texts(tm_table_builder *to, uint32_t col, const char *text, uint64_t n_rows,
                            tm_err *err) {
    const uint32_t code = tm__dict_add(tm__builder_dict(to, col), tm__str(text));
    for (uint64_t row = 0; row < n_rows; row++) {
        tm__builder_codes(to, col)[row] = code;
    }
    return code == TM_CODE_MISSING ? no_memory(err) : TM_OK;
}

static tm_status fill_prediction(const tm_sink_batch *batch, tm_table_builder *to, uint32_t col,
                                 tm_err *err) {
    const tm_task task = tm__bundle_task(batch->bundle);
    const uint32_t n_outputs = tm__bundle_outputs(batch->bundle);
    if (task != TM_TASK_BINARY && task != TM_TASK_MULTICLASS) {
        memcpy(tm__builder_floats(to, col), batch->outputs, batch->n_rows * sizeof(double));
        return TM_OK;
    }
    for (uint32_t k = 0; k < tm__bundle_classes(batch->bundle); k++) {
        const tm_str name = tm__str(tm__bundle_class(batch->bundle, k));
        if (tm__dict_add(tm__builder_dict(to, col), name) == TM_CODE_MISSING) {
            return no_memory(err);
        }
    }
    for (uint64_t row = 0; row < batch->n_rows; row++) { /* classes differ: a code is a class */
        tm__builder_codes(to, col)[row] =
            tm__bundle_decide(batch->bundle, batch->outputs + row * n_outputs);
    }
    return TM_OK;
}

static tm_status fill_ids(const tm_sink_batch *batch, tm_table_builder *to, uint32_t col,
                          tm_err *err) {
    char id[27];
    for (uint64_t row = 0; row < batch->n_rows; row++) {
        tm__sink_answer_id(batch, row, id);
        const uint32_t code = tm__dict_add(tm__builder_dict(to, col), (tm_str){id, 26});
        if (code == TM_CODE_MISSING) {
            return no_memory(err);
        }
        tm__builder_codes(to, col)[row] = code;
    }
    return TM_OK;
}

static tm_status fill_answers(const tm_sink_batch *batch, tm_table_builder *to, uint32_t col,
                              tm_err *err) {
    const tm_task task = tm__bundle_task(batch->bundle);
    const uint32_t n_outputs = tm__bundle_outputs(batch->bundle);
    const bool has_classes = task == TM_TASK_BINARY || task == TM_TASK_MULTICLASS;
    TM_TRY(fill_prediction(batch, to, col++, err));
    for (uint32_t k = 0; has_classes && k < n_outputs; k++, col++) {
        double *values = tm__builder_floats(to, col);
        for (uint64_t row = 0; row < batch->n_rows; row++) {
            values[row] = batch->outputs[row * n_outputs + k];
        }
    }
    TM_TRY(fill_ids(batch, to, col++, err));
    TM_TRY(fill_texts(to, col++, batch->model, batch->n_rows, err));
    for (uint64_t row = 0; row < batch->n_rows; row++) {
        tm__builder_ints(to, col)[row] = batch->version;
        tm__builder_ints(to, col + 1)[row] = batch->at_us;
    }
    return TM_OK;
}

static tm_status make_result(tm_sink_batch *batch, const json_t *passed, tm_err *err) {
    tm_table_builder *to = tm__builder_create();
    tm_status st = to == NULL ? no_memory(err) : add_passed(batch, passed, to, err);
    st = st == TM_OK ? add_answer_columns(batch, to, err) : st;
    st = st == TM_OK ? tm__builder_reserve(to, batch->n_rows, err) : st;
    st = st == TM_OK ? fill_passed(batch, passed, to, err) : st;
    st = st == TM_OK ? fill_answers(batch, to, (uint32_t)json_array_size(passed), err) : st;
    if (st != TM_OK) {
        tm__builder_free(to);
        return st;
    }
    tm__builder_set_rows(to, batch->n_rows);
    return tm__builder_finish(to, &batch->result, err);
}

/* The rows as the model reads them, with its features over windows. */
static tm_status fit_rows(tm_ctx *ctx, tm_sink_batch *batch, tm_err *err) {
    tm_schema schema;
    tm_table *rows = NULL, *events = NULL;
    TM_TRY(tm__bundle_rows_schema(batch->bundle, &schema, err));
    tm_status st = tm__source_fit(batch->rows, &schema, batch->first, &rows, err);
    if (st == TM_OK && batch->history != NULL) {
        st = tm__source_fit(batch->history, &schema, 0, &events, err);
    }
    tm__schema_done(&schema);
    if (st == TM_OK) {
        const bool has_history = events != NULL || batch->others.n > 0;
        const tm_bundle_history history = {.tables = {.events = events,
                                                      .sources = batch->others.sources,
                                                      .n_sources = batch->others.n},
                                           .has_rows = batch->has_rows};
        st = tm__bundle_widen(ctx, batch->bundle, rows, has_history ? &history : NULL,
                              &batch->fitted, err);
    }
    tm__table_unref(rows);
    tm__table_unref(events);
    return st;
}

tm_status tm__sink_score(tm_ctx *ctx, tm_sink_batch *batch, const json_t *passed, tm_err *err) {
    TM_TRY(fit_rows(ctx, batch, err));
    batch->outputs =
        tm__mem_alloc(batch->n_rows * tm__bundle_outputs(batch->bundle), sizeof(double));
    if (batch->outputs == NULL) {
        return no_memory(err);
    }
    TM_TRY(tm__bundle_predict(ctx, batch->bundle, batch->fitted, NULL, batch->n_rows,
                              batch->outputs, err));
    return make_result(batch, passed, err);
}

void tm__sink_answer_id(const tm_sink_batch *batch, uint64_t row, char out[27]) {
    TM_ASSERT(row <= UINT32_MAX);
    const tm_id_parts parts = {.at_us = batch->at_us,
                               .high = (uint16_t)(batch->id_hash >> 32),
                               .low = batch->id_hash << 32 | row};
    tm__id_write(&parts, out);
}

/* ---- The log ---- */

static void append_answer(const tm_sink_batch *batch, tm_table_log *log, uint64_t row,
                          tm_buf *out) {
    const uint32_t n_outputs = tm__bundle_outputs(batch->bundle);
    tm_table_answer answer = {
        .row = row, .outputs = batch->outputs + row * n_outputs, .n_outputs = n_outputs};
    tm__sink_answer_id(batch, row, answer.id);
    (void)tm__table_log_append(log, &answer, out); /* a failure stays in the buffer */
}

static tm_status log_rows(const tm_sink_batch *batch, tm_table_log *rows, uint64_t first,
                          tm_job_log *log, tm_err *err) {
    tm_buf bytes;
    tm_status st = TM_OK;
    tm__buf_init(&bytes, TM_MONITOR_BYTES);
    for (uint64_t row = first; st == TM_OK && row < batch->n_rows;) {
        tm__buf_reset(&bytes);
        while (row < batch->n_rows && bytes.len < LOG_BYTES && !bytes.failed) {
            append_answer(batch, rows, row++, &bytes);
        }
        const tm_answers answers = {.bytes = &bytes, .at_us = batch->at_us};
        st = bytes.failed ? no_memory(err) : tm__job_log_add(log, &answers, err);
    }
    tm__buf_done(&bytes);
    return st;
}

tm_status tm__sink_log(const tm_sink_batch *batch, tm_job_log *log, tm_err *err) {
    tm_table_log rows = {0};
    uint64_t n_logged = 0;
    TM_TRY(tm__table_log_init(&rows, batch->bundle, err));
    tm__table_log_use(&rows, batch->fitted);
    const tm_stream_spec spec = {.route = batch->model,
                                 .arm = "batch",
                                 .model = batch->model,
                                 .version = batch->version,
                                 .columns = rows.names,
                                 .n_columns = rows.n};
    tm_status st = tm__job_log_begin(log, batch->id, &spec, &n_logged, err);
    st = st == TM_OK ? log_rows(batch, &rows, n_logged, log, err) : st;
    tm__table_log_done(&rows);
    return st;
}
