/* SPDX-License-Identifier: Apache-2.0 */
/* What sinks are: checked, added, shown, and how a try ended. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/rng.h"
#include "loop/loop_sink_priv.h"
#include "source/feed.h"

#define EVERY_S_MAX INT64_C(31622400) /* a year */
#define RETRY_US_MIN INT64_C(2000000)
#define RETRY_US_MAX INT64_C(600000000)

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for a sink");
}

void tm__sink_batch_done(tm_sink_batch *batch) {
    tm__table_unref(batch->rows);
    tm__table_unref(batch->history);
    tm__train_events_done(&batch->others);
    tm__table_unref(batch->fitted);
    tm__table_unref(batch->result);
    tm__mem_free(batch->outputs);
    tm__bundle_unref(batch->bundle);
    *batch = (tm_sink_batch){0};
}

/* ---- Checking ---- */

static tm_status wrong(const char *what, const char *hint, tm_err *err) {
    const tm_status st = TM_FAIL(err, TM_E_DATA, "%s", what);
    tm_err_hint(err, "%s", hint);
    return st;
}

static bool is_name(const char *name) {
    const size_t len = strlen(name);
    bool is_good = len > 0 && len <= TM_MAX_NAME && name[0] != '.';
    for (size_t i = 0; i < len; i++) {
        const char c = name[i];
        is_good = is_good && (tm__is_alnum(c) || c == '_' || c == '-' || c == '.');
    }
    return is_good;
}

static bool has_text(const json_t *object, const char *name) {
    return tm__json_text(object, name, "")[0] != '\0';
}

static tm_status check_read(const json_t *spec, tm_err *err) {
    const json_t *read = json_object_get(spec, "read");
    const json_t *query = json_object_get(read, "postgres");
    if (json_is_string(read) && has_text(spec, "read")) {
        return TM_OK;
    }
    if (query == NULL || !has_text(query, "dsn_file") || !has_text(query, "query")) {
        return wrong("a sink reads a source, or a query of PostgreSQL",
                     "Name a source, or a file with the DSN and a query.", err);
    }
    if (json_array_size(json_object_get(spec, "key")) == 0) {
        return wrong("a sink that reads a query has no key",
                     "Name the columns that tell its rows apart: a run goes on behind the key "
                     "where it was stopped.",
                     err);
    }
    return TM_OK;
}

static tm_status check_write(const json_t *spec, tm_err *err) {
    const json_t *write = json_object_get(spec, "write");
    const json_t *table = json_object_get(write, "postgres");
    const bool is_table = table != NULL && has_text(table, "dsn_file") && has_text(table, "table");
    if (json_object_size(write) != 1 ||
        !(is_table || has_text(write, "csv") || has_text(write, "parquet"))) {
        return wrong("a sink writes a table of PostgreSQL, Parquet or CSV files",
                     "Name one of postgres (dsn_file and table), parquet and csv (a folder).", err);
    }
    return TM_OK;
}

static tm_status check_numbers(const json_t *spec, tm_err *err) {
    const json_t *every = json_object_get(spec, "every_s");
    const json_t *rows = json_object_get(spec, "batch_rows");
    if (every != NULL &&
        (json_integer_value(every) < 1 || json_integer_value(every) > EVERY_S_MAX)) {
        return wrong("a sink runs between once a second and once a year", "Give a time such as 1d.",
                     err);
    }
    if (rows != NULL && (json_integer_value(rows) < 1 ||
                         json_integer_value(rows) > (json_int_t)TM_SINK_BATCH_ROWS_MAX)) {
        return wrong("a batch has between 1 and 1,000,000 rows", "100,000 is the default.", err);
    }
    return TM_OK;
}

static tm_status check_key(const json_t *spec, tm_err *err) {
    const json_t *keys = json_object_get(spec, "key");
    size_t i = 0;
    const json_t *key = NULL;
    json_array_foreach(keys, i, key) {
        if (!json_is_string(key) || json_string_length(key) == 0) {
            return wrong("a key is a list of columns", "Name columns of the input.", err);
        }
        for (size_t k = 0; k < i; k++) {
            if (json_equal(key, json_array_get(keys, k)) != 0) {
                return wrong("a key names a column twice", "Name each column once.", err);
            }
        }
    }
    return TM_OK;
}

