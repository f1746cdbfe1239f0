/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>

#include "drift_case.h"
#include "monitor/alert_teller.h"
#include "monitor/drift.h"

#define MINUTE INT64_C(60000000)

static tm_drift *make(const drift_case *c) {
    tm_drift *drift = NULL;
    assert_int_equal(tm__drift_create(c->plan, 0, &drift, NULL), TM_OK);
    return drift;
}

static uint32_t alarms(const tm_drift *drift, const drift_case *c) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->plan->n_columns; i++) {
        n += tm__drift_column(drift, i)->n_alarms;
    }
    return n;
}

static void columns_share_one_budget_by_importance(void **state) {
    (void)state;
    drift_case c;
    drift_case_open(&c, 1);
    tm_drift *const drift = make(&c);
    double sum = 0;
    for (uint32_t i = 0; i < c.plan->n_columns; i++) {
        sum += tm__drift_column(drift, i)->weight;
        assert_true(tm__drift_column(drift, i)->weight > 0);
    }
    assert_true(fabs(sum - TM_BUDGET_ROWS) < 1e-12);
    assert_true(tm__drift_column(drift, drift_case_column(&c, "age"))->weight > 0.56);
    tm__drift_free(drift);
    drift_case_close(&c);
}

/* bench/monitor_drift has 10,000 months. */
static void quiet_months_raise_no_more_alarms_than_their_budget(void **state) {
    (void)state;
    uint32_t n = 0;
    drift_case c;
    drift_case_open(&c, 2);
    for (unsigned month = 0; month < 20; month++) {
        tm_drift *const drift = make(&c);
        for (unsigned hour = 0; hour < 720; hour++) {
            drift_case_rows(&c, 10, 0);
            tm__drift_add(drift, &c.counts, hour * 60 * MINUTE, 60 * MINUTE);
        }
        n += alarms(drift, &c);
        tm__drift_free(drift);
    }
    assert_true(n <= 8); /* more than 8 of 20 chances of one a month at most: wrong by far */
    drift_case_close(&c);
}

/* One standard deviation of age is about 23. */
static void a_planted_shift_is_found_within_a_thousand_rows(void **state) {
    (void)state;
    uint32_t n_found = 0;
    drift_case c;
    drift_case_open(&c, 3);
    const uint32_t age = drift_case_column(&c, "age");
    for (unsigned run = 0; run < 40; run++) {
        tm_drift *const drift = make(&c);
        for (unsigned minute = 0; minute < 120; minute++) {
            drift_case_rows(&c, 50, minute < 100 ? 0 : 23);
            tm__drift_add(drift, &c.counts, minute * MINUTE, MINUTE);
        }
        const tm_drift_column *const column = tm__drift_column(drift, age);
        n_found += column->n_alarms > 0 ? 1 : 0;
        assert_true(column->n_alarms == 0 || column->alarm.since_us >= 95 * MINUTE);
        tm__drift_free(drift);
    }
    assert_true(n_found >= 38);
    drift_case_close(&c);
}

static void a_clock_that_jumps_and_windows_without_rows_do_no_harm(void **state) {
    (void)state;
    static const int64_t times[] = {0, INT64_MAX / 2, 5, INT64_MIN / 2, INT64_MAX - MINUTE, 7};
    drift_case c;
    drift_case_open(&c, 4);
    tm_drift *const drift = make(&c);
    for (unsigned i = 0; i < 600; i++) {
        drift_case_rows(&c, i % 3 == 0 ? 0 : 20, 0);
        tm__drift_add(drift, &c.counts, times[i % 6], MINUTE);
        for (uint32_t k = 0; k < c.plan->n_columns; k++) {
            assert_true(isfinite(tm__drift_column(drift, k)->look.evidence));
        }
    }
    assert_int_equal(tm__drift_rows(drift), 8000);
    tm__drift_free(drift);
    drift_case_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_share_one_budget_by_importance),
        cmocka_unit_test(quiet_months_raise_no_more_alarms_than_their_budget),
        cmocka_unit_test(a_planted_shift_is_found_within_a_thousand_rows),
        cmocka_unit_test(a_clock_that_jumps_and_windows_without_rows_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
