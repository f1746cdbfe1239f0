/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One walk over what a home holds of everybody, keeping what is of some subjects.
 *
 *   intake.db, segments ──> sources ┐
 *   snapshots of versions ──────────┼──> JSON
 *   log.db ──> answers with labels ─┘
 *
 * A snapshot that several versions learned from is read once for each: they may name their entity
 * otherwise.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "loop/subject.h"
#include "loop/subject_consent.h"
#include "loop/subject_ids.h"
#include "loop/subject_scan.h"
#include "loop/subject_sinks.h"
#include "monitor/monitor_walk.h"
#include "source/intake.h"
#include "source/source.h"
#include "table/schema.h"
#include "table/whose.h"

#define ROW_BYTES_MAX (16u << 20)

typedef struct finding {
    tm_ctx *ctx;
    const tm_home *home;
    tm_registry *registry;
    const tm_subject_ask *ask;
    json_t *sources, *versions, *answers, *delivered, *rest; /* borrowed from the result */
    tm_monitor *monitor;                                     /* NULL: there is no log */
    uint64_t n_answers;
    tm_buf text;
} finding;

static void leave_out(finding *f, const char *kind, const char *name, const char *why) {
    json_t *what = json_sprintf("%s:%s", kind, name);
    json_array_append_new(f->rest, json_pack("{s:o, s:s}", "what", what, "why", why));
}

/* ---- Rows of a table ---- */

