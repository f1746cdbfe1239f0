/* SPDX-License-Identifier: Apache-2.0 */
#include "traffic_case.h"

#define MONTH_SHARE (1.0 / 43200)

static const like usual = {40, 1, 3, 2, 20};

typedef struct told {
    uint32_t n[TM_SIGNALS], n_all;
    tm_traffic_alarm last;
    char text[256];
} told;

static void minute(tm_traffic_route *route, tm_rng *rng, like l, int64_t at, told *out) {
    tm_traffic_minute m = {.at_us = at * TM_MINUTE_US, .share = MONTH_SHARE};
    tm_traffic_alarm alarms[TM_SIGNALS];
    uint32_t n = 0;
    draw_minute(rng, l, &m.counts);
    m.counts.counts[TM_TRAFFIC_SECONDS] = 60;
    assert_int_equal(tm__traffic_route_add(route, &m, alarms, &n, NULL), TM_OK);
    for (uint32_t i = 0; i < n; i++) {
        tm_buf text;
        tm__buf_init(&text, 4096);
        tm__traffic_words(&alarms[i], &m, &text);
        (void)tm__str_copy(out->text, sizeof(out->text), (tm_str){(char *)text.data, text.len});
        tm__buf_done(&text);
        assert_true(strlen(tm__traffic_next(&alarms[i])) > 20);
        out->n[alarms[i].signal]++;
        out->n_all++;
        out->last = alarms[i];
    }
}

/* Two days of hours that are usual, by night and by day. */
static tm_traffic_route *learned(tm_rng *rng, told *out) {
    tm_traffic_route *const route = tm__traffic_route_create();
    for (int64_t at = 0; at < 2880; at++) {
        minute(route, rng, usual, at, out);
    }
    return route;
}

static void a_usual_week_tells_nothing(void **state) {
    (void)state;
    tm_rng rng = tm__rng_split(1, "traffic", 0);
    told t = {0};
    tm_traffic_route *const route = learned(&rng, &t);
    for (int64_t at = 2880; at < 7 * 1440; at++) {
        minute(route, &rng, usual, at, &t);
    }
    assert_int_equal(t.n_all, 0);
    tm__traffic_route_free(route);
}

