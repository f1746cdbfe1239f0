/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of the audit chain from outside of the registry, the list of them, and the anchor file.
 */
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "registry/chain.h"
#include "registry/registry_priv.h"

#define ANCHOR_NS UINT64_C(1000000000)

/* ---- Appending ---- */

typedef struct noting {
    const tm_audit_note *notes; /* [n] */
    uint32_t n;
    const tm_actor *actor;
} noting;

static tm_status append_one_locked(tm_registry *registry, const tm_audit_note *note,
                                   const tm_actor *actor, tm_err *err) {
    const tm_event event = {
        .model = note->model == NULL ? "" : note->model,
        .event = note->event,
        .actor = actor,
        .details = note->details,
        .object = note->object,
        .outcome = note->outcome,
        .subject = note->subject,
    };
    return tm__history_append_locked(registry, &event, err);
}

static tm_status append_locked(tm_registry *registry, void *arg, tm_err *err) {
    const noting *const in = arg;
    for (uint32_t i = 0; i < in->n; i++) {
        TM_TRY(append_one_locked(registry, &in->notes[i], in->actor, err));
    }
    return TM_OK;
}

tm_status tm__audit_append_all(tm_registry *registry, const tm_audit_note *notes, uint32_t n,
                               const tm_actor *actor, tm_err *err) {
    noting in = {notes, n, actor};
    return tm__registry_transact(registry, append_locked, &in, err);
}

tm_status tm__audit_append(tm_registry *registry, const tm_audit_note *note, const tm_actor *actor,
                           tm_err *err) {
    return tm__audit_append_all(registry, note, 1, actor, err);
}

static tm_status server_key_locked(tm_registry *registry, void *arg, tm_err *err) {
    return tm__registry_server_key_locked(registry, arg, err);
}

tm_status tm__audit_subject_find(tm_registry *registry, tm_str id, bool *out_has, tm_hash *out,
                                 tm_err *err) {
    tm_server_key key;
    TM_TRY(tm__registry_server_key(registry, &key, out_has, err));
    if (*out_has) {
        tm__audit_subject(&key, id, out);
        tm__server_key_done(&key);
    }
    return TM_OK;
}

tm_status tm__audit_subject_make(tm_registry *registry, tm_str id, tm_hash *out, tm_err *err) {
    tm_server_key key;
    bool has = false;
    TM_TRY(tm__audit_subject_find(registry, id, &has, out, err));
    if (!has) {
        TM_TRY(tm__registry_transact(registry, server_key_locked, &key, err));
        tm__audit_subject(&key, id, out);
        tm__server_key_done(&key);
    }
    return TM_OK;
}

/* ---- The anchor ---- */

static tm_status anchor_append(const char *path, const tm_buf *line, tm_err *err) {
    tm_file *file = NULL;
    TM_TRY(tm__file_open(path, TM_OPEN_APPEND, &file, err));
    const tm_status st = tm__file_write(file, line->data, line->len, err);
    tm__file_close(file);
    return st;
}

static tm_status anchor_write(const tm_registry *registry, const tm_audit_head *head, tm_err *err) {
    tm_buf line;
    char *path = tm__fs_join(tm__home_path(registry->home), TM_AUDIT_ANCHOR);
    tm__buf_init(&line, TM_AUDIT_LINE_BYTES_MAX);
    const tm_status st = path == NULL || !tm__audit_anchor_write(head, &line)
                             ? TM_FAIL(err, TM_E_NOMEM, "out of memory")
                             : anchor_append(path, &line, err);
    tm__buf_done(&line);
    tm__mem_free(path);
    return st;
}

void tm__anchor(tm_registry *registry, bool must) {
    const uint64_t now_ns = tm__mono_ns();
    tm_audit_head head;
    bool is_signed = false;
    if (registry->moved_n == 0 || tm__db_is_in_transaction(registry->db) ||
        (!must && registry->anchored_ns != 0 && now_ns - registry->anchored_ns < ANCHOR_NS)) {
        return;
    }
    if (tm__chain_load(registry->db, &head, &is_signed, NULL) != TM_OK || !is_signed) {
        return;
    }
    /* What this handle appended may have been rolled back: then there is nothing to say. */
    if (head.n < registry->moved_n || anchor_write(registry, &head, NULL) == TM_OK) {
        registry->moved_n = 0;
        registry->anchored_ns = now_ns;
    }
}

/* ---- Reading ---- */

static json_t *text_or_null(tm_stmt *stmt, int col) {
    return tm__stmt_is_null(stmt, col) ? json_null() : json_string(tm__stmt_text(stmt, col));
}