static tm_status take_row(finding *f, const tm_table *table, uint64_t row, json_t *rows,
                          tm_err *err) {
    json_t *item = NULL;
    const uint32_t n = tm__table_cols(table);
    tm__buf_reset(&f->text);
    tm__buf_byte(&f->text, '{');
    for (uint32_t c = 0; c < n; c++) {
        const tm_column *const column = tm__table_column(table, c);
        const tm_cell cell = tm__column_cell(column, row);
        tm__buf_text(&f->text, c == 0 ? "" : ",");
        tm__json_write_text(&f->text, tm__str(column->name));
        tm__buf_byte(&f->text, ':');
        tm__cell_write_json(&cell, &f->text);
    }
    if (!tm__buf_byte(&f->text, '}')) {
        return tm__buf_status(&f->text) == TM_E_LIMIT
                   ? TM_FAIL(err, TM_E_LIMIT, "a row is longer than 16 MiB")
                   : TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    TM_TRY(tm__json_parse(f->text.data, f->text.len, TM_MAX_JSON_DEPTH, &item, err));
    json_array_append_new(rows, item);
    return TM_OK;
}

/* Rows in which any of the columns is an id; rows NULL: they are only counted. */
static tm_status take_rows(finding *f, const tm_table *table, const json_t *names, json_t *rows,
                           uint64_t *counts, uint64_t *out_n, tm_err *err) {
    const uint64_t n_rows = tm__table_rows(table);
    uint8_t *is_theirs = tm__mem_alloc(n_rows + 1, 1);
    tm_status st = is_theirs == NULL
                       ? TM_FAIL(err, TM_E_NOMEM, "out of memory")
                       : tm__whose_rows(table, names, f->ask->ids, is_theirs, out_n, counts, err);
    for (uint64_t row = 0; st == TM_OK && rows != NULL && row < n_rows; row++) {
        st = is_theirs[row] ? take_row(f, table, row, rows, err) : TM_OK;
    }
    tm__mem_free(is_theirs);
    return st;
}

/* ---- Sources ---- */

static tm_status tell_consent(finding *f, const json_t *source, json_t **out, tm_err *err) {
    const tm_str id = tm__dict_get(f->ask->ids, 0);
    tm__buf_reset(&f->text);
    tm__buf_append(&f->text, id.ptr, id.len);
    if (!tm__buf_byte(&f->text, '\0')) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    return tm__subject_consent(f->ctx, f->home, source, (const char *)f->text.data, out, err);
}

static tm_status look_in_source(finding *f, const json_t *source, const json_t *columns,
                                tm_err *err) {
    const char *const name = tm__json_text(source, "source", "");
    tm_table *table = NULL;
    json_t *consent = NULL;
    uint64_t n = 0;
    json_t *rows = f->ask->counts_only ? NULL : json_array();
    tm_status st = tm__intake_table(f->ctx, f->home, name, &table, err);
    st = st == TM_OK ? take_rows(f, table, columns, rows, f->ask->counts.rows, &n, err) : st;
    if (st == TM_OK && n > 0 && f->ask->counts_only) {
        const tm_subject_rows theirs = {
            .source = name, .table = table, .columns = columns, .ids = f->ask->ids};
        st = tm__subject_delivered(f->home, &theirs, f->delivered, err);
    }
    tm__table_unref(table);
    if (st == TM_OK && n > 0 && !f->ask->counts_only) {
        st = tell_consent(f, source, &consent, err);
    }
    if (st == TM_OK && n > 0) {
        json_array_append_new(f->sources, json_pack("{s:s, s:O, s:I, s:O*, s:O*}", "source", name,
                                                    "columns", columns, "n", (json_int_t)n, "rows",
                                                    rows, "consent", consent));
    }
    json_decref(consent);
    json_decref(rows);
    return st;
}

static tm_status look_in_sources(finding *f, tm_err *err) {
    json_t *list = NULL;
    size_t i = 0;
    const json_t *one = NULL;
    if (tm__fs_info(tm__home_intake_db(f->home)).kind == TM_PATH_NONE) {
        return TM_OK;
    }
    TM_TRY(tm__intake_list(f->home, &list, err));
    tm_status st = TM_OK;
    json_array_foreach(list, i, one) {
        const char *const name = tm__json_text(one, "source", "");
        json_t *source = NULL;
        if (st != TM_OK || tm__json_i64(one, "rows", 0) == 0) {
            continue;
        }
        st = tm__intake_show(f->home, name, &source, err);
        json_t *columns = tm__subject_columns_of_source(source);
        if (st == TM_OK && json_array_size(columns) == 0) {
            leave_out(f, "source", name, "it has neither a column of role entity nor a key");
        } else if (st == TM_OK) {
            st = look_in_source(f, source, columns, err);
        }
        json_decref(columns);
        json_decref(source);
    }
    json_decref(list);
    return st;
}

/* ---- Versions ---- */

static tm_status look_in_snapshot(finding *f, const tm_version *version, const char *hash,
                                  const json_t *columns, tm_err *err) {
    tm_table *table = NULL;
    tm_hash name;
    tm_err inner = {0};
    uint64_t n = 0;
    if (!tm__hash_from_text(hash, &name)) {
        return TM_OK;
    }
    tm_status st = tm__snapshot_load(f->ctx, tm__home_snapshots(f->home), &name, &table, &inner);
    if (st == TM_E_NOT_FOUND) {
        leave_out(f, "snapshot", hash, "it is gone");
        return TM_OK;
    }
    if (st != TM_OK && err != NULL) {
        *err = inner;
    }
    json_t *rows = f->ask->counts_only ? NULL : json_array();
    st = st == TM_OK ? take_rows(f, table, columns, rows, f->ask->counts.training_rows, &n, err)
                     : st;
    tm__table_unref(table);
    if (st == TM_OK && n > 0) {
        json_array_append_new(f->versions,
                              json_pack("{s:s, s:I, s:O, s:s, s:I, s:O*}", "model", version->model,
                                        "version", (json_int_t)version->number, "columns", columns,
                                        "snapshot", hash, "n", (json_int_t)n, "rows", rows));
    }
    json_decref(rows);
    return st;
}

/* Events and looked-up rows have keys of their own, which the record does not call a subject. */
static void leave_out_events(finding *f, const tm_version *version) {
    const char *name = NULL;
    json_t *hash = NULL;
    json_object_foreach(json_object_get(version->info, "event_snapshots"), name, hash) {
        leave_out(f, "snapshot", json_string_value(hash),
                  "rows of another source that features are made of: no column of it is declared "
                  "to name a subject");
    }
}

/* Rows of one that was collected went with it. */
static tm_status look_in_version(void *arg, const tm_version *version, tm_err *err) {
    finding *const f = arg;
    const char *const test = tm__json_text(version->info, "test_snapshot", "");
    json_t *columns = NULL;
    if (strcmp(version->state, "collected") == 0) {
        return TM_OK;
    }
    TM_TRY(tm__subject_columns_of_version(f->home, version, &columns, err));
    tm_status st = TM_OK;
    leave_out_events(f, version);
    if (json_array_size(columns) == 0) {
        char name[TM_MAX_NAME + 16];
        (void)snprintf(name, sizeof(name), "%s@%u", version->model, version->number);
        leave_out(f, "version", name, "it was trained without an entity column");
    } else {
        st = look_in_snapshot(f, version, version->snapshot, columns, err);
        st = st == TM_OK ? look_in_snapshot(f, version, test, columns, err) : st;
    }
    json_decref(columns);
    return st;
}

/* ---- Answers ---- */

static json_t *outputs_of(const tm_walk_row *row) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < row->n_outputs; i++) {
        json_array_append_new(list, tm__json_number(row->outputs[i]));
    }
    return list;
}

