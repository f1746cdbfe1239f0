/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "replay_case.h"
#include "test.h"

/* Labels of a row count up to seven and begin anew. */
static void a_period_is_found(void **state) {
    (void)state;
    tm_replay_stream s;
    tm_replay_run run;
    json_t *json = NULL;
    const tm_replay_options options = {.target = "y"};
    replay_case_stream(&(replay_made){0}, 20, &s);
    for (uint64_t row = 0; row < s.n_rows; row++) {
        s.y[row] = row % 7 < 3 ? 1.0 : 0.0;
    }
    assert_int_equal(tm__replay_run_init(&s, &run, NULL), TM_OK);
    assert_int_equal(tm__replay_rules(&s, &options, &run, &json, NULL), TM_OK);
    assert_string_equal(tm__json_text(json, "rule", ""), "period");
    assert_int_equal(tm__json_i64(json, "period_rows", 0), 21);
    assert_true(run.score == 1.0);
    const json_t *const rules = json_object_get(json, "rules");
    assert_true(fabs(tm__json_f64(rules, "majority", 0.0) - 4.0 / 7.0) < 0.01);
    assert_true(tm__json_f64(rules, "last", 1.0) < 0.75);
    json_decref(json);
    tm__replay_run_done(&run);
    tm__replay_stream_done(&s);
}

static void a_period_that_is_given_is_looked_back_by(void **state) {
    (void)state;
    tm_replay_stream s;
    tm_replay_run run;
    json_t *json = NULL;
    const tm_replay_options options = {.target = "y", .period = 7};
    replay_case_stream(&(replay_made){.is_value = true}, 30, &s);
    assert_int_equal(tm__replay_run_init(&s, &run, NULL), TM_OK);
    assert_int_equal(tm__replay_rules(&s, &options, &run, &json, NULL), TM_OK);
    assert_int_equal(tm__json_i64(json, "period_rows", 0), 35);
    assert_string_equal(tm__json_text(json, "rule", ""), "majority");
    assert_true(fabs(run.score + 1.5) < 0.01); /* of 0 and 3 the mean */
    json_decref(json);
    tm__replay_run_done(&run);
    tm__replay_stream_done(&s);
}

/* Half of the labels that are known teach too little for a lag longer than the delay. */
static void without_a_period_its_rule_has_no_score(void **state) {
    (void)state;
    tm_replay_stream s;
    tm_replay_run run;
    json_t *json = NULL;
    const tm_replay_options options = {.target = "y"};
    replay_case_stream(&(replay_made){.is_value = true}, REPLAY_ROWS / 5 - 100, &s);
    assert_int_equal(tm__replay_run_init(&s, &run, NULL), TM_OK);
    assert_int_equal(tm__replay_rules(&s, &options, &run, &json, NULL), TM_OK);
    assert_int_equal(tm__json_i64(json, "period_rows", -1), 0);
    assert_true(json_is_null(json_object_get(json_object_get(json, "rules"), "period")));
    assert_string_not_equal(tm__json_text(json, "rule", ""), "period");
    json_decref(json);
    tm__replay_run_done(&run);
    tm__replay_stream_done(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_period_is_found),
        cmocka_unit_test(a_period_that_is_given_is_looked_back_by),
        cmocka_unit_test(without_a_period_its_rule_has_no_score),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
