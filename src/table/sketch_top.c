/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frequent texts: Misra and Gries 1982 with weights, pruned in bulk; merging keeps the bound
 * (Agarwal et al. 2012, doi:10.1145/2213556.2213562).
 *
 * Up to ENTRIES_MAX texts are counted. One more, and the count of the 129th is taken from all: 128
 * or fewer are left, and `n_short` grows by that count. Each time at least 129 counts of that size
 * go, so n_short is at most n / 129. What is left does not depend on where entries stand.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "table/sketch_priv.h"

#define ENTRIES_MAX 384u
#define CAPACITY_MAX 1024u /* both sides of a merge fit */

static uint32_t kept_len(uint32_t len) {
    return len < TM_SKETCH_TEXT ? len : TM_SKETCH_TEXT;
}

/* Where a hash stands, or the free place for it. */
static uint32_t find(const tm_top_entry *entries, uint32_t capacity, uint64_t hash) {
    uint32_t at = (uint32_t)(hash >> 32) & (capacity - 1);
    while (entries[at].count != 0 && entries[at].hash != hash) {
        at = (at + 1) & (capacity - 1);
    }
    return at;
}

static bool rehash(tm_tops *t, uint32_t capacity) {
    tm_top_entry *const entries = tm__mem_zalloc(capacity, sizeof(*entries));
    if (entries == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < t->capacity; i++) {
        if (t->entries[i].count != 0) {
            entries[find(entries, capacity, t->entries[i].hash)] = t->entries[i];
        }
    }
    tm__mem_free(t->entries);
    t->entries = entries;
    t->capacity = capacity;
    return true;
}

static int compare_counts(const void *a, const void *b) {
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x > y ? -1 : x < y;
}

static bool prune(tm_tops *t) {
    uint64_t counts[CAPACITY_MAX];
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->capacity; i++) {
        if (t->entries[i].count != 0) {
            counts[n++] = t->entries[i].count;
        }
    }
    qsort(counts, n, sizeof(*counts), compare_counts);
    const uint64_t cut = counts[TM_SKETCH_TOP];
    char *const texts = tm__mem_alloc((size_t)TM_SKETCH_TOP * TM_SKETCH_TEXT * 2, 1);
    if (texts == NULL) {
        return false;
    }
    uint32_t len = 0;
    t->n = 0;
    for (uint32_t i = 0; i < t->capacity; i++) {
        tm_top_entry *const e = &t->entries[i];
        e->count = e->count > cut ? e->count - cut : 0;
        if (e->count > 0) {
            memcpy(texts + len, t->texts + e->start, kept_len(e->len));
            e->start = len;
            len += kept_len(e->len);
            t->n++;
        }
    }
    tm__mem_free(t->texts);
    t->texts = texts;
    t->texts_len = len;
    t->texts_capacity = TM_SKETCH_TOP * TM_SKETCH_TEXT * 2;
    t->n_short += cut;
    return rehash(t, t->capacity); /* no chain may lead over a place that became free */
}

static bool text_add(tm_tops *t, tm_str text, uint32_t *out_start) {
    const uint32_t len = text.len < TM_SKETCH_TEXT ? (uint32_t)text.len : TM_SKETCH_TEXT;
    if (t->texts_len + len > t->texts_capacity) {
        const uint32_t capacity = t->texts_capacity * 2 + 256;
        char *const texts = tm__mem_realloc(t->texts, capacity, 1);
        if (texts == NULL) {
            return false;
        }
        t->texts = texts;
        t->texts_capacity = capacity;
    }
    if (len > 0) {
        memcpy(t->texts + t->texts_len, text.ptr, len);
    }
    *out_start = t->texts_len;
    t->texts_len += len;
    return true;
}

/* The text may be cut already; len is that of the whole one. */
static bool put(tm_tops *t, uint64_t hash, tm_str text, uint32_t len, uint64_t count) {
    if (t->n * 2 >= t->capacity && t->capacity < CAPACITY_MAX &&
        !rehash(t, t->capacity == 0 ? 16 : t->capacity * 2)) {
        return false;
    }
    tm_top_entry *const e = &t->entries[find(t->entries, t->capacity, hash)];
    if (e->count == 0) {
        e->hash = hash;
        e->len = len;
        if (!text_add(t, text, &e->start)) {
            return false;
        }
        t->n++;
    }
    e->count += count;
    return true;
}

