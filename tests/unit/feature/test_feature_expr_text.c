/* SPDX-License-Identifier: Apache-2.0 */
#include "expr_case.h"
#include "feature/feature_expr_text.h"

static void times_have_parts_and_differences_in_days(void **state) {
    (void)state;
    static const expr_pair pairs[] = {
        {"hour(t)", "14"},
        {"minute(t)", "25"},
        {"minute_of_day(t)", "865"},
        {"day_of_week(t)", "4"},
        {"day_of_month(t)", "1"},
        {"month(t)", "3"},
        {"year(t)", "2024"},
        {"day_of_year(t)", "61"},
        {"days(d)", "19781"},
        {"t - d", "2.600810185185185"},
        {"d + 1.5", "2024-02-29T12:00:00Z"},
        {"d - 28", "2024-01-31T00:00:00Z"},
        {"t > d", "1"},
        {"t = date('2024-03-01T14:25:10Z')", "1"},
        {"t < date('2024-03-01')", "0"},
        {"hour(v)", "missing"},
        {"t - v", "missing"},
        {"v < t", "missing"},
        {"t + m", "missing"},
        {"t + 1e300", "missing"},
    };
    assert_expressions(pairs, sizeof(pairs) / sizeof(pairs[0]));
}

static void texts_are_cut_joined_and_searched_by_characters(void **state) {
    (void)state;
    static const expr_pair pairs[] = {
        {"length(s)", "11"},
        {"words(s)", "3"},
        {"lower(s)", "'caf\xc3\xa9 no. 42'"},
        {"upper(s)", "'CAF\xc3\xa9 NO. 42'"},
        {"left(s, 4)", "'Caf\xc3\xa9'"},
        {"left(s, 0)", "''"},
        {"left(s, b)", "''"},
        {"left(s, 99) = s", "1"},
        {"right(s, 2)", "'42'"},
        {"right(s, 8)", "'\xc3\xa9 No. 42'"},
        {"before(s, ' ')", "'Caf\xc3\xa9'"},
        {"before(s, '#')", "'Caf\xc3\xa9 No. 42'"},
        {"after(s, 'No. ')", "'42'"},
        {"after(s, '#')", "missing"},
        {"contains(s, 'No')", "1"},
        {"contains(s, 'xx')", "0"},
        {"starts_with(s, 'Caf')", "1"},
        {"ends_with(s, '42')", "1"},
        {"ends_with('a', s)", "0"},
        {"concat(s, '/', a, '/', b)", "'Caf\xc3\xa9 No. 42/7/-2'"},
        {"concat(lower(s), upper(s))", "'caf\xc3\xa9 no. 42CAF\xc3\xa9 NO. 42'"},
        {"concat(s, u)", "missing"},
        {"text(a / 2)", "'3.5'"},
        {"text(z * -1)", "'0'"},
        {"number(after(s, 'No.')) + 1", "43"},
        {"number(s)", "missing"},
        {"trim(concat(' ', s, ' ')) = s", "1"},
        {"lower(u)", "missing"},
        {"time(concat('2024-03-0', text(a), ' '))", "2024-03-07T00:00:00Z"},
        {"time(s)", "missing"},
        {"ordinal(left(s, 1), 'A', 'B', 'C')", "2"},
        {"ordinal(s, 'A', 'B')", "missing"},
        {"ordinal(u, u)", "missing"},
        {"hash(s, 1)", "0"},
        {"hash(s, 64) = hash(concat(s, ''), 64) and hash(s, 64) < 64", "1"},
        {"hash(s, 4294967296) = hash(lower(s), 4294967296)", "0"},
        {"hash('tide', 1000) + 0 * a", "726"},
        {"hash(s, 0)", "missing"},
        {"hash(u, 4)", "missing"},
        {"hash(s, m)", "missing"},
        {"s = 'it''s'", "0"},
        {"concat(s, 'it''s')", "'Caf\xc3\xa9 No. 42it's'"},
    };
    assert_expressions(pairs, sizeof(pairs) / sizeof(pairs[0]));
}

static void a_text_that_is_made_is_cut_at_a_character(void **state) {
    (void)state;
    char words[256] = "s";
    for (int i = 0; i < 7; i++) { /* 12 bytes, doubled */
        char longer[256];
        snprintf(longer, sizeof(longer), "concat(%s, s)", words);
        memcpy(words, longer, sizeof(words));
    }
    assert_int_equal(strlen(expr_words(words)), 8 * 12 + 2);
    const char *all = expr_words("concat(s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, "
                                 "s, s, s, s, s, s, s, s, s, s, s, s, s)");
    assert_int_equal(strlen(all), 32 * 12 + 2);
    tm_expr_scratch scratch = {.n = TM_EXPR_TEXT_MAX - 4};
    const tm_expr_value args[] = {{.text = TM_STR("abc\xc3\xa9")}, {.text = TM_STR("d")}};
    const tm_expr_value cut = tm__expr_text_concat(args, 2, &scratch);
    assert_int_equal(cut.text.len, 4);
    assert_memory_equal(cut.text.ptr, "abcd", 4);
    assert_true(tm__expr_text_concat(args, 2, &scratch).text.ptr != NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_have_parts_and_differences_in_days),
        cmocka_unit_test(texts_are_cut_joined_and_searched_by_characters),
        cmocka_unit_test(a_text_that_is_made_is_cut_at_a_character),
    };
    return cmocka_run_group_tests_name("feature_expr_text", tests, NULL, NULL);
}
