/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "flights_case.h"
#include "train/train_priv.h"

static const char *const features[] = {"late_3h = mean(late) by from over 3h",
                                       "left = count() by from over 30m"};
static const char *const known[] = {"late=arrives", "delay=arrives"};
static const char *const drop[] = {"delay"};

static tm_train_options options_of(void) {
    return (tm_train_options){.model = "m",
                              .target = "late",
                              .time = "leaves",
                              .learners = "gbdt",
                              .features = features,
                              .n_features = 2,
                              .known = known,
                              .n_known = 2,
                              .drop = drop,
                              .n_drop = 1,
                              .work = 3000000};
}

static tm_status train(const tm_train_options *options, tm_table *table, tm_table *test,
                       tm_train_result *out, tm_err *err) {
    tm_ctx ctx = {.pool = tm__pool_create(2)};
    const tm_status st = tm__train_run(&ctx, table, test, options, out, err);
    tm__pool_free(ctx.pool);
    return st;
}

static double auc_of(const tm_train_result *result) {
    return tm__json_f64(json_object_get(result->report, "test"), "auc", 0);
}

static void features_are_columns_that_a_model_learns_from(void **state) {
    (void)state;
    tm_train_options o = options_of();
    tm_table *table = flights_case_table(0, 6000);
    tm_train_result with, without, again;
    tm_bundle *bundle = NULL;
    tm_recipe recipe;
    assert_int_equal(train(&o, table, NULL, &with, NULL), TM_OK);
    assert_int_equal(tm__bundle_load(with.bundle.data, with.bundle.len, &bundle, NULL), TM_OK);
    const tm_schema *schema = tm__bundle_schema(bundle);
    const uint32_t at = tm__schema_find(schema, TM_STR("late_3h"));
    assert_int_not_equal(at, UINT32_MAX);
    assert_int_equal(schema->cols[at].type, TM_TYPE_FLOAT);
    assert_int_equal(tm__schema_find(schema, TM_STR("arrives")), UINT32_MAX);
    assert_int_equal(tm__schema_find(schema, TM_STR("delay")), UINT32_MAX);
    const json_t *windows = json_object_get(with.report, "windows");
    assert_int_equal(json_array_size(json_object_get(windows, "features")), 2);

    memset(o.snapshot, 'a', TM_HASH_TEXT - 1);
    assert_int_equal(train(&o, table, NULL, &again, NULL), TM_OK); /* a snapshot, to repeat it */
    assert_int_equal(tm__recipe_init_repeat(&recipe, again.report, NULL), TM_OK);
    assert_int_equal(recipe.options.n_features, 2);
    assert_string_equal(recipe.options.features[0], features[0]);
    assert_string_equal(recipe.options.known[0], known[0]);
    tm__recipe_done(&recipe);

    o.n_features = 0;
    assert_int_equal(train(&o, table, NULL, &without, NULL), TM_OK);
    assert_true(auc_of(&with) > auc_of(&without) + 0.05);
    tm__train_result_done(&with);
    tm__train_result_done(&without);
    tm__train_result_done(&again);
    tm__bundle_unref(bundle);
    tm__table_unref(table);
}

/* What the rows of a test table see is what they would see behind the training rows. */
static void test_rows_see_the_rows_before_them(void **state) {
    (void)state;
    const tm_train_options o = options_of();
    tm_table *table = flights_case_table(0, 3000), *test = flights_case_table(3000, 500);
    tm_table *whole = flights_case_table(0, 3500);
    tm_ctx ctx = {0};
    tm_train_windows cut, all;
    assert_int_equal(tm__train_windows_init(&ctx, table, test, &o, &cut, NULL), TM_OK);
    assert_int_equal(tm__train_windows_init(&ctx, whole, NULL, &o, &all, NULL), TM_OK);
    for (uint32_t i = 0; i < 2; i++) {
        const char *const name = tm__window_set_name(cut.set, i);
        const double *const wanted =
            tm__table_column(all.table, tm__table_find(all.table, name))->floats;
        const double *const first =
            tm__table_column(cut.table, tm__table_find(cut.table, name))->floats;
        const double *const second =
            tm__table_column(cut.test, tm__table_find(cut.test, name))->floats;
        assert_memory_equal(first, wanted, 3000 * sizeof(double));
        assert_memory_equal(second, wanted + 3000, 500 * sizeof(double));
    }
    tm__train_windows_done(&cut);
    tm__train_windows_done(&all);
    tm__table_unref(table);
    tm__table_unref(test);
    tm__table_unref(whole);
}

static void what_is_known_later_is_no_input(void **state) {
    (void)state;
    tm_table *table = flights_case_table(0, 2000);
    tm_train_options o = options_of();
    tm_train_result result;
    tm_err err = {0};
    o.n_drop = 0;
    assert_int_equal(train(&o, table, NULL, &result, &err), TM_E_REFUSED);
    assert_non_null(strstr(err.message, "column 'delay' is not known at its row's 'leaves'"));
    o = options_of();
    o.n_known = 0;
    assert_int_equal(train(&o, table, NULL, &result, &err), TM_E_REFUSED);
    assert_non_null(strstr(err.message, "feature 'late_3h' would look at what was not known yet"));
    o.time = NULL;
    assert_int_equal(train(&o, table, NULL, &result, &err), TM_E_USAGE);
    assert_string_equal(err.message, "a feature over a window needs a time column");
    tm__table_unref(table);
}

static tm_status init_with_failure(tm_table *table, tm_table *test, uint64_t n) {
    const tm_train_options o = options_of();
    tm_train_windows windows = {0};
    tm_ctx ctx = {0};
    tm__mem_fail_at(n, false);
    const tm_status st = tm__train_windows_init(&ctx, table, test, &o, &windows, NULL);
    tm__mem_fail_at(0, false);
    tm__train_windows_done(&windows);
    return st;
}

static void no_memory_is_said_at_any_place(void **state) {
    (void)state;
    tm_table *table = flights_case_table(0, 50), *test = flights_case_table(50, 5);
    const uint64_t n_alive = tm__mem_alive();
    tm_status st = TM_E_NOMEM;
    for (uint64_t n = 1; st != TM_OK; n++) {
        st = init_with_failure(table, test, n);
        assert_true(st == TM_OK || st == TM_E_NOMEM);
        assert_int_equal(tm__mem_alive(), n_alive);
    }
    tm__table_unref(table);
    tm__table_unref(test);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_are_columns_that_a_model_learns_from),
        cmocka_unit_test(test_rows_see_the_rows_before_them),
        cmocka_unit_test(what_is_known_later_is_no_input),
        cmocka_unit_test(no_memory_is_said_at_any_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
