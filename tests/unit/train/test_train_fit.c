/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/fmath.h"
#include "train/train_priv.h"
#include "train_case.h"

static void init(tm_train_data *data, tm_search *search, const tm_train_options *options) {
    const train_case shuffled = {.is_shuffled = true};
    tm_table *table = train_case_table(&shuffled, 800);
    memset(search, 0, sizeof(*search));
    assert_int_equal(tm__train_data_init(data, table, NULL, options, NULL), TM_OK);
    tm__table_unref(table);
    search->data = data;
    search->options = options;
    search->metric = tm__metric_find("logloss");
    assert_int_equal(tm__candidates_init(search, NULL), TM_OK);
}

static void the_refit_has_a_tenth_more_rounds_and_no_early_stopping(void **state) {
    (void)state;
    const tm_train_options options = {.target = "label", .learners = "gbdt"};
    tm_train_data data;
    tm_search search;
    tm_final final;
    tm_ctx ctx = {0};
    init(&data, &search, &options);
    search.candidates[0].n_rounds = 20;
    search.candidates[0].strength_chosen = 1e-12;
    search.candidates[0].share = 1.0;
    search.n_blend = 1;
    assert_int_equal(tm__final_fit(&ctx, &search, &final, NULL), TM_OK);
    assert_true(tm__json_f64(final.params, "n_trees", 0) == 22.0);
    assert_true(tm__json_f64(final.params, "early_stopping", 1) == 0.0);
    tm__final_done(&final);
    tm__search_done(&search);
    tm__train_data_done(&data);
}

static void a_single_fit_with_early_stopping_keeps_validation_answers(void **state) {
    (void)state;
    const char *const params[] = {"gbdt.n_trees=300", "gbdt.early_stopping=5"};
    const tm_train_options options = {
        .target = "label", .learners = "gbdt", .params = params, .n_params = 2};
    tm_train_data data;
    tm_search search;
    tm_final final;
    tm_ctx ctx = {0};
    init(&data, &search, &options);
    assert_int_equal(tm__single_fit(&ctx, &search, &final, NULL), TM_OK);
    assert_non_null(search.valid_pred);
    assert_true(search.candidates[0].n_rounds < 300);
    tm__final_done(&final);
    tm__search_done(&search);
    tm__train_data_done(&data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_refit_has_a_tenth_more_rounds_and_no_early_stopping),
        cmocka_unit_test(a_single_fit_with_early_stopping_keeps_validation_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
