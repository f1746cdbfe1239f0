/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checking an audit chain: audit_verify [ENTRIES [THREADS]], a million by default. The chain lies
 * in a meta.db of its own, written in one transaction; entries are of about 250 bytes, as those of
 * a server are. Prints seconds and entries a second, the median of seven.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/pool.h"
#include "registry/chain.h"
#include "registry/registry_priv.h"

enum { RUNS = 7 };

static void must(tm_status st, const tm_err *err) {
    if (st != TM_OK) {
        fprintf(stderr, "%s\n", err->message);
        exit(1);
    }
}

static void insert(tm_db *db, const tm_audit_entry *e, const tm_hash *prev, const tm_hash *hash,
                   tm_err *err) {
    tm_stmt *stmt = NULL;
    must(tm__stmt_init(db,
                       "INSERT INTO history(seq, at_us, model, event, actor, details, prev, hash,"
                       " object) VALUES(?,?,'',?,?,?,?,?,?)",
                       &stmt, err),
         err);
    tm__stmt_bind_i64(stmt, 1, e->seq);
    tm__stmt_bind_i64(stmt, 2, e->at_us);
    tm__stmt_bind_str(stmt, 3, e->event);
    tm__stmt_bind_str(stmt, 4, e->actor);
    tm__stmt_bind_str(stmt, 5, e->details);
    tm__stmt_bind_blob(stmt, 6, prev->bytes, TM_HASH_BYTES);
    tm__stmt_bind_blob(stmt, 7, hash->bytes, TM_HASH_BYTES);
    tm__stmt_bind_str(stmt, 8, e->object);
    must(tm__stmt_run(stmt, err), err);
    tm__stmt_done(stmt);
}

static void make(tm_db *db, int64_t n, tm_err *err) {
    tm_audit_head head = {.at_us = 1700000000000000};
    tm_signing_key key;
    tm_buf scratch;
    tm_stmt *stmt = NULL;
    tm__buf_init(&scratch, TM_AUDIT_ENTRY_BYTES_MAX);
    must(tm__db_begin(db, err), err);
    for (int64_t seq = 1; seq <= n; seq++) {
        char details[160];
        const tm_hash prev = head.hash;
        (void)snprintf(details, sizeof(details),
                       "{\"first\":\"2026-11-28T19:27:12.363095Z\",\"last\":\"2026-11-28T19:27:17."
                       "100000Z\",\"requests\":%lld}",
                       (long long)seq);
        const tm_audit_entry entry = {.seq = seq,
                                      .at_us = head.at_us + seq,
                                      .version = -1,
                                      .from = -1,
                                      .model = TM_STR(""),
                                      .event = TM_STR("http.imported"),
                                      .actor = TM_STR("key:1A2B3C4D"),
                                      .details = tm__str(details),
                                      .object = TM_STR("endpoint:labels")};
        must(tm__audit_hash(&entry, &prev, &scratch, &head.hash, err), err);
        insert(db, &entry, &prev, &head.hash, err);
    }
    tm__buf_done(&scratch);
    head.n = n;
    tm__signing_key_create(&key);
    tm__audit_sign(&key, &head);
    must(tm__stmt_init(db, "UPDATE chain SET n = ?, hash = ?, at_us = ?, key = ?, signature = ?",
                       &stmt, err),
         err);
    tm__stmt_bind_i64(stmt, 1, head.n);
    tm__stmt_bind_blob(stmt, 2, head.hash.bytes, TM_HASH_BYTES);
    tm__stmt_bind_i64(stmt, 3, head.at_us);
    tm__stmt_bind_blob(stmt, 4, head.key.bytes, TM_PUBLIC_KEY_BYTES);
    tm__stmt_bind_blob(stmt, 5, head.signature.bytes, TM_SIGNATURE_BYTES);
    must(tm__stmt_run(stmt, err), err);
    tm__stmt_done(stmt);
    must(tm__db_commit(db, err), err);
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    const int64_t n = argc > 1 ? atoll(argv[1]) : 1000000;
    tm_err err = {0};
    tm_db *db = NULL;
    char path[64], wal[80];
    double seconds[RUNS];
    tm_ctx ctx = {.pool = tm__pool_create(argc > 2 ? (uint32_t)atoi(argv[2]) : 0)};
    (void)snprintf(path, sizeof(path), "/tmp/audit_verify.%lld.db", (long long)tm__now_us());
    must(tm__registry_db_open(path, false, NULL, &db, &err), &err);
    make(db, n, &err);
    tm__db_close(db);
    for (int i = 0; i < RUNS; i++) {
        const tm_audit_check check = {.meta_db = path};
        tm_audit_report report;
        const uint64_t start = tm__mono_ns();
        must(tm__audit_verify(&ctx, &check, &report, &err), &err);
        seconds[i] = (double)(tm__mono_ns() - start) / 1e9;
    }
    qsort(seconds, RUNS, sizeof(seconds[0]), compare);
    printf("audit_verify %lld entries, %u threads: %.3f s [%.3f - %.3f], %.0f entries/s\n",
           (long long)n, tm__pool_threads(ctx.pool), seconds[RUNS / 2], seconds[0],
           seconds[RUNS - 1], (double)n / seconds[RUNS / 2]);
    tm__pool_free(ctx.pool);
    must(tm__fs_remove(path, &err), &err);
    (void)snprintf(wal, sizeof(wal), "%s-wal", path);
    must(tm__fs_remove(wal, &err), &err);
    (void)snprintf(wal, sizeof(wal), "%s-shm", path);
    must(tm__fs_remove(wal, &err), &err);
    return 0;
}
