/* SPDX-License-Identifier: Apache-2.0 */
/* Records of sinks in intake.db. */
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/mem.h"
#include "source/intake_priv.h"
#include "source/sinks.h"
#include "store/db_list.h"

#define JSON_BYTES_MAX ((size_t)1 << 20)

struct tm_sink_store {
    tm_db *db;
};

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for a sink");
}

void tm__sink_row_done(tm_sink_row *row) {
    json_decref(row->spec);
    json_decref(row->state);
    json_decref(row->plan);
    json_decref(row->error);
    *row = (tm_sink_row){0};
}

static tm_status no_sink_yet(tm_err *err) {
    const tm_status st = TM_FAIL(err, TM_E_NOT_FOUND, "there is no sink yet");
    tm_err_hint(err, "'tidemill sink add NAME --model M --read SOURCE --to-csv DIR' makes one.");
    return st;
}

tm_status tm__sink_store_open(const tm_home *home, bool create, tm_sink_store **out, tm_err *err) {
    if (!create && tm__fs_info(tm__home_intake_db(home)).kind == TM_PATH_NONE) {
        return no_sink_yet(err);
    }
    tm_sink_store *store = tm__mem_zalloc(1, sizeof(*store));
    if (store == NULL) {
        return no_memory(err);
    }
    const tm_status st = tm__intake_db_open(home, true, &store->db, err);
    if (st != TM_OK) {
        tm__mem_free(store);
        return st;
    }
    *out = store;
    return TM_OK;
}

void tm__sink_store_close(tm_sink_store *store) {
    if (store != NULL) {
        tm__db_close(store->db);
        tm__mem_free(store);
    }
}

/* Bind JSON as text; false when out of memory. NULL is JSON null. */
static bool bind_json(tm_stmt *stmt, int index, const json_t *value) {
    tm_buf text;
    tm__buf_init(&text, JSON_BYTES_MAX);
    const bool ok = value == NULL ? tm__buf_text(&text, "null") : tm__json_write(&text, value, 0);
    if (ok) {
        tm__stmt_bind_text(stmt, index, (const char *)text.data);
    }
    tm__buf_done(&text);
    return ok;
}

tm_status tm__sink_store_add(tm_sink_store *store, const tm_sink_row *row, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(store->db,
                         "INSERT INTO sinks(name, spec, created_us, next_us) VALUES(?, ?, ?, ?)"
                         " ON CONFLICT(name) DO NOTHING",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, row->name);
    tm_status st = bind_json(stmt, 2, row->spec) ? TM_OK : no_memory(err);
    tm__stmt_bind_i64(stmt, 3, tm__now_us());
    tm__stmt_bind_i64(stmt, 4, row->next_us);
    if (st == TM_OK) {
        st = tm__stmt_run(stmt, err);
    }
    tm__stmt_done(stmt);
    if (st == TM_OK && tm__db_changes(store->db) == 0) {
        st = TM_FAIL(err, TM_E_CONFLICT, "a sink '%s' is there already", row->name);
        tm_err_hint(err, "Take another name, or remove it with 'tidemill sink rm %s'.", row->name);
    }
    return st;
}

static tm_status parse(const char *text, json_t **out, tm_err *err) {
    return text == NULL ? no_memory(err)
                        : tm__json_parse(text, strlen(text), TM_MAX_JSON_DEPTH, out, err);
}

static tm_status read_row(tm_stmt *stmt, tm_sink_row *out, tm_err *err) {
    tm_sink_row row = {
        .id = tm__stmt_i64(stmt, 0),
        .created_us = tm__stmt_i64(stmt, 7),
        .tried_us = tm__stmt_i64(stmt, 8),
        .done_us = tm__stmt_i64(stmt, 9),
        .next_us = tm__stmt_i64(stmt, 10),
        .n_failures = (uint32_t)tm__stmt_i64(stmt, 11),
        .n_rows = (uint64_t)tm__stmt_i64(stmt, 12),
        .n_batches = (uint64_t)tm__stmt_i64(stmt, 13),
    };
    (void)tm__str_copy(row.name, sizeof(row.name), tm__str(tm__stmt_text(stmt, 1)));
    (void)tm__str_copy(row.status, sizeof(row.status), tm__str(tm__stmt_text(stmt, 5)));
    tm_status st = parse(tm__stmt_text(stmt, 2), &row.spec, err);
    st = st == TM_OK ? parse(tm__stmt_text(stmt, 3), &row.state, err) : st;
    st = st == TM_OK ? parse(tm__stmt_text(stmt, 4), &row.plan, err) : st;
    st = st == TM_OK ? parse(tm__stmt_text(stmt, 6), &row.error, err) : st;
    if (st != TM_OK) {
        tm__sink_row_done(&row);
        return st;
    }
    *out = row;
    return TM_OK;
}

