/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/replay_near.h"

#include "replay_case.h"
#include "test.h"

/* Columns of a table in order: what stays, or grows by one a row, is told apart. */
static void rows_that_nobody_saw_are_far(void **state) {
    (void)state;
    tm_replay_stream s;
    tm_replay_near near = {0};
    replay_case_stream(&(replay_made){.is_value = true, .n_rows = 4000}, 100, &s);
    assert_int_equal(tm__replay_near_init(&s, &near, NULL), TM_OK);
    assert_true(near.n > 0 && near.n < s.schema.n_cols); /* the target is none of them */
    const double often = tm__replay_near_far(&near, 0, 4000, 4000);
    const double of_newest = tm__replay_near_far(&near, 3000, 4000, 4000);
    const double of_oldest = tm__replay_near_far(&near, 0, 1000, 4000);
    assert_true(often >= 0.0 && often <= of_oldest && of_newest <= of_oldest);
    assert_true(tm__replay_near_far(&near, 0, 0, 4000) == 0.0); /* nothing was learned */
    assert_true(tm__replay_near_far(&near, 0, 1000, 0) == 0.0); /* nothing came */
    tm__replay_near_done(&near);
    tm__replay_stream_done(&s);
}

static void distance_is_bounded_and_of_the_worst_column(void **state) {
    (void)state;
    tm_replay_sums same[4] = {{0}}, moved[4] = {{0}};
    tm_replay_near near = {.n = 2, .cols = {same, moved}};
    for (uint32_t k = 1; k < 4; k++) { /* blocks of 50 rows, half at -1 and half at 1 */
        same[k] = (tm_replay_sums){.n = 50.0 * k, .squares = 50.0 * k};
        moved[k] = same[k];
    }
    assert_true(tm__replay_near_far(&near, 0, 50, 150) == 0.0);
    moved[2].sum += 50.0; /* by one standard deviation */
    moved[3].sum += 100.0;
    assert_true(tm__replay_near_far(&near, 0, 50, 150) == 1.0);
    moved[2].sum += 5000.0;
    moved[3].sum += 10000.0;
    assert_true(tm__replay_near_far(&near, 0, 50, 150) == 4.0);
    near.n = 1;
    assert_true(tm__replay_near_far(&near, 0, 50, 150) == 0.0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_that_nobody_saw_are_far),
        cmocka_unit_test(distance_is_bounded_and_of_the_worst_column),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
