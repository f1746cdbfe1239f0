/* SPDX-License-Identifier: Apache-2.0 */
#include "table/renames.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "test.h"

static tm_schema_column columns[] = {{.name = (char[]){"salary"}, .type = TM_TYPE_INT},
                                     {.name = (char[]){"region"}, .type = TM_TYPE_TEXT}};
static const tm_schema of_before = {.n_cols = 2, .cols = columns};

static json_t *rules_of(const char *text) {
    json_t *const rules = json_loads(text, 0, NULL);
    assert_non_null(rules);
    return rules;
}

static const char renamed[] = "{\"income\": {\"was\": [\"salary\", \"pay\"], \"scale\": 0.001,"
                              " \"offset\": 1}, \"area\": {\"was\": [\"region\"]}}";

static void each_name_becomes_the_one_that_is_wanted(void **state) {
    (void)state;
    json_t *const rules = rules_of(renamed);
    tm_renames *names = NULL;
    assert_int_equal(tm__renames_create(rules, &of_before, &names, NULL), TM_OK);
    assert_int_equal(tm__renames_count(names), 3);
    assert_null(tm__renames_find(names, "salary"));
    tm_cell cell = {.type = TM_TYPE_FLOAT, .f64 = 51};
    assert_int_equal(tm__rename_cell(tm__renames_find(names, "income"), &cell, NULL), TM_OK);
    assert_true(cell.type == TM_TYPE_INT && cell.i64 == 50000);
    cell = (tm_cell){.type = TM_TYPE_INT, .i64 = 7};
    assert_int_equal(tm__rename_cell(tm__renames_find(names, "pay"), &cell, NULL), TM_OK);
    assert_true(cell.type == TM_TYPE_INT && cell.i64 == 7); /* old names have one unit */
    assert_int_equal(tm__renames_find(names, "area")->column, 1);
    tm__renames_free(names);
    /* Of the rules themselves: towards the names of now. */
    assert_int_equal(tm__renames_create(rules, NULL, &names, NULL), TM_OK);
    cell = (tm_cell){.type = TM_TYPE_TEXT, .text = tm__str("50000")};
    assert_int_equal(tm__rename_cell(tm__renames_find(names, "salary"), &cell, NULL), TM_OK);
    assert_true(cell.type == TM_TYPE_FLOAT && fabs(cell.f64 - 51) < 1e-12);
    cell = (tm_cell){.type = TM_TYPE_NONE};
    assert_int_equal(tm__rename_cell(tm__renames_find(names, "salary"), &cell, NULL), TM_OK);
    assert_int_equal(cell.type, TM_TYPE_NONE);
    tm__renames_free(names);
    json_decref(rules);
}

static void what_cannot_be_converted_is_told_by_the_name_it_had(void **state) {
    (void)state;
    json_t *const rules = rules_of("{\"salary\": {\"was\": [\"pay\"], \"scale\": 1e300}}");
    tm_renames *names = NULL;
    tm_err err = {0};
    assert_int_equal(tm__renames_create(rules, &of_before, &names, NULL), TM_OK);
    tm_cell cell = {.type = TM_TYPE_TEXT, .text = tm__str("secret")};
    assert_int_equal(tm__rename_cell(tm__renames_find(names, "pay"), &cell, &err), TM_E_DATA);
    assert_non_null(strstr(err.message, "'pay'"));
    assert_null(strstr(err.message, "secret"));
    cell = (tm_cell){.type = TM_TYPE_INT, .i64 = 2}; /* no whole number has so many bits */
    assert_int_equal(tm__rename_cell(tm__renames_find(names, "pay"), &cell, &err), TM_E_DATA);
    cell = (tm_cell){.type = TM_TYPE_FLOAT, .f64 = 1e300}; /* nor any double */
    assert_int_equal(tm__rename_cell(tm__renames_find(names, "pay"), &cell, &err), TM_E_DATA);
    tm__renames_free(names);
    json_decref(rules);
}

static void two_names_that_are_both_read_stay_two_columns(void **state) {
    (void)state;
    json_t *const rules =
        rules_of("{\"salary\": {\"was\": [\"region\"], \"missing\": \"refuse\"}}");
    tm_renames *names = NULL;
    assert_int_equal(tm__renames_create(rules, &of_before, &names, NULL), TM_OK);
    assert_null(names);
    json_decref(rules);
}