tm_status tm__sink_check(const char *name, const json_t *spec, tm_err *err) {
    if (!is_name(name)) {
        const tm_status st = TM_FAIL(err, TM_E_DATA, "'%s' is no name for a sink", name);
        tm_err_hint(err, "Use letters, digits, '_', '-' and dots.");
        return st;
    }
    if (!has_text(spec, "model")) {
        return wrong("a sink has no model", "Name the model whose answers it writes.", err);
    }
    TM_TRY(check_read(spec, err));
    if (json_object_get(spec, "history") != NULL && !has_text(spec, "history")) {
        return wrong("the history of a sink is a source", "Name a source of the home.", err);
    }
    TM_TRY(check_write(spec, err));
    TM_TRY(check_key(spec, err));
    return check_numbers(spec, err);
}

/* What a sink names must be there, so that a wrong word is told at once and not at night. */
static tm_status check_names(const tm_home *home, const json_t *spec, tm_err *err) {
    tm_registry *registry = NULL;
    tm_version version = {0};
    TM_TRY(tm__registry_open(home, &registry, err));
    tm_status st = tm__registry_find(registry, tm__json_text(spec, "model", ""), &version, err);
    if (st == TM_OK) {
        tm__version_done(&version);
    }
    tm__registry_close(registry);
    static const char *const sources[] = {"read", "history"};
    for (size_t i = 0; i < 2 && st == TM_OK; i++) {
        const char *source = json_string_value(json_object_get(spec, sources[i]));
        tm_source_rows *rows = NULL;
        st = source == NULL ? TM_OK : tm__source_rows_open(home, source, &rows, err);
        tm__source_rows_close(rows);
    }
    return st;
}

/* ---- Adding and changing ---- */

/* The first run of a schedule is due at once. */
static int64_t first_due(const json_t *spec) {
    return tm__json_i64(spec, "every_s", 0) > 0 ? tm__now_us() : 0;
}

static tm_status add_row(tm_sink_store *store, const char *name, const json_t *spec, tm_err *err) {
    tm_sink_row row = {.spec = (json_t *)(uintptr_t)spec, .next_us = first_due(spec)};
    (void)tm__str_copy(row.name, sizeof(row.name), tm__str(name));
    return tm__sink_store_add(store, &row, err);
}

tm_status tm__sink_add(const tm_home *home, const char *name, const json_t *spec, tm_err *err) {
    tm_sink_store *store = NULL;
    TM_TRY(tm__sink_check(name, spec, err));
    TM_TRY(check_names(home, spec, err));
    TM_TRY(tm__sink_store_open(home, true, &store, err));
    const tm_status st = add_row(store, name, spec, err);
    tm__sink_store_close(store);
    return st;
}

static tm_status find_in(tm_sink_store *store, const char *name, const json_t *spec,
                         tm_sink_row *row, tm_sink_change *out, tm_err *err) {
    tm_err own = {0};
    const tm_status st = tm__sink_store_find(store, name, row, &own);
    if (st == TM_E_NOT_FOUND) {
        *out = TM_SINK_NEW;
        return TM_OK;
    }
    if (st == TM_OK) {
        *out = json_equal(row->spec, spec) != 0 ? TM_SINK_SAME : TM_SINK_CHANGED;
    } else if (err != NULL) {
        *err = own;
    }
    return st;
}

tm_status tm__sink_compare(const tm_home *home, const char *name, const json_t *spec,
                           tm_sink_change *out, tm_err *err) {
    tm_sink_store *store = NULL;
    tm_sink_row row = {0};
    tm_err own = {0};
    tm_status st = tm__sink_store_open(home, false, &store, &own);
    if (st == TM_E_NOT_FOUND) {
        *out = TM_SINK_NEW;
        return TM_OK;
    }
    if (st != TM_OK) {
        if (err != NULL) {
            *err = own;
        }
        return st;
    }
    st = find_in(store, name, spec, &row, out, err);
    tm__sink_row_done(&row);
    tm__sink_store_close(store);
    return st;
}

/* Another input is another sink: what was counted of the old one says nothing of it. */
static tm_status begin_anew(tm_sink_store *store, tm_sink_row *row, tm_err *err) {
    if (!json_is_null(row->plan)) {
        const tm_status st =
            TM_FAIL(err, TM_E_CONFLICT, "a batch of sink '%s' is not done", row->name);
        tm_err_hint(err, "End it with 'tidemill sink run %s', then let it read something else.",
                    row->name);
        return st;
    }
    json_decref(row->state);
    row->state = json_null();
    return tm__sink_store_save(store, row, err);
}

