/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows in quarantine: kept as far as a source's quarantine has room, counted, listed, written out.
 *
 * 1. What finds no room is counted (`dropped`) and told to whoever brought it, never left out in
 *    silence.
 * 2. A row's bytes leave the home only by tm__intake_quarantine() and _write(): a count or a place
 *    says nothing of a person.
 */
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json_scan.h"
#include "base/mem.h"
#include "source/intake_priv.h"
#include "store/db_seal.h"

#define GROUPS_MAX 1000
#define FILE_BYTES_MAX ((size_t)4 << 30)

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

/* ---- Keeping ---- */

typedef struct room {
    int64_t n_rows, n_bytes; /* in quarantine */
    int64_t rows_max, bytes_max;
} room;

static tm_status find_room(tm_db *db, int64_t source, room *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(db,
                         "SELECT quarantined, quarantine_bytes,"
                         " coalesce(CAST(json_extract(spec, '$.quarantine_rows') AS INTEGER), ?2),"
                         " coalesce(CAST(json_extract(spec, '$.quarantine_bytes') AS INTEGER), ?3)"
                         " FROM sources WHERE id = ?1",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, source);
    tm__stmt_bind_i64(stmt, 2, TM_QUARANTINE_ROWS);
    tm__stmt_bind_i64(stmt, 3, TM_QUARANTINE_BYTES);
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row) {
        *out = (room){tm__stmt_i64(stmt, 0), tm__stmt_i64(stmt, 1), tm__stmt_i64(stmt, 2),
                      tm__stmt_i64(stmt, 3)};
    }
    tm__stmt_done(stmt);
    return st;
}

/* Where a bad row came from, in a SELECT of it: a text, however it is stored. */
#define ORIGIN "CAST(unseal('quarantine.origin', seq, origin) AS TEXT)"

static tm_status keep_locked(tm_db *db, int64_t source, const char *origin, const tm_rows *rows,
                             const tm_bad_row *bad, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "INSERT INTO quarantine(seq, source, at_us, origin, row, col, reason,"
                         " detail, bytes, names, dialect)"
                         " SELECT n.seq, ?1, ?2, seal('quarantine.origin', n.seq, ?3), ?4, ?5, ?6,"
                         " ?7, seal('quarantine.bytes', n.seq, ?8),"
                         " seal('quarantine.names', n.seq, ?9),"
                         " seal('quarantine.dialect', n.seq, ?10)"
                         " FROM (" TM_NEXT_SEQ("quarantine") ") n",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, source);
    tm__stmt_bind_i64(stmt, 2, tm__now_us());
    tm__stmt_bind_text(stmt, 3, origin);
    tm__stmt_bind_i64(stmt, 4, (int64_t)bad->row);
    tm__stmt_bind_text(stmt, 5, bad->column);
    tm__stmt_bind_text(stmt, 6, tm__row_reason_names[bad->reason]);
    tm__stmt_bind_text(stmt, 7, bad->detail);
    const uint8_t *bytes = bad->len > 0 ? rows->bad_bytes.data + bad->start : NULL;
    tm__stmt_bind_blob(stmt, 8, bytes, bad->len);
    tm__stmt_bind_text(stmt, 9, rows->names.len > 0 ? (const char *)rows->names.data : "");
    tm__stmt_bind_text(stmt, 10, rows->dialect.len > 0 ? (const char *)rows->dialect.data : "");
    return tm__stmt_run_done(stmt, err);
}