static tm_status cells_of(finding *f, const tm_walk_row *row, json_t **out, tm_err *err) {
    tm__buf_reset(&f->text);
    if (!tm__row_write_json(row->names, row->cells, row->n_cells, &f->text)) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    return tm__json_parse(f->text.data, f->text.len, TM_MAX_JSON_DEPTH, out, err);
}

typedef struct walking {
    finding *f;
    const char *model;
    int64_t stream;  /* that columns are of; 0: none yet */
    json_t *columns; /* that hold ids in rows of its version; owned */
    uint64_t n;
} walking;

/* Versions whose record is gone have no columns: their answers are found by their entity. */
static tm_status columns_of_answer(walking *w, const tm_walk_row *row, tm_err *err) {
    char name[TM_MAX_NAME + 16];
    tm_version version = {0};
    if (w->stream == row->stream) {
        return TM_OK;
    }
    json_decref(w->columns);
    w->columns = NULL;
    (void)snprintf(name, sizeof(name), "%s@%u", w->model, row->version);
    tm_err inner = {0};
    tm_status st = tm__registry_find(w->f->registry, name, &version, &inner);
    if (st == TM_E_NOT_FOUND) {
        w->columns = json_array();
        st = tm__json_check(err);
    } else if (st == TM_OK) {
        st = tm__subject_columns_of_version(w->f->home, &version, &w->columns, err);
    } else if (err != NULL) {
        *err = inner;
    }
    tm__version_done(&version);
    w->stream = st == TM_OK ? row->stream : 0;
    return st;
}

/* Of its entity, else of the first column that names one: who else is named there is not counted.
 */
static tm_status whose(walking *w, const tm_walk_row *row, uint32_t *out, tm_err *err) {
    const tm_dict *const ids = w->f->ask->ids;
    *out = row->entity.ptr == NULL ? TM_CODE_MISSING : tm__dict_find(ids, row->entity);
    TM_TRY(columns_of_answer(w, row, err));
    for (uint32_t i = 0; i < row->n_cells && *out == TM_CODE_MISSING; i++) {
        if (!tm__json_has_text(w->columns, row->names[i])) {
            continue;
        }
        TM_TRY(tm__whose_cell(&row->cells[i], ids, &w->f->text, out, err));
    }
    return TM_OK;
}

