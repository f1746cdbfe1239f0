/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/loop_admit.h"

#include "base/clock.h"
#include "test.h"

static void a_turn_waits_until_it_fits_and_says_how_long(void **state) {
    (void)state;
    tm_turn turn = {.story = json_object()};
    const tm_admission large = {.needs_bytes = 900, .free_bytes = 1000};
    const char *reason = NULL;
    assert_false(tm__admit_waits(&turn, NULL));
    tm__clock_fix(1000000);
    tm__admit_wait(&turn, &large, "it is large");
    tm__clock_fix(2000000);
    tm__admit_wait(&turn, &large, "it still is");
    assert_true(tm__admit_waits(&turn, &reason));
    assert_string_equal(reason, "it still is");
    const json_t *const waits = json_object_get(turn.story, "waits");
    assert_string_equal(tm__json_text(waits, "since", ""), "1970-01-01T00:00:01Z");
    assert_false(tm__admit_fits(&turn, 1000)); /* a fourth more than it needs */
    assert_true(tm__admit_fits(&turn, 1125));
    assert_true(tm__admit_fits(&turn, 0)); /* not known */
    tm__admit_begin(&turn, &(tm_admission){.needs_bytes = 900, .free_bytes = 2000});
    assert_false(tm__admit_waits(&turn, NULL));
    assert_int_equal(tm__json_i64(json_object_get(turn.story, "plan"), "free_bytes", 0), 2000);
    json_decref(turn.story);
}

static void what_is_held_counts_against_a_bound(void **state) {
    (void)state;
    assert_true(tm__admit_free(0, 100) > 1000);
    assert_int_equal(tm__admit_free(1000, 0), 1000);
    assert_int_equal(tm__admit_free(1000, 300), 700);
    assert_int_equal(tm__admit_free(1000, 3000), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_turn_waits_until_it_fits_and_says_how_long),
        cmocka_unit_test(what_is_held_counts_against_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
