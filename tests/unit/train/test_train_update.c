/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/mem.h"
#include "train/train_priv.h"
#include "train_case.h"

static const char *const drop[] = {"amount"};
static const char *const few_trees[] = {"gbdt.n_trees=8", "gbdt.early_stopping=0"};
static const char *const line[] = {"linear.strength=0.01", "linear.tol=1e-6"};

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

/* A base of 900 rows, and the options of an update of it. */
typedef struct updating {
    tm_table *table;
    tm_bundle *base;
    tm_train_result base_result;
    json_t *json;
    tm_recipe recipe;
} updating;

static void updating_init_by(updating *u, const char *learner, const char *const *params) {
    const tm_train_options options = {.model = "m",
                                      .target = "label",
                                      .learners = learner,
                                      .drop = drop,
                                      .n_drop = 1,
                                      .params = params,
                                      .n_params = 2};
    u->table = train_case_table(&(train_case){0}, 900);
    u->base = train(u->table, &options, &u->base_result);
    u->json = NULL;
    assert_int_equal(tm__train_base_recipe(u->base, NULL, NULL, 0, &u->json, NULL), TM_OK);
    assert_int_equal(tm__recipe_init(&u->recipe, u->json, NULL), TM_OK);
    u->recipe.options.model = "m";
    u->recipe.options.base = u->base;
    u->recipe.options.is_update = true;
}

static void updating_init(updating *u) {
    updating_init_by(u, "gbdt", few_trees);
}

static void updating_done(updating *u) {
    tm__recipe_done(&u->recipe);
    json_decref(u->json);
    tm__bundle_unref(u->base);
    tm__train_result_done(&u->base_result);
    tm__table_unref(u->table);
}

static void the_record_names_the_base_and_the_way(void **state) {
    (void)state;
    updating u;
    tm_train_result result;
    updating_init(&u);
    tm_bundle *const moved = train(u.table, &u.recipe.options, &result);
    const json_t *const continues = json_object_get(result.report, "continues");
    assert_string_equal(tm__json_text(continues, "how", ""), "update");
    assert_int_equal(tm__json_i64(continues, "rounds", 0), 8);
    assert_string_equal(tm__json_text(continues, "bundle_hash", ""),
                        tm__json_text(u.base_result.report, "bundle_hash", "?"));
    assert_int_equal(tm__bundle_model(moved)->n_rounds, 8);
    /* Rows that were held out say where the threshold lies and how far answers are off. */
    assert_true(json_is_object(json_object_get(result.report, "validation")));
    tm__bundle_unref(moved);
    tm__train_result_done(&result);
    updating_done(&u);
}

static void its_features_are_those_of_the_base(void **state) {
    (void)state;
    updating u;
    tm_train_result result;
    tm_buf a, b;
    updating_init(&u);
    u.recipe.options.window = (tm_row_window){.kind = TM_ROWS_SLIDING, .rows = 200};
    tm_bundle *const moved = train(u.table, &u.recipe.options, &result);
    tm__buf_init(&a, (size_t)1 << 24);
    tm__buf_init(&b, (size_t)1 << 24);
    assert_int_equal(tm__program_save(tm__bundle_program(u.base), &a, NULL), TM_OK);
    assert_int_equal(tm__program_save(tm__bundle_program(moved), &b, NULL), TM_OK);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
    assert_int_equal(tm__json_i64(result.report, "rows", 0), 200);
    tm__buf_done(&a);
    tm__buf_done(&b);
    tm__bundle_unref(moved);
    tm__train_result_done(&result);
    updating_done(&u);
}

static void few_rows_have_nothing_held_out(void **state) {
    (void)state;
    updating u;
    tm_train_result result;
    updating_init(&u);
    u.recipe.options.window = (tm_row_window){.kind = TM_ROWS_SLIDING, .rows = 60};
    tm_bundle *const moved = train(u.table, &u.recipe.options, &result);
    assert_true(json_is_null(json_object_get(result.report, "validation")));
    tm__bundle_unref(moved);
    tm__train_result_done(&result);
    updating_done(&u);
}

/* The threshold of the next update of `base` (its record in *out): on 900 rows, or a window. */
static double threshold_after(const updating *u, const tm_bundle *base, const char *rule,
                              uint64_t rows, tm_bundle **out) {
    tm_train_options options = u->recipe.options;
    tm_train_result result;
    options.base = base;
    options.threshold = rule;
    options.window = (tm_row_window){.kind = TM_ROWS_SLIDING, .rows = rows};
    *out = train(u->table, &options, &result);
    tm__train_result_done(&result);
    return tm__bundle_threshold(*out);
}

