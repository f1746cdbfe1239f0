/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "feature/window_set.h"
#include "test.h"

#define HOUR INT64_C(3600000000)

/* Six flights of two airports: when they leave and arrive, and how late (known on arrival). */
enum { N = 6 };
static const char *const from[N] = {"AMS", "AMS", "BRU", "AMS", "AMS", "AMS"};
static const int64_t leaves[N] = {1, 2, 3, 4, 6, 9};
static const int64_t arrives[N] = {3, 5, 4, 5, 8, TM_INT_MISSING};
static const double late[N] = {10, 30, 7, 50, 20, 1};

static tm_table *flights(void) {
    static const tm_type types[] = {TM_TYPE_TEXT, TM_TYPE_TIME, TM_TYPE_TIME, TM_TYPE_FLOAT};
    static const char *const names[] = {"from", "leaves", "arrives", "late"};
    tm_table_builder *b = tm__builder_create();
    tm_table *table = NULL;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(tm__builder_add_column(b, names[i], types[i], NULL), TM_OK);
    }
    for (int i = 0; i < N; i++) {
        const bool is_gone = arrives[i] == TM_INT_MISSING;
        const tm_cell cells[] = {
            {.type = TM_TYPE_TEXT, .text = tm__str(from[i])},
            {.type = TM_TYPE_TIME, .i64 = leaves[i] * HOUR},
            {.type = is_gone ? TM_TYPE_NONE : TM_TYPE_TIME, .i64 = is_gone ? 0 : arrives[i] * HOUR},
            {.type = TM_TYPE_FLOAT, .f64 = late[i]}};
        assert_int_equal(tm__builder_add_row(b, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(b, &table, NULL), TM_OK);
    return table;
}

static tm_status make(const char *const *texts, uint32_t n, const char *known, tm_window_set **out,
                      tm_err *err) {
    static const char *const hidden[] = {"late", "arrives"};
    const tm_window_spec spec = {.texts = texts,
                                 .n_texts = n,
                                 .time = "leaves",
                                 .known = &known,
                                 .n_known = known == NULL ? 0 : 1,
                                 .hidden = hidden,
                                 .n_hidden = 2};
    return tm__window_set_create(&spec, out, err);
}

static void check_column(const tm_table *table, const char *name, const double *wanted) {
    const uint32_t at = tm__table_find(table, name);
    assert_int_not_equal(at, UINT32_MAX);
    const double *const found = tm__table_column(table, at)->floats;
    for (int i = 0; i < N; i++) {
        if (isnan(wanted[i]) ? !isnan(found[i]) : found[i] != wanted[i]) {
            fail_msg("%s of row %d is %g", name, i, found[i]);
        }
    }
}

/* What is known on arrival, and the naive way by hand: the flights before, arrived or not. */
static void a_value_counts_from_when_it_is_known(void **state) {
    (void)state;
    static const char *const texts[] = {
        "m = mean(late) by from over 10h", "l = last(late) by from over 2h", "n = count() by from",
        "d = mean(late) by from over 10h delay 2h", "s = share(from = 'AMS') by from"};
    static const double mean[N] = {NAN, NAN, NAN, 10, 30, 27.5};
    static const double last[N] = {NAN, NAN, NAN, 10, 50, 20};
    static const double count[N] = {0, 1, 0, 2, 3, 4};
    static const double delayed[N] = {NAN, NAN, NAN, NAN, 10, 30};
    static const double share[N] = {NAN, 1, NAN, 1, 1, 1};
    tm_window_set *set = NULL, *again = NULL;
    tm_table *table = flights(), *wide = NULL, *twice = NULL;
    tm_ctx ctx = {0};
    assert_int_equal(make(texts, 5, "late=arrives", &set, NULL), TM_OK);
    assert_int_equal(tm__window_set_fit(set, table, NULL), TM_OK);
    assert_int_equal(tm__window_set_apply(&ctx, set, table, table, &wide, NULL), TM_OK);
    assert_int_equal(tm__table_cols(wide), 9);
    check_column(wide, "m", mean);
    check_column(wide, "l", last);
    check_column(wide, "n", count);
    check_column(wide, "d", delayed);
    check_column(wide, "s", share);
    assert_string_equal(tm__window_set_when(set, 0), "arrives");
    assert_null(tm__window_set_when(set, 2));

    json_t *record = tm__window_set_to_json(set);
    assert_int_equal(tm__window_set_from_json(record, &again, NULL), TM_OK);
    assert_int_equal(tm__window_set_apply(&ctx, again, table, table, &twice, NULL), TM_OK);
    tm_hash a, b;
    tm__table_hash(wide, &a);
    tm__table_hash(twice, &b);
    assert_true(tm__hash_eq(&a, &b));
    json_t *same = tm__window_set_to_json(again);
    assert_true(json_equal(record, same));
    json_decref(same);
    json_decref(record);
    tm__window_set_free(again);
    tm__window_set_free(set);
    tm__table_unref(twice);
    tm__table_unref(wide);
    tm__table_unref(table);
}

static void nothing_hidden_is_known_before_its_row(void **state) {
    (void)state;
    static const char *const texts[] = {"m = mean(late) by from"};
    static const double mean[N] = {NAN, 10, NAN, 20, 30, 27.5};
    tm_window_set *set = NULL;
    tm_table *table = flights(), *wide = NULL;
    tm_ctx ctx = {0};
    /* A delay that is none, and a moment of long ago, would show each flight its own lateness. */
    assert_int_equal(make(texts, 1, "late=+1us", &set, NULL), TM_OK);
    assert_int_equal(tm__window_set_fit(set, table, NULL), TM_OK);
    assert_int_equal(tm__window_set_apply(&ctx, set, table, table, &wide, NULL), TM_OK);
    check_column(wide, "m", mean);
    tm__window_set_free(set);
    tm__table_unref(wide);
    tm__table_unref(table);
}

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
        {"m = mean(late) by from", "late=from", "feature 'm': column 'from' is text and no time"},
        {"m = count() by from = late", NULL,
         "feature 'm': key 'from' is text, and 'late' is float"},
        {"m = share(leaves = '3') by from", NULL,
         "feature 'm': '3' is no level of 'leaves', which is time"},
        {"late = count() by from", NULL, "two columns are named 'late'"},
    };
    tm_table *table = flights();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_window_set *set = NULL;
        tm_table *wide = NULL;
        tm_ctx ctx = {0};
        tm_err err = {0};
        tm_status st = make(&cases[i].text, 1, cases[i].known, &set, &err);
        st = st == TM_OK ? tm__window_set_fit(set, table, &err) : st;
        st = st == TM_OK ? tm__window_set_apply(&ctx, set, table, table, &wide, &err) : st;
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
    tm_ctx ctx = {0};
    tm__mem_fail_at(n, false);
    tm_status st = make(texts, 3, "late=arrives", &set, NULL);
    if (st == TM_OK) {
        st = tm__window_set_fit(set, table, NULL);
    }
    if (st == TM_OK) {
        st = tm__window_set_apply(&ctx, set, table, table, &wide, NULL);
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
        cmocka_unit_test(a_value_counts_from_when_it_is_known),
        cmocka_unit_test(nothing_hidden_is_known_before_its_row),
        cmocka_unit_test(a_leak_is_refused_by_name),
        cmocka_unit_test(what_does_not_fit_is_named),
        cmocka_unit_test(no_memory_is_said_at_any_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
