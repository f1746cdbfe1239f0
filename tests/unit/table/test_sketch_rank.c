/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "table/sketch_priv.h"
#include "test.h"

#define N 200000u

/* Value i of 0 .. N-1 in an order that is hard in its own way. */
static double value_at(uint32_t order, uint32_t i) {
    switch (order) {
    case 0:
        return i; /* rising */
    case 1:
        return N - 1 - i; /* falling */
    case 2:
        return i % 2 == 0 ? i / 2 : N - 1 - i / 2; /* from both ends */
    case 3:
        return (double)((uint64_t)i * 91397 % N); /* mixed: 91397 is prime and does not divide N */
    case 4:
        return i % 512 * (N / 512.0); /* saw teeth of the top level's size */
    default:
        return i % 2; /* two values */
    }
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The largest difference between a value's rank and the truth, as a share of n. */
static double rank_error(const tm_ranks *ranks, const double *sorted, uint32_t n) {
    uint32_t n_items = 0;
    double worst = 0;
    uint64_t below = 0;
    tm_rank_item *const items = tm__ranks_items(ranks, &n_items);
    assert_non_null(items);
    for (uint32_t i = 0; i < n_items; i++) {
        below += items[i].weight;
        if (i + 1 < n_items && items[i + 1].value == items[i].value) {
            continue;
        }
        uint32_t low = 0, high = n; /* values at or below */
        while (low < high) {
            const uint32_t middle = (low + high) / 2;
            if (sorted[middle] <= items[i].value) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        worst = fmax(worst, fabs((double)below - low) / n);
        assert_true(i == 0 || items[i - 1].value <= items[i].value);
    }
    assert_true(below == n);
    tm__mem_free(items);
    return worst;
}

static size_t size_of(const tm_ranks *ranks) {
    tm_buf bytes;
    tm__buf_init(&bytes, SIZE_MAX / 2);
    tm__ranks_write(ranks, &bytes);
    const size_t len = bytes.len;
    tm__buf_done(&bytes);
    return len;
}

static void ranks_hold_in_every_order_and_cut(void **state) {
    (void)state;
    static double sorted[N];
    const uint32_t cuts[] = {1, 7, 50, 400};
    for (uint32_t order = 0; order < 6; order++) {
        for (uint32_t i = 0; i < N; i++) {
            sorted[i] = value_at(order, i);
        }
        qsort(sorted, N, sizeof(double), compare);
        for (uint32_t c = 0; c < 4; c++) {
            tm_ranks all = {0}, part = {0};
            for (uint32_t i = 0; i < N; i++) {
                assert_true(tm__ranks_add(&part, value_at(order, i)));
                if ((i + 1) % (N / cuts[c]) == 0) {
                    assert_true(tm__ranks_merge(&all, &part));
                    tm__ranks_reset(&part);
                }
            }
            assert_true(tm__ranks_merge(&all, &part));
            assert_true(all.n == N);
            const double error = rank_error(&all, sorted, N);
            if (error > 0.01) {
                print_error("order %u in %u parts: rank error %g\n", order, cuts[c], error);
            }
            assert_true(error <= 0.01);
            assert_true(size_of(&all) < 64 * 1024);
            tm__ranks_done(&all);
            tm__ranks_done(&part);
        }
    }
}

static void few_values_are_all_kept(void **state) {
    (void)state;
    tm_ranks all = {0}, part = {0};
    for (uint32_t i = 0; i < TM_SKETCH_EXACT; i++) {
        assert_true(tm__ranks_add(&part, (double)(i * 37 % TM_SKETCH_EXACT)));
        if (i % 10 == 9) {
            assert_true(tm__ranks_merge(&all, &part));
            tm__ranks_reset(&part);
        }
    }
    assert_true(tm__ranks_merge(&all, &part));
    uint32_t n = 0;
    tm_rank_item *const items = tm__ranks_items(&all, &n);
    assert_int_equal(n, TM_SKETCH_EXACT);
    for (uint32_t i = 0; i < n; i++) {
        assert_true(items[i].value == i && items[i].weight == 1);
    }
    tm__mem_free(items);
    tm__ranks_done(&all);
    tm__ranks_done(&part);
}

static void a_billion_values_fit_in_little_memory(void **state) {
    (void)state;
    tm_ranks all = {0};
    for (uint32_t i = 0; i < 4096; i++) {
        assert_true(tm__ranks_add(&all, i));
    }
    for (uint32_t twice = 0; twice < 18; twice++) { /* with itself: 2^30 */
        tm_ranks copy = {0};
        assert_true(tm__ranks_merge(&copy, &all));
        assert_true(tm__ranks_merge(&all, &copy));
        tm__ranks_done(&copy);
    }
    assert_true(all.n == UINT64_C(1) << 30);
    uint32_t n = 0;
    uint64_t below = 0;
    tm_rank_item *const items = tm__ranks_items(&all, &n);
    for (uint32_t i = 0; i < n; i++) {
        below += items[i].weight;
        assert_true(fabs((double)below / (double)all.n - (items[i].value + 1) / 4096) <= 0.01);
    }
    assert_true(below == all.n);
    assert_true(size_of(&all) < 128 * 1024);
    tm__mem_free(items);
    tm__ranks_done(&all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_hold_in_every_order_and_cut),
        cmocka_unit_test(few_values_are_all_kept),
        cmocka_unit_test(a_billion_values_fit_in_little_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
