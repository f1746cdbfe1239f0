/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checking the audit chain.
 *
 *   chain: n, hash, signature    entries 1 .. n in pieces, each by a thread of its own:
 *        │                         hash(entry, hash before) is the stored hash, and the
 *        ├─ n is the last entry    stored hash before is that of the entry before
 *        ├─ hash is that of entry n
 *        └─ signed by a known key
 *   anchor: lines (n, hash, signature), each held against entry n
 *
 * 1. Pieces are bounded by n of the first look, so what is appended meanwhile does not show.
 * 2. An entry is only held against its neighbour: that all of them agree makes the chain, by
 *    induction, whoever checked which.
 * 3. A line of the anchor that agrees needs no signature; one that does not counts only with a
 * valid one of a key that is known, or that the chain itself names as an earlier one.
 */
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/pool.h"
#include "registry/chain.h"
#include "registry/registry_priv.h"

#define PIECE 32768
#define ANCHOR_BYTES_MAX ((size_t)1 << 30)
#define EARLIER_MAX 64u

typedef struct verify {
    const tm_audit_check *check;
    tm_db *db;
    tm_audit_head head;
    bool is_signed;
    tm_public_key earlier[EARLIER_MAX]; /* keys that the chain says it was signed with before */
    uint32_t n_earlier;
} verify;

static tm_str text_of(tm_stmt *stmt, int col) {
    return tm__stmt_is_null(stmt, col) ? (tm_str){0} : tm__stmt_blob(stmt, col);
}

static int64_t number_of(tm_stmt *stmt, int col) {
    return tm__stmt_is_null(stmt, col) ? -1 : tm__stmt_i64(stmt, col);
}

static bool is_hash(tm_str bytes, const tm_hash *hash) {
    return bytes.len == TM_HASH_BYTES && memcmp(bytes.ptr, hash->bytes, TM_HASH_BYTES) == 0;
}

static tm_status entry_check(tm_stmt *stmt, int64_t seq, tm_buf *scratch, tm_hash *last,
                             tm_err *err) {
    const tm_audit_entry entry = {
        .seq = tm__stmt_i64(stmt, 0),
        .at_us = tm__stmt_i64(stmt, 1),
        .model = text_of(stmt, 2),
        .event = text_of(stmt, 3),
        .version = number_of(stmt, 4),
        .from = number_of(stmt, 5),
        .actor = text_of(stmt, 6),
        .reason = text_of(stmt, 7),
        .details = text_of(stmt, 8),
        .object = text_of(stmt, 11),
        .outcome = text_of(stmt, 12),
        .subject = text_of(stmt, 13),
    };
    tm_hash hash;
    if (entry.seq != seq) {
        return TM_FAIL(err, TM_E_INTEGRITY, "history record %lld is missing", (long long)seq);
    }
    TM_TRY(tm__audit_hash(&entry, last, scratch, &hash, err));
    if (!is_hash(tm__stmt_blob(stmt, 9), last) || !is_hash(tm__stmt_blob(stmt, 10), &hash)) {
        return TM_FAIL(err, TM_E_INTEGRITY, "history record %lld was changed", (long long)seq);
    }
    *last = hash;
    return TM_OK;
}

/* Stored hash of an entry; zeros for entry 0, TM_E_INTEGRITY when it is not there. */
static tm_status hash_at(tm_db *db, int64_t seq, tm_hash *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    *out = (tm_hash){{0}};
    if (seq == 0) {
        return TM_OK;
    }
    TM_TRY(tm__stmt_init(db, "SELECT hash FROM history WHERE seq = ?", &stmt, err));
    tm__stmt_bind_i64(stmt, 1, seq);
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK) {
        const tm_str hash = has_row ? tm__stmt_blob(stmt, 0) : (tm_str){0};
        if (hash.len == TM_HASH_BYTES) {
            memcpy(out->bytes, hash.ptr, TM_HASH_BYTES);
        } else {
            st = TM_FAIL(err, TM_E_INTEGRITY, "history record %lld %s", (long long)seq,
                         has_row ? "was changed" : "is missing");
        }
    }
    tm__stmt_done(stmt);
    return st;
}

