/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Audit chains that somebody with the database, and without the signing key, went about: entries
 * changed, removed, inserted, moved, cut off, all hashes after them made anew, the end signed with
 * another key, the whole file replaced by an older one. Each must be found, and the untouched chain
 * must not. TM_CHAINS says how many (./run campaign audit: 10,000); TM_SEED where they begin.
 */
#include "test.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/rng.h"
#include "registry/chain.h"
#include "registry/trust.h"
#include "temp_home.h"

enum { ENTRIES = 24, OLDER = 15 };

typedef struct chain {
    const tm_home *home;
    char path[600], anchor[600];
    tm_buf older, newest; /* bytes of meta.db */
    tm_public_key key;
    sqlite3 *db;
    tm_rng rng;
    bool is_anew; /* hashes are made right behind what is done */
} chain;

static uint64_t below(chain *c, uint64_t n) {
    return tm__rng_below(&c->rng, n);
}

static void run(chain *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void run(chain *c, const char *fmt, ...) {
    char sql[1024];
    char *message = NULL;
    va_list args;
    va_start(args, fmt);
    assert_true(vsnprintf(sql, sizeof(sql), fmt, args) < (int)sizeof(sql));
    va_end(args);
    if (sqlite3_exec(c->db, sql, NULL, NULL, &message) != SQLITE_OK) {
        fail_msg("%s: %s", sql, message);
    }
}

static void put(const char *path, const tm_buf *bytes) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes->data, 1, bytes->len, file), bytes->len);
    assert_int_equal(fclose(file), 0);
}

static void get(const char *path, tm_buf *out) {
    tm__buf_init(out, 1u << 24);
    assert_int_equal(tm__fs_read_all(path, out, NULL), TM_OK);
}

static void append(tm_registry *registry, uint32_t from, uint32_t to) {
    static const char *const events[] = {"source.added", "key.created", "http.refused"};
    tm_hash subject = {{7}};
    for (uint32_t i = from; i < to; i++) {
        char actor[32];
        json_t *details = json_pack("{s:i}", "rows", (int)i);
        (void)snprintf(actor, sizeof(actor), "cli:user%u", i % 5);
        const tm_actor who = {.name = actor, .reason = i % 4 == 0 ? "because" : NULL};
        const tm_audit_note note = {.event = events[i % 3],
                                    .object = i % 2 == 0 ? "source:flights" : NULL,
                                    .outcome = i % 3 == 2 ? "refused" : NULL,
                                    .subject = i % 5 == 1 ? &subject : NULL,
                                    .details = i % 7 == 0 ? NULL : details};
        assert_int_equal(tm__audit_append(registry, &note, &who, NULL), TM_OK);
        json_decref(details);
    }
}

static void append_in(const chain *c, uint32_t from, uint32_t to) {
    tm_registry *registry = NULL;
    assert_int_equal(tm__registry_open(c->home, &registry, NULL), TM_OK);
    append(registry, from, to);
    tm__registry_close(registry);
}

static void chain_open(chain *c, const tm_home *home) {
    bool has = false;
    const char *const seed = getenv("TM_SEED");
    *c = (chain){.home = home};
    (void)snprintf(c->path, sizeof(c->path), "%s/tried.db", tm__home_path(home));
    (void)snprintf(c->anchor, sizeof(c->anchor), "%s/" TM_AUDIT_ANCHOR, tm__home_path(home));
    append_in(c, 0, OLDER);
    get(tm__home_meta_db(home), &c->older);
    append_in(c, OLDER, ENTRIES);
    get(tm__home_meta_db(home), &c->newest);
    assert_int_equal(tm__trust_own_find(tm__home_path(home), &c->key, &has, NULL), TM_OK);
    assert_true(has);
    c->rng = tm__rng_split(seed == NULL ? 1 : strtoull(seed, NULL, 10), "audit", 0);
}

static void chain_done(chain *c) {
    tm__buf_done(&c->older);
    tm__buf_done(&c->newest);
}

static tm_status verify(const chain *c, bool is_anchored) {
    const tm_audit_check check = {
        .meta_db = c->path, .keys = &c->key, .n_keys = 1, .anchor = is_anchored ? c->anchor : NULL};
    const tm_ctx ctx = {0};
    tm_audit_report report;
    return tm__audit_verify(&ctx, &check, &report, NULL);
}

/* ---- What is done to it ---- */

