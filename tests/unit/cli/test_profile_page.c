/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/profile_page.h"

#include <math.h>
#include <string.h>

#include "cli/page_priv.h"
#include "test.h"

static void numbers_are_written_as_people_do(void **state) {
    (void)state;
    const struct {
        double value;
        const char *want;
    } cases[] = {
        {0, "0"},         {1234567, "1,234,567"}, {-1234.5, "&minus;1,234"}, {0.12345, "0.1235"},
        {12.5, "12.5"},   {999.96, "1,000"},      {1e-7, "1.000e-07"},       {2.5e20, "2.500e+20"},
        {NAN, "&ndash;"}, {-3, "&minus;3"},       {100000, "100,000"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_buf out;
        tm__buf_init(&out, 256);
        tm__page_number(&out, cases[i].value);
        assert_string_equal((const char *)out.data, cases[i].want);
        tm__buf_done(&out);
    }
}

static void shares_never_round_to_none_or_all(void **state) {
    (void)state;
    const struct {
        double share;
        const char *want;
    } cases[] = {{0, "0 %"},      {0.0001, "&lt;0.1 %"},  {0.034, "3.4 %"},
                 {0.345, "34 %"}, {0.9999, "&gt;99.9 %"}, {1, "100 %"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_buf out;
        tm__buf_init(&out, 64);
        tm__page_share(&out, cases[i].share);
        assert_string_equal((const char *)out.data, cases[i].want);
        tm__buf_done(&out);
    }
}

static void texts_of_the_data_are_escaped(void **state) {
    (void)state;
    static const char evil[] = "</style><script>alert('1')</script>\"&\x01";
    json_t *const profile = json_pack(
        "{s:s, s:i, s:[{s:s, s:s, s:i, s:i, s:b, s:s, s:s, s:s, s:b, s:[{s:s, s:i, s:f}]}]}",
        "data", evil, "rows", 2, "columns", "name", evil, "type", "text", "missing", 0, "distinct",
        1, "distinct_exact", 1, "min", "", "max", "", "note", evil, "identifier", 0, "top", "value",
        evil, "count", 2, "share", 1.0);
    tm_buf page;
    assert_non_null(profile);
    tm__buf_init(&page, 1 << 20);
    tm__profile_page(profile, &page);
    const char *const text = (const char *)page.data;
    assert_false(page.failed);
    assert_null(strstr(text, "<script"));
    assert_non_null(strstr(text, "&lt;script&gt;alert(&#39;1&#39;)"));
    assert_non_null(strstr(text, "default-src 'none'"));
    assert_null(strstr(text, "http://"));
    assert_null(strstr(text, "https://"));
    assert_null(strchr(text, '\x01'));
    json_decref(profile);
    tm__buf_done(&page);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_written_as_people_do),
        cmocka_unit_test(shares_never_round_to_none_or_all),
        cmocka_unit_test(texts_of_the_data_are_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
