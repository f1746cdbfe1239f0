/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of one look: Welch's by mpmath, and the two-sample z-test of shares. */
#include "metric/ab_compare.h"

#include <math.h>

#include "ab_figures.h"
#include "base/rng.h"
#include "test.h"

static tm_ab_compare begin(tm_ab_kind kind, double share, double alpha) {
    const tm_ab_options options = {
        .kind = kind, .high = 1, .share = share, .alpha = alpha, .units = 2000};
    tm_ab_compare c;
    assert_int_equal(tm__ab_compare_init(&options, &c, NULL), TM_OK);
    return c;
}

static void intervals_are_those_of_confseq(void **state) {
    (void)state;
    static const char *const names[] = {"low", "high"};
    for (size_t i = 0; i < 2; i++) {
        uint32_t n = 0;
        const double worst = ab_figures_worst(names[i], &n);
        print_message("%s: %u figures, largest relative distance %.1e\n", names[i], n, worst);
        assert_true(n >= 16 && worst < 1e-9);
    }
}

static double draw(tm_rng *rng, tm_ab_kind kind, double effect) {
    if (kind == TM_AB_BINARY) {
        return tm__rng_f64(rng) < 0.3 + effect ? 1 : 0;
    }
    const double u = tm__rng_f64(rng);
    return kind == TM_AB_BOUNDED ? u * u * (1 - effect) + effect : 50 * u * u + 50 * effect;
}

/* Of 400 runs with a look after each of 3,000 units, at most alpha of which may be decided, and
 * nearly all where there is a difference. */
static void looks_after_each_unit_keep_alpha_and_find_what_is_there(void **state) {
    (void)state;
    for (int kind = TM_AB_BINARY; kind <= TM_AB_MEAN; kind++) {
        uint32_t n_false = 0, n_right = 0, n_wrong = 0;
        for (uint64_t run = 0; run < 400; run++) {
            tm_rng rng = tm__rng_split(run, "compare", (uint64_t)kind);
            tm_ab_compare same = begin((tm_ab_kind)kind, 0.5, 0.1), other = same;
            for (unsigned i = 0; i < 3000; i++) {
                const uint32_t arm = tm__rng_f64(&rng) < 0.5;
                tm__ab_compare_add(&same, arm, draw(&rng, (tm_ab_kind)kind, 0));
                tm__ab_compare_add(&other, arm, draw(&rng, (tm_ab_kind)kind, arm == 1 ? -0.1 : 0));
            }
            n_false += same.decided_at > 0;
            n_right += other.decided_at > 0 && other.decided_sign < 0;
            n_wrong += other.decided_at > 0 && other.decided_sign > 0;
        }
        assert_in_range(n_false, 0, 40);
        assert_in_range(n_right, 380, 400);
        assert_int_equal(n_wrong, 0);
    }
}

/* The first look at which the interval leaves null out is when it is decided, and p says the
 * same. */
static void interval_p_and_decision_agree(void **state) {
    (void)state;
    for (int kind = TM_AB_BINARY; kind <= TM_AB_MEAN; kind++) {
        tm_rng rng = tm__rng_split(7, "agree", (uint64_t)kind);
        tm_ab_compare c = begin((tm_ab_kind)kind, 0.3, 0.05);
        uint64_t first = 0;
        for (uint64_t i = 1; i <= 4000; i++) {
            double low = 0, high = 0;
            const uint32_t arm = tm__rng_f64(&rng) < 0.3;
            tm__ab_compare_add(&c, arm, draw(&rng, (tm_ab_kind)kind, arm == 1 ? 0.2 : 0));
            tm__ab_compare_interval(&c, &low, &high);
            const bool is_out = low > 0 || high < 0;
            assert_int_equal(is_out, tm__ab_compare_p(&c) < 0.05);
            first = first == 0 && is_out ? i : first;
            assert_int_equal(c.decided_at, first);
        }
        assert_true(first > 0 && c.decided_sign > 0);
    }
}

static void another_null_is_tested_by_the_same_sums(void **state) {
    (void)state;
    tm_ab_options options = {.kind = TM_AB_BINARY, .share = 0.5, .alpha = 0.05, .null = -0.2};
    tm_ab_compare c;
    tm_rng rng = tm__rng_split(8, "null", 0);
    assert_int_equal(tm__ab_compare_init(&options, &c, NULL), TM_OK);
    for (unsigned i = 0; i < 3000; i++) {
        tm__ab_compare_add(&c, tm__rng_f64(&rng) < 0.5, tm__rng_f64(&rng) < 0.5 ? 1 : 0);
    }
    assert_true(c.decided_at > 0 && c.decided_sign > 0); /* no difference is above -0.2 */
}