bool tm__tops_add(tm_tops *t, uint64_t hash, tm_str text, uint64_t count) {
    const uint32_t len = text.len < UINT32_MAX ? (uint32_t)text.len : UINT32_MAX;
    return put(t, hash, text, len, count) && (t->n <= ENTRIES_MAX || prune(t));
}

bool tm__tops_merge(tm_tops *t, const tm_tops *from) {
    for (uint32_t i = 0; i < from->capacity; i++) {
        const tm_top_entry *const e = &from->entries[i];
        if (e->count != 0 && !put(t, e->hash, (tm_str){from->texts + e->start, kept_len(e->len)},
                                  e->len, e->count)) {
            return false;
        }
    }
    t->n_short += from->n_short;
    return t->n <= ENTRIES_MAX || prune(t);
}

void tm__tops_reset(tm_tops *t) {
    if (t->n > 0) {
        memset(t->entries, 0, t->capacity * sizeof(*t->entries));
    }
    t->n = 0;
    t->n_short = 0;
    t->texts_len = 0;
}

static int compare_items(const void *a, const void *b) {
    const tm_sketch_item *const x = a, *const y = b;
    if (x->count != y->count) {
        return x->count > y->count ? -1 : 1;
    }
    const int order = tm__str_compare(x->text, y->text);
    return order != 0 ? order : x->hash < y->hash ? -1 : x->hash > y->hash;
}

uint32_t tm__tops_list(const tm_tops *t, tm_sketch_item *out, uint32_t n_max) {
    tm_sketch_item items[CAPACITY_MAX];
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->capacity; i++) {
        const tm_top_entry *const e = &t->entries[i];
        if (e->count != 0) {
            items[n++] = (tm_sketch_item){.text = {t->texts + e->start, kept_len(e->len)},
                                          .count = e->count,
                                          .hash = e->hash,
                                          .is_cut = e->len > TM_SKETCH_TEXT};
        }
    }
    qsort(items, n, sizeof(*items), compare_items);
    n = n < n_max ? n : n_max;
    memcpy(out, items, n * sizeof(*items));
    return n;
}

void tm__tops_write(const tm_tops *t, tm_buf *out) {
    tm_sketch_item items[ENTRIES_MAX];
    const uint32_t n = tm__tops_list(t, items, ENTRIES_MAX);
    (void)tm__buf_u64(out, t->n_short);
    (void)tm__buf_u32(out, n);
    for (uint32_t i = 0; i < n; i++) {
        (void)tm__buf_u64(out, items[i].hash);
        (void)tm__buf_u64(out, items[i].count);
        (void)tm__buf_u8(out, items[i].is_cut);
        (void)tm__buf_str(out, items[i].text);
    }
}

bool tm__tops_read(tm_tops *t, tm_reader *in, bool *out_memory) {
    const uint64_t n_short = tm__reader_u64(in);
    const uint32_t n = tm__reader_u32(in);
    if (n > ENTRIES_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < n && !in->failed; i++) {
        const uint64_t hash = tm__reader_u64(in);
        const uint64_t count = tm__reader_u64(in);
        const bool is_cut = tm__reader_u8(in) != 0;
        const tm_str text = tm__reader_str(in);
        if (in->failed || count == 0 || text.len > TM_SKETCH_TEXT ||
            (is_cut && text.len != TM_SKETCH_TEXT)) {
            return false;
        }
        if (!put(t, hash, text, (uint32_t)text.len + is_cut, count)) {
            *out_memory = false;
            return false;
        }
    }
    t->n_short = n_short;
    return t->n == n && !in->failed;
}

void tm__tops_done(tm_tops *t) {
    tm__mem_free(t->entries);
    tm__mem_free(t->texts);
    *t = (tm_tops){0};
}
