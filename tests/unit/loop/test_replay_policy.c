/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "replay_case.h"
#include "test.h"

static void the_policy_follows_what_changes(void **state) {
    (void)state;
    tm_replay_stream s;
    tm_replay_run run;
    tm_ctx ctx = {0};
    json_t *json = NULL;
    const tm_replay_options options = {.target = "y"};
    replay_case_stream(&(replay_made){.is_secret = true}, 1, &s);
    assert_int_equal(tm__replay_run_init(&s, &run, NULL), TM_OK);
    assert_int_equal(tm__replay_policy(&ctx, &s, &options, &run, &json, NULL), TM_OK);
    assert_true(run.score > 0.8);
    assert_true(run.n_retrains > 0 && tm__json_i64(json, "changes", 0) > 0);
    const json_t *turn = NULL;
    size_t i = 0;
    json_array_foreach(json_object_get(json, "turns"), i, turn) {
        const uint64_t row = (uint64_t)tm__json_i64(turn, "row", 0) - 1;
        assert_true((uint64_t)tm__json_i64(turn, "to", 0) <= s.known[row]); /* nothing later */
    }
    assert_int_equal(i, run.n_retrains + 7);
    json_decref(json);
    tm__replay_run_done(&run);
    tm__replay_stream_done(&s);
}

static void replay(const tm_replay_stream *s, double *out_score, json_t **out) {
    tm_replay_run run;
    tm_ctx ctx = {0};
    const tm_replay_options options = {.target = "y"};
    assert_int_equal(tm__replay_run_init(s, &run, NULL), TM_OK);
    assert_int_equal(tm__replay_policy(&ctx, s, &options, &run, out, NULL), TM_OK);
    *out_score = run.score;
    tm__replay_run_done(&run);
}

/* Labels in runs of 500 that no column tells, known 20 rows later: the last one is the best there
 * is, and the policy finds that; twice the same. */
static void a_rule_that_is_best_is_followed(void **state) {
    (void)state;
    tm_replay_stream s;
    json_t *json = NULL, *again = NULL;
    double score = 0.0, score_again = 0.0;
    replay_case_stream(&(replay_made){.n_rows = 4000}, 20, &s);
    for (uint64_t row = 0; row < s.n_rows; row++) {
        s.y[row] = row / 500 % 2 == 0 ? 0.0 : 1.0;
    }
    replay(&s, &score, &json);
    replay(&s, &score_again, &again);
    assert_true(score > 0.93 && score == score_again);
    assert_true(json_equal(json_object_get(json, "turns"), json_object_get(again, "turns")));
    json_decref(json);
    json_decref(again);
    tm__replay_stream_done(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_policy_follows_what_changes),
        cmocka_unit_test(a_rule_that_is_best_is_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
