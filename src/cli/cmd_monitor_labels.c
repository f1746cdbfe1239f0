/* SPDX-License-Identifier: Apache-2.0 */
/* `monitor labels`: what came true, from a file, a query or a source, into the log beside the
 * server. */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/model_args.h"
#include "cli/train_words.h"
#include "monitor/monitor.h"

#define TEXT_BYTES ((size_t)4 << 30)
#define TOLD_MAX 10u

typedef struct job {
    tm_cli *cli;
    tm_place place;
    tm_table *table;
    const tm_column *id, *entity, *time, *known, *value; /* NULL: not a column of the labels */
    int64_t within_us;
    tm_arena *arena; /* of texts */
    tm_label *labels;
    tm_label_result *results;
    uint64_t *rows; /* [n] of the table, from 1 */
    uint64_t n, n_empty, n_other;
} job;

/* ---- reading ---- */

static tm_status find_column(const job *j, const char *name, const tm_column **out, tm_err *err) {
    const uint32_t col = tm__table_find(j->table, name);
    if (col == UINT32_MAX) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "the data has no column '%.128s'", name);
        tm_err_hint(err, "Name the columns of the labels with --id (or --entity and --time) and "
                         "--label.");
        return st;
    }
    *out = tm__table_column(j->table, col);
    return TM_OK;
}

static tm_status find_time(const job *j, const char *option, const tm_column **out, tm_err *err) {
    const char *name = tm__cli_text(j->cli, option);
    if (name == NULL) {
        return TM_OK;
    }
    TM_TRY(find_column(j, name, out, err));
    const tm_type type = (*out)->type;
    if (type != TM_TYPE_TIME && type != TM_TYPE_DATE && type != TM_TYPE_INT) {
        return TM_FAIL(err, TM_E_DATA, "column '%.128s' of --%s holds no times", name, option);
    }
    return TM_OK;
}

static tm_status find_columns(job *j, tm_err *err) {
    const char *entity = tm__cli_text(j->cli, "entity"), *value = tm__cli_text(j->cli, "label");
    if (entity != NULL && tm__cli_has(j->cli, "id")) {
        return TM_FAIL(err, TM_E_USAGE, "both --id and --entity are given");
    }
    if (entity == NULL && tm__cli_has(j->cli, "time")) {
        return TM_FAIL(err, TM_E_USAGE, "--time is for labels by --entity");
    }
    TM_TRY(entity != NULL ? find_column(j, entity, &j->entity, err)
                          : find_column(j, tm__cli_text(j->cli, "id"), &j->id, err));
    TM_TRY(
        find_column(j, value != NULL ? value : tm__bundle_target(j->place.bundle), &j->value, err));
    TM_TRY(find_time(j, "time", &j->time, err));
    return find_time(j, "known-at", &j->known, err);
}

/* Text of a cell, NULL for a missing one; *ok is false when out of memory. */
static const char *text_of(const job *j, const tm_column *column, uint64_t row, bool *ok) {
    const tm_cell cell = tm__column_cell(column, row);
    const char *text = NULL;
    tm_buf number;
    if (cell.type == TM_TYPE_NONE) {
        return NULL;
    }
    tm__buf_init(&number, 128);
    if (cell.type == TM_TYPE_TEXT) {
        text = tm__arena_strndup(j->arena, cell.text.ptr, cell.text.len);
    } else if (tm__cell_write_csv(&cell, &number)) {
        text = tm__arena_strndup(j->arena, (const char *)number.data, number.len);
    }
    tm__buf_done(&number);
    *ok = *ok && text != NULL;
    return text;
}

static tm_status bad_row(uint64_t row, const char *what, tm_err *err) {
    const tm_status st = TM_FAIL(err, TM_E_DATA, "%s", what);
    tm_err_at(err, NULL, row + 1, 0);
    return st;
}

static int64_t time_of(const tm_column *column, uint64_t row) {
    return column == NULL || tm__column_is_missing(column, row) ? TM_INT_MISSING
                                                                : column->ints[row];
}

static tm_status read_row(job *j, uint64_t row, tm_err *err) {
    bool ok = true;
    double number = 0;
    const tm_column *who = j->entity != NULL ? j->entity : j->id;
    const char *value = text_of(j, j->value, row, &ok), *name = text_of(j, who, row, &ok);
    if (!ok) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for the labels");
    }
    if (value == NULL) { /* not known yet */
        j->n_empty++;
        return TM_OK;
    }
    if (name == NULL) {
        return bad_row(row, "a label names neither a prediction nor an entity", err);
    }
    if (!tm__label_number(j->place.bundle, tm__str(value), &number)) {
        return bad_row(row, "a label is no number, and the model predicts one", err);
    }
    const uint32_t n_classes = tm__bundle_classes(j->place.bundle);
    j->n_other += n_classes > 0 && number == (double)n_classes;
    j->rows[j->n] = row + 1;
    j->labels[j->n++] = (tm_label){.prediction_id = j->entity == NULL ? name : NULL,
                                   .model = j->place.version.model,
                                   .entity = j->entity != NULL ? name : NULL,
                                   .event_us = time_of(j->time, row),
                                   .within_us = j->time != NULL ? j->within_us : 0,
                                   .value = value,
                                   .observed_us = time_of(j->known, row),
                                   .origin = "cli"};
    return TM_OK;
}

