/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/mem.h"
#include "train/train_priv.h"
#include "train_case.h"

static const char *const drop[] = {"amount"};

static tm_train_options options_of(const char *const *params, uint32_t n) {
    return (tm_train_options){.model = "m",
                              .target = "label",
                              .learners = "gbdt",
                              .drop = drop,
                              .n_drop = 1,
                              .params = params,
                              .n_params = n};
}

static tm_bundle *train(tm_table *table, const tm_train_options *options, tm_train_result *result) {
    tm_ctx ctx = {0};
    tm_err err = {0};
    tm_bundle *bundle = NULL;
    if (tm__train_run(&ctx, table, NULL, options, result, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(tm__bundle_load(result->bundle.data, result->bundle.len, &bundle, NULL),
                     TM_OK);
    return bundle;
}

static void model_bytes(const tm_bundle *bundle, tm_buf *out) {
    const tm_model *model = tm__bundle_model(bundle);
    tm__buf_init(out, 1 << 26);
    assert_int_equal(model->ops->save(model, out, NULL), TM_OK);
}

static void rounds_in_two_trainings_are_those_of_one(void **state) {
    (void)state;
    tm_table *table = train_case_table(&(train_case){0}, 900);
    const char *const all[] = {"gbdt.n_trees=20", "gbdt.early_stopping=0", "gbdt.row_sample=0.8"};
    const char *const some[] = {"gbdt.n_trees=8", "gbdt.early_stopping=0", "gbdt.row_sample=0.8"};
    const char *const more[] = {"gbdt.n_trees=12", "gbdt.early_stopping=0"};
    tm_train_result whole_result, first_result, second_result;
    tm_train_options options = options_of(all, 3);
    tm_bundle *whole = train(table, &options, &whole_result);
    options = options_of(some, 3);
    tm_bundle *first = train(table, &options, &first_result);
    json_t *json = NULL;
    tm_recipe recipe;
    assert_int_equal(tm__train_base_recipe(first, NULL, more, 2, &json, NULL), TM_OK);
    assert_int_equal(tm__recipe_init(&recipe, json, NULL), TM_OK);
    recipe.options.base = first;
    recipe.options.model = "m";
    tm_bundle *second = train(table, &recipe.options, &second_result);
    tm_buf a, b;
    model_bytes(whole, &a);
    model_bytes(second, &b);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
    const json_t *continues = json_object_get(second_result.report, "continues");
    assert_int_equal(tm__json_i64(continues, "rounds", 0), 8);
    assert_string_equal(tm__json_text(continues, "bundle_hash", ""),
                        tm__json_text(first_result.report, "bundle_hash", "?"));
    tm__buf_done(&a);
    tm__buf_done(&b);
    tm__recipe_done(&recipe);
    json_decref(json);
    tm__bundle_unref(whole);
    tm__bundle_unref(first);
    tm__bundle_unref(second);
    tm__train_result_done(&whole_result);
    tm__train_result_done(&first_result);
    tm__train_result_done(&second_result);
    tm__table_unref(table);
}

static const char *last_of(const json_t *params, const char *name) {
    const char *found = "";
    size_t i = 0;
    json_t *text = NULL;
    json_array_foreach(params, i, text) {
        if (strncmp(json_string_value(text), name, strlen(name)) == 0) {
            found = json_string_value(text);
        }
    }
    return found;
}

static void the_recipe_is_the_models_with_what_was_given(void **state) {
    (void)state;
    tm_table *table = train_case_table(&(train_case){0}, 300);
    const char *const params[] = {"gbdt.n_trees=3", "gbdt.max_leaves=7", "gbdt.l2=2.5"};
    const char *const given[] = {"gbdt.max_leaves=9"};
    tm_train_options options = options_of(params, 3);
    options.work = 10000000;
    options.seed = 11;
    tm_train_result result;
    tm_bundle *base = train(table, &options, &result);
    json_t *recipe = NULL;
    assert_int_equal(tm__train_base_recipe(base, NULL, given, 1, &recipe, NULL), TM_OK);
    const json_t *list = json_object_get(recipe, "params");
    assert_string_equal(last_of(list, "gbdt.max_leaves="), "gbdt.max_leaves=9");
    assert_string_equal(last_of(list, "gbdt.l2="), "gbdt.l2=2.5");
    assert_string_equal(last_of(list, "gbdt.objective="), "gbdt.objective=auto");
    assert_string_equal(last_of(list, "gbdt.n_trees="), "");
    assert_string_equal(tm__json_text(recipe, "learners", ""), "gbdt");
    assert_string_equal(tm__json_text(recipe, "positive", ""), tm__bundle_class(base, 1));
    assert_null(json_object_get(recipe, "work"));
    assert_int_equal(tm__json_i64(recipe, "seed", 0), 11);
    json_decref(recipe);
    tm__bundle_unref(base);
    tm__train_result_done(&result);
    tm__table_unref(table);
}

static void other_classes_and_other_learners_are_refused(void **state) {
    (void)state;
    tm_table *table = train_case_table(&(train_case){0}, 300);
    tm_table *other = train_case_table(&(train_case){.target_text = {"out", "in"}}, 300);
    tm_train_options options = options_of(NULL, 0);
    tm_train_result result;
    tm_ctx ctx = {0};
    tm_err err = {0};
    options.learners = "baseline";
    tm_bundle *base = train(table, &options, &result);
    tm_train_result none;
    options.base = base;
    assert_int_equal(tm__train_run(&ctx, table, NULL, &options, &none, &err), TM_E_UNSUPPORTED);
    assert_string_equal(err.message, "a model of 'baseline' cannot be gone on from");
    tm__bundle_unref(base);
    tm__train_result_done(&result);
    const char *const params[] = {"gbdt.n_trees=3"};
    options = options_of(params, 1);
    base = train(table, &options, &result);
    options.base = base;
    assert_int_equal(tm__train_run(&ctx, other, NULL, &options, &none, &err), TM_E_DATA);
    assert_string_equal(err.message, "the rows have other classes than the model");
    tm__bundle_unref(base);
    tm__train_result_done(&result);
    tm__table_unref(other);
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounds_in_two_trainings_are_those_of_one),
        cmocka_unit_test(the_recipe_is_the_models_with_what_was_given),
        cmocka_unit_test(other_classes_and_other_learners_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
