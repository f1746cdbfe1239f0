/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "base/mem.h"
#include "replay_case.h"
#include "test.h"

static void run(const replay_made *how, const tm_replay_plan *plan, tm_replay_run *out) {
    tm_replay_stream stream;
    tm_ctx ctx = {0};
    replay_case_stream(how, 10, &stream);
    assert_int_equal(tm__replay_run_init(&stream, out, NULL), TM_OK);
    assert_int_equal(tm__replay_plan_run(&ctx, &stream, plan, out, NULL), TM_OK);
    tm__replay_stream_done(&stream);
}

static void a_schedule_learns_every_so_many_rows(void **state) {
    (void)state;
    const replay_made how = {0};
    const tm_replay_plan never = {0}, often = {.every = 1000, .window = 2000};
    tm_replay_run out;
    run(&how, &never, &out);
    assert_int_equal(out.n_retrains, 0);
    assert_true(out.score > 0.99);
    tm__replay_run_done(&out);
    run(&how, &often, &out);
    assert_int_equal(out.n_retrains, (REPLAY_ROWS - REPLAY_ROWS / 5 - 1) / 1000);
    tm__replay_run_done(&out);
}

static void errors_that_rise_ask_for_a_turn_and_quiet_does_not(void **state) {
    (void)state;
    const replay_made quiet = {0}, changing = {.is_secret = true};
    const tm_replay_plan watched = {.on_errors = true, .window = 500}, never = {0};
    tm_replay_run out, still;
    run(&quiet, &watched, &out);
    assert_int_equal(out.n_retrains, 0);
    tm__replay_run_done(&out);
    run(&changing, &watched, &out);
    run(&changing, &never, &still);
    assert_true(out.n_retrains > 0);
    assert_true(out.score > still.score);
    tm__replay_run_done(&out);
    tm__replay_run_done(&still);
}

static void a_gate_that_asks_for_too_much_keeps_the_first_model(void **state) {
    (void)state;
    const replay_made how = {.is_secret = true};
    const tm_replay_plan never = {0}, shut = {.every = 500, .has_gate = true, .gate_by = 2},
                         open = {.every = 500, .window = 500, .has_gate = true, .gate_by = 0};
    tm_replay_run first, refused, passed;
    run(&how, &never, &first);
    run(&how, &shut, &refused);
    run(&how, &open, &passed);
    assert_true(refused.n_retrains > 0);
    for (uint64_t row = REPLAY_ROWS / 5; row < REPLAY_ROWS; row++) {
        assert_true(first.answers[row] == refused.answers[row]);
    }
    assert_true(passed.score > first.score);
    tm__replay_run_done(&first);
    tm__replay_run_done(&refused);
    tm__replay_run_done(&passed);
}

static void models_that_are_kept_answer_as_those_that_are_learned_again(void **state) {
    (void)state;
    const replay_made how = {.is_secret = true};
    tm_replay_kept *const kept = tm__mem_zalloc(1, sizeof(*kept));
    tm_replay_plan plan = {.every = 500, .window = 500, .has_gate = true};
    tm_replay_run runs[3];
    tm_replay_stream stream;
    tm_ctx ctx = {0};
    uint32_t n = 0;
    replay_case_stream(&how, 10, &stream);
    for (int i = 0; i < 3; i++) {
        plan.kept = i > 0 ? kept : NULL;
        assert_int_equal(tm__replay_run_init(&stream, &runs[i], NULL), TM_OK);
        assert_int_equal(tm__replay_plan_run(&ctx, &stream, &plan, &runs[i], NULL), TM_OK);
        assert_true(i < 2 || kept->n == n); /* the third learns nothing */
        n = kept->n;
    }
    assert_int_equal(n, runs[0].n_retrains + 1);
    for (uint64_t row = stream.first; row < stream.n_rows; row++) {
        assert_true(runs[0].answers[row] == runs[1].answers[row]);
        assert_true(runs[0].answers[row] == runs[2].answers[row]);
    }
    for (int i = 0; i < 3; i++) {
        tm__replay_run_done(&runs[i]);
    }
    tm__replay_kept_reset(kept);
    tm__mem_free(kept);
    tm__replay_stream_done(&stream);
}

static void chances_are_kept_where_they_are_asked_for(void **state) {
    (void)state;
    const replay_made how = {0};
    const tm_replay_plan plan = {0};
    tm_replay_stream stream;
    tm_replay_run out;
    tm_ctx ctx = {0};
    replay_case_stream(&how, 10, &stream);
    assert_int_equal(tm__replay_run_init(&stream, &out, NULL), TM_OK);
    out.chances = tm__mem_zalloc(stream.n_rows, sizeof(*out.chances));
    out.positive = 1;
    assert_int_equal(tm__replay_plan_run(&ctx, &stream, &plan, &out, NULL), TM_OK);
    for (uint64_t row = stream.first; row < stream.n_rows; row++) {
        assert_true((out.chances[row] > 0.5) == (out.answers[row] == 1.0));
    }
    tm__replay_run_done(&out);
    tm__replay_stream_done(&stream);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_schedule_learns_every_so_many_rows),
        cmocka_unit_test(errors_that_rise_ask_for_a_turn_and_quiet_does_not),
        cmocka_unit_test(a_gate_that_asks_for_too_much_keeps_the_first_model),
        cmocka_unit_test(models_that_are_kept_answer_as_those_that_are_learned_again),
        cmocka_unit_test(chances_are_kept_where_they_are_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
