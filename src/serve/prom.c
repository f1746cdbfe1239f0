/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters and their text for Prometheus (format 0.0.4). Each thread has its own and alone changes
 * them, with plain loads and stores that happen to be atomic: no thread waits for another's cache
 * line, and whoever makes the text may read them all at any time. Labels are names that this side
 * chose (paths of the table, routes of the registry), never something a request brought.
 *
 *      requests[endpoint][status]     one row more for requests that match no endpoint
 *      series -> series -> ...        one for each route and version that answered; once in the
 *                                     list, one never moves and never goes
 */
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/fmath.h"
#include "base/mem.h"
#include "base/proc.h"
#include "serve/serve_priv.h"

#define N_BUCKETS (TM_PROM_BUCKETS - 1)
#define N_REASONS 32u
#define N_STAGE_BUCKETS 12u
#define TM_CPU_FAMILY "tidemill_predict_cpu_seconds_total"

static const double bounds_s[N_BUCKETS] = {0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
                                           0.01,    0.025,  0.05,    0.1,    0.25,  1,      5};
static const unsigned codes[] = {200, 400, 401, 403, 404, 405, 408, 409, 413,
                                 414, 415, 417, 429, 431, 500, 501, 503, 505};
#define N_CODES ((uint32_t)(sizeof codes / sizeof codes[0]))

static const double stage_bounds_s[N_STAGE_BUCKETS] = {0.00000025, 0.0000005, 0.000001, 0.0000025,
                                                       0.000005,   0.00001,   0.000025, 0.0001,
                                                       0.001,      0.01,      0.1,      1};
static const char *const stage_names[TM_STAGES_N] = {"queue", "decode", "predict", "write", "log"};

typedef _Atomic uint64_t counter;

typedef struct series series;
struct series {
    series *_Atomic next;
    char route[TM_MAX_NAME + 1];
    uint32_t version;
    tm_arm_kind arm;
    counter n_rows, n_nulls, n_coerced, n_dropped;
    counter n_filled, n_absent, n_stale;
    counter n_failed, n_shadow_dropped;
    counter n_compared, n_differed; /* rows of a shadow, with the client's answers */
    counter buckets[N_BUCKETS + 1];
    counter n_requests, ns;
    counter n_measured, cpu_ns; /* answers that measured ones stand for, and their time */
};

struct tm_prom {
    counter (*requests)[N_CODES]; /* [n endpoints + 1] */
    counter total;
    series *_Atomic all;
    struct {
        const char *_Atomic reason;
        counter n;
    } refused[N_REASONS];
    counter n_open, n_swaps;
    struct {
        counter buckets[N_STAGE_BUCKETS + 1];
        counter ns;
    } stages[TM_STAGES_N];
};

