/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/loop_amend.h"

#include <math.h>
#include <stdint.h>

#include "base/rng.h"
#include "test.h"

static void nothing_is_added_while_little_is_known(void **state) {
    (void)state;
    tm_amend amend;
    const double terms[TM_AMEND_TERMS] = {1.0, 2.0, 0.0, 0.0};
    tm__amend_init(&amend, 500.0);
    for (uint32_t i = 0; i < 40; i++) {
        assert_true(tm__amend_predict(&amend, terms) == 0.0);
        tm__amend_update(&amend, terms, 5.0);
    }
}

/* Answers are a tenth and 3 too low; a term that never comes does not matter. */
static void a_level_and_a_scale_are_found(void **state) {
    (void)state;
    tm_amend amend;
    tm_rng rng = tm__rng_split(7, "amend", 0);
    tm__amend_init(&amend, 700.0);
    for (uint32_t i = 0; i < 3000; i++) {
        const double answer = 20.0 * tm__rng_f64(&rng);
        const double terms[TM_AMEND_TERMS] = {1.0, answer, 0.0, 0.0};
        tm__amend_update(&amend, terms, 3.0 + 0.1 * answer);
    }
    const double high[TM_AMEND_TERMS] = {1.0, 20.0, 0.0, 0.0}, low[TM_AMEND_TERMS] = {1.0};
    assert_true(fabs(tm__amend_predict(&amend, high) - 5.0) < 0.3);
    assert_true(fabs(tm__amend_predict(&amend, low) - 3.0) < 0.5);
}

static void newer_labels_count_more(void **state) {
    (void)state;
    tm_amend amend;
    const double terms[TM_AMEND_TERMS] = {1.0, 0.0, 0.0, 0.0};
    tm__amend_init(&amend, 200.0);
    for (uint32_t i = 0; i < 2000; i++) {
        tm__amend_update(&amend, terms, i < 1000 ? 4.0 : -4.0);
    }
    assert_true(tm__amend_predict(&amend, terms) < -2.5);
}

static void values_beyond_all_bounds_add_nothing(void **state) {
    (void)state;
    tm_amend amend;
    const double terms[TM_AMEND_TERMS] = {1.0, 1e300, 0.0, 0.0};
    tm__amend_init(&amend, 200.0);
    for (uint32_t i = 0; i < 100; i++) {
        tm__amend_update(&amend, terms, 1e300);
    }
    assert_true(tm__amend_predict(&amend, terms) == 0.0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_added_while_little_is_known),
        cmocka_unit_test(a_level_and_a_scale_are_found),
        cmocka_unit_test(newer_labels_count_more),
        cmocka_unit_test(values_beyond_all_bounds_add_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
