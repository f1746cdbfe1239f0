/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "loop/loop_priv.h"

static void a_fifth_is_held_out_or_half_of_few(void **state) {
    static const struct {
        uint64_t n, want;
    } cases[] = {{0, 0}, {1, 0}, {40, 20}, {399, 199}, {400, 200}, {1000, 200}, {5000, 1000}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(tm__loop_held_count(cases[i].n), cases[i].want);
    }
}

static void labels_mature_by_the_declared_delay(void **state) {
    (void)state;
    json_t *const recipe = json_pack("{s:{s:i}}", "labels", "delay_us", 300);
    const tm_label_cut cut = tm__loop_label_cut(recipe, 7, 1000),
                       any = tm__loop_label_cut(NULL, 7, 1000);
    assert_true(cut.joined_us == 7 && cut.known_us == 1000 && cut.moment_us == 700);
    assert_true(any.joined_us == 7 && any.known_us == 1000 && any.moment_us == INT64_MAX);
    json_decref(recipe);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fifth_is_held_out_or_half_of_few),
        cmocka_unit_test(labels_mature_by_the_declared_delay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
