/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters of requests and answers. Each thread has its own and alone changes
 * them, with plain loads and stores that happen to be atomic: no thread waits for another's cache
 * line, and whoever makes the text may read them all at any time. Labels are names that this side
 * chose (paths of the table, routes of the registry), never something a request brought.
 *
 *      requests[endpoint][status]     one row more for requests that match no endpoint
 *      series -> series -> ...        one for each route, version and arm that answered
 *
 * Versions come and go for years, so what answered long ago goes too:
 *
 * 1. Of a thread's series of a route all but the LIVELY_MAX that it used last are idle.
 * 2. A series that is idle with every thread is past: it is told no more, and at once as a whole,
 *    for a counter that falls is taken for one that began anew.
 * 3. Its thread folds it, when the next one is made, into one of version 0, so that what a route
 *    has answered in all never falls. Only then does a thread wait, for who reads all series.
 */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/proc.h"
#include "serve/prom_priv.h"

#define LIVELY_MAX 32u /* of a route and thread: what answers now is among the newest few */

const double tm__prom_bounds_s[TM_PROM_BOUNDS] = {
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5};
const unsigned tm__prom_codes[TM_PROM_CODES] = {200, 400, 401, 403, 404, 405, 408, 409, 413,
                                                414, 415, 417, 429, 431, 500, 501, 503, 505};

const double tm__prom_stage_bounds_s[TM_PROM_STAGE_BOUNDS] = {
    0.00000025, 0.0000005, 0.000001, 0.0000025, 0.000005, 0.00001,
    0.000025,   0.0001,    0.001,    0.01,      0.1,      1};

