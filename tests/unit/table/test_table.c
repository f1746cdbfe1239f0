/* SPDX-License-Identifier: Apache-2.0 */
#include "table/table.h"

#include <stdio.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "test.h"

/* Columns n (int), t (text), named by letters of `texts` ('.' is missing), in the order given. */
static tm_table *letters(const char *texts, int64_t first) {
    tm_table_builder *const b = tm__builder_create();
    assert_int_equal(tm__builder_add_column(b, "n", TM_TYPE_INT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "t", TM_TYPE_TEXT, NULL), TM_OK);
    for (size_t i = 0; texts[i] != '\0'; i++) {
        const tm_cell cells[] = {
            {.type = TM_TYPE_INT, .i64 = first + (int64_t)i},
            {.type = texts[i] == '.' ? TM_TYPE_NONE : TM_TYPE_TEXT, .text = {&texts[i], 1}}};
        assert_int_equal(tm__builder_add_row(b, cells, NULL), TM_OK);
    }
    tm_table *table = NULL;
    assert_int_equal(tm__builder_finish(b, &table, NULL), TM_OK);
    return table;
}

static void assert_same_hash(const tm_table *a, const tm_table *b, bool is_same) {
    tm_hash x, y;
    tm__table_hash(a, &x);
    tm__table_hash(b, &y);
    assert_true(tm__hash_eq(&x, &y) == is_same);
}

static void types_read_back(void **state) {
    (void)state;
    for (tm_type type = TM_TYPE_BOOL; type <= TM_TYPE_TIME; type++) {
        assert_int_equal(tm__type_from_text(tm__type_text(type)), type);
    }
    assert_int_equal(tm__type_from_text("decimal"), TM_TYPE_NONE);
}

static void taken_rows_come_in_the_order_asked(void **state) {
    (void)state;
    tm_table *const table = letters("ab.ca", 10);
    const uint32_t rows[] = {4, 2, 0, 0};
    tm_table *taken = NULL;
    assert_int_equal(tm__table_take_rows(table, rows, 4, &taken, NULL), TM_OK);
    tm__table_unref(table);
    assert_int_equal(tm__table_rows(taken), 4);
    const tm_column *const n = tm__table_column(taken, 0);
    const tm_column *const t = tm__table_column(taken, 1);
    assert_int_equal(n->ints[0], 14);
    assert_int_equal(n->ints[3], 10);
    assert_true(tm__str_is(tm__column_cell(t, 0).text, "a"));
    assert_true(tm__column_is_missing(t, 1));
    assert_int_equal(t->n_missing, 1);
    tm_table *const same = letters("a", 14);
    const uint32_t first = 0;
    tm_table *one = NULL;
    assert_int_equal(tm__table_take_rows(taken, &first, 1, &one, NULL), TM_OK);
    assert_same_hash(one, same, true);
    tm__table_unref(one);
    tm__table_unref(same);
    tm__table_unref(taken);
}

static void joined_tables_hold_the_rows_of_both(void **state) {
    (void)state;
    tm_table *const a = letters("ab", 0);
    tm_table *const b = letters("cb.", 2);
    tm_table *const want = letters("abcb.", 0);
    tm_table *both = NULL;
    assert_int_equal(tm__table_concat(a, b, &both, NULL), TM_OK);
    assert_same_hash(both, want, true);
    assert_int_equal(tm__dict_count(tm__table_column(both, 1)->dict), 3);
    tm__table_unref(both);
    assert_int_equal(tm__table_concat(a, a, &both, NULL), TM_OK);
    assert_int_equal(tm__table_rows(both), 4);
    assert_true(tm__str_is(tm__column_cell(tm__table_column(both, 1), 3).text, "b"));
    tm__table_unref(both);
    tm__table_unref(a);
    tm__table_unref(b);
    tm__table_unref(want);
}

static tm_table *one_column(const char *name, tm_type type, int64_t i64, double f64) {
    tm_table_builder *const b = tm__builder_create();
    assert_int_equal(tm__builder_add_column(b, name, type, NULL), TM_OK);
    const tm_cell cell = {.type = type, .i64 = i64, .f64 = f64, .text = TM_STR("x")};
    assert_int_equal(tm__builder_add_row(b, &cell, NULL), TM_OK);
    tm_table *table = NULL;
    assert_int_equal(tm__builder_finish(b, &table, NULL), TM_OK);
    return table;
}

