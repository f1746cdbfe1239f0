/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/rng.h"
#include "source/profile_priv.h"
#include "test.h"

static tm_profile_sheet *sheet_of_one(void) {
    tm_profile_sheet *const sheet = tm__profile_create();
    tm_profile_column *const column = tm__sheet_column(sheet, "x", 0);
    column->type = TM_TYPE_INT;
    return sheet;
}

static tm_table *table_of(tm_profile_sample *sample) {
    tm_profile_sheet *const sheet = sheet_of_one();
    tm_table *table = NULL;
    assert_int_equal(tm__profile_sample_table(sample, sheet, &table, NULL), TM_OK);
    tm__profile_free(sheet);
    return table;
}

static void offer(tm_profile_sample *sample, uint64_t key, uint32_t row) {
    tm_buf cells;
    char text[16];
    tm__buf_init(&cells, 64);
    const int len = snprintf(text, sizeof(text), "%u", row);
    (void)tm__buf_str(&cells, (tm_str){text, (size_t)len});
    assert_true(tm__profile_sample_add(sample, tm__rng_at(key, row), row, cells.data, cells.len));
    tm__buf_done(&cells);
}

static void the_order_of_offers_does_not_matter(void **state) {
    (void)state;
    tm_profile_sample *const a = tm__profile_sample_create(50);
    tm_profile_sample *const b = tm__profile_sample_create(50);
    for (uint32_t row = 0; row < 1000; row++) {
        offer(a, 7, row);
        offer(b, 7, 999 - row);
    }
    assert_true(tm__profile_sample_limit(a) == tm__profile_sample_limit(b));
    tm_table *const x = table_of(a), *const y = table_of(b);
    assert_true(tm__table_rows(x) == 50 && tm__table_rows(y) == 50);
    for (uint64_t row = 0; row < 50; row++) {
        const int64_t value = tm__table_column(x, 0)->ints[row];
        assert_true(value == tm__table_column(y, 0)->ints[row]);
        assert_true(row == 0 || value > tm__table_column(x, 0)->ints[row - 1]);
    }
    tm__table_unref(x);
    tm__table_unref(y);
    tm__profile_sample_free(a);
    tm__profile_sample_free(b);
}

/* 400 samples of 10 of 100 rows: each row is in about 40 of them. */
static void every_row_has_the_same_chance(void **state) {
    (void)state;
    uint32_t counts[100] = {0};
    for (uint64_t key = 0; key < 400; key++) {
        tm_profile_sample *const s = tm__profile_sample_create(10);
        for (uint32_t row = 0; row < 100; row++) {
            offer(s, key + 1000, row);
        }
        tm_table *const table = table_of(s);
        assert_true(tm__table_rows(table) == 10);
        for (uint64_t row = 0; row < 10; row++) {
            counts[tm__table_column(table, 0)->ints[row]]++;
        }
        tm__table_unref(table);
        tm__profile_sample_free(s);
    }
    for (uint32_t row = 0; row < 100; row++) {
        assert_in_range(counts[row], 14, 66); /* 40 +- 4.3 standard deviations of 6 */
    }
}

static void cells_that_came_later_or_do_not_fit_are_missing(void **state) {
    (void)state;
    tm_profile_sample *const s = tm__profile_sample_create(4);
    tm_buf cells;
    tm__buf_init(&cells, 64);
    assert_true(tm__profile_sample_add(s, 1, 1, (const uint8_t *)"", 0));
    (void)tm__buf_str(&cells, TM_STR("word"));
    assert_true(tm__profile_sample_add(s, 2, 2, cells.data, cells.len));
    tm__buf_reset(&cells);
    (void)tm__buf_u32(&cells, UINT32_MAX);
    assert_true(tm__profile_sample_add(s, 3, 3, cells.data, cells.len));
    tm__buf_reset(&cells);
    (void)tm__buf_str(&cells, TM_STR("-12"));
    assert_true(tm__profile_sample_add(s, 4, 4, cells.data, cells.len));
    tm_table *const table = table_of(s);
    assert_true(tm__table_column(table, 0)->n_missing == 3);
    assert_true(tm__table_column(table, 0)->ints[3] == -12);
    tm__table_unref(table);
    tm__profile_sample_free(s);
    tm__buf_done(&cells);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_order_of_offers_does_not_matter),
        cmocka_unit_test(every_row_has_the_same_chance),
        cmocka_unit_test(cells_that_came_later_or_do_not_fit_are_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
