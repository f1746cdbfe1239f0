/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows of events: windows [ROWS [RUNS [ENTITIES]]], 300,000 rows and 7 runs without.
 *
 * As many events as queries at random times of a year, of ROWS / 100 entities or so many, in random
 * order and in the order of time. The as-of join beside DuckDB's ASOF JOIN over the same rows in
 * tables of its memory, on as many threads, one after the other in each run; DuckDB gives two sums,
 * which are compared, and is spared making rows. Then twelve features of all rows. Memory is what
 * blocks of this program held at most, tables and results included; DuckDB's are not in it.
 *
 * Then states of 1,000 entities with some 50 events in their windows and the same features, on one
 * thread: looked up, looked up from bytes, and an event added to bytes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "feature/window.h"
#include "store/duck.h"

enum { RUNS_MAX = 31, N_FEATURES = 12, N_STATES = 1000, LOOK_UPS = 20000 };
#define DAY_US INT64_C(86400000000)

static const tm_window_feature features[N_FEATURES] = {
    {.fn = TM_WINDOW_COUNT, .column = TM_WINDOW_EVENTS, .width_us = DAY_US},
    {.fn = TM_WINDOW_RATE, .column = TM_WINDOW_EVENTS, .width_us = 30 * DAY_US},
    {.fn = TM_WINDOW_AGE, .column = TM_WINDOW_EVENTS},
    {.fn = TM_WINDOW_LAST},
    {.fn = TM_WINDOW_LAG, .lag = 1},
    {.fn = TM_WINDOW_MEAN, .n_last = 10},
    {.fn = TM_WINDOW_SUM, .width_us = 30 * DAY_US},
    {.fn = TM_WINDOW_MEAN, .width_us = 180 * DAY_US},
    {.fn = TM_WINDOW_STD, .width_us = 180 * DAY_US},
    {.fn = TM_WINDOW_TREND, .width_us = 180 * DAY_US},
    {.fn = TM_WINDOW_MAX, .width_us = 180 * DAY_US},
    {.fn = TM_WINDOW_DISTINCT, .column = 1, .width_us = 30 * DAY_US},
};

typedef struct bench {
    uint64_t n, n_entities;
    int n_runs;
    uint32_t *entities, *asked;
    int64_t *known, *moments;
    double *values;
    uint32_t *codes, *rows;
    double *out[N_FEATURES];
    tm_column cols[2];
    tm_window_input inputs[2];
    tm_window_plan plan;
    tm_window_events events;
    tm_window_queries queries;
    tm_ctx ctx;
    tm_duck *duck;
} bench;

static void die(const char *what) {
    fprintf(stderr, "windows: %s\n", what);
    exit(1);
}

static void must(tm_status st, const tm_err *err) {
    if (st != TM_OK) {
        die(err->message);
    }
}

static void *block(uint64_t n, size_t size) {
    void *const out = tm__mem_alloc(n, size);
    if (out == NULL) {
        die("no memory");
    }
    return out;
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const char *name, const char *unit, double *values, int n) {
    qsort(values, (size_t)n, sizeof *values, compare);
    printf("%-56s %-6s %10.3f  [%.3f - %.3f]\n", name, unit, values[n / 2], values[0],
           values[n - 1]);
    fflush(stdout);
}

static double seconds_since(uint64_t start_ns) {
    return (double)(tm__mono_ns() - start_ns) * 1e-9;
}

static void make_rows(bench *b, bool in_order) {
    const uint64_t n_entities = b->n_entities;
    for (uint64_t i = 0; i < b->n; i++) {
        const uint64_t year = (uint64_t)(365 * DAY_US);
        b->entities[i] = (uint32_t)(tm__rng_at(1, i) % n_entities);
        b->asked[i] = (uint32_t)(tm__rng_at(2, i) % n_entities);
        b->known[i] = (int64_t)(in_order ? year / b->n * i : tm__rng_at(3, i) % year);
        b->moments[i] = (int64_t)(in_order ? year / b->n * i + 7 : tm__rng_at(4, i) % year);
        b->values[i] = (double)(tm__rng_at(5, i) >> 40) / 1000;
        b->codes[i] = (uint32_t)(tm__rng_at(6, i) % 50);
    }
}

static void init(bench *b) {
    b->entities = block(b->n, 4);
    b->asked = block(b->n, 4);
    b->known = block(b->n, 8);
    b->moments = block(b->n, 8);
    b->values = block(b->n, 8);
    b->codes = block(b->n, 4);
    b->rows = block(b->n, 4);
    make_rows(b, false);
    b->cols[0] = (tm_column){.name = "v", .type = TM_TYPE_FLOAT, .floats = b->values};
    b->cols[1] = (tm_column){.name = "c", .type = TM_TYPE_TEXT, .codes = b->codes};
    for (uint32_t i = 0; i < 2; i++) {
        b->inputs[i] = tm__window_fit(&b->cols[i], b->n);
    }
    b->plan = (tm_window_plan){2, b->inputs, N_FEATURES, features, 0};
    b->events = (tm_window_events){b->n, b->entities, b->known, b->cols};
    b->queries = (tm_window_queries){b->n, b->asked, b->moments};
    b->ctx = (tm_ctx){.pool = tm__pool_create(0)};
}

