/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "loop/replay_policy_priv.h"
#include "test.h"

#define ROWS 400u
#define LATE 20u

typedef struct amend_case {
    tm_replay_stream stream;
    tm_replay_running r;
    uint64_t known[ROWS];
    double y[ROWS], base[ROWS], terms[ROWS * TM_AMEND_TERMS];
    float answers[N_MEMBERS][ROWS];
    tm_blend_shares shares;
} amend_case;

/* Of values; the first arm has all the say and is 4 too low. */
static void begin(amend_case *c) {
    memset(c, 0, sizeof(*c));
    c->stream = (tm_replay_stream){.n_rows = ROWS, .n_outputs = 1, .y = c->y, .known = c->known};
    c->r.stream = &c->stream;
    c->r.base = c->base;
    c->r.amend_terms = c->terms;
    tm__amend_init(&c->r.amend, 300.0);
    for (uint32_t row = 0; row < ROWS; row++) {
        c->y[row] = row % 7;
        c->base[row] = NAN;
        for (uint32_t i = 0; i < N_MEMBERS; i++) {
            c->answers[i][row] = i == 0 ? (float)c->y[row] - 4.0F : NAN;
        }
    }
    for (uint32_t i = 0; i < N_MEMBERS; i++) {
        c->r.arms[i].answers = c->answers[i];
    }
    for (uint32_t set = 0; set < TM_BLEND_SETS; set++) {
        c->shares.sets[set][0] = 1.0;
    }
}

static void run(amend_case *c) {
    for (uint32_t row = 0; row < ROWS; row++) {
        c->known[row] = row > LATE ? row - LATE : 0;
    }
    for (uint32_t row = 0; row < ROWS; row += TICK_ROWS) {
        tm__replay_amend(&c->r, &c->shares, row, row + TICK_ROWS);
    }
}

static void what_answers_were_off_by_is_added(void **state) {
    (void)state;
    amend_case c;
    begin(&c);
    run(&c);
    assert_true(c.answers[AMENDED][0] == c.answers[0][0]); /* nothing is known */
    assert_true(fabs((double)c.answers[AMENDED][ROWS - 1] - c.y[ROWS - 1]) < 0.5);
    for (uint32_t i = 0; i < TM_REPLAY_LATE; i++) {
        assert_true(fabs(c.r.late_off[i] - 4.0) < 1.0);
    }
    assert_true(fabs(c.r.late_off[0] - 4.0) < 0.01);
}

/* Only what is known counts: the last period's error, once its label is there. */
static void a_period_ago_counts_once_its_label_is_known(void **state) {
    (void)state;
    amend_case c;
    begin(&c);
    c.r.lag = LATE / 2;
    run(&c);
    for (uint32_t row = 0; row < ROWS; row++) {
        assert_true(c.terms[row * TM_AMEND_TERMS + 2] == 0.0);
    }
    begin(&c);
    c.r.lag = LATE * 2;
    run(&c);
    assert_true(c.terms[(ROWS - 1) * TM_AMEND_TERMS + 2] == 4.0);
}

/* Rows are answered some at a time; the last of them by labels of the first. */
static void labels_that_come_meanwhile_count(void **state) {
    (void)state;
    amend_case c;
    begin(&c);
    for (uint32_t row = 0; row < ROWS; row++) {
        c.known[row] = row;
    }
    tm__replay_amend(&c.r, &c.shares, 0, ROWS);
    assert_true(c.r.n_amended == ROWS - 1);
    assert_true(fabs((double)c.answers[AMENDED][ROWS - 1] - c.y[ROWS - 1]) < 0.5);
}

static void classes_and_rows_without_an_answer_are_left_alone(void **state) {
    (void)state;
    amend_case c;
    begin(&c);
    c.stream.is_classes = true;
    tm__replay_amend(&c.r, &c.shares, 0, 10);
    assert_true(c.base[0] != c.base[0] && c.answers[AMENDED][0] != c.answers[AMENDED][0]);
    assert_true(c.r.amend.n == 0.0 && c.r.n_amended == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_answers_were_off_by_is_added),
        cmocka_unit_test(a_period_ago_counts_once_its_label_is_known),
        cmocka_unit_test(labels_that_come_meanwhile_count),
        cmocka_unit_test(classes_and_rows_without_an_answer_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
