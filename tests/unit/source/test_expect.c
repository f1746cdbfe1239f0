/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "source/expect.h"
#include "test.h"

static char names[5][8] = {"id", "amount", "land", "Land", "amt"};
static tm_schema_column cols[5] = {{.name = names[0], .type = TM_TYPE_INT},
                                   {.name = names[1], .type = TM_TYPE_FLOAT},
                                   {.name = names[2], .type = TM_TYPE_TEXT},
                                   {.name = names[3], .type = TM_TYPE_TEXT},
                                   {.name = names[4], .type = TM_TYPE_NONE}};
static const tm_schema schema = {.n_cols = 4, .cols = cols};

static json_t *parse(const char *text) {
    json_t *json = NULL;
    assert_int_equal(tm__json_parse(text, strlen(text), 8, &json, NULL), TM_OK);
    return json;
}

static void a_rule_has_a_name_or_gets_one(void **state) {
    (void)state;
    json_t *rules = json_object();
    tm_err err = {0};
    assert_int_equal(tm__expect_parse("positive: amount > 0", rules, &err), TM_OK);
    assert_int_equal(tm__expect_parse(" a > 0 ", rules, &err), TM_OK);
    assert_int_equal(tm__expect_parse("a > 0", rules, &err), TM_OK);
    assert_int_equal(tm__expect_parse("gone :", rules, &err), TM_OK);
    assert_string_equal(tm__json_text(rules, "positive", ""), "amount > 0");
    assert_true(json_is_null(json_object_get(rules, "gone")));
    assert_int_equal(json_object_size(rules), 3);
    json_decref(rules);
}

static void rules_are_checked_with_columns_and_without(void **state) {
    (void)state;
    static const struct {
        const char *rules;
        bool has_schema;
        tm_status want;
        const char *message, *hint;
    } cases[] = {
        {"{\"a\": \"amount > 0\", \"b\": \"avg(id) < 3\"}", true, TM_OK, "", ""},
        {"{\"a\": \"x > 0 AND \\\"y z\\\" = lower(w)\"}", false, TM_OK, "", ""},
        {"{\"a\": null}", true, TM_OK, "", ""},
        {"{\"a\": \"amout > 0\"}", true, TM_E_USAGE,
         "rule 'a': there is no column 'amout' (character 1)", "Did you mean 'amount'?"},
        {"{\"a\": \"land = Land\"}", true, TM_E_USAGE,
         "rule 'a': the rules' columns make no table: duplicate column name: Land",
         "Columns of rules must differ in more than the case of letters."},
        {"{\"a\": \"1 = 1\"}", true, TM_E_USAGE, "rule 'a': it reads no column",
         "Write an expression over columns, as amount > 0."},
        {"{\"a\": \"x > \"}", false, TM_E_USAGE, "rule 'a': the rule ends too early (character 5)",
         NULL},
        {"{\"a\": 7}", false, TM_E_USAGE, "rule 'a': the rule is empty (character 1)", NULL},
        {"{\"a b\": \"x > 0\"}", false, TM_E_USAGE, "'a b' is no name for a rule", NULL},
        {"{\"null_spike\": \"x > 0\"}", false, TM_E_USAGE,
         "'null_spike' is a kind of change, not a rule", "Give the rule another name."},
        {"[]", false, TM_E_USAGE, "rules are given by name",
         "Write expect: {positive: amount > 0}."},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_err err = {0};
        json_t *rules = parse(cases[i].rules);
        assert_int_equal(tm__expect_check(rules, cases[i].has_schema ? &schema : NULL, &err),
                         cases[i].want);
        assert_string_equal(err.message, cases[i].message);
        if (cases[i].hint != NULL) {
            assert_string_equal(err.hint, cases[i].hint);
        }
        json_decref(rules);
    }
}

static tm_check *open_check(const char *spec_text, tm_expect **out) {
    tm_check *check = NULL;
    json_t *spec = parse(spec_text);
    assert_int_equal(tm__expect_create(spec, out, NULL), TM_OK);
    assert_true(tm__expect_is(*out, spec) && !tm__expect_is(*out, NULL));
    assert_int_equal(tm__check_open(*out, &schema, &check, NULL), TM_OK);
    json_decref(spec);
    return check;
}

static void what_is_broken_is_a_finding(void **state) {
    (void)state;
    tm_expect *expect = NULL;
    tm_check *check = open_check("{\"expect\": {\"positive\": \"amount > 0\", \"both\": \"id < "
                                 "amount\", \"gone\": \"total > 0\"},"
                                 " \"policy\": {\"both\": \"accept\"}}",
                                 &expect);
    tm_cell cells[5] = {{.type = TM_TYPE_INT, .i64 = 3}, {.type = TM_TYPE_FLOAT, .f64 = -1}};
    tm_finding f;
    bool is_found = false;
    assert_int_equal(tm__check_count(check), 3);
    assert_int_equal(tm__check_kind(check, 2), TM_RULE_BROKEN);
    assert_int_equal(tm__check_ask(check, 0, cells, NULL, &f, &is_found, NULL), TM_OK);
    assert_true(is_found && f.kind == TM_CHANGE_EXPECTATION && !f.is_batch);
    assert_int_equal(f.policy, TM_POLICY_QUARANTINE);
    assert_string_equal(f.column, "positive");
    assert_string_equal(f.place, "amount");
    assert_string_equal(f.detail, "rule 'positive' is false: amount > 0");
    assert_int_equal(tm__check_ask(check, 1, cells, NULL, &f, &is_found, NULL), TM_OK);
    assert_true(is_found && f.policy == TM_POLICY_ACCEPT && f.place[0] == '\0');
    assert_int_equal(tm__check_ask(check, 2, NULL, NULL, &f, &is_found, NULL), TM_OK);
    assert_true(is_found && f.policy == TM_POLICY_STOP && f.is_batch);
    assert_string_equal(f.detail, "rule 'gone': there is no column 'total' (character 1)");
    cells[1].type = TM_TYPE_NONE;
    assert_int_equal(tm__check_ask(check, 0, cells, NULL, &f, &is_found, NULL), TM_OK);
    assert_false(is_found);
    assert_string_equal(tm__check_reader(check, "total"), "gone");
    assert_null(tm__check_reader(check, "land"));
    tm__check_close(check);
    tm__expect_unref(expect);
}

static void a_check_fits_columns_as_long_as_they_are_the_same(void **state) {
    (void)state;
    tm_expect *expect = NULL;
    tm_check *check = open_check("{\"expect\": {\"a\": \"amount > 0\"}}", &expect);
    tm_schema more = {.n_cols = 5, .cols = cols};
    assert_true(tm__check_fits(check, expect, &schema) && tm__check_fits(check, expect, &more));
    assert_false(tm__check_fits(check, NULL, &schema));
    cols[1].type = TM_TYPE_TEXT;
    assert_false(tm__check_fits(check, expect, &schema));
    cols[1].type = TM_TYPE_FLOAT;
    tm__check_close(check);
    tm__expect_unref(expect);
    check = open_check("{\"expect\": {\"a\": \"amt > 0\"}}", &expect);
    assert_true(tm__check_fits(check, expect, &schema));
    assert_false(tm__check_fits(check, expect, &more)); /* it may hold now */
    tm__check_close(check);
    tm__expect_unref(expect);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_has_a_name_or_gets_one),
        cmocka_unit_test(rules_are_checked_with_columns_and_without),
        cmocka_unit_test(what_is_broken_is_a_finding),
        cmocka_unit_test(a_check_fits_columns_as_long_as_they_are_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
