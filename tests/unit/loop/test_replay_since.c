/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "loop/replay_policy_priv.h"
#include "replay_case.h"
#include "test.h"

#define CHANGE 4000u
#define LATE 1000u

/* Accuracy of rows begin to end; what a label means turns over with each `lasts` rows from CHANGE
 * on. */
static double score_of(uint64_t lasts, uint64_t begin, uint64_t end, json_t **out) {
    tm_replay_stream s;
    tm_replay_run run;
    tm_ctx ctx = {0};
    const tm_replay_options options = {.target = "y"};
    replay_case_stream(&(replay_made){.n_rows = 0}, LATE, &s);
    for (uint64_t row = CHANGE; row < s.n_rows; row++) {
        s.y[row] = (row - CHANGE) / lasts % 2 == 0 ? 1.0 - s.y[row] : s.y[row];
    }
    assert_int_equal(tm__replay_run_init(&s, &run, NULL), TM_OK);
    assert_int_equal(tm__replay_policy(&ctx, &s, &options, &run, out, NULL), TM_OK);
    const double score = tm__replay_score(&s, run.answers, begin, end);
    tm__replay_run_done(&run);
    tm__replay_stream_done(&s);
    return score;
}

/* Worlds of which the arm of the newest rows has learned alone. */
static uint32_t count_worlds(const json_t *json) {
    uint32_t n = 0;
    int64_t last = 0;
    const json_t *turn = NULL;
    size_t i = 0;
    json_array_foreach(json_object_get(json, "turns"), i, turn) {
        const int64_t from = tm__json_i64(turn, "from", 0), to = tm__json_i64(turn, "to", 0);
        if (strcmp(tm__json_text(turn, "arm", ""), "line of 700") == 0 && to - from + 1 < 700) {
            n += from > last + 100 ? 1 : 0;
            last = from;
        }
    }
    return n;
}

/* The first label of the new world comes 1,000 rows after it began, the first one that tells of
 * what was learned since another 1,000 later; it answers before. */
static void a_change_that_is_sure_is_followed_before_labels_tell(void **state) {
    (void)state;
    json_t *json = NULL;
    const double score = score_of(100000, CHANGE + LATE + 250, CHANGE + 2 * LATE, &json);
    assert_true(score > 0.95);
    assert_int_equal(count_worlds(json), 1);
    json_decref(json);
}

/* What was learned of it would answer when it is over. */
static void worlds_that_last_no_longer_than_labels_take_are_not_followed(void **state) {
    (void)state;
    json_t *json = NULL;
    (void)score_of(1500, 0, CHANGE, &json);
    assert_true(tm__json_i64(json, "changes", 0) > 0);
    assert_in_range(count_worlds(json), 0, 1);
    json_decref(json);
}

static void usual_errors_are_those_of_blocks_of_labels(void **state) {
    (void)state;
    tm_replay_stream s;
    tm_replay_running *const r = tm__mem_zalloc(1, sizeof(*r));
    replay_case_stream(&(replay_made){.n_rows = 0}, LATE, &s);
    r->stream = &s;
    r->since.besides = tm__mem_alloc(s.n_rows, sizeof(double));
    r->together = tm__mem_alloc(s.n_rows, sizeof(double));
    for (uint64_t row = 0; row < s.n_rows; row++) {
        r->since.besides[row] = NAN;
        r->together[row] = s.y[row];
    }
    for (uint64_t row = 0; row < 2000; row++) { /* in turn none and half */
        tm__replay_since_note(r, row, row / 100 % 2 == 0 ? 0.0 : (double)(row % 2));
    }
    assert_true(fabs(r->since.usual - 0.25) < 0.01);
    assert_true(fabs(sqrt(r->since.spread) - 0.25) < 0.01);
    assert_true(r->since.gain == 0.0);
    r->since.is_on = true;
    for (uint64_t row = 2000; row < 2200; row++) { /* of a world that is over */
        r->since.besides[row] = 1.0 - s.y[row];
        tm__replay_since_note(r, row, 1.0);
    }
    assert_true(fabs(r->since.usual - 0.25) < 0.01);
    assert_true(r->since.gain > 190.0 && r->since.gain < 200.0);
    tm__mem_free(r->since.besides);
    tm__mem_free(r->together);
    tm__mem_free(r);
    tm__replay_stream_done(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_that_is_sure_is_followed_before_labels_tell),
        cmocka_unit_test(worlds_that_last_no_longer_than_labels_take_are_not_followed),
        cmocka_unit_test(usual_errors_are_those_of_blocks_of_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