static void change_entry(chain *c) {
    static const char *const sets[] = {"at_us = at_us + 1",
                                       "model = model || 'x'",
                                       "event = event || ' '",
                                       "version = 3",
                                       "from_version = 0",
                                       "actor = upper(actor)",
                                       "reason = coalesce(reason, '') || 'x'",
                                       "details = coalesce(details, '{}') || ' '",
                                       "details = '{}'",

                                       "object = coalesce(object, '') || 'y'",
                                       "outcome = coalesce(outcome, '') || 'z'",
                                       "subject = randomblob(32)",
                                       "actor = ''",
                                       "reason = 'made up'",
                                       "prev = zeroblob(32)",
                                       "hash = randomblob(32)"};
    const size_t n = sizeof(sets) / sizeof(sets[0]) - (c->is_anew ? 2 : 0); /* hashes come back */
    run(c, "UPDATE history SET %s WHERE seq = %u", sets[below(c, n)],
        1 + (unsigned)below(c, ENTRIES));
}

static void shift_behind(chain *c, unsigned seq, int by) {
    run(c, "UPDATE history SET seq = -(seq + %d) WHERE seq > %u", by, seq);
    run(c, "UPDATE history SET seq = -seq WHERE seq < 0");
}

static void remove_entry(chain *c) {
    const unsigned seq = 1 + (unsigned)below(c, ENTRIES);
    run(c, "DELETE FROM history WHERE seq = %u", seq);
    if (below(c, 2) == 0) {
        shift_behind(c, seq, -1);
        run(c, "UPDATE chain SET n = n - 1");
    }
}

static void insert_entry(chain *c) {
    const unsigned seq = (unsigned)below(c, ENTRIES + 1);
    shift_behind(c, seq, 1);
    run(c,
        "INSERT INTO history SELECT %u, at_us, model, event, version, from_version, actor,"
        " reason, details, prev, hash, object, outcome, subject FROM history ORDER BY random()"
        " LIMIT 1",
        seq + 1);
    if (below(c, 2) == 0) {
        run(c, "UPDATE chain SET n = n + 1");
    }
}

static void swap_entries(chain *c) {
    const unsigned a = 1 + (unsigned)below(c, ENTRIES);
    const unsigned b = 1 + (a + (unsigned)below(c, ENTRIES - 1)) % ENTRIES;
    run(c, "UPDATE history SET seq = -1 WHERE seq = %u", a);
    run(c, "UPDATE history SET seq = %u WHERE seq = %u", a, b);
    run(c, "UPDATE history SET seq = %u WHERE seq = -1", b);
}

static void cut_end(chain *c) {
    const unsigned left = (unsigned)below(c, ENTRIES);
    run(c, "DELETE FROM history WHERE seq > %u", left);
    switch (below(c, 3)) {
    case 0:
        break;
    case 1:
        run(c,
            "UPDATE chain SET n = %u, hash = coalesce((SELECT hash FROM history WHERE seq = %u),"
            " zeroblob(32))",
            left, left);
        break;
    default:
        run(c, "UPDATE chain SET n = 0, hash = zeroblob(32), key = NULL, signature = NULL");
        run(c, "DELETE FROM history");
        break;
    }
}

static void change_head(chain *c) {
    static const char *const sets[] = {"n = n - 1",
                                       "n = n + 1",
                                       "hash = randomblob(32)",
                                       "key = NULL",
                                       "signature = NULL",
                                       "at_us = at_us + 1",
                                       "key = randomblob(32)",
                                       "signature = randomblob(64)"};
    run(c, "UPDATE chain SET %s", sets[below(c, sizeof(sets) / sizeof(sets[0]))]);
}

static tm_str text_of(sqlite3_stmt *stmt, int col) {
    return sqlite3_column_type(stmt, col) == SQLITE_NULL
               ? (tm_str){0}
               : (tm_str){sqlite3_column_blob(stmt, col) == NULL ? ""
                                                                 : sqlite3_column_blob(stmt, col),
                          (size_t)sqlite3_column_bytes(stmt, col)};
}

static int64_t number_of(sqlite3_stmt *stmt, int col) {
    return sqlite3_column_type(stmt, col) == SQLITE_NULL ? -1 : sqlite3_column_int64(stmt, col);
}

