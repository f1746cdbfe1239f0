/* SPDX-License-Identifier: Apache-2.0 */
#include "metric/ab_plan.h"

#include <math.h>
#include <string.h>

#include "test.h"

static const tm_ab_plan_options usual = {.kind = TM_AB_BINARY,
                                         .baseline = 0.2,
                                         .effect = 0.02,
                                         .share = 0.5,
                                         .alpha = 0.05,
                                         .power = 0.8};

static tm_ab_plan plan(const tm_ab_plan_options *options) {
    tm_ab_plan out;
    tm_err err = {0};
    if (tm__ab_plan(options, &out, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return out;
}

/* 0.2 to 0.22: 6,510 units an arm (power.prop.test of R: 6509.5). */
static void units_are_those_of_the_usual_formulas(void **state) {
    (void)state;
    assert_in_range((uint64_t)plan(&usual).units_once, 13018, 13020);
    /* A mean, a tenth of a deviation: 2 (1.95996 + 0.84162)^2 / 0.1^2 = 1569.8 an arm. */
    const tm_ab_plan_options mean = {
        .kind = TM_AB_MEAN, .effect = -0.1, .sd = 1, .share = 0.5, .alpha = 0.05, .power = 0.8};
    assert_in_range((uint64_t)plan(&mean).units_once, 3139, 3140);
}

static void looks_cost_little_and_a_last_look_saves_much(void **state) {
    (void)state;
    for (double power = 0.6; power < 0.96; power += 0.05) {
        tm_ab_plan_options o = usual;
        o.power = power;
        const tm_ab_plan p = plan(&o);
        assert_true(p.units_once < p.units && p.units < 1.06 * p.units_once);
        assert_true(p.units_any_time > 1.4 * p.units);
        assert_true(p.power_at_once > power - 0.02 && p.power_at_once < power);
        assert_true(fabs(p.alpha_early + p.alpha_last - o.alpha) < 1e-15);
    }
}

static void unequal_arms_and_small_effects_take_more(void **state) {
    (void)state;
    tm_ab_plan_options o = usual;
    o.share = 0.1;
    assert_true(plan(&o).units > 2.5 * plan(&usual).units);
    o = usual;
    o.effect = 0.01;
    assert_true(plan(&o).units > 3.8 * plan(&usual).units);
}

static void what_cannot_be_planned_is_refused_with_a_hint(void **state) {
    (void)state;
    tm_ab_plan_options cases[8];
    for (size_t i = 0; i < 8; i++) {
        cases[i] = usual;
    }
    cases[0].alpha = 0;
    cases[1].power = 0.4;
    cases[2].share = 1;
    cases[3].effect = 0;
    cases[4].baseline = 18;
    cases[5].effect = -0.3;
    cases[6].kind = TM_AB_MEAN;
    cases[7].effect = 1e-12;
    for (size_t i = 0; i < 8; i++) {
        tm_err err = {0};
        tm_ab_plan out;
        assert_int_equal(tm__ab_plan(&cases[i], &out, &err), TM_E_INVALID);
        assert_true(err.message[0] != '\0' && err.hint[0] != '\0');
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_are_those_of_the_usual_formulas),
        cmocka_unit_test(looks_cost_little_and_a_last_look_saves_much),
        cmocka_unit_test(unequal_arms_and_small_effects_take_more),
        cmocka_unit_test(what_cannot_be_planned_is_refused_with_a_hint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
