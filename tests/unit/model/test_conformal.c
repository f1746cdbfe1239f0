/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "base/rng.h"
#include "bundle_data.h"
#include "model/conformal.h"

/* Scores 1 .. n, of numbers with a spread of 1. */
static tm_conformal make(tm_conformal_kind kind, uint64_t n, bool is_signed) {
    tm_conformal c = {.kind = kind, .n_rows = n};
    double *scores = tm__mem_alloc(n, sizeof(double));
    for (unsigned side = 0; side < (is_signed ? 2u : 1u); side++) {
        for (uint64_t i = 0; i < n; i++) {
            scores[i] =
                kind == TM_CONFORMAL_CLASSES ? (double)(n - i) / (double)n : (double)(n - i);
        }
        assert_int_equal(tm__conformal_keep(scores, n, side == 0 ? &c.above : &c.below, NULL),
                         TM_OK);
    }
    tm__mem_free(scores);
    if (kind == TM_CONFORMAL_NUMBER) {
        c.n_knots = 1;
        c.at = tm__mem_zalloc(1, sizeof(double));
        c.spread = tm__mem_alloc(1, sizeof(double));
        c.spread[0] = 1;
    }
    return c;
}

static void a_level_takes_the_rank_that_it_needs(void **state) {
    (void)state;
    tm_conformal c = make(TM_CONFORMAL_NUMBER, 99, false);
    tm_conformal_at at;
    assert_true(tm__conformal_is_sound(&c));
    /* ceil(100 L) */
    static const double want[][2] = {{0.5, 50}, {0.9, 90}, {0.905, 91}, {0.99, 99}, {0.001, 1}};
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(tm__conformal_find(&c, want[i][0], &at, NULL), TM_OK);
        assert_true(at.above >= want[i][1] && at.above <= want[i][1] + 1);
        const tm_conformal_range range = tm__conformal_range(&c, &at, 10);
        assert_true(range.low == 10 - at.above && range.high == 10 + at.above);
    }
    assert_true(tm__conformal_find(&c, 0.9, &at, NULL) == TM_OK && at.above == 90);
    tm__conformal_done(&c);
}

static void a_level_that_the_rows_do_not_allow_says_how_many_it_needs(void **state) {
    (void)state;
    for (unsigned is_signed = 0; is_signed < 2; is_signed++) {
        tm_conformal c = make(TM_CONFORMAL_NUMBER, 99, is_signed == 1);
        tm_conformal_at at = {.level = 7};
        tm_err err = {0};
        assert_int_equal(tm__conformal_find(&c, 0.999, &at, &err), TM_E_USAGE);
        assert_non_null(strstr(err.message, is_signed == 1 ? "needs 1999 rows" : "needs 999 rows"));
        assert_true(at.level == 7);
        const double most = tm__conformal_level_max(&c);
        assert_int_equal(tm__conformal_find(&c, most - 1e-12, &at, NULL), TM_OK);
        assert_int_equal(tm__conformal_find(&c, most + 1e-6, &at, NULL), TM_E_USAGE);
        tm__conformal_done(&c);
    }
    static const double bad[] = {0, 1, -1, 2};
    tm_conformal c = make(TM_CONFORMAL_NUMBER, 9, false);
    tm_conformal_at at;
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(tm__conformal_find(&c, bad[i], &at, NULL), TM_E_USAGE);
    }
    assert_int_equal(tm__conformal_find(&c, tm__nan(), &at, NULL), TM_E_USAGE);
    tm__conformal_done(&c);
    assert_int_equal(tm__conformal_find(&c, 0.9, &at, NULL), TM_E_UNSUPPORTED);
}

/* Whatever is left out, no rank is answered by a smaller score, and by none much larger. */
static void many_rows_keep_some_hundred_ranks_on_the_safe_side(void **state) {
    (void)state;
    enum { N = 200000 };
    tm_conformal c = make(TM_CONFORMAL_NUMBER, N, false);
    assert_true(c.above.n < 600);
    for (uint32_t i = 1; i < 1000; i++) {
        const double level = i / 1000.0, rank = ceil((N + 1) * level - 1e-9);
        tm_conformal_at at;
        assert_int_equal(tm__conformal_find(&c, level, &at, NULL), TM_OK);
        assert_true(at.above >= rank && at.above <= rank + 0.021 * (N - rank) + 2);
    }
    tm__conformal_done(&c);
}

