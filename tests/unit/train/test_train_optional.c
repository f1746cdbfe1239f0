/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "train/train_priv.h"
#include "train_case.h"

static const char *const drop[] = {"amount", "city"};

static tm_bundle *train(tm_table *table, uint32_t n_drop, const json_t *optional) {
    static const char *const params[] = {"gbdt.n_trees=5"};
    const tm_train_options options = {.model = "m",
                                      .target = "label",
                                      .learners = "gbdt",
                                      .drop = drop,
                                      .n_drop = n_drop,
                                      .params = params,
                                      .n_params = 1,
                                      .optional = optional};
    tm_ctx ctx = {0};
    tm_err err = {0};
    tm_train_result result = {0};
    tm_bundle *bundle = NULL;
    if (tm__train_run(&ctx, table, NULL, &options, &result, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(tm__bundle_load(result.bundle.data, result.bundle.len, &bundle, NULL), TM_OK);
    tm__train_result_done(&result);
    return bundle;
}

static bool may_lack(const tm_bundle *bundle, const char *name) {
    const tm_schema *const schema = tm__bundle_schema(bundle);
    const uint32_t at = tm__schema_find(schema, tm__str(name));
    assert_true(at != UINT32_MAX);
    return schema->cols[at].is_nullable;
}

static bool has(const json_t *list, const char *name) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (strcmp(json_string_value(json_array_get(list, i)), name) == 0) {
            return true;
        }
    }
    return false;
}

static json_t *optional_of(const tm_bundle *served, const tm_table *rows) {
    json_t *out = NULL;
    assert_int_equal(tm__train_optional(served, &(tm_train_reads){.rows = rows}, &out, NULL),
                     TM_OK);
    return out;
}

static void a_column_that_is_new_is_asked_of_nobody(void **state) {
    (void)state;
    tm_table *const table = train_case_table(&(train_case){0}, 400);
    tm_bundle *const first = train(table, 2, NULL);
    tm_bundle *const alone = train(table, 1, NULL);
    json_t *const optional = optional_of(first, table);
    assert_true(has(optional, "city"));
    assert_false(has(optional, "x"));
    tm_bundle *const second = train(table, 1, optional);
    const json_t *const told = json_object_get(tm__bundle_info(second), "optional");
    assert_false(may_lack(alone, "city"));
    assert_null(json_object_get(tm__bundle_info(alone), "optional"));
    assert_true(may_lack(second, "city"));
    assert_false(may_lack(second, "x"));
    assert_int_equal(json_array_size(told), 1);
    assert_true(has(told, "city"));
    /* The next version does not insist on it either, for there is still who does not send it. */
    json_t *const next = optional_of(second, table);
    assert_true(has(next, "city"));
    assert_false(has(next, "x"));
    json_decref(next);
    json_decref(optional);
    tm__bundle_unref(first);
    tm__bundle_unref(alone);
    tm__bundle_unref(second);
    tm__table_unref(table);
}

static void a_feature_over_a_window_that_is_new_is_asked_of_nobody(void **state) {
    (void)state;
    static const char *const features[] = {"seen = count() by city over 1d", "twice = x * 2"};
    tm_table *const table = train_case_table(&(train_case){0}, 400);
    tm_bundle *const first = train(table, 2, NULL);
    json_t *out = NULL;
    const tm_train_reads reads = {.rows = table, .features = features, .n_features = 2};
    assert_int_equal(tm__train_optional(first, &reads, &out, NULL), TM_OK);
    assert_true(has(out, "seen"));
    assert_false(has(out, "twice")); /* made by the model itself */
    json_decref(out);
    static const char *const wrong[] = {"seen = count() by"};
    const tm_train_reads bad = {.rows = table, .features = wrong, .n_features = 1};
    assert_int_equal(tm__train_optional(first, &bad, &out, NULL), TM_E_USAGE);
    tm__bundle_unref(first);
    tm__table_unref(table);
}

static void a_name_of_before_is_the_same_column(void **state) {
    (void)state;
    tm_table *const table = train_case_table(&(train_case){0}, 400);
    tm_bundle *const first = train(table, 2, NULL);
    json_t *const rules = json_pack("{s:{s:[s]}}", "city", "was", "x");
    assert_int_equal(tm__bundle_use_columns(first, rules, NULL), TM_OK);
    json_t *const optional = optional_of(first, table);
    assert_false(has(optional, "city")); /* what it reads as x, of each row */
    assert_false(has(optional, "x"));
    json_decref(optional);
    json_decref(rules);
    tm__bundle_unref(first);
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_column_that_is_new_is_asked_of_nobody),
        cmocka_unit_test(a_feature_over_a_window_that_is_new_is_asked_of_nobody),
        cmocka_unit_test(a_name_of_before_is_the_same_column),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
