/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <stdbool.h>

#include "base/rng.h"
#include "metric/any_time.h"

#define RUNS 400
#define LOOKS 1000
#define OFTEN 100 /* rows, each looked at; later every tenth */

static double draw(uint64_t run, uint64_t row) {
    return ((double)(tm__rng_at(run, row) >> 11) + 0.5) * 0x1p-53;
}

/* Robbins' bounds by hand: of 20 in 20 the mixture is 1/21, so low^20 = alpha / 21. */
static void a_share_is_where_the_mixture_says(void **state) {
    (void)state;
    const tm_share_range all = tm__share_any_time(20, 20, 0.01);
    assert_true(fabs(all.low - pow(0.01 / 21, 1.0 / 20)) < 1e-9 && all.high == 1);
    const tm_share_range none = tm__share_any_time(20, 0, 0.01);
    assert_true(none.low == 0 && fabs(none.high - (1 - all.low)) < 1e-9);
    const tm_share_range empty = tm__share_any_time(0, 0, 0.01);
    assert_true(empty.low == 0 && empty.high == 1);
    const tm_share_range many = tm__share_any_time(100000, 1000, 0.01);
    assert_true(many.low > 0.008 && many.low < 0.01 && many.high > 0.01 && many.high < 0.012);
}

/* However often one looks: at most alpha of the runs are ever wrong. */
static void a_share_holds_at_every_look(void **state) {
    (void)state;
    static const double shares[] = {0.01, 0.1, 0.5};
    for (size_t s = 0; s < 3; s++) {
        uint32_t n_wrong = 0;
        for (uint64_t run = 0; run < RUNS; run++) {
            uint64_t k = 0;
            bool is_wrong = false;
            for (uint64_t n = 1; n <= LOOKS && !is_wrong; n++) {
                k += draw(run + 1000 * s, n) < shares[s];
                if (n > OFTEN && n % 10 != 0) {
                    continue;
                }
                const tm_share_range range = tm__share_any_time(n, k, 0.05);
                is_wrong = range.low > shares[s] || range.high < shares[s];
            }
            n_wrong += is_wrong;
        }
        assert_true(n_wrong <= 0.05 * RUNS + 3 * sqrt(0.05 * 0.95 * RUNS));
    }
}

static void two_shares_are_apart_by_both_their_ranges(void **state) {
    (void)state;
    static const uint64_t n[2] = {5000, 4000}, k[2] = {50, 400}, none[2] = {5000, 0};
    const tm_share_range a = tm__share_any_time(5000, 50, 0.005);
    const tm_share_range b = tm__share_any_time(4000, 400, 0.005);
    const tm_share_range apart = tm__shares_apart_any_time(n, k, 0.01);
    assert_true(apart.low == b.low - a.high && apart.high == b.high - a.low);
    assert_true(apart.low > 0.05 && apart.low < 0.09 && apart.high > 0.09);
    const tm_share_range unknown = tm__shares_apart_any_time(none, (uint64_t[2]){0, 0}, 0.01);
    assert_true(unknown.low < 0 && unknown.high == 1);
}

static void a_radius_falls_as_rows_come(void **state) {
    (void)state;
    assert_true(tm__cdf_radius_any_time(0, 0.01) == 1);
    assert_true(tm__cdf_radius_any_time(1, 0.01) == 1);
    double before = 1;
    for (uint64_t n = 16; n < 1000000; n *= 2) {
        const double radius = tm__cdf_radius_any_time(n, 0.01);
        assert_true(radius < before);
        before = radius;
    }
    /* The formula of the paper at t = 1000: 0.85 sqrt((log log(e t) + 0.8 log(1612 / 0.05)) / t) */
    assert_true(fabs(tm__cdf_radius_any_time(1000, 0.05) - 0.0865) < 5e-4);
}

static void a_distance_is_the_largest_of_all_values(void **state) {
    (void)state;
    static const double a[] = {1, 2, 3, 4}, b[] = {3, 3, 5, 6, 7};
    double at = 0;
    assert_true(fabs(tm__cdf_distance(a, 4, b, 5, &at) - 0.6) < 1e-12 && at == 4);
    assert_true(tm__cdf_distance(a, 4, a, 4, &at) == 0);
    assert_true(tm__cdf_distance(a, 4, b, 0, &at) == 0);
    assert_true(tm__cdf_distance(a, 1, b, 5, &at) == 1 && at == 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_share_is_where_the_mixture_says),
        cmocka_unit_test(a_share_holds_at_every_look),
        cmocka_unit_test(two_shares_are_apart_by_both_their_ranges),
        cmocka_unit_test(a_radius_falls_as_rows_come),
        cmocka_unit_test(a_distance_is_the_largest_of_all_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