/* A table of entity and time in DuckDB's memory. */
static void give_duck(bench *b, const char *dir, const char *name, const uint32_t *entities,
                      const int64_t *times) {
    tm_err err = {0};
    tm_table *table = NULL;
    tm_table_builder *const builder = tm__builder_create();
    char path[128], sql[256];
    must(tm__builder_add_column(builder, "k", TM_TYPE_INT, &err), &err);
    must(tm__builder_add_column(builder, "t", TM_TYPE_INT, &err), &err);
    must(tm__builder_reserve(builder, b->n, &err), &err);
    for (uint64_t i = 0; i < b->n; i++) {
        tm__builder_ints(builder, 0)[i] = entities[i];
        tm__builder_ints(builder, 1)[i] = times[i];
    }
    tm__builder_set_rows(builder, b->n);
    must(tm__builder_finish(builder, &table, &err), &err);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    snprintf(sql, sizeof sql, "CREATE OR REPLACE TABLE %s AS SELECT * FROM read_parquet('%s')",
             name, path);
    must(tm__duck_write_parquet(b->duck, table, path, &err), &err);
    tm__table_unref(table);
    must(tm__duck_exec(b->duck, sql, &err), &err);
    unlink(path);
}

static double join_duck(const bench *b, double *out_n, double *out_sum) {
    tm_err err = {0};
    tm_table *table = NULL;
    const uint64_t start_ns = tm__mono_ns();
    must(tm__duck_query(b->duck,
                        "SELECT count(e.t)::DOUBLE n, sum(e.t % 1000003)::DOUBLE s "
                        "FROM q ASOF LEFT JOIN e ON q.k = e.k AND q.t > e.t",
                        1, &table, &err),
         &err);
    const double seconds = seconds_since(start_ns);
    *out_n = tm__column_cell(tm__table_column(table, 0), 0).f64;
    *out_sum = tm__column_cell(tm__table_column(table, 1), 0).f64;
    tm__table_unref(table);
    return seconds;
}

static double join_own(const bench *b, double *out_n, double *out_sum) {
    tm_err err = {0};
    uint64_t n = 0, sum = 0;
    const uint64_t start_ns = tm__mono_ns();
    must(tm__window_join(&b->ctx, &b->events, &b->queries, 0, b->rows, &err), &err);
    for (uint64_t q = 0; q < b->n; q++) {
        if (b->rows[q] != UINT32_MAX) {
            n++;
            sum += (uint64_t)b->known[b->rows[q]] % 1000003;
        }
    }
    const double seconds = seconds_since(start_ns);
    *out_n = (double)n;
    *out_sum = (double)sum;
    return seconds;
}

static void time_joins(bench *b, const char *dir, const char *order) {
    double own[RUNS_MAX], duck[RUNS_MAX], ratio[RUNS_MAX], n[2], sum[2];
    char name[80];
    give_duck(b, dir, "e", b->entities, b->known);
    give_duck(b, dir, "q", b->asked, b->moments);
    tm__mem_bytes_reset();
    for (int r = 0; r < b->n_runs; r++) {
        own[r] = join_own(b, &n[0], &sum[0]);
        duck[r] = join_duck(b, &n[1], &sum[1]);
        ratio[r] = own[r] / duck[r];
        if (n[0] != n[1] || sum[0] != sum[1]) {
            die("the joins differ");
        }
    }
    snprintf(name, sizeof name, "as-of join of %" PRIu64 " rows, %s", b->n, order);
    report(name, "s", own, b->n_runs);
    report("  DuckDB's ASOF JOIN", "s", duck, b->n_runs);
    report("  over DuckDB", "times", ratio, b->n_runs);
    printf("%-56s %-6s %10.0f\n", "  memory, tables and result included", "MiB",
           (double)tm__mem_bytes_peak() / 1048576);
}

static void time_features(bench *b, const char *order) {
    double seconds[RUNS_MAX];
    char name[80];
    tm_err err = {0};
    for (uint32_t i = 0; i < N_FEATURES; i++) {
        b->out[i] = block(b->n, sizeof(double));
    }
    tm__mem_bytes_reset();
    for (int r = 0; r < b->n_runs; r++) {
        const uint64_t start_ns = tm__mono_ns();
        must(tm__windows_apply(&b->ctx, &b->plan, &b->events, &b->queries, b->out, &err), &err);
        seconds[r] = seconds_since(start_ns);
    }
    snprintf(name, sizeof name, "%d features of %" PRIu64 " rows, %s", N_FEATURES, b->n, order);
    report(name, "s", seconds, b->n_runs);
    printf("%-56s %-6s %10.0f\n", "  memory, tables and results included", "MiB",
           (double)tm__mem_bytes_peak() / 1048576);
    for (uint32_t i = 0; i < N_FEATURES; i++) {
        tm__mem_free(b->out[i]);
    }
}

