/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
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

/* A checkpoint that takes a while, so that the clock cuts a small run early. */
static void slow_progress(void *arg, const char *stage, uint64_t done, uint64_t total,
                          const char *note) {
    (void)arg;
    (void)stage;
    (void)done;
    (void)total;
    (void)note;
    tm__sleep_ms(1);
}

static void repeat_check(const tm_train_options *t, tm_table *table, tm_table *test) {
    tm_ctx ctx = {.progress = slow_progress};
    tm_train_result cut;
    assert_int_equal(tm__train_run(&ctx, table, test, t, &cut, NULL), TM_OK);
    assert_true(json_is_true(json_object_get(cut.report, "clock_cut")));
    assert_true(tm__json_i64(cut.report, "work_used", 0) > 0);
    json_object_del(cut.report, "bundle_hash");
    tm_recipe recipe;
    assert_int_equal(tm__recipe_init_repeat(&recipe, cut.report, NULL), TM_OK);
    for (uint32_t n_threads = 1; n_threads <= 3; n_threads++) {
        tm_ctx fast = {.pool = tm__pool_create(n_threads)};
        tm_train_result again;
        assert_int_equal(tm__train_run(&fast, table, test, &recipe.options, &again, NULL), TM_OK);
        assert_true(tm__hash_eq(&cut.bundle_hash, &again.bundle_hash));
        tm__train_result_done(&again);
        tm__pool_free(fast.pool);
    }
    if (t->n_params > 0) { /* without a stop one fit is another run; a search would take long */
        tm_train_result other;
        tm_ctx plain = {0};
        recipe.options.n_stops = 0;
        assert_int_equal(tm__train_run(&plain, table, test, &recipe.options, &other, NULL), TM_OK);
        assert_false(tm__hash_eq(&cut.bundle_hash, &other.bundle_hash));
        tm__train_result_done(&other);
    }
    tm__recipe_done(&recipe);
    tm__train_result_done(&cut);
}

static void a_run_that_the_clock_cut_is_repeated_to_the_byte(void **state) {
    (void)state;
    const train_case options = {0};
    tm_table *table = train_case_table(&options, 1200);
    const char *const fixed[] = {"gbdt.n_trees=300"};
    const char *const unstopped[] = {"gbdt.n_trees=300", "gbdt.early_stopping=0"};
    const tm_train_options base = {
        .model = "m",
        .target = "label",
        .seed = 4,
        .budget_ms = 60,
        .snapshot = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"};
    tm_train_options t = base; /* a search that the clock cuts in every part */
    repeat_check(&t, table, NULL);
    t.learners = "gbdt,linear";
    t.target = "amount";
    repeat_check(&t, table, NULL);
    t = base; /* one fit, with early stopping and without */
    t.learners = "gbdt";
    t.params = fixed;
    t.n_params = 1;
    t.budget_ms = 20;
    repeat_check(&t, table, NULL);
    t.params = unstopped;
    t.n_params = 2;
    repeat_check(&t, table, NULL);
    t = base; /* rows that are only scored are part of the record */
    memcpy(t.test_snapshot, base.snapshot, sizeof(t.test_snapshot));
    repeat_check(&t, table, table);
    tm__table_unref(table);
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
        cmocka_unit_test(a_run_that_the_clock_cut_is_repeated_to_the_byte),
        cmocka_unit_test(parameters_given_make_one_fit),
        cmocka_unit_test(evaluating_the_bundle_gives_the_test_scores_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
