/* SPDX-License-Identifier: Apache-2.0 */
#include "train/train_curve.h"

#include <string.h>

#include "base/ctx.h"
#include "test.h"

static void a_curve_of_many_points_is_thinned(void **state) {
    (void)state;
    tm_curve c;
    tm__curve_init(&c, 60);
    for (int i = 0; i < 1000; i++) {
        tm__curve_add(&c, i, 1000 - i);
    }
    assert_true(c.n > 30 && c.n <= 60);
    assert_true(c.x[0] == 0 && c.x[c.n - 1] > 950);
    for (uint32_t i = 1; i < c.n; i++) {
        assert_true(c.x[i] - c.x[i - 1] == c.x[1] - c.x[0]);
    }
}

static uint32_t n_rounds, n_trials;

static void hear_round(void *arg, uint32_t round, double score) {
    (void)arg;
    (void)round;
    n_rounds += score > 0;
}

static void hear_trial(void *arg, const tm_trial *trial) {
    (void)arg;
    n_trials += trial->number;
}

static void the_best_trial_s_rounds_are_kept_and_who_heard_before_still_does(void **state) {
    (void)state;
    tm_ctx ctx = {.on_round = hear_round};
    const tm_train_options options = {.on_trial = hear_trial};
    tm_kept_curves k;
    tm__kept_curves_begin(&k, &ctx, &options);
    for (uint32_t number = 1; number <= 3; number++) {
        for (uint32_t round = 1; round <= 5; round++) {
            tm__ctx_round(&ctx, round, 1.0 / round + number);
        }
        const tm_trial trial = {.number = number,
                                .learner = number == 2 ? "forest" : "gbdt",
                                .score = 1.0 / number,
                                .is_best = number < 3};
        k.options.on_trial(k.options.on_trial_arg, &trial);
    }
    tm__kept_curves_end(&k);
    assert_true(ctx.on_round == hear_round && n_rounds == 15 && n_trials == 6);
    json_t *out = tm__kept_curves_json(&k);
    const json_t *rounds = json_object_get(out, "rounds"), *search = json_object_get(out, "search");
    assert_string_equal(tm__json_text(rounds, "learner", ""), "forest");
    assert_true(json_number_value(json_array_get(json_object_get(rounds, "loss"), 0)) == 3);
    assert_int_equal(json_array_size(json_object_get(rounds, "round")), 5);
    assert_int_equal(json_array_size(json_object_get(search, "score")), 2);
    json_decref(out);
}

static void of_one_fit_without_a_search_its_rounds_are_kept(void **state) {
    (void)state;
    tm_ctx ctx = {0};
    const tm_train_options options = {0};
    tm_kept_curves k;
    tm__kept_curves_begin(&k, &ctx, &options);
    json_t *nothing = tm__kept_curves_json(&k);
    assert_int_equal(json_object_size(nothing), 0);
    json_decref(nothing);
    tm__ctx_round(&ctx, 1, 0.5);
    tm__ctx_round(&ctx, 2, 0.4);
    tm__kept_curves_end(&k);
    json_t *out = tm__kept_curves_json(&k);
    assert_true(json_is_null(json_object_get(json_object_get(out, "rounds"), "learner")));
    assert_null(json_object_get(out, "search"));
    json_decref(out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_curve_of_many_points_is_thinned),
        cmocka_unit_test(the_best_trial_s_rounds_are_kept_and_who_heard_before_still_does),
        cmocka_unit_test(of_one_fit_without_a_search_its_rounds_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
