/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "table/sketch_priv.h"
#include "test.h"

static bool add_range(tm_distinct *d, uint64_t key, uint64_t first, uint64_t end) {
    bool ok = true;
    for (uint64_t i = first; i < end; i++) {
        ok = tm__distinct_add(d, tm__rng_at(key, i)) && ok;
    }
    return ok;
}

static void few_are_counted_exactly(void **state) {
    (void)state;
    for (uint32_t n = 0; n <= TM_SKETCH_DISTINCT; n += 128) {
        tm_distinct d = {0};
        bool is_exact = false;
        for (uint32_t twice = 0; twice < 2; twice++) {
            assert_true(add_range(&d, 1, 0, n));
        }
        assert_true(tm__distinct_count(&d, &is_exact) == n && is_exact);
        tm__distinct_done(&d);
    }
    tm_distinct zero = {0};
    bool is_exact = false;
    assert_true(tm__distinct_add(&zero, 0) && tm__distinct_add(&zero, 0));
    assert_true(tm__distinct_count(&zero, &is_exact) == 1 && is_exact);
    tm__distinct_done(&zero);
}

/* 40 streams of each size: their mean error shows bias, their spread the stated error. */
static void many_are_estimated_within_the_stated_error(void **state) {
    (void)state;
    const uint64_t sizes[] = {1025, 2000, 5000, 12000, 30000, 100000};
    for (uint32_t s = 0; s < 6; s++) {
        double sum = 0, squares = 0, worst = 0;
        for (uint64_t key = 0; key < 40; key++) {
            tm_distinct d = {0};
            bool is_exact = true;
            assert_true(add_range(&d, 100 + key, 0, sizes[s]));
            const double error = (double)tm__distinct_count(&d, &is_exact) / (double)sizes[s] - 1;
            assert_false(is_exact);
            sum += error;
            squares += error * error;
            worst = fmax(worst, fabs(error));
            tm__distinct_done(&d);
        }
        assert_true(fabs(sum / 40) < 0.01);
        assert_true(sqrt(squares / 40) < 0.0163 * 1.35);
        assert_true(worst < 0.0163 * 5);
    }
}

static void any_cut_gives_the_same_bytes(void **state) {
    (void)state;
    const uint64_t sizes[] = {10, 1000, 1024, 1025, 40000};
    for (uint32_t s = 0; s < 5; s++) {
        tm_distinct all = {0}, merged = {0}, parts[4] = {{0}, {0}, {0}, {0}};
        tm_buf a, b;
        tm__buf_init(&a, 1 << 20);
        tm__buf_init(&b, 1 << 20);
        assert_true(add_range(&all, 5, 0, sizes[s]));
        for (uint32_t p = 0; p < 4; p++) { /* they overlap */
            assert_true(add_range(&parts[p], 5, sizes[s] * p / 5, sizes[s] * (p + 2) / 5));
        }
        const uint32_t order[] = {2, 0, 3, 1};
        for (uint32_t p = 0; p < 4; p++) {
            assert_true(tm__distinct_merge(&merged, &parts[order[p]]));
        }
        tm__distinct_write(&all, &a);
        tm__distinct_write(&merged, &b);
        assert_true(a.len == b.len && memcmp(a.data, b.data, a.len) == 0);
        for (uint32_t p = 0; p < 4; p++) {
            tm__distinct_done(&parts[p]);
        }
        tm__distinct_done(&all);
        tm__distinct_done(&merged);
        tm__buf_done(&a);
        tm__buf_done(&b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_are_counted_exactly),
        cmocka_unit_test(many_are_estimated_within_the_stated_error),
        cmocka_unit_test(any_cut_gives_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