static void joined_ints_and_floats_are_floats(void **state) {
    (void)state;
    tm_table *const a = one_column("v", TM_TYPE_INT, TM_INT_MISSING, 0);
    tm_table *const b = one_column("v", TM_TYPE_FLOAT, 0, 2.5);
    tm_table *both = NULL;
    assert_int_equal(tm__table_concat(a, b, &both, NULL), TM_OK);
    const tm_column *const c = tm__table_column(both, 0);
    assert_int_equal(c->type, TM_TYPE_FLOAT);
    assert_int_equal(c->n_missing, 1);
    assert_true(c->floats[1] == 2.5);
    tm__table_unref(both);
    tm__table_unref(a);
    tm__table_unref(b);
}

static void appended_rows_may_lack_columns(void **state) {
    (void)state;
    tm_table *const a = letters("ab", 0);
    tm_table *const b = one_column(tm__table_column(a, 0)->name, TM_TYPE_INT, 1, 0);
    const char *const names[] = {tm__table_column(a, 1)->name, tm__table_column(a, 0)->name};
    const char *const nobody = "nobody";
    tm_table *both = NULL;
    tm_err err = {0};
    assert_int_equal(tm__table_append(a, b, names, 2, &both, NULL), TM_OK);
    const uint64_t n = tm__table_rows(both);
    assert_int_equal(n, 2 + tm__table_rows(b));
    const tm_column *const text = tm__table_column(both, 0), *const number =
                                                                 tm__table_column(both, 1);
    assert_true(tm__str_is(tm__column_cell(text, 1).text, "b"));
    assert_true(tm__column_is_missing(text, n - 1));
    assert_int_equal(number->ints[2], tm__table_column(b, 0)->ints[0]);
    tm__table_unref(both);
    assert_int_equal(tm__table_append(a, b, &nobody, 1, &both, &err), TM_E_DATA);
    assert_string_equal(err.message, "the rows lack column 'nobody'");
    tm__table_unref(a);
    tm__table_unref(b);
}

static void tables_that_do_not_fit_are_not_joined(void **state) {
    (void)state;
    tm_table *const a = one_column("v", TM_TYPE_INT, 1, 0);
    tm_table *const other_type = one_column("v", TM_TYPE_TEXT, 0, 0);
    tm_table *const other_name = one_column("w", TM_TYPE_INT, 1, 0);
    tm_table *out = NULL;
    tm_err err = {0};
    assert_int_equal(tm__table_concat(a, other_type, &out, &err), TM_E_DATA);
    assert_string_equal(err.message, "column 'v' is an int, but a text in other rows");
    assert_int_equal(tm__table_concat(a, other_name, &out, &err), TM_E_DATA);
    assert_string_equal(err.message, "rows lack column 'v'");
    assert_null(out);
    tm__table_unref(a);
    tm__table_unref(other_type);
    tm__table_unref(other_name);
}

static void the_hash_sees_values_and_not_codes(void **state) {
    (void)state;
    tm_table *const a = letters("ba", 0);
    tm_table *const c = letters("ab", 0);
    tm_table *swapped = NULL;
    const uint32_t rows[] = {1, 0};
    tm_table *const d = letters("ab", 0); /* codes 0 1 */
    assert_int_equal(tm__table_take_rows(d, rows, 2, &swapped, NULL), TM_OK);
    assert_same_hash(a, c, false);
    tm_table *back = NULL;
    assert_int_equal(tm__table_take_rows(swapped, rows, 2, &back, NULL), TM_OK);
    assert_same_hash(back, c, true);
    tm__table_unref(a);
    tm__table_unref(c);
    tm__table_unref(d);
    tm__table_unref(swapped);
    tm__table_unref(back);
}

