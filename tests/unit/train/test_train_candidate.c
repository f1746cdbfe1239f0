/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "train/train_priv.h"

static void init_search(tm_search *search, const tm_train_options *options) {
    memset(search, 0, sizeof(*search));
    search->options = options;
    search->metric = tm__metric_find("logloss");
    assert_int_equal(tm__candidates_init(search, NULL), TM_OK);
}

static void the_default_list_has_several_learners_and_no_baseline(void **state) {
    (void)state;
    const tm_train_options options = {0};
    tm_search search;
    uint32_t n_gbdt = 0;
    uint32_t n_linear = 0;
    init_search(&search, &options);
    for (uint32_t i = 0; i < search.n_candidates; i++) {
        n_gbdt += strcmp(search.candidates[i].ops->name, "gbdt") == 0;
        n_linear += strcmp(search.candidates[i].ops->name, "linear") == 0;
    }
    assert_true(n_gbdt >= 4);
    assert_int_equal(n_linear, 1);
    assert_int_equal(n_gbdt + n_linear, search.n_candidates);
}

static void given_parameters_leave_one_candidate(void **state) {
    (void)state;
    const char *const params[] = {"gbdt.n_trees=17", "gbdt.learning_rate=0.3"};
    const tm_train_options options = {.learners = "gbdt", .params = params, .n_params = 2};
    tm_search search;
    init_search(&search, &options);
    assert_int_equal(search.n_candidates, 1);
    const tm_candidate *only = &search.candidates[0];
    assert_true(tm__params_get(only->ops, &only->params, "n_trees") == 17.0);
    assert_true(tm__params_get(only->ops, &only->params, "learning_rate") == 0.3);
}

static void wrong_parameters_are_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {"gbdt.n_tree=3",     "gbdt.n_trees",
                                        "n_trees=3",         "forest.n_trees=3",
                                        "gbdt.n_trees=many", "gbdt.learning_rate=-1"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        const tm_train_options options = {.learners = "gbdt", .params = &wrong[i], .n_params = 1};
        tm_search search = {.options = &options};
        tm_err err = {0};
        assert_int_equal(tm__candidates_init(&search, &err), TM_E_USAGE);
    }
    const tm_train_options options = {.learners = "gbdt,forrest"};
    tm_search search = {.options = &options};
    assert_int_equal(tm__candidates_init(&search, NULL), TM_E_USAGE);
}

static void draws_stay_in_range_and_repeat(void **state) {
    (void)state;
    const tm_train_options options = {.seed = 3};
    tm_search search;
    init_search(&search, &options);
    for (uint32_t i = 0; i < search.n_candidates; i++) {
        search.candidates[i].score = 0.5 + i;
    }
    for (uint32_t draw = 0; draw < 50; draw++) {
        tm_candidate a;
        tm_candidate b;
        assert_true(tm__candidate_draw(&search, &a, draw));
        assert_true(tm__candidate_draw(&search, &b, draw));
        assert_memory_equal(&a.params, &b.params, sizeof(a.params));
        assert_true(isnan(a.score));
        assert_null(a.raw);
        for (uint32_t p = 0; a.ops->params[p].name != NULL; p++) {
            assert_true(a.params.values[p] >= a.ops->params[p].min);
            assert_true(a.params.values[p] <= a.ops->params[p].max);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_list_has_several_learners_and_no_baseline),
        cmocka_unit_test(given_parameters_leave_one_candidate),
        cmocka_unit_test(wrong_parameters_are_refused),
        cmocka_unit_test(draws_stay_in_range_and_repeat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
