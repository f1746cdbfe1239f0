/* SPDX-License-Identifier: Apache-2.0 */
#include "feature/window.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "test.h"

/* One entity, all events before the moment: the aggregate of some values. */
static double aggregate(tm_window_feature f, const tm_column *column, const int64_t *known,
                        uint64_t n) {
    static const uint32_t entities[100] = {0};
    const tm_window_input input = tm__window_fit(column, n);
    const tm_window_plan plan = {1, &input, 1, &f, 0};
    const tm_window_events events = {n, entities, known, column};
    const uint32_t asked = 0;
    const int64_t moment = INT64_MAX;
    const tm_window_queries queries = {1, &asked, &moment};
    double value = 0, *out[] = {&value};
    const tm_ctx ctx = {0};
    assert_int_equal(tm__windows_apply(&ctx, &plan, &events, &queries, out, NULL), TM_OK);
    return value;
}

static void aggregates_are_what_they_are_called(void **state) {
    (void)state;
    const int64_t day = INT64_C(86400000000);
    const int64_t known[] = {0, day, 2 * day, 3 * day, 4 * day};
    const double floats[] = {1.5, -2, 4, NAN, 8.5};
    const int64_t bools[] = {1, 0, 1, TM_INT_MISSING, 1};
    const tm_column x = {.name = "x", .type = TM_TYPE_FLOAT, .floats = floats};
    const tm_column b = {.name = "b", .type = TM_TYPE_BOOL, .ints = bools};
    const struct {
        tm_window_fn fn;
        const tm_column *column;
        double want;
    } cases[] = {
        {TM_WINDOW_COUNT, &x, 4},         {TM_WINDOW_SUM, &x, 12},
        {TM_WINDOW_MEAN, &x, 3},          {TM_WINDOW_STD, &x, sqrt((2.25 + 25 + 1 + 30.25) / 3)},
        {TM_WINDOW_TREND, &x, 19 / 8.75}, /* days less 7/4 times values less 3 */
        {TM_WINDOW_MIN, &x, -2},          {TM_WINDOW_MAX, &x, 8.5},
        {TM_WINDOW_LAST, &x, 8.5},        {TM_WINDOW_MEAN, &b, 0.75},
        {TM_WINDOW_SHARE, &b, 0.75},      {TM_WINDOW_SUM, &b, 3},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const tm_window_feature f = {.fn = cases[i].fn, .level = 1};
        const double got = aggregate(f, cases[i].column, known, 5);
        if (!(fabs(got - cases[i].want) <= 1e-7)) {
            fail_msg("%s: %.17g, not %.17g", tm__window_fn_text(cases[i].fn), got, cases[i].want);
        }
    }
    /* Two days wide, seen from the end of time: nothing. */
    const tm_window_feature rate = {.fn = TM_WINDOW_RATE, .width_us = INT64_MAX};
    assert_true(aggregate(rate, &x, known, 5) == 4 / ((double)INT64_MAX / 86400e6));
}

/* Seconds are cut downwards, also before 1970. */
static void a_trend_goes_evenly_through_1970(void **state) {
    (void)state;
    const int64_t known[] = {-1500000, -500000, 500000, 1500000};
    const double floats[] = {0, 1, 2, 3};
    const tm_column x = {.name = "x", .type = TM_TYPE_FLOAT, .floats = floats};
    const tm_window_feature f = {.fn = TM_WINDOW_TREND};
    assert_true(aggregate(f, &x, known, 4) == 86400);
}

/* The bounds that the header gives for what rounding may cost. */
static void sums_are_as_near_as_is_stated(void **state) {
    (void)state;
    enum { N = 100 };
    tm_rng rng = tm__rng_split(3, "near", 0);
    int64_t known[N];
    double values[N];
    for (int round = 0; round < 200; round++) {
        long double sum = 0, most = 0;
        for (int i = 0; i < N; i++) {
            const int power = (int)tm__rng_below(&rng, 60) - 30 + round;
            known[i] = i;
            values[i] = ldexp(tm__rng_f64(&rng) - 0.5, power);
            sum += values[i];
            most = fabsl(values[i]) > most ? fabsl(values[i]) : most;
        }
        const tm_column x = {.name = "x", .type = TM_TYPE_FLOAT, .floats = values};
        const tm_window_feature f = {.fn = TM_WINDOW_SUM};
        const long double got = aggregate(f, &x, known, N);
        const long double bound = N * most * 0x1p-54L + fabsl(sum) * 0x1p-53L;
        assert_true(fabsl(got - sum) <= bound);
    }
}

