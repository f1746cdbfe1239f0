/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "expr_case.h"

static void what_is_wrong_is_named_with_its_place(void **state) {
    (void)state;
    static const struct {
        const char *words, *message, *hint;
    } cases[] = {
        {"x = ", "feature 'x': a value is wanted at character 5", "ratio = debt / income"},
        {"x a", "feature 'x a': = is wanted at character 3", "ratio"},
        {"= a", "feature '= a': a name is wanted at character 1", "ratio"},
        {"x = a +", "feature 'x': a value is wanted at character 8", "ratio"},
        {"x = a b", "feature 'x': an operator or the end is wanted at character 7", "ratio"},
        {"x = (a", "feature 'x': ) is wanted at character 7", "ratio"},
        {"x = 'a", "feature 'x': the other quotation mark is wanted at character 5", "ratio"},
        {"x = \"my co\" + 1", "feature 'x': there is no column 'my co' at character 5",
         "Did you mean 'my col'?"},
        {"x = hidden", "feature 'x': a column that is no input at character 5", "ratio"},
        {"x = s - a", "feature 'x': '-' does not take a text and a number at character 7",
         "number(x)"},
        {"x = hour(a)", "feature 'x': 'hour' does not take a number at character 5", "date("},
        {"x = containz(s, 'a')", "feature 'x': there is no function 'containz' at character 5",
         "'contains'"},
        {"x = and(a, b)", "feature 'x': there is no function 'and' at character 5", ""},
        {"x = log(a, b)", "feature 'x': 'log' does not take a number and a number at character 5",
         ""},
        {"x = 1 + 2", "feature 'x': no column is read at character 7", ""},
        {"x = 1.2.3 + a", "feature 'x': a number such as 12 or 0.5 is wanted at character 5", ""},
        {"x = a $ b", "feature 'x': an operator or the end is wanted at character 7", ""},
        {"x = a not 3", "feature 'x': in is wanted at character 11", ""},
        {"x = t < '2024-01-01'", "feature 'x': '<' does not take a time and a text at character 7",
         "date("},
        {"x = t < date('24-1')",
         "feature 'x': a date or time such as '2024-01-31' is wanted at "
         "character 14",
         ""},
        {"x = bin(a, 1)", "feature 'x': a whole number from 2 to 255 is wanted at character 12",
         ""},
        {"x = bin(a, b)", "feature 'x': a whole number from 2 to 255 is wanted at character 12",
         ""},
        {"x = bin(a, 'ten')", "feature 'x': a whole number from 2 to 255 is wanted at character 12",
         ""},
        {"x = impute(a, 'middle')",
         "feature 'x': 'median' or 'mean' or 'most_frequent' is wanted at character 15", ""},
        {"x = impute(s, 'mean')", "feature 'x': 'most_frequent' is wanted at character 15", ""},
        {"x = scale(s)", "feature 'x': 'scale' does not take a text at character 5", ""},
        {"x = scale(a, 3)",
         "feature 'x': 'scale' does not take a number and a number at character 5", ""},
        {"x = scal(a)", "feature 'x': there is no function 'scal' at character 5", "'scale'"},
    };
    const tm_expr_names names = {expr_names, expr_types, EXPR_COLS};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_expr expr;
        tm_err err = {0};
        assert_int_equal(tm__expr_parse(cases[i].words, &names, &expr, &err), TM_E_USAGE);
        assert_string_equal(err.message, cases[i].message);
        assert_non_null(strstr(err.hint, cases[i].hint));
    }
}

static void windows_and_expressions_are_told_apart(void **state) {
    (void)state;
    static const char *const windows[] = {
        "late_2h = mean(late) by origin over 2h",
        "n = count() by a",
        "x = min(a) of payments at booked by customer over 7d",
        "x=max(a)by b",
        "2h-late = mean(late) by \"my by\" over 2h",
        "share = share(land = 'NL)') by shop",
        "late = mean(late)", /* no function of expressions: its error says what is missing */
    };
    static const char *const others[] = {
        "x = a / b",
        "x = min(a, b)",
        "by = hour(t)",
        "x = if(a, b, c) + 1",
        "x = max(a) + by",
        "x = ",
        "x",
        "x = 'count() by a'",
        "x = (a) by b",
        "x = min(a",
        "x = lower(s) = 'of'",
    };
    for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++)
        assert_true(tm__expr_is_window(windows[i]));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(tm__expr_is_window(others[i]));
}

static void fill(char *words, size_t size, const char *start, const char *part, int n) {
    size_t len = (size_t)snprintf(words, size, "%s", start);
    for (int i = 0; i < n; i++)
        len += (size_t)snprintf(words + len, size - len, "%s", part);
}