static tm_status note_number(const finding *f, int64_t number, tm_err *err) {
    return f->ask->numbers == NULL || tm__buf_append(f->ask->numbers, &number, sizeof(number))
               ? TM_OK
               : TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

static tm_status take_answer(void *arg, const tm_walk_row *row, tm_err *err) {
    walking *const w = arg;
    finding *const f = w->f;
    json_t *cells = NULL;
    char at[48], known[48] = "";
    uint32_t id = TM_CODE_MISSING;
    TM_TRY(whose(w, row, &id, err));
    if (id == TM_CODE_MISSING) {
        return TM_OK;
    }
    if (f->ask->counts.answers != NULL) {
        f->ask->counts.answers[id]++;
    }
    f->n_answers++;
    w->n++;
    TM_TRY(note_number(f, row->number, err));
    if (f->ask->counts_only) {
        return TM_OK;
    }
    TM_TRY(cells_of(f, row, &cells, err));
    (void)tm__time_to_text(row->at_us, at);
    known[row->label == NULL ? 0 : tm__time_to_text(row->known_us, known)] = '\0';
    json_array_append_new(f->answers,
                          json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:o, s:o, s:s?, s:s?}", "id",
                                    row->id, "model", w->model, "version", (json_int_t)row->version,
                                    "route", row->route, "arm", row->arm == NULL ? "" : row->arm,
                                    "at", at, "row", cells, "outputs", outputs_of(row), "label",
                                    row->label, "label_known", row->label == NULL ? NULL : known));
    return TM_OK;
}

static tm_status look_in_answers(finding *f, const char *model, tm_err *err) {
    walking w = {.f = f, .model = model};
    const tm_walk_options options = {.model = model, .from_us = INT64_MIN, .until_us = INT64_MAX};
    const tm_status st = tm__monitor_walk(f->monitor, &options, take_answer, &w, err);
    json_decref(w.columns);
    if (st == TM_OK && f->ask->counts_only && w.n > 0) {
        json_array_append_new(f->answers,
                              json_pack("{s:s, s:I}", "model", model, "n", (json_int_t)w.n));
    }
    return st;
}

/* ---- All ---- */

static tm_status look_in_model(tm_registry *registry, const char *model, void *arg, tm_err *err) {
    finding *const f = arg;
    TM_TRY(tm__registry_each_version(registry, model, look_in_version, f, err));
    return f->monitor != NULL ? look_in_answers(f, model, err) : TM_OK;
}

static tm_status look(finding *f, tm_err *err) {
    static const tm_monitor_options reading = {.can_write = false};
    TM_TRY(look_in_sources(f, err));
    if (tm__fs_info(tm__home_log_db(f->home)).kind != TM_PATH_NONE) {
        TM_TRY(tm__monitor_open(f->home, &reading, &f->monitor, err));
    }
    tm_status st = tm__registry_each_model(f->registry, look_in_model, f, err);
    tm__monitor_close(f->monitor);
    st = st == TM_OK ? tm__subject_unnamed(f->home, f->registry, f->rest, err) : st;
    return st == TM_OK ? tm__json_check(err) : st;
}

tm_status tm__subject_find(tm_ctx *ctx, const tm_home *home, tm_registry *registry,
                           const tm_subject_ask *ask, json_t **out, tm_err *err) {
    json_t *found = json_pack("{s:[], s:[], s:[], s:[], s:[]}", "sources", "versions", "answers",
                              "delivered", "not_looked_into");
    finding f = {.ctx = ctx,
                 .home = home,
                 .registry = registry,
                 .ask = ask,
                 .sources = json_object_get(found, "sources"),
                 .versions = json_object_get(found, "versions"),
                 .answers = json_object_get(found, "answers"),
                 .delivered = json_object_get(found, "delivered"),
                 .rest = json_object_get(found, "not_looked_into")};
    tm__buf_init(&f.text, ROW_BYTES_MAX);
    tm_status st = tm__json_check(err);
    st = st == TM_OK ? look(&f, err) : st;
    tm__buf_done(&f.text);
    if (st == TM_OK) {
        json_object_set_new(found, "n_answers", json_integer((json_int_t)f.n_answers));
        st = tm__json_check(err);
    }
    return tm__json_give(st, found, out, err);
}
