/* SPDX-License-Identifier: Apache-2.0 */
#include "window_case.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "base/rng.h"
#include "test.h"

enum { FEATURES_MAX = 1024 };

static void *block(uint64_t n, size_t size) {
    void *const out = tm__mem_zalloc(n, size);
    assert_non_null(out);
    return out;
}

static int64_t time_of(const window_case_shape *shape, tm_rng *rng) {
    static const int64_t odd[] = {INT64_MIN + 1, INT64_MIN + 2, -1, 0, 1, INT64_MAX - 1, INT64_MAX};
    const uint64_t kind = tm__rng_below(rng, 20);
    if (kind == 0 && !shape->is_clean) {
        return TM_INT_MISSING;
    }
    if (shape->span_us > 0) {
        return (int64_t)tm__rng_below(rng, (uint64_t)shape->span_us + 1);
    }
    return kind < 5 ? odd[tm__rng_below(rng, 7)] : (int64_t)tm__rng_u64(rng);
}

static double float_of(const window_case_shape *shape, tm_rng *rng) {
    static const double odd[] = {0.0, -0.0, INFINITY, -INFINITY, 1e308, -1e308, 5e-324, 1e-300, 3};
    const uint64_t kind = tm__rng_below(rng, 16);
    if (kind < 4 && !shape->is_clean) {
        return kind == 0 ? tm__nan() : odd[tm__rng_below(rng, sizeof(odd) / sizeof(*odd))];
    }
    const double x = tm__rng_f64(rng) * 200 - 100;
    return kind < 8 ? (double)(int)x : x; /* some come twice */
}

static int64_t int_of(const window_case_shape *shape, tm_rng *rng) {
    static const int64_t odd[] = {TM_INT_MISSING, INT64_MIN + 1, INT64_MAX, -1, 0};
    const uint64_t kind = tm__rng_below(rng, 16);
    return kind < 3 && !shape->is_clean ? odd[tm__rng_below(rng, 5)]
                                        : (int64_t)tm__rng_below(rng, 9) - 4;
}

static void make_columns(window_case *c, const window_case_shape *shape, tm_rng *rng) {
    static const tm_type types[WINDOW_CASE_COLS] = {TM_TYPE_INT, TM_TYPE_FLOAT, TM_TYPE_TEXT,
                                                    TM_TYPE_BOOL, TM_TYPE_TIME};
    const uint64_t n = shape->n_events;
    int64_t *const ints = block(n, 8), *const bools = block(n, 8), *const times = block(n, 8);
    double *const floats = block(n, 8);
    uint32_t *const codes = block(n, 4);
    for (uint64_t row = 0; row < n; row++) {
        const bool is_none = !shape->is_clean && tm__rng_below(rng, 5) == 0;
        ints[row] = int_of(shape, rng);
        floats[row] = float_of(shape, rng);
        codes[row] = is_none ? TM_CODE_MISSING : (uint32_t)tm__rng_below(rng, 4);
        bools[row] = is_none ? TM_INT_MISSING : (int64_t)tm__rng_below(rng, 2);
        times[row] = time_of(shape, rng);
    }
    for (uint32_t i = 0; i < WINDOW_CASE_COLS; i++) {
        c->cols[i] = (tm_column){.name = "c", .type = types[i]};
    }
    c->cols[0].ints = ints;
    c->cols[1].floats = floats;
    c->cols[2].codes = codes;
    c->cols[3].ints = bools;
    c->cols[4].ints = times;
    for (uint32_t i = 0; i < WINDOW_CASE_COLS; i++) {
        c->inputs[i] = tm__window_fit(&c->cols[i], n);
    }
}

static void make_features(window_case *c, const window_case_shape *shape) {
    const int64_t span = shape->span_us > 0 ? shape->span_us : INT64_C(1) << 62;
    const struct {
        int64_t width_us;
        uint32_t n_last;
    } windows[] = {{0, 0}, {1, 0}, {span / 10 + 1, 0}, {INT64_MAX, 0},
                   {0, 1}, {0, 5}, {span / 3 + 1, 3}};
    c->plan = (tm_window_plan){.n_cols = WINDOW_CASE_COLS, .cols = c->inputs};
    for (uint32_t column = 0; column <= WINDOW_CASE_COLS; column++) {
        for (int fn = TM_WINDOW_COUNT; fn <= TM_WINDOW_SHARE; fn++) {
            for (uint32_t w = 0; w < sizeof(windows) / sizeof(windows[0]); w++) {
                const tm_window_feature f = {.fn = (tm_window_fn)fn,
                                             .column = column < WINDOW_CASE_COLS ? column
                                                                                 : TM_WINDOW_EVENTS,
                                             .width_us = windows[w].width_us,
                                             .n_last = windows[w].n_last,
                                             .lag = fn == TM_WINDOW_LAG ? 1 + (w + column) % 3 : 0,
                                             .level = 1};
                tm_window_plan one = c->plan;
                one.n_features = 1;
                one.features = &f;
                if (tm__window_check(&one, NULL) == TM_OK) {
                    c->features[c->plan.n_features++] = f;
                    assert_true(c->plan.n_features < FEATURES_MAX);
                }
            }
        }
    }
    c->plan.features = c->features;
    c->n_made = c->plan.n_features;
}

