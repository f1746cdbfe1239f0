/* SPDX-License-Identifier: Apache-2.0 */
/* The append-only record of every move, chained by hashes. docs/formats/home.md has the bytes. */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "registry/registry_priv.h"

#define STORY_RECORDS_MAX 1000

#define TM_RECORD_BYTES_MAX (16u << 20)

/* One record as it is hashed. */
typedef struct tm_record {
    int64_t seq, at_us, version, from; /* version and from: -1 is none */
    const char *model, *event, *actor;
    const char *reason, *details; /* may be NULL */
} tm_record;

static void record_text(tm_buf *buf, const char *text) {
    if (text == NULL) {
        tm__buf_u32(buf, UINT32_MAX);
    } else {
        tm__buf_str(buf, tm__str(text));
    }
}

static tm_status record_hash(const tm_record *record, const tm_hash *prev, tm_hash *out,
                             tm_err *err) {
    tm_buf buf;
    tm__buf_init(&buf, TM_RECORD_BYTES_MAX);
    tm__buf_append(&buf, prev->bytes, TM_HASH_BYTES);
    tm__buf_str(&buf, TM_STR("tidemill.history/1"));
    tm__buf_i64(&buf, record->seq);
    tm__buf_i64(&buf, record->at_us);
    record_text(&buf, record->model);
    record_text(&buf, record->event);
    tm__buf_i64(&buf, record->version);
    tm__buf_i64(&buf, record->from);
    record_text(&buf, record->actor);
    record_text(&buf, record->reason);
    record_text(&buf, record->details);
    tm_status st = TM_OK;
    if (buf.failed) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory");
    } else {
        tm__hash_bytes(buf.data, buf.len, out);
    }
    tm__buf_done(&buf);
    return st;
}

static tm_status chain_load(tm_registry *registry, int64_t *out_n, tm_hash *out_hash, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(registry->db, "SELECT n, hash FROM chain", &stmt, err));
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK) {
        const tm_str hash = has_row ? tm__stmt_blob(stmt, 1) : (tm_str){0};
        if (hash.len != TM_HASH_BYTES) {
            st = TM_FAIL(err, TM_E_INTEGRITY, "the history has lost its head");
        } else {
            *out_n = tm__stmt_i64(stmt, 0);
            memcpy(out_hash->bytes, hash.ptr, TM_HASH_BYTES);
        }
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status chain_save(tm_registry *registry, int64_t n, const tm_hash *hash, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db, "UPDATE chain SET n = ?, hash = ?", &stmt, err));
    tm__stmt_bind_i64(stmt, 1, n);
    tm__stmt_bind_blob(stmt, 2, hash->bytes, TM_HASH_BYTES);
    const tm_status st = tm__stmt_run(stmt, err);
    tm__stmt_done(stmt);
    return st;
}

static void bind_number(tm_stmt *stmt, int index, int64_t value) {
    if (value < 0) {
        tm__stmt_bind_null(stmt, index);
    } else {
        tm__stmt_bind_i64(stmt, index, value);
    }
}

static tm_status record_save(tm_registry *registry, const tm_record *record, const tm_hash *prev,
                             const tm_hash *hash, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db,
                         "INSERT INTO history(seq, at_us, model, event, version, from_version,"
                         " actor, reason, details, prev, hash) VALUES(?,?,?,?,?,?,?,?,?,?,?)",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, record->seq);
    tm__stmt_bind_i64(stmt, 2, record->at_us);
    tm__stmt_bind_text(stmt, 3, record->model);
    tm__stmt_bind_text(stmt, 4, record->event);
    bind_number(stmt, 5, record->version);
    bind_number(stmt, 6, record->from);
    tm__stmt_bind_text(stmt, 7, record->actor);
    tm__stmt_bind_text(stmt, 8, record->reason);
    tm__stmt_bind_text(stmt, 9, record->details);
    tm__stmt_bind_blob(stmt, 10, prev->bytes, TM_HASH_BYTES);
    tm__stmt_bind_blob(stmt, 11, hash->bytes, TM_HASH_BYTES);
    const tm_status st = tm__stmt_run(stmt, err);
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__history_append_locked(tm_registry *registry, const tm_event *event, tm_err *err) {
    int64_t n = 0;
    tm_hash prev, hash;
    TM_TRY(chain_load(registry, &n, &prev, err));
    char *details = NULL;
    TM_TRY(tm__registry_json_text(event->details, &details, err));
    const tm_record record = {
        .seq = n + 1,
        .at_us = tm__now_us(),
        .version = event->version == 0 ? -1 : (int64_t)event->version,
        .from = event->from == 0 ? -1 : (int64_t)event->from,
        .model = event->model,
        .event = event->event,
        .actor = event->actor->name,
        .reason = event->reason != NULL ? event->reason : event->actor->reason,
        .details = details,
    };
    tm_status st = record_hash(&record, &prev, &hash, err);
    if (st == TM_OK) {
        st = record_save(registry, &record, &prev, &hash, err);
    }
    if (st == TM_OK) {
        st = chain_save(registry, record.seq, &hash, err);
    }
    tm__mem_free(details);
    return st;
}

