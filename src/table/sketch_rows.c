/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Equal rows, by the smallest hashes (bottom-k, Cohen and Kaplan 2007, doi:10.1145/1281100.1281133,
 * with counts).
 *
 * 1. A hash that is kept in the end was below every limit before, so each of its rows was counted.
 * 2. When there is no room, all above the TM_ROWS_KEPT-th smallest hash go, and nothing above it
 *    comes in again. Who looks sees the TM_ROWS_KEPT smallest: a function of the rows alone.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/sort.h"
#include "table/sketch_priv.h"

#define N_MAX (TM_ROWS_KEPT * 2) /* before the largest go */
#define CAPACITY_FIRST 64u
#define MIX_KEY UINT64_C(0x73616d65726f7773)

typedef struct entry {
    uint64_t hash;
    uint64_t count; /* 0: a free place */
    uint64_t target_min, target_max;
} entry;

struct tm_sketch_rows {
    entry *entries; /* [capacity] */
    uint32_t n, capacity;
    uint64_t limit; /* hashes above it do not count; UINT64_MAX: all do */
};

tm_sketch_rows *tm__sketch_rows_create(void) {
    tm_sketch_rows *const rows = tm__mem_zalloc(1, sizeof(*rows));
    if (rows != NULL) {
        rows->limit = UINT64_MAX;
    }
    return rows;
}

static uint32_t find(const entry *entries, uint32_t capacity, uint64_t hash) {
    uint32_t at = (uint32_t)hash & (capacity - 1);
    while (entries[at].count != 0 && entries[at].hash != hash) {
        at = (at + 1) & (capacity - 1);
    }
    return at;
}

static bool rehash(tm_sketch_rows *r, uint32_t capacity) {
    entry *const entries = tm__mem_zalloc(capacity, sizeof(*entries));
    if (entries == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < r->capacity; i++) {
        if (r->entries[i].count != 0) {
            entries[find(entries, capacity, r->entries[i].hash)] = r->entries[i];
        }
    }
    tm__mem_free(r->entries);
    r->entries = entries;
    r->capacity = capacity;
    return true;
}

/* The TM_ROWS_KEPT-th smallest hash, or the limit there is when there are no more; false when out
 * of memory. */
static bool find_limit(const tm_sketch_rows *r, uint64_t *out) {
    *out = r->limit;
    if (r->n <= TM_ROWS_KEPT) {
        return true;
    }
    uint64_t *const hashes = tm__mem_alloc(r->n, sizeof(*hashes));
    uint32_t n = 0;
    if (hashes == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < r->capacity; i++) {
        if (r->entries[i].count != 0) {
            hashes[n++] = r->entries[i].hash;
        }
    }
    qsort(hashes, n, sizeof(*hashes), tm__compare_u64);
    *out = hashes[TM_ROWS_KEPT - 1];
    tm__mem_free(hashes);
    return true;
}

static bool prune(tm_sketch_rows *r) {
    if (!find_limit(r, &r->limit)) {
        return false;
    }
    for (uint32_t i = 0; i < r->capacity; i++) {
        r->entries[i].count = r->entries[i].hash > r->limit ? 0 : r->entries[i].count;
    }
    r->n = TM_ROWS_KEPT;
    return rehash(r, r->capacity);
}

static bool put(tm_sketch_rows *r, const entry *e) {
    if (e->hash > r->limit) {
        return true;
    }
    if (r->n * 2 >= r->capacity &&
        !rehash(r, r->capacity == 0 ? CAPACITY_FIRST : r->capacity * 2)) {
        return false;
    }
    entry *const own = &r->entries[find(r->entries, r->capacity, e->hash)];
    if (own->count == 0) {
        *own = *e;
        r->n++;
    } else {
        own->count += e->count;
        own->target_min = e->target_min < own->target_min ? e->target_min : own->target_min;
        own->target_max = e->target_max > own->target_max ? e->target_max : own->target_max;
    }
    return r->n < N_MAX || prune(r);
}

bool tm__sketch_rows_add(tm_sketch_rows *rows, uint64_t hash, uint64_t target) {
    /* The caller's hashes need not be spread: which rows are kept may not hang on their values. */
    return put(rows, &(entry){tm__rng_at(MIX_KEY, hash), 1, target, target});
}

bool tm__sketch_rows_merge(tm_sketch_rows *rows, const tm_sketch_rows *from) {
    bool ok = true;
    if (from->limit < rows->limit) {
        rows->limit = from->limit;
        for (uint32_t i = 0; i < rows->capacity; i++) {
            entry *const e = &rows->entries[i];
            const bool goes = e->count != 0 && e->hash > rows->limit;
            rows->n -= goes;
            e->count = goes ? 0 : e->count;
        }
        ok = rows->capacity == 0 || rehash(rows, rows->capacity);
    }
    for (uint32_t i = 0; ok && i < from->capacity; i++) {
        ok = from->entries[i].count == 0 || put(rows, &from->entries[i]);
    }
    return ok;
}

void tm__sketch_rows_reset(tm_sketch_rows *rows) {
    for (uint32_t i = 0; i < rows->capacity; i++) {
        rows->entries[i].count = 0;
    }
    rows->n = 0;
    rows->limit = UINT64_MAX;
}

bool tm__sketch_rows_same(const tm_sketch_rows *rows, tm_sketch_same *out) {
    uint64_t n = 0, n_kept = 0, repeated = 0, conflicting = 0, limit = 0;
    if (!find_limit(rows, &limit)) {
        return false;
    }
    for (uint32_t i = 0; i < rows->capacity; i++) {
        const entry *const e = &rows->entries[i];
        if (e->count > 0 && e->hash <= limit) {
            n_kept++;
            n += e->count;
            repeated += e->count - 1;
            conflicting += e->target_min != e->target_max ? e->count : 0;
        }
    }
    *out = (tm_sketch_same){.is_exact = limit == UINT64_MAX, .n_kept = n_kept};
    if (n > 0) {
        out->share_repeated = (double)repeated / (double)n;
        out->share_conflicting = (double)conflicting / (double)n;
        out->distinct =
            out->is_exact ? (double)n_kept : (double)(n_kept - 1) / ((double)limit * 0x1p-64);
    }
    return true;
}

void tm__sketch_rows_free(tm_sketch_rows *rows) {
    if (rows != NULL) {
        tm__mem_free(rows->entries);
        tm__mem_free(rows);
    }
}
