/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "support.h"
#include "train/train_priv.h"

enum { N = 1600, MANY = 30 };

/* y is the sum of n_cols numbers and noise: the more there are, the more rows it takes to know what
 * each adds. */
static tm_table *sums(uint32_t n_rows, uint32_t n_cols) {
    tm_table_builder *const b = tm__builder_create();
    tm_table *table = NULL;
    char name[16];
    for (uint32_t col = 0; col < n_cols; col++) {
        (void)snprintf(name, sizeof(name), "x%u", col);
        assert_int_equal(tm__builder_add_column(b, name, TM_TYPE_FLOAT, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_add_column(b, "y", TM_TYPE_FLOAT, NULL), TM_OK);
    tm_rng rng = tm__rng_split(4, "value", 0);
    for (uint32_t row = 0; row < n_rows; row++) {
        tm_cell cells[MANY + 1];
        double sum = n_cols == 1 ? 0 : 6 * (tm__rng_f64(&rng) - 0.5);
        for (uint32_t col = 0; col < n_cols; col++) {
            const double x = tm__rng_f64(&rng);
            cells[col] = (tm_cell){.type = TM_TYPE_FLOAT, .f64 = x};
            sum += x;
        }
        cells[n_cols] = (tm_cell){.type = TM_TYPE_FLOAT, .f64 = sum};
        assert_int_equal(tm__builder_add_row(b, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(b, &table, NULL), TM_OK);
    return table;
}

static json_t *value_of(tm_table *table, const tm_value_options *options, uint32_t n_threads) {
    tm_ctx *const ctx = test_ctx_make(n_threads);
    json_t *out = NULL;
    tm_err err = {0};
    if (tm__train_value(ctx, table, options, &out, &err) != TM_OK) {
        print_error("%s\n", err.message);
        fail();
    }
    test_ctx_free(ctx);
    return out;
}

static void more_rows_help_where_there_is_more_to_know(void **state) {
    (void)state;
    const tm_value_options options = {.train = {.target = "y", .learners = "linear"}};
    const struct {
        uint32_t n_cols;
        const char *verdict;
    } cases[] = {{MANY, "yes"}, {1, "no"}};
    for (size_t i = 0; i < 2; i++) {
        tm_table *const table = sums(N / 2, cases[i].n_cols);
        json_t *const value = value_of(table, &options, 2);
        assert_string_equal(tm__json_text(value, "verdict", ""), cases[i].verdict);
        assert_string_equal(tm__json_text(value, "metric", ""), "rmse");
        const json_t *const curve = json_object_get(value, "curve");
        const json_t *const first = json_array_get(curve, 0);
        const json_t *const last = json_array_get(curve, json_array_size(curve) - 1);
        assert_true(json_array_size(curve) >= 4);
        assert_true(tm__json_f64(first, "score", 0) > tm__json_f64(last, "score", 0));
        const int64_t n_train = tm__json_i64(json_object_get(value, "split"), "train_rows", 0);
        assert_int_equal(tm__json_i64(last, "rows", 0), n_train);
        json_decref(value);
        tm__table_unref(table);
    }
}

static void the_last_doubling_is_foretold_by_the_sizes_before_it(void **state) {
    (void)state;
    const tm_value_options options = {.train = {.target = "y", .learners = "linear"}};
    tm_table *const table = sums(N, MANY);
    json_t *const value = value_of(table, &options, 2);
    const json_t *const last = json_object_get(value, "last_doubling");
    const json_t *const foretold = json_object_get(last, "foretold");
    const double measured = tm__json_f64(json_object_get(last, "measured"), "gain", 0);
    assert_true(measured > 0);
    assert_true(tm__json_f64(foretold, "gain", 0) > measured / 2);
    assert_true(tm__json_f64(foretold, "gain", 0) < measured * 2);
    assert_true(tm__json_bool(json_object_get(value, "model"), "holds", false));
    json_decref(value);
    tm__table_unref(table);
}

static void the_same_rows_have_the_same_value_on_any_number_of_threads(void **state) {
    (void)state;
    const tm_value_options options = {.train = {.target = "y", .seed = 7}};
    tm_table *const table = sums(600, 4);
    json_t *const one = value_of(table, &options, 1), *const three = value_of(table, &options, 3);
    char *const a = json_dumps(one, JSON_SORT_KEYS), *const b = json_dumps(three, JSON_SORT_KEYS);
    assert_string_equal(a, b);
    free(a);
    free(b);
    json_decref(one);
    json_decref(three);
    tm__table_unref(table);
}

static void few_rows_have_no_curve_and_a_largest_fit_may_be_set(void **state) {
    (void)state;
    const tm_value_options few = {.train = {.target = "y", .learners = "linear"}};
    const tm_value_options some = {.train = {.target = "y", .learners = "linear"},
                                   .n_rows_max = 640};
    tm_table *const small = sums(120, 3), *const large = sums(N, 3);
    json_t *value = value_of(small, &few, 1);
    assert_string_equal(tm__json_text(value, "verdict", ""), "cannot_tell");
    assert_null(json_object_get(value, "twice"));
    json_decref(value);
    value = value_of(large, &some, 1);
    const json_t *const curve = json_object_get(value, "curve");
    const json_t *const last = json_array_get(curve, json_array_size(curve) - 1);
    assert_in_range(tm__json_i64(last, "rows", 0), 560, 720); /* rows are drawn one by one */
    json_decref(value);
    tm__table_unref(small);
    tm__table_unref(large);
}

static void a_metric_of_another_task_is_refused(void **state) {
    (void)state;
    const tm_value_options options = {.train = {.target = "y", .metric = "auc"}};
    tm_table *const table = sums(200, 3);
    tm_ctx *const ctx = test_ctx_make(1);
    json_t *out = NULL;
    tm_err err = {0};
    assert_int_equal(tm__train_value(ctx, table, &options, &out, &err), TM_E_USAGE);
    assert_string_equal(err.message, "'auc' is no metric for a regression target");
    tm__table_unref(table);
    test_ctx_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_rows_help_where_there_is_more_to_know),
        cmocka_unit_test(the_last_doubling_is_foretold_by_the_sizes_before_it),
        cmocka_unit_test(the_same_rows_have_the_same_value_on_any_number_of_threads),
        cmocka_unit_test(few_rows_have_no_curve_and_a_largest_fit_may_be_set),
        cmocka_unit_test(a_metric_of_another_task_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