tm_status tm__intake_db_add_bad_locked(tm_db *db, int64_t source, const char *origin,
                                       const tm_rows *rows, uint64_t *out_dropped, tm_err *err) {
    room r = {0};
    tm_stmt *stmt = NULL;
    uint64_t n_kept = 0, n_bytes = 0;
    *out_dropped = 0;
    if (rows->n_bad == 0) {
        return TM_OK;
    }
    TM_TRY(find_room(db, source, &r, err));
    const size_t beside = (rows->names.len > 0 ? rows->names.len - 1 : 0) +
                          (rows->dialect.len > 0 ? rows->dialect.len - 1 : 0);
    for (uint64_t i = 0; i < rows->n_bad; i++) {
        const uint64_t size = rows->bad[i].len + beside;
        if (r.n_rows >= r.rows_max || (uint64_t)r.n_bytes + size > (uint64_t)r.bytes_max) {
            continue; /* a smaller one behind it may find room */
        }
        TM_TRY(keep_locked(db, source, origin, rows, &rows->bad[i], err));
        r.n_rows++;
        r.n_bytes += (int64_t)size;
        n_bytes += size;
        n_kept++;
    }
    TM_TRY(tm__stmt_init(db,
                         "UPDATE sources SET quarantined = quarantined + ?,"
                         " quarantine_bytes = quarantine_bytes + ?, dropped = dropped + ?"
                         " WHERE id = ?",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, (int64_t)n_kept);
    tm__stmt_bind_i64(stmt, 2, (int64_t)n_bytes);
    tm__stmt_bind_i64(stmt, 3, (int64_t)(rows->n_bad - n_kept));
    tm__stmt_bind_i64(stmt, 4, source);
    TM_TRY(tm__stmt_run_done(stmt, err));
    *out_dropped = rows->n_bad - n_kept;
    return TM_OK;
}

/* ---- Listing ---- */

static bool is_text(tm_str bytes) {
    return tm__str_is_utf8(bytes) && (bytes.len == 0 || memchr(bytes.ptr, '\0', bytes.len) == NULL);
}

static json_t *bad_json(tm_stmt *stmt) {
    const tm_str bytes = tm__stmt_blob(stmt, 7);
    return json_pack(
        "{s:I, s:o, s:s, s:I, s:s, s:s, s:s, s:o}", "number", (json_int_t)tm__stmt_i64(stmt, 0),
        "at", tm__json_time_or_null(tm__stmt_i64(stmt, 1)), "origin", tm__stmt_text(stmt, 2), "row",
        (json_int_t)tm__stmt_i64(stmt, 3), "column", tm__stmt_text(stmt, 4), "reason",
        tm__stmt_text(stmt, 5), "detail", tm__stmt_text(stmt, 6), "bytes",
        is_text(bytes) ? json_stringn(bytes.len > 0 ? bytes.ptr : "", bytes.len) : json_null());
}

/* Lists of sources are made without the key of the home: an origin that is sealed is empty there.
 */
tm_status tm__intake_db_last_bad(tm_db *db, int64_t source, json_t **out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(
        db,
        "SELECT seq, at_us, CASE WHEN sealed_by(origin) = '' THEN origin ELSE '' END, row, col,"
        " reason, detail, zeroblob(0)"
        " FROM quarantine WHERE source = ? ORDER BY seq DESC LIMIT 1",
        &stmt, err));
    tm__stmt_bind_i64(stmt, 1, source);
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK) {
        *out = has_row ? bad_json(stmt) : json_null();
        json_object_del(*out, "bytes");
    }
    tm__stmt_done(stmt);
    return st;
}

#define CHOSEN                                                                                     \
    " FROM quarantine WHERE source = ?1 AND seq >= ?2 AND (?3 = 0 OR seq <= ?3)"                   \
    " AND (?4 = '' OR reason = ?4)"

static tm_status choose(tm_intake_place *p, const char *sql, const tm_intake_choice *choice,
                        tm_stmt **out, tm_err *err) {
    TM_TRY(tm__stmt_init(p->db, sql, out, err));
    tm__stmt_bind_i64(*out, 1, p->source.id);
    tm__stmt_bind_i64(*out, 2, choice->first);
    tm__stmt_bind_i64(*out, 3, choice->last);
    tm__stmt_bind_text(*out, 4, choice->reason != NULL ? choice->reason : "");
    return TM_OK;
}

tm_status tm__intake_quarantine(const tm_home *home, const char *name,
                                const tm_intake_choice *choice, uint32_t n_max, json_t **out,
                                tm_err *err) {
    tm_intake_place p = {0};
    tm_stmt *stmt = NULL;
    json_t *list = json_array();
    tm_status st = tm__intake_place_open(home, name, &p, err);
    if (st == TM_OK) {
        st = choose(&p,
                    "SELECT seq, at_us, " ORIGIN ", row, col, reason, detail,"
                    " substr(unseal('quarantine.bytes', seq, bytes), 1, 1048576)" CHOSEN
                    " ORDER BY seq LIMIT ?5",
                    choice, &stmt, err);
    }
    if (st == TM_OK) {
        tm__stmt_bind_i64(stmt, 5, n_max);
    }
    while (tm__stmt_next(stmt, &st, err)) {
        json_array_append_new(list, bad_json(stmt));
    }
    tm__stmt_done(stmt);
    tm__intake_place_done(&p);
    return tm__json_give(st, list, out, err);
}

