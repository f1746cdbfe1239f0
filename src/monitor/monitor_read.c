/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading log.db: live scores, labelled rows, one answer. Each call is one read transaction on the
 * reader's own connection, which a lock shares between threads; the writer is never held up.
 */
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "metric/metric.h"
#include "monitor/monitor_priv.h"

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

/* Run fn in a read transaction. Without a log yet there is nothing to read: fn is not called. */
static tm_status read_log(tm_monitor *monitor, tm_status (*fn)(tm_db *db, void *arg, tm_err *err),
                          void *arg, tm_err *err) {
    tm_status st = TM_OK;
    tm__mutex_lock(monitor->read_mutex);
    if (monitor->reader == NULL && tm__fs_info(monitor->path).kind != TM_PATH_NONE) {
        st = tm__log_open(monitor->path, false, &monitor->reader, err);
    }
    if (st == TM_OK && monitor->reader != NULL) {
        st = tm__db_exec(monitor->reader, "BEGIN", err);
        if (st == TM_OK) {
            st = fn(monitor->reader, arg, err);
            tm__db_rollback(monitor->reader);
        }
    }
    tm__mutex_unlock(monitor->read_mutex);
    return st;
}

/* ---- Labels as numbers ---- */

static bool is_yes(tm_str text) {
    return tm__str_is_nocase(text, "true") || tm__str_is(text, "1") ||
           tm__str_is_nocase(text, "yes");
}

static bool is_no(tm_str text) {
    return tm__str_is_nocase(text, "false") || tm__str_is(text, "0") ||
           tm__str_is_nocase(text, "no");
}

/* The same class though it is written another way: 1 and 1.0, true and 1. */
static bool is_class(tm_str label, tm_str name) {
    double a = 0, b = 0;
    if (tm__str_to_f64(label, &a) && tm__str_to_f64(name, &b)) {
        return a == b;
    }
    if (tm__str_is_nocase(name, "true")) {
        return is_yes(label);
    }
    return tm__str_is_nocase(name, "false") && is_no(label);
}

/* Class index (the number of classes for one that training never saw) or value; false when a
 * regression's label is no number. */
static bool label_number(const tm_bundle *bundle, tm_str label, double *out) {
    const uint32_t n_classes = tm__bundle_classes(bundle);
    if (n_classes == 0) {
        return tm__str_to_f64(label, out);
    }
    for (uint32_t i = 0; i < n_classes; i++) {
        if (tm__str_is(label, tm__bundle_class(bundle, i))) {
            *out = i;
            return true;
        }
    }
    for (uint32_t i = 0; i < n_classes; i++) {
        if (is_class(label, tm__str(tm__bundle_class(bundle, i)))) {
            *out = i;
            return true;
        }
    }
    *out = n_classes;
    return true;
}

/* ---- Live scores ---- */

typedef struct tm_live_query {
    const tm_bundle *bundle;
    const char *model;
    uint32_t version;
    int64_t since_us;
    tm_live live;
    double *y, *pred; /* [n_rows], [n_rows x n_outputs] */
    uint64_t n_rows;
} tm_live_query;

static void live_bind(tm_stmt *stmt, const tm_live_query *query) {
    tm__stmt_bind_text(stmt, 1, query->model);
    tm__stmt_bind_i64(stmt, 2, query->version);
    tm__stmt_bind_i64(stmt, 3, query->since_us);
}

