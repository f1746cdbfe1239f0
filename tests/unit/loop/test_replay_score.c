/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "replay_case.h"
#include "test.h"

static void rows_without_a_label_do_not_count(void **state) {
    (void)state;
    tm_replay_stream s;
    tm_replay_run run;
    replay_case_stream(&(replay_made){.n_unlabelled_from = 6000}, 1, &s);
    assert_int_equal(tm__replay_run_init(&s, &run, NULL), TM_OK);
    assert_true(tm__replay_score(&s, run.answers, 1600, 8000) == 0.0); /* no answer is wrong */
    assert_true(isnan(tm__replay_score(&s, run.answers, 6000, 8000)));
    memcpy(run.answers, s.y, s.n_rows * sizeof(double));
    assert_true(tm__replay_score(&s, run.answers, 1600, 8000) == 1.0);
    json_t *const curve = tm__replay_curve(&s, run.answers);
    json_t *const rows = tm__replay_curve_rows(&s);
    assert_int_equal(json_array_size(curve), TM_REPLAY_CURVE);
    assert_true(json_is_null(json_array_get(curve, TM_REPLAY_CURVE - 1)));
    assert_int_equal(json_integer_value(json_array_get(rows, TM_REPLAY_CURVE - 1)), 8000);
    json_decref(curve);
    json_decref(rows);
    tm__replay_run_done(&run);
    tm__replay_stream_done(&s);
}

static void values_are_scored_by_their_distance(void **state) {
    (void)state;
    tm_replay_stream s;
    tm_replay_run run;
    replay_case_stream(&(replay_made){.is_value = true}, 1, &s);
    assert_int_equal(tm__replay_run_init(&s, &run, NULL), TM_OK);
    for (uint64_t row = 0; row < s.n_rows; row++) {
        run.answers[row] = s.y[row] + 2.0;
    }
    assert_true(fabs(tm__replay_score(&s, run.answers, 0, 8000) + 2.0) < 1e-12);
    tm__replay_run_done(&run);
    tm__replay_stream_done(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_without_a_label_do_not_count),
        cmocka_unit_test(values_are_scored_by_their_distance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