/* Entries first + 1 to last. */
static tm_status walk(tm_db *db, int64_t first, int64_t last, tm_hash *out_hash, tm_err *err) {
    tm_stmt *stmt = NULL;
    tm_buf scratch;
    tm_hash hash;
    int64_t seq = first;
    TM_TRY(hash_at(db, first, &hash, err));
    TM_TRY(tm__stmt_init(db,
                         "SELECT seq, at_us, model, event, version, from_version, actor, reason,"
                         " details, prev, hash, object, outcome, subject FROM history"
                         " WHERE seq > ? AND seq <= ? ORDER BY seq",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, first);
    tm__stmt_bind_i64(stmt, 2, last);
    tm__buf_init(&scratch, TM_AUDIT_ENTRY_BYTES_MAX);
    tm_status st = TM_OK;
    while (tm__stmt_next(stmt, &st, err)) {
        st = entry_check(stmt, ++seq, &scratch, &hash, err);
    }
    tm__buf_done(&scratch);
    tm__stmt_done(stmt);
    if (st == TM_OK && seq != last) {
        st = TM_FAIL(err, TM_E_INTEGRITY, "history record %lld is missing", (long long)seq + 1);
    }
    if (st == TM_OK) {
        *out_hash = hash;
    }
    return st;
}

/* ---- The head ---- */

static tm_status ends_at(tm_db *db, const tm_audit_head *head, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(db, "SELECT coalesce(max(seq), 0), coalesce(min(seq), 1) FROM history",
                         &stmt, err));
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && tm__stmt_i64(stmt, 0) != head->n) {
        st = TM_FAIL(err, TM_E_INTEGRITY, "history ends at record %lld and should end at %lld",
                     (long long)tm__stmt_i64(stmt, 0), (long long)head->n);
    } else if (st == TM_OK && tm__stmt_i64(stmt, 1) < 1) {
        st = TM_FAIL(err, TM_E_INTEGRITY, "the history has a record before its first");
    }
    tm__stmt_done(stmt);
    return st;
}

static bool has_key(const tm_public_key *keys, uint32_t n_keys, const tm_public_key *key) {
    bool has = false;
    for (uint32_t i = 0; i < n_keys; i++) {
        has = has || memcmp(&keys[i], key, sizeof(*key)) == 0;
    }
    return has;
}

static tm_status head_check(const verify *v, tm_err *err) {
    const tm_audit_check *check = v->check;
    tm_hash empty = {{0}};
    TM_TRY(ends_at(v->db, &v->head, err));
    if (v->head.n == 0) { /* a home has a key from its first entry on */
        return tm__hash_eq(&v->head.hash, &empty) && check->n_keys == 0
                   ? TM_OK
                   : TM_FAIL(err, TM_E_INTEGRITY, "the history has lost its records");
    }
    if (!v->is_signed || !tm__audit_is_signed(&v->head)) {
        return TM_FAIL(err, TM_E_INTEGRITY, "the end of the history is not signed by its key");
    }
    if (check->n_keys > 0 && !has_key(check->keys, check->n_keys, &v->head.key)) {
        const tm_status st =
            TM_FAIL(err, TM_E_INTEGRITY, "the history is signed by another key than it should be");
        tm_err_hint(err, "A home that was restored signs with a key of its own from then on: its "
                         "entry 'audit.key' says so. Trust it only if you know of that.");
        return st;
    }
    return TM_OK;
}

/* ---- Pieces ---- */

typedef struct pieces {
    const verify *v;
    tm_status *status; /* [n] */
    tm_err *errs;      /* [n] */
    tm_hash *hashes;   /* [n]: of the last entry of each */
} pieces;

static void piece_check(void *arg, uint64_t item, uint32_t worker) {
    pieces *p = arg;
    tm_db *db = NULL;
    const int64_t first = (int64_t)item * PIECE;
    const int64_t last = first + PIECE < p->v->head.n ? first + PIECE : p->v->head.n;
    (void)worker;
    p->status[item] = tm__registry_db_open(p->v->check->meta_db, true, NULL, &db, &p->errs[item]);
    if (p->status[item] == TM_OK) {
        p->status[item] = walk(db, first, last, &p->hashes[item], &p->errs[item]);
    }
    tm__db_close(db);
}

/* The first piece that fails tells. */
static tm_status pieces_check(const tm_ctx *ctx, const verify *v, tm_hash *out, tm_err *err) {
    const uint64_t n = ((uint64_t)v->head.n + PIECE - 1) / PIECE;
    pieces p = {.v = v,
                .status = tm__mem_zalloc(n, sizeof(tm_status)),
                .errs = tm__mem_zalloc(n, sizeof(tm_err)),
                .hashes = tm__mem_zalloc(n, sizeof(tm_hash))};
    tm_status st = TM_OK;
    if (p.status == NULL || p.errs == NULL || p.hashes == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory");
    } else {
        tm__pool_run(ctx->pool, n, piece_check, &p);
    }
    for (uint64_t i = 0; st == TM_OK && i < n; i++) {
        st = p.status[i];
        if (st != TM_OK && err != NULL) {
            *err = p.errs[i];
        }
    }
    if (st == TM_OK) {
        *out = p.hashes[n - 1];
    }
    tm__mem_free(p.hashes);
    tm__mem_free(p.errs);
    tm__mem_free(p.status);
    return st;
}

static tm_status chain_check(const tm_ctx *ctx, const verify *v, tm_err *err) {
    tm_hash hash;
    TM_TRY(head_check(v, err));
    if (v->head.n > PIECE && ctx != NULL) {
        TM_TRY(pieces_check(ctx, v, &hash, err));
    } else {
        TM_TRY(walk(v->db, 0, v->head.n, &hash, err));
    }
    return tm__hash_eq(&hash, &v->head.hash)
               ? TM_OK
               : TM_FAIL(err, TM_E_INTEGRITY, "the end of the history is not its last record");
}

