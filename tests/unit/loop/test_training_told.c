/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/training_told.h"

#include <string.h>

#include "base/clock.h"
#include "base/fmath.h"
#include "store/training_file.h"
#include "temp_home.h"
#include "test.h"

typedef struct heard {
    uint32_t n_progress, n_trials;
} heard;

static void hear_progress(void *arg, const char *stage, uint64_t done, uint64_t total,
                          const char *note) {
    (void)stage, (void)done, (void)total, (void)note;
    ((heard *)arg)->n_progress++;
}

static void hear_trial(void *arg, const tm_trial *trial) {
    (void)trial;
    ((heard *)arg)->n_trials++;
}

/* What the file says once half a second is over. */
static json_t *said(const tm_home *home, tm_ctx *ctx) {
    json_t *list = NULL;
    tm__sleep_ms(510);
    tm__ctx_progress(ctx, "search", 7, 9, "linear");
    assert_int_equal(tm__trainings_read(home, tm__now_us(), &list, NULL), TM_OK);
    assert_int_equal(json_array_size(list), 1);
    json_t *const one = json_incref(json_array_get(list, 0));
    json_decref(list);
    return one;
}

static void tell_trial(tm_train_options *o, uint32_t number, double score, const json_t *params) {
    const tm_trial trial = {.number = number,
                            .learner = "gbdt",
                            .params = params,
                            .metric = "logloss",
                            .smaller_is_better = true,
                            .score = score,
                            .is_best = score < 0.3,
                            .rows = 1000,
                            .budget_used = tm__nan()};
    o->on_trial(o->on_trial_arg, &trial);
}

static void who_watches_sees_trials_and_curves_and_who_heard_before_hears_still(void **state) {
    heard before = {0};
    json_t *const params = json_pack("{s:i}", "max_leaves", 31);
    tm_ctx ctx = {.progress = hear_progress, .progress_arg = &before};
    tm_train_options o = {.model = "a \"quoted\" <b>",
                          .target = "late",
                          .on_trial = hear_trial,
                          .on_trial_arg = &before};
    tm_training_told *const told = tm__training_told_begin(*state, "drift", &ctx, &o);
    assert_non_null(told);
    for (uint32_t round = 1; round <= 1000; round++) {
        tm__ctx_round(&ctx, round, 1.0 / round);
    }
    tell_trial(&o, 1, 0.25, params);
    for (uint32_t i = 2; i <= 60; i++) {
        tell_trial(&o, i, 0.3 + i, params);
    }
    tell_trial(&o, 61, tm__nan(), params);
    tm__ctx_round(&ctx, 1, 0.9);
    tm__ctx_round(&ctx, 1, 0.8); /* another fit */
    json_t *const one = said(*state, &ctx);
    const json_t *const trials = json_object_get(one, "trials");
    const json_t *const best = json_array_get(trials, 0);
    const json_t *const rounds = json_object_get(json_object_get(one, "best_rounds"), "at");
    assert_string_equal(tm__json_text(one, "model", ""), o.model);
    assert_string_equal(tm__json_text(one, "because", ""), "drift");
    assert_int_equal(tm__json_i64(one, "n_trials", 0), 61);
    assert_int_equal(json_array_size(trials), 24);
    assert_int_equal(tm__json_i64(best, "number", 0), 1);
    assert_int_equal(tm__json_i64(json_object_get(best, "params"), "max_leaves", 0), 31);
    assert_in_range(json_array_size(rounds), 80, 160);
    assert_int_equal(json_array_size(json_object_get(json_object_get(one, "rounds"), "at")), 1);
    assert_int_equal(tm__json_i64(one, "done", 0), 7);
    assert_int_equal(before.n_trials, 61);
    assert_int_equal(before.n_progress, 1);
    json_decref(one);
    tm__training_told_end(told, &ctx, &o);
    assert_ptr_equal(ctx.progress_arg, &before);
    assert_ptr_equal(o.on_trial_arg, &before);
    assert_null(ctx.on_round);
    json_decref(params);
}

static void one_that_ended_leaves_nothing(void **state) {
    tm_ctx ctx = {0};
    tm_train_options o = {0};
    json_t *list = NULL;
    tm__training_told_end(tm__training_told_begin(*state, "train", &ctx, &o), &ctx, &o);
    assert_int_equal(tm__trainings_read(*state, tm__now_us(), &list, NULL), TM_OK);
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
    tm__training_told_end(NULL, &ctx, &o);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(who_watches_sees_trials_and_curves_and_who_heard_before_hears_still),
        TEST(one_that_ended_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