static void add(tm_prom_counter *c, uint64_t n) {
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

const char *tm__arm_text(tm_arm_kind arm) {
    static const char *const names[] = {
        [TM_ARM_CHAMPION] = "champion", [TM_ARM_CHALLENGER] = "challenger",
        [TM_ARM_FALLBACK] = "fallback", [TM_ARM_NAMED] = "named",
        [TM_ARM_EXPLORED] = "explored", [TM_ARM_SHADOW] = TM_SHADOW_ARM};
    return names[arm];
}

tm_prom *tm__prom_create(void) {
    tm_prom *prom = tm__mem_zalloc(1, sizeof *prom);
    if (prom != NULL) {
        prom->requests = tm__mem_zalloc(tm__endpoint_count() + 1, sizeof *prom->requests);
        prom->mutex = tm__mutex_create();
        if (prom->requests == NULL || prom->mutex == NULL) {
            tm__prom_free(prom);
            prom = NULL;
        }
    }
    return prom;
}

void tm__prom_free(tm_prom *prom) {
    if (prom == NULL) {
        return;
    }
    for (tm_prom_series *s = atomic_load(&prom->all), *next = NULL; s != NULL; s = next) {
        next = atomic_load(&s->next);
        tm__mem_free(s);
    }
    tm__mutex_free(prom->mutex);
    tm__mem_free(prom->requests);
    tm__mem_free(prom);
}

void tm__prom_request(tm_prom *prom, const tm_endpoint *endpoint, unsigned status) {
    const uint32_t row = endpoint == NULL ? tm__endpoint_count() : tm__endpoint_index(endpoint);
    add(&prom->total, 1);
    for (uint32_t i = 0; i < TM_PROM_CODES; i++) {
        if (tm__prom_codes[i] == status) {
            add(&prom->requests[row][i], 1);
            return;
        }
    }
}

typedef struct series_key {
    const char *route;
    uint32_t version;
    tm_arm_kind arm;
} series_key;

static series_key key_of(const tm_prom_series *s) {
    return (series_key){s->route, s->version, s->arm};
}

static tm_prom_series *find_series(tm_prom *prom, series_key key) {
    tm_prom_series *s = atomic_load_explicit(&prom->all, memory_order_acquire);
    while (s != NULL &&
           (s->version != key.version || s->arm != key.arm || strcmp(s->route, key.route) != 0)) {
        s = atomic_load_explicit(&s->next, memory_order_acquire);
    }
    return s;
}

static_assert(offsetof(tm_prom_series, cpu_ns) + sizeof(tm_prom_counter) == sizeof(tm_prom_series),
              "counters are the end of a series");

static void add_all(tm_prom_series *to, tm_prom_series *from) {
    for (size_t at = offsetof(tm_prom_series, n_rows); at < sizeof *to;
         at += sizeof(tm_prom_counter)) {
        add((tm_prom_counter *)(void *)((char *)to + at),
            tm__prom_get((tm_prom_counter *)(void *)((char *)from + at)));
    }
}

/* Those that are past (invariant 3), into the first of their route and arm. */
static void fold_locked(tm_prom *prom) {
    for (tm_prom_series *_Atomic *at = &prom->all; atomic_load(at) != NULL;) {
        tm_prom_series *const s = atomic_load(at);
        tm_prom_series *const earlier = find_series(prom, (series_key){s->route, 0, s->arm});
        if (s->version == 0 || !atomic_load(&s->is_idle) || !atomic_load(&s->is_past)) {
            at = &s->next;
        } else if (earlier == NULL) {
            s->version = 0;
        } else {
            add_all(earlier, s);
            atomic_store(at, atomic_load(&s->next));
            tm__mem_free(s);
        }
    }
}

/* Invariant 1, for one more of the route. */
static void let_one_idle(tm_prom *prom, const char *route) {
    tm_prom_series *oldest = NULL;
    uint32_t n = 0;
    for (tm_prom_series *s = atomic_load(&prom->all); s != NULL; s = atomic_load(&s->next)) {
        if (s->version != 0 && !atomic_load(&s->is_idle) && strcmp(s->route, route) == 0) {
            n++;
            oldest = oldest == NULL || s->used < oldest->used ? s : oldest;
        }
    }
    if (n >= LIVELY_MAX) {
        atomic_store(&oldest->is_idle, true);
    }
}

/* The newest first, since it is asked for most. */
static tm_prom_series *make_series(tm_prom *prom, series_key key) {
    tm_prom_series *const s = tm__mem_zalloc(1, sizeof *s);
    if (s != NULL) {
        tm__mutex_lock(prom->mutex);
        fold_locked(prom);
        tm__mutex_unlock(prom->mutex);
        (void)tm__str_copy(s->route, sizeof s->route, tm__str(key.route));
        s->version = key.version;
        s->arm = key.arm;
        atomic_init(&s->is_idle, true);
        atomic_store(&s->next, atomic_load(&prom->all));
        atomic_store_explicit(&prom->all, s, memory_order_release);
    }
    return s;
}

/* NULL when out of memory. */
static tm_prom_series *get_series(tm_prom *prom, series_key key) {
    tm_prom_series *s = find_series(prom, key);
    s = s == NULL ? make_series(prom, key) : s;
    if (s != NULL && atomic_load_explicit(&s->is_idle, memory_order_relaxed)) {
        let_one_idle(prom, key.route);
        atomic_store(&s->is_past, false);
        atomic_store(&s->is_idle, false);
    }
    if (s != NULL) {
        s->used = ++prom->n_used;
    }
    return s;
}

void tm__prom_predict(tm_prom *prom, const tm_prom_answers *answers) {
    tm_prom_series *s =
        get_series(prom, (series_key){answers->route, answers->version, answers->arm});
    if (s == NULL) {
        return;
    }
    add(&s->n_rows, answers->n_rows);
    add(&s->n_nulls, answers->n_nulls);
    add(&s->n_coerced, answers->n_coerced);
    add(&s->n_dropped, answers->n_dropped);
    add(&s->n_filled, answers->n_filled);
    add(&s->n_absent, answers->n_absent);
    add(&s->n_stale, answers->n_stale);
    add(&s->n_requests, 1);
    add(&s->ns, answers->ns);
    add(&s->n_measured, answers->weight * answers->n_rows);
    add(&s->cpu_ns, answers->weight * answers->cpu_ns);
    uint32_t b = 0;
    while (b < TM_PROM_BOUNDS && (double)answers->ns * 1e-9 > tm__prom_bounds_s[b]) {
        b++;
    }
    add(&s->buckets[b], 1);
}

void tm__prom_failed(tm_prom *prom, const char *route, uint32_t version, tm_arm_kind arm) {
    tm_prom_series *s = get_series(prom, (series_key){route, version, arm});
    if (s != NULL) {
        add(&s->n_failed, 1);
    }
}

void tm__prom_broken(tm_prom *prom, const char *route, uint32_t version, tm_arm_kind arm) {
    tm_prom_series *s = get_series(prom, (series_key){route, version, arm});
    if (s != NULL) {
        add(&s->n_broken, 1);
    }
}

void tm__prom_shadow(tm_prom *prom, const char *route, uint32_t version, bool is_dropped) {
    tm_prom_series *s = get_series(prom, (series_key){route, version, TM_ARM_SHADOW});
    if (s != NULL) {
        add(is_dropped ? &s->n_shadow_dropped : &s->n_failed, 1);
    }
}

void tm__prom_compared(tm_prom *prom, const char *route, uint32_t version, uint64_t n_rows,
                       uint64_t n_differed) {
    tm_prom_series *s = get_series(prom, (series_key){route, version, TM_ARM_SHADOW});
    if (s != NULL) {
        add(&s->n_compared, n_rows);
        add(&s->n_differed, n_differed);
    }
}

void tm__stages_begin(tm_stages *stages, uint64_t arrived_ns) {
    stages->is_on = stages->n_requests++ % TM_STAGES_EVERY == 0;
    if (stages->is_on) {
        memset(stages->ns, 0, sizeof stages->ns);
        stages->last_ns = arrived_ns;
        tm__stages_lap(stages, TM_STAGE_QUEUE);
    }
    stages->weight = 0;
}

void tm__stages_measure(tm_stages *stages, bool is_large) {
    stages->weight = is_large ? 1 : stages->is_on ? TM_STAGES_EVERY : 0;
    stages->cpu_ns = stages->weight > 0 ? tm__thread_cpu_ns() : 0;
}

void tm__stages_lap(tm_stages *stages, tm_stage_of stage) {
    if (stages->is_on) {
        const uint64_t now_ns = tm__mono_ns();
        stages->ns[stage] += now_ns - stages->last_ns;
        stages->last_ns = now_ns;
    }
}

void tm__prom_stages(tm_prom *prom, const tm_stages *stages) {
    for (uint32_t i = 0; stages->is_on && i < TM_STAGES_N; i++) {
        uint32_t b = 0;
        while (b < TM_PROM_STAGE_BOUNDS &&
               (double)stages->ns[i] * 1e-9 > tm__prom_stage_bounds_s[b]) {
            b++;
        }
        add(&prom->stages[i].buckets[b], 1);
        add(&prom->stages[i].ns, stages->ns[i]);
    }
}

void tm__prom_connections(tm_prom *prom, uint32_t n_open) {
    atomic_store_explicit(&prom->n_open, n_open, memory_order_relaxed);
}

void tm__prom_refused(tm_prom *prom, const char *reason) {
    for (uint32_t i = 0; i < TM_PROM_REASONS; i++) {
        const char *known = atomic_load_explicit(&prom->refused[i].reason, memory_order_relaxed);
        if (known == NULL) {
            atomic_store_explicit(&prom->refused[i].reason, reason, memory_order_release);
        }
        if (known == NULL || strcmp(known, reason) == 0) {
            add(&prom->refused[i].n, 1);
            return;
        }
    }
}

void tm__prom_swap(tm_prom *prom) {
    add(&prom->n_swaps, 1);
}

uint64_t tm__prom_total(tm_prom *const *proms, uint32_t n) {
    uint64_t total = 0;
    for (uint32_t i = 0; i < n; i++) {
        total += tm__prom_get(&proms[i]->total);
    }
    return total;
}

uint64_t tm__prom_sum(const tm_prom_sums *all, const tm_prom_series *s, size_t offset) {
    uint64_t value = 0;
    for (uint32_t p = 0; p < all->n; p++) {
        tm_prom_series *same = find_series(all->proms[p], key_of(s));
        value +=
            same == NULL ? 0 : tm__prom_get((tm_prom_counter *)(void *)((char *)same + offset));
    }
    return value;
}

/* Invariant 2; a series that is past is marked with all threads. */
static bool is_told_locked(const tm_prom_sums *all, const tm_prom_series *s) {
    bool is = false;
    for (uint32_t p = 0; p < all->n && !is && s->version != 0; p++) {
        const tm_prom_series *const same = find_series(all->proms[p], key_of(s));
        is = same != NULL && !atomic_load(&same->is_idle);
    }
    for (uint32_t p = 0; p < all->n && !is && s->version != 0; p++) {
        tm_prom_series *const same = find_series(all->proms[p], key_of(s));
        if (same != NULL) {
            atomic_store(&same->is_past, true);
        }
    }
    return is;
}

typedef void (*series_fn)(const tm_prom_sums *all, const tm_prom_series *s, void *arg);

static void each_locked(const tm_prom_sums *all, bool ever, series_fn fn, void *arg) {
    for (uint32_t p = 0; p < all->n; p++) {
        for (tm_prom_series *s = atomic_load(&all->proms[p]->all); s != NULL;
             s = atomic_load(&s->next)) {
            bool is_known = false;
            for (uint32_t q = 0; q < p && !is_known; q++) {
                is_known = find_series(all->proms[q], key_of(s)) != NULL;
            }
            if (!is_known && (is_told_locked(all, s) || ever)) {
                fn(all, s, arg);
            }
        }
    }
}

/* All are locked at once, in their order. */
static void each(const tm_prom_sums *all, bool ever, series_fn fn, void *arg) {
    for (uint32_t p = 0; p < all->n; p++) {
        tm__mutex_lock(all->proms[p]->mutex);
    }
    each_locked(all, ever, fn, arg);
    for (uint32_t p = 0; p < all->n; p++) {
        tm__mutex_unlock(all->proms[p]->mutex);
    }
}

void tm__prom_each(const tm_prom_sums *all,
                   void (*fn)(const tm_prom_sums *all, const tm_prom_series *s, void *arg),
                   void *arg) {
    each(all, false, fn, arg);
}

void tm__prom_each_ever(const tm_prom_sums *all,
                        void (*fn)(const tm_prom_sums *all, const tm_prom_series *s, void *arg),
                        void *arg) {
    each(all, true, fn, arg);
}