/* ---- The anchor ---- */

static tm_status read_earlier(verify *v, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(v->db,
                         "SELECT details FROM history WHERE model = '' AND event ="
                         " 'audit.key' ORDER BY seq DESC",
                         &stmt, err));
    tm_status st = TM_OK;
    while (v->n_earlier < EARLIER_MAX && tm__stmt_next(stmt, &st, err)) {
        json_t *details = NULL;
        st = tm__registry_json(tm__stmt_text(stmt, 0), &details, err);
        if (st == TM_OK && tm__public_key_from_text(tm__json_text(details, "before", ""),
                                                    &v->earlier[v->n_earlier])) {
            v->n_earlier++;
        }
        json_decref(details);
    }
    tm__stmt_done(stmt);
    return st;
}

static bool is_evidence(const verify *v, const tm_audit_head *line) {
    const bool is_known = has_key(v->check->keys, v->check->n_keys, &line->key) ||
                          has_key(&v->head.key, v->is_signed ? 1 : 0, &line->key) ||
                          has_key(v->earlier, v->n_earlier, &line->key);
    return is_known && tm__audit_is_signed(line);
}

static tm_status line_check(const verify *v, tm_str text, tm_audit_report *report, tm_err *err) {
    tm_audit_head line;
    tm_hash hash;
    if (!tm__audit_anchor_read(text, &line)) {
        report->n_damaged++;
        return TM_OK;
    }
    if (line.n <= v->head.n) {
        TM_TRY(hash_at(v->db, line.n, &hash, err));
        if (tm__hash_eq(&hash, &line.hash)) {
            report->n_anchors++;
            report->n_anchored =
                (uint64_t)line.n > report->n_anchored ? (uint64_t)line.n : report->n_anchored;
            return TM_OK;
        }
    }
    if (!is_evidence(v, &line)) {
        report->n_damaged++;
        return TM_OK;
    }
    return line.n > v->head.n
               ? TM_FAIL(err, TM_E_INTEGRITY,
                         "the history ends at record %lld, and its anchor knows %lld",
                         (long long)v->head.n, (long long)line.n)
               : TM_FAIL(err, TM_E_INTEGRITY,
                         "the history is not the one of its anchor from"
                         " record %lld on or before",
                         (long long)line.n);
}

static tm_status anchor_check(verify *v, tm_audit_report *report, tm_err *err) {
    tm_buf text;
    TM_TRY(read_earlier(v, err));
    tm__buf_init(&text, ANCHOR_BYTES_MAX);
    tm_status st = tm__fs_read_all(v->check->anchor, &text, err);
    tm_str rest = {(const char *)text.data, text.len};
    while (st == TM_OK && rest.len > 0) {
        const tm_str line = tm__str_cut(&rest, '\n');
        st = line.len == 0 ? TM_OK : line_check(v, line, report, err);
    }
    tm__buf_done(&text);
    return st;
}

/* ---- Both ---- */

static tm_status verify_open(const tm_ctx *ctx, verify *v, tm_audit_report *out, tm_err *err) {
    tm_audit_report report = {0};
    TM_TRY(tm__chain_load(v->db, &v->head, &v->is_signed, err));
    TM_TRY(chain_check(ctx, v, err));
    if (v->check->anchor != NULL) {
        TM_TRY(anchor_check(v, &report, err));
    }
    report.n = (uint64_t)v->head.n;
    report.is_signed = v->is_signed;
    report.is_key_known = v->check->n_keys > 0;
    report.signed_us = v->head.at_us;
    report.key = v->head.key;
    *out = report;
    return TM_OK;
}

/* One read transaction, so that an entry which another process adds meanwhile does not show. */
static tm_status verify_still(const tm_ctx *ctx, verify *v, tm_audit_report *out, tm_err *err) {
    TM_TRY(tm__db_begin_read(v->db, err));
    const tm_status st = verify_open(ctx, v, out, err);
    tm__db_rollback(v->db);
    return st;
}

tm_status tm__audit_verify(const tm_ctx *ctx, const tm_audit_check *check, tm_audit_report *out,
                           tm_err *err) {
    verify v = {.check = check};
    TM_TRY(tm__registry_db_open(check->meta_db, true, NULL, &v.db, err));
    const tm_status st = verify_still(ctx, &v, out, err);
    tm__db_close(v.db);
    return st;
}

tm_status tm__registry_history_check(tm_registry *registry, uint64_t *out_n, tm_err *err) {
    const tm_audit_check check = {.meta_db = tm__home_meta_db(registry->home)};
    verify v = {.check = &check, .db = registry->db};
    tm_audit_report report;
    TM_TRY(verify_still(NULL, &v, &report, err));
    *out_n = report.n;
    return TM_OK;
}
