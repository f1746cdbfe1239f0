/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters of the loop and their text for Prometheus (format 0.0.4). One thread, so plain numbers:
 * the text is made on the loop too. Labels are names that this side chose (paths of the table,
 * routes of the registry), never something a request brought.
 *
 *      requests[endpoint][status]     one row more for requests that match no endpoint
 *      series[]                       one for each route and version that answered
 */
#include <string.h>

#include "base/mem.h"
#include "base/proc.h"
#include "serve/serve_priv.h"

#define N_BUCKETS 14u
#define N_REASONS 8u

static const double bounds_s[N_BUCKETS] = {0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
                                           0.01,    0.025,  0.05,    0.1,    0.25,  1,      5};
static const unsigned codes[] = {200, 400, 401, 403, 404, 405, 408, 409, 413,
                                 414, 415, 417, 429, 431, 500, 501, 503, 505};
#define N_CODES ((uint32_t)(sizeof codes / sizeof codes[0]))

typedef struct series {
    char route[TM_MAX_NAME + 1];
    uint32_t version;
    uint64_t n_rows, n_nulls, n_coerced, n_dropped;
    uint64_t buckets[N_BUCKETS + 1];
    uint64_t n_requests, ns;
} series;

struct tm_prom {
    uint64_t (*requests)[sizeof codes / sizeof codes[0]]; /* [n endpoints + 1] */
    uint64_t total;
    series *all; /* [n_series] */
    uint32_t n_series, capacity;
    struct {
        const char *reason;
        uint64_t n;
    } refused[N_REASONS];
    uint32_t n_open;
    uint64_t n_swaps;
};

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
    if (prom != NULL) {
        tm__mem_free(prom->requests);
        tm__mem_free(prom->all);
        tm__mem_free(prom);
    }
}

void tm__prom_request(tm_prom *prom, const tm_endpoint *endpoint, unsigned status) {
    const uint32_t row = endpoint == NULL ? tm__endpoint_count() : tm__endpoint_index(endpoint);
    prom->total++;
    for (uint32_t i = 0; i < N_CODES; i++) {
        if (codes[i] == status) {
            prom->requests[row][i]++;
            return;
        }
    }
}

static series *find_series(tm_prom *prom, const char *route, uint32_t version) {
    for (uint32_t i = prom->n_series; i > 0; i--) {
        series *s = &prom->all[i - 1];
        if (s->version == version && strcmp(s->route, route) == 0) {
            return s;
        }
    }
    if (prom->n_series == prom->capacity) {
        const uint32_t capacity = prom->capacity == 0 ? 8 : prom->capacity * 2;
        series *grown = tm__mem_realloc(prom->all, capacity, sizeof *grown);
        if (grown == NULL) {
            return NULL;
        }
        prom->all = grown;
        prom->capacity = capacity;
    }
    series *s = &prom->all[prom->n_series++];
    memset(s, 0, sizeof *s);
    (void)tm__str_copy(s->route, sizeof s->route, tm__str(route));
    s->version = version;
    return s;
}

void tm__prom_predict(tm_prom *prom, const tm_prom_answers *answers) {
    series *s = find_series(prom, answers->route, answers->version);
    if (s == NULL) {
        return;
    }
    s->n_rows += answers->n_rows;
    s->n_nulls += answers->n_nulls;
    s->n_coerced += answers->n_coerced;
    s->n_dropped += answers->n_dropped;
    s->n_requests++;
    s->ns += answers->ns;
    uint32_t b = 0;
    while (b < N_BUCKETS && (double)answers->ns * 1e-9 > bounds_s[b]) {
        b++;
    }
    s->buckets[b]++;
}

void tm__prom_connections(tm_prom *prom, uint32_t n_open) {
    prom->n_open = n_open;
}

void tm__prom_refused(tm_prom *prom, const char *reason) {
    for (uint32_t i = 0; i < N_REASONS; i++) {
        if (prom->refused[i].reason == NULL || strcmp(prom->refused[i].reason, reason) == 0) {
            prom->refused[i].reason = reason;
            prom->refused[i].n++;
            return;
        }
    }
}

