/* SPDX-License-Identifier: Apache-2.0 */
#include "feature/window.h"

#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "test.h"
#include "window_case.h"

static void apply(const window_case *c, tm_pool *pool, uint64_t memory_limit) {
    const tm_ctx ctx = {.pool = pool, .memory_limit = memory_limit};
    tm_err err = {0};
    if (tm__windows_apply(&ctx, &c->plan, &c->events, &c->queries, c->out, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
}

/* The reference gives want, then the fast way must give the same. */
static void check_against_ref(const window_case_shape *shape, tm_pool *pool) {
    window_case *const c = window_case_create(shape);
    assert_int_equal(tm__windows_apply_ref(&c->plan, &c->events, &c->queries, c->want, NULL),
                     TM_OK);
    apply(c, pool, 0);
    if (window_case_differ(c) != 0) {
        fail_msg("seed %llu", (unsigned long long)shape->seed);
    }
    window_case_free(c);
}

static void random_tables_give_the_bits_of_the_reference(void **state) {
    (void)state;
    tm_pool *const pool = tm__pool_create(3);
    for (uint64_t seed = 0; seed < 60; seed++) {
        static const int64_t spans[] = {3, 50, 100000, 0};
        static const uint32_t entities[] = {1, 3, 20};
        const window_case_shape shape = {.seed = seed,
                                         .n_events = seed % 7 == 6 ? 0 : 20 + seed * 2,
                                         .n_queries = 20 + seed % 30,
                                         .n_entities = entities[seed % 3],
                                         .span_us = spans[seed % 4],
                                         .is_clean = seed % 5 == 4};
        check_against_ref(&shape, pool);
    }
    tm__pool_free(pool);
}

/* Several blocks and levels, and chunks of sums are crossed in the next test. */
static void long_windows_give_the_bits_of_the_reference(void **state) {
    (void)state;
    const window_case_shape shape = {
        .seed = 1, .n_events = 3000, .n_queries = 20, .n_entities = 2, .span_us = 40000};
    check_against_ref(&shape, NULL);
}

static void threads_passes_and_order_do_not_matter(void **state) {
    (void)state;
    const window_case_shape shape = {.seed = 5,
                                     .n_events = 150000,
                                     .n_queries = 70000,
                                     .n_entities = 30,
                                     .span_us = INT64_C(400) * 86400 * 1000000};
    window_case *const c = window_case_create(&shape);
    /* A few features over more than two chunks of values, queries and items. */
    static const tm_window_fn fns[] = {TM_WINDOW_TREND, TM_WINDOW_MAX, TM_WINDOW_DISTINCT,
                                       TM_WINDOW_LAST};
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->plan.n_features; i++) {
        for (uint32_t k = 0; k < 4; k++) {
            if (c->features[i].fn == fns[k] && c->features[i].column == 1) {
                c->features[n++] = c->features[i];
            }
        }
    }
    c->plan.n_features = n;
    tm_pool *const pool = tm__pool_create(4);
    apply(c, NULL, 0);
    for (uint32_t i = 0; i < n; i++) {
        memcpy(c->want[i], c->out[i], c->queries.n_rows * sizeof(double));
    }
    apply(c, pool, 0);
    assert_int_equal(window_case_differ(c), 0);
    const uint64_t alive = tm__mem_bytes(), limit = alive + (UINT64_C(5) << 20);
    tm__mem_bytes_reset();
    apply(c, pool, limit);
    assert_int_equal(window_case_differ(c), 0);
    assert_true(tm__mem_bytes_peak() <= limit);
    const tm_ctx ctx = {.memory_limit = alive + 1000};
    assert_int_equal(tm__windows_apply(&ctx, &c->plan, &c->events, &c->queries, c->out, NULL),
                     TM_E_LIMIT);
    tm__pool_free(pool);
    window_case_free(c);
}

/* What stands in the header, by hand. */
static void a_window_sees_what_was_known_before(void **state) {
    (void)state;
    const uint32_t entities[] = {0, 0, 1, 0, TM_CODE_MISSING, 0};
    const int64_t known[] = {10, 20, 15, 20, 5, TM_INT_MISSING};
    const double values[] = {1, 2, 9, 4, 7, 8};
    const tm_column col = {.name = "v", .type = TM_TYPE_FLOAT, .floats = values};
    const tm_window_input input = tm__window_fit(&col, 6);
    const tm_window_feature features[] = {
        {.fn = TM_WINDOW_LAST, .column = 0},
        {.fn = TM_WINDOW_LAST, .column = 0, .width_us = 5},
        {.fn = TM_WINDOW_COUNT, .column = TM_WINDOW_EVENTS},
        {.fn = TM_WINDOW_MEAN, .column = 0},
        {.fn = TM_WINDOW_LAG, .column = 0, .lag = 1},
        {.fn = TM_WINDOW_AGE, .column = TM_WINDOW_EVENTS},
    };
    enum { N = 6, Q = 7 };
    const tm_window_plan plan = {1, &input, N, features, 0};
    const uint32_t asked[Q] = {0, 0, 0, 0, 1, 2, TM_CODE_MISSING};
    const int64_t moments[Q] = {10, 20, 21, 25, 16, 99, 99};
    const double none = -1; /* stands for NaN */
    const double want[N][Q] = {
        {none, 1, 4, 4, 9, none, none},
        {none, none, 4, 4, 9, none, none},
        {0, 1, 3, 3, 1, 0, none},
        {none, 1, 7.0 / 3, 7.0 / 3, 9, none, none},
        {none, none, 2, 2, none, none, none},
        {none, 1e-5, 1e-6, 5e-6, 1e-6, none, none},
    };
    double room[N][Q], *out[N];
    for (uint32_t i = 0; i < N; i++) {
        out[i] = room[i];
    }
    const tm_window_events events = {6, entities, known, &col};
    const tm_window_queries queries = {Q, asked, moments};
    const tm_ctx ctx = {0};
    assert_int_equal(tm__windows_apply(&ctx, &plan, &events, &queries, out, NULL), TM_OK);
    for (uint32_t i = 0; i < N; i++) {
        for (uint32_t q = 0; q < Q; q++) {
            const double got = out[i][q] != out[i][q] ? none : out[i][q];
            if (got != want[i][q]) {
                fail_msg("feature %u, query %u: %g, not %g", i, q, got, want[i][q]);
            }
        }
    }
}

static void a_join_finds_the_row_that_was_last_known(void **state) {
    (void)state;
    const window_case_shape shape = {
        .seed = 9, .n_events = 500, .n_queries = 400, .n_entities = 9, .span_us = 200};
    window_case *const c = window_case_create(&shape);
    const tm_ctx ctx = {0};
    const int64_t ttls[] = {0, 1, 20, INT64_MAX};
    uint32_t rows[400];
    for (uint32_t t = 0; t < 4; t++) {
        assert_int_equal(tm__window_join(&ctx, &c->events, &c->queries, ttls[t], rows, NULL),
                         TM_OK);
        for (uint64_t q = 0; q < 400; q++) {
            uint32_t want = UINT32_MAX;
            for (uint32_t row = 0; row < 500; row++) {
                const int64_t known = c->known[row], moment = c->moments[q];
                const bool fits = c->entities[row] == c->asked[q] &&
                                  c->asked[q] != TM_CODE_MISSING && known != TM_INT_MISSING &&
                                  moment != TM_INT_MISSING && known < moment &&
                                  (ttls[t] == 0 || moment - known <= ttls[t]);
                if (fits && (want == UINT32_MAX || known >= c->known[want])) {
                    want = row;
                }
            }
            assert_int_equal(rows[q], want);
        }
    }
    assert_int_equal(tm__window_join(&ctx, &c->events, &c->queries, -1, rows, NULL), TM_E_INVALID);
    window_case_free(c);
}

static void memory_that_fails_leaves_nothing(void **state) {
    (void)state;
    const window_case_shape shape = {
        .seed = 2, .n_events = 300, .n_queries = 30, .n_entities = 3, .span_us = 90};
    window_case *const c = window_case_create(&shape);
    const tm_ctx ctx = {0};
    const uint64_t alive = tm__mem_alive();
    tm_status st = TM_E_NOMEM;
    for (uint64_t nth = 1; st != TM_OK; nth += nth < 40 ? 1 : 37) {
        tm__mem_fail_at(nth, false);
        st = tm__windows_apply(&ctx, &c->plan, &c->events, &c->queries, c->out, NULL);
        tm__mem_fail_at(0, false);
        assert_true(st == TM_OK || st == TM_E_NOMEM);
        assert_int_equal(tm__mem_alive(), alive);
    }
    window_case_free(c);
}

static void a_run_that_is_called_off_says_so(void **state) {
    (void)state;
    const window_case_shape shape = {
        .seed = 2, .n_events = 30, .n_queries = 30, .n_entities = 3, .span_us = 90};
    window_case *const c = window_case_create(&shape);
    volatile _Atomic bool cancel = true;
    const tm_ctx ctx = {.cancel = &cancel};
    assert_int_equal(tm__windows_apply(&ctx, &c->plan, &c->events, &c->queries, c->out, NULL),
                     TM_E_CANCELLED);
    window_case_free(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_sees_what_was_known_before),
        cmocka_unit_test(random_tables_give_the_bits_of_the_reference),
        cmocka_unit_test(long_windows_give_the_bits_of_the_reference),
        cmocka_unit_test(threads_passes_and_order_do_not_matter),
        cmocka_unit_test(a_join_finds_the_row_that_was_last_known),
        cmocka_unit_test(memory_that_fails_leaves_nothing),
        cmocka_unit_test(a_run_that_is_called_off_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
