/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/mem.h"
#include "train/train_priv.h"
#include "train_case.h"

static void rules_that_cannot_be_kept_are_refused_by_name(void **state) {
    (void)state;
    static const struct {
        const char *monotone[2];
        const char *interact[2];
        const char *learners;
        const char *want;
    } cases[] = {
        {{"x"}, {NULL}, NULL, "cannot read the monotone column 'x'"},
        {{"x:2"}, {NULL}, NULL, "cannot read the monotone column 'x:2'"},
        {{":+1"}, {NULL}, NULL, "cannot read the monotone column ':+1'"},
        {{"nose:+1"}, {NULL}, NULL, "there is no column 'nose' to be monotone in"},
        {{"label:+1"}, {NULL}, NULL, "column 'label' is no feature: the target"},
        {{"amount:+1"}, {NULL}, NULL, "column 'amount' is no feature: dropped as asked"},
        {{"city:+1"},
         {NULL},
         NULL,
         "answers cannot be monotone in 'city': it is text, not a number"},
        {{"at:-1"}, {NULL}, NULL, "answers cannot be monotone in 'at': it is time, not a number"},
        {{"x:+1", "x:-1"}, {NULL}, NULL, "monotone column 'x' is named twice"},
        {{NULL}, {"x+nose"}, NULL, "there is no column 'nose' to interact"},
        {{NULL}, {"x+amount"}, NULL, "column 'amount' is no feature: dropped as asked"},
        {{"x:+1"}, {NULL}, "gbdt,linear", "learner 'linear' cannot keep rules of columns"},
        {{NULL}, {"x+city"}, "linear", "learner 'linear' cannot keep rules of columns"},
    };
    const char *const drop[] = {"amount"};
    tm_table *table = train_case_table(&(train_case){0}, 60);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const tm_train_options options = {
            .model = "m",
            .target = "label",
            .learners = cases[i].learners,
            .drop = drop,
            .n_drop = 1,
            .monotone = cases[i].monotone,
            .n_monotone = (uint32_t)(cases[i].monotone[0] != NULL) + (cases[i].monotone[1] != NULL),
            .interact = cases[i].interact,
            .n_interact = cases[i].interact[0] != NULL,
        };
        tm_ctx ctx = {0};
        tm_train_result result;
        tm_err err = {0};
        assert_int_equal(tm__train_run(&ctx, table, NULL, &options, &result, &err), TM_E_USAGE);
        assert_string_equal(err.message, cases[i].want);
    }
    tm__table_unref(table);
}

static void probabilities_of_many_classes_are_not_monotone(void **state) {
    (void)state;
    tm_table *table = train_case_table(&(train_case){0}, 60);
    const char *const monotone[] = {"x:+1"};
    const tm_train_options options = {.model = "m",
                                      .target = "city",
                                      .task = TM_TASK_MULTICLASS,
                                      .monotone = monotone,
                                      .n_monotone = 1};
    tm_ctx ctx = {0};
    tm_train_result result;
    tm_err err = {0};
    assert_int_equal(tm__train_run(&ctx, table, NULL, &options, &result, &err), TM_E_USAGE);
    assert_string_equal(err.message,
                        "answers for more than two classes cannot be monotone in a column");
    assert_non_null(strstr(err.hint, "Train a yes-or-no target"));
    tm__table_unref(table);
}

/* Steps of the answer against the order along `x`, over rows and a grid of its values. */
static uint32_t falls(const tm_train_result *result, tm_table *table, int way) {
    tm_bundle *bundle = NULL;
    assert_int_equal(tm__bundle_load(result->bundle.data, result->bundle.len, &bundle, NULL),
                     TM_OK);
    const tm_schema *schema = tm__bundle_schema(bundle);
    tm_bundle_scratch *scratch = tm__bundle_scratch_create(bundle);
    const uint32_t x = tm__schema_find(schema, TM_STR("x"));
    tm_cell cells[8];
    uint32_t n = 0;
    assert_true(schema->n_cols < 8 && x < 8);
    for (uint64_t row = 0; row < 100; row++) {
        double before = 0;
        for (uint32_t c = 0; c < schema->n_cols; c++) {
            const uint32_t col = tm__table_find(table, schema->cols[c].name);
            cells[c] = tm__column_cell(tm__table_column(table, col), row);
        }
        for (uint32_t step = 0; step <= 50; step++) {
            double out = 0;
            cells[x] = (tm_cell){.type = TM_TYPE_FLOAT, .f64 = step / 50.0};
            tm__bundle_predict_row(bundle, scratch, cells, &out);
            n += step > 0 && way * (out - before) < -1e-12; /* the link rounds */
            before = out;
        }
    }
    tm__bundle_scratch_free(scratch);
    tm__bundle_unref(bundle);
    return n;
}