static json_t *subject_or_null(tm_stmt *stmt, int col) {
    char text[TM_HASH_TEXT];
    tm_hash subject;
    const tm_str bytes = tm__stmt_blob(stmt, col);
    if (bytes.len != TM_HASH_BYTES) {
        return json_null();
    }
    memcpy(subject.bytes, bytes.ptr, TM_HASH_BYTES);
    tm__hash_to_text(&subject, text);
    return json_string(text);
}

static tm_status list_item(tm_stmt *stmt, json_t *list, int64_t *out_seq, tm_err *err) {
    json_t *details = NULL;
    TM_TRY(tm__registry_json(tm__stmt_text(stmt, 10), &details, err));
    json_t *item = json_object();
    *out_seq = tm__stmt_i64(stmt, 0);
    int rc = json_object_set_new(item, "seq", json_integer(*out_seq));
    rc |= json_object_set_new(item, "at", tm__json_time(tm__stmt_i64(stmt, 1)));
    rc |= json_object_set_new(item, "event", text_or_null(stmt, 2));
    rc |= json_object_set_new(item, "object", text_or_null(stmt, 3));
    rc |= json_object_set_new(item, "model", text_or_null(stmt, 4));
    rc |= json_object_set_new(item, "version", tm__registry_number(stmt, 5));
    rc |= json_object_set_new(item, "from", tm__registry_number(stmt, 6));
    rc |= json_object_set_new(item, "actor", text_or_null(stmt, 7));
    rc |= json_object_set_new(
        item, "outcome", tm__stmt_is_null(stmt, 8) ? json_string("done") : text_or_null(stmt, 8));
    rc |= json_object_set_new(item, "reason", text_or_null(stmt, 9));
    rc |= json_object_set_new(item, "details", details);
    rc |= json_object_set_new(item, "subject", subject_or_null(stmt, 11));
    rc |= json_array_append_new(list, item);
    return rc == 0 ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

#define COLUMNS                                                                                    \
    "seq, at_us, event, object, model, version, from_version, actor, outcome, reason, details,"    \
    " subject"
#define WHERE                                                                                      \
    " FROM history WHERE seq > ?1 AND (?2 IS NULL OR event = ?2 OR"                                \
    " substr(event, 1, length(?2) + 1) = ?2 || '.') AND (?3 IS NULL OR actor = ?3)"                \
    " AND (?4 IS NULL OR object = ?4 OR substr(object, 1, length(?4) + 1) = ?4 || ':')"            \
    " AND (?5 IS NULL OR model = ?5) AND (subject = ?6 OR ?6 IS NULL)"                             \
    " AND (?7 = 0 OR at_us >= ?7) AND (?8 = 0 OR at_us < ?8)"

static void bind_filter(tm_stmt *stmt, const tm_audit_filter *filter, uint32_t limit) {
    tm__stmt_bind_i64(stmt, 1, filter->after);
    tm__stmt_bind_text(stmt, 2, filter->event);
    tm__stmt_bind_text(stmt, 3, filter->actor);
    tm__stmt_bind_text(stmt, 4, filter->object);
    tm__stmt_bind_text(stmt, 5, filter->model);
    if (filter->subject == NULL) {
        tm__stmt_bind_null(stmt, 6);
    } else {
        tm__stmt_bind_blob(stmt, 6, filter->subject->bytes, TM_HASH_BYTES);
    }
    tm__stmt_bind_i64(stmt, 7, filter->since_us);
    tm__stmt_bind_i64(stmt, 8, filter->until_us);
    tm__stmt_bind_i64(stmt, 9, (int64_t)limit);
}

tm_status tm__audit_list(tm_registry *registry, const tm_audit_filter *filter, json_t **out,
                         int64_t *out_next, tm_err *err) {
    static const char oldest[] = "SELECT " COLUMNS WHERE " ORDER BY seq LIMIT ?9";
    static const char newest[] =
        "SELECT * FROM (SELECT " COLUMNS WHERE " ORDER BY seq DESC LIMIT ?9) n ORDER BY seq";
    tm_stmt *stmt = NULL;
    const bool is_newest = filter->newest != 0;
    const uint32_t most =
        is_newest && filter->newest < TM_AUDIT_LIST_MAX ? filter->newest : TM_AUDIT_LIST_MAX;
    TM_TRY(tm__stmt_init(registry->db, is_newest ? newest : oldest, &stmt, err));
    bind_filter(stmt, filter, is_newest ? most : most + 1);
    json_t *list = json_array();
    tm_status st = list == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory") : TM_OK;
    int64_t last = 0, next = 0;
    while (next == 0 && tm__stmt_next(stmt, &st, err)) {
        if (json_array_size(list) == most) {
            next = last;
        } else {
            st = list_item(stmt, list, &last, err);
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
