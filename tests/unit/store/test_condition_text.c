/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "store/condition_priv.h"
#include "test.h"

static void names_are_found_with_their_quotes_and_no_functions(void **state) {
    (void)state;
    static const char sql[] =
        "lower(a) = 'it''s b' AND \"c \"\"d\" > [e]/`f`->>'$.g' OR count (h) > 1e5";
    static const char *const want[] = {"a", "AND", "\"c \"\"d\"", "[e]", "`f`", "OR", "h"};
    tm_condition_name name;
    size_t at = 0, n = 0;
    while (tm__condition_next_name(sql, &at, &name)) {
        assert_true(n < sizeof(want) / sizeof(want[0]) && tm__str_is(name.text, want[n]));
        assert_memory_equal(sql + name.at, want[n], strlen(want[n]));
        n++;
    }
    assert_int_equal(n, sizeof(want) / sizeof(want[0]));
}

static void a_name_is_a_column_s_with_quotes_doubled(void **state) {
    (void)state;
    static const struct {
        const char *text, *column;
        bool want;
    } cases[] = {
        {"a", "a", true},           {"a", "A", false},
        {"\"a\"", "a", true},       {"\"a\"\"b\"", "a\"b", true},
        {"\"a\"\"\"", "a\"", true}, {"\"a\"\"\"", "a", false},
        {"[a]", "a", true},         {"`a``b`", "a`b", true},
        {"\"a\"", "ab", false},     {"\"ab\"", "a", false},
        {"\"\"", "", true},         {"", "", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (tm__condition_is_name(tm__str(cases[i].text), cases[i].column) != cases[i].want) {
            fail_msg("%s, %s", cases[i].text, cases[i].column);
        }
    }
}

static void what_tokens_show_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *sql, *message;
    } cases[] = {
        {"amount > 0", ""},
        {"", "the rule is empty (character 1)"},
        {"a = '\xff'", "the rule is not UTF-8 (character 1)"},
        {"(amount > 0", "a bracket is not closed (character 12)"},
        {"amount > 0)", "a bracket is closed that is not open (character 11)"},
        {"amount > 0; DROP TABLE x", "a rule has no comment, parameter or second statement "
                                     "(character 11)"},
        {"amount > ?1", "a rule has no comment, parameter or second statement (character 10)"},
        {"amount > :x", "a rule has no comment, parameter or second statement (character 10)"},
        {"amount > 0 -- x", "a rule has no comment, parameter or second statement (character 12)"},
        {"amount /* x */ > 0",
         "a rule has no comment, parameter or second statement (character 8)"},
        {"land = 'x", "a quote is not closed (character 8)"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_err err = {0};
        const tm_status st = tm__condition_check(cases[i].sql, &err);
        assert_int_equal(st, cases[i].message[0] == '\0' ? TM_OK : TM_E_USAGE);
        assert_string_equal(err.message, cases[i].message);
    }
}

static void a_column_beside_a_literal_of_another_kind_is_refused(void **state) {
    (void)state;
    static const tm_condition_column columns[] = {
        {"id", TM_TYPE_INT, 0},   {"amount", TM_TYPE_FLOAT, 1}, {"land", TM_TYPE_TEXT, 2},
        {"day", TM_TYPE_DATE, 3}, {"at", TM_TYPE_TIME, 4},      {"ok", TM_TYPE_BOOL, 5},
        {"none", TM_TYPE_NONE, 6}};
    static const struct {
        const char *sql, *message;
    } cases[] = {
        {"amount > '3' AND land = 5 AND ok = 1 AND none > 'x' AND none < 4", ""},
        {"land || amount = 'x' AND amount + id > 3 AND lower(land) > 'a'", ""},
        {"day BETWEEN '2024-03-01' AND '2024-03-02T10:00Z' AND at NOT IN ('2024-03-01')", ""},
        {"amount BETWEEN id AND '3'", ""},
        {"amount > 'ten'",
         "column 'amount' holds numbers, which a text is not comparable with (character 10)"},
        {"'ten' < amount",
         "column 'amount' holds numbers, which a text is not comparable with (character 1)"},
        {"id IN (1, 'two')",
         "column 'id' holds numbers, which a text is not comparable with (character 11)"},
        {"NOT amount BETWEEN 1 AND 'x'",
         "column 'amount' holds numbers, which a text is not comparable with (character 26)"},
        {"land > 5", "column 'land' holds texts, which a number has no order among (character 8)"},
        {"ok = 'yes'", "column 'ok' is true or false: write true, false, 1 or 0 (character 6)"},
        {"day > 'yesterday'", "column 'day' holds times: write one as '2024-03-01' or "
                              "'2024-03-01 10:30' (character 7)"},
        {"at > 1709251200", "column 'at' holds times: write one as '2024-03-01' or "
                            "'2024-03-01 10:30' (character 6)"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_err err = {0};
        const tm_status st = tm__condition_check_types(cases[i].sql, columns, 7, &err);
        assert_int_equal(st, cases[i].message[0] == '\0' ? TM_OK : TM_E_USAGE);
        assert_string_equal(err.message, cases[i].message);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_found_with_their_quotes_and_no_functions),
        cmocka_unit_test(a_name_is_a_column_s_with_quotes_doubled),
        cmocka_unit_test(what_tokens_show_is_refused),
        cmocka_unit_test(a_column_beside_a_literal_of_another_kind_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