/* A base that had no rows to find one on is called from one half on, and so are its updates. */
static void a_threshold_that_no_rows_chose_stays(void **state) {
    (void)state;
    updating u;
    tm_bundle *first = NULL, *second = NULL, *ruled = NULL;
    updating_init(&u);
    assert_true(json_is_null(json_object_get(u.base_result.report, "validation")));
    assert_true(tm__bundle_threshold(u.base) == 0.5);
    assert_true(threshold_after(&u, u.base, NULL, 900, &first) == 0.5);
    const json_t *const told = json_object_get(tm__bundle_info(first), "threshold");
    assert_string_equal(tm__json_text(told, "reason", ""), "as before the update");
    assert_true(json_is_object(json_object_get(told, "validation")));
    assert_true(threshold_after(&u, first, NULL, 900, &second) == 0.5);
    /* A rule is followed. */
    assert_true(threshold_after(&u, u.base, "recall:0.95", 900, &ruled) != 0.5);
    tm__bundle_unref(ruled);
    tm__bundle_unref(second);
    tm__bundle_unref(first);
    updating_done(&u);
}

/* One that rows chose is chosen anew, where there are any. */
static void a_threshold_that_rows_chose_stays_without_any(void **state) {
    static const char *const stopping[] = {"gbdt.n_trees=8", "gbdt.early_stopping=8"};
    (void)state;
    updating u;
    tm_bundle *many = NULL, *few = NULL;
    updating_init_by(&u, "gbdt", stopping);
    const double before = tm__bundle_threshold(u.base);
    assert_true(before != 0.5);
    assert_true(threshold_after(&u, u.base, NULL, 60, &few) == before);
    (void)threshold_after(&u, u.base, NULL, 900, &many);
    const json_t *const told = json_object_get(tm__bundle_info(many), "threshold");
    assert_string_not_equal(tm__json_text(told, "reason", ""), "as before the update");
    tm__bundle_unref(many);
    tm__bundle_unref(few);
    updating_done(&u);
}

/* Rows that the window leaves out hold the weights, also without any to try it on. */
static void lines_weigh_the_rows_of_before(void **state) {
    static const uint64_t windows[] = {300, 60};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        updating u;
        tm_train_result result;
        updating_init_by(&u, "linear", line);
        u.recipe.options.window = (tm_row_window){.kind = TM_ROWS_SLIDING, .rows = windows[i]};
        tm_bundle *const moved = train(u.table, &u.recipe.options, &result);
        const json_t *const continues = json_object_get(result.report, "continues");
        const double weight = tm__json_f64(continues, "weight_before", -1);
        assert_true(i == 0 ? weight >= 0 && weight <= 1 : weight == 0.5);
        assert_true(tm__bundle_model(moved)->before_counts == weight);
        assert_string_equal(
            tm__json_text(json_object_get(result.report, "calibration"), "reason", ""),
            "as before the update");
        tm__bundle_unref(moved);
        tm__train_result_done(&result);
        updating_done(&u);
    }
}

static void a_record_of_an_update_is_repeated(void **state) {
    (void)state;
    updating u;
    tm_train_result result;
    tm_recipe again;
    static const char hash[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    updating_init(&u);
    memcpy(u.recipe.options.snapshot, hash, sizeof(hash));
    tm_bundle *const moved = train(u.table, &u.recipe.options, &result);
    assert_int_equal(tm__recipe_init_repeat(&again, tm__bundle_info(moved), NULL), TM_OK);
    assert_true(again.options.is_update);
    tm__recipe_done(&again);
    tm__bundle_unref(moved);
    tm__train_result_done(&result);
    updating_done(&u);
}

static void other_learners_are_refused(void **state) {
    (void)state;
    updating u;
    tm_train_result made, none;
    tm_ctx ctx = {0};
    tm_err err = {0};
    updating_init(&u);
    tm_train_options options = {.target = "label", .learners = "baseline"};
    tm_bundle *const base = train(u.table, &options, &made);
    options.base = base;
    options.is_update = true;
    assert_int_equal(tm__train_run(&ctx, u.table, NULL, &options, &none, &err), TM_E_UNSUPPORTED);
    assert_string_equal(err.message, "a model of 'baseline' cannot be updated");
    tm__bundle_unref(base);
    tm__train_result_done(&made);
    updating_done(&u);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_record_names_the_base_and_the_way),
        cmocka_unit_test(its_features_are_those_of_the_base),
        cmocka_unit_test(few_rows_have_nothing_held_out),
        cmocka_unit_test(a_threshold_that_no_rows_chose_stays),
        cmocka_unit_test(a_threshold_that_rows_chose_stays_without_any),
        cmocka_unit_test(lines_weigh_the_rows_of_before),
        cmocka_unit_test(a_record_of_an_update_is_repeated),
        cmocka_unit_test(other_learners_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