static tm_status change_row(tm_sink_store *store, tm_sink_row *row, const json_t *spec,
                            tm_err *err) {
    const bool is_same_input =
        json_equal(json_object_get(row->spec, "read"), json_object_get(spec, "read")) != 0;
    if (!is_same_input) {
        TM_TRY(begin_anew(store, row, err));
    }
    tm_sink_row changed = {.spec = (json_t *)(uintptr_t)spec, .next_us = first_due(spec)};
    (void)tm__str_copy(changed.name, sizeof(changed.name), tm__str(row->name));
    return tm__sink_store_declare(store, &changed, err);
}

tm_status tm__sink_declare(const tm_home *home, const char *name, const json_t *spec, tm_err *err) {
    tm_sink_store *store = NULL;
    tm_sink_row row = {0};
    tm_sink_change change = TM_SINK_SAME;
    tm_file *lock = NULL;
    TM_TRY(tm__sink_check(name, spec, err));
    TM_TRY(check_names(home, spec, err));
    TM_TRY(tm__sink_store_open(home, true, &store, err));
    tm_status st = tm__sink_lock(home, name, &lock, err);
    st = st == TM_OK ? find_in(store, name, spec, &row, &change, err) : st;
    if (st == TM_OK && change == TM_SINK_NEW) {
        st = add_row(store, name, spec, err);
    } else if (st == TM_OK && change == TM_SINK_CHANGED) {
        st = change_row(store, &row, spec, err);
    }
    tm__sink_row_done(&row);
    tm__sink_store_close(store);
    tm__file_close(lock);
    return st;
}

tm_status tm__sink_remove(const tm_home *home, const char *name, tm_err *err) {
    tm_sink_store *store = NULL;
    tm_file *lock = NULL;
    TM_TRY(tm__sink_store_open(home, false, &store, err));
    tm_status st = tm__sink_lock(home, name, &lock, err);
    st = st == TM_OK ? tm__sink_store_remove(store, name, err) : st;
    tm__sink_store_close(store);
    tm__file_close(lock);
    return st;
}

tm_status tm__sink_lock(const tm_home *home, const char *name, tm_file **out, tm_err *err) {
    char file[TM_MAX_NAME + 16];
    tm_err own = {0};
    (void)snprintf(file, sizeof(file), "sink.%.*s.lock", (int)TM_MAX_NAME, name);
    char *path = tm__fs_join(tm__home_jobs(home), file);
    if (path == NULL) {
        return no_memory(err);
    }
    tm_status st = tm__lock_open(path, out, &own);
    tm__mem_free(path);
    if (st == TM_E_CONFLICT) {
        st = TM_FAIL(err, TM_E_CONFLICT, "another process runs the sink '%s'", name);
        tm_err_hint(err, "Wait until it ends; 'tidemill sink show %s' says how far it is.", name);
    } else if (st != TM_OK && err != NULL) {
        *err = own;
    }
    return st;
}

/* ---- Showing ---- */

/* Rows of the source that no batch holds yet; null when that cannot be told. */
static json_t *waiting_json(const tm_home *home, const tm_sink_row *row) {
    const char *source = json_string_value(json_object_get(row->spec, "read"));
    tm_source_rows *rows = NULL;
    tm_source_extent extent = {0};
    json_t *waiting = json_null();
    tm_status st =
        source == NULL ? TM_E_NOT_FOUND : tm__source_rows_open(home, source, &rows, NULL);
    st = st == TM_OK ? tm__source_rows_extent(rows, &extent, NULL) : st;
    if (st == TM_E_NOMEM) {
        waiting = tm__json_lost();
    } else if (st == TM_OK) {
        const uint64_t next = (uint64_t)tm__json_i64(row->state, "next", 0);
        const uint64_t from = next > extent.first ? next : extent.first;
        waiting = json_integer((json_int_t)(extent.end > from ? extent.end - from : 0));
    }
    tm__source_rows_close(rows);
    return waiting;
}

