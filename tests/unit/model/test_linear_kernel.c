/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels with a reference of their own are in test_kernels.c; here are those that a row says. */
#include "test.h"

#include <string.h>

#include "base/rng.h"
#include "base/simd.h"
#include "model/linear/linear_kernel.h"

enum { BLOCK = TM_LINEAR_BLOCK, OUTPUTS_MAX = 19 };

static double z[OUTPUTS_MAX * BLOCK], at_first[OUTPUTS_MAX * BLOCK], by_row[24 * BLOCK];

static void fill(uint64_t seed) {
    tm_rng rng = tm__rng_split(seed, "lines", 0);
    for (size_t i = 0; i < OUTPUTS_MAX * BLOCK; i++) {
        z[i] = at_first[i] = (tm__rng_f64(&rng) - 0.5) * 8;
    }
}

static void check_softmax(uint64_t n, size_t k) {
    double top[BLOCK], sums[BLOCK], y[BLOCK], w[BLOCK], below[OUTPUTS_MAX * BLOCK];
    tm__linear_below_top(n, k, top, z);
    memcpy(below, z, sizeof(z));
    tm__linear_sum_outputs(z, n, k, sums);
    for (uint64_t i = 0; i < n; i++) {
        y[i] = (double)(i % k);
        w[i] = 1.0 / (double)(i + 3);
    }
    for (size_t o = 0; o < k; o++) {
        const tm_class_rows rows = {y, w, sums, (double)o};
        tm__linear_class_residuals(&rows, n, z + o * BLOCK);
    }
    for (uint64_t i = 0; i < n; i++) {
        double most = at_first[i], sum = 0.0;
        for (size_t o = 1; o < k; o++) {
            most = at_first[o * BLOCK + i] > most ? at_first[o * BLOCK + i] : most;
        }
        for (size_t o = 0; o < k; o++) {
            assert_true(below[o * BLOCK + i] == at_first[o * BLOCK + i] - most);
            sum += below[o * BLOCK + i];
        }
        assert_true(sums[i] == sum);
        for (size_t o = 0; o < k; o++) {
            const double is = o == i % k ? 1.0 : 0.0;
            assert_true(z[o * BLOCK + i] == w[i] * (below[o * BLOCK + i] / sum - is));
        }
    }
}

static void check_by_row(uint64_t n, size_t k) {
    double sums[OUTPUTS_MAX], want[OUTPUTS_MAX];
    const size_t lanes = tm__linear_row_lanes(k);
    assert_true(lanes >= k && lanes < k + 8 && lanes % 8 == 0);
    tm__linear_by_row(z, n, k, by_row);
    for (size_t o = 0; o < lanes; o++) {
        for (uint64_t i = 0; i < n; i++) {
            const double at = by_row[(o / 8 * BLOCK + i) * 8 + o % 8];
            assert_true(at == (o < k ? z[o * BLOCK + i] : 0.0));
        }
    }
    for (size_t o = 0; o < k; o++) {
        sums[o] = want[o] = (double)o;
        for (uint64_t i = 0; i < n; i++) {
            want[o] += z[o * BLOCK + i];
        }
    }
    tm__linear_sum_rows(by_row, n, k, sums);
    assert_memory_equal(sums, want, k * sizeof(double));
}

static void every_level_gives_what_a_row_alone_gives(void **state) {
    (void)state;
    for (tm_simd level = TM_SIMD_PLAIN; level <= tm__simd_machine(); level++) {
        tm__simd_limit(level);
        for (uint64_t seed = 0; seed < 60; seed++) {
            const uint64_t n = seed < 20 ? seed : BLOCK - seed % 20;
            const size_t k = 1 + seed % OUTPUTS_MAX;
            fill(seed);
            check_by_row(n, k);
            check_softmax(n, k + (k == 1)); /* 0 / 0 with one */
        }
    }
    tm__simd_limit(TM_SIMD_AVX512);
}

static void floats_are_widened_as_they_are(void **state) {
    const float x[5] = {0.1F, -3.5F, 1e30F, 0.0F, 7.0F};
    double out[6] = {0, 0, 0, 0, 0, 99.0};
    (void)state;
    tm__linear_widen(x, 5, out);
    for (uint32_t i = 0; i < 5; i++) {
        assert_true(out[i] == (double)x[i]);
    }
    assert_true(out[5] == 99.0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_level_gives_what_a_row_alone_gives),
        cmocka_unit_test(floats_are_widened_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
