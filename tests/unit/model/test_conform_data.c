/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "model/conform_priv.h"

enum { ROWS = 200 };

static void rows_follow_from_their_seed(void **state) {
    (void)state;
    tm_conform_rows a, b, c;
    assert_true(tm__conform_rows_init(&a, TM_TASK_BINARY, TM_CONFORM_SIGNAL, ROWS, 1));
    assert_true(tm__conform_rows_init(&b, TM_TASK_BINARY, TM_CONFORM_SIGNAL, ROWS, 1));
    assert_true(tm__conform_rows_init(&c, TM_TASK_BINARY, TM_CONFORM_SIGNAL, ROWS, 2));
    assert_memory_equal(a.cells, b.cells, sizeof(double) * ROWS * TM_CONFORM_COLS);
    assert_memory_equal(a.y, b.y, sizeof(double) * ROWS);
    assert_true(memcmp(a.cells, c.cells, sizeof(double) * ROWS) != 0);
    tm__conform_rows_done(&a);
    tm__conform_rows_done(&b);
    tm__conform_rows_done(&c);
}

static void kinds_are_what_they_say(void **state) {
    (void)state;
    tm_conform_rows rows;
    double sum = 0, signal = 0;
    assert_true(tm__conform_rows_init(&rows, TM_TASK_REGRESSION, TM_CONFORM_SIGNAL, ROWS, 1));
    for (uint64_t i = 0; i < ROWS; i++) {
        signal += rows.y[i];
    }
    tm__conform_rows_done(&rows);
    assert_true(tm__conform_rows_init(&rows, TM_TASK_REGRESSION, TM_CONFORM_SHUFFLED, ROWS, 1));
    for (uint64_t i = 0; i < ROWS; i++) {
        sum += rows.y[i];
    }
    assert_true(fabs(sum - signal) < 1e-6); /* the same targets in another order */
    assert_true(fabs(tm__conform_order(&rows, rows.cells, 1) - 0.5) < 0.1);
    tm__conform_rows_done(&rows);
    assert_true(tm__conform_rows_init(&rows, TM_TASK_RANKING, TM_CONFORM_GAPS, ROWS, 1));
    assert_true(isnan(rows.cells[0]) && isnan(rows.cells[TM_CONFORM_COLS * ROWS - 1]));
    assert_true(rows.queries[9] == 0 && rows.queries[10] == 1);
    tm__conform_rows_done(&rows);
    assert_true(tm__conform_rows_init(&rows, TM_TASK_BINARY, TM_CONFORM_INFINITE, ROWS, 1));
    uint32_t n_infinite = 0;
    for (uint64_t i = 0; i < ROWS * TM_CONFORM_COLS; i++) {
        n_infinite += isinf(rows.cells[i]) != 0;
    }
    assert_true(n_infinite > ROWS / 4);
    tm__conform_rows_done(&rows);
}

static void order_is_one_for_the_target_itself_and_half_for_a_constant(void **state) {
    (void)state;
    tm_conform_rows rows;
    static double zero[3 * ROWS], classes[3 * ROWS];
    assert_true(tm__conform_rows_init(&rows, TM_TASK_REGRESSION, TM_CONFORM_SIGNAL, ROWS, 1));
    assert_true(tm__conform_order(&rows, rows.y, 1) == 1);
    assert_true(tm__conform_order(&rows, zero, 1) == 0.5);
    assert_true(tm__conform_order(&rows, rows.cells, 1) > 0.85); /* the column that decides */
    tm__conform_rows_done(&rows);
    assert_true(tm__conform_rows_init(&rows, TM_TASK_MULTICLASS, TM_CONFORM_SIGNAL, ROWS, 1));
    for (uint64_t i = 0; i < ROWS; i++) {
        classes[3 * i] = rows.y[i] == 0;
    }
    assert_true(tm__conform_order(&rows, classes, 3) == 1);
    tm__conform_rows_done(&rows);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_follow_from_their_seed),
        cmocka_unit_test(kinds_are_what_they_say),
        cmocka_unit_test(order_is_one_for_the_target_itself_and_half_for_a_constant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