static void make_rows(window_case *c, const window_case_shape *shape, tm_rng *rng) {
    c->entities = block(shape->n_events, 4);
    c->known = block(shape->n_events, 8);
    c->asked = block(shape->n_queries, 4);
    c->moments = block(shape->n_queries, 8);
    for (uint64_t i = 0; i < shape->n_events; i++) {
        const bool is_none = !shape->is_clean && tm__rng_below(rng, 30) == 0;
        c->entities[i] =
            is_none ? TM_CODE_MISSING : (uint32_t)tm__rng_below(rng, shape->n_entities);
        c->known[i] = shape->rises ? (int64_t)(i * (uint64_t)shape->span_us / shape->n_events)
                                   : time_of(shape, rng);
    }
    for (uint64_t i = 0; i < shape->n_queries; i++) {
        const bool is_none = !shape->is_clean && tm__rng_below(rng, 30) == 0;
        c->asked[i] =
            is_none ? TM_CODE_MISSING : (uint32_t)tm__rng_below(rng, shape->n_entities + 1);
        c->moments[i] = time_of(shape, rng);
    }
    c->events = (tm_window_events){shape->n_events, c->entities, c->known, c->cols};
    c->queries = (tm_window_queries){shape->n_queries, c->asked, c->moments};
}

window_case *window_case_create(const window_case_shape *shape) {
    window_case *const c = block(1, sizeof(*c));
    tm_rng rng = tm__rng_split(shape->seed, "windows", 0);
    c->features = block(FEATURES_MAX, sizeof(*c->features));
    make_columns(c, shape, &rng);
    make_features(c, shape);
    make_rows(c, shape, &rng);
    c->out = block(c->plan.n_features, sizeof(*c->out));
    c->want = block(c->plan.n_features, sizeof(*c->want));
    for (uint32_t i = 0; i < c->plan.n_features; i++) {
        c->out[i] = block(shape->n_queries, sizeof(double));
        c->want[i] = block(shape->n_queries, sizeof(double));
    }
    return c;
}

uint64_t window_case_differ(const window_case *c) {
    uint64_t n = 0;
    for (uint32_t i = 0; i < c->plan.n_features; i++) {
        for (uint64_t q = 0; q < c->queries.n_rows; q++) {
            uint64_t bits[2];
            memcpy(&bits[0], &c->out[i][q], 8);
            memcpy(&bits[1], &c->want[i][q], 8);
            if (bits[0] != bits[1] && n++ == 0) {
                const tm_window_feature *const f = &c->plan.features[i];
                fprintf(stderr,
                        "%s of column %d, width %lld, last %u, query %llu: %.17g, not %.17g\n",
                        tm__window_fn_text(f->fn), (int)f->column, (long long)f->width_us,
                        f->n_last, (unsigned long long)q, c->out[i][q], c->want[i][q]);
            }
        }
    }
    return n;
}

void window_case_free(window_case *c) {
    for (uint32_t i = 0; i < c->n_made; i++) {
        tm__mem_free(c->out[i]);
        tm__mem_free(c->want[i]);
    }
    tm__mem_free((void *)(uintptr_t)c->cols[0].ints);
    tm__mem_free((void *)(uintptr_t)c->cols[1].floats);
    tm__mem_free((void *)(uintptr_t)c->cols[2].codes);
    tm__mem_free((void *)(uintptr_t)c->cols[3].ints);
    tm__mem_free((void *)(uintptr_t)c->cols[4].ints);
    tm__mem_free(c->out);
    tm__mem_free(c->want);
    tm__mem_free(c->features);
    tm__mem_free(c->entities);
    tm__mem_free(c->asked);
    tm__mem_free(c->known);
    tm__mem_free(c->moments);
    tm__mem_free(c);
}