static void add(counter *c, uint64_t n) {
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static uint64_t get(counter *c) {
    return atomic_load_explicit(c, memory_order_relaxed);
}

const char *tm__arm_text(tm_arm_kind arm) {
    static const char *const names[] = {[TM_ARM_CHAMPION] = "champion",
                                        [TM_ARM_CHALLENGER] = "challenger",
                                        [TM_ARM_FALLBACK] = "fallback",
                                        [TM_ARM_NAMED] = "named",
                                        [TM_ARM_SHADOW] = TM_SHADOW_ARM};
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
    for (series *s = atomic_load(&prom->all), *next = NULL; s != NULL; s = next) {
        next = atomic_load(&s->next);
        tm__mem_free(s);
    }
    tm__mem_free(prom->requests);
    tm__mem_free(prom);
}

void tm__prom_request(tm_prom *prom, const tm_endpoint *endpoint, unsigned status) {
    const uint32_t row = endpoint == NULL ? tm__endpoint_count() : tm__endpoint_index(endpoint);
    add(&prom->total, 1);
    for (uint32_t i = 0; i < N_CODES; i++) {
        if (codes[i] == status) {
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

static series_key key_of(const series *s) {
    return (series_key){s->route, s->version, s->arm};
}

static series *find_series(tm_prom *prom, series_key key) {
    series *s = atomic_load_explicit(&prom->all, memory_order_acquire);
    while (s != NULL &&
           (s->version != key.version || s->arm != key.arm || strcmp(s->route, key.route) != 0)) {
        s = atomic_load_explicit(&s->next, memory_order_acquire);
    }
    return s;
}

/* The newest first, since it is asked for most. */
static series *get_series(tm_prom *prom, series_key key) {
    series *s = find_series(prom, key);
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
    series *s = get_series(prom, (series_key){answers->route, answers->version, answers->arm});
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
    while (b < N_BUCKETS && (double)answers->ns * 1e-9 > bounds_s[b]) {
        b++;
    }
    add(&s->buckets[b], 1);
}

void tm__prom_failed(tm_prom *prom, const char *route, uint32_t version, tm_arm_kind arm) {
    series *s = get_series(prom, (series_key){route, version, arm});
    if (s != NULL) {
        add(&s->n_failed, 1);
    }
}

void tm__prom_shadow(tm_prom *prom, const char *route, uint32_t version, bool is_dropped) {
    series *s = get_series(prom, (series_key){route, version, TM_ARM_SHADOW});
    if (s != NULL) {
        add(is_dropped ? &s->n_shadow_dropped : &s->n_failed, 1);
    }
}

void tm__prom_compared(tm_prom *prom, const char *route, uint32_t version, uint64_t n_rows,
                       uint64_t n_differed) {
    series *s = get_series(prom, (series_key){route, version, TM_ARM_SHADOW});
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
        while (b < N_STAGE_BUCKETS && (double)stages->ns[i] * 1e-9 > stage_bounds_s[b]) {
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
    for (uint32_t i = 0; i < N_REASONS; i++) {
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
        total += get(&proms[i]->total);
    }
    return total;
}

/* All threads' counters, while the text is made. */
typedef struct sums {
    tm_prom *const *proms;
    uint32_t n;
    tm_buf *out;
} sums;

static void family(tm_buf *out, const char *name, const char *type, const char *help) {
    tm__buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_requests(const sums *all) {
    family(all->out, "tidemill_http_requests_total", "counter", "Requests answered, by endpoint.");
    const uint32_t n = tm__endpoint_count();
    for (uint32_t row = 0; row <= n; row++) {
        const char *path = row < n ? tm__endpoint_get(row)->path : "other";
        const char *method = row < n && tm__endpoint_get(row)->method == TM_POST ? "POST" : "GET";
        for (uint32_t i = 0; i < N_CODES; i++) {
            uint64_t value = 0;
            for (uint32_t p = 0; p < all->n; p++) {
                value += get(&all->proms[p]->requests[row][i]);
            }
            if (value > 0) {
                tm__buf_printf(
                    all->out,
                    "tidemill_http_requests_total{route=\"%s\",method=\"%s\",code=\"%u\"} %llu\n",
                    path, row < n ? method : "other", codes[i], (unsigned long long)value);
            }
        }
    }
}

/* A counter of a route and version, over all threads; offset is its place in a series. */
static uint64_t sum_series(const sums *all, const series *s, size_t offset) {
    uint64_t value = 0;
    for (uint32_t p = 0; p < all->n; p++) {
        series *same = find_series(all->proms[p], key_of(s));
        value += same == NULL ? 0 : get((counter *)(void *)((char *)same + offset));
    }
    return value;
}

/* Call fn once for each route and version that any thread answered for. */
static void each_series(const sums *all, void (*fn)(const sums *all, const series *s, void *arg),
                        void *arg) {
    for (uint32_t p = 0; p < all->n; p++) {
        for (series *s = atomic_load(&all->proms[p]->all); s != NULL; s = atomic_load(&s->next)) {
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

static void write_histogram(const sums *all, const series *s, void *arg) {
    (void)arg;
    uint64_t below = 0;
    for (uint32_t b = 0; b <= N_BUCKETS; b++) {
        char bound[32] = "+Inf";
        if (b < N_BUCKETS) {
            bound[tm__f64_to_text(bounds_s[b], bound)] = '\0';
        }
        below += sum_series(all, s, offsetof(series, buckets) + b * sizeof(counter));
        tm__buf_printf(all->out,
                       "tidemill_predict_duration_seconds_bucket{route=\"%s\",version=\"%u\","
                       "arm=\"%s\",le=\"%s\"} %llu\n",
                       s->route, s->version, tm__arm_text(s->arm), bound,
                       (unsigned long long)below);
    }
    const char *arm = tm__arm_text(s->arm);
    tm__buf_printf(
        all->out,
        "tidemill_predict_duration_seconds_sum{route=\"%s\",version=\"%u\",arm=\"%s\"} %.9f\n"
        "tidemill_predict_duration_seconds_count{route=\"%s\",version=\"%u\",arm=\"%s\"} %llu\n",
        s->route, s->version, arm, (double)sum_series(all, s, offsetof(series, ns)) * 1e-9,
        s->route, s->version, arm, (unsigned long long)below);
}

static void write_stages(const sums *all) {
    family(all->out, "tidemill_predict_stage_duration_seconds", "histogram",
           "Where the time of a prediction request goes; one request in 64 of each thread.");
    for (uint32_t i = 0; i < TM_STAGES_N; i++) {
        uint64_t below = 0, ns = 0;
        for (uint32_t b = 0; b <= N_STAGE_BUCKETS; b++) {
            char bound[32] = "+Inf";
            if (b < N_STAGE_BUCKETS) {
                bound[tm__f64_to_text(stage_bounds_s[b], bound)] = '\0';
            }
            for (uint32_t p = 0; p < all->n; p++) {
                below += get(&all->proms[p]->stages[i].buckets[b]);
                ns += b == 0 ? get(&all->proms[p]->stages[i].ns) : 0;
            }
            tm__buf_printf(all->out,
                           "tidemill_predict_stage_duration_seconds_bucket{stage=\"%s\",le=\"%s\"} "
                           "%llu\n",
                           stage_names[i], bound, (unsigned long long)below);
        }
        tm__buf_printf(all->out,
                       "tidemill_predict_stage_duration_seconds_sum{stage=\"%s\"} %.9f\n"
                       "tidemill_predict_stage_duration_seconds_count{stage=\"%s\"} %llu\n",
                       stage_names[i], (double)ns * 1e-9, stage_names[i],
                       (unsigned long long)below);
    }
}

typedef struct counter_of_series {
    const char *name, *help;
    size_t offset;
} counter_of_series;

static const counter_of_series series_counters[] = {
    {"tidemill_predictions_total", "Rows answered.", offsetof(series, n_rows)},
    {"tidemill_input_nulls_total", "Values given as missing in answered rows.",
     offsetof(series, n_nulls)},
    {"tidemill_input_coerced_total", "Values of another type that could be read all the same.",
     offsetof(series, n_coerced)},
    {"tidemill_dropped_answers_total", "Answers that were sent but not logged: the queue was full.",
     offsetof(series, n_dropped)},
    {"tidemill_predict_failed_total",
     "Requests that came to a version and were refused, or failed.", offsetof(series, n_failed)},
    {"tidemill_shadow_dropped_total", "Requests that a shadow did not see: too many waited for it.",
     offsetof(series, n_shadow_dropped)},
    {"tidemill_shadow_compared_total", "Rows of a shadow that a client had an answer for.",
     offsetof(series, n_compared)},
    {"tidemill_shadow_differed_total",
     "Those that it called otherwise, or gave a number that differs by over a twentieth.",
     offsetof(series, n_differed)},
    {"tidemill_online_rows_total", "Answered rows with features of the online store.",
     offsetof(series, n_filled)},
    {"tidemill_online_absent_total", "Those of an entity that the store does not know.",
     offsetof(series, n_absent)},
    {"tidemill_online_stale_total", "Those that had none because the store was behind.",
     offsetof(series, n_stale)},
};

static void write_counter(const sums *all, const series *s, void *arg) {
    const counter_of_series *k = arg;
    tm__buf_printf(all->out, "%s{route=\"%s\",version=\"%u\",arm=\"%s\"} %llu\n", k->name, s->route,
                   s->version, tm__arm_text(s->arm),
                   (unsigned long long)sum_series(all, s, k->offset));
}

static void write_cpu(const sums *all, const series *s, void *arg) {
    (void)arg;
    tm__buf_printf(all->out, TM_CPU_FAMILY "{route=\"%s\",version=\"%u\",arm=\"%s\"} %.9f\n",
                   s->route, s->version, tm__arm_text(s->arm),
                   (double)sum_series(all, s, offsetof(series, cpu_ns)) * 1e-9);
}

/* ---- for a status ---- */

static void add_to_route(const sums *all, const series *s, void *arg) {
    tm_prom_route *const out = arg;
    if (strcmp(s->route, out->route) != 0 || s->arm == TM_ARM_SHADOW) {
        return;
    }
    out->n_rows += sum_series(all, s, offsetof(series, n_rows));
    out->n_requests += sum_series(all, s, offsetof(series, n_requests));
    out->n_measured += sum_series(all, s, offsetof(series, n_measured));
    out->cpu_ns += sum_series(all, s, offsetof(series, cpu_ns));
    for (uint32_t b = 0; b <= N_BUCKETS; b++) {
        out->buckets[b] += sum_series(all, s, offsetof(series, buckets) + b * sizeof(counter));
    }
}

void tm__prom_route(tm_prom *const *proms, uint32_t n, const char *route, tm_prom_route *out) {
    const sums all = {.proms = proms, .n = n};
    *out = (tm_prom_route){.route = route};
    each_series(&all, add_to_route, out);
}

typedef struct arms_of_route {
    const char *route;
    json_t *list;
} arms_of_route;

static void add_arm(const sums *all, const series *s, void *arg) {
    static const struct {
        const char *name;
        size_t offset;
        bool is_of_shadow;
    } members[] = {{"answered", offsetof(series, n_requests), false},
                   {"failed", offsetof(series, n_failed), false},
                   {"dropped", offsetof(series, n_shadow_dropped), true},
                   {"compared", offsetof(series, n_compared), true},
                   {"differed", offsetof(series, n_differed), true}};
    const arms_of_route *const out = arg;
    if (strcmp(s->route, out->route) != 0) {
        return;
    }
    json_t *arm =
        json_pack("{s:I, s:s}", "version", (json_int_t)s->version, "arm", tm__arm_text(s->arm));
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (!members[i].is_of_shadow || s->arm == TM_ARM_SHADOW) {
            const uint64_t n = sum_series(all, s, members[i].offset);
            json_object_set_new(arm, members[i].name, json_integer((json_int_t)n));
        }
    }
    json_array_append_new(out->list, arm);
}

json_t *tm__prom_arms(tm_prom *const *proms, uint32_t n, const char *route) {
    const sums all = {.proms = proms, .n = n};
    arms_of_route out = {.route = route, .list = json_array()};
    each_series(&all, add_arm, &out);
    return out.list;
}

double tm__prom_quantile(const tm_prom_route *now, const tm_prom_route *before, double share) {
    uint64_t n = 0, below = 0;
    for (uint32_t b = 0; b <= N_BUCKETS; b++) {
        n += now->buckets[b] - before->buckets[b];
    }
    const double wanted = share * (double)n;
    for (uint32_t b = 0; b < N_BUCKETS && n > 0; b++) {
        const uint64_t more = now->buckets[b] - before->buckets[b];
        if (more > 0 && (double)(below + more) >= wanted) {
            const double low = b == 0 ? 0 : bounds_s[b - 1];
            return low + (bounds_s[b] - low) * (wanted - (double)below) / (double)more;
        }
        below += more;
    }
    return n > 0 ? bounds_s[N_BUCKETS - 1] : tm__nan();
}

static uint64_t sum_refused(const sums *all, const char *reason, uint32_t p_end) {
    uint64_t value = 0;
    for (uint32_t p = 0; p < p_end; p++) {
        for (uint32_t i = 0; i < N_REASONS; i++) {
            const char *known = atomic_load(&all->proms[p]->refused[i].reason);
            value +=
                known != NULL && strcmp(known, reason) == 0 ? get(&all->proms[p]->refused[i].n) : 0;
        }
    }
    return value;
}

static void write_refused(const sums *all) {
    family(all->out, "tidemill_http_refused_total", "counter",
           "Connections and requests refused before an endpoint was known.");
    for (uint32_t p = 0; p < all->n; p++) {
        for (uint32_t i = 0; i < N_REASONS; i++) {
            const char *reason = atomic_load(&all->proms[p]->refused[i].reason);
            if (reason != NULL && sum_refused(all, reason, p) == 0) {
                tm__buf_printf(all->out, "tidemill_http_refused_total{reason=\"%s\"} %llu\n",
                               reason, (unsigned long long)sum_refused(all, reason, all->n));
            }
        }
    }
}

bool tm__prom_write(tm_prom *const *proms, uint32_t n, tm_buf *out) {
    const sums all = {.proms = proms, .n = n, .out = out};
    uint64_t n_open = 0;
    uint64_t n_swaps = 0;
    write_requests(&all);
    family(out, "tidemill_predict_duration_seconds", "histogram",
           "Time from a whole prediction request to its reply, by route.");
    each_series(&all, write_histogram, NULL);
    for (size_t c = 0; c < sizeof series_counters / sizeof series_counters[0]; c++) {
        counter_of_series k = series_counters[c];
        family(out, k.name, "counter", k.help);
        each_series(&all, write_counter, &k);
    }
    family(out, TM_CPU_FAMILY, "counter",
           "Time of processors for predictions: of large ones, and of one in 64 that stands for "
           "them.");
    each_series(&all, write_cpu, NULL);
    write_stages(&all);
    write_refused(&all);
    for (uint32_t p = 0; p < n; p++) {
        n_open += get(&proms[p]->n_open);
        n_swaps += get(&proms[p]->n_swaps);
    }
    family(out, "tidemill_http_connections", "gauge", "Connections open now.");
    tm__buf_printf(out, "tidemill_http_connections %llu\n", (unsigned long long)n_open);
    family(out, "tidemill_model_swaps_total", "counter", "Changes of what is served.");
    tm__buf_printf(out, "tidemill_model_swaps_total %llu\n", (unsigned long long)n_swaps);
    return !out->failed;
}
