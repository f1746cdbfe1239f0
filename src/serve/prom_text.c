/* SPDX-License-Identifier: Apache-2.0 */
/* The counters of all threads as text for Prometheus (format 0.0.4). */
#include <string.h>

#include "serve/prom_priv.h"

#define TM_CPU_FAMILY "tidemill_predict_cpu_seconds_total"

static const char *const stage_names[TM_STAGES_N] = {"queue", "decode", "predict", "write", "log"};

static void family(tm_buf *out, const char *name, const char *type, const char *help) {
    tm__buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_requests(const tm_prom_sums *all) {
    family(all->out, "tidemill_http_requests_total", "counter", "Requests answered, by endpoint.");
    const uint32_t n = tm__endpoint_count();
    for (uint32_t row = 0; row <= n; row++) {
        const char *path = row < n ? tm__endpoint_get(row)->path : "other";
        const char *method = row < n && tm__endpoint_get(row)->method == TM_POST ? "POST" : "GET";
        for (uint32_t i = 0; i < TM_PROM_CODES; i++) {
            uint64_t value = 0;
            for (uint32_t p = 0; p < all->n; p++) {
                value += tm__prom_get(&all->proms[p]->requests[row][i]);
            }
            if (value > 0) {
                tm__buf_printf(
                    all->out,
                    "tidemill_http_requests_total{route=\"%s\",method=\"%s\",code=\"%u\"} %llu\n",
                    path, row < n ? method : "other", tm__prom_codes[i], (unsigned long long)value);
            }
        }
    }
}

/* A tm_prom_counter of a route and version, over all threads; offset is its place in a series. */
static void write_histogram(const tm_prom_sums *all, const tm_prom_series *s, void *arg) {
    (void)arg;
    uint64_t below = 0;
    for (uint32_t b = 0; b <= TM_PROM_BOUNDS; b++) {
        char bound[32] = "+Inf";
        if (b < TM_PROM_BOUNDS) {
            bound[tm__f64_to_text(tm__prom_bounds_s[b], bound)] = '\0';
        }
        below +=
            tm__prom_sum(all, s, offsetof(tm_prom_series, buckets) + b * sizeof(tm_prom_counter));
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
        s->route, s->version, arm,
        (double)tm__prom_sum(all, s, offsetof(tm_prom_series, ns)) * 1e-9, s->route, s->version,
        arm, (unsigned long long)below);
}

static void write_stages(const tm_prom_sums *all) {
    family(all->out, "tidemill_predict_stage_duration_seconds", "histogram",
           "Where the time of a prediction request goes; one request in 64 of each thread.");
    for (uint32_t i = 0; i < TM_STAGES_N; i++) {
        uint64_t below = 0, ns = 0;
        for (uint32_t b = 0; b <= TM_PROM_STAGE_BOUNDS; b++) {
            char bound[32] = "+Inf";
            if (b < TM_PROM_STAGE_BOUNDS) {
                bound[tm__f64_to_text(tm__prom_stage_bounds_s[b], bound)] = '\0';
            }
            for (uint32_t p = 0; p < all->n; p++) {
                below += tm__prom_get(&all->proms[p]->stages[i].buckets[b]);
                ns += b == 0 ? tm__prom_get(&all->proms[p]->stages[i].ns) : 0;
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
    {"tidemill_predictions_total", "Rows answered.", offsetof(tm_prom_series, n_rows)},
    {"tidemill_input_nulls_total", "Values given as missing in answered rows.",
     offsetof(tm_prom_series, n_nulls)},
    {"tidemill_input_coerced_total", "Values of another type that could be read all the same.",
     offsetof(tm_prom_series, n_coerced)},
    {"tidemill_dropped_answers_total", "Answers that were sent but not logged: the queue was full.",
     offsetof(tm_prom_series, n_dropped)},
    {"tidemill_predict_failed_total",
     "Requests that came to a version and were refused, or failed.",
     offsetof(tm_prom_series, n_failed)},
    {"tidemill_predict_broken_total",
     "Requests on which a version failed inside; another answered where one was ready.",
     offsetof(tm_prom_series, n_broken)},
    {"tidemill_shadow_dropped_total", "Requests that a shadow did not see: too many waited for it.",
     offsetof(tm_prom_series, n_shadow_dropped)},
    {"tidemill_shadow_compared_total", "Rows of a shadow that a client had an answer for.",
     offsetof(tm_prom_series, n_compared)},
    {"tidemill_shadow_differed_total",
     "Those that it called otherwise, or gave a number that differs by over a twentieth.",
     offsetof(tm_prom_series, n_differed)},
    {"tidemill_online_rows_total", "Answered rows with features of the online store.",
     offsetof(tm_prom_series, n_filled)},
    {"tidemill_online_absent_total", "Those of an entity that the store does not know.",
     offsetof(tm_prom_series, n_absent)},
    {"tidemill_online_stale_total", "Those that had none because the store was behind.",
     offsetof(tm_prom_series, n_stale)},
};

static void write_counter(const tm_prom_sums *all, const tm_prom_series *s, void *arg) {
    const counter_of_series *k = arg;
    tm__buf_printf(all->out, "%s{route=\"%s\",version=\"%u\",arm=\"%s\"} %llu\n", k->name, s->route,
                   s->version, tm__arm_text(s->arm),
                   (unsigned long long)tm__prom_sum(all, s, k->offset));
}

static void write_cpu(const tm_prom_sums *all, const tm_prom_series *s, void *arg) {
    (void)arg;
    tm__buf_printf(all->out, TM_CPU_FAMILY "{route=\"%s\",version=\"%u\",arm=\"%s\"} %.9f\n",
                   s->route, s->version, tm__arm_text(s->arm),
                   (double)tm__prom_sum(all, s, offsetof(tm_prom_series, cpu_ns)) * 1e-9);
}

static uint64_t sum_refused(const tm_prom_sums *all, const char *reason, uint32_t p_end) {
    uint64_t value = 0;
    for (uint32_t p = 0; p < p_end; p++) {
        for (uint32_t i = 0; i < TM_PROM_REASONS; i++) {
            const char *known = atomic_load(&all->proms[p]->refused[i].reason);
            value += known != NULL && strcmp(known, reason) == 0
                         ? tm__prom_get(&all->proms[p]->refused[i].n)
                         : 0;
        }
    }
    return value;
}

static void write_refused(const tm_prom_sums *all) {
    family(all->out, "tidemill_http_refused_total", "counter",
           "Connections and requests refused before an endpoint was known.");
    for (uint32_t p = 0; p < all->n; p++) {
        for (uint32_t i = 0; i < TM_PROM_REASONS; i++) {
            const char *reason = atomic_load(&all->proms[p]->refused[i].reason);
            if (reason != NULL && sum_refused(all, reason, p) == 0) {
                tm__buf_printf(all->out, "tidemill_http_refused_total{reason=\"%s\"} %llu\n",
                               reason, (unsigned long long)sum_refused(all, reason, all->n));
            }
        }
    }
}

bool tm__prom_write(tm_prom *const *proms, uint32_t n, tm_buf *out) {
    const tm_prom_sums all = {.proms = proms, .n = n, .out = out};
    uint64_t n_open = 0;
    uint64_t n_swaps = 0;
    write_requests(&all);
    family(out, "tidemill_predict_duration_seconds", "histogram",
           "Time from a whole prediction request to its reply, by route.");
    tm__prom_each(&all, write_histogram, NULL);
    for (size_t c = 0; c < sizeof series_counters / sizeof series_counters[0]; c++) {
        counter_of_series k = series_counters[c];
        family(out, k.name, "counter", k.help);
        tm__prom_each(&all, write_counter, &k);
    }
    family(out, TM_CPU_FAMILY, "counter",
           "Time of processors for predictions: of large ones, and of one in 64 that stands for "
           "them.");
    tm__prom_each(&all, write_cpu, NULL);
    write_stages(&all);
    write_refused(&all);
    for (uint32_t p = 0; p < n; p++) {
        n_open += tm__prom_get(&proms[p]->n_open);
        n_swaps += tm__prom_get(&proms[p]->n_swaps);
    }
    family(out, "tidemill_http_connections", "gauge", "Connections open now.");
    tm__buf_printf(out, "tidemill_http_connections %llu\n", (unsigned long long)n_open);
    family(out, "tidemill_model_swaps_total", "counter", "Changes of what is served.");
    tm__buf_printf(out, "tidemill_model_swaps_total %llu\n", (unsigned long long)n_swaps);
    return !out->failed;
}
