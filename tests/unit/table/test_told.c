/* SPDX-License-Identifier: Apache-2.0 */
#include "table/told.h"

#include <string.h>

#include "test.h"

static void roles_that_a_policy_names_see_a_column_in_full(void **state) {
    (void)state;
    json_t *policies = json_pack("{s:s, s:s, s:s}", "city", "mask", "phone", "mask:operator,admin",
                                 "email", "pseudonym");
    static const struct {
        const char *column, *role;
        bool in_full;
    } cases[] = {
        {"city", "admin", true},     {"city", "operator", false},   {"city", "nobody", false},
        {"city", NULL, false},       {"phone", "operator", true},   {"phone", "admin", true},
        {"phone", "operato", false}, {"phone", "operators", false}, {"phone", "", false},
        {"email", "viewer", true},   {"spend", NULL, true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (tm__told_in_full(policies, cases[i].column, cases[i].role) != cases[i].in_full) {
            fail_msg("%s for %s", cases[i].column, cases[i].role == NULL ? "-" : cases[i].role);
        }
    }
    assert_true(tm__told_is_masked(policies, "city") && !tm__told_is_masked(policies, "email"));
    assert_false(tm__told_is_masked(NULL, "city"));
    json_decref(policies);
}

static void a_masked_value_tells_a_first_character_at_most(void **state) {
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"anna@example.org", "a***"},
        {"Kiel", "***"}, /* too short */
        {"Mainz", "M***"},
        {"", "***"},
        {"\xC3\x84rzte", "\xC3\x84***"},             /* five characters */
        {"\xC3\xA4\xC3\xB6\xC3\xBC\xC3\xA9", "***"}, /* four */
        {"\x80\x80\x80\x80\x80\x80", "***"},         /* no text */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_buf out;
        tm__buf_init(&out, 64);
        tm__told_mask(tm__str(cases[i].text), &out);
        assert_string_equal((const char *)out.data, cases[i].want);
        tm__buf_done(&out);
    }
}

static void values_are_told_by_their_kind(void **state) {
    (void)state;
    json_t *policies = json_pack("{s:s}", "c", "mask");
    json_t *row =
        json_pack("{s:s, s:i, s:b, s:n}", "text", "Hamburg", "number", 4711, "flag", 1, "none");
    static const struct {
        const char *name, *masked;
    } cases[] = {{"text", "H***"}, {"number", "***"}, {"flag", "***"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const json_t *const value = json_object_get(row, cases[i].name);
        json_t *full = tm__told_value(policies, "c", "admin", value);
        json_t *masked = tm__told_value(policies, "c", "viewer", value);
        assert_true(json_equal(full, value));
        assert_string_equal(json_string_value(masked), cases[i].masked);
        json_decref(full);
        json_decref(masked);
    }
    json_t *none = tm__told_value(policies, "c", "viewer", json_object_get(row, "none"));
    json_t *absent = tm__told_value(policies, "c", "viewer", NULL);
    assert_true(json_is_null(none) && json_is_null(absent));
    json_decref(row);
    json_decref(policies);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roles_that_a_policy_names_see_a_column_in_full),
        cmocka_unit_test(a_masked_value_tells_a_first_character_at_most),
        cmocka_unit_test(values_are_told_by_their_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