static json_t *row_json(const tm_home *home, const tm_sink_row *row) {
    const json_t *spec = row->spec;
    const json_t *every = json_object_get(spec, "every_s");
    const json_t *plan = json_object_get(row->plan, "batch");
    json_t *key = json_object_get(spec, "key");
    return json_pack(
        "{s:s, s:O, s:O, s:O, s:o, s:o, s:s, s:O, s:I, s:I, s:o, s:I, s:o, s:o, s:o, s:I, s:o}",
        "sink", row->name, "model", json_object_get(spec, "model"), "read",
        json_object_get(spec, "read"), "write", json_object_get(spec, "write"), "key",
        key == NULL ? json_array() : json_incref(key), "every_seconds",
        every == NULL ? json_null() : json_integer(json_integer_value(every)), "status",
        row->status, "error", row->error, "rows", (json_int_t)row->n_rows, "batches",
        (json_int_t)row->n_batches, "waiting", waiting_json(home, row), "missed",
        (json_int_t)tm__json_i64(row->state, "missed", 0), "last_run_at",
        tm__json_time_or_null(row->tried_us), "last_done_at", tm__json_time_or_null(row->done_us),
        "next_at", tm__json_time_or_null(row->next_us), "failures", (json_int_t)row->n_failures,
        "batch", plan == NULL ? json_null() : json_string(json_string_value(plan)));
}

tm_status tm__sink_show(const tm_home *home, const char *name, json_t **out, tm_err *err) {
    tm_sink_store *store = NULL;
    tm_sink_row row = {0};
    TM_TRY(tm__sink_store_open(home, false, &store, err));
    tm_status st = tm__sink_store_find(store, name, &row, err);
    json_t *json = st == TM_OK ? row_json(home, &row) : NULL;
    tm__sink_row_done(&row);
    tm__sink_store_close(store);
    if (st == TM_OK && json == NULL) {
        st = no_memory(err);
    }
    if (st == TM_OK) {
        *out = json;
    }
    return st;
}

tm_status tm__sink_list(const tm_home *home, json_t **out, tm_err *err) {
    tm_sink_store *store = NULL;
    json_t *names = NULL, *list = json_array();
    size_t i = 0;
    const json_t *name = NULL;
    tm_err own = {0};
    tm_status st = tm__sink_store_open(home, false, &store, &own);
    if (st == TM_E_NOT_FOUND) {
        *out = list;
        return TM_OK;
    }
    st = st == TM_OK ? tm__sink_store_names(store, &names, &own) : st;
    json_array_foreach(names, i, name) {
        tm_sink_row row = {0};
        st = tm__sink_store_find(store, json_string_value(name), &row, &own);
        if (st != TM_OK || json_array_append_new(list, row_json(home, &row)) != 0) {
            st = st != TM_OK ? st : no_memory(&own);
            tm__sink_row_done(&row);
            break;
        }
        tm__sink_row_done(&row);
    }
    json_decref(names);
    tm__sink_store_close(store);
    if (st != TM_OK) {
        json_decref(list);
        if (err != NULL) {
            *err = own;
        }
        return st;
    }
    *out = list;
    return TM_OK;
}

/* ---- How a try ended ---- */

/* What others can mend without a word to the sink: a server that is down, a disk that is full. */
static bool can_try_again(tm_status status) {
    return status == TM_E_UNAVAILABLE || status == TM_E_NOMEM || status == TM_E_IO ||
           status == TM_E_CANCELLED;
}

tm_status tm__sink_record(tm_sink_store *store, tm_sink_row *row, const tm_err *failure,
                          tm_err *err) {
    const int64_t every_us = tm__json_i64(row->spec, "every_s", 0) * 1000000;
    const int64_t now_us = tm__now_us();
    const char *status = "ready";
    json_decref(row->error);
    if (failure == NULL) {
        const int64_t next_us = row->tried_us + every_us;
        row->error = json_null();
        row->n_failures = 0;
        row->done_us = now_us;
        row->next_us = every_us == 0 ? 0 : next_us > now_us ? next_us : now_us + 1;
    } else if (can_try_again(failure->status)) {
        status = "retrying";
        row->error = tm__failure_json(failure);
        row->next_us = now_us + tm__backoff_us(row->n_failures, RETRY_US_MIN, RETRY_US_MAX);
        row->n_failures++;
    } else {
        status = "stopped";
        row->error = tm__failure_json(failure);
        row->next_us = 0;
        row->n_failures++;
    }
    (void)tm__str_copy(row->status, sizeof(row->status), tm__str(status));
    return tm__sink_store_save(store, row, err);
}
