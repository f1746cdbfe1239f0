/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "train/train_search_priv.h"

#define RATE "learning_rate"

static tm_candidate tried(const char *learner, uint32_t rounds) {
    tm_candidate c = {.ops = tm__model_find(learner),
                      .n_folds = 1,
                      .n_fit_rows = 1000,
                      .n_rounds = rounds,
                      .is_cut = true,
                      .work = 1000u * rounds};
    tm__params_init(c.ops, &c.params);
    tm__candidate_set(&c, RATE, 0.1);
    return c;
}

static double rate_within(tm_candidate c, const tm_train_options *options, uint64_t work) {
    tm_train_data data = {.n_train = 1000000, .task = TM_TASK_BINARY, .n_classes = 2};
    const tm_search search = {.options = options, .data = &data};
    tm_budget part = {.work_limit = work};
    const tm_fold fold = {.n = 4000};
    tm__steps_fit(&search, &c, &fold, false, &part); /* a round: 4,000 units */
    return tm__candidate_param(&c, RATE, -1);
}

static void steps_are_as_large_as_the_room_asks_for(void **state) {
    (void)state;
    const tm_train_options options = {0};
    assert_true(rate_within(tried("gbdt", 50), &options, 440000) == 0.1); /* 110 rounds */
    const double less = rate_within(tried("gbdt", 50), &options, 270000);
    assert_true(less > 0.1 && less < 0.2);
    assert_true(rate_within(tried("gbdt", 50), &options, 1000) == 0.3);
}

static void what_was_given_and_what_takes_no_steps_stays(void **state) {
    (void)state;
    const char *given[] = {"gbdt.max_leaves=31"};
    const tm_train_options none = {0}, options = {.params = given, .n_params = 1};
    assert_true(rate_within(tried("gbdt", 50), &options, 1000) == 0.1);
    assert_true(rate_within(tried("linear", 50), &none, 1000) == -1);
    tm_candidate untried = tried("gbdt", 50);
    untried.n_folds = 0;
    assert_true(rate_within(untried, &none, 1000) == 0.1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_as_large_as_the_room_asks_for),
        cmocka_unit_test(what_was_given_and_what_takes_no_steps_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
