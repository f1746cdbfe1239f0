/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power failures at each change of a recorded disk while clients push rows.
 *
 * usage: intake_points TRACE START FOLDER SEED SEEDS FIRST EVERY
 *
 * START is the disk before the first change; FOLDER takes what failures leave. The trace is of
 * CLIENTS clients beside each other, each with one push after the other (see made_push()), of
 * segments and files of keys made meanwhile, and of bad rows that are mended in the end. Its marks
 * say what is acknowledged: "acked C N" the first N pushes of client C, "added" a second source,
 * "mending" and "mended" the rows in quarantine. At changes FIRST, FIRST + EVERY, ... a power
 * failure loses all that is not certain, or leaves it, or tears it at 512 bytes and at 4 KiB with
 * each of SEEDS seeds. A disk that such a failure left before, with as much acknowledged, is no
 * other point: neither counted nor looked at. On every other one:
 *
 *   1. Of each client there are the acknowledged pushes, at most one more, each whole; every row
 *      once and as it was sent; every bad row once, in quarantine or mended.
 *   2. intake.db passes its check, and so do the files that it names, also without those of nobody.
 *   3. Every key is known, the last pushes are answered as before, and new ones are taken.
 */
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "source/intake.h"
#include "virtual_disk.h"

/* As in pushers.py. */
#define CLIENTS 3u
#define PUSH_ROWS 10u
#define PUSH_BAD 2u           /* of every third push */
#define CLIENT_IDS 100000u    /* client c has the ids from c times this */
#define WIDE_FROM 8u          /* pushes from here on have one more column */
#define PUSHES_MAX 1000u      /* of a client */
#define FINDINGS_SHOWN_MAX 20 /* each with its command */
#define SOURCE "orders"
#define SECOND "refunds"

/* What is acknowledged. */
typedef struct promise {
    uint32_t n_acked[CLIENTS];
    bool is_added, is_mending, is_mended;
} promise;

/* How often each row is in the source or in quarantine, and how many of the pushes there are. */
typedef struct census {
    uint8_t n_in[CLIENTS][PUSHES_MAX][PUSH_ROWS], n_out[CLIENTS][PUSHES_MAX][PUSH_ROWS];
    uint32_t n_pushes[CLIENTS];
    uint64_t n_rows, n_mended;
} census;

typedef struct point {
    tm_hash disk;
    promise kept;
} point;

typedef struct checker {
    const char *folder;
    char how[160]; /* the failure, and the words that repeat it */
    promise promise;
    census census;
    uint64_t n_failed, n_checked, n_disks, n_same, n_without_home, n_removed;
    point *seen; /* [n_slots], a table of hashes; all zero: empty */
    size_t n_slots, n_seen;
} checker;

static void found(checker *self, const char *what, const char *detail) {
    if (++self->n_failed <= FINDINGS_SHOWN_MAX) {
        printf("FINDING %s: %s%s%s\n", self->how, what, detail[0] == '\0' ? "" : ": ", detail);
    }
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at) {
    (void)info;
    (void)kind;
    return at->level == 0 ? 0 : remove(path);
}

/* ---- What the clients send ---- */

static bool has_bad_rows(uint32_t push) {
    return push % 3 == 2;
}

static bool has_idempotency_key(uint32_t push) {
    return push % 3 != 0;
}

static bool is_bad(uint32_t push, uint32_t row) {
    return has_bad_rows(push) && row >= PUSH_ROWS - PUSH_BAD;
}

static uint32_t good_rows(uint32_t push) {
    return PUSH_ROWS - (has_bad_rows(push) ? PUSH_BAD : 0);
}

static uint32_t row_id(uint32_t client, uint32_t push, uint32_t row) {
    return client * CLIENT_IDS + push * PUSH_ROWS + row;
}

/* Append a row as its client sends it, or as it was mended. */
static void put_row(tm_buf *body, uint32_t client, uint32_t push, uint32_t row, bool is_mended) {
    const uint32_t id = row_id(client, push, row);
    if (is_bad(push, row) && !is_mended) {
        (void)tm__buf_printf(body, "{\"id\":%u,\"x\":\"bad\",\"s\":\"row %u\"}\n", id, id);
    } else if (push >= WIDE_FROM) {
        (void)tm__buf_printf(body, "{\"id\":%u,\"x\":%u,\"s\":\"row %u\",\"wide\":%u}\n", id,
                             id % 7, id, id % 5);
    } else {
        (void)tm__buf_printf(body, "{\"id\":%u,\"x\":%u,\"s\":\"row %u\"}\n", id, id % 7, id);
    }
}

