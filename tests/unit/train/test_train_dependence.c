/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/pool.h"
#include "look_case.h"
#include "test.h"
#include "train/train_look_priv.h"
#include "train_case.h"

enum { ROWS = 800 };

static const train_case rows_of_case = {.target_text = {"no", "yes"}, .is_shuffled = true};

static json_t *along(uint32_t n_threads) {
    const char *const params[] = {"gbdt.n_trees=30", "gbdt.early_stopping=0"};
    const char *const drop[] = {"amount"};
    const tm_train_options options = {.model = "m",
                                      .target = "label",
                                      .learners = "gbdt",
                                      .params = params,
                                      .n_params = 2,
                                      .drop = drop,
                                      .n_drop = 1};
    tm_table *table = train_case_table(&rows_of_case, ROWS);
    tm_ctx ctx = {.pool = tm__pool_create(n_threads)};
    tm_train_result result = {0};
    tm_bundle *bundle = NULL;
    tm_look look;
    json_t *out = NULL;
    json_t *worth = json_pack("{s:[{s:s}, {s:s}, {s:s}, {s:s}]}", "columns", "column", "x",
                              "column", "city", "column", "at", "column", "gone");
    assert_int_equal(tm__train_run(&ctx, table, NULL, &options, &result, NULL), TM_OK);
    assert_int_equal(tm__bundle_load(result.bundle.data, result.bundle.len, &bundle, NULL), TM_OK);
    assert_int_equal(tm__look_init(&ctx, bundle, table, 1, &look, NULL), TM_OK);
    assert_int_equal(tm__look_dependence(&look, worth, &out, NULL), TM_OK);
    json_decref(worth);
    tm__look_done(&look);
    tm__bundle_unref(bundle);
    tm__train_result_done(&result);
    tm__table_unref(table);
    tm__pool_free(ctx.pool);
    return out;
}

static void answers_rise_with_what_the_target_follows(void **state) {
    (void)state;
    json_t *out = along(1), *again = along(3);
    assert_true(json_equal(out, again));
    const json_t *x = json_array_get(out, 0), *city = json_array_get(out, 1);
    const json_t *output = json_array_get(json_object_get(x, "outputs"), 0);
    const size_t n = json_array_size(json_object_get(x, "values"));
    assert_string_equal(tm__json_text(x, "kind", ""), "number");
    assert_string_equal(tm__json_text(output, "class", ""), "yes");
    assert_int_equal(n, 20);
    assert_true(look_case_at(output, "mean", 0) < 0.2);
    assert_true(look_case_at(output, "mean", n - 1) > 0.8);
    for (size_t i = 0; i < n; i++) {
        assert_true(look_case_at(output, "low", i) <= look_case_at(output, "high", i));
    }
    assert_true(look_case_at(x, "values", 0) > 0.002); /* a hundredth, not the least */
    assert_string_equal(tm__json_text(city, "kind", ""), "category");
    const json_t *labels = json_object_get(city, "labels");
    output = json_array_get(json_object_get(city, "outputs"), 0);
    double oslo = 0, cairo = 0, shares = 0;
    for (size_t i = 0; i < json_array_size(labels); i++) {
        const char *name = json_string_value(json_array_get(labels, i));
        oslo = strcmp(name, "Oslo") == 0 ? look_case_at(output, "mean", i) : oslo;
        cairo = strcmp(name, "Cairo") == 0 ? look_case_at(output, "mean", i) : cairo;
        shares += look_case_at(city, "shares", i);
    }
    assert_true(oslo > cairo + 0.1);
    assert_true(fabs(shares - 1) < 1e-9);
    json_decref(out);
    json_decref(again);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_rise_with_what_the_target_follows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
