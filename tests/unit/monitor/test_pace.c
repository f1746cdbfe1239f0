/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>

#include "base/rng.h"
#include "monitor/pace.h"

#define MONTH 43200

/* How many come in a minute at a pace, in bursts of so many. */
static uint64_t draw(tm_rng *rng, double pace, uint32_t burst) {
    const double least = exp(-pace / burst);
    uint64_t n = 0;
    for (double p = tm__rng_f64(rng); p > least; p *= tm__rng_f64(rng)) {
        n += burst;
    }
    return n;
}

static tm_pace_usual usual_of(tm_rng *rng, double pace, uint32_t burst) {
    uint64_t counts[24] = {0};
    double minutes[24];
    for (uint32_t i = 0; i < 24; i++) {
        minutes[i] = 60;
        for (uint32_t k = 0; k < 60; k++) {
            counts[i] += draw(rng, pace, burst);
        }
    }
    return tm__pace_usual(counts, minutes, 24);
}

static bool alarms(tm_pace *pace, const tm_pace_usual *usual, uint64_t n, int64_t at) {
    const tm_pace_window window = {.n = n, .minutes = 1, .share = 1.0 / MONTH, .at_us = at};
    tm__pace_add(pace, usual, &window);
    return tm__pace_look(pace).evidence >= 1;
}

/* Four months of minutes each, steady and in bursts. */
static void quiet_months_are_quiet(void **state) {
    (void)state;
    static const struct {
        double pace;
        uint32_t burst;
    } cases[] = {{3, 1}, {20, 1}, {20, 10}, {2, 20}};
    uint32_t n = 0;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_rng rng = tm__rng_split(i, "pace", 0);
        const tm_pace_usual usual = usual_of(&rng, cases[i].pace, cases[i].burst);
        tm_pace pace = {0};
        for (int64_t at = 0; at < 4 * MONTH; at++) {
            if (alarms(&pace, &usual, draw(&rng, cases[i].pace, cases[i].burst), at)) {
                n++;
                tm__pace_reset(&pace);
            }
        }
    }
    assert_true(n <= 3); /* of sixteen months */
}

static void a_stop_and_a_rush_are_found_within_minutes(void **state) {
    (void)state;
    static const struct {
        double from, to;
        int64_t minutes;
    } cases[] = {{20, 0, 3}, {3, 0, 12}, {20, 60, 3}, {20, 6, 5}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_rng rng = tm__rng_split(i, "pace moves", 0);
        const tm_pace_usual usual = usual_of(&rng, cases[i].from, 1);
        tm_pace pace = {0};
        int64_t at = 0;
        for (; at < 300; at++) {
            assert_false(alarms(&pace, &usual, draw(&rng, cases[i].from, 1), at));
        }
        for (bool found = false; !found; at++) {
            assert_true(at < 300 + cases[i].minutes);
            found = alarms(&pace, &usual, draw(&rng, cases[i].to, 1), at);
        }
        const tm_pace_look look = tm__pace_look(&pace);
        assert_int_equal(look.is_rise, cases[i].to > cases[i].from);
        assert_true(look.since_us >= 295 && look.since_us < at);
    }
}

static void what_is_usual_has_room_for_chance(void **state) {
    (void)state;
    static const uint64_t counts[] = {600, 1200, 0};
    static const double minutes[] = {60, 60, 30};
    tm_pace_usual usual = tm__pace_usual(counts, minutes, 2);
    assert_true(usual.low < 10 / 1.25 && usual.low > 6.5);
    assert_true(usual.high > 20 * 1.25 && usual.high < 28.5);
    usual = tm__pace_usual(counts, minutes, 3);
    assert_true(usual.low == 0); /* nothing is usual too: no stop is an alarm */
    tm_pace pace = {0};
    for (int64_t at = 0; at < 5000; at++) {
        assert_false(alarms(&pace, &usual, 0, at));
    }
}

/* A window that a jump of the clock cut short is not one of few requests. */
static void windows_may_last_differently_long(void **state) {
    (void)state;
    tm_rng rng = tm__rng_split(7, "pace cut", 0);
    const tm_pace_usual usual = usual_of(&rng, 60, 1);
    tm_pace pace = {0};
    for (int64_t at = 0; at < 2000; at++) {
        const double minutes = at % 50 == 0 ? 0.05 : at % 51 == 0 ? 10 : 1;
        const tm_pace_window window = {draw(&rng, 60 * minutes, 1), minutes, 1e-4, at};
        tm__pace_add(&pace, &usual, &window);
        assert_true(tm__pace_look(&pace).evidence < 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quiet_months_are_quiet),
        cmocka_unit_test(a_stop_and_a_rush_are_found_within_minutes),
        cmocka_unit_test(what_is_usual_has_room_for_chance),
        cmocka_unit_test(windows_may_last_differently_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