static tm_status send_body(tm_intake *intake, tm_buf *body, const char *key, tm_push_result *out,
                           tm_err *err) {
    *out = (tm_push_result){0};
    const size_t len = body->len;
    if (!tm__buf_byte(body, 0)) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    const tm_push push = {.source = SOURCE,
                          .form = TM_PUSH_LINES,
                          .data = (char *)body->data,
                          .len = len,
                          .key = key == NULL ? (tm_str){NULL, 0} : tm__str(key)};
    return tm__intake_push_wait(intake, &push, out, err);
}

static tm_status send_push(tm_intake *intake, uint32_t client, uint32_t push, tm_push_result *out,
                           tm_err *err) {
    char key[40];
    tm_buf body;
    tm__buf_init(&body, 1 << 16);
    (void)snprintf(key, sizeof(key), "c%u-p%u", client, push);
    for (uint32_t row = 0; row < PUSH_ROWS; row++) {
        put_row(&body, client, push, row, false);
    }
    const tm_status st = send_body(intake, &body, has_idempotency_key(push) ? key : NULL, out, err);
    tm__buf_done(&body);
    return st;
}

/* ---- What is there ---- */

/* The place of an id in the census; false when no client sends it. */
static bool place_of(int64_t id, uint32_t out[3]) {
    if (id < 0 || id >= (int64_t)CLIENTS * CLIENT_IDS) {
        return false;
    }
    const uint32_t in_client = (uint32_t)id % CLIENT_IDS;
    out[0] = (uint32_t)id / CLIENT_IDS;
    out[1] = in_client / PUSH_ROWS;
    out[2] = in_client % PUSH_ROWS;
    return out[1] < PUSHES_MAX;
}

static bool is_as_sent(const tm_table *table, uint64_t row, const uint32_t at[3]) {
    const uint32_t id = row_id(at[0], at[1], at[2]);
    const uint32_t wide = tm__table_find(table, "wide");
    char want[32];
    (void)snprintf(want, sizeof(want), "row %u", id);
    const tm_column *x = tm__table_column(table, tm__table_find(table, "x"));
    const tm_column *s = tm__table_column(table, tm__table_find(table, "s"));
    const int64_t in_wide =
        wide == UINT32_MAX ? TM_INT_MISSING : tm__table_column(table, wide)->ints[row];
    /* A bad row is mended as it was sent: it never had the column. */
    const bool is_wide = at[1] >= WIDE_FROM && !is_bad(at[1], at[2]);
    return x->ints[row] == id % 7 && in_wide == (is_wide ? (int64_t)(id % 5) : TM_INT_MISSING) &&
           tm__str_eq(tm__dict_get(s->dict, s->codes[row]), tm__str(want));
}

static const char *count_rows(const tm_home *home, census *c, tm_err *err) {
    tm_ctx ctx = {0};
    tm_table *table = NULL;
    int64_t last[CLIENTS] = {-1, -1, -1};
    const tm_status st = tm__intake_table(&ctx, home, SOURCE, &table, err);
    if (st != TM_OK) {
        return st == TM_E_DATA ? NULL : "the rows cannot be read";
    }
    const char *wrong = NULL;
    c->n_rows = tm__table_rows(table);
    const tm_column *id = tm__table_column(table, tm__table_find(table, "id"));
    for (uint64_t i = 0; i < c->n_rows && wrong == NULL; i++) {
        uint32_t at[3];
        if (id->type != TM_TYPE_INT || !place_of(id->ints[i], at) || !is_as_sent(table, i, at)) {
            wrong = "a row is not as it was sent";
        } else if (!is_bad(at[1], at[2]) && id->ints[i] < last[at[0]]) {
            wrong = "the rows of a client have changed places";
        } else {
            c->n_in[at[0]][at[1]][at[2]]++;
            c->n_mended += is_bad(at[1], at[2]);
            last[at[0]] = is_bad(at[1], at[2]) ? last[at[0]] : id->ints[i];
        }
    }
    tm__table_unref(table);
    return wrong;
}

