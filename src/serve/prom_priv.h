/* SPDX-License-Identifier: Apache-2.0 */
/* Counters as they lie in memory: prom.c counts, prom_text.c makes the text for Prometheus, and
 * prom_route.c what a status tells of routes. Only for these. */
#ifndef TM_SERVE_PROM_PRIV_H
#define TM_SERVE_PROM_PRIV_H

#include <stdatomic.h>

#include "base/pool.h"
#include "serve/serve_priv.h"

#define TM_PROM_BOUNDS (TM_PROM_BUCKETS - 1)
#define TM_PROM_REASONS 32u
#define TM_PROM_STAGE_BOUNDS 12u
#define TM_PROM_CODES 18u

extern const double tm__prom_bounds_s[TM_PROM_BOUNDS];             /* of requests */
extern const double tm__prom_stage_bounds_s[TM_PROM_STAGE_BOUNDS]; /* of stages */
extern const unsigned tm__prom_codes[TM_PROM_CODES];

typedef _Atomic uint64_t tm_prom_counter;

typedef struct tm_prom_series tm_prom_series;
struct tm_prom_series {
    tm_prom_series *_Atomic next;
    char route[TM_MAX_NAME + 1];
    uint32_t version;
    tm_arm_kind arm;
    uint64_t used;        /* by its thread, which alone reads it: more was later */
    _Atomic bool is_idle; /* of its thread's, other versions and arms answered later */
    _Atomic bool is_past; /* and of every thread's */
    tm_prom_counter n_rows, n_nulls, n_coerced, n_dropped;
    tm_prom_counter n_filled, n_absent, n_stale;
    tm_prom_counter n_failed, n_broken, n_shadow_dropped;
    tm_prom_counter n_compared, n_differed; /* rows of a shadow, with the client's answers */
    tm_prom_counter buckets[TM_PROM_BOUNDS + 1];
    tm_prom_counter n_requests, ns;
    tm_prom_counter n_measured, cpu_ns; /* answers that measured ones stand for, and their time */
};

struct tm_prom {
    tm_prom_counter (*requests)[TM_PROM_CODES]; /* [n endpoints + 1] */
    tm_prom_counter total;
    tm_prom_series *_Atomic all;
    uint64_t n_used;
    tm_mutex *mutex; /* of who reads all, so that none goes meanwhile, and of who lets one go */
    struct {
        const char *_Atomic reason;
        tm_prom_counter n;
    } refused[TM_PROM_REASONS];
    tm_prom_counter n_open, n_swaps;
    struct {
        tm_prom_counter buckets[TM_PROM_STAGE_BOUNDS + 1];
        tm_prom_counter ns;
    } stages[TM_STAGES_N];
};

static inline uint64_t tm__prom_get(tm_prom_counter *c) {
    return atomic_load_explicit(c, memory_order_relaxed);
}

/* All threads' counters, while the text is made. */
typedef struct tm_prom_sums {
    tm_prom *const *proms;
    uint32_t n;
    tm_buf *out;
} tm_prom_sums;

/** One counter of a series, of all threads; offset is of the counter in the series. */
uint64_t tm__prom_sum(const tm_prom_sums *all, const tm_prom_series *s, size_t offset);
/** Once for each route, version and arm, whichever threads have it; those that were folded have
 * version 0. None goes until it returns. */
void tm__prom_each_ever(const tm_prom_sums *all,
                        void (*fn)(const tm_prom_sums *all, const tm_prom_series *s, void *arg),
                        void *arg);
/** Those that are told one by one: some thread answered by them of late. */
void tm__prom_each(const tm_prom_sums *all,
                   void (*fn)(const tm_prom_sums *all, const tm_prom_series *s, void *arg),
                   void *arg);

#endif
