/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading log.db: live scores, one answer; labelled rows are in monitor_rows.c, the ages of labels
 * in monitor_age.c. Each call is one read transaction on the reader's own connection, which a lock
 * shares between threads; the writer is never held up.
 */
#include <stdlib.h>
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

bool tm__label_number(const tm_bundle *bundle, tm_str label, double *out) {
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

/* Streams of the model, and of the version when one is asked for; since is parameter 3. */
#define LIVE_STREAMS "(SELECT id FROM streams WHERE model = ?1 AND (?2 = 0 OR version = ?2))"

static void live_bind(tm_stmt *stmt, const tm_live_query *query) {
    tm__stmt_bind_text(stmt, 1, query->model);
    tm__stmt_bind_i64(stmt, 2, query->version);
    tm__stmt_bind_i64(stmt, 3, query->since_us);
}

static void live_add(tm_live *live, int64_t n, int64_t first_us, int64_t last_us) {
    if (n > 0) {
        const bool is_first = live->n_answers == 0;
        live->n_answers += (uint64_t)n;
        live->first_us = is_first || first_us < live->first_us ? first_us : live->first_us;
        live->last_us = is_first || last_us > live->last_us ? last_us : live->last_us;
    }
}

/* Answers of a block that began before the time asked for. */
static tm_status live_count_block(tm_block *block, int64_t first_seq, tm_live_query *query,
                                  tm_err *err) {
    TM_TRY(tm__block_seek(block, first_seq, err));
    const int64_t end = block->first_seq + block->n;
    for (int64_t seq = first_seq; seq < end; seq++) {
        TM_TRY(tm__block_seek(block, seq, err));
        const int64_t at_us = block->record.at_us;
        live_add(&query->live, at_us >= query->since_us ? 1 : 0, at_us, at_us);
    }
    return TM_OK;
}

static tm_status live_count_partial(tm_db *db, tm_live_query *query, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "SELECT first_seq FROM blocks WHERE stream IN " LIVE_STREAMS
                         " AND last_us >= ?3 AND first_us < ?3",
                         &stmt, err));
    live_bind(stmt, query);
    tm_block block;
    tm_status st = TM_OK;
    tm__block_init(&block, db);
    for (bool has_row = true; st == TM_OK;) {
        st = tm__stmt_step(stmt, &has_row, err);
        if (st != TM_OK || !has_row) {
            break;
        }
        st = live_count_block(&block, tm__stmt_i64(stmt, 0), query, err);
    }
    tm__block_done(&block);
    tm__stmt_done(stmt);
    return st;
}

static tm_status live_count(tm_db *db, tm_live_query *query, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "SELECT coalesce(sum(n), 0), min(first_us), max(last_us),"
                         " (SELECT coalesce(sum(dropped), 0) FROM lanes WHERE model = ?1),"
                         " (SELECT count(*) FROM labels WHERE state = 1 AND stream IN " LIVE_STREAMS
                         " AND at_us >= ?3)"
                         " FROM blocks WHERE stream IN " LIVE_STREAMS
                         " AND last_us >= ?3 AND first_us >= ?3",
                         &stmt, err));
    live_bind(stmt, query);
    bool has_row = false;
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK) {
        TM_ASSERT(has_row);
        tm_live *live = &query->live;
        live_add(live, tm__stmt_i64(stmt, 0), tm__stmt_i64(stmt, 1), tm__stmt_i64(stmt, 2));
        live->n_dropped = (uint64_t)tm__stmt_i64(stmt, 3);
        live->n_labelled = (uint64_t)tm__stmt_i64(stmt, 4);
    }
    tm__stmt_done(stmt);
    TM_TRY(st);
    TM_TRY(live_count_partial(db, query, err));
    const tm_live *live = &query->live;
    query->live.coverage =
        live->n_answers == 0 ? 0 : (double)live->n_labelled / (double)live->n_answers;
    return TM_OK;
}

static void live_row(const tm_record *record, tm_str label, tm_live_query *query) {
    const uint32_t n_outputs = tm__bundle_outputs(query->bundle);
    double *y = &query->y[query->n_rows];
    double *pred = &query->pred[query->n_rows * n_outputs];
    if (record->n_outputs != n_outputs || !tm__label_number(query->bundle, label, y)) {
        return; /* of a version with other classes, or no number */
    }
    for (uint32_t i = 0; i < n_outputs; i++) {
        pred[i] = tm__record_output(record, i);
    }
    query->n_rows++;
}

static tm_status live_rows(tm_db *db, tm_live_query *query, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "SELECT answer_seq, value FROM labels WHERE state = 1"
                         " AND stream IN " LIVE_STREAMS " AND at_us >= ?3 ORDER BY answer_seq",
                         &stmt, err));
    live_bind(stmt, query);
    tm_block block;
    tm_status st = TM_OK;
    tm__block_init(&block, db);
    for (bool has_row = true; st == TM_OK;) {
        st = tm__stmt_step(stmt, &has_row, err);
        if (st != TM_OK || !has_row) {
            break;
        }
        st = tm__block_seek(&block, tm__stmt_i64(stmt, 0), err);
        if (st == TM_OK) {
            live_row(&block.record, tm__str(tm__stmt_text(stmt, 1)), query);
        }
    }
    tm__block_done(&block);
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
    const tm_status st = tm__log_read(monitor, live_read, &query, &own);
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
    TM_TRY(tm__stmt_init(db, "SELECT value FROM labels WHERE answer_seq = ?", &stmt, err));
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
    at[tm__time_to_text(block->record.at_us, at)] = '\0';
    (void)tm__str_copy(id, sizeof(id), block->record.id);
    (void)json_object_set_new(object, "id", json_string(id));
    (void)json_object_set_new(object, "at", json_string(at));
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
