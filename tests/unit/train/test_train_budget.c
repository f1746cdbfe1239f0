/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>

#include "base/clock.h"
#include "train/train_search_priv.h"

static void parts_of_work_are_shares_of_what_is_left(void **state) {
    (void)state;
    const tm_budget whole = {.work_limit = 1000, .work_used = 200};
    assert_int_equal(tm__budget_part(&whole, 0.5).work_limit, 400);
    /* A part always has a checkpoint to end at. */
    const tm_budget spent = {.work_limit = 10, .work_used = 20};
    assert_int_equal(tm__budget_part(&spent, 0.5).work_limit, 1);
    assert_true(tm__budget_used(&spent) == 1.0);
    assert_true(tm__budget_used(&whole) == 0.2);
    assert_true(isnan(tm__budget_used(NULL)));
}

static void room_is_asked_of_work_and_of_the_clock(void **state) {
    (void)state;
    tm_budget work = {.work_limit = 1000, .work_used = 200};
    assert_true(tm__budget_has_room(&work, (tm_need){.work = 800, .ns = 1e18}));
    assert_false(tm__budget_has_room(&work, (tm_need){.work = 801}));
    tm_budget clock = {.deadline_ns = tm__mono_ns() + UINT64_C(3600000000000)};
    assert_true(tm__budget_has_room(&clock, (tm_need){.work = 1e18, .ns = 1e9}));
    assert_false(tm__budget_has_room(&clock, (tm_need){.ns = 4e12}));
    tm_budget none = {0};
    assert_true(tm__budget_has_room(&none, (tm_need){.work = 1e18, .ns = 1e18}));
}

static void kept_answers_stand_for_the_clock(void **state) {
    (void)state;
    tm_stops stops = {.is_repeat = true, .n = 1, .at = {2}};
    tm_budget whole = {.deadline_ns = 1, .stops = &stops};
    tm_budget part = tm__budget_part(&whole, 0.5);
    assert_true(tm__budget_has_room(&part, (tm_need){.ns = 1e18}));
    assert_false(tm__budget_has_room(&part, (tm_need){0}));
    assert_true(tm__budget_has_room(&part, (tm_need){0}));
    assert_int_equal(stops.n_asked, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_of_work_are_shares_of_what_is_left),
        cmocka_unit_test(room_is_asked_of_work_and_of_the_clock),
        cmocka_unit_test(kept_answers_stand_for_the_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