static void the_hash_sees_names_types_and_missing_values(void **state) {
    (void)state;
    tm_table *const tables[] = {one_column("v", TM_TYPE_INT, 0, 0),
                                one_column("w", TM_TYPE_INT, 0, 0),
                                one_column("v", TM_TYPE_FLOAT, 0, 0),
                                one_column("v", TM_TYPE_FLOAT, 0, -0.0),
                                one_column("v", TM_TYPE_BOOL, 0, 0),
                                one_column("v", TM_TYPE_TEXT, 0, 0),
                                one_column("v", TM_TYPE_INT, TM_INT_MISSING, 0),
                                letters("", 0),
                                letters(".", 0)};
    const size_t n = sizeof(tables) / sizeof(tables[0]);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            assert_same_hash(tables[i], tables[j], i == j);
        }
    }
    for (size_t i = 0; i < n; i++) {
        tm__table_unref(tables[i]);
    }
}

/* The name of a snapshot: must never change. */
static void the_hash_of_a_known_table_is_known(void **state) {
    (void)state;
    tm_table *const table = letters("ab.a", -1);
    tm_hash hash;
    char text[TM_HASH_TEXT];
    tm__table_hash(table, &hash);
    tm__hash_to_text(&hash, text);
    assert_string_equal(text, "2f93b57f1a64e1d211db1378a95827b4fa83b378b2059b3c41097df5f7222099");
    tm__table_unref(table);
}

static void equal_rows_have_equal_hashes(void **state) {
    (void)state;
    tm_table *const a = letters("ab", 0);
    tm_table *const b = letters("bab.", 0);
    const uint32_t text = 1, both[] = {0, 1};
    uint64_t x[2], y[4], z[4];
    tm__table_row_hashes(a, &text, 1, x);
    tm__table_row_hashes(b, &text, 1, y);
    assert_true(x[0] == y[1] && x[1] == y[0] && y[0] == y[2]);
    assert_true(y[0] != y[1] && y[3] != y[0] && y[3] != y[1]);
    tm__table_row_hashes(b, both, 2, z);
    assert_true(z[0] != z[2]);
    tm__table_unref(a);
    tm__table_unref(b);
}

static void running_out_of_memory_leaks_nothing(void **state) {
    (void)state;
    tm_table *const a = letters("ab", 0);
    tm_table *const b = letters("cb.", 2);
    const uint32_t rows[] = {1, 0};
    const uint64_t alive = tm__mem_alive();
    tm_status st = TM_E_NOMEM;
    for (uint64_t nth = 1; st != TM_OK; nth++) {
        tm_table *both = NULL;
        tm_table *taken = NULL;
        tm__mem_fail_at(nth, false);
        st = tm__table_concat(a, b, &both, NULL);
        st = st != TM_OK ? st : tm__table_take_rows(both, rows, 2, &taken, NULL);
        tm__mem_fail_at(0, false);
        tm__table_unref(taken);
        tm__table_unref(both);
        assert_true(tm__mem_alive() == alive);
    }
    tm__table_unref(a);
    tm__table_unref(b);
}

static void a_column_that_is_not_there_is_hinted_at(void **state) {
    (void)state;
    tm_table_builder *const b = tm__builder_create();
    tm_table *table = NULL;
    tm_err err = {0};
    assert_int_equal(tm__builder_add_column(b, "amount", TM_TYPE_INT, NULL), TM_OK);
    assert_int_equal(tm__builder_finish(b, &table, NULL), TM_OK);
    tm__table_hint_column(table, "amuont", &err);
    assert_string_equal(err.hint, "Did you mean 'amount'?");
    tm__table_hint_column(table, "price", &err);
    assert_string_equal(err.hint, "Run 'tidemill data profile' on the data to see its columns.");
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_read_back),
        cmocka_unit_test(taken_rows_come_in_the_order_asked),
        cmocka_unit_test(joined_tables_hold_the_rows_of_both),
        cmocka_unit_test(joined_ints_and_floats_are_floats),
        cmocka_unit_test(appended_rows_may_lack_columns),
        cmocka_unit_test(tables_that_do_not_fit_are_not_joined),
        cmocka_unit_test(the_hash_sees_values_and_not_codes),
        cmocka_unit_test(the_hash_sees_names_types_and_missing_values),
        cmocka_unit_test(the_hash_of_a_known_table_is_known),
        cmocka_unit_test(equal_rows_have_equal_hashes),
        cmocka_unit_test(a_column_that_is_not_there_is_hinted_at),
        cmocka_unit_test(running_out_of_memory_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
