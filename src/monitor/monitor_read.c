/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading log.db: labels as numbers, one answer. Live scores are in monitor_recent.c and
 * monitor_live.c, labelled rows in monitor_rows.c, the ages of labels in monitor_age.c. Each call
 * is one read transaction on the reader's own connection, which a lock shares between threads; the
 * writer is never held up.
 */
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "monitor/monitor_priv.h"

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

tm_status tm__log_read(tm_monitor *monitor, tm_status (*fn)(tm_db *db, void *arg, tm_err *err),
                       void *arg, tm_err *err) {
    tm_status st = TM_OK;
    tm__mutex_lock(monitor->read_mutex);
    if (monitor->reader == NULL && tm__fs_info(monitor->path).kind != TM_PATH_NONE) {
        st = tm__log_open(monitor->path, false, &monitor->reader, err);
        st = st == TM_E_NOT_FOUND ? TM_OK : st; /* it is just being made */
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

bool tm__label_number(const tm_bundle *bundle, tm_str label, double *out) {
    if (tm__bundle_classes(bundle) == 0) {
        return tm__str_to_f64(label, out);
    }
    *out = tm__bundle_class_meant(bundle, label);
    return true;
}

/* ---- One answer ---- */

typedef struct tm_find_query {
    const char *id;
    json_t *object; /* NULL: not found */
} tm_find_query;

static json_t *outputs_to_json(const tm_record *record) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < record->n_outputs; i++) {
        (void)json_array_append_new(list, tm__json_number(tm__record_output(record, i)));
    }
    return list;
}

static tm_status row_to_json(tm_block *block, json_t **out, tm_err *err) {
    tm_columns *places = NULL;
    const tm_columns *given = NULL;
    tm_buf text;
    tm__buf_init(&text, SIZE_MAX / 2);
    tm_status st = tm__columns_of(block, &places, &given, err);
    if (st == TM_OK && !tm__record_cells(&block->record, given->cells, given->n)) {
        st = TM_FAIL(err, TM_E_INTEGRITY, "the log has an answer with a damaged row");
    }
    if (st == TM_OK) {
        st = !tm__row_write_json(given->names, given->cells, given->n, &text)
                 ? no_memory(err)
                 : tm__json_parse(text.data, text.len, TM_MAX_JSON_DEPTH, out, err);
    }
    tm__columns_free(places);
    tm__buf_done(&text);
    return st;
}

static tm_status label_to_json(tm_db *db, int64_t seq, json_t **out, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db, "SELECT " TM_LABEL_VALUE " FROM labels WHERE answer_seq = ?", &stmt,
                         err));
    tm__stmt_bind_i64(stmt, 1, seq);
    bool has_row = false;
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK) {
        *out = has_row ? json_string(tm__stmt_text(stmt, 0)) : json_null();
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status stream_to_json(tm_db *db, int64_t stream, json_t *object, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db, "SELECT model, version, route FROM streams WHERE id = ?", &stmt, err));
    tm__stmt_bind_i64(stmt, 1, stream);
    bool has_row = false;
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row) {
        (void)json_object_set_new(object, "model", json_string(tm__stmt_text(stmt, 0)));
        (void)json_object_set_new(object, "version", json_integer(tm__stmt_i64(stmt, 1)));
        (void)json_object_set_new(object, "route", json_string(tm__stmt_text(stmt, 2)));
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status answer_to_json(tm_block *block, json_t *object, tm_err *err) {
    char at[48], id[TM_ID_TEXT + 1];
    json_t *row = NULL, *label = NULL;
    (void)tm__time_to_text(block->record.at_us, at);
    (void)tm__str_copy(id, sizeof(id), block->record.id);
    (void)json_object_set_new(object, "id", json_string(id));
    (void)json_object_set_new(object, "at", json_string(at));
    if (block->record.entity.ptr != NULL) {
        (void)json_object_set_new(object, "entity",
                                  json_stringn(block->record.entity.ptr, block->record.entity.len));
    }
    TM_TRY(stream_to_json(block->db, block->stream, object, err));
    TM_TRY(row_to_json(block, &row, err));
    (void)json_object_set_new(object, "row", row);
    (void)json_object_set_new(object, "outputs", outputs_to_json(&block->record));
    TM_TRY(label_to_json(block->db, block->seq, &label, err));
    (void)json_object_set_new(object, "label", label);
    return tm__json_check(err);
}

static tm_status find_read(tm_db *db, void *arg, tm_err *err) {
    tm_find_query *query = arg;
    int64_t seq = 0;
    tm_block block;
    tm__block_init(&block, db);
    tm_status st = tm__block_find(&block, tm__str(query->id), &seq, err);
    if (st == TM_OK && seq > 0) {
        query->object = json_object();
        st = answer_to_json(&block, query->object, err);
    }
    tm__block_done(&block);
    return st;
}

tm_status tm__monitor_find(tm_monitor *monitor, const char *id, json_t **out, tm_err *err) {
    tm_find_query query = {.id = id};
    tm_status st = tm__log_read(monitor, find_read, &query, err);
    if (st != TM_OK) {
        json_decref(query.object);
        return st;
    }
    if (query.object == NULL) {
        st = TM_FAIL(err, TM_E_NOT_FOUND, "there is no prediction '%.40s'", id);
        tm_err_hint(err, "Its id is in the answer that the server gave.");
        return st;
    }
    *out = query.object;
    return TM_OK;
}
