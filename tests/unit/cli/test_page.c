/* SPDX-License-Identifier: Apache-2.0 */
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

static void a_page_is_a_whole_document_that_loads_nothing(void **state) {
    (void)state;
    tm_buf out;
    tm__buf_init(&out, 1 << 16);
    tm__page_begin(&out, "<b>", "profile");
    tm__page_end(&out);
    tm__buf_byte(&out, 0);
    const char *const text = (const char *)out.data;
    assert_non_null(strstr(text, "<title>&lt;b&gt; &ndash; profile</title>"));
    assert_non_null(strstr(text, "default-src 'none'"));
    assert_non_null(strstr(text, "</main></body></html>\n"));
    tm__buf_done(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_written_as_people_do),
        cmocka_unit_test(shares_never_round_to_none_or_all),
        cmocka_unit_test(a_page_is_a_whole_document_that_loads_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