tm_status tm__history_last(tm_registry *registry, int64_t *out, tm_err *err) {
    tm_hash hash;
    return chain_load(registry, out, &hash, err);
}

static tm_status note_locked(tm_registry *registry, void *arg, tm_err *err) {
    const tm_event *event = arg;
    int64_t id = 0;
    TM_TRY(tm__registry_model_id(registry, event->model, &id, err));
    return tm__history_append_locked(registry, event, err);
}

tm_status tm__registry_note(tm_registry *registry, const char *model, const char *event,
                            uint32_t version, const tm_actor *actor, const json_t *details,
                            tm_err *err) {
    tm_event record = {
        .model = model, .event = event, .version = version, .actor = actor, .details = details};
    return tm__registry_transact(registry, note_locked, &record, err);
}

/* ---- Reading ---- */

static json_t *number_or_null(tm_stmt *stmt, int col) {
    return tm__stmt_is_null(stmt, col) ? json_null() : json_integer(tm__stmt_i64(stmt, col));
}

static json_t *text_or_null(const char *text) {
    return text == NULL ? json_null() : json_string(text);
}

static tm_status history_item(tm_stmt *stmt, json_t *list, tm_err *err) {
    json_t *details = NULL;
    TM_TRY(tm__registry_json(tm__stmt_text(stmt, 6), &details, err));
    json_t *item = json_object();
    int rc = json_object_set_new(item, "at", tm__registry_time(tm__stmt_i64(stmt, 0)));
    rc |= json_object_set_new(item, "event", text_or_null(tm__stmt_text(stmt, 1)));
    rc |= json_object_set_new(item, "version", number_or_null(stmt, 2));
    rc |= json_object_set_new(item, "from", number_or_null(stmt, 3));
    rc |= json_object_set_new(item, "actor", text_or_null(tm__stmt_text(stmt, 4)));
    rc |= json_object_set_new(item, "reason", text_or_null(tm__stmt_text(stmt, 5)));
    rc |= json_object_set_new(item, "details", details);
    rc |= json_array_append_new(list, item);
    return rc == 0 ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

tm_status tm__registry_history_find(tm_registry *registry, const char *model,
                                    const tm_history_filter *filter, json_t **out, tm_err *err) {
    int64_t id = 0;
    TM_TRY(tm__registry_model_id(registry, model, &id, err));
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(
        registry->db,
        "SELECT at_us, event, version, from_version, actor, reason, details FROM (SELECT * FROM"
        " history WHERE model = ?1 AND (?2 IS NULL OR event = ?2 OR"
        " substr(event, 1, length(?2) + 1) = ?2 || '.') AND (?3 = 0 OR version = ?3) AND"
        " (?4 = 0 OR at_us >= ?4) AND (?5 = 0 OR at_us < ?5) ORDER BY seq DESC LIMIT ?6)"
        " ORDER BY seq",
        &stmt, err));
    tm__stmt_bind_text(stmt, 1, model);
    tm__stmt_bind_text(stmt, 2, filter->event);
    tm__stmt_bind_i64(stmt, 3, filter->version);
    tm__stmt_bind_i64(stmt, 4, filter->since_us);
    tm__stmt_bind_i64(stmt, 5, filter->until_us);
    tm__stmt_bind_i64(stmt, 6, filter->newest == 0 ? -1 : (int64_t)filter->newest);
    json_t *list = json_array();
    tm_status st = list == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory") : TM_OK;
    for (bool has_row = true; st == TM_OK && has_row;) {
        st = tm__stmt_step(stmt, &has_row, err);
        if (st == TM_OK && has_row) {
            st = history_item(stmt, list, err);
        }
    }
    tm__stmt_done(stmt);
    if (st == TM_OK) {
        *out = list;
        list = NULL;
    }
    json_decref(list);
    return st;
}

tm_status tm__registry_history(tm_registry *registry, const char *model, json_t **out,
                               tm_err *err) {
    const tm_history_filter all = {0};
    return tm__registry_history_find(registry, model, &all, out, err);
}