/* All that can be done without the key: every hash is right again. */
static void chain_anew(chain *c) {
    sqlite3_stmt *stmt = NULL, *save = NULL;
    tm_audit_head head = {.at_us = 5};
    tm_buf scratch;
    tm_signing_key own;
    tm__buf_init(&scratch, 1u << 20);
    sqlite3_prepare_v2(c->db,
                       "SELECT seq, at_us, model, event, version, from_version, actor,"
                       " reason, details, object, outcome, subject FROM history ORDER BY seq",
                       -1, &stmt, NULL);
    sqlite3_prepare_v2(c->db, "UPDATE history SET prev = ?, hash = ? WHERE seq = ?", -1, &save,
                       NULL);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        const tm_audit_entry entry = {.seq = sqlite3_column_int64(stmt, 0),
                                      .at_us = sqlite3_column_int64(stmt, 1),
                                      .model = text_of(stmt, 2),
                                      .event = text_of(stmt, 3),
                                      .version = number_of(stmt, 4),
                                      .from = number_of(stmt, 5),
                                      .actor = text_of(stmt, 6),
                                      .reason = text_of(stmt, 7),
                                      .details = text_of(stmt, 8),
                                      .object = text_of(stmt, 9),
                                      .outcome = text_of(stmt, 10),
                                      .subject = text_of(stmt, 11)};
        const tm_hash prev = head.hash;
        assert_int_equal(tm__audit_hash(&entry, &prev, &scratch, &head.hash, NULL), TM_OK);
        sqlite3_bind_blob(save, 1, prev.bytes, TM_HASH_BYTES, SQLITE_TRANSIENT);
        sqlite3_bind_blob(save, 2, head.hash.bytes, TM_HASH_BYTES, SQLITE_TRANSIENT);
        sqlite3_bind_int64(save, 3, entry.seq);
        assert_int_equal(sqlite3_step(save), SQLITE_DONE);
        sqlite3_reset(save);
        head.n = entry.seq;
    }
    sqlite3_finalize(stmt);
    sqlite3_finalize(save);
    tm__buf_done(&scratch);
    tm__signing_key_create(&own);
    tm__audit_sign(&own, &head);
    const bool signs = below(c, 2) == 0;
    sqlite3_prepare_v2(c->db,
                       "UPDATE chain SET n = ?, hash = ?, at_us = iif(?4 IS NULL, at_us, 5),"
                       " key = coalesce(?4, key), signature = coalesce(?3, signature)",
                       -1, &save, NULL);
    sqlite3_bind_int64(save, 1, head.n);
    sqlite3_bind_blob(save, 2, head.hash.bytes, TM_HASH_BYTES, SQLITE_TRANSIENT);
    if (signs) {
        sqlite3_bind_blob(save, 3, head.signature.bytes, TM_SIGNATURE_BYTES, SQLITE_TRANSIENT);
        sqlite3_bind_blob(save, 4, head.key.bytes, TM_PUBLIC_KEY_BYTES, SQLITE_TRANSIENT);
    }
    assert_int_equal(sqlite3_step(save), SQLITE_DONE);
    sqlite3_finalize(save);
    tm__signing_key_done(&own);
}

/* ---- Trying ---- */

static void open_tried(chain *c, const tm_buf *bytes) {
    put(c->path, bytes);
    assert_int_equal(sqlite3_open(c->path, &c->db), SQLITE_OK);
    run(c, "PRAGMA synchronous = OFF; DROP TRIGGER history_update; DROP TRIGGER history_delete");
}

static void close_tried(chain *c) {
    assert_int_equal(sqlite3_close(c->db), SQLITE_OK);
    c->db = NULL;
}

static const char *tamper(chain *c) {
    static const struct {
        const char *name;
        void (*how)(chain *c);
    } ways[] = {{"changed", change_entry}, {"removed", remove_entry}, {"inserted", insert_entry},
                {"moved", swap_entries},   {"cut", cut_end},          {"head", change_head}};
    const size_t way = below(c, sizeof(ways) / sizeof(ways[0]));
    c->is_anew = way < 5 && below(c, 3) == 0;
    ways[way].how(c);
    if (c->is_anew) {
        chain_anew(c);
        return "chained anew";
    }
    return ways[way].name;
}

static void every_change_is_found(void **state) {
    const char *const text = getenv("TM_CHAINS");
    const unsigned long n = text == NULL ? 150 : strtoul(text, NULL, 10);
    chain c;
    chain_open(&c, *state);
    for (unsigned long i = 0; i < n; i++) {
        open_tried(&c, &c.newest);
        const char *const what = tamper(&c);
        close_tried(&c);
        const tm_status st = verify(&c, below(&c, 2) == 0);
        if (st != TM_E_INTEGRITY) {
            fail_msg("chain %lu, %s: status %d", i, what, (int)st);
        }
    }
    printf("%lu tampered chains, all found\n", n);
    chain_done(&c);
}

static void an_untouched_chain_and_an_older_copy(void **state) {
    chain c;
    chain_open(&c, *state);
    put(c.path, &c.newest);
    assert_int_equal(verify(&c, true), TM_OK);
    /* Whole and signed, so only what is outside of it can know. */
    put(c.path, &c.older);
    assert_int_equal(verify(&c, false), TM_OK);
    assert_int_equal(verify(&c, true), TM_E_INTEGRITY);
    chain_done(&c);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(an_untouched_chain_and_an_older_copy),
                                       TEST(every_change_is_found)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
