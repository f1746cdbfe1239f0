/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/mem.h"
#include "loop/loop_priv.h"
#include "temp_home.h"
#include "tiny_bundle.h"

/* A table of x (float), c (text) and y (text) from three texts a row; "" is missing. */
static tm_table *table_of(const char *const (*rows)[3], uint64_t n_rows) {
    tm_table_builder *builder = tm__builder_create();
    tm_table *table = NULL;
    assert_int_equal(tm__builder_add_column(builder, "x", TM_TYPE_FLOAT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(builder, "c", TM_TYPE_TEXT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(builder, "y", TM_TYPE_TEXT, NULL), TM_OK);
    for (uint64_t i = 0; i < n_rows; i++) {
        tm_cell cells[3] = {
            {.type = TM_TYPE_FLOAT}, {.type = TM_TYPE_TEXT}, {.type = TM_TYPE_TEXT}};
        assert_true(tm__str_to_f64(tm__str(rows[i][0]), &cells[0].f64));
        cells[1].text = tm__str(rows[i][1]);
        cells[2].text = tm__str(rows[i][2]);
        assert_int_equal(tm__builder_add_row(builder, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(builder, &table, NULL), TM_OK);
    return table;
}

static void counts_have_groups_of_three_digits(void **state) {
    static const struct {
        uint64_t n;
        const char *want;
    } cases[] = {{0, "0"},
                 {7, "7"},
                 {999, "999"},
                 {1000, "1,000"},
                 {20000, "20,000"},
                 {123456, "123,456"},
                 {1234567, "1,234,567"}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[32];
        tm__loop_count_text(cases[i].n, text);
        assert_string_equal(text, cases[i].want);
    }
}

static void rows_are_fitted_to_another_tables_columns(void **state) {
    static const char *const rows[][3] = {{"1", "a", "7"}, {"2", "b", "seven"}, {"3", "c", "9"}};
    tm_table_builder *builder = tm__builder_create();
    tm_table *table = table_of(rows, 3), *like = NULL, *fitted = NULL;
    (void)state;
    assert_int_equal(tm__builder_add_column(builder, "w", TM_TYPE_FLOAT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(builder, "y", TM_TYPE_INT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(builder, "more", TM_TYPE_TEXT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(builder, "x", TM_TYPE_FLOAT, NULL), TM_OK);
    assert_int_equal(tm__builder_finish(builder, &like, NULL), TM_OK);
    assert_int_equal(tm__rows_fit(table, like, "w", &fitted, NULL), TM_OK);
    assert_int_equal(tm__table_cols(fitted), 4);
    assert_int_equal(tm__table_rows(fitted), 2); /* 'seven' is no int */
    assert_true(tm__table_column(fitted, 0)->floats[1] == 1.0);
    assert_int_equal(tm__table_column(fitted, 1)->ints[1], 9);
    assert_true(tm__column_is_missing(tm__table_column(fitted, 2), 0));
    assert_true(tm__table_column(fitted, 3)->floats[1] == 3.0);
    tm__table_unref(fitted);
    fitted = table;
    assert_int_equal(tm__rows_fit(NULL, like, NULL, &fitted, NULL), TM_OK);
    assert_null(fitted);
    tm__table_unref(table);
    tm__table_unref(like);
}

static void a_known_row_stands_for_one_equal_row(void **state) {
    static const char *const known[][3] = {{"1", "a", "yes"}, {"2", "b", "no"}};
    static const char *const rows[][3] = {
        {"1", "a", "yes"}, {"1", "a", "yes"}, {"1", "a", "no"}, {"2", "b", "no"}, {"3", "c", "no"}};
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    tm_table *before = table_of(known, 2), *table = table_of(rows, 5), *none = table_of(rows, 0);
    tm_row_list list = {0};
    assert_int_equal(tm__rows_unknown(bundle, before, table, &list, NULL), TM_OK);
    assert_int_equal(list.n, 3);
    assert_int_equal(list.rows[0], 1);
    assert_int_equal(list.rows[1], 2);
    assert_int_equal(list.rows[2], 4);
    tm__row_list_done(&list);
    assert_int_equal(tm__rows_unknown(bundle, none, table, &list, NULL), TM_OK);
    assert_int_equal(list.n, 5);
    tm__row_list_done(&list);
    assert_int_equal(tm__rows_unknown(bundle, table, none, &list, NULL), TM_OK);
    assert_int_equal(list.n, 0);
    tm__row_list_done(&list);
    for (uint64_t n = 1; n < 20; n++) {
        const uint64_t alive = tm__mem_alive();
        tm__mem_fail_at(n, false);
        const tm_status st = tm__rows_unknown(bundle, before, table, &list, NULL);
        tm__mem_fail_at(0, false);
        if (st == TM_OK) {
            tm__row_list_done(&list);
            break;
        }
        assert_int_equal(st, TM_E_NOMEM);
        assert_int_equal(tm__mem_alive(), alive);
    }
    tm__table_unref(before);
    tm__table_unref(table);
    tm__table_unref(none);
    tm__bundle_unref(bundle);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(counts_have_groups_of_three_digits),
        TEST(rows_are_fitted_to_another_tables_columns),
        TEST(a_known_row_stands_for_one_equal_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
