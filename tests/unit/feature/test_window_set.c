/* SPDX-License-Identifier: Apache-2.0 */
#include "window_set_case.h"

static void a_leak_is_refused_by_name(void **state) {
    (void)state;
    static const char *const naive[] = {"naive = mean(late) by from over 2h"};
    static const char *const said[] = {NULL, "late=leaves", "late=+0s"};
    for (int i = 0; i < 3; i++) {
        tm_window_set *set = NULL;
        tm_err err = {0};
        assert_int_equal(make(naive, 1, said[i], &set, &err), TM_E_REFUSED);
        assert_string_equal(err.message, "feature 'naive' would look at what was not known yet: "
                                         "'late' is not known at its row's 'leaves'");
        assert_string_equal(err.hint, "Say when it is: --known late=COLUMN (which has that "
                                      "moment), or --known late=+2h.");
    }
}

static void a_key_is_known_with_its_row(void **state) {
    (void)state;
    static const struct {
        const char *text, *known, *hint;
    } cases[] = {
        {"n = count() by late", NULL, "Use keys that a row has at its moment."},
        {"n = count() by from = late", "late=arrives", "Use keys that a row has at its moment."},
        {"n = count() by arrives", NULL,
         "If a row has it at its moment, say so: --known arrives=+0s."},
        {"n = count() by arrives", "arrives=+0s", NULL},
        {"n = count() by from", "from=arrives", "Use keys that a row has at its moment."},
        {"n = count() of others at then by from = late", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_window_set *set = NULL;
        tm_err err = {0};
        const tm_status st = make(&cases[i].text, 1, cases[i].known, &set, &err);
        assert_int_equal(st, cases[i].hint == NULL ? TM_OK : TM_E_REFUSED);
        if (cases[i].hint != NULL) {
            assert_string_equal(err.hint, cases[i].hint);
        }
        tm__window_set_free(set);
    }
}

/* The number of a text in one table is another one's in the next. */
static void a_text_is_no_number(void **state) {
    (void)state;
    static const char *const texts[] = {"l = last(from) by from", "m = mean(from) by from",
                                        "g = lag(from, 2) by from",
                                        "d = distinct(from) by from over 2h"};
    static const char *const functions[] = {"last", "mean", "lag", NULL};
    tm_table *table = flights();
    for (size_t i = 0; i < 4; i++) {
        tm_window_set *set = NULL;
        tm_err err = {0};
        char wanted[80];
        assert_int_equal(make(&texts[i], 1, NULL, &set, NULL), TM_OK);
        assert_int_equal(fit(set, table, &err), functions[i] == NULL ? TM_OK : TM_E_DATA);
        if (functions[i] != NULL) {
            snprintf(wanted, sizeof(wanted),
                     "feature '%.1s' is the %s of a text, which is no number", texts[i],
                     functions[i]);
            assert_string_equal(err.message, wanted);
            assert_string_equal(err.hint, "Ask for share(from = 'LEVEL') instead.");
        }
        tm__window_set_free(set);
    }
    tm__table_unref(table);
}

/* What is refused can be allowed, to see what it would be worth. */
static void a_leak_can_be_measured(void **state) {
    (void)state;
    static const char *const texts[] = {"naive = mean(late) by from over 10h",
                                        "n = count() by from"};
    static const double naive[N] = {NAN, 10, NAN, 20, 30, 27.5};
    const tm_window_spec spec = {
        .texts = texts, .n_texts = 2, .time = "leaves", .target = "late", .allows_leaks = true};
    tm_window_set *set = NULL;
    tm_table *table = flights(), *wide = NULL;
    assert_int_equal(tm__window_set_create(&spec, &set, NULL), TM_OK);
    assert_true(tm__window_set_is_leak(set, 0));
    assert_false(tm__window_set_is_leak(set, 1));
    assert_int_equal(fit(set, table, NULL), TM_OK);
    assert_int_equal(apply(set, table, &wide, NULL), TM_OK);
    check_column(wide, "naive", naive);
    tm__window_set_free(set);
    tm__table_unref(wide);
    tm__table_unref(table);
}

static void what_does_not_fit_is_named(void **state) {
    (void)state;
    static const struct {
        const char *text, *known, *message;
    } cases[] = {
        {"m = mean(late) by from", "late", "'late' does not say when a column is known"},
        {"m = mean(late) by from", "late=+soon",
         "'late=+soon' does not say when a column is known"},
        {"m = mean(nothing) by from", NULL,
         "feature 'm' needs column 'nothing', which is not there"},
        {"m = count() by nobody", NULL, "feature 'm' needs column 'nobody', which is not there"},
        {"m = mean(late) by leaves", "late=from", "feature 'm': column 'from' is text and no time"},
        {"m = count() by from = leaves", NULL,
         "feature 'm': key 'from' is text, and 'leaves' is time"},
        {"m = share(leaves = '3') by from", NULL,
         "feature 'm': '3' is no level of 'leaves', which is time"},
        {"late = count() by from", NULL, "two columns are named 'late'"},
    };
    tm_table *table = flights();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_window_set *set = NULL;
        tm_table *wide = NULL;
        tm_err err = {0};
        tm_status st = make(&cases[i].text, 1, cases[i].known, &set, &err);
        st = st == TM_OK ? fit(set, table, &err) : st;
        st = st == TM_OK ? apply(set, table, &wide, &err) : st;
        assert_int_not_equal(st, TM_OK);
        assert_string_equal(err.message, cases[i].message);
        tm__window_set_free(set);
    }
    tm__table_unref(table);
}

/* All of it once, with allocation number n failing. */
static tm_status try_all(tm_table *table, uint64_t n) {
    static const char *const texts[] = {"m = mean(late) by from over 10h", "n = count() by from",
                                        "s = share(from = 'AMS') by from"};
    tm_window_set *set = NULL, *again = NULL;
    tm_table *wide = NULL;
    json_t *record = NULL;
    tm__mem_fail_at(n, false);
    tm_status st = make(texts, 3, "late=arrives", &set, NULL);
    if (st == TM_OK) {
        st = fit(set, table, NULL);
    }
    if (st == TM_OK) {
        st = apply(set, table, &wide, NULL);
    }
    if (st == TM_OK) {
        record = tm__window_set_to_json(set);
        st = record == NULL ? TM_E_NOMEM : tm__window_set_from_json(record, &again, NULL);
    }
    tm__mem_fail_at(0, false);
    json_decref(record);
    tm__table_unref(wide);
    tm__window_set_free(again);
    tm__window_set_free(set);
    return st;
}

static void no_memory_is_said_at_any_place(void **state) {
    (void)state;
    tm_table *table = flights();
    const uint64_t n_alive = tm__mem_alive();
    uint64_t n = 0;
    tm_status st = TM_E_NOMEM;
    while (st != TM_OK) {
        st = try_all(table, ++n);
        assert_true(st == TM_OK || st == TM_E_NOMEM);
        assert_int_equal(tm__mem_alive(), n_alive);
    }
    assert_true(n > 40);
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leak_is_refused_by_name),
        cmocka_unit_test(a_key_is_known_with_its_row),
        cmocka_unit_test(a_text_is_no_number),
        cmocka_unit_test(a_leak_can_be_measured),
        cmocka_unit_test(what_does_not_fit_is_named),
        cmocka_unit_test(no_memory_is_said_at_any_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