static void one_look_is_the_usual_test(void **state) {
    (void)state;
    tm_ab_look look;
    tm_ab_arm arms[2] = {{.n = 44700, .mean = 20034.0 / 44700},
                         {.n = 45489, .mean = 20119.0 / 45489}};
    for (int a = 0; a < 2; a++) {
        arms[a].spread = (double)arms[a].n * arms[a].mean * (1 - arms[a].mean);
    }
    tm__ab_look(TM_AB_BINARY, arms, 0.05, &look);
    assert_true(fabs(look.z + 1.78409) < 1e-5 && fabs(look.p - 0.0744097) < 1e-7);
    assert_true(fabs(look.low + 0.012392) < 1e-6 && fabs(look.high - 0.000582) < 1e-6);
    /* 0, 1, ... 19 and twice 0, 1, ... 14: t -1.69081 and 22.88 degrees of freedom. */
    tm_ab_arm few[2] = {{.n = 0}, {.n = 0}};
    for (int i = 0; i < 20; i++) {
        tm__ab_arm_add(&few[1], i);
    }
    for (int i = 0; i < 15; i++) {
        tm__ab_arm_add(&few[0], 2 * i);
    }
    tm__ab_look(TM_AB_MEAN, few, 0.05, &look);
    assert_true(fabs(look.p - 0.1044536) < 2e-4);
    assert_true(fabs(look.low - (-10.007238)) < 2e-3 && fabs(look.high - 1.0072376) < 2e-3);
}

static void what_is_not_known_is_no_number(void **state) {
    (void)state;
    tm_ab_look look;
    double low = 0, high = 0;
    for (int kind = TM_AB_BINARY; kind <= TM_AB_MEAN; kind++) {
        tm_ab_compare c = begin((tm_ab_kind)kind, 0.5, 0.05);
        tm__ab_compare_interval(&c, &low, &high);
        assert_true(isnan(low) && isnan(high) && isnan(tm__ab_compare_p(&c)));
        tm__ab_look((tm_ab_kind)kind, c.arms, 0.05, &look);
        assert_true(isnan(look.p) && isnan(look.difference));
        for (unsigned i = 0; i < 400; i++) { /* all alike */
            tm__ab_compare_add(&c, i % 2, 0);
        }
        tm__ab_look((tm_ab_kind)kind, c.arms, 0.05, &look);
        assert_true(isnan(look.p) && look.difference == 0);
        assert_int_equal(c.decided_at, 0);
    }
}

/* One value that is larger than all others together says nothing of the arms. */
static void a_few_large_values_are_not_judged(void **state) {
    (void)state;
    double low = 0, high = 0;
    tm_rng rng = tm__rng_split(9, "skew", 0);
    tm_ab_compare c = begin(TM_AB_MEAN, 0.5, 0.05);
    for (unsigned i = 0; i < 4000; i++) {
        tm__ab_compare_add(&c, i % 2, draw(&rng, TM_AB_MEAN, i % 2 == 1 ? 0.1 : 0));
    }
    assert_true(tm__ab_compare_skew(&c) < TM_AB_SKEW_MOST && c.decided_at > 0);
    tm__ab_compare_add(&c, 1, 1e6);
    tm__ab_compare_interval(&c, &low, &high);
    assert_true(tm__ab_compare_skew(&c) > 0.9 && isnan(low) && isnan(high));
    /* Skewed values cancel in arms of one size, and do not where one is small. */
    c = begin(TM_AB_MEAN, 0.5, 0.05);
    for (unsigned i = 0; i < 4000; i++) {
        const double u = tm__rng_f64(&rng);
        tm__ab_compare_add(&c, i % 20 == 0, -log(1 - u));
    }
    assert_true(fabs(tm__ab_compare_skew(&c) - 2 / sqrt(200)) < 0.06);
}

static void moments_do_not_depend_on_the_updates(void **state) {
    (void)state;
    static const double values[] = {3, -1, 4, 1, -5, 9, 2, 6};
    tm_ab_arm arm = {0};
    double mean = 0, spread = 0, cubes = 0;
    for (int i = 0; i < 8; i++) {
        tm__ab_arm_add(&arm, values[i]);
        mean += values[i] / 8;
    }
    for (int i = 0; i < 8; i++) {
        const double off = values[i] - mean;
        spread += off * off;
        cubes += off * off * off;
    }
    assert_true(fabs(arm.mean - mean) < 1e-14 && fabs(arm.spread - spread) < 1e-12);
    assert_true(fabs(arm.cubes - cubes) < 1e-11);
}

static void options_out_of_range_are_refused(void **state) {
    (void)state;
    static const tm_ab_options cases[] = {
        {.kind = TM_AB_BINARY, .share = 0, .alpha = 0.05},
        {.kind = TM_AB_BINARY, .share = 1, .alpha = 0.05},
        {.kind = TM_AB_BINARY, .share = 0.5, .alpha = 0},
        {.kind = TM_AB_MEAN, .share = 0.5, .alpha = 1},
        {.kind = TM_AB_BOUNDED, .share = 0.5, .alpha = 0.05},
        {.kind = TM_AB_BOUNDED, .high = INFINITY, .share = 0.5, .alpha = 0.05},
        {.kind = TM_AB_MEAN, .share = 0.5, .alpha = 0.05, .units = -1},
        {.kind = TM_AB_MEAN, .share = 0.5, .alpha = 0.05, .null = NAN},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_ab_compare c;
        assert_int_equal(tm__ab_compare_init(&cases[i], &c, NULL), TM_E_INVALID);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(intervals_are_those_of_confseq),
        cmocka_unit_test(looks_after_each_unit_keep_alpha_and_find_what_is_there),
        cmocka_unit_test(interval_p_and_decision_agree),
        cmocka_unit_test(another_null_is_tested_by_the_same_sums),
        cmocka_unit_test(one_look_is_the_usual_test),
        cmocka_unit_test(what_is_not_known_is_no_number),
        cmocka_unit_test(a_few_large_values_are_not_judged),
        cmocka_unit_test(moments_do_not_depend_on_the_updates),
        cmocka_unit_test(options_out_of_range_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