static void a_spread_follows_the_answer(void **state) {
    (void)state;
    tm_conformal c = make(TM_CONFORMAL_NUMBER, 99, false);
    tm__mem_free(c.at);
    tm__mem_free(c.spread);
    c.n_knots = 3;
    c.at = tm__mem_alloc(3, sizeof(double));
    c.spread = tm__mem_alloc(3, sizeof(double));
    memcpy(c.at, (const double[]){-1.7e308, 0, 10}, 3 * sizeof(double));
    memcpy(c.spread, (const double[]){1, 2, 4}, 3 * sizeof(double));
    assert_true(tm__conformal_is_sound(&c));
    assert_true(tm__conformal_spread(&c, 5) == 3 && tm__conformal_spread(&c, 99) == 4);
    assert_true(tm__conformal_spread(&c, -1.75e308) == 1 && tm__conformal_spread(&c, 0) == 2);
    const tm_conformal_at at = {.above = 1e150, .below = 1e150};
    const tm_conformal_range range = tm__conformal_range(&c, &at, -1.79e308);
    assert_true(isfinite(range.low) && isfinite(range.high));
    assert_true(isnan(tm__conformal_range(&c, &at, tm__nan()).low));
    c.is_positive = true;
    assert_true(tm__conformal_range(&c, &at, 5).low == 0);
    tm__conformal_done(&c);
}

static void ends_that_cross_meet(void **state) {
    (void)state;
    tm_conformal c = make(TM_CONFORMAL_NUMBER, 9, true);
    const tm_conformal_at at = {.above = -2, .below = -3};
    const tm_conformal_range range = tm__conformal_range(&c, &at, 1);
    assert_true(range.low == range.high);
    tm__conformal_done(&c);
}

static void a_set_is_never_empty(void **state) {
    (void)state;
    bool held[3];
    const tm_conformal_at strict = {.above = 0.1}, loose = {.above = 0.7};
    const double three[] = {0.5, 0.2, 0.3}, two[] = {0.35};
    assert_int_equal(tm__conformal_set(&strict, three, 3, held), 1);
    assert_true(held[0] && !held[1] && !held[2]);
    assert_int_equal(tm__conformal_set(&loose, three, 3, held), 2);
    assert_true(held[0] && !held[1] && held[2]);
    assert_int_equal(tm__conformal_set(&strict, two, 1, held), 1);
    assert_true(held[0] && !held[1]);
    assert_int_equal(tm__conformal_set(&loose, two, 1, held), 2);
}

static void its_bytes_load_whole_or_not_at_all(void **state) {
    (void)state;
    tm_conformal all[] = {make(TM_CONFORMAL_NUMBER, 300, true),
                          make(TM_CONFORMAL_NUMBER, 40, false),
                          make(TM_CONFORMAL_CLASSES, 40, false)};
    for (unsigned i = 0; i < 3; i++) {
        tm_buf bytes;
        tm_conformal again;
        uint32_t n_refused = 0;
        tm__buf_init(&bytes, 1u << 20);
        tm__conformal_save(&all[i], &bytes);
        assert_int_equal(tm__conformal_load(bytes.data, bytes.len, &again, NULL), TM_OK);
        tm_conformal_at a, b;
        assert_int_equal(tm__conformal_find(&all[i], 0.8, &a, NULL), TM_OK);
        assert_int_equal(tm__conformal_find(&again, 0.8, &b, NULL), TM_OK);
        assert_memory_equal(&a, &b, sizeof(a));
        tm__conformal_done(&again);
        for (size_t len = 0; len < bytes.len; len++) {
            assert_int_equal(tm__conformal_load(bytes.data, len, &again, NULL), TM_E_INTEGRITY);
        }
        for (size_t at = 0; at < bytes.len; at++) { /* other bytes: refused, or sound and used */
            bytes.data[at] ^= 0x91;
            const tm_status st = tm__conformal_load(bytes.data, bytes.len, &again, NULL);
            assert_true(st == TM_OK || st == TM_E_INTEGRITY || st == TM_E_UNSUPPORTED);
            if (st == TM_OK) {
                assert_true(tm__conformal_is_sound(&again));
                tm__conformal_done(&again);
            }
            n_refused += st != TM_OK;
            bytes.data[at] ^= 0x91;
        }
        assert_true(n_refused > 20);
        tm__buf_done(&bytes);
        tm__conformal_done(&all[i]);
    }
}