static tm_status live_count(tm_db *db, tm_live_query *query, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "SELECT count(*), count(labelled_us), coalesce(min(at_us), 0),"
                         " coalesce(max(at_us), 0), (SELECT coalesce(sum(n), 0) FROM counters"
                         " WHERE model = ?1 AND name = 'dropped') FROM answers"
                         " WHERE model = ?1 AND (?2 = 0 OR version = ?2) AND at_us >= ?3",
                         &stmt, err));
    live_bind(stmt, query);
    bool has_row = false;
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK) {
        TM_ASSERT(has_row);
        tm_live *live = &query->live;
        live->n_answers = (uint64_t)tm__stmt_i64(stmt, 0);
        live->n_labelled = (uint64_t)tm__stmt_i64(stmt, 1);
        live->first_us = tm__stmt_i64(stmt, 2);
        live->last_us = tm__stmt_i64(stmt, 3);
        live->n_dropped = (uint64_t)tm__stmt_i64(stmt, 4);
        live->coverage =
            live->n_answers == 0 ? 0 : (double)live->n_labelled / (double)live->n_answers;
    }
    tm__stmt_done(stmt);
    return st;
}

static void live_row(tm_stmt *stmt, tm_live_query *query) {
    const uint32_t n_outputs = tm__bundle_outputs(query->bundle);
    const tm_str outputs = tm__stmt_blob(stmt, 0);
    double *y = &query->y[query->n_rows];
    double *pred = &query->pred[query->n_rows * n_outputs];
    if (outputs.len != (size_t)n_outputs * 8 ||
        !label_number(query->bundle, tm__str(tm__stmt_text(stmt, 1)), y)) {
        return; /* of a version with other classes, or no number */
    }
    tm_reader reader;
    tm__reader_init(&reader, outputs.ptr, outputs.len);
    for (uint32_t i = 0; i < n_outputs; i++) {
        pred[i] = tm__reader_f64(&reader);
    }
    query->n_rows++;
}