/* ---- Counts ---- */

/* The first three places of a group: "[[number, row], ...]" as the database gives them. */
static tm_status examples_json(const char *text, json_t **out, tm_err *err) {
    json_t *pairs = NULL;
    size_t i = 0;
    const json_t *pair = NULL;
    if (text == NULL) {
        return no_memory(err);
    }
    TM_TRY(tm__json_parse(text, strlen(text), TM_MAX_JSON_DEPTH, &pairs, err));
    *out = json_array();
    json_array_foreach(pairs, i, pair) {
        json_array_append_new(*out, json_pack("{s:O, s:O}", "number", json_array_get(pair, 0),
                                              "row", json_array_get(pair, 1)));
    }
    json_decref(pairs);
    return TM_OK;
}

static tm_status groups(tm_intake_place *p, const tm_intake_choice *choice, json_t *out,
                        tm_err *err) {
    tm_stmt *stmt = NULL;
    json_t *list = json_array();
    json_int_t n_left = 0, n_chosen = 0;
    json_object_set_new(out, "groups", list);
    TM_TRY(choose(p,
                  "SELECT reason, origin, col, count(*), min(at_us), max(at_us),"
                  " '[' || group_concat('[' || seq || ',' || row || ']', ',') FILTER (WHERE k <= 3)"
                  " || ']'"
                  " FROM (SELECT a.*, row_number() OVER (PARTITION BY reason, origin, col ORDER BY"
                  " seq) AS k FROM (SELECT seq, row, reason, " ORIGIN
                  " AS origin, col, at_us" CHOSEN
                  ") a) q GROUP BY reason, origin, col ORDER BY count(*) DESC, min(seq)",
                  choice, &stmt, err));
    tm_status st = TM_OK;
    while (tm__stmt_next(stmt, &st, err)) {
        json_t *examples = NULL;
        n_chosen += tm__stmt_i64(stmt, 3);
        if (json_array_size(list) >= GROUPS_MAX) {
            n_left++;
            continue;
        }
        st = examples_json(tm__stmt_text(stmt, 6), &examples, err);
        if (st == TM_OK) {
            json_array_append_new(
                list,
                json_pack("{s:s, s:s, s:s, s:I, s:o, s:o, s:o}", "reason", tm__stmt_text(stmt, 0),
                          "origin", tm__stmt_text(stmt, 1), "column", tm__stmt_text(stmt, 2),
                          "count", (json_int_t)tm__stmt_i64(stmt, 3), "first_at",
                          tm__json_time_or_null(tm__stmt_i64(stmt, 4)), "last_at",
                          tm__json_time_or_null(tm__stmt_i64(stmt, 5)), "examples", examples));
        }
    }
    tm__stmt_done(stmt);
    json_object_set_new(out, "chosen", json_integer(n_chosen));
    json_object_set_new(out, "groups_left_off", json_integer(n_left));
    return st;
}

tm_status tm__intake_quarantine_groups(const tm_home *home, const char *name,
                                       const tm_intake_choice *choice, json_t **out, tm_err *err) {
    tm_intake_place p = {0};
    room r = {0};
    TM_TRY(tm__intake_place_open(home, name, &p, err));
    tm_status st = find_room(p.db, p.source.id, &r, err);
    json_t *json = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "source", name, "quarantined",
                             (json_int_t)r.n_rows, "bytes", (json_int_t)r.n_bytes, "dropped",
                             (json_int_t)p.source.n_dropped, "rows_max", (json_int_t)r.rows_max,
                             "bytes_max", (json_int_t)r.bytes_max);
    st = st == TM_OK ? groups(&p, choice, json, err) : st;
    st = st == TM_OK ? tm__json_check(err) : st;
    tm__intake_place_done(&p);
    return tm__json_give(st, json, out, err);
}

/* ---- Writing out ---- */

