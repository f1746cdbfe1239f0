/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "look_case.h"
#include "test.h"
#include "train/train_look_priv.h"

enum { N = 420 };

static double y[N], pred[N];

/* 200 rows of a, of which 100 are called positive, 200 of b, of which 60 are, 20 of c; in a and b
 * half of those called are positive, and a tenth of the others. */
static tm_table *make_rows(void) {
    tm_table_builder *builder = tm__builder_create();
    tm_table *table = NULL;
    assert_int_equal(tm__builder_add_column(builder, "who", TM_TYPE_TEXT, NULL), TM_OK);
    for (uint32_t i = 0; i < N; i++) {
        const uint32_t group = i < 400 ? i / 200 : 2, place = i % 200;
        static const char *const names[] = {"a", "b", "c"};
        const tm_cell cell = {.type = TM_TYPE_TEXT, .text = tm__str(names[group])};
        const bool is_called = place < (group == 0 ? 100u : group == 1 ? 60u : 2u);
        pred[i] = is_called ? 0.75 : 0.25;
        y[i] = is_called ? place % 2 == 0 : place % 10 == 0;
        assert_int_equal(tm__builder_add_row(builder, &cell, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(builder, &table, NULL), TM_OK);
    return table;
}

static double value_of(const json_t *group, const char *member, const char *part) {
    return tm__json_f64(json_object_get(group, member), part, 99);
}

static void rates_ratio_and_the_rule_are_those_of_the_formulas(void **state) {
    (void)state;
    tm_table *table = make_rows();
    tm_look look = look_case_make(TM_TASK_BINARY, table, y, pred, N);
    json_t *out = NULL;
    assert_int_equal(tm__look_fairness(&look, "who", &out, NULL), TM_OK);
    const json_t *groups = json_object_get(out, "groups");
    assert_int_equal(json_array_size(groups), 3);
    const json_t *a = json_array_get(groups, 0), *b = json_array_get(groups, 1);
    const json_t *c = json_array_get(groups, 2);
    assert_string_equal(tm__json_text(a, "group", ""), "a");
    assert_true(value_of(a, "selected", "value") == 0.5);
    assert_true(value_of(b, "selected", "value") == 0.3);
    /* Wilson's interval of 60 of 200, as statsmodels has it. */
    assert_true(fabs(value_of(b, "selected", "low") - 0.2407) < 1e-3);
    assert_true(fabs(value_of(b, "selected", "high") - 0.3668) < 1e-3);
    assert_true(fabs(value_of(a, "true_positive_rate", "value") - 50.0 / 60) < 1e-12);
    assert_true(fabs(value_of(a, "false_positive_rate", "value") - 50.0 / 140) < 1e-12);
    assert_true(fabs(value_of(a, "precision", "value") - 0.5) < 1e-12);
    /* log 0.6 more or less 1.96 roots of 1/60 - 1/200 + 1/100 - 1/200. */
    assert_true(fabs(value_of(b, "ratio", "value") - 0.6) < 1e-12);
    assert_true(fabs(value_of(b, "ratio", "low") - 0.46586) < 1e-4);
    assert_true(fabs(value_of(b, "ratio", "high") - 0.77275) < 1e-4);
    assert_true(tm__json_bool(c, "small", false) && !tm__json_bool(b, "small", true));
    const json_t *rule = json_object_get(out, "four_fifths");
    assert_false(tm__json_bool(rule, "holds", true));
    assert_string_equal(tm__json_text(rule, "least", ""), "b"); /* c has too few rows */
    assert_false(tm__json_bool(out, "is_input", true));
    json_decref(out);
    look_case_done(&look);
    tm__table_unref(table);
}

static void a_column_that_is_not_there_is_named(void **state) {
    (void)state;
    tm_err err = {0};
    tm_table *table = make_rows();
    tm_look look = look_case_make(TM_TASK_BINARY, table, y, pred, N);
    json_t *out = NULL;
    assert_int_equal(tm__look_fairness(&look, "whom", &out, &err), TM_E_USAGE);
    assert_non_null(strstr(err.message, "'whom'"));
    assert_non_null(strstr(err.hint, "'who'"));
    assert_null(out);
    look_case_done(&look);
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_ratio_and_the_rule_are_those_of_the_formulas),
        cmocka_unit_test(a_column_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
