/* SPDX-License-Identifier: Apache-2.0 */
#include "metric/uniform.h"

#include <math.h>

#include "ab_figures.h"
#include "base/rng.h"
#include "test.h"

static void boundaries_are_those_of_confseq(void **state) {
    (void)state;
    /* Where c is small beside sqrt(v), confseq's terms cancel: at v 1000 and c 0.1 its root misses
     * by 5e-10 of the logarithm, ours by 2e-13 (mpmath, 50 digits). */
    static const struct {
        const char *name;
        double most;
    } cases[] = {{"normal", 1e-13}, {"gamma", 2e-8}, {"gamma_log", 1e-8}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t n = 0;
        const double worst = ab_figures_worst(cases[i].name, &n);
        print_message("%s: %u figures, largest relative distance %.1e\n", cases[i].name, n, worst);
        assert_true(n >= 24);
        assert_true(worst < cases[i].most);
    }
}

static void a_boundary_is_where_the_mixture_is_one_over_alpha(void **state) {
    (void)state;
    for (double c = 0.01; c < 100; c *= 7) {
        const tm_gamma_mixture m = tm__gamma_mixture(500, 0.025, c);
        double last = 0;
        for (double v = 0; v < 1e6; v = 3 * v + 1) {
            const double s = tm__gamma_mixture_bound(&m, v, 0.025);
            assert_true(fabs(tm__gamma_mixture_log(&m, s, v) - log(40)) < 1e-8);
            assert_true(s > last);
            last = s;
        }
    }
}

/* The cheap look never misses a crossing. */
static void what_is_mixed_is_nowhere_below_the_mixture(void **state) {
    (void)state;
    tm_rng rng = tm__rng_split(5, "mixture", 0);
    for (unsigned i = 0; i < 20000; i++) {
        const double c = exp(6 * tm__rng_f64(&rng) - 3);
        const tm_gamma_mixture m =
            tm__gamma_mixture(exp(10 * tm__rng_f64(&rng)), 0.2 * tm__rng_f64(&rng) + 1e-4, c);
        const double v = exp(12 * tm__rng_f64(&rng) - 2);
        const double s = (tm__rng_f64(&rng) - 0.3) * 10 * sqrt(v);
        assert_true(tm__gamma_mixture_log_most(&m, s, v) >= tm__gamma_mixture_log(&m, s, v) - 1e-9);
    }
}

static void a_tuned_boundary_is_lower_there_than_others(void **state) {
    (void)state;
    const double at = tm__normal_mixture(1000, 0.05, tm__mixture_rho(1000, 0.05));
    for (double v = 10; v < 1e6; v *= 1.5) {
        assert_true(at <= tm__normal_mixture(1000, 0.05, tm__mixture_rho(v, 0.05)) * 1.001);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(boundaries_are_those_of_confseq),
        cmocka_unit_test(a_boundary_is_where_the_mixture_is_one_over_alpha),
        cmocka_unit_test(what_is_mixed_is_nowhere_below_the_mixture),
        cmocka_unit_test(a_tuned_boundary_is_lower_there_than_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