static bool write_base64(tm_buf *out, tm_str bytes) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bool ok = tm__buf_byte(out, '"');
    for (size_t i = 0; i < bytes.len && ok; i += 3) {
        const size_t n = bytes.len - i < 3 ? bytes.len - i : 3;
        uint32_t v = 0;
        for (size_t k = 0; k < 3; k++) {
            v = v << 8 | (k < n ? (uint8_t)bytes.ptr[i + k] : 0u);
        }
        for (size_t k = 0; k < 4; k++) {
            ok = ok && tm__buf_byte(out, k <= n ? (uint8_t)digits[v >> (18 - 6 * k) & 63] : '=');
        }
    }
    return ok && tm__buf_byte(out, '"');
}

/* An object on one line can stand in the file as it is, to be edited as JSON. */
static bool is_object(tm_str bytes) {
    tm_scan_error e = {0};
    json_t *json = NULL; /* whoever edits the file reads it as JSON is read: 1e400 is none then */
    char *copy = bytes.len == 0 || bytes.ptr[0] != '{' || memchr(bytes.ptr, '\n', bytes.len) != NULL
                     ? NULL
                     : tm__mem_strndup(bytes.ptr, bytes.len);
    const bool is_good =
        copy != NULL && tm__scan_check(copy, bytes.len, &e) &&
        tm__json_parse(bytes.ptr, bytes.len, TM_MAX_JSON_DEPTH, &json, NULL) == TM_OK;
    json_decref(json);
    tm__mem_free(copy);
    return is_good;
}

static bool write_row(tm_buf *out, const char *source, tm_stmt *stmt) {
    const tm_str bytes = tm__stmt_blob(stmt, 7);
    const char *names = tm__stmt_text(stmt, 8);
    const char *const words[] = {
        "reason", tm__stmt_text(stmt, 5), "detail", tm__stmt_text(stmt, 6),
        "column", tm__stmt_text(stmt, 4), "origin", tm__stmt_text(stmt, 2)};
    bool ok = tm__buf_text(out, "{\"source\": ") && tm__json_write_text(out, tm__str(source));
    tm__buf_printf(out, ", \"number\": %lld", (long long)tm__stmt_i64(stmt, 0));
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]) && ok; i += 2) {
        tm__buf_printf(out, ", \"%s\": ", words[i]);
        ok = words[i + 1] != NULL && tm__json_write_text(out, tm__str(words[i + 1]));
    }
    tm__buf_printf(out, ", \"row\": %lld, ", (long long)tm__stmt_i64(stmt, 3));
    if (names == NULL || !ok) {
        return false;
    }
    if (names[0] != '\0') {
        ok = tm__buf_text(out, "\"names\": ") && tm__json_write_text(out, tm__str(names)) &&
             tm__buf_text(out, ", ");
    } else if (is_object(bytes)) {
        return tm__buf_text(out, "\"value\": ") && tm__buf_append(out, bytes.ptr, bytes.len) &&
               tm__buf_text(out, "}\n");
    }
    ok = ok && tm__buf_text(out, is_text(bytes) ? "\"text\": " : "\"base64\": ");
    ok = ok && (is_text(bytes) ? tm__json_write_text(out, bytes) : write_base64(out, bytes));
    return ok && tm__buf_text(out, "}\n") && !out->failed;
}

tm_status tm__intake_quarantine_write(const tm_home *home, const char *name,
                                      const tm_intake_choice *choice, const char *path,
                                      uint64_t *out_n, tm_err *err) {
    tm_intake_place p = {0};
    tm_stmt *stmt = NULL;
    tm_buf text;
    uint64_t n = 0;
    TM_TRY(tm__intake_place_open(home, name, &p, err));
    tm__buf_init(&text, FILE_BYTES_MAX);
    tm_status st =
        choose(&p,
               "SELECT seq, at_us, " ORIGIN ", row, col, reason, detail,"
               " unseal('quarantine.bytes', seq, bytes),"
               " CAST(unseal('quarantine.names', seq, names) AS TEXT)" CHOSEN " ORDER BY seq",
               choice, &stmt, err);
    while (tm__stmt_next(stmt, &st, err)) {
        st = write_row(&text, name, stmt) ? TM_OK : no_memory(err);
        n++;
    }
    tm__stmt_done(stmt);
    tm__intake_place_done(&p);
    if (st == TM_OK) {
        st =
            tm__fs_publish_secret(path, text.len > 0 ? (const void *)text.data : "", text.len, err);
    }
    tm__buf_done(&text);
    if (st == TM_OK) {
        *out_n = n;
    }
    return st;
}
