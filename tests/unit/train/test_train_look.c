/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "look_case.h"
#include "metric/metric_sure.h"
#include "test.h"
#include "train/train_look_priv.h"
#include "train_case.h"

enum { ROWS = 600 };

static const train_case rows_of_case = {.target_text = {"no", "yes"}, .missing_every = 9};

/* A bundle, and the snapshot's rows; how: options but for what is the same in all tests. */
static tm_bundle *train(tm_table *table, const tm_train_options *how) {
    const char *const params[] = {"gbdt.n_trees=12", "gbdt.early_stopping=0"};
    tm_train_options options = *how;
    tm_ctx ctx = {0};
    tm_train_result result = {0};
    tm_bundle *bundle = NULL;
    options.model = "m";
    options.target = "label";
    options.learners = "gbdt";
    options.params = params;
    options.n_params = 2;
    memset(options.snapshot, 'a', TM_HASH_TEXT - 1);
    options.snapshot[TM_HASH_TEXT - 1] = '\0';
    assert_int_equal(tm__train_run(&ctx, table, NULL, &options, &result, NULL), TM_OK);
    assert_int_equal(tm__bundle_load(result.bundle.data, result.bundle.len, &bundle, NULL), TM_OK);
    tm__train_result_done(&result);
    return bundle;
}

/* What training measured is measured again, to the last bit, whatever the split and weights. */
static void test_rows_made_again_have_the_scores_of_training(void **state) {
    (void)state;
    static const char *const splits[] = {"random:0.3", "time:at:0.25", "mod:4:1", "last:0.2"};
    tm_table *table = train_case_table(&rows_of_case, ROWS);
    for (size_t k = 0; k < 4; k++) {
        tm_train_options how = {.seed = k, .weight = k % 2 == 1 ? "noise" : NULL};
        tm_ctx ctx = {0};
        tm_look look;
        tm_table *test = NULL;
        json_t *scores = NULL, *latency = NULL;
        assert_int_equal(tm__split_parse(splits[k], &how.split, NULL), TM_OK);
        tm_bundle *bundle = train(table, &how);
        const json_t *info = tm__bundle_info(bundle);
        assert_int_equal(tm__look_test_rows(&ctx, info, table, NULL, NULL, &test, NULL), TM_OK);
        assert_int_equal(tm__look_init(&ctx, bundle, test, 1, &look, NULL), TM_OK);
        assert_int_equal(look.n, tm__json_i64(json_object_get(info, "test"), "n_rows", 0));
        assert_int_equal(tm__look_scores(&look, NULL, &scores, NULL), TM_OK);
        const json_t *entry = NULL;
        size_t i = 0;
        json_array_foreach(json_object_get(scores, "list"), i, entry) {
            const char *name = tm__json_text(entry, "score", "");
            assert_true(tm__json_f64(entry, "value", -1) ==
                        tm__json_f64(json_object_get(info, "test"), name, -2));
        }
        assert_true(i >= 8);
        assert_int_equal(tm__look_latency(&look, &latency, NULL), TM_OK);
        assert_true(tm__json_f64(latency, "p50_us", 0) > 0);
        assert_true(tm__json_f64(latency, "p99_us", 0) >= tm__json_f64(latency, "p50_us", 1e9));
        json_decref(latency);
        json_decref(scores);
        tm__look_done(&look);
        tm__table_unref(test);
        tm__bundle_unref(bundle);
    }
    tm__table_unref(table);
}

static void other_rows_than_those_of_the_record_are_refused(void **state) {
    (void)state;
    tm_table *table = train_case_table(&rows_of_case, ROWS);
    tm_table *fewer = train_case_table(&rows_of_case, ROWS / 2), *test = NULL;
    tm_ctx ctx = {0};
    tm_err err = {0};
    const tm_train_options how = {0}, none = {.split = {.kind = TM_SPLIT_NONE}};
    tm_bundle *bundle = train(table, &how), *untested = train(table, &none);
    assert_int_equal(
        tm__look_test_rows(&ctx, tm__bundle_info(bundle), fewer, NULL, NULL, &test, &err),
        TM_E_INTEGRITY);
    assert_int_equal(
        tm__look_test_rows(&ctx, tm__bundle_info(untested), table, NULL, NULL, &test, &err),
        TM_E_DATA);
    assert_non_null(strstr(err.message, "without test rows"));
    assert_null(test);
    tm__bundle_unref(bundle);
    tm__bundle_unref(untested);
    tm__table_unref(table);
    tm__table_unref(fewer);
}

static void entities_are_units(void **state) {
    (void)state;
    tm_table *table = train_case_table(&rows_of_case, ROWS);
    tm_ctx ctx = {0};
    tm_look look;
    const tm_train_options how = {.entity = "city"};
    tm_bundle *bundle = train(table, &how);
    assert_int_equal(tm__look_init(&ctx, bundle, table, 1, &look, NULL), TM_OK);
    assert_string_equal(look.unit, "entities");
    assert_int_equal(look.n_units, 5);
    tm__look_done(&look);
    tm__bundle_unref(bundle);
    tm__table_unref(table);
}

static void quantiles_intervals_and_tails_are_those_of_tables(void **state) {
    (void)state;
    const double values[] = {1, 2, 3, 4};
    double low = 0, high = 0;
    assert_true(tm__look_quantile(values, 4, 0.5) == 2.5);
    assert_true(tm__look_quantile(values, 4, 1) == 4);
    assert_true(isnan(tm__look_quantile(values, 0, 0.5)));
    tm__share_interval(0.5, 10, &low, &high);
    assert_true(fabs(low - 0.2366) < 1e-4 && fabs(high - 0.7634) < 1e-4);
    tm__share_interval(0, 0, &low, &high);
    assert_true(low == 0 && high == 1);
    assert_true(fabs(tm__look_tail(0) - 0.5) < 1e-7);
    assert_true(fabs(tm__look_tail(1.959963984540054) - 0.025) < 1e-7);
    assert_true(fabs(tm__look_tail(-1) - 0.8413447461) < 1e-6);
    assert_true(fabs(tm__look_tail(6) / 9.865876e-10 - 1) < 1e-5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_made_again_have_the_scores_of_training),
        cmocka_unit_test(other_rows_than_those_of_the_record_are_refused),
        cmocka_unit_test(entities_are_units),
        cmocka_unit_test(quantiles_intervals_and_tails_are_those_of_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
