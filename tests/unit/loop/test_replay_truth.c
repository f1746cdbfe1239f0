/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "loop/replay_policy_priv.h"
#include "test.h"

#define ROWS 6u

typedef struct truth_case {
    tm_replay_stream stream;
    tm_replay_running r;
    double y[ROWS], together[ROWS], besides[ROWS], room[2];
    float answers[N_MEMBERS][ROWS * 2], none[ROWS * 2];
    tm_blend_shares shares[4];
} truth_case;

/* Two classes; member 0 is sure of the first, member 1 of the second; the others say nothing. */
static void begin(truth_case *c) {
    memset(c, 0, sizeof(*c));
    c->stream = (tm_replay_stream){.is_classes = true, .n_rows = ROWS, .n_outputs = 2, .y = c->y};
    c->r.stream = &c->stream;
    c->r.shares = c->shares;
    c->r.together = c->together;
    c->r.since.besides = c->besides;
    c->r.room = c->room;
    for (uint32_t k = 0; k < ROWS * 2; k++) {
        c->none[k] = NAN;
        for (uint32_t i = 0; i < N_MEMBERS; i++) {
            c->answers[i][k] = i < 2 ? (k % 2 == i ? 1.0F : 0.0F) : NAN;
        }
    }
    for (uint32_t i = 0; i < N_MEMBERS; i++) {
        c->r.arms[i].answers = c->answers[i];
        c->r.arms[i].answers_before = c->none;
    }
    c->shares[0].both[0] = 0.6;
    c->shares[0].both[1] = 0.2;
    c->shares[0].both[2] = 0.2; /* it gives no answer */
    const tm_policy_terms terms = tm__replay_terms(&c->stream);
    tm__policy_init(&c->r.policy, &terms);
}

static void the_mean_is_of_those_that_answered(void **state) {
    (void)state;
    truth_case c;
    double out[2];
    begin(&c);
    tm__replay_answer_of_all(&c.r, 0, c.shares[0].both, out);
    assert_true(fabs(out[0] - 0.75) < 1e-9 && fabs(out[1] - 0.25) < 1e-9);
}

static void rows_that_nobody_answered_or_labelled_tell_nothing(void **state) {
    (void)state;
    truth_case c;
    begin(&c);
    c.together[0] = c.together[1] = NAN;
    c.y[2] = NAN;
    tm__replay_tell_labels(&c.r, 5);
    assert_int_equal(c.r.policy.n_labels, 2);
    assert_int_equal(c.r.n_known, 5);
    assert_true(c.r.policy.record[0] >
                3.9); /* a rule that says nothing is wrong where labels are */
    tm__replay_tell_labels(&c.r, 5);
    assert_int_equal(c.r.policy.n_labels, 2);
    const tm_blend_sums *const sums = &c.r.policy.blend.slow;
    assert_true(sums->products[0][0] == 0.0 && sums->products[1][1] > 3.9);
    const uint32_t n = c.r.policy.blend.n;
    const double all = sums->products[n][n];
    assert_true(fabs(sums->products[5][5] - all) < 1e-9 && all > 0.2); /* as all together */
}

static void the_first_part_has_shares_of_its_own(void **state) {
    (void)state;
    truth_case c;
    begin(&c);
    c.r.warm_begin = 10;
    c.r.warm_end = 10 + TICK_ROWS + 1;
    c.stream.first = 500;
    assert_ptr_equal(tm__replay_shares_at(&c.r, 10), c.shares);
    assert_ptr_equal(tm__replay_shares_at(&c.r, 10 + TICK_ROWS), c.shares + 1);
    assert_ptr_equal(tm__replay_shares_at(&c.r, 500), c.shares + 2);
    assert_ptr_equal(tm__replay_shares_at(&c.r, 500 + TICK_ROWS), c.shares + 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mean_is_of_those_that_answered),
        cmocka_unit_test(rows_that_nobody_answered_or_labelled_tell_nothing),
        cmocka_unit_test(the_first_part_has_shares_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
