/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "drift_case.h"
#include "monitor/drift.h"

static bool near(double a, double b) {
    return fabs(a - b) <= 1e-9 + 1e-4 * fabs(b);
}

/* By hand, and scipy.stats.chi2_contingency([[30, 50, 20], [10, 60, 30]], correction=False). */
static void figures_are_those_of_others(void **state) {
    (void)state;
    const tm_ref_column bins = {.kind = TM_REF_NUMBERS, .n_cells = 3, .n_ordered = 2};
    const uint64_t was[] = {30, 50, 20}, is[] = {10, 60, 30}, none[] = {0, 0, 0};
    tm_drift_figures f;
    tm__drift_figures(&bins, was, is, &f);
    assert_true(near(f.psi, -0.2 * log(0.1 / 0.3) + 0.1 * log(0.6 / 0.5) + 0.1 * log(0.3 / 0.2)));
    assert_true(near(f.ks, 0.2));
    assert_true(near(f.chi2, 10.0 + 10.0 / 11 + 2.0));
    assert_int_equal(f.df, 2);
    assert_true(fabs(f.p - exp(-f.chi2 / 2)) < 3e-4); /* exact with two degrees of freedom */
    tm__drift_figures(&bins, was, none, &f);
    assert_true(f.psi == 0 && f.chi2 == 0 && f.p == 1);
    tm__drift_figures(&bins, was, was, &f);
    assert_true(f.psi == 0 && f.ks == 0 && f.chi2 == 0 && f.p > 0.99);
}

static void a_shift_to_cells_that_lose_more_costs_what_they_lose(void **state) {
    (void)state;
    drift_case c;
    tm_drift_cost cost;
    uint64_t is[16] = {0};
    drift_case_open(&c, 1);
    const uint32_t age = drift_case_column(&c, "age");
    tm_reference *const r = c.data->reference;
    tm_ref_column *const column = &r->columns[age];
    for (uint32_t i = 1; i < 4; i++) {
        column->loss_rows[i] = 1000000; /* so that none is drawn to the mean */
        column->loss[i] = 0.1 * i;
    }
    r->loss = 0.2;
    r->loss_constant = 0.7;
    is[3] = 100;
    tm__drift_cost(r, age, is, &cost);
    assert_true(fabs(cost.expected - 0.3) < 1e-4);
    assert_true(cost.was > 0.1 && cost.was < 0.3);
    is[3] = 0;
    is[tm__ref_above(column)] = 7; /* never seen: four fifths of what the model gains are gone */
    tm__drift_cost(r, age, is, &cost);
    assert_true(near(cost.expected, 0.2 + 0.8 * 0.5));
    r->loss_kind = TM_REF_LOSS_SQUARED;
    tm__drift_cost(r, age, is, &cost);
    assert_true(near(cost.expected, sqrt(0.6)));
    memset(is, 0, sizeof(is));
    tm__drift_cost(r, age, is, &cost); /* without rows nothing is known */
    assert_true(isnan(cost.expected) && isnan(cost.was));
    r->loss_kind = TM_REF_LOSS_NONE;
    is[1] = 5;
    tm__drift_cost(r, age, is, &cost);
    assert_true(isnan(cost.expected));
    drift_case_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_are_those_of_others),
        cmocka_unit_test(a_shift_to_cells_that_lose_more_costs_what_they_lose),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