static const char *count_bad(const tm_home *home, census *c, tm_err *err) {
    const tm_intake_choice all = {0};
    json_t *rows = NULL;
    if (tm__intake_quarantine(home, SOURCE, &all, UINT32_MAX, &rows, err) != TM_OK) {
        return "the quarantine cannot be read";
    }
    const char *wrong = NULL;
    size_t i = 0;
    json_t *row = NULL;
    json_array_foreach(rows, i, row) {
        char origin[40];
        uint32_t at[3], id = 0;
        if (sscanf(tm__json_text(row, "bytes", ""), "{\"id\":%u,\"x\":\"bad\"", &id) != 1 ||
            !place_of(id, at)) {
            wrong = "a row in quarantine is not as it was sent";
            break;
        }
        (void)snprintf(origin, sizeof(origin), "c%u-p%u", at[0], at[1]);
        if (strcmp(tm__json_text(row, "origin", ""), origin) != 0 ||
            tm__json_i64(row, "row", 0) != at[2] + 1) {
            wrong = "a row in quarantine has another place than it had";
        }
        c->n_out[at[0]][at[1]][at[2]]++;
    }
    json_decref(rows);
    return wrong;
}

/* Invariant 1, of one client. */
static const char *check_client(const checker *self, census *c, uint32_t client) {
    const promise *p = &self->promise;
    uint32_t n = 0;
    while (n < PUSHES_MAX && c->n_in[client][n][0] > 0) {
        n++;
    }
    c->n_pushes[client] = n;
    for (uint32_t push = 0; push < PUSHES_MAX; push++) {
        for (uint32_t row = 0; row < PUSH_ROWS; row++) {
            const unsigned in = c->n_in[client][push][row], out = c->n_out[client][push][row];
            const bool may_in = push < n && (!is_bad(push, row) || p->is_mending);
            const bool may_out = push < n && is_bad(push, row) && !p->is_mended;
            if (in + out > 1 || (in == 1 && !may_in) || (out == 1 && !may_out)) {
                return push < n ? "a row is there twice, or where it does not belong"
                                : "a push is half there";
            }
            if (push < n && in + out == 0) {
                return "a row of a push is missing";
            }
        }
    }
    return n < p->n_acked[client]       ? "an acknowledged push is lost"
           : n > p->n_acked[client] + 1 ? "there is a push that was not sent"
                                        : NULL;
}

static const char *count_all(checker *self, const tm_home *home, tm_err *err) {
    census *const c = &self->census;
    memset(c, 0, sizeof(*c));
    const char *wrong = count_rows(home, c, err);
    wrong = wrong != NULL ? wrong : count_bad(home, c, err);
    for (uint32_t client = 0; client < CLIENTS && wrong == NULL; client++) {
        wrong = check_client(self, c, client);
    }
    return wrong;
}

/* ---- What goes on ---- */

/* Every row that is there, in one push without an idempotency key: each is a duplicate. */
static const char *send_known(checker *self, tm_intake *intake, tm_err *err) {
    const census *c = &self->census;
    tm_push_result r = {0};
    tm_buf body;
    tm__buf_init(&body, (size_t)64 << 20);
    for (uint32_t client = 0; client < CLIENTS; client++) {
        for (uint32_t push = 0; push < c->n_pushes[client]; push++) {
            for (uint32_t row = 0; row < PUSH_ROWS; row++) {
                if (c->n_in[client][push][row] > 0) {
                    put_row(&body, client, push, row, true);
                }
            }
        }
    }
    const tm_status st = c->n_rows == 0 ? TM_OK : send_body(intake, &body, NULL, &r, err);
    tm__buf_done(&body);
    return st == TM_OK && r.accepted == 0 && r.duplicates == c->n_rows && r.quarantined == 0
               ? NULL
               : "a key is not known any more";
}

/* The last pushes that had idempotency keys again, and the next one. */
static const char *send_more(checker *self, tm_intake *intake, uint32_t client, tm_err *err) {
    census *const c = &self->census;
    const uint32_t n = c->n_pushes[client];
    tm_push_result r = {0};
    for (uint32_t push = n > 3 ? n - 3 : 0; push < n; push++) {
        const uint32_t n_good = good_rows(push);
        if (has_idempotency_key(push) &&
            (send_push(intake, client, push, &r, err) != TM_OK || !r.is_repeat ||
             r.accepted != n_good || r.duplicates != 0 || r.quarantined != PUSH_ROWS - n_good)) {
            return "a push is not answered as before";
        }
    }
    if (send_push(intake, client, n, &r, err) != TM_OK || r.is_repeat ||
        r.accepted != good_rows(n) || r.duplicates != 0 ||
        r.quarantined != PUSH_ROWS - good_rows(n)) {
        return "the next push is not taken";
    }
    return NULL;
}