static tm_status live_rows(tm_db *db, tm_live_query *query, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "SELECT outputs, label FROM answers WHERE model = ?1"
                         " AND (?2 = 0 OR version = ?2) AND at_us >= ?3 AND label IS NOT NULL"
                         " ORDER BY seq",
                         &stmt, err));
    live_bind(stmt, query);
    tm_status st = TM_OK;
    for (bool has_row = true;;) {
        st = tm__stmt_step(stmt, &has_row, err);
        if (st != TM_OK || !has_row) {
            break;
        }
        live_row(stmt, query);
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status live_score(tm_live_query *query, tm_err *err) {
    const tm_score_input in = {
        .task = tm__bundle_task(query->bundle),
        .n_classes = tm__bundle_classes(query->bundle),
        .n_rows = query->n_rows,
        .y = query->y,
        .pred = query->pred,
        .threshold = tm__bundle_threshold(query->bundle),
    };
    return tm__metric_report(&in, &query->live.scores, err);
}

static tm_status live_read(tm_db *db, void *arg, tm_err *err) {
    tm_live_query *query = arg;
    TM_TRY(live_count(db, query, err));
    const uint64_t n = query->live.n_labelled;
    if (n == 0) {
        return TM_OK;
    }
    size_t n_pred = 0;
    if (!tm__size_mul(n, tm__bundle_outputs(query->bundle), &n_pred)) {
        return no_memory(err);
    }
    query->y = tm__mem_alloc(n, sizeof(double));
    query->pred = tm__mem_alloc(n_pred, sizeof(double));
    if (query->y == NULL || query->pred == NULL) {
        return no_memory(err);
    }
    TM_TRY(live_rows(db, query, err));
    /* Answers of a ranking are logged without their queries: there is no live score of them. */
    const bool has_score = tm__bundle_task(query->bundle) != TM_TASK_RANKING;
    return query->n_rows > 0 && has_score ? live_score(query, err) : TM_OK;
}

tm_status tm__monitor_live(tm_monitor *monitor, const tm_bundle *bundle, const char *model,
                           uint32_t version, int64_t since_us, tm_live *out, tm_err *err) {
    tm_err own = {0};
    tm_live_query query = {
        .bundle = bundle, .model = model, .version = version, .since_us = since_us};
    const tm_status st = read_log(monitor, live_read, &query, &own);
    if (st == TM_OK) {
        *out = query.live;
        query.live.scores = NULL;
    } else if (err != NULL) {
        *err = own;
    }
    tm__live_done(&query.live);
    tm__mem_free(query.y);
    tm__mem_free(query.pred);
    return st;
}

void tm__live_done(tm_live *live) {
    json_decref(live->scores);
    live->scores = NULL;
}

/* ---- Labelled rows ---- */

typedef struct tm_rows_query {
    const tm_bundle *bundle;
    const char *model;
    tm_span span;
    tm_schema_column *columns; /* [n_cols]: inputs, entity and time beside them, target last;
                                  names are the bundle's */
    uint32_t n_cols;
    tm_table_builder *builder; /* NULL before it begins */
    tm_cell *cells;            /* [n_cols] */
    char (*texts)[32];         /* [n_cols]: room for numbers made text */
} tm_rows_query;

static tm_cell cell_from_json(const json_t *value) {
    tm_cell cell = {.type = TM_TYPE_NONE};
    if (json_is_boolean(value)) {
        cell.type = TM_TYPE_BOOL;
        cell.i64 = json_is_true(value);
    } else if (json_is_integer(value)) {
        cell.type = TM_TYPE_INT;
        cell.i64 = json_integer_value(value);
    } else if (json_is_real(value)) {
        cell.type = TM_TYPE_FLOAT;
        cell.f64 = json_real_value(value);
    } else if (json_is_string(value)) {
        cell.type = TM_TYPE_TEXT;
        cell.text = (tm_str){json_string_value(value), json_string_length(value)};
    }
    return cell;
}

/* What the row itself does not say of the columns that the answer has of its own. */
static tm_cell cell_from_answer(const tm_schema_column *column, tm_stmt *stmt) {
    tm_cell cell = {.type = TM_TYPE_NONE};
    const int64_t event_us = tm__stmt_i64(stmt, 3);
    if (column->role == TM_ROLE_ENTITY && !tm__stmt_is_null(stmt, 2)) {
        cell.type = TM_TYPE_TEXT;
        cell.text = tm__str(tm__stmt_text(stmt, 2));
    } else if (column->role == TM_ROLE_TIME && event_us != TM_INT_MISSING) {
        cell.type = TM_TYPE_TIME;
        cell.i64 = event_us;
    }
    return cell;
}

static tm_status rows_add(tm_rows_query *query, tm_stmt *stmt, const json_t *row, tm_err *err) {
    for (uint32_t i = 0; i < query->n_cols; i++) {
        const tm_schema_column *column = &query->columns[i];
        tm_cell *cell = &query->cells[i];
        bool is_changed = false;
        *cell = cell_from_json(json_object_get(row, column->name));
        if (column->role == TM_ROLE_TARGET) {
            *cell = (tm_cell){.type = TM_TYPE_TEXT, .text = tm__str(tm__stmt_text(stmt, 1))};
        } else if (cell->type == TM_TYPE_NONE) {
            *cell = cell_from_answer(column, stmt);
        }
        if (cell->type != TM_TYPE_NONE &&
            tm__cell_fit(column, cell, query->texts[i], &is_changed, NULL) != TM_OK) {
            return TM_OK; /* the row of a version with another schema, or no number as label */
        }
    }
    return tm__builder_add_row(query->builder, query->cells, err);
}

/* A column that the model does not read and a run needs: the bundle knows its name alone. */
static void extra_column(tm_rows_query *query, const char *role_name, tm_schema_column column) {
    const char *name = tm__json_text(tm__bundle_info(query->bundle), role_name, "");
    if (name[0] != '\0' &&
        tm__schema_find(tm__bundle_schema(query->bundle), tm__str(name)) == UINT32_MAX) {
        column.name = (char *)(uintptr_t)name;
        query->columns[query->n_cols++] = column;
    }
}

static void rows_columns(tm_rows_query *query) {
    const tm_schema *schema = tm__bundle_schema(query->bundle);
    const char *type_text = tm__json_text(tm__bundle_info(query->bundle), "target_type", "text");
    const tm_type type = tm__type_from_text(type_text);
    const bool is_value = tm__bundle_classes(query->bundle) == 0;
    memcpy(query->columns, schema->cols, schema->n_cols * sizeof(*query->columns));
    query->n_cols = schema->n_cols;
    extra_column(query, "entity", (tm_schema_column){.type = TM_TYPE_TEXT, .role = TM_ROLE_ENTITY});
    extra_column(query, "time", (tm_schema_column){.type = TM_TYPE_TIME, .role = TM_ROLE_TIME});
    query->columns[query->n_cols++] = (tm_schema_column){
        .name = (char *)(uintptr_t)tm__bundle_target(query->bundle),
        .type = is_value               ? TM_TYPE_FLOAT
                : type == TM_TYPE_NONE ? TM_TYPE_TEXT
                                       : type,
        .role = TM_ROLE_TARGET,
    };
}

static tm_status rows_begin(tm_rows_query *query, tm_err *err) {
    const size_t n_max = (size_t)tm__bundle_schema(query->bundle)->n_cols + 3;
    query->columns = tm__mem_zalloc(n_max, sizeof(*query->columns));
    query->cells = tm__mem_zalloc(n_max, sizeof(*query->cells));
    query->texts = tm__mem_zalloc(n_max, sizeof(*query->texts));
    query->builder = tm__builder_create();
    if (query->columns == NULL || query->cells == NULL || query->texts == NULL ||
        query->builder == NULL) {
        return no_memory(err);
    }
    rows_columns(query);
    for (uint32_t i = 0; i < query->n_cols; i++) {
        TM_TRY(tm__builder_add_column(query->builder, query->columns[i].name,
                                      query->columns[i].type, err));
    }
    return TM_OK;
}

static tm_status rows_step(tm_rows_query *query, tm_stmt *stmt, bool *out_row, tm_err *err) {
    TM_TRY(tm__stmt_step(stmt, out_row, err));
    if (!*out_row) {
        return TM_OK;
    }
    json_t *row = NULL;
    const char *text = tm__stmt_text(stmt, 0);
    TM_TRY(tm__json_parse(text, strlen(text), TM_MAX_JSON_DEPTH, &row, err));
    const tm_status st = rows_add(query, stmt, row, err);
    json_decref(row);
    return st;
}

static tm_status rows_read(tm_db *db, void *arg, tm_err *err) {
    tm_rows_query *query = arg;
    TM_TRY(rows_begin(query, err));
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "SELECT row, label, entity, event_us FROM answers WHERE model = ?1"
                         " AND label IS NOT NULL AND labelled_us > ?2 AND labelled_us <= ?3"
                         " ORDER BY CASE event_us WHEN ?4 THEN at_us ELSE event_us END, seq",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, query->model);
    tm__stmt_bind_i64(stmt, 2, query->span.after_us);
    tm__stmt_bind_i64(stmt, 3, query->span.until_us);
    tm__stmt_bind_i64(stmt, 4, TM_INT_MISSING);
    tm_status st = TM_OK;
    for (bool has_row = true; st == TM_OK && has_row;) {
        st = rows_step(query, stmt, &has_row, err);
    }
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__monitor_labelled_span(tm_monitor *monitor, const tm_bundle *bundle, const char *model,
                                    tm_span span, tm_table **out, tm_err *err) {
    tm_rows_query query = {.bundle = bundle, .model = model, .span = span};
    tm_table *table = NULL;
    tm_status st = read_log(monitor, rows_read, &query, err);
    if (st == TM_OK && query.builder != NULL) {
        st = tm__builder_finish(query.builder, &table, err);
        query.builder = NULL;
    }
    if (st == TM_OK && table != NULL && tm__table_rows(table) == 0) {
        tm__table_unref(table);
        table = NULL;
    }
    if (st == TM_OK) {
        *out = table;
    }
    tm__builder_free(query.builder);
    tm__mem_free(query.cells);
    tm__mem_free(query.texts);
    tm__mem_free(query.columns);
    return st;
}

tm_status tm__monitor_labelled(tm_monitor *monitor, const tm_bundle *bundle, const char *model,
                               int64_t after_us, tm_table **out, tm_err *err) {
    return tm__monitor_labelled_span(monitor, bundle, model, (tm_span){after_us, INT64_MAX}, out,
                                     err);
}

typedef struct tm_until_query {
    const char *model;
    int64_t until_us;
} tm_until_query;

static tm_status until_read(tm_db *db, void *arg, tm_err *err) {
    tm_until_query *query = arg;
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "SELECT max(labelled_us) FROM answers WHERE model = ?"
                         " AND label IS NOT NULL",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, query->model);
    bool has_row = false;
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK) {
        query->until_us = has_row ? tm__stmt_i64(stmt, 0) : 0; /* null gives 0 */
    }
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__monitor_labelled_until(tm_monitor *monitor, const char *model, int64_t *out_us,
                                     tm_err *err) {
    tm_until_query query = {.model = model};
    TM_TRY(read_log(monitor, until_read, &query, err));
    *out_us = query.until_us;
    return TM_OK;
}

