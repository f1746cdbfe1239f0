/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/mem.h"
#include "train/train_priv.h"
#include "train_case.h"

/* A quick bundle that predicts `label` of a case's rows. */
static tm_bundle *quick_bundle(const train_case *options, const char *target) {
    const char *const params[] = {"gbdt.n_trees=3", "gbdt.early_stopping=0"};
    const tm_train_options t = {
        .model = "m", .target = target, .learners = "gbdt", .params = params, .n_params = 2};
    tm_table *table = train_case_table(options, 300);
    tm_ctx ctx = {0};
    tm_train_result result = {0};
    tm_bundle *bundle = NULL;
    assert_int_equal(tm__train_run(&ctx, table, NULL, &t, &result, NULL), TM_OK);
    assert_int_equal(tm__bundle_load(result.bundle.data, result.bundle.len, &bundle, NULL), TM_OK);
    tm__train_result_done(&result);
    tm__table_unref(table);
    return bundle;
}

static void rows_without_target_are_left_out(void **state) {
    (void)state;
    const train_case whole = {.target_text = {"no", "yes"}};
    const train_case holes = {.target_text = {"no", "yes"}, .missing_every = 10};
    tm_bundle *bundle = quick_bundle(&whole, "label");
    tm_table *table = train_case_table(&holes, 100);
    double *y = NULL;
    uint32_t *rows = NULL;
    uint64_t n = 0;
    assert_int_equal(tm__train_target(bundle, table, &y, &rows, &n, NULL), TM_OK);
    assert_int_equal(n, 90);
    for (uint64_t i = 0; i < n; i++) {
        assert_true(rows[i] % 10 != 0);
        assert_true(y[i] == 0.0 || y[i] == 1.0);
    }
    tm__mem_free(y);
    tm__mem_free(rows);
    tm__table_unref(table);
    tm__bundle_unref(bundle);
}

static void a_class_the_model_does_not_know_is_its_own_number(void **state) {
    (void)state;
    const train_case known = {.target_text = {"no", "yes"}};
    const train_case other = {.target_text = {"no", "perhaps"}};
    tm_bundle *bundle = quick_bundle(&known, "label");
    tm_table *table = train_case_table(&other, 100);
    double *y = NULL;
    uint32_t *rows = NULL;
    uint64_t n = 0;
    bool any = false;
    assert_int_equal(tm__train_target(bundle, table, &y, &rows, &n, NULL), TM_OK);
    for (uint64_t i = 0; i < n; i++) {
        assert_true(y[i] == 0.0 || y[i] == 2.0);
        any = any || y[i] == 2.0;
    }
    assert_true(any);
    tm__mem_free(y);
    tm__mem_free(rows);
    tm__table_unref(table);
    tm__bundle_unref(bundle);
}

static void data_without_the_target_is_refused(void **state) {
    (void)state;
    const train_case options = {0};
    tm_bundle *bundle = quick_bundle(&options, "label");
    tm_table_builder *builder = tm__builder_create();
    tm_table *table = NULL;
    tm_ctx ctx = {0};
    tm_err err = {0};
    json_t *scores = NULL;
    assert_int_equal(tm__builder_add_column(builder, "x", TM_TYPE_FLOAT, NULL), TM_OK);
    assert_int_equal(tm__builder_finish(builder, &table, NULL), TM_OK);
    assert_int_equal(tm__train_evaluate(&ctx, bundle, table, &scores, &err), TM_E_DATA);
    assert_non_null(strstr(err.message, "'label'"));
    tm__table_unref(table);
    tm__bundle_unref(bundle);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_without_target_are_left_out),
        cmocka_unit_test(a_class_the_model_does_not_know_is_its_own_number),
        cmocka_unit_test(data_without_the_target_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
