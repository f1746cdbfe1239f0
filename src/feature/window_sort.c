/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sorting by (entity, time), stable, linear, on all threads.
 *
 * 1. By entity: radix passes over 16-byte items, digits of at most 11 bits. A pass counts digits
 *    for each chunk of items, turns counts into places (digit by digit, chunk by chunk), moves.
 * 2. By time within each entity. Streams mostly come in order of time, and a stable pass by entity
 *    keeps that, so a segment is first looked at. Short ones are merged, long ones go through radix
 *    passes over the bits in which their times differ; those of more than a chunk, one at a time on
 *    all threads, so that an entity with most of the events holds up nobody.
 *
 * Chunks depend on the number of items alone, and a stable sort has one result.
 */
#include <string.h>

#include "base/mem.h"
#include "feature/window_priv.h"

#define DIGIT_BITS 11u
#define DIGITS (1u << DIGIT_BITS)
#define CHUNK (UINT64_C(1) << 17)
#define CHUNKS_MAX 512u
#define MERGE_MAX 2048u
#define RUN 16u

typedef struct pass {
    const tm_window_item *from;
    tm_window_item *to;
    uint64_t n, chunk;
    uint32_t shift, mask;
    bool by_time;
    uint64_t least;   /* what is taken off keys */
    uint32_t *places; /* [chunks x (mask + 1)] */
} pass;

static inline uint32_t digit(const pass *p, const tm_window_item *item) {
    const uint64_t key = p->by_time ? (uint64_t)item->time : item->entity;
    return (uint32_t)((key - p->least) >> p->shift) & p->mask;
}

static uint64_t end_of(uint64_t n, uint64_t chunk, uint64_t number) {
    const uint64_t end = (number + 1) * chunk;
    return end < n ? end : n;
}

static void count_chunk(void *arg, uint64_t number, uint32_t worker) {
    const pass *p = arg;
    uint32_t *const counts = p->places + number * (p->mask + 1);
    (void)worker;
    memset(counts, 0, (p->mask + 1) * sizeof(*counts));
    for (uint64_t i = number * p->chunk; i < end_of(p->n, p->chunk, number); i++) {
        counts[digit(p, &p->from[i])]++;
    }
}

static void move_chunk(void *arg, uint64_t number, uint32_t worker) {
    const pass *p = arg;
    uint32_t *const places = p->places + number * (p->mask + 1);
    (void)worker;
    for (uint64_t i = number * p->chunk; i < end_of(p->n, p->chunk, number); i++) {
        p->to[places[digit(p, &p->from[i])]++] = p->from[i];
    }
}

static void run_pass(tm_pool *pool, pass *p) {
    const uint64_t n_chunks = (p->n + p->chunk - 1) / p->chunk;
    uint32_t place = 0;
    tm__pool_run(pool, n_chunks, count_chunk, p);
    for (uint32_t d = 0; d <= p->mask; d++) {
        for (uint64_t c = 0; c < n_chunks; c++) {
            uint32_t *const at = &p->places[c * (p->mask + 1) + d];
            const uint32_t count = *at;
            *at = place;
            place += count;
        }
    }
    tm__pool_run(pool, n_chunks, move_chunk, p);
}

static uint32_t bits_of(uint64_t range) {
    return range == 0 ? 0 : 64u - (uint32_t)__builtin_clzll(range);
}

/* Sort n items by one key that spans `range`; the result is in what is returned. */
static tm_window_item *radix(tm_pool *pool, pass *p, tm_window_item *items, tm_window_item *room,
                             uint64_t range) {
    const uint32_t bits = bits_of(range);
    const uint32_t n_passes = (bits + DIGIT_BITS - 1) / DIGIT_BITS;
    const uint32_t width = n_passes == 0 ? 0 : (bits + n_passes - 1) / n_passes;
    p->mask = (1u << width) - 1;
    for (uint32_t i = 0; i < n_passes; i++) {
        p->from = items;
        p->to = room;
        p->shift = i * width;
        run_pass(pool, p);
        tm_window_item *const other = items;
        items = room;
        room = other;
    }
    return items;
}

/* Least and greatest time; true when they never fall. */
static bool times_rise(const tm_window_item *items, uint64_t n, int64_t *out_least,
                       int64_t *out_most) {
    int64_t least = items[0].time, most = items[0].time;
    bool rise = true;
    for (uint64_t i = 1; i < n; i++) {
        const int64_t time = items[i].time;
        rise = rise && time >= items[i - 1].time;
        least = time < least ? time : least;
        most = time > most ? time : most;
    }
    *out_least = least;
    *out_most = most;
    return rise;
}

static void insert_run(tm_window_item *items, uint64_t n) {
    for (uint64_t i = 1; i < n; i++) {
        const tm_window_item item = items[i];
        uint64_t at = i;
        for (; at > 0 && items[at - 1].time > item.time; at--) {
            items[at] = items[at - 1];
        }
        items[at] = item;
    }
}

static void merge_two(const tm_window_item *a, uint64_t n_a, const tm_window_item *b, uint64_t n_b,
                      tm_window_item *to) {
    uint64_t i = 0, k = 0, at = 0;
    while (i < n_a && k < n_b) {
        to[at++] = b[k].time < a[i].time ? b[k++] : a[i++];
    }
    memcpy(to + at, a + i, (n_a - i) * sizeof(*a));
    memcpy(to + at + n_a - i, b + k, (n_b - k) * sizeof(*b));
}

