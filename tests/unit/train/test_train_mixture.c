/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "train/train_mixture.h"
#include "train/train_priv.h"
#include "train_case.h"

static const char *const drop[] = {"amount"};
static const char *const trees[] = {"n_trees", "8", "learning_rate", "0.3", NULL};
static const char *const line[] = {"strength", "0.01", NULL};
static const tm_mixture_part parts[] = {
    {.learner = "linear", .params = line, .rows = 200, .share = 0.25},
    {.learner = "gbdt", .params = trees, .half_life = 300, .share = 0.5},
    {.learner = "gbdt", .params = trees, .rows = 300, .passed = 400, .share = 0.25},
};

static tm_train_options options_of(const json_t *mixture) {
    return (tm_train_options){.model = "m",
                              .target = "label",
                              .time = "at",
                              .mixture = mixture,
                              .drop = drop,
                              .n_drop = 1};
}

static tm_status train(uint32_t n_threads, tm_table *table, const tm_train_options *options,
                       tm_train_result *out, tm_err *err) {
    tm_ctx ctx = {.pool = tm__pool_create(n_threads)};
    const tm_status st = tm__train_run(&ctx, table, NULL, options, out, err);
    tm__pool_free(ctx.pool);
    return st;
}

static void parts_answer_together_and_again(void **state) {
    (void)state;
    tm_table *const table = train_case_table(&(train_case){.is_shuffled = true}, 900);
    json_t *const mixture = tm__mixture_json(parts, 3, 100);
    const tm_train_options options = options_of(mixture);
    tm_train_result one = {0}, more = {0}, again = {0};
    tm_recipe recipe;
    assert_int_equal(train(1, table, &options, &one, NULL), TM_OK);
    assert_int_equal(train(3, table, &options, &more, NULL), TM_OK);
    assert_memory_equal(&one.bundle_hash, &more.bundle_hash, sizeof(one.bundle_hash));
    assert_string_equal(tm__json_text(one.report, "learner", ""), "blend");
    assert_true(json_equal(json_object_get(one.report, "mixture"), mixture));
    const json_t *const members = json_object_get(json_object_get(one.report, "params"), "members");
    assert_int_equal(json_array_size(members), 3);
    assert_true(tm__json_f64(json_array_get(members, 1), "share", 0) == 0.5);
    /* The newest 100 rows were held out. */
    const json_t *const split = json_object_get(one.report, "split");
    assert_int_equal(tm__json_i64(split, "validation_rows", 0), 144);
    json_object_set_new(one.report, "snapshot",
                        json_string("00000000000000000000000000000000"
                                    "00000000000000000000000000000000"));
    assert_int_equal(tm__recipe_init_repeat(&recipe, one.report, NULL), TM_OK);
    memset(recipe.options.snapshot, 0, sizeof(recipe.options.snapshot));
    assert_int_equal(train(2, table, &recipe.options, &again, NULL), TM_OK);
    assert_memory_equal(&one.bundle_hash, &again.bundle_hash, sizeof(one.bundle_hash));
    tm__recipe_done(&recipe);
    tm__train_result_done(&one);
    tm__train_result_done(&more);
    tm__train_result_done(&again);
    json_decref(mixture);
    tm__table_unref(table);
}

/* Its window holds 10 rows, so the others answer for it. */
static void a_part_that_cannot_learn_is_left_out(void **state) {
    (void)state;
    tm_table *const table = train_case_table(&(train_case){0}, 900);
    tm_mixture_part some[3];
    memcpy(some, parts, sizeof(some));
    some[0].rows = 10;
    json_t *mixture = tm__mixture_json(some, 3, 0);
    tm_train_options options = options_of(mixture);
    tm_train_result result = {0};
    assert_int_equal(train(1, table, &options, &result, NULL), TM_OK);
    const json_t *members = json_object_get(json_object_get(result.report, "params"), "members");
    assert_int_equal(json_array_size(members), 2);
    assert_true(tm__json_f64(json_array_get(members, 0), "share", 0) > 0.66);
    tm__train_result_done(&result);
    json_decref(mixture);

    mixture = tm__mixture_json(some, 1, 0);
    options = options_of(mixture);
    assert_int_equal(train(1, table, &options, &result, NULL), TM_E_DATA);
    json_decref(mixture);
    tm__table_unref(table);
}

/* Rows 550 to 700 of 900, whose target is flipped, are what the only part learns from: it is wrong
 * of all others, whichever rows are held out. */
static void a_run_before_the_newest_is_where_it_is(void **state) {
    (void)state;
    static const uint64_t aheads[] = {0, 120};
    for (size_t i = 0; i < 2; i++) {
        const tm_mixture_part part = {
            .learner = "gbdt", .params = trees, .rows = 150, .passed = 200, .share = 1.0};
        tm_table *const table = train_case_table(&(train_case){0}, 900);
        const uint32_t label = tm__table_find(table, "label");
        int64_t *const labels = (int64_t *)(uintptr_t)tm__table_column(table, label)->ints;
        for (uint64_t row = 550; row < 700; row++) {
            labels[row] = 1 - labels[row];
        }
        json_t *const mixture = tm__mixture_json(&part, 1, aheads[i]);
        tm_train_options options = options_of(mixture);
        tm_train_result result = {0};
        options.split = (tm_split){.kind = TM_SPLIT_NONE};
        assert_int_equal(train(1, table, &options, &result, NULL), TM_OK);
        const json_t *const validation = json_object_get(result.report, "validation");
        assert_true(tm__json_f64(validation, "auc", 1.0) < 0.3);
        tm__train_result_done(&result);
        json_decref(mixture);
        tm__table_unref(table);
    }
}

static void what_no_writer_made_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "{}",
        "{\"parts\": []}",
        "{\"parts\": [{\"learner\": \"none\", \"share\": 1}]}",
        "{\"parts\": [{\"learner\": \"gbdt\", \"share\": 0}]}",
        "{\"parts\": [{\"learner\": \"gbdt\", \"share\": 1.5}]}",
        "{\"parts\": [{\"learner\": \"gbdt\", \"share\": 1, \"rows\": -1}]}",
        "{\"parts\": [{\"learner\": \"gbdt\", \"share\": 1, \"params\": {\"n_trees\": 3}}]}",
    };
    tm_table *const table = train_case_table(&(train_case){0}, 300);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        json_t *const mixture = json_loads(bad[i], 0, NULL);
        const tm_train_options options = options_of(mixture);
        tm_train_result result = {0};
        assert_int_equal(train(1, table, &options, &result, NULL), TM_E_DATA);
        json_decref(mixture);
    }
    tm__table_unref(table);
}

static void rules_are_not_kept_by_it(void **state) {
    (void)state;
    static const char *const rises[] = {"x:+1"};
    tm_table *const table = train_case_table(&(train_case){0}, 300);
    json_t *const mixture = tm__mixture_json(parts, 3, 0);
    tm_train_options options = options_of(mixture);
    tm_train_result result = {0};
    options.monotone = rises;
    options.n_monotone = 1;
    assert_int_equal(train(1, table, &options, &result, NULL), TM_E_UNSUPPORTED);
    json_decref(mixture);
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_answer_together_and_again),
        cmocka_unit_test(a_part_that_cannot_learn_is_left_out),
        cmocka_unit_test(a_run_before_the_newest_is_where_it_is),
        cmocka_unit_test(what_no_writer_made_is_refused),
        cmocka_unit_test(rules_are_not_kept_by_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