static const char *go_on(checker *self, const tm_home *home, tm_err *err) {
    tm_intake *intake = tm__intake_create(home);
    const promise before = self->promise;
    uint32_t n_pushes[CLIENTS];
    const char *wrong = intake == NULL ? "out of memory" : send_known(self, intake, err);
    for (uint32_t client = 0; client < CLIENTS && wrong == NULL; client++) {
        wrong = send_more(self, intake, client, err);
    }
    tm__intake_close(intake);
    if (wrong != NULL) {
        return wrong;
    }
    memcpy(n_pushes, self->census.n_pushes, sizeof(n_pushes));
    for (uint32_t client = 0; client < CLIENTS; client++) {
        self->promise.n_acked[client] = n_pushes[client] + 1;
    }
    self->promise.is_mended = false; /* of the bad rows that came now */
    wrong = count_all(self, home, err);
    self->promise = before;
    for (uint32_t client = 0; client < CLIENTS && wrong == NULL; client++) {
        wrong = self->census.n_pushes[client] == n_pushes[client] + 1
                    ? NULL
                    : "what was sent again is there twice";
    }
    return wrong;
}

/* ---- A point ---- */

/* Invariant 2. */
static tm_status check_database(const tm_home *home, uint64_t *n_removed, tm_err *err) {
    static const tm_intake_collect all = {.age_us = -TM_INTAKE_COLLECT_US, .removes = true};
    tm_intake_rest rest = {0};
    uint32_t format = 0;
    TM_TRY(tm__intake_check(home, false, &format, err));
    TM_TRY(tm__intake_collect(home, &all, &rest, err));
    *n_removed += rest.n;
    return tm__intake_check(home, false, &format, err);
}

static const char *check_shown(const checker *self, const tm_home *home, tm_err *err) {
    json_t *shown = NULL;
    if (tm__intake_show(home, SOURCE, &shown, err) != TM_OK) {
        return "the source cannot be shown";
    }
    uint64_t n_bad = 0;
    for (uint32_t client = 0; client < CLIENTS; client++) {
        n_bad += self->census.n_pushes[client] / 3 * PUSH_BAD;
    }
    const bool is_good =
        tm__json_i64(shown, "rows", -1) == (int64_t)self->census.n_rows &&
        tm__json_i64(shown, "quarantined", -1) == (int64_t)(n_bad - self->census.n_mended);
    json_decref(shown);
    if (!is_good) {
        return "the counters are not those of the rows";
    }
    const tm_status st = tm__intake_show(home, SECOND, &shown, NULL);
    json_decref(st == TM_OK ? shown : NULL);
    return st == TM_OK || (st == TM_E_NOT_FOUND && !self->promise.is_added)
               ? NULL
               : "the second source is lost";
}

static void check(checker *self) {
    char path[PATH_MAX];
    tm_home *home = NULL;
    tm_err err = {0};
    snprintf(path, sizeof(path), "%s/.tidemill", self->folder);
    if (tm__home_open(path, false, &home, &err) != TM_OK) {
        found(self, "the home does not open", err.message);
        return;
    }
    const char *wrong = check_database(home, &self->n_removed, &err) != TM_OK
                            ? "intake.db or a file that it names is damaged"
                            : NULL;
    wrong = wrong != NULL ? wrong : count_all(self, home, &err);
    wrong = wrong != NULL ? wrong : check_shown(self, home, &err);
    wrong = wrong != NULL ? wrong : go_on(self, home, &err);
    if (wrong != NULL) {
        found(self, wrong, err.message);
    }
    tm__home_close(home);
}

/* ---- Points that were there before ---- */

static point *slot_of(const checker *self, const tm_hash *disk) {
    uint64_t at;
    memcpy(&at, disk->bytes, sizeof(at));
    static const tm_hash none = {0};
    for (;; at++) {
        point *p = &self->seen[at % self->n_slots];
        if (tm__hash_eq(&p->disk, disk) || tm__hash_eq(&p->disk, &none)) {
            return p;
        }
    }
}