static tm_window_state *state_from(const bench *b, const tm_buf *bytes) {
    tm_err err = {0};
    tm_window_state *state = NULL;
    must(tm__window_state_read(&b->plan, bytes->data, bytes->len, &state, &err), &err);
    return state;
}

/* One look-up or event of each kind; the moment is a year on, so nothing more is forgotten. */
static void use_state(const bench *b, int kind, tm_window_state *state, tm_buf *bytes) {
    double values[N_FEATURES];
    tm_err err = {0};
    const uint64_t cells[] = {tm__window_cell_f64(1.5), 3};
    tm_window_state *const own = kind == 0 ? state : state_from(b, bytes);
    if (kind < 2) {
        must(tm__window_state_value(own, 365 * DAY_US, values, &err), &err);
    } else {
        tm_buf out;
        tm__buf_init(&out, 1 << 20);
        must(tm__window_state_add(own, 365 * DAY_US, cells, INT64_MAX, &err), &err);
        tm__window_state_write(own, &b->plan, &out);
        tm__buf_done(&out);
    }
    if (kind > 0) {
        tm__window_state_free(own);
    }
}

static void time_states(bench *b) {
    static const char *const names[] = {"look-ups of a state", "look-ups of a state in bytes",
                                        "events added to a state in bytes"};
    static tm_window_state *states[N_STATES];
    static tm_buf bytes[N_STATES];
    double rates[RUNS_MAX], n_bytes = 0;
    tm_err err = {0};
    for (uint32_t i = 0; i < N_STATES; i++) {
        states[i] = tm__window_state_create(&b->plan);
        tm__buf_init(&bytes[i], 1 << 20);
        for (uint64_t k = 0; k < 100; k++) {
            const uint64_t at = i * 100 + k;
            const uint64_t cells[] = {tm__window_cell_f64((double)(tm__rng_at(5, at) >> 40) / 1000),
                                      tm__rng_at(6, at) % 50};
            const int64_t known = (int64_t)(tm__rng_at(3, at) % (uint64_t)(365 * DAY_US));
            must(tm__window_state_add(states[i], known, cells, INT64_MAX, &err), &err);
        }
        tm__window_state_write(states[i], &b->plan, &bytes[i]);
        n_bytes += (double)bytes[i].len / N_STATES;
    }
    printf("%-56s %-6s %10.0f\n", "bytes of a state", "bytes", n_bytes);
    for (int kind = 0; kind < 3; kind++) {
        for (int r = 0; r < b->n_runs; r++) {
            const uint64_t start_ns = tm__mono_ns();
            for (uint32_t i = 0; i < LOOK_UPS; i++) {
                const uint32_t at = (uint32_t)(tm__rng_at(9, i) % N_STATES);
                use_state(b, kind, states[at], &bytes[at]);
            }
            rates[r] = LOOK_UPS / seconds_since(start_ns) / 1000;
        }
        report(names[kind], "1000/s", rates, b->n_runs);
    }
    for (uint32_t i = 0; i < N_STATES; i++) {
        tm__window_state_free(states[i]);
        tm__buf_done(&bytes[i]);
    }
}

int main(int argc, char **argv) {
    static bench b;
    char dir[] = "/tmp/tidemill-windows-XXXXXX";
    tm_err err = {0};
    b.n = argc > 1 ? strtoull(argv[1], NULL, 10) : 300000;
    b.n_runs = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 7;
    b.n_entities = argc > 3 ? strtoull(argv[3], NULL, 10) : b.n / 100 + 1;
    if (b.n < 1 || b.n > UINT32_MAX / 2 || b.n_runs < 1 || b.n_runs > RUNS_MAX) {
        die("usage: windows [ROWS [RUNS [ENTITIES]]]");
    }
    if (mkdtemp(dir) == NULL) {
        die("no folder for DuckDB's files");
    }
    init(&b);
    const char *const paths[] = {dir};
    const tm_duck_options options = {
        .paths = paths, .n_paths = 1, .n_threads = tm__pool_threads(b.ctx.pool)};
    must(tm__duck_open(&options, &b.duck, &err), &err);
    for (int in_order = 0; in_order < 2; in_order++) {
        make_rows(&b, in_order == 1);
        time_joins(&b, dir, in_order == 1 ? "in order of time" : "in random order");
        time_features(&b, in_order == 1 ? "in order of time" : "in random order");
    }
    time_states(&b);
    tm__duck_close(b.duck);
    rmdir(dir);
    tm__pool_free(b.ctx.pool);
    return 0;
}
