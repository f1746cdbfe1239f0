/* SPDX-License-Identifier: Apache-2.0 */
#include "metric/experiment_units.h"

#include <math.h>

#include "test.h"

/* A row: its unit, arm, when it was and became known, its value. */
typedef struct given {
    const char *unit; /* NULL: its own */
    int arm;
    int64_t time_us, known_us;
    double value;
} given;

static void make(tm_units *u, const given *rows, size_t n) {
    u->n_metrics = 1;
    for (size_t i = 0; i < n; i++) {
        tm_unit_row row = {.unit = i,
                           .arm = (uint8_t)rows[i].arm,
                           .time_us = rows[i].time_us,
                           .known_us = rows[i].known_us};
        if (rows[i].unit != NULL) {
            assert_int_equal(tm__units_key(u, tm__str(rows[i].unit), &row.unit, NULL), TM_OK);
        }
        assert_int_equal(tm__units_add(u, &row, &rows[i].value, NULL), TM_OK);
    }
    assert_int_equal(tm__units_make(u, NULL), TM_OK);
}

static void rows_without_units_are_sorted_by_time(void **state) {
    (void)state;
    static const given rows[] = {{NULL, 0, 5, 5, 1}, {NULL, 1, 3, 3, 0}, {NULL, 1, 5, 5, 0}};
    tm_units u = {0};
    make(&u, rows, 3);
    assert_int_equal(u.n, 3);
    assert_int_equal(u.n_matured, 3);
    assert_true(u.arms[0] == 1 && u.arms[1] != u.arms[2]);
    assert_true(u.times_us[0] == 3 && u.times_us[2] == 5 && u.is_binary[0]);
    assert_true(u.values[0][1] + u.values[0][2] == 1);
    tm__units_done(&u);
}

static void rows_of_a_unit_count_once_with_their_mean(void **state) {
    (void)state;
    static const given rows[] = {{"a", 0, 1, 1, 1},  {"b", 1, 2, 2, 1}, {"a", 0, 3, 3, 0},
                                 {"c", 0, 4, 4, 0},  {"c", 1, 5, 5, 1}, {"b", 1, 6, 6, NAN},
                                 {"d", 1, 7, 7, NAN}};
    tm_units u = {0};
    make(&u, rows, 7);
    assert_int_equal(u.n, 3);
    assert_int_equal(u.n_in_both, 1); /* c */
    assert_true(u.values[0][0] == 0.5 && u.values[0][1] == 1 && isnan(u.values[0][2]));
    assert_true(!u.is_binary[0] && u.is_share[0]);
    tm__units_done(&u);
}

/* Ten after its first row a unit is as it will stay. */
static void a_delay_fixes_what_counts_and_who_is_judged(void **state) {
    (void)state;
    static const given rows[] = {
        {"a", 0, 1, 1, 0}, {"a", 0, 30, 30, 5}, {"b", 1, 15, 26, 7}, {"c", 0, 25, 25, 1}};
    tm_units u = {.delay_us = 10, .now_us = 30};
    make(&u, rows, 4);
    assert_int_equal(u.n, 3);
    assert_int_equal(u.n_matured, 2);   /* c is too young */
    assert_true(u.values[0][0] == 0);   /* the row of 30 is too late */
    assert_true(isnan(u.values[0][1])); /* and so is what was known at 26 */
    assert_true(u.times_us[2] == 25);
    tm__units_done(&u);
}

/* Without a delay units come in the order in which something was known of them: none is put
 * between others later on. */
static void without_a_delay_units_stand_where_they_became_known(void **state) {
    (void)state;
    static const given rows[] = {{"a", 0, 1, 9, 1}, {"b", 1, 2, 3, 0}, {"c", 0, 3, 3, NAN}};
    tm_units u = {0};
    make(&u, rows, 3);
    assert_true(u.times_us[0] == 3 && u.values[0][0] == 0);
    assert_true(isnan(u.values[0][1]) && u.values[0][2] == 1);
    tm__units_done(&u);
}

/* A day's rows may be sorted by arm: units of one time stand by chance. */
static void units_of_one_time_are_mixed(void **state) {
    (void)state;
    given many[400];
    uint32_t n_changes = 0;
    for (int i = 0; i < 400; i++) {
        many[i] = (given){NULL, i >= 200, 9, 9, 1};
    }
    tm_units u = {0};
    make(&u, many, 400);
    for (int i = 1; i < 400; i++) {
        n_changes += u.arms[i] != u.arms[i - 1];
    }
    assert_in_range(n_changes, 150, 250);
    tm__units_done(&u);
}

static void no_rows_are_no_units(void **state) {
    (void)state;
    tm_units u = {0};
    make(&u, NULL, 0);
    assert_int_equal(u.n + u.n_matured + u.n_in_both, 0);
    tm__units_done(&u);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_without_units_are_sorted_by_time),
        cmocka_unit_test(rows_of_a_unit_count_once_with_their_mean),
        cmocka_unit_test(a_delay_fixes_what_counts_and_who_is_judged),
        cmocka_unit_test(without_a_delay_units_stand_where_they_became_known),
        cmocka_unit_test(units_of_one_time_are_mixed),
        cmocka_unit_test(no_rows_are_no_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
