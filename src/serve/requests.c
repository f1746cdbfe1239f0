/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/requests.h"

#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "serve/counted.h"

/* Atomic so that a reader sees whole numbers; the owner alone writes. */
typedef struct counters {
    _Atomic uint64_t counts[TM_TRAFFIC_COUNTS];
    _Atomic uint32_t keys[TM_TRAFFIC_CALLERS];
} counters;

struct tm_requests {
    uint32_t n;
    counters *threads; /* [n] */
    tm_traffic before; /* the reader's: what was collected */
};

tm_requests *tm__requests_create(uint32_t n_threads) {
    tm_requests *const self = tm__mem_zalloc(1, sizeof(*self));
    if (self != NULL) {
        self->n = n_threads;
        self->threads = tm__mem_zalloc(n_threads, sizeof(*self->threads));
        if (self->threads == NULL) {
            tm__mem_free(self);
            return NULL;
        }
    }
    return self;
}

void tm__requests_free(tm_requests *requests) {
    if (requests != NULL) {
        tm__mem_free((void *)requests->threads);
        tm__mem_free(requests);
    }
}

static uint32_t mix(uint32_t x) {
    x ^= x >> 16;
    x *= 0x7FEB352Du;
    x ^= x >> 15;
    x *= 0x846CA68Bu;
    return x ^ x >> 16;
}

uint32_t tm__requests_caller(const char *peer) {
    const char *const colon = strrchr(peer, ':');
    const size_t len = colon == NULL ? strlen(peer) : (size_t)(colon - peer);
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ (uint8_t)peer[i]) * 16777619u;
    }
    return hash;
}

/* The id of a key; 0: it was none. */
static uint32_t key_of(const char *actor) {
    uint32_t id = 0;
    if (strncmp(actor, "key:", 4) != 0) {
        return 0;
    }
    for (const char *p = actor + 4; *p != '\0'; p++) {
        const uint32_t digit = *p <= '9' ? (uint32_t)(*p - '0') : (uint32_t)((*p | 32) - 'a') + 10;
        id = id << 4 | (digit & 15);
    }
    return id;
}

static void count_one(counters *c, uint32_t at) {
    const uint64_t n = atomic_load_explicit(&c->counts[at], memory_order_relaxed);
    atomic_store_explicit(&c->counts[at], n + 1, memory_order_relaxed);
}

void tm__requests_count(tm_requests *self, const tm_request_end *end) {
    if (end->thread >= self->n) {
        return;
    }
    counters *const c = &self->threads[end->thread];
    const uint32_t key = key_of(end->actor);
    const uint32_t place = mix(key != 0 ? key : end->caller) % TM_TRAFFIC_CALLERS;
    count_one(c, end->status < 400   ? TM_TRAFFIC_ANSWERED
                 : end->status < 500 ? TM_TRAFFIC_REFUSED
                                     : TM_TRAFFIC_FAILED);
    count_one(c, TM_TRAFFIC_LATENCY + tm__traffic_latency(end->ns));
    count_one(c, TM_TRAFFIC_CALLER + place);
    atomic_store_explicit(&c->keys[place], key, memory_order_relaxed);
}

/* All threads' together, and rows. */
static void read_all(const tm_requests *self, const tm_counted *rows, tm_traffic *out) {
    memset(out, 0, sizeof(*out));
    for (uint32_t t = 0; t < self->n; t++) {
        for (uint32_t i = 0; i < TM_TRAFFIC_COUNTS; i++) {
            out->counts[i] +=
                atomic_load_explicit(&self->threads[t].counts[i], memory_order_relaxed);
        }
        for (uint32_t i = 0; i < TM_TRAFFIC_CALLERS; i++) {
            const uint32_t key =
                atomic_load_explicit(&self->threads[t].keys[i], memory_order_relaxed);
            out->keys[i] = key != 0 ? key : out->keys[i];
        }
    }
    if (rows != NULL) {
        out->counts[TM_TRAFFIC_ROWS] = rows->before.counts[TM_CELLS_ROWS];
        out->counts[TM_TRAFFIC_FAR] = rows->before.counts[TM_CELLS_FAR];
    }
}

static tm_status collect(const tm_served *served, tm_traffic_watch *watch, tm_moment now,
                         tm_err *err) {
    tm_requests *const self = served->requests;
    tm_traffic all, fresh;
    if (self == NULL) {
        return TM_OK;
    }
    read_all(self, served->counted, &all);
    fresh = all;
    for (uint32_t i = 0; i < TM_TRAFFIC_COUNTS; i++) {
        fresh.counts[i] -= self->before.counts[i];
    }
    const tm_traffic_news news = {served->route, served->model, served->version, &fresh};
    TM_TRY(tm__traffic_watch_add(watch, &news, now, err));
    self->before = all;
    return TM_OK;
}

/* What the route serves comes last: an alert names its version. */
tm_status tm__requests_collect(const tm_current *current, tm_traffic_watch *watch, tm_moment now,
                               tm_err *err) {
    for (uint32_t i = 0; i < current->n_kept; i++) {
        TM_TRY(collect(current->kept[i], watch, now, err));
    }
    for (uint32_t i = 0; i < current->n; i++) {
        TM_TRY(collect(current->routes[i], watch, now, err));
    }
    return TM_OK;
}