static tm_status story_item(tm_stmt *stmt, json_t *list, int64_t *out_seq, tm_err *err) {
    TM_TRY(history_item(stmt, list, err));
    json_t *item = json_array_get(list, json_array_size(list) - 1);
    *out_seq = tm__stmt_i64(stmt, 7);
    int rc = json_object_set_new(item, "seq", json_integer(*out_seq));
    rc |= json_object_set_new(item, "model", json_string(tm__stmt_text(stmt, 8)));
    return rc == 0 ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

tm_status tm__registry_story(tm_registry *registry, int64_t after, json_t **out, int64_t *out_next,
                             tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db,
                         "SELECT at_us, event, version, from_version, actor, reason, details, seq,"
                         " model FROM history WHERE seq > ? ORDER BY seq LIMIT ?",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, after);
    tm__stmt_bind_i64(stmt, 2, STORY_RECORDS_MAX + 1);
    json_t *list = json_array();
    tm_status st = list == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory") : TM_OK;
    int64_t last = 0;
    int64_t next = 0;
    for (bool has_row = true; st == TM_OK && has_row && next == 0;) {
        st = tm__stmt_step(stmt, &has_row, err);
        if (st == TM_OK && has_row && json_array_size(list) == STORY_RECORDS_MAX) {
            next = last;
        } else if (st == TM_OK && has_row) {
            st = story_item(stmt, list, &last, err);
        }
    }
    tm__stmt_done(stmt);
    if (st == TM_OK) {
        *out = list;
        *out_next = next;
        list = NULL;
    }
    json_decref(list);
    return st;
}

/* ---- Checking ---- */

static int64_t number_or_none(tm_stmt *stmt, int col) {
    return tm__stmt_is_null(stmt, col) ? -1 : tm__stmt_i64(stmt, col);
}

static tm_status record_check(tm_stmt *stmt, int64_t seq, tm_hash *last, tm_err *err) {
    const tm_record record = {
        .seq = tm__stmt_i64(stmt, 0),
        .at_us = tm__stmt_i64(stmt, 1),
        .model = tm__stmt_text(stmt, 2),
        .event = tm__stmt_text(stmt, 3),
        .version = number_or_none(stmt, 4),
        .from = number_or_none(stmt, 5),
        .actor = tm__stmt_text(stmt, 6),
        .reason = tm__stmt_text(stmt, 7),
        .details = tm__stmt_text(stmt, 8),
    };
    if (record.seq != seq) {
        return TM_FAIL(err, TM_E_INTEGRITY, "history record %lld is missing", (long long)seq);
    }
    tm_hash hash;
    TM_TRY(record_hash(&record, last, &hash, err));
    const tm_str prev = tm__stmt_blob(stmt, 9);
    const tm_str stored = tm__stmt_blob(stmt, 10);
    if (prev.len != TM_HASH_BYTES || memcmp(prev.ptr, last->bytes, TM_HASH_BYTES) != 0 ||
        stored.len != TM_HASH_BYTES || memcmp(stored.ptr, hash.bytes, TM_HASH_BYTES) != 0) {
        return TM_FAIL(err, TM_E_INTEGRITY, "history record %lld was changed", (long long)seq);
    }
    *last = hash;
    return TM_OK;
}

static tm_status history_walk(tm_registry *registry, int64_t *out_n, tm_hash *out_last,
                              tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db,
                         "SELECT seq, at_us, model, event, version, from_version, actor, reason,"
                         " details, prev, hash FROM history ORDER BY seq",
                         &stmt, err));
    tm_status st = TM_OK;
    tm_hash last = {{0}};
    int64_t n = 0;
    for (;;) {
        bool has_row = false;
        st = tm__stmt_step(stmt, &has_row, err);
        if (st != TM_OK || !has_row) {
            break;
        }
        st = record_check(stmt, n + 1, &last, err);
        if (st != TM_OK) {
            break;
        }
        n++;
    }
    tm__stmt_done(stmt);
    if (st == TM_OK) {
        *out_n = n;
        *out_last = last;
    }
    return st;
}

static tm_status history_check(tm_registry *registry, uint64_t *out_n, tm_err *err) {
    int64_t n = 0, n_stated = 0;
    tm_hash last, stated;
    TM_TRY(history_walk(registry, &n, &last, err));
    TM_TRY(chain_load(registry, &n_stated, &stated, err));
    if (n != n_stated || !tm__hash_eq(&last, &stated)) {
        return TM_FAIL(err, TM_E_INTEGRITY, "history ends at record %lld and should end at %lld",
                       (long long)n, (long long)n_stated);
    }
    *out_n = (uint64_t)n;
    return TM_OK;
}

tm_status tm__registry_history_check(tm_registry *registry, uint64_t *out_n, tm_err *err) {
    /* One read transaction, so that a record which another process adds meanwhile does not show. */
    TM_TRY(tm__db_exec(registry->db, "BEGIN", err));
    const tm_status st = history_check(registry, out_n, err);
    tm__db_rollback(registry->db);
    return st;
}