static void each_signal_is_told_within_minutes(void **state) {
    static const struct {
        const char *name, *text;
        like l;
        tm_traffic_signal signal;
        bool is_critical;
    } cases[] = {
        {"stop", "at least", {0, 0, 0, 0, 0}, TM_SIGNAL_VOLUME, true},
        {"rush", "up to", {200, 1, 3, 2, 20}, TM_SIGNAL_VOLUME, false},
        {"slow", "take longer than", {40, 1, 60, 2, 20}, TM_SIGNAL_LATENCY, false},
        {"failing", "refused or fail", {40, 30, 3, 2, 20}, TM_SIGNAL_ERRORS, true},
        {"one caller", "key 1A2B3C4D", {40, 1, 3, 2, 90}, TM_SIGNAL_CALLER, false},
        {"far", "far from the training rows", {40, 1, 3, 50, 20}, TM_SIGNAL_FAR, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_rng rng = tm__rng_split(i, "traffic moves", 0);
        told t = {0};
        tm_traffic_route *const route = learned(&rng, &t);
        assert_int_equal(t.n_all, 0);
        for (int64_t at = 2880; at < 2880 + 6 && t.n_all == 0; at++) {
            minute(route, &rng, cases[i].l, at, &t);
        }
        if (t.n[cases[i].signal] != 1 || t.n_all != 1) {
            fail_msg("%s: %u alarms", cases[i].name, t.n_all);
        }
        assert_int_equal(t.last.is_critical, cases[i].is_critical);
        assert_non_null(strstr(t.text, cases[i].text));
        assert_true(t.last.since_us >= 2875 * TM_MINUTE_US);
        tm__traffic_route_free(route);
    }
}

static void what_got_better_is_no_alarm(void **state) {
    static const like worse = {40, 20, 50, 40, 80};
    (void)state;
    tm_rng rng = tm__rng_split(5, "traffic better", 0);
    told t = {0};
    tm_traffic_route *const route = tm__traffic_route_create();
    for (int64_t at = 0; at < 2880; at++) {
        minute(route, &rng, worse, at, &t);
    }
    for (int64_t at = 2880; at < 3200; at++) {
        minute(route, &rng, usual, at, &t);
    }
    assert_int_equal(t.n_all, 0);
    tm__traffic_route_free(route);
}

/* Traffic of a day and of a night: known after a week, and no alarm at either's beginning. A night
 * that is like a day is one. */
static void the_pace_is_held_against_the_time_of_day(void **state) {
    static const like night = {4, 1, 3, 2, 20}, day = {60, 1, 3, 2, 20};
    (void)state;
    tm_rng rng = tm__rng_split(6, "traffic by day", 0);
    told t = {0};
    tm_traffic_route *const route = tm__traffic_route_create();
    for (int64_t at = 0; at < 10 * 1440; at++) {
        const int64_t hour = at / 60 % 24;
        minute(route, &rng, hour < 8 ? night : day, at, &t);
    }
    assert_int_equal(t.n[TM_SIGNAL_VOLUME], 0);
    for (int64_t at = 10 * 1440; at < 10 * 1440 + 3 * 60; at++) {
        minute(route, &rng, at < 10 * 1440 + 120 ? night : day, at, &t); /* at two in the night */
    }
    assert_true(t.n[TM_SIGNAL_VOLUME] > 0);
    tm__traffic_route_free(route);
}

static void an_outage_does_not_become_usual_and_a_new_world_does(void **state) {
    static const like failing = {40, 60, 3, 2, 20};
    (void)state;
    tm_rng rng = tm__rng_split(7, "traffic outage", 0);
    told t = {0};
    tm_traffic_route *const route = learned(&rng, &t);
    int64_t at = 2880;
    for (; at < 2880 + 180; at++) {
        minute(route, &rng, failing, at, &t);
    }
    const uint32_t n = t.n[TM_SIGNAL_ERRORS];
    assert_true(n > 1); /* as long as it lasts */
    for (; at < 2880 + 360; at++) {
        minute(route, &rng, usual, at, &t);
    }
    assert_int_equal(t.n[TM_SIGNAL_ERRORS], n);
    for (int64_t end = at + 10; at < end; at++) {
        minute(route, &rng, failing, at, &t);
    }
    assert_true(t.n[TM_SIGNAL_ERRORS] > n); /* told again */
    for (int64_t end = at + 6 * 1440; at < end; at++) {
        minute(route, &rng, failing, at, &t);
    }
    const uint32_t n_then = t.n[TM_SIGNAL_ERRORS];
    for (int64_t end = at + 600; at < end; at++) {
        minute(route, &rng, failing, at, &t);
    }
    assert_int_equal(t.n[TM_SIGNAL_ERRORS], n_then);
    tm__traffic_route_free(route);
}

/* Clocks that jump to anywhere, and minutes without requests or time. */
static void jumps_of_the_clock_tell_nothing(void **state) {
    static const int64_t jumps[] = {0, 100000, -100000, 3, 2, 1, INT64_MAX / 60000001, -5000000};
    (void)state;
    tm_rng rng = tm__rng_split(8, "traffic jumps", 0);
    told t = {0};
    tm_traffic_route *const route = learned(&rng, &t);
    for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
        minute(route, &rng, usual, 2880 + jumps[i] % 1000000, &t);
        minute(route, &rng, usual, jumps[i], &t);
    }
    tm_traffic_minute nothing = {.share = MONTH_SHARE};
    tm_traffic_alarm alarms[TM_SIGNALS];
    uint32_t n = 0;
    assert_int_equal(tm__traffic_route_add(route, &nothing, alarms, &n, NULL), TM_OK);
    assert_int_equal(n + t.n_all, 0);
    tm__traffic_route_free(route);
}

static void times_have_cells(void **state) {
    (void)state;
    assert_int_equal(tm__traffic_latency(0), 0);
    assert_int_equal(tm__traffic_latency(50000), 0);
    assert_int_equal(tm__traffic_latency(50001), 1);
    assert_int_equal(tm__traffic_latency(UINT64_MAX), TM_TRAFFIC_LATENCIES - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_usual_week_tells_nothing),
        cmocka_unit_test(each_signal_is_told_within_minutes),
        cmocka_unit_test(what_got_better_is_no_alarm),
        cmocka_unit_test(the_pace_is_held_against_the_time_of_day),
        cmocka_unit_test(an_outage_does_not_become_usual_and_a_new_world_does),
        cmocka_unit_test(jumps_of_the_clock_tell_nothing),
        cmocka_unit_test(times_have_cells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