void tm__prom_swap(tm_prom *prom) {
    prom->n_swaps++;
}

uint64_t tm__prom_total(const tm_prom *prom) {
    return prom->total;
}

static void family(tm_buf *out, const char *name, const char *type, const char *help) {
    tm__buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_requests(const tm_prom *prom, tm_buf *out) {
    family(out, "tidemill_http_requests_total", "counter", "Requests answered, by endpoint.");
    const uint32_t n = tm__endpoint_count();
    for (uint32_t row = 0; row <= n; row++) {
        const char *path = row < n ? tm__endpoint_get(row)->path : "other";
        const char *method = row < n && tm__endpoint_get(row)->method == TM_POST ? "POST" : "GET";
        for (uint32_t i = 0; i < N_CODES; i++) {
            if (prom->requests[row][i] > 0) {
                tm__buf_printf(
                    out,
                    "tidemill_http_requests_total{route=\"%s\",method=\"%s\",code=\"%u\"} %llu\n",
                    path, row < n ? method : "other", codes[i],
                    (unsigned long long)prom->requests[row][i]);
            }
        }
    }
}

static void write_histogram(const tm_prom *prom, tm_buf *out) {
    family(out, "tidemill_predict_duration_seconds", "histogram",
           "Time from a whole prediction request to its reply, by route.");
    for (uint32_t i = 0; i < prom->n_series; i++) {
        const series *s = &prom->all[i];
        uint64_t below = 0;
        for (uint32_t b = 0; b <= N_BUCKETS; b++) {
            char bound[32] = "+Inf";
            if (b < N_BUCKETS) {
                bound[tm__f64_to_text(bounds_s[b], bound)] = '\0';
            }
            below += s->buckets[b];
            tm__buf_printf(out,
                           "tidemill_predict_duration_seconds_bucket{route=\"%s\",version=\"%u\","
                           "le=\"%s\"} %llu\n",
                           s->route, s->version, bound, (unsigned long long)below);
        }
        tm__buf_printf(out,
                       "tidemill_predict_duration_seconds_sum{route=\"%s\",version=\"%u\"} %.9f\n"
                       "tidemill_predict_duration_seconds_count{route=\"%s\",version=\"%u\"} "
                       "%llu\n",
                       s->route, s->version, (double)s->ns * 1e-9, s->route, s->version,
                       (unsigned long long)s->n_requests);
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
};

static void write_series(const tm_prom *prom, tm_buf *out) {
    for (size_t c = 0; c < sizeof series_counters / sizeof series_counters[0]; c++) {
        const counter_of_series *k = &series_counters[c];
        family(out, k->name, "counter", k->help);
        for (uint32_t i = 0; i < prom->n_series; i++) {
            const series *s = &prom->all[i];
            uint64_t value = 0;
            memcpy(&value, (const char *)s + k->offset, sizeof value);
            tm__buf_printf(out, "%s{route=\"%s\",version=\"%u\",arm=\"champion\"} %llu\n", k->name,
                           s->route, s->version, (unsigned long long)value);
        }
    }
}

bool tm__prom_write(const tm_prom *prom, tm_buf *out) {
    write_requests(prom, out);
    write_histogram(prom, out);
    write_series(prom, out);
    family(out, "tidemill_http_refused_total", "counter",
           "Connections and requests refused before an endpoint was known.");
    for (uint32_t i = 0; i < N_REASONS && prom->refused[i].reason != NULL; i++) {
        tm__buf_printf(out, "tidemill_http_refused_total{reason=\"%s\"} %llu\n",
                       prom->refused[i].reason, (unsigned long long)prom->refused[i].n);
    }
    family(out, "tidemill_http_connections", "gauge", "Connections open now.");
    tm__buf_printf(out, "tidemill_http_connections %u\n", prom->n_open);
    family(out, "tidemill_model_swaps_total", "counter", "Changes of what is served.");
    tm__buf_printf(out, "tidemill_model_swaps_total %llu\n", (unsigned long long)prom->n_swaps);
    return !out->failed;
}