tm_status tm__sink_store_names(tm_sink_store *store, json_t **out, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(store->db, "SELECT name FROM sinks ORDER BY name", &stmt, err));
    return tm__stmt_list(stmt, tm__stmt_name, out, err);
}

static tm_status not_found(tm_sink_store *store, const char *name, tm_err *err) {
    json_t *names = NULL;
    TM_TRY(tm__sink_store_names(store, &names, err));
    const size_t n = json_array_size(names);
    const char **texts = tm__mem_zalloc(n + 1, sizeof(*texts));
    const tm_status st = TM_FAIL(err, TM_E_NOT_FOUND, "there is no sink '%s'", name);
    const char *near = NULL;
    if (texts != NULL) {
        for (size_t i = 0; i < n; i++) {
            texts[i] = json_string_value(json_array_get(names, i));
        }
        near = tm__str_nearest(tm__str(name), texts, (uint32_t)n);
    }
    if (near != NULL) {
        tm_err_hint(err, "Did you mean '%s'?", near);
    } else {
        tm_err_hint(err, "'tidemill sink ls' lists them.");
    }
    tm__mem_free(texts);
    json_decref(names);
    return st;
}

tm_status tm__sink_store_find(tm_sink_store *store, const char *name, tm_sink_row *out,
                              tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(store->db,
                         "SELECT id, name, spec, state, plan, status, error, created_us, tried_us,"
                         " done_us, next_us, failures, n_rows, n_batches FROM sinks WHERE name = ?",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, name);
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row) {
        st = read_row(stmt, out, err);
    }
    tm__stmt_done(stmt);
    return st == TM_OK && !has_row ? not_found(store, name, err) : st;
}

static tm_status check_changed(const tm_sink_store *store, const char *name, tm_err *err) {
    return tm__db_changes(store->db) == 1
               ? TM_OK
               : TM_FAIL(err, TM_E_NOT_FOUND, "the sink '%s' was removed", name);
}

tm_status tm__sink_store_save(tm_sink_store *store, const tm_sink_row *row, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(store->db,
                         "UPDATE sinks SET state = ?, plan = ?, status = ?, error = ?,"
                         " tried_us = ?, done_us = ?, next_us = ?, failures = ?, n_rows = ?,"
                         " n_batches = ? WHERE id = ?",
                         &stmt, err));
    const bool ok = bind_json(stmt, 1, row->state) && bind_json(stmt, 2, row->plan) &&
                    bind_json(stmt, 4, row->error);
    tm__stmt_bind_text(stmt, 3, row->status);
    tm__stmt_bind_i64(stmt, 5, row->tried_us);
    tm__stmt_bind_i64(stmt, 6, row->done_us);
    tm__stmt_bind_i64(stmt, 7, row->next_us);
    tm__stmt_bind_i64(stmt, 8, row->n_failures);
    tm__stmt_bind_i64(stmt, 9, (int64_t)row->n_rows);
    tm__stmt_bind_i64(stmt, 10, (int64_t)row->n_batches);
    tm__stmt_bind_i64(stmt, 11, row->id);
    tm_status st = ok ? tm__stmt_run(stmt, err) : no_memory(err);
    tm__stmt_done(stmt);
    return st == TM_OK ? check_changed(store, row->name, err) : st;
}

tm_status tm__sink_store_declare(tm_sink_store *store, const tm_sink_row *row, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(store->db, "UPDATE sinks SET spec = ?, next_us = ? WHERE name = ?", &stmt,
                         err));
    tm_status st = bind_json(stmt, 1, row->spec) ? TM_OK : no_memory(err);
    tm__stmt_bind_i64(stmt, 2, row->next_us);
    tm__stmt_bind_text(stmt, 3, row->name);
    if (st == TM_OK) {
        st = tm__stmt_run(stmt, err);
    }
    tm__stmt_done(stmt);
    return st == TM_OK ? check_changed(store, row->name, err) : st;
}

tm_status tm__sink_store_remove(tm_sink_store *store, const char *name, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(store->db, "DELETE FROM sinks WHERE name = ?", &stmt, err));
    tm__stmt_bind_text(stmt, 1, name);
    const tm_status st = tm__stmt_run_done(stmt, err);
    TM_TRY(st);
    return tm__db_changes(store->db) == 1 ? TM_OK : not_found(store, name, err);
}