static void a_bundle_carries_them_for_its_task_only(void **state) {
    (void)state;
    static const tm_task tasks[] = {TM_TASK_BINARY, TM_TASK_REGRESSION};
    for (unsigned i = 0; i < 4; i++) {
        bundle_data *data = bundle_data_create(60, tasks[i % 2], "baseline");
        tm_buf bytes;
        tm_hash hash;
        tm_bundle *bundle = NULL;
        tm_err err = {0};
        data->conformal = make(i < 2 ? TM_CONFORMAL_CLASSES : TM_CONFORMAL_NUMBER, 50, false);
        bundle_data_write(data, &bytes, &hash);
        const bool fits = (i < 2) == (tasks[i % 2] == TM_TASK_BINARY);
        assert_int_equal(tm__bundle_load(bytes.data, bytes.len, &bundle, &err),
                         fits ? TM_OK : TM_E_INTEGRITY);
        if (fits) {
            assert_int_equal(tm__bundle_conformal(bundle)->n_rows, 50);
            tm__bundle_unref(bundle);
        } else {
            assert_non_null(strstr(err.message, "intervals"));
        }
        tm__buf_done(&bytes);
        bundle_data_free(data);
    }
}

/* The promise: of rows drawn alike at least the level lies within, on average over what was drawn.
 */
static void rows_drawn_alike_are_covered(void **state) {
    (void)state;
    static const uint64_t sizes[] = {19, 99, 1000};
    for (unsigned s = 0; s < 3; s++) {
        uint64_t n_covered = 0, n = 0;
        tm_rng rng = tm__rng_split(s, "covered", 0);
        for (unsigned round = 0; round < 400; round++) {
            double scores[1000];
            tm_conformal c = make(TM_CONFORMAL_NUMBER, 9, false);
            tm_conformal_at at;
            tm__mem_free(c.above.ranks);
            tm__mem_free(c.above.scores);
            for (uint64_t i = 0; i < sizes[s]; i++) {
                scores[i] = tm__rng_f64(&rng);
            }
            assert_int_equal(tm__conformal_keep(scores, sizes[s], &c.above, NULL), TM_OK);
            c.n_rows = sizes[s];
            assert_int_equal(tm__conformal_find(&c, 0.9, &at, NULL), TM_OK);
            for (unsigned i = 0; i < 100; i++) {
                n_covered += tm__rng_f64(&rng) <= at.above;
                n++;
            }
            tm__conformal_done(&c);
        }
        const double share = (double)n_covered / (double)n;
        assert_true(share > 0.89 && share < (sizes[s] == 19 ? 0.92 : 0.915));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_level_takes_the_rank_that_it_needs),
        cmocka_unit_test(a_level_that_the_rows_do_not_allow_says_how_many_it_needs),
        cmocka_unit_test(many_rows_keep_some_hundred_ranks_on_the_safe_side),
        cmocka_unit_test(a_spread_follows_the_answer),
        cmocka_unit_test(ends_that_cross_meet),
        cmocka_unit_test(a_set_is_never_empty),
        cmocka_unit_test(its_bytes_load_whole_or_not_at_all),
        cmocka_unit_test(a_bundle_carries_them_for_its_task_only),
        cmocka_unit_test(rows_drawn_alike_are_covered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
