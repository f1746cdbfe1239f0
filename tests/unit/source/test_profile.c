/* SPDX-License-Identifier: Apache-2.0 */
#include "source/profile.h"

#include <stdio.h>
#include <string.h>

#include "source/profile_priv.h"
#include "table/sketch.h"
#include "test.h"

static tm_table *make_table(const char *name, tm_type type, uint32_t n, int64_t first) {
    tm_table_builder *const b = tm__builder_create();
    tm_table *table = NULL;
    assert_int_equal(tm__builder_add_column(b, name, type, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "both", TM_TYPE_INT, NULL), TM_OK);
    for (uint32_t row = 0; row < n; row++) {
        char text[32];
        const int len = snprintf(text, sizeof(text), "%lld", (long long)(first + row));
        tm_cell cells[] = {{.type = type, .i64 = first + row, .f64 = (double)(first + row)},
                           {.type = TM_TYPE_INT, .i64 = row}};
        cells[0].text = (tm_str){text, (size_t)len};
        assert_int_equal(tm__builder_add_row(b, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(b, &table, NULL), TM_OK);
    return table;
}

static tm_profile_sheet *profile_of(tm_table *table) {
    tm_profile_sheet *const sheet = tm__profile_create();
    assert_int_equal(tm__profile_add_table(sheet, table, NULL), TM_OK);
    tm__table_unref(table);
    return sheet;
}

static void columns_that_one_part_lacks_are_missing_there(void **state) {
    (void)state;
    tm_profile_sheet *const a = profile_of(make_table("a", TM_TYPE_INT, 30, 0));
    tm_profile_sheet *const b = profile_of(make_table("b", TM_TYPE_INT, 20, 0));
    assert_int_equal(tm__profile_merge(a, b, NULL), TM_OK);
    assert_true(tm__profile_rows(a) == 50);
    assert_int_equal(a->n_cols, 3);
    const uint64_t missing[] = {20, 0, 30};
    for (uint32_t col = 0; col < 3; col++) {
        tm_sketch_counts counts;
        tm__sketch_counts(a->cols[col].sketch, &counts);
        assert_true(counts.n_rows == 50 && counts.n_missing == missing[col]);
    }
    tm__profile_free(a);
    tm__profile_free(b);
}

static void types_widen_as_rows_come(void **state) {
    (void)state;
    const struct {
        tm_type a, b, want;
    } cases[] = {
        {TM_TYPE_INT, TM_TYPE_FLOAT, TM_TYPE_FLOAT}, {TM_TYPE_INT, TM_TYPE_TEXT, TM_TYPE_TEXT},
        {TM_TYPE_DATE, TM_TYPE_TIME, TM_TYPE_TIME},  {TM_TYPE_DATE, TM_TYPE_INT, TM_TYPE_TEXT},
        {TM_TYPE_BOOL, TM_TYPE_INT, TM_TYPE_TEXT},   {TM_TYPE_INT, TM_TYPE_INT, TM_TYPE_INT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool is_open = true;
        tm_profile_sheet *const a = profile_of(make_table("x", cases[i].a, 9, 0));
        tm_profile_sheet *const b = profile_of(make_table("x", cases[i].b, 9, 0));
        assert_int_equal(tm__profile_merge(a, b, NULL), TM_OK);
        assert_int_equal(tm__profile_type(&a->cols[0], &is_open), cases[i].want);
        assert_false(is_open);
        tm__profile_free(a);
        tm__profile_free(b);
    }
}

static void bytes_come_back_and_damage_is_told(void **state) {
    (void)state;
    tm_profile_sheet *const a = profile_of(make_table("a", TM_TYPE_FLOAT, 700, 5));
    tm_profile_sheet *back = NULL;
    tm_buf x, y;
    tm_err err = {0};
    tm__buf_init(&x, 1 << 20);
    tm__buf_init(&y, 1 << 20);
    tm__profile_write(a, &x);
    assert_int_equal(tm__profile_read_bytes(x.data, x.len, &back, &err), TM_OK);
    tm__profile_write(back, &y);
    assert_true(x.len == y.len && memcmp(x.data, y.data, x.len) == 0);
    tm__profile_free(back);
    for (size_t at = 0; at < x.len; at += 11) {
        back = NULL;
        assert_int_equal(tm__profile_read_bytes(x.data, at, &back, &err), TM_E_INTEGRITY);
        assert_null(back);
    }
    x.data[4] = 9;
    assert_int_equal(tm__profile_read_bytes(x.data, x.len, &back, &err), TM_E_UNSUPPORTED);
    assert_string_equal(err.message, "the profile is of version 9, this release reads 1");
    tm__buf_done(&x);
    tm__buf_done(&y);
    tm__profile_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_that_one_part_lacks_are_missing_there),
        cmocka_unit_test(types_widen_as_rows_come),
        cmocka_unit_test(bytes_come_back_and_damage_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