static void missing_columns_have_the_rule_of_whatever_name_is_read(void **state) {
    (void)state;
    json_t *const rules = rules_of("{\"income\": {\"was\": [\"salary\"], \"missing\": \"accept\"},"
                                   " \"region\": {\"missing\": \"refuse\"}, \"other\": {}}");
    tm_renames *names = NULL;
    assert_int_equal(tm__renames_create(rules, &of_before, &names, NULL), TM_OK);
    assert_int_equal(tm__renames_missing(names, 0), TM_MISSING_ACCEPT);
    assert_int_equal(tm__renames_missing(names, 1), TM_MISSING_REFUSE);
    assert_int_equal(tm__renames_missing(NULL, 1), TM_MISSING_UNSAID);
    tm__renames_free(names);
    json_decref(rules);
}

static void readers_take_any_of_the_names(void **state) {
    (void)state;
    json_t *const rules = rules_of(renamed);
    tm_renames *names = NULL;
    tm_schema schema;
    assert_int_equal(tm__renames_create(rules, &of_before, &names, NULL), TM_OK);
    assert_int_equal(tm__schema_copy(&of_before, &schema, NULL), TM_OK);
    assert_int_equal(tm__renames_widen(names, &schema, NULL), TM_OK);
    assert_int_equal(schema.n_cols, 5);
    assert_true(schema.cols[0].is_nullable);
    const uint32_t income = tm__schema_find(&schema, tm__str("income"));
    const uint32_t pay = tm__schema_find(&schema, tm__str("pay"));
    assert_true(schema.cols[income].type == TM_TYPE_FLOAT && schema.cols[income].is_nullable);
    assert_int_equal(schema.cols[pay].type, TM_TYPE_INT);
    tm__schema_done(&schema);
    tm__renames_free(names);
    json_decref(rules);
}

static void what_is_no_rule_is_refused(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"[]", "no map"},
        {"{\"a\": 1}", "wants keys"},
        {"{\"a\": {\"wos\": [\"b\"]}}", "unknown key"},
        {"{\"a\": {\"was\": [1]}}", "no text"},
        {"{\"a\": {\"was\": [\"\"]}}", "no text"},
        {"{\"a\": {\"was\": \"b\"}}", "names that it had"},
        {"{\"a\": {\"was\": [\"b\"], \"scale\": 0}}", "not 0"},
        {"{\"a\": {\"was\": [\"b\"], \"scale\": \"2\"}}", "not 0"},
        {"{\"a\": {\"was\": [\"b\"], \"offset\": true}}", "'offset'"},
        {"{\"a\": {\"offset\": 2}}", "no former name"},
        {"{\"a\": {\"missing\": \"impute\"}}", "accept or refuse"},
        {"{\"a\": {\"was\": [\"a\"]}}", "named twice"},
        {"{\"a\": {\"was\": [\"b\"]}, \"b\": {}}", "named twice"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *const rules = rules_of(cases[i][0]);
        tm_err err = {0};
        print_message("%s\n", cases[i][0]);
        assert_int_equal(tm__renames_check(rules, &err), TM_E_DATA);
        assert_non_null(strstr(err.message, cases[i][1]));
        json_decref(rules);
    }
    assert_int_equal(tm__renames_check(NULL, NULL), TM_OK);
}

static void memory_may_run_out_anywhere(void **state) {
    (void)state;
    json_t *const rules = rules_of(renamed);
    tm_renames *names = NULL;
    tm_status st = TM_E_NOMEM;
    for (uint64_t nth = 1; st == TM_E_NOMEM; nth++) {
        tm__mem_fail_at(nth, false);
        st = tm__renames_create(rules, &of_before, &names, NULL);
        tm__mem_fail_at(0, false);
        assert_true(st == TM_OK || names == NULL);
        assert_true(nth < 100);
    }
    assert_int_equal(st, TM_OK);
    tm__renames_free(names);
    json_decref(rules);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_name_becomes_the_one_that_is_wanted),
        cmocka_unit_test(what_cannot_be_converted_is_told_by_the_name_it_had),
        cmocka_unit_test(two_names_that_are_both_read_stay_two_columns),
        cmocka_unit_test(missing_columns_have_the_rule_of_whatever_name_is_read),
        cmocka_unit_test(readers_take_any_of_the_names),
        cmocka_unit_test(what_is_no_rule_is_refused),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