static tm_status read_labels(job *j, tm_ctx *ctx, tm_err *err) {
    json_t *recipe = NULL;
    TM_TRY(tm__cli_read_any(j->cli, ctx, tm__cli_arg(j->cli, "DATA"), &j->table, err));
    TM_TRY(find_columns(j, err));
    TM_TRY(tm__registry_recipe(j->place.registry, j->place.version.model, &recipe, err));
    j->within_us = tm__json_i64(json_object_get(recipe, "labels"), "within_us", 0);
    json_decref(recipe);
    const uint64_t n = tm__table_rows(j->table);
    j->arena = tm__arena_create(TEXT_BYTES);
    j->labels = tm__mem_zalloc(n, sizeof(*j->labels));
    j->results = tm__mem_zalloc(n, sizeof(*j->results));
    j->rows = tm__mem_zalloc(n, sizeof(*j->rows));
    if (j->arena == NULL || j->labels == NULL || j->results == NULL || j->rows == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for %llu labels", (unsigned long long)n);
    }
    for (uint64_t row = 0; row < n; row++) {
        TM_TRY(read_row(j, row, err));
    }
    return TM_OK;
}

/* ---- saying ---- */

static json_t *conflict_rows(const job *j) {
    json_t *rows = json_array();
    for (uint64_t i = 0; i < j->n && json_array_size(rows) < TOLD_MAX; i++) {
        if (j->results[i] == TM_LABEL_CONFLICT) {
            json_array_append_new(rows, json_integer((json_int_t)j->rows[i]));
        }
    }
    return rows;
}

static void print_words(const job *j, const json_t *result) {
    char a[32], b[32], c[32], d[32];
    const json_t *rows = json_object_get(result, "conflict_rows"), *row = NULL;
    size_t i = 0;
    tm__cli_print(j->cli,
                  "%s labels joined their answer, %s are of no answer yet, %s were there, "
                  "%s disagree with one that stands\n",
                  tm__count_text(tm__json_i64(result, "joined", 0), a),
                  tm__count_text(tm__json_i64(result, "unknown", 0), b),
                  tm__count_text(tm__json_i64(result, "duplicates", 0), c),
                  tm__count_text(tm__json_i64(result, "conflicts", 0), d));
    if (json_array_size(rows) > 0) {
        tm__cli_print(j->cli, "  rows that disagree, and were kept out:");
        json_array_foreach(rows, i, row) {
            tm__cli_print(j->cli, " %lld", (long long)json_integer_value(row));
        }
        tm__cli_print(j->cli, "%s\n",
                      tm__json_i64(result, "conflicts", 0) > (int64_t)i ? " ..." : "");
    }
    if (j->n_empty > 0) {
        tm__cli_print(j->cli, "  %s rows have no label yet\n",
                      tm__count_text((int64_t)j->n_empty, a));
    }
    if (j->n_other > 0) {
        tm__cli_warn(j->cli, "%s labels are no class that '%s' knows",
                     tm__count_text((int64_t)j->n_other, a), j->place.version.model);
    }
}

static tm_status say(const job *j, tm_err *err) {
    uint64_t counts[5] = {0};
    for (uint64_t i = 0; i < j->n; i++) {
        counts[j->results[i]]++;
    }
    json_t *result = json_pack(
        "{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "model", j->place.version.model,
        "rows", (json_int_t)tm__table_rows(j->table), "joined",
        (json_int_t)(counts[TM_LABEL_JOINED] + counts[TM_LABEL_AMBIGUOUS]), "unknown",
        (json_int_t)counts[TM_LABEL_WAITING], "duplicates", (json_int_t)counts[TM_LABEL_DUPLICATE],
        "conflicts", (json_int_t)counts[TM_LABEL_CONFLICT], "ambiguous",
        (json_int_t)counts[TM_LABEL_AMBIGUOUS], "without_label", (json_int_t)j->n_empty,
        "other_class", (json_int_t)j->n_other, "conflict_rows", conflict_rows(j));
    const tm_status st = tm__json_check(err);
    if (st == TM_OK && j->cli->json) {
        tm__cli_print_object(j->cli, "tidemill.monitor_labels/1", result);
    } else if (st == TM_OK) {
        print_words(j, result);
    }
    json_decref(result);
    return st;
}

static tm_status run(job *j, tm_ctx *ctx, tm_err *err) {
    uint64_t done = 0;
    TM_TRY(tm__place_open_version(j->cli, tm__cli_arg(j->cli, "MODEL"), &j->place, err));
    TM_TRY(read_labels(j, ctx, err));
    const tm_status st =
        tm__monitor_labels_beside(j->place.home, ctx, j->labels, j->n, j->results, &done, err);
    if (done > 0) {
        tm__cli_did(j->cli, "%llu labels are stored", (unsigned long long)done);
    }
    TM_TRY(st);
    return say(j, err);
}

tm_status cmd_monitor_labels(tm_cli *cli, tm_err *err) {
    tm_ctx ctx = {0};
    job j = {.cli = cli};
    tm_status st = tm__cli_ctx_init(cli, 0, &ctx, err);
    if (st == TM_OK) {
        st = run(&j, &ctx, err);
    }
    tm__arena_free(j.arena);
    tm__mem_free(j.labels);
    tm__mem_free(j.results);
    tm__mem_free(j.rows);
    tm__table_unref(j.table);
    tm__place_close(&j.place);
    tm__cli_ctx_done(&ctx);
    return st;
}
