/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters of requests and answers. Each thread has its own and alone changes
 * them, with plain loads and stores that happen to be atomic: no thread waits for another's cache
 * line, and whoever makes the text may read them all at any time. Labels are names that this side
 * chose (paths of the table, routes of the registry), never something a request brought.
 *
 *      requests[endpoint][status]     one row more for requests that match no endpoint
 *      series -> series -> ...        one for each route and version that answered; once in the
 *                                     list, one never moves and never goes
 */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/proc.h"
#include "serve/prom_priv.h"

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
        if (prom->requests == NULL) {
            tm__mem_free(prom);
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

/* The newest first, since it is asked for most. */
static tm_prom_series *get_series(tm_prom *prom, series_key key) {
    tm_prom_series *s = find_series(prom, key);
    if (s == NULL && (s = tm__mem_zalloc(1, sizeof *s)) != NULL) {
        (void)tm__str_copy(s->route, sizeof s->route, tm__str(key.route));
        s->version = key.version;
        s->arm = key.arm;
        atomic_store(&s->next, atomic_load(&prom->all));
        atomic_store_explicit(&prom->all, s, memory_order_release);
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

/* Call fn once for each route and version that any thread answered for. */
void tm__prom_each(const tm_prom_sums *all,
                   void (*fn)(const tm_prom_sums *all, const tm_prom_series *s, void *arg),
                   void *arg) {
    for (uint32_t p = 0; p < all->n; p++) {
        for (tm_prom_series *s = atomic_load(&all->proms[p]->all); s != NULL;
             s = atomic_load(&s->next)) {
            bool is_known = false;
            for (uint32_t q = 0; q < p && !is_known; q++) {
                is_known = find_series(all->proms[q], key_of(s)) != NULL;
            }
            if (!is_known) {
                fn(all, s, arg);
            }
        }
    }
}
