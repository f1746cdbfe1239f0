/* SPDX-License-Identifier: Apache-2.0 */
#include "store/bad_values.h"

#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "test.h"

static void add(tm_bad_values *bad, uint32_t row, uint32_t col, const char *text) {
    const tm_bad_value value = {
        .row = row, .col = col, .kind = TM_BAD_ENCODING, .value = tm__str(text)};
    assert_true(tm__bad_values_add(bad, &value));
}

static void check(const tm_bad_values *bad, uint32_t i, uint32_t row, const char *text) {
    const tm_bad_value value = tm__bad_values_get(bad, i);
    assert_int_equal(value.row, row);
    assert_true(tm__str_is(value.value, text));
}

static void values_are_found_by_their_rows(void **state) {
    (void)state;
    tm_bad_values bad = {0}, some = {0};
    static const uint32_t rows[] = {1, 4, 5, 9};
    assert_int_equal(tm__bad_values_find(NULL, 7), 0);
    assert_int_equal(tm__bad_values_find(&bad, 7), 0);
    add(&bad, 7, 1, "d");
    add(&bad, 4, 2, "b");
    add(&bad, 4, 0, "");
    add(&bad, 9, 0, "e");
    tm__bad_values_sort(&bad);
    check(&bad, 0, 4, "");
    check(&bad, 1, 4, "b");
    check(&bad, 2, 7, "d");
    assert_int_equal(tm__bad_values_find(&bad, 4), 0);
    assert_int_equal(tm__bad_values_find(&bad, 5), 2);
    assert_int_equal(tm__bad_values_find(&bad, 10), 4);
    assert_true(tm__bad_values_take_rows(&bad, rows, 4, &some));
    assert_int_equal(some.n, 3);
    check(&some, 0, 1, "");
    check(&some, 1, 1, "b");
    check(&some, 2, 3, "e");
    tm__bad_values_reset(&some);
    assert_int_equal(some.n, 0);
    add(&some, 0, 0, "again");
    check(&some, 0, 0, "again");
    tm__bad_values_done(&some);
    tm__bad_values_done(&bad);
}

static void a_long_value_is_cut_behind_the_limit(void **state) {
    (void)state;
    tm_bad_values bad = {0};
    const size_t len = TM_MAX_TEXT_BYTES + 1000;
    char *const text = tm__mem_zalloc(len, 1);
    assert_non_null(text);
    const tm_bad_value value = {.kind = TM_BAD_LONG, .value = {text, len}};
    assert_true(tm__bad_values_add(&bad, &value));
    assert_int_equal(tm__bad_values_get(&bad, 0).value.len, TM_MAX_TEXT_BYTES + 1);
    tm__mem_free(text);
    tm__bad_values_done(&bad);
}

static void days_of_any_distance_are_written(void **state) {
    (void)state;
    static const struct {
        int64_t day, us;
        const char *want;
    } cases[] = {{0, 0, "1970-01-01T00:00:00Z"},
                 {-1, INT64_C(86399999999), "1969-12-31T23:59:59.999999Z"},
                 {11016, 1000000, "2000-02-29T00:00:01Z"},
                 {INT64_C(2145042905), 0, "5874897-12-31T00:00:00Z"},
                 {INT64_C(-2440588), 0, "-4713-11-24T00:00:00Z"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_buf text;
        tm__buf_init(&text, 100);
        assert_true(tm__far_time_text(cases[i].day, cases[i].us, &text));
        assert_string_equal((const char *)text.data, cases[i].want);
        tm__buf_done(&text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_found_by_their_rows),
        cmocka_unit_test(a_long_value_is_cut_behind_the_limit),
        cmocka_unit_test(days_of_any_distance_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