/* The label rises along x: that answers fall there costs much, and holds all the same. */
static void trained_answers_are_monotone(void **state) {
    (void)state;
    const char *const drop[] = {"amount", "at"}, *const demands[] = {"x:-1", "noise:+1"};
    const char *const params[] = {"gbdt.n_trees=20"};
    tm_table *table = train_case_table(&(train_case){0}, 900);
    for (uint32_t i = 0; i < 3; i++) {
        const tm_train_options options = {
            .model = "m",
            .target = "label",
            .learners = "gbdt",
            .drop = drop,
            .n_drop = 2,
            .params = params,
            .n_params = i < 2, /* the last one is a search with a blend */
            .monotone = demands,
            .n_monotone = i == 0 ? 0 : 2,
            .work = i < 2 ? 0 : 4000000,
        };
        tm_ctx ctx = {0};
        tm_train_result result;
        tm_err err = {0};
        if (tm__train_run(&ctx, table, NULL, &options, &result, &err) != TM_OK) {
            fail_msg("%s", err.message);
        }
        const uint32_t n = falls(&result, table, -1);
        assert_true(i == 0 ? n > 100 : n == 0);
        json_t *recipe = json_object_get(result.report, "recipe");
        assert_int_equal(json_array_size(json_object_get(recipe, "monotone")), i == 0 ? 0 : 2);
        tm__train_result_done(&result);
    }
    tm__table_unref(table);
}

static void features_get_the_rules_of_their_column(void **state) {
    (void)state;
    const char *const monotone[] = {"x:+1"}, *const interact[] = {"x+city", "city + at"};
    const tm_train_options options = {.model = "m",
                                      .target = "label",
                                      .monotone = monotone,
                                      .n_monotone = 1,
                                      .interact = interact,
                                      .n_interact = 2};
    tm_ctx ctx = {0};
    tm_table *table = train_case_table(&(train_case){0}, 900);
    tm_train_data data;
    tm_fold fold;
    tm_column_rule *rules = NULL;
    assert_int_equal(tm__train_data_init(&data, table, NULL, &options, NULL), TM_OK);
    assert_int_equal(tm__train_rules_check(&data, &options, NULL), TM_OK);
    const tm_fold_rows rows = {.fit = data.train, .n_fit = data.n_train};
    assert_int_equal(tm__fold_init(&ctx, &fold, &data, &rows, 0, NULL), TM_OK);
    assert_int_equal(tm__train_rules_init(&options, fold.program, &rules, NULL), TM_OK);
    uint32_t n_at = 0;
    for (uint32_t f = 0; f < tm__program_features(fold.program); f++) {
        const tm_feature *feature = tm__program_feature(fold.program, f);
        const char *name = tm__program_schema(fold.program)->cols[feature->input].name;
        assert_int_equal(rules[f].input, feature->input);
        assert_int_equal(rules[f].monotone, strcmp(name, "x") == 0);
        const uint64_t want = strcmp(name, "x") == 0      ? 1
                              : strcmp(name, "city") == 0 ? 3
                              : strcmp(name, "at") == 0   ? 2
                                                          : 0;
        assert_true(rules[f].groups == want);
        n_at += strcmp(name, "at") == 0;
    }
    assert_true(n_at > 1);
    tm__mem_free(rules);
    tm__fold_done(&fold);
    tm__train_data_done(&data);
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_that_cannot_be_kept_are_refused_by_name),
        cmocka_unit_test(trained_answers_are_monotone),
        cmocka_unit_test(probabilities_of_many_classes_are_not_monotone),
        cmocka_unit_test(features_get_the_rules_of_their_column),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
