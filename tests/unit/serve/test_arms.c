/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <stdio.h>

#include "serve/arms.h"

#define UNITS 100000

static tm_route route_of(uint32_t n, const uint32_t *weights) {
    tm_route route = {.n_arms = n, .salt = 0x5eed};
    for (uint32_t i = 0; i < n; i++) {
        route.arms[i] = (tm_arm){.version = i + 1, .weight = weights[i]};
    }
    return route;
}

static uint32_t arm_of(const tm_route *route, uint32_t unit) {
    char text[32];
    const int n = snprintf(text, sizeof text, "customer-%u", unit);
    return tm__arm_of(route, (tm_str){text, (size_t)n});
}

static void units_come_to_arms_by_their_weights(void **state) {
    (void)state;
    static const uint32_t weights[] = {8900, 1000, 100};
    const tm_route route = route_of(3, weights);
    double counts[3] = {0};
    for (uint32_t u = 0; u < UNITS; u++) {
        counts[arm_of(&route, u)]++;
    }
    for (uint32_t i = 0; i < 3; i++) { /* within five standard deviations */
        const double p = weights[i] / (double)TM_ARM_PARTS;
        assert_true(fabs(counts[i] - p * UNITS) < 5 * sqrt(UNITS * p * (1 - p)));
    }
}

static void a_unit_stays_when_weights_grow(void **state) {
    (void)state;
    static const uint32_t steps[] = {100, 1000, 5000, 9900};
    bool was_there[UNITS] = {false};
    for (size_t k = 0; k < sizeof steps / sizeof steps[0]; k++) {
        const tm_route route = route_of(2, (uint32_t[]){TM_ARM_PARTS - steps[k], steps[k]});
        for (uint32_t u = 0; u < UNITS; u++) {
            const bool is_there = arm_of(&route, u) == 1;
            assert_true(is_there || !was_there[u]);
            was_there[u] = is_there;
        }
    }
}

/* Of the units of two arms, a third takes its share from each, and none moves between them. */
static void a_new_arm_moves_only_its_own(void **state) {
    (void)state;
    const tm_route two = route_of(2, (uint32_t[]){5000, 5000});
    const tm_route three = route_of(3, (uint32_t[]){4000, 4000, 2000});
    for (uint32_t u = 0; u < UNITS; u++) {
        const uint32_t before = arm_of(&two, u), after = arm_of(&three, u);
        assert_true(after == 2 || after == before);
    }
}

static void routes_of_another_salt_split_otherwise(void **state) {
    (void)state;
    const tm_route one = route_of(2, (uint32_t[]){5000, 5000});
    tm_route other = one;
    other.salt++;
    double n_same = 0;
    for (uint32_t u = 0; u < UNITS; u++) {
        n_same += arm_of(&one, u) == arm_of(&other, u);
    }
    assert_true(fabs(n_same - UNITS / 2.0) < 5 * sqrt(UNITS / 4.0));
}

static void the_same_on_every_machine(void **state) {
    (void)state;
    const tm_route route = route_of(3, (uint32_t[]){3000, 3000, 4000});
    char got[33] = "";
    for (uint32_t u = 0; u < 32; u++) {
        got[u] = (char)('0' + arm_of(&route, u));
    }
    assert_string_equal(got, "20201002222012120102211020022010");
    assert_int_equal(tm__arm_of(&route, (tm_str){"", 0}), tm__arm_of(&route, (tm_str){"", 0}));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_come_to_arms_by_their_weights),
        cmocka_unit_test(a_unit_stays_when_weights_grow),
        cmocka_unit_test(a_new_arm_moves_only_its_own),
        cmocka_unit_test(routes_of_another_salt_split_otherwise),
        cmocka_unit_test(the_same_on_every_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
