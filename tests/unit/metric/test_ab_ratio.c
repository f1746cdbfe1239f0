/* SPDX-License-Identifier: Apache-2.0 */
#include "metric/ab_ratio.h"

#include <math.h>

#include "base/rng.h"
#include "test.h"

static tm_ab_ratio drawn(double planned, double share, uint32_t n, uint64_t run) {
    tm_rng rng = tm__rng_split(run, "ratio", 0);
    tm_ab_ratio ratio = {.share = planned};
    for (uint32_t i = 0; i < n; i++) {
        tm__ab_ratio_add(&ratio, tm__rng_f64(&rng) < share);
    }
    return ratio;
}

static void one_look_is_chi_squared(void **state) {
    (void)state;
    tm_ab_ratio ratio = {.share = 0.5};
    assert_true(tm__ab_ratio_p(&ratio) == 1 && tm__ab_ratio_p_any_time(&ratio) == 1);
    ratio.n[0] = 44700;
    ratio.n[1] = 45489;
    assert_true(fabs(tm__ab_ratio_p(&ratio) - 0.00860799) < 1e-8);
}

/* The evidence is the beta-binomial's over the planned share's, whatever the order. */
static void evidence_does_not_depend_on_the_order(void **state) {
    (void)state;
    tm_ab_ratio a = {.share = 0.3}, b = {.share = 0.3};
    for (uint32_t i = 0; i < 100; i++) {
        tm__ab_ratio_add(&a, i % 2);
        tm__ab_ratio_add(&b, i < 50);
    }
    assert_true(fabs(a.log_evidence - b.log_evidence) < 1e-10);
    assert_true(b.log_most > a.log_most); /* but it had been more */
}

static void looks_after_each_unit_keep_alpha_and_find_a_mismatch(void **state) {
    (void)state;
    uint32_t n_false = 0, n_right = 0, n_odd = 0;
    for (uint64_t run = 0; run < 1000; run++) {
        const tm_ab_ratio same = drawn(0.2, 0.2, 2000, run), other = drawn(0.5, 0.56, 3000, run);
        n_false += tm__ab_ratio_p_any_time(&same) < 0.05;
        n_right += tm__ab_ratio_p_any_time(&other) < TM_AB_RATIO_ALPHA;
        n_odd += tm__ab_ratio_p(&same) < 0.05;
    }
    assert_in_range(n_false, 0, 50);
    assert_in_range(n_odd, 20, 80);
    assert_in_range(n_right, 950, 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_look_is_chi_squared),
        cmocka_unit_test(evidence_does_not_depend_on_the_order),
        cmocka_unit_test(looks_after_each_unit_keep_alpha_and_find_a_mismatch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
