/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "train/train_priv.h"
#include "train_case.h"

static const char *const drop_amount[] = {"amount"};

static void train(const train_case *options, const tm_train_options *t, uint32_t n_threads,
                  tm_train_result *out) {
    tm_table *table = train_case_table(options, 1200);
    tm_ctx ctx = {.pool = tm__pool_create(n_threads)};
    tm_err err = {0};
    memset(out, 0, sizeof(*out));
    const tm_status st = tm__train_run(&ctx, table, NULL, t, out, &err);
    tm__pool_free(ctx.pool);
    tm__table_unref(table);
    if (st != TM_OK) {
        fail_msg("%s", err.message);
    }
}

static void a_run_beats_its_baseline_and_says_so(void **state) {
    (void)state;
    const train_case options = {.target_text = {"no", "yes"}};
    const tm_train_options t = {.model = "m",
                                .target = "label",
                                .drop = drop_amount,
                                .n_drop = 1,
                                .seed = 1,
                                .work = 20000000};
    tm_train_result result;
    train(&options, &t, 1, &result);
    const json_t *test = json_object_get(result.report, "test");
    assert_true(tm__json_f64(test, "auc", 0) > 0.9);
    assert_true(tm__json_f64(test, "logloss", 9) <
                tm__json_f64(json_object_get(result.report, "baseline"), "logloss", 0));
    assert_int_equal(tm__json_i64(test, "n_rows", 0), 240);
    assert_string_equal(tm__json_text(result.report, "positive", ""), "yes");
    assert_string_equal(tm__json_text(result.report, "task", ""), "binary");
    assert_true(json_array_size(json_object_get(result.report, "leaderboard")) >= 3);
    tm__train_result_done(&result);
}

static void the_bytes_do_not_depend_on_threads(void **state) {
    (void)state;
    const train_case options = {0};
    const tm_train_options t = {.model = "m",
                                .target = "label",
                                .drop = drop_amount,
                                .n_drop = 1,
                                .seed = 1,
                                .work = 5000000};
    tm_train_result one;
    train(&options, &t, 1, &one);
    for (uint32_t n_threads = 2; n_threads <= 3; n_threads++) {
        tm_train_result more;
        train(&options, &t, n_threads, &more);
        assert_true(tm__hash_eq(&one.bundle_hash, &more.bundle_hash));
        tm__train_result_done(&more);
    }
    tm__train_result_done(&one);
}

static void a_seed_changes_the_bytes_and_a_budget_of_time_is_kept(void **state) {
    (void)state;
    const train_case options = {0};
    tm_train_options t = {
        .model = "m", .target = "label", .learners = "gbdt", .seed = 1, .work = 2000000};
    tm_train_result first;
    tm_train_result second;
    train(&options, &t, 1, &first);
    t.seed = 2;
    train(&options, &t, 1, &second);
    assert_false(tm__hash_eq(&first.bundle_hash, &second.bundle_hash));
    tm__train_result_done(&first);
    tm__train_result_done(&second);
    t.work = 0;
    t.budget_ms = 300;
    train(&options, &t, 1, &first);
    assert_true(tm__json_f64(json_object_get(first.report, "test"), "auc", 0) > 0.9);
    tm__train_result_done(&first);
}

static void parameters_given_make_one_fit(void **state) {
    (void)state;
    const train_case options = {0};
    const char *const params[] = {"gbdt.n_trees=7", "gbdt.early_stopping=0"};
    const tm_train_options t = {.model = "m",
                                .target = "amount",
                                .learners = "gbdt",
                                .params = params,
                                .n_params = 2,
                                .seed = 1};
    tm_train_result result;
    train(&options, &t, 1, &result);
    assert_string_equal(tm__json_text(result.report, "task", ""), "regression");
    assert_true(json_is_null(json_object_get(result.report, "validation")));
    assert_true(tm__json_f64(json_object_get(result.report, "params"), "n_trees", 0) == 7.0);
    assert_true(tm__json_f64(json_object_get(result.report, "test"), "r2", 0) > 0.3);
    tm__train_result_done(&result);
}

static void evaluating_the_bundle_gives_the_test_scores_again(void **state) {
    (void)state;
    const train_case options = {0};
    tm_train_options t = {.model = "m",
                          .target = "label",
                          .drop = drop_amount,
                          .n_drop = 1,
                          .seed = 1,
                          .work = 2000000};
    tm_train_result result;
    tm_bundle *bundle = NULL;
    tm_ctx ctx = {0};
    json_t *again = NULL;
    uint32_t rows[240];
    tm_table *table = train_case_table(&options, 1200);
    tm_table *test = NULL;
    train(&options, &t, 1, &result);
    for (uint32_t i = 0; i < 240; i++) {
        rows[i] = 960 + i;
    }
    assert_int_equal(tm__table_take_rows(table, rows, 240, &test, NULL), TM_OK);
    assert_int_equal(tm__bundle_load(result.bundle.data, result.bundle.len, &bundle, NULL), TM_OK);
    assert_int_equal(tm__train_evaluate(&ctx, bundle, test, &again, NULL), TM_OK);
    assert_true(json_equal(again, json_object_get(result.report, "test")));
    json_decref(again);
    tm__bundle_unref(bundle);
    tm__table_unref(test);
    tm__table_unref(table);
    tm__train_result_done(&result);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_beats_its_baseline_and_says_so),
        cmocka_unit_test(the_bytes_do_not_depend_on_threads),
        cmocka_unit_test(a_seed_changes_the_bytes_and_a_budget_of_time_is_kept),
        cmocka_unit_test(parameters_given_make_one_fit),
        cmocka_unit_test(evaluating_the_bundle_gives_the_test_scores_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