static void large_numbers_do_not_overflow(void **state) {
    (void)state;
    const int64_t known[] = {INT64_MIN + 1, 0, INT64_MAX - 1};
    const int64_t most = INT64_C(1) << 62;
    const int64_t ints[] = {INT64_MAX, INT64_MAX, most};
    const double floats[] = {DBL_MAX, DBL_MAX, -DBL_MAX};
    const tm_column i = {.name = "i", .type = TM_TYPE_INT, .ints = ints};
    const tm_column x = {.name = "x", .type = TM_TYPE_FLOAT, .floats = floats};
    const tm_window_feature sum = {.fn = TM_WINDOW_SUM}, std = {.fn = TM_WINDOW_STD};
    const tm_window_feature mean = {.fn = TM_WINDOW_MEAN}, trend = {.fn = TM_WINDOW_TREND};
    assert_true(aggregate(sum, &i, known, 3) == 3 * (double)most);
    assert_true(aggregate(mean, &i, known, 3) == (double)most);
    assert_true(aggregate(std, &i, known, 3) < 0x1p63);
    assert_true(aggregate(sum, &x, known, 3) == DBL_MAX);
    assert_true(aggregate(trend, &x, known, 3) < 0);
}

static void plans_out_of_bounds_are_refused(void **state) {
    (void)state;
    const tm_window_input inputs[] = {{TM_TYPE_FLOAT, 3}, {TM_TYPE_TEXT, 0}, {TM_TYPE_TIME, 0}};
    const struct {
        tm_window_feature f;
        const char *want; /* NULL: fine */
    } cases[] = {
        {{.fn = TM_WINDOW_MEAN}, NULL},
        {{.fn = (tm_window_fn)0}, "window feature 1 has an unknown function"},
        {{.fn = (tm_window_fn)14}, "window feature 1 has an unknown function"},
        {{.fn = TM_WINDOW_MEAN, .width_us = -1}, "window feature 1 has a window out of bounds"},
        {{.fn = TM_WINDOW_MEAN, .n_last = TM_WINDOW_LAST_MAX + 1},
         "window feature 1 has a window out of bounds"},
        {{.fn = TM_WINDOW_LAG}, "window feature 1 has a lag out of bounds"},
        {{.fn = TM_WINDOW_LAST, .lag = 1}, "window feature 1 has a lag out of bounds"},
        {{.fn = TM_WINDOW_RATE, .n_last = 3}, "window feature 1 is a rate and needs a width"},
        {{.fn = TM_WINDOW_DISTINCT},
         "window feature 1 counts different values and needs a bounded window"},
        {{.fn = TM_WINDOW_SUM, .column = TM_WINDOW_EVENTS}, "window feature 1 needs a column"},
        {{.fn = TM_WINDOW_COUNT, .column = TM_WINDOW_EVENTS}, NULL},
        {{.fn = TM_WINDOW_SUM, .column = 3}, "window feature 1 has a column that is not there"},
        {{.fn = TM_WINDOW_SUM, .column = 1}, "window feature 1 needs numbers"},
        {{.fn = TM_WINDOW_SUM, .column = 2}, "window feature 1 needs numbers"},
        {{.fn = TM_WINDOW_MAX, .column = 1}, "window feature 1 needs numbers or times"},
        {{.fn = TM_WINDOW_MAX, .column = 2}, NULL},
        {{.fn = TM_WINDOW_SHARE, .column = 0}, "window feature 1 needs a column of levels"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const tm_window_plan plan = {3, inputs, 1, &cases[i].f, 0};
        tm_err err = {0};
        const tm_status st = tm__window_check(&plan, &err);
        assert_int_equal(st, cases[i].want == NULL ? TM_OK : TM_E_INVALID);
        assert_string_equal(err.message, cases[i].want == NULL ? "" : cases[i].want);
    }
    const tm_window_input far = {TM_TYPE_FLOAT, 1025};
    const tm_window_plan wrong[] = {{1, &far, 0, NULL, 0}, {0, NULL, 0, NULL, -1}};
    assert_int_equal(tm__window_check(&wrong[0], NULL), TM_E_INVALID);
    assert_int_equal(tm__window_check(&wrong[1], NULL), TM_E_INVALID);
}

static void names_of_functions_read_back(void **state) {
    (void)state;
    for (int fn = TM_WINDOW_COUNT; fn <= TM_WINDOW_SHARE; fn++) {
        assert_int_equal(tm__window_fn_from_text(tm__window_fn_text((tm_window_fn)fn)), fn);
    }
    assert_int_equal(tm__window_fn_from_text("median"), 0);
    assert_null(tm__window_fn_text((tm_window_fn)0));
}

static void a_delay_moves_what_was_known(void **state) {
    (void)state;
    int64_t times[] = {5, TM_INT_MISSING, INT64_MAX - 1, -7};
    tm__window_known(times, 4, 10, times);
    assert_true(times[0] == 15 && times[1] == TM_INT_MISSING);
    assert_true(times[2] == TM_INT_MISSING && times[3] == 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aggregates_are_what_they_are_called),
        cmocka_unit_test(a_trend_goes_evenly_through_1970),
        cmocka_unit_test(sums_are_as_near_as_is_stated),
        cmocka_unit_test(large_numbers_do_not_overflow),
        cmocka_unit_test(plans_out_of_bounds_are_refused),
        cmocka_unit_test(names_of_functions_read_back),
        cmocka_unit_test(a_delay_moves_what_was_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