static void grow_seen(checker *self) {
    point *old = self->seen;
    const size_t n = self->n_slots;
    self->n_slots = n == 0 ? 1024 : n * 2;
    self->seen = calloc(self->n_slots, sizeof(*self->seen));
    if (self->seen == NULL) {
        exit(3);
    }
    static const tm_hash none = {0};
    for (size_t i = 0; i < n; i++) {
        if (!tm__hash_eq(&old[i].disk, &none)) {
            *slot_of(self, &old[i].disk) = old[i];
        }
    }
    free(old);
}

/* True when a disk was looked at before with as much acknowledged as now. */
static bool is_known(checker *self, const tm_hash *disk) {
    if (self->n_seen * 2 >= self->n_slots) {
        grow_seen(self);
    }
    point *p = slot_of(self, disk);
    if (tm__hash_eq(&p->disk, disk)) {
        const bool is_same = memcmp(&p->kept, &self->promise, sizeof(p->kept)) == 0;
        p->kept = self->promise;
        return is_same;
    }
    *p = (point){.disk = *disk};
    p->kept = self->promise;
    self->n_seen++;
    return false;
}

static void note_mark(checker *self, const char *mark) {
    uint32_t client = 0, n = 0;
    promise *const p = &self->promise;
    if (sscanf(mark, "acked %u %u", &client, &n) == 2 && client < CLIENTS && n < PUSHES_MAX) {
        p->n_acked[client] = n;
    } else if (strcmp(mark, "added") == 0) {
        p->is_added = true;
    } else if (strcmp(mark, "mending") == 0) {
        p->is_mending = true;
    } else if (strcmp(mark, "mended") == 0) {
        p->is_mended = true;
    } else {
        fprintf(stderr, "unknown mark '%s'\n", mark);
        exit(3);
    }
}

static void fail_at(checker *self, const virtual_disk *disk, size_t at, uint64_t seed,
                    const virtual_failure *failure) {
    tm_hash left;
    nftw(self->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    virtual_disk_fail(disk, failure, self->folder, &left);
    if (is_known(self, &left)) {
        self->n_same++;
        return;
    }
    (void)snprintf(self->how, sizeof(self->how), "at change %zu, %s, seed %" PRIu64, at,
                   failure->loss == VIRTUAL_KEEP   ? "the rest kept"
                   : failure->loss == VIRTUAL_LOSE ? "the rest lost"
                   : failure->block_bytes == 512   ? "torn at 512 bytes"
                                                   : "torn at 4 KiB",
                   seed);
    check(self);
    self->n_checked++;
}

int main(int argc, char **argv) {
    if (argc != 8) {
        fprintf(stderr, "usage: intake_points TRACE START FOLDER SEED SEEDS FIRST EVERY\n");
        return 2;
    }
    const uint64_t seed = strtoull(argv[4], NULL, 10), n_seeds = strtoull(argv[5], NULL, 10);
    const size_t first = strtoull(argv[6], NULL, 10), every = strtoull(argv[7], NULL, 10);
    virtual_disk *disk = virtual_disk_open(argv[1], argv[2]);
    checker *self = calloc(1, sizeof(*self));
    if (self == NULL || every == 0) {
        return 3;
    }
    self->folder = argv[3];
    const size_t length = virtual_disk_length(disk);
    size_t n_changes = 0;
    for (size_t at = 1; at <= length; at++) {
        const char *mark = NULL;
        (void)virtual_disk_step(disk, &mark);
        if (mark != NULL) {
            note_mark(self, mark);
        }
        n_changes += mark == NULL;
        if (at < first || (at - first) % every != 0) {
            continue;
        }
        fail_at(self, disk, at, seed, &(virtual_failure){.loss = VIRTUAL_KEEP});
        fail_at(self, disk, at, seed, &(virtual_failure){.loss = VIRTUAL_LOSE});
        for (uint64_t i = 0; i < 2 * n_seeds; i++) {
            const virtual_failure torn = {.loss = VIRTUAL_TEAR,
                                          .block_bytes = i % 2 == 0 ? 512 : 4096,
                                          .seed = (seed + i / 2) * 1000003 + at};
            fail_at(self, disk, at, seed + i / 2, &torn);
        }
    }
    printf("%" PRIu64 " points checked on %zu different disks, over %zu changes, seed %" PRIu64
           ": %" PRIu64 " failed (%" PRIu64 " were as one before, %" PRIu64 " files of nobody)\n",
           self->n_checked, self->n_seen, n_changes, seed, self->n_failed, self->n_same,
           self->n_removed);
    virtual_disk_close(disk);
    free(self->seen);
    free(self);
    return 0;
}
