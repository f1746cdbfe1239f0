/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "train/train_search_priv.h"

static tm_train_data data_of(uint64_t n_rows, tm_task task) {
    return (tm_train_data){.task = task, .n_classes = 2, .n_train = n_rows};
}

static void init_search(tm_search *search, const tm_train_options *options) {
    memset(search, 0, sizeof(*search));
    static tm_train_data data;
    data = data_of(10000, TM_TASK_BINARY);
    search->data = &data;
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
    uint32_t n_forest = 0;
    init_search(&search, &options);
    for (uint32_t i = 0; i < search.n_candidates; i++) {
        n_gbdt += strcmp(search.candidates[i].ops->name, "gbdt") == 0;
        n_linear += strcmp(search.candidates[i].ops->name, "linear") == 0;
        n_forest += strcmp(search.candidates[i].ops->name, "forest") == 0;
    }
    /* The first of each comes before the second of any. */
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(search.candidates[i].is_spared);
    }
    assert_true(n_gbdt >= 4);
    assert_int_equal(n_linear, 1);
    assert_int_equal(n_forest, 2);
    assert_int_equal(n_gbdt + n_linear + n_forest + 1, search.n_candidates); /* and a network */
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
                                        "n_trees=3",         "woods.n_trees=3",
                                        "gbdt.n_trees=many", "gbdt.learning_rate=-1"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        const tm_train_options options = {.learners = "gbdt", .params = &wrong[i], .n_params = 1};
        tm_train_data data = data_of(100, TM_TASK_BINARY);
        tm_search search = {.data = &data, .options = &options};
        tm_err err = {0};
        assert_int_equal(tm__candidates_init(&search, &err), TM_E_USAGE);
    }
    const tm_train_options options = {.learners = "gbdt,forrest"};
    tm_train_data data = data_of(100, TM_TASK_BINARY);
    tm_search search = {.data = &data, .options = &options};
    assert_int_equal(tm__candidates_init(&search, NULL), TM_E_USAGE);
}

static double largest(const tm_search *search, const char *name) {
    double most = 0.0;
    for (uint32_t i = 0; i < search->n_candidates; i++) {
        most = fmax(most, tm__candidate_param(&search->candidates[i], name, 0.0));
    }
    return most;
}

static void the_portfolio_follows_from_the_rows(void **state) {
    (void)state;
    const tm_train_options options = {.learners = "gbdt"};
    static const uint64_t rows[] = {500, 20000, 2000000};
    double leaves[3];
    for (int i = 0; i < 3; i++) {
        tm_train_data data = data_of(rows[i], TM_TASK_REGRESSION);
        tm_search search = {.data = &data, .options = &options, .metric = tm__metric_find("rmse")};
        assert_int_equal(tm__candidates_init(&search, NULL), TM_OK);
        leaves[i] = largest(&search, "max_leaves");
    }
    assert_true(leaves[0] < leaves[1] && leaves[1] < leaves[2]);
}

/* Many classes, each with a tree a round, leave room for fewer rounds. */
static void rounds_keep_to_what_an_answer_may_cost(void **state) {
    (void)state;
    static const uint64_t limits[] = {0, 20, 1000};
    for (int i = 0; i < 3; i++) {
        const tm_train_options options = {.latency_us_max = limits[i]};
        tm_train_data data = data_of(20000, TM_TASK_MULTICLASS);
        data.n_classes = 26;
        tm_search search = {
            .data = &data, .options = &options, .metric = tm__metric_find("logloss")};
        assert_int_equal(tm__candidates_init(&search, NULL), TM_OK);
        for (uint32_t k = 0; k < search.n_candidates; k++) {
            const tm_candidate *c = &search.candidates[k];
            const double rounds = tm__candidate_param(c, "n_trees", 1.0);
            const tm_cost cost = tm__cost_of(c, (tm_cost_shape){.n_outputs = 26}, rounds);
            assert_true(cost.us <= (limits[i] > 0 ? (double)limits[i] : 100.0));
        }
    }
}

static void a_bundle_may_be_limited_too(void **state) {
    (void)state;
    const tm_train_options options = {.bundle_bytes_max = 100000};
    tm_train_data data = data_of(20000, TM_TASK_BINARY);
    tm_search search = {.data = &data, .options = &options, .metric = tm__metric_find("logloss")};
    assert_int_equal(tm__candidates_init(&search, NULL), TM_OK);
    for (uint32_t k = 0; k < search.n_candidates; k++) {
        const tm_candidate *c = &search.candidates[k];
        const double rounds = tm__candidate_param(c, "n_trees", 0.0);
        assert_true(rounds >= 0.0);
        assert_true(tm__cost_of(c, (tm_cost_shape){.n_outputs = 1}, rounds).bytes <= 100000.0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_list_has_several_learners_and_no_baseline),
        cmocka_unit_test(given_parameters_leave_one_candidate),
        cmocka_unit_test(wrong_parameters_are_refused),
        cmocka_unit_test(the_portfolio_follows_from_the_rows),
        cmocka_unit_test(rounds_keep_to_what_an_answer_may_cost),
        cmocka_unit_test(a_bundle_may_be_limited_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
