/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "train/train_priv.h"
#include "train_case.h"

static void roles_are_given_with_reasons(void **state) {
    (void)state;
    const train_case options = {0};
    const char *const drop[] = {"noise"};
    const tm_train_options train = {
        .target = "label", .drop = drop, .n_drop = 1, .time = "at", .weight = "x"};
    tm_table *table = train_case_table(&options, 100);
    tm_train_data data;
    assert_int_equal(tm__train_data_init(&data, table, NULL, &train, NULL), TM_OK);
    assert_int_equal(data.schema.cols[4].role, TM_ROLE_FEATURE);
    assert_int_equal(data.schema.cols[1].role, TM_ROLE_DROPPED);
    assert_int_equal(data.schema.cols[3].role, TM_ROLE_TIME);
    assert_int_equal(data.schema.cols[0].role, TM_ROLE_WEIGHT);
    assert_int_equal(data.schema.cols[5].role, TM_ROLE_TARGET);
    assert_non_null(data.schema.cols[1].reason);
    assert_non_null(data.weights);
    tm__train_data_done(&data);
    tm__table_unref(table);
}

static void wrong_columns_are_refused_with_the_nearest_name(void **state) {
    (void)state;
    const train_case options = {0};
    const char *const drop[] = {"nois"}, *const target[] = {"noise", "label"};
    const struct {
        tm_train_options train;
        const char *message, *hint;
    } cases[] = {
        {{.target = "labl"}, "target column 'labl'", "'label'"},
        {{.target = "label", .drop = drop, .n_drop = 1}, "dropped column 'nois'", "'noise'"},
        {{.target = "label", .drop = target, .n_drop = 2},
         "column 'label' is the target and dropped",
         "--drop"},
        {{.target = "label", .time = "x"}, "is float", ""},
        {{.target = NULL}, "no target", "--target"},
        {{.target = "label", .weight = "city"}, "weight 'city'", ""},
    };
    tm_table *table = train_case_table(&options, 100);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_train_data data;
        tm_err err = {0};
        assert_int_not_equal(tm__train_data_init(&data, table, NULL, &cases[i].train, &err), TM_OK);
        assert_non_null(strstr(err.message, cases[i].message));
        assert_non_null(strstr(err.hint, cases[i].hint));
    }
    tm__table_unref(table);
}

static void too_few_rows_are_refused(void **state) {
    (void)state;
    const train_case options = {.missing_every = 1};
    const tm_train_options train = {.target = "amount"};
    tm_table *table = train_case_table(&options, 8);
    tm_train_data data;
    tm_err err = {0};
    assert_int_equal(tm__train_data_init(&data, table, NULL, &train, &err), TM_E_DATA);
    assert_non_null(strstr(err.message, "rows are left"));
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roles_are_given_with_reasons),
        cmocka_unit_test(wrong_columns_are_refused_with_the_nearest_name),
        cmocka_unit_test(too_few_rows_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
