/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sort.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#define N 5000u

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void numbers_of_all_sizes_come_as_by_comparing(void **state) {
    (void)state;
    static double values[N], wanted[N];
    uint64_t bits = 1;
    for (uint32_t i = 0; i < N; i++) {
        double x = NAN;
        while (!isfinite(x)) {
            bits = bits * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            const uint64_t mixed = bits ^ bits >> 29;
            memcpy(&x, &mixed, sizeof(x));
        }
        values[i] = i % 3 == 0 ? x : (double)(bits >> 50) - 5000;
    }
    values[7] = INFINITY;
    values[9] = -INFINITY;
    memcpy(wanted, values, sizeof(values));
    qsort(wanted, N, sizeof(double), compare);
    assert_true(tm__sort_f64(values, N));
    assert_memory_equal(values, wanted, sizeof(values));
}

static void the_lower_zero_is_the_negative_one(void **state) {
    (void)state;
    double values[] = {0.0, 5e-324, -0.0, -5e-324};
    assert_true(tm__sort_f64(values, 4));
    assert_true(values[0] < 0 && signbit(values[1]) && !signbit(values[2]) && values[3] > 0);
}

static void none_and_one_are_sorted(void **state) {
    (void)state;
    double one = -3;
    assert_true(tm__sort_f64(&one, 0));
    assert_true(tm__sort_f64(&one, 1));
    assert_true(one == -3);
}

static void values_are_compared_in_their_order(void **state) {
    (void)state;
    double f64[] = {1e300, -0.5, 0, -1e300, 2};
    int64_t i64[] = {INT64_MAX, -1, 0, INT64_MIN, 2};
    uint64_t u64[] = {UINT64_MAX, 1, 0, UINT64_C(1) << 63, 2};
    qsort(f64, 5, sizeof(f64[0]), tm__compare_f64);
    qsort(i64, 5, sizeof(i64[0]), tm__compare_i64);
    qsort(u64, 5, sizeof(u64[0]), tm__compare_u64);
    for (size_t i = 1; i < 5; i++) {
        assert_true(f64[i - 1] < f64[i]);
        assert_true(i64[i - 1] < i64[i]);
        assert_true(u64[i - 1] < u64[i]);
    }
    assert_int_equal(tm__compare_f64(&f64[1], &f64[1]), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_compared_in_their_order),
        cmocka_unit_test(numbers_of_all_sizes_come_as_by_comparing),
        cmocka_unit_test(the_lower_zero_is_the_negative_one),
        cmocka_unit_test(none_and_one_are_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
