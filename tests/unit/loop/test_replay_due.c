/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "loop/replay_policy_priv.h"
#include "replay_case.h"
#include "test.h"

#define BEGIN 2000u

typedef struct due_case {
    tm_replay_stream stream;
    tm_replay_run run;
    tm_ctx ctx;
    tm_replay_running r;
    tm_blend_shares shares[8];
    float *answers[2], *none;
} due_case;

/* Two classes; arm 0 has the whole say. */
static due_case *begin(void) {
    due_case *const c = tm__mem_zalloc(1, sizeof(*c));
    replay_case_stream(&(replay_made){.is_secret = true}, 1000, &c->stream);
    const uint64_t n = c->stream.n_rows * c->stream.n_outputs;
    assert_int_equal(tm__replay_run_init(&c->stream, &c->run, NULL), TM_OK);
    c->ctx.pool = tm__pool_create(2);
    c->r.ctx = &c->ctx;
    c->r.stream = &c->stream;
    c->r.run = &c->run;
    c->r.shares = c->shares;
    c->r.warm_begin = c->r.warm_end = c->stream.first = BEGIN;
    c->r.room = tm__mem_alloc((uint64_t)TM_REPLAY_TICKS_MAX * TICK_ROWS * c->stream.n_outputs,
                              sizeof(double));
    c->r.together = tm__mem_alloc(c->stream.n_rows, sizeof(double));
    c->answers[0] = tm__mem_alloc(n, sizeof(float));
    c->answers[1] = tm__mem_alloc(n, sizeof(float));
    c->none = tm__mem_alloc(n, sizeof(float));
    for (uint64_t k = 0; k < n; k++) {
        c->answers[0][k] = c->answers[1][k] = c->none[k] = NAN;
    }
    for (uint32_t i = 0; i < N_MEMBERS; i++) {
        c->r.arms[i].answers = i == 0 ? c->answers[0] : c->none;
        c->r.arms[i].answers_before = i == 0 ? c->answers[1] : c->none;
    }
    for (uint32_t i = 0; i < 8; i++) {
        c->shares[i].both[0] = 1.0;
    }
    const tm_policy_terms terms = tm__replay_terms(&c->stream);
    tm__policy_init(&c->r.policy, &terms);
    return c;
}

static void end(due_case *c) {
    tm__replay_due_reset(&c->r.due);
    for (uint32_t i = 0; i < N_MEMBERS; i++) {
        tm__replay_give_back(c->r.arms[i].now);
        tm__replay_give_back(c->r.arms[i].before);
    }
    tm__mem_free(c->r.room);
    tm__mem_free(c->r.together);
    tm__mem_free(c->answers[0]);
    tm__mem_free(c->answers[1]);
    tm__mem_free(c->none);
    tm__pool_free(c->ctx.pool);
    tm__replay_run_done(&c->run);
    tm__replay_stream_done(&c->stream);
    tm__mem_free(c);
}

static void ask(due_case *c, uint64_t from, uint64_t to) {
    const tm_policy_fit fit = {.begin = from, .end = to, .why = TM_POLICY_NEW_ROWS};
    assert_int_equal(tm__replay_ask(&c->r, &fit, NULL), TM_OK);
    tm__policy_fitted(&c->r.policy, &fit);
}

static void put_ticks(due_case *c, uint64_t from, uint64_t to) {
    for (uint64_t row = from; row < to; row += TICK_ROWS) {
        tm__replay_put_tick(&c->r, row, row + TICK_ROWS, TM_POLICY_TOGETHER);
    }
}

/* Rows are answered as by a model that learns rows `from` to `to` of the stream by itself. */
static void assert_answered(due_case *c, const float *answers, uint64_t row, uint64_t from,
                            uint64_t to) {
    const tm_replay_arm *const arm = tm__replay_arm_get(&c->stream, 0);
    const tm_replay_recipe recipe = {
        .learner = arm->learner, .params = arm->params, .begin = from, .end = to};
    const uint32_t k = c->stream.n_outputs;
    tm_replay_model model;
    double out[TICK_ROWS * 2];
    assert_int_equal(tm__replay_fit(&c->ctx, &c->stream, &recipe, &model, NULL), TM_OK);
    assert_int_equal(
        tm__replay_answer(&c->ctx, &c->stream, &model, row, row + TICK_ROWS, out, NULL), TM_OK);
    for (uint64_t i = 0; i < (uint64_t)TICK_ROWS * k; i++) {
        assert_true((float)out[i] == answers[row * k + i]);
    }
    tm__replay_model_done(&model);
}

static void what_waits_is_answered_by_the_models_of_its_moment(void **state) {
    (void)state;
    due_case *const c = begin();
    ask(c, 300, 1000);
    put_ticks(c, BEGIN, BEGIN + 2 * TICK_ROWS);
    ask(c, 800, 1500);
    put_ticks(c, BEGIN + 2 * TICK_ROWS, BEGIN + 4 * TICK_ROWS);
    assert_true(isnan(c->run.answers[BEGIN]) && c->r.policy.work == 0);
    assert_int_equal(tm__replay_catch_up(&c->r, NULL), TM_OK);
    assert_answered(c, c->answers[0], BEGIN, 300, 1000);
    assert_answered(c, c->answers[0], BEGIN + TICK_ROWS, 300, 1000);
    assert_answered(c, c->answers[0], BEGIN + 2 * TICK_ROWS, 800, 1500);
    assert_true(isnan((double)c->answers[1][(BEGIN + TICK_ROWS) * 2]));
    assert_answered(c, c->answers[1], BEGIN + 3 * TICK_ROWS, 300, 1000);
    assert_false(isnan(c->run.answers[BEGIN]) || isnan(c->r.together[BEGIN + 4 * TICK_ROWS - 1]));
    assert_true(c->r.policy.work > 0 && c->run.train_seconds > 0.0);
    assert_int_equal(c->r.due.n_fits + c->r.due.n_ticks, 0);
    end(c);
}

static void only_so_much_can_wait(void **state) {
    (void)state;
    due_case *const c = begin();
    uint32_t n = 0;
    for (; !tm__replay_is_full(&c->r); n++) {
        put_ticks(c, BEGIN + n * TICK_ROWS, BEGIN + (n + 1) * TICK_ROWS);
    }
    assert_int_equal(n, TM_REPLAY_TICKS_MAX);
    tm__replay_due_reset(&c->r.due);
    for (n = 0; !tm__replay_is_full(&c->r); n++) {
        ask(c, n, n + 100);
    }
    assert_true(n + N_ARMS + TM_REPLAY_TRIED > TM_REPLAY_FITS_MAX && n < TM_REPLAY_FITS_MAX);
    end(c); /* what waits is forgotten */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_waits_is_answered_by_the_models_of_its_moment),
        cmocka_unit_test(only_so_much_can_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
