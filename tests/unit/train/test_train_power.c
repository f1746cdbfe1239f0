/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "train/train_priv.h"

/* Scores limit - scale * share^-slope at the halves of halves, off by noise times their errors. */
static tm_power_points make_points(const tm_power *power, uint32_t n, double error,
                                   uint64_t noise) {
    tm_power_points out;
    tm_rng rng = tm__rng_split(noise, "test", 0);
    memset(&out, 0, sizeof(out));
    out.n = n;
    for (uint32_t i = 0; i < n; i++) {
        double sum = -6;
        for (uint32_t k = 0; k < 12; k++) {
            sum += tm__rng_f64(&rng); /* nearly normal */
        }
        out.shares[i] = ldexp(1, (int)i + 1 - (int)n);
        out.errors[i] = error;
        out.means[i] = tm__power_at(power, out.shares[i]) + (noise > 0 ? sum * error : 0);
    }
    return out;
}

static void a_curve_without_noise_is_found_again(void **state) {
    (void)state;
    const tm_power cases[] = {{0.9, 0.05, 0.5}, {-0.3, 0.1, 0.25}, {-1, 0.4, 1}, {0.7, -0.01, 0.5}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const tm_power_points points = make_points(&cases[i], 6, 1e-7, 0);
        tm_power power;
        tm_interval gain, foretold, measured, apart;
        tm__power_fit(&points, 1, &power, &gain);
        assert_true(fabs(power.slope - cases[i].slope) < 1e-9);
        assert_true(fabs(power.limit - cases[i].limit) < 1e-6);
        const double want = tm__power_at(&cases[i], 2) - tm__power_at(&cases[i], 1);
        assert_true(fabs(gain.value - want) < 1e-6);
        assert_true(gain.low <= want + 1e-9 && gain.high >= want - 1e-9);
        tm__power_foretell(&points, 1, &foretold, &measured, &apart);
        assert_true(fabs(foretold.value - measured.value) < 1e-6);
    }
}

static void the_interval_holds_the_truth_nineteen_times_of_twenty(void **state) {
    (void)state;
    const tm_power truth = {0.9, 0.05, 0.5};
    const double want = tm__power_at(&truth, 2) - tm__power_at(&truth, 1);
    uint32_t n_held = 0;
    for (uint64_t noise = 1; noise <= 200; noise++) {
        const tm_power_points points = make_points(&truth, 6, 0.002, noise);
        tm_power power;
        tm_interval gain;
        tm__power_fit(&points, 1, &power, &gain);
        n_held += gain.low <= want && gain.high >= want;
    }
    assert_in_range(n_held, 180, 200); /* seeds are fixed, so is the count */
}

static void a_flat_line_has_a_gain_of_either_sign(void **state) {
    (void)state;
    const tm_power flat = {0.6, 0, 0.5};
    const tm_power_points points = make_points(&flat, 5, 0.01, 3);
    tm_power power;
    tm_interval gain;
    tm__power_fit(&points, 1, &power, &gain);
    assert_true(gain.low < 0 && gain.high > 0);
}

static void what_the_points_share_cancels_in_a_gain(void **state) {
    (void)state;
    const tm_power truth = {0.9, 0.05, 0.5};
    tm_power power;
    tm_interval alone, shared, apart;
    tm_power_points points = make_points(&truth, 6, 0.0005, 0);
    tm__power_fit(&points, 1, &power, &alone);
    points.n_parts = TM_POWER_PARTS;
    for (uint32_t i = 0; i < points.n; i++) {
        for (uint32_t k = 0; k < TM_POWER_PARTS; k++) {
            points.moves[i][k] = k % 2 == 0 ? 0.01 : -0.01;
        }
    }
    tm__power_fit(&points, 1, &power, &shared);
    assert_true(shared.high - shared.low < 2 * (alone.high - alone.low));
    for (uint32_t k = 0; k < TM_POWER_PARTS; k++) { /* now the largest moves by itself */
        points.moves[points.n - 1][k] *= 2;
    }
    tm__power_fit(&points, 1, &power, &apart);
    assert_true(apart.high - apart.low > 3 * (alone.high - alone.low));
}

static void a_curve_that_ends_is_not_as_foretold(void **state) {
    (void)state;
    const tm_power truth = {0.9, 0.05, 0.5};
    tm_power_points points = make_points(&truth, 6, 0.0005, 0);
    tm_interval foretold, measured, apart;
    tm__power_foretell(&points, 1, &foretold, &measured, &apart);
    assert_true(apart.low <= 0 && apart.high >= 0);
    points.means[5] = points.means[4] - 0.02;
    tm__power_foretell(&points, 1, &foretold, &measured, &apart);
    assert_true(apart.high < 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_curve_without_noise_is_found_again),
        cmocka_unit_test(the_interval_holds_the_truth_nineteen_times_of_twenty),
        cmocka_unit_test(a_flat_line_has_a_gain_of_either_sign),
        cmocka_unit_test(what_the_points_share_cancels_in_a_gain),
        cmocka_unit_test(a_curve_that_ends_is_not_as_foretold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