static void length_depth_and_nesting_have_limits(void **state) {
    (void)state;
    static char words[1 << 17];
    tm_expr expr;
    tm_err err = {0};
    const tm_expr_names names = {expr_names, expr_types, EXPR_COLS};
    static const struct {
        const char *start, *part, *message;
        int n;
    } cases[] = {
        {"x = ", "(", "too many parentheses within each other at character", 1000},
        {"x = ", "-", "too many parentheses within each other at character", 1000},
        {"x = ", "not ", "too many parentheses within each other at character", 400},
        {"x = ", "a^", "too many parentheses within each other at character", 900},
        {"x = a", "+a", "no longer expression at character", 900},
        {"x = max(a", ", a", "no more values at character", 100},
        {"x = a in (1", ", 1", "no more values at character", 100},
        {"x = a", " + 1", "has more than 2000 bytes", 1000},
        {"x = ", "log(", "too many parentheses within each other", 100},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fill(words, sizeof(words), cases[i].start, cases[i].part, cases[i].n);
        assert_int_equal(tm__expr_parse(words, &names, &expr, &err), TM_E_USAGE);
        assert_non_null(strstr(err.message, cases[i].message));
    }
}

static void words_are_checked_before_columns_are_known(void **state) {
    (void)state;
    assert_int_equal(tm__expr_check_words("x = lower(if(q > 1, w, e)) = 'a' and r < 2", NULL),
                     TM_OK);
    assert_int_equal(tm__expr_check_words("x = contains(if(q > 1, w, e), 'a') + hour(w)", NULL),
                     TM_OK);
    assert_int_equal(tm__expr_check_words("x = lower(1 + 2)", NULL), TM_E_USAGE);
    assert_int_equal(tm__expr_check_words("x = q +", NULL), TM_E_USAGE);
    assert_int_equal(tm__expr_check_words("x = 1", NULL), TM_E_USAGE);
}

/* The parameter of a function that learns is in its call, and not among the values. */
static void a_parameter_is_taken_off_the_values(void **state) {
    (void)state;
    const tm_expr_names names = {expr_names, expr_types, EXPR_COLS};
    tm_expr expr;
    assert_int_equal(tm__expr_parse("x = bin(a + 1, 5) + bin(b) * 2", &names, &expr, NULL), TM_OK);
    assert_int_equal(expr.n_fits, 2);
    assert_true(expr.fits[0].parameter == 5 && expr.fits[1].parameter == 10);
    assert_int_equal(expr.n_bits, 2); /* 1 and 2 */
    assert_true(tm__expr_is_valid(&expr, expr_types, EXPR_COLS));
    tm__expr_done(&expr);
    assert_int_equal(
        tm__expr_parse("x = concat(impute(s, 'most_frequent'), 'a', u)", &names, &expr, NULL),
        TM_OK);
    assert_int_equal(expr.n_texts, 1);
    assert_string_equal(expr.texts[0], "a");
    assert_true(tm__expr_is_valid(&expr, expr_types, EXPR_COLS));
    tm__expr_done(&expr);
    assert_int_equal(tm__expr_check_words("x = mean_by(q, lower(w)) + bin(e, 7)", NULL), TM_OK);
    assert_int_equal(tm__expr_check_words("x = impute(q, 'mode')", NULL), TM_E_USAGE);
}

static void no_memory_is_an_error_and_no_leak(void **state) {
    (void)state;
    const tm_expr_names names = {expr_names, expr_types, EXPR_COLS};
    const uint64_t alive = tm__mem_alive();
    tm_status st = TM_E_NOMEM;
    uint64_t nth = 1;
    for (; st != TM_OK; nth++) {
        tm_expr expr;
        tm__mem_fail_at(nth, false);
        st = tm__expr_parse("x = if(bin(a, 5) > 1, concat(s, 'b'), 'c')", &names, &expr, NULL);
        tm__mem_fail_at(0, false);
        assert_true(st == TM_OK || st == TM_E_NOMEM);
        if (st == TM_OK)
            tm__expr_done(&expr);
        assert_int_equal(tm__mem_alive(), alive);
    }
    assert_true(nth > 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wrong_is_named_with_its_place),
        cmocka_unit_test(windows_and_expressions_are_told_apart),
        cmocka_unit_test(length_depth_and_nesting_have_limits),
        cmocka_unit_test(words_are_checked_before_columns_are_known),
        cmocka_unit_test(a_parameter_is_taken_off_the_values),
        cmocka_unit_test(no_memory_is_an_error_and_no_leak),
    };
    return cmocka_run_group_tests_name("feature_expr_parse", tests, NULL, NULL);
}