static tm_window_item *merge_sort(tm_window_item *items, tm_window_item *room, uint64_t n) {
    for (uint64_t at = 0; at < n; at += RUN) {
        insert_run(items + at, n - at < RUN ? n - at : RUN);
    }
    for (uint64_t width = RUN; width < n; width *= 2) {
        for (uint64_t at = 0; at < n; at += 2 * width) {
            const uint64_t n_a = n - at < width ? n - at : width;
            const uint64_t left = n - at - n_a, n_b = left < width ? left : width;
            merge_two(items + at, n_a, items + at + n_a, n_b, room + at);
        }
        tm_window_item *const other = items;
        items = room;
        room = other;
    }
    return items;
}

/* One entity by time, in place; places has room for the digits of every chunk. */
static void sort_segment(tm_pool *pool, tm_window_item *items, tm_window_item *room, uint64_t n,
                         pass *p) {
    int64_t least = 0, most = 0;
    if (n < 2 || times_rise(items, n, &least, &most)) {
        return;
    }
    tm_window_item *done = NULL;
    if (n <= MERGE_MAX) {
        done = merge_sort(items, room, n);
    } else {
        p->n = n;
        p->by_time = true;
        p->least = (uint64_t)least;
        done = radix(pool, p, items, room, (uint64_t)most - (uint64_t)least);
    }
    if (done != items) {
        memcpy(items, done, n * sizeof(*items));
    }
}

typedef struct segments {
    tm_window_item *items, *room;
    uint64_t n;
    uint64_t *starts; /* of each chunk: of the first segment in it or behind it; n at the end */
} segments;

/* Before anything is sorted: no worker looks at what another one moves. */
static void find_starts(segments *s, uint64_t n_chunks) {
    s->starts[n_chunks] = s->n;
    for (uint64_t c = n_chunks; c-- > 0;) {
        const uint64_t end = end_of(s->n, CHUNK, c);
        uint64_t at = c * CHUNK;
        while (at > 0 && at < end && s->items[at].entity == s->items[at - 1].entity) {
            at++;
        }
        s->starts[c] = at < end ? at : s->starts[c + 1];
    }
}

static uint64_t segment_end(const segments *s, uint64_t start, uint64_t most) {
    uint64_t end = start + 1;
    while (end < most && s->items[end].entity == s->items[start].entity) {
        end++;
    }
    return end;
}

/* The segments that start in a chunk, but those that are longer than one. */
static void sort_chunk(void *arg, uint64_t number, uint32_t worker) {
    const segments *s = arg;
    uint32_t places[DIGITS];
    pass p = {.chunk = CHUNK, .places = places};
    const uint64_t most = s->starts[number + 1];
    (void)worker;
    for (uint64_t at = s->starts[number]; at < most;) {
        const uint64_t end = segment_end(s, at, most);
        if (end - at <= CHUNK) {
            sort_segment(NULL, s->items + at, s->room + at, end - at, &p);
        }
        at = end;
    }
}

static bool is_sorted(const tm_window_item *items, uint64_t n) {
    for (uint64_t i = 1; i < n; i++) {
        if (items[i].entity < items[i - 1].entity ||
            (items[i].entity == items[i - 1].entity && items[i].time < items[i - 1].time)) {
            return false;
        }
    }
    return true;
}

/* A segment longer than a chunk is the one at some chunk's first item. */
static void sort_long(tm_pool *pool, segments *s, pass *p) {
    uint64_t done = 0;
    for (uint64_t at = CHUNK; at < s->n; at += CHUNK) {
        uint64_t start = at;
        if (at < done) {
            continue;
        }
        while (start > 0 && s->items[start - 1].entity == s->items[at].entity) {
            start--;
        }
        const uint64_t end = segment_end(s, at, s->n);
        if (end - start > CHUNK) {
            sort_segment(pool, s->items + start, s->room + start, end - start, p);
        }
        done = end;
    }
}

tm_window_item *tm__window_sort(tm_pool *pool, tm_window_item *items, tm_window_item *room,
                                uint64_t n) {
    if (n < 2 || is_sorted(items, n)) {
        return items;
    }
    const uint64_t least_chunk = (n + CHUNKS_MAX - 1) / CHUNKS_MAX;
    pass p = {.n = n, .chunk = least_chunk > CHUNK ? least_chunk : CHUNK};
    const uint64_t n_chunks = (n + p.chunk - 1) / p.chunk, n_small = (n + CHUNK - 1) / CHUNK;
    uint64_t *const starts = tm__mem_alloc(n_small + 1, sizeof(*starts));
    p.places = tm__mem_alloc(n_chunks * DIGITS, sizeof(uint32_t));
    if (p.places == NULL || starts == NULL) {
        tm__mem_free(p.places);
        tm__mem_free(starts);
        return NULL;
    }
    uint32_t least = items[0].entity, most = items[0].entity;
    for (uint64_t i = 1; i < n; i++) {
        least = items[i].entity < least ? items[i].entity : least;
        most = items[i].entity > most ? items[i].entity : most;
    }
    p.least = least;
    tm_window_item *const done = radix(pool, &p, items, room, most - least);
    segments s = {.items = done, .room = done == items ? room : items, .n = n, .starts = starts};
    find_starts(&s, n_small);
    tm__pool_run(pool, n_small, sort_chunk, &s);
    sort_long(pool, &s, &p);
    tm__mem_free(p.places);
    tm__mem_free(starts);
    return done;
}