/* ---- One answer ---- */

typedef struct tm_find_query {
    const char *id;
    json_t *object; /* NULL: not found */
} tm_find_query;

static json_t *outputs_to_json(tm_str bytes) {
    json_t *list = json_array();
    tm_reader reader;
    tm__reader_init(&reader, bytes.ptr, bytes.len);
    for (size_t i = 0; i < bytes.len / 8; i++) {
        if (json_array_append_new(list, tm__json_number(tm__reader_f64(&reader))) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *text_or_null(const char *text) {
    return text == NULL ? json_null() : json_string(text);
}

static tm_status answer_to_json(tm_stmt *stmt, json_t **out, tm_err *err) {
    const char *text = tm__stmt_text(stmt, 5);
    json_t *row = NULL;
    TM_TRY(tm__json_parse(text, strlen(text), TM_MAX_JSON_DEPTH, &row, err));
    char at[48];
    tm__time_to_text(tm__stmt_i64(stmt, 1), at);
    json_t *object = json_object();
    int rc = json_object_set_new(object, "id", json_string(tm__stmt_text(stmt, 0)));
    rc |= json_object_set_new(object, "at", json_string(at));
    rc |= json_object_set_new(object, "model", json_string(tm__stmt_text(stmt, 2)));
    rc |= json_object_set_new(object, "version", json_integer(tm__stmt_i64(stmt, 3)));
    rc |= json_object_set_new(object, "route", json_string(tm__stmt_text(stmt, 4)));
    rc |= json_object_set_new(object, "row", row);
    rc |= json_object_set_new(object, "outputs", outputs_to_json(tm__stmt_blob(stmt, 6)));
    rc |= json_object_set_new(object, "label", text_or_null(tm__stmt_text(stmt, 7)));
    if (rc != 0) {
        json_decref(object);
        return no_memory(err);
    }
    *out = object;
    return TM_OK;
}

static tm_status find_read(tm_db *db, void *arg, tm_err *err) {
    tm_find_query *query = arg;
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "SELECT id, at_us, model, version, route, row, outputs, label"
                         " FROM answers WHERE id = ?",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, query->id);
    bool has_row = false;
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row) {
        st = answer_to_json(stmt, &query->object, err);
    }
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__monitor_find(tm_monitor *monitor, const char *id, json_t **out, tm_err *err) {
    tm_find_query query = {.id = id};
    TM_TRY(read_log(monitor, find_read, &query, err));
    if (query.object == NULL) {
        const tm_status st = TM_FAIL(err, TM_E_NOT_FOUND, "there is no prediction '%.40s'", id);
        tm_err_hint(err, "Its id is in the answer that the server gave.");
        return st;
    }
    *out = query.object;
    return TM_OK;
}
