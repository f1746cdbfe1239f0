/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "store/settle.h"
#include "temp_home.h"

static void what_is_asked_is_seen_and_answered_by_its_number(void **state) {
    tm_settle ask = {0}, seen = {0}, second = {.begins_anew = true};
    tm__settle_asked(*state, &seen);
    assert_int_equal(seen.number, 0);
    assert_int_equal(tm__settle_ask(*state, &ask, NULL), TM_OK);
    tm__settle_asked(*state, &seen);
    assert_true(seen.number == ask.number && seen.number != 0 && !seen.begins_anew);
    assert_false(tm__settle_is_answered(*state, ask.number));
    assert_int_equal(tm__settle_answer(*state, ask.number, NULL), TM_OK);
    assert_true(tm__settle_is_answered(*state, ask.number));
    assert_int_equal(tm__settle_ask(*state, &second, NULL), TM_OK);
    tm__settle_asked(*state, &seen);
    assert_true(seen.number == second.number && seen.begins_anew);
    assert_false(tm__settle_is_answered(*state, second.number));
    tm__settle_end(*state);
    tm__settle_asked(*state, &seen);
    assert_true(seen.number == 0 && !seen.begins_anew);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(
        what_is_asked_is_seen_and_answered_by_its_number, tm__temp_home_open, tm__temp_home_close)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
