/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "table/schema.h"
#include "test.h"

#define DAY INT64_C(86400000000)
#define NONE                                                                                       \
    { .type = TM_TYPE_NONE }
#define B(v)                                                                                       \
    { .type = TM_TYPE_BOOL, .i64 = (v) }
#define I(v)                                                                                       \
    { .type = TM_TYPE_INT, .i64 = (v) }
#define F(v)                                                                                       \
    { .type = TM_TYPE_FLOAT, .f64 = (v) }
#define T(v)                                                                                       \
    {                                                                                              \
        .type = TM_TYPE_TEXT, .text = {(v), sizeof(v) - 1 }                                        \
    }
#define D(v)                                                                                       \
    { .type = TM_TYPE_DATE, .i64 = (v) }
#define M(v)                                                                                       \
    { .type = TM_TYPE_TIME, .i64 = (v) }

static void values_that_fit_are_made_the_type_of_their_column(void **state) {
    (void)state;
    const struct {
        tm_type wants;
        tm_cell given, made;
        bool is_coerced;
    } cases[] = {
        {TM_TYPE_BOOL, B(1), B(1), false},
        {TM_TYPE_BOOL, I(0), B(0), true},
        {TM_TYPE_BOOL, F(1.0), B(1), true},
        {TM_TYPE_BOOL, T("yes"), B(1), true},
        {TM_TYPE_BOOL, T("FALSE"), B(0), true},
        {TM_TYPE_BOOL, T("1"), B(1), true},
        {TM_TYPE_INT, I(-4), I(-4), false},
        {TM_TYPE_INT, F(2.0), I(2), true},
        {TM_TYPE_INT, B(1), I(1), true},
        {TM_TYPE_INT, T(" 42 "), I(42), true},
        {TM_TYPE_INT, T("2.0"), I(2), true},
        {TM_TYPE_INT, T("1e3"), I(1000), true},
        {TM_TYPE_INT, T("9007199254740993"), I(9007199254740993), true},
        {TM_TYPE_INT, T("NA"), NONE, true},
        {TM_TYPE_INT, F(NAN), NONE, false},
        {TM_TYPE_FLOAT, F(2.5), F(2.5), false},
        {TM_TYPE_FLOAT, I(2), F(2.0), false},
        {TM_TYPE_FLOAT, B(0), F(0.0), true},
        {TM_TYPE_FLOAT, T("2.5"), F(2.5), true},
        {TM_TYPE_FLOAT, T(""), NONE, true},
        {TM_TYPE_TEXT, T(""), T(""), false},
        {TM_TYPE_TEXT, T("NA"), T("NA"), false},
        {TM_TYPE_TEXT, I(60), T("60"), true},
        {TM_TYPE_TEXT, F(60.0), T("60"), true},
        {TM_TYPE_TEXT, F(0.5), T("0.5"), true},
        {TM_TYPE_TEXT, B(1), T("true"), true},
        {TM_TYPE_TEXT, D(DAY), T("1970-01-02"), true},
        {TM_TYPE_TEXT, M(DAY), T("1970-01-02T00:00:00Z"), true},
        {TM_TYPE_DATE, D(DAY), D(DAY), false},
        {TM_TYPE_DATE, M(DAY + 5), D(DAY), true},
        {TM_TYPE_DATE, M(-1), D(-DAY), true},
        {TM_TYPE_DATE, T("1970-01-02"), D(DAY), true},
        {TM_TYPE_DATE, T("1970-01-02T03:04:05Z"), D(DAY), true},
        {TM_TYPE_DATE, T("n/a"), NONE, true},
        {TM_TYPE_TIME, D(DAY), M(DAY), true},
        {TM_TYPE_TIME, T("1970-01-02T00:00:01Z"), M(DAY + 1000000), true},
        {TM_TYPE_TIME, NONE, NONE, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const tm_schema_column column = {.name = (char[]){"x"}, .type = cases[i].wants};
        tm_cell cell = cases[i].given;
        char text[32];
        bool is_coerced = !cases[i].is_coerced;
        tm_err err = {0};
        assert_int_equal(tm__cell_fit(&column, &cell, text, &is_coerced, &err), TM_OK);
        assert_int_equal(cell.type, cases[i].made.type);
        assert_true(cell.i64 == cases[i].made.i64);
        assert_true(cell.f64 == cases[i].made.f64);
        assert_true(tm__str_eq(cell.text, cases[i].made.text));
        assert_int_equal(is_coerced, cases[i].is_coerced);
    }
}

static void values_that_do_not_fit_say_why_without_the_value(void **state) {
    (void)state;
    const struct {
        tm_type wants;
        tm_cell given;
        const char *message;
    } cases[] = {
        {TM_TYPE_BOOL, T("maybe"),
         "column 'x' wants a bool, got a text that is neither true nor false"},
        {TM_TYPE_BOOL, I(2), "column 'x' wants a bool, got an int other than 0 and 1"},
        {TM_TYPE_BOOL, D(0), "column 'x' wants a bool, got a date"},
        {TM_TYPE_INT, T("abc"), "column 'x' wants an int, got a text that is not a number"},
        {TM_TYPE_INT, T("2.5"), "column 'x' wants an int, got a text with a fraction"},
        {TM_TYPE_INT, F(2.5), "column 'x' wants an int, got a float with a fraction"},
        {TM_TYPE_INT, F(1e300), "column 'x' wants an int, got a float beyond the integers"},
        {TM_TYPE_INT, F(INFINITY), "column 'x' wants an int, got a float beyond the integers"},
        {TM_TYPE_INT, D(0), "column 'x' wants an int, got a date"},
        {TM_TYPE_FLOAT, T("-1e400"),
         "column 'x' wants a float, got a text of a number larger than a double"},
        {TM_TYPE_FLOAT, T("12,5"), "column 'x' wants a float, got a text that is not a number"},
        {TM_TYPE_FLOAT, M(0), "column 'x' wants a float, got a time"},
        {TM_TYPE_DATE, T("31.12.2001"), "column 'x' wants a date, got a text that is not ISO 8601"},
        {TM_TYPE_TIME, I(0), "column 'x' wants a time, got an int"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const tm_schema_column column = {.name = (char[]){"x"}, .type = cases[i].wants};
        tm_cell cell = cases[i].given;
        char text[32];
        bool is_coerced = false;
        tm_err err = {0};
        assert_int_equal(tm__cell_fit(&column, &cell, text, &is_coerced, &err), TM_E_DATA);
        assert_string_equal(err.message, cases[i].message);
        assert_int_equal(cell.type, cases[i].given.type);
    }
}

static void a_score_to_start_from_is_never_missing(void **state) {
    (void)state;
    const tm_schema_column score = {
        .name = (char[]){"s"}, .type = TM_TYPE_FLOAT, .role = TM_ROLE_SCORE, .is_nullable = false};
    tm_cell cells[] = {{.type = TM_TYPE_NONE},
                       {.type = TM_TYPE_FLOAT, .f64 = NAN},
                       {.type = TM_TYPE_TEXT, .text = TM_STR("n/a")},
                       {.type = TM_TYPE_INT, .i64 = 2}};
    for (size_t i = 0; i < 4; i++) {
        char text[32];
        bool coerced = false;
        tm_err err = {0};
        const tm_status st = tm__cell_fit(&score, &cells[i], text, &coerced, &err);
        assert_int_equal(st, i < 3 ? TM_E_DATA : TM_OK);
        assert_string_equal(err.message, i < 3 ? "column 's' wants a value, got none" : "");
    }
    assert_true(cells[3].type == TM_TYPE_FLOAT && cells[3].f64 == 2);
}

static void words_for_missing_and_bool_are_known(void **state) {
    (void)state;
    const char *const missing[] = {"",    " ",   "NA",   "N/A", "n/a", "null", "NULL",
                                   "nan", "NaN", "None", "?",   "-",   " ? "};
    for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
        assert_true(tm__text_is_missing(tm__str(missing[i])));
    }
    assert_false(tm__text_is_missing(TM_STR("0")));
    assert_false(tm__text_is_missing(TM_STR("unknown")));
    bool value = true;
    assert_true(tm__text_to_bool(TM_STR("No"), &value) && !value);
    assert_false(tm__text_to_bool(TM_STR("2"), &value));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_that_fit_are_made_the_type_of_their_column),
        cmocka_unit_test(values_that_do_not_fit_say_why_without_the_value),
        cmocka_unit_test(a_score_to_start_from_is_never_missing),
        cmocka_unit_test(words_for_missing_and_bool_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
