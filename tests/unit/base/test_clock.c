/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdbool.h>
#include <time.h>

#include "base/clock.h"
#include "base/rng.h"

static void the_wall_clock_can_be_stopped(void **state) {
    (void)state;
    tm__clock_fix(INT64_MIN);
    const int64_t now = tm__now_us();
    assert_true(now > INT64_C(1600000000000000));
    tm__clock_fix(5);
    assert_true(tm__now_us() == 5);
    tm__clock_fix(INT64_MIN);
    assert_true(tm__now_us() >= now);
}

static void sleeping_takes_its_time(void **state) {
    (void)state;
    const uint64_t start = tm__mono_ns();
    tm__sleep_ms(3);
    assert_true(tm__mono_ns() - start >= 3000000);
}

/* glibc's gmtime is the oracle. */
static void civil_dates_agree_with_the_system(void **state) {
    (void)state;
    tm_rng rng = tm__rng_split(1, "civil", 0);
    for (unsigned i = 0; i < 100000; i++) {
        const int64_t us = (int64_t)(tm__rng_below(&rng, UINT64_C(18000000000000000000)) -
                                     UINT64_C(9000000000000000000));
        tm_civil civil;
        tm__civil_from_us(us, &civil);
        time_t seconds = (time_t)(us / 1000000 - (us % 1000000 < 0 ? 1 : 0));
        struct tm want;
        assert_non_null(gmtime_r(&seconds, &want));
        assert_true(civil.year == want.tm_year + INT64_C(1900));
        assert_int_equal(civil.month, want.tm_mon + 1);
        assert_int_equal(civil.day, want.tm_mday);
        assert_int_equal(civil.hour, want.tm_hour);
        assert_int_equal(civil.minute, want.tm_min);
        assert_int_equal(civil.second, want.tm_sec);
        assert_int_equal(civil.us, us - (int64_t)seconds * 1000000);
        assert_int_equal(civil.weekday, (want.tm_wday + 6) % 7);
        assert_int_equal(civil.yearday, want.tm_yday);
        const int64_t midnight = tm__us_from_civil(civil.year, civil.month, civil.day);
        assert_true(us - midnight >= 0 && us - midnight < INT64_C(86400000000));
    }
}

static void times_are_read(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool is_time;
        int64_t us;
    } cases[] = {
        {"1970-01-01", true, 0},
        {"1969-12-31", true, -INT64_C(86400000000)},
        {"2001-01-01T00:01:00Z", true, INT64_C(978307260000000)},
        {"2001-01-01 00:01", true, INT64_C(978307260000000)},
        {"2001-01-01T00:01:00.5", true, INT64_C(978307260500000)},
        {"2001-01-01T00:01:00.000001z", true, INT64_C(978307260000001)},
        {"2001-01-01t02:01:00+02:00", true, INT64_C(978307260000000)},
        {"2000-12-31T22:31:00-0130", true, INT64_C(978307260000000)},
        {"2000-12-31T22:01:00-02", true, INT64_C(978307260000000)},
        {"2000-02-29", true, INT64_C(951782400000000)},
        {"0000-01-01", true, -INT64_C(62167219200000000)},
        {"9999-12-31T23:59:59.999999", true, INT64_C(253402300799999999)},
        {"0000-01-01T00:00:00+00:01", false, 0},
        {"9999-12-31T23:59:59-00:01", false, 0},
        {"1900-02-29", false, 0},
        {"2001-02-29", false, 0},
        {"2001-13-01", false, 0},
        {"2001-00-01", false, 0},
        {"2001-01-00", false, 0},
        {"2001-01-32", false, 0},
        {"2001-1-1", false, 0},
        {"2001-01-01T", false, 0},
        {"2001-01-01T24:00:00", false, 0},
        {"2001-01-01T00:60:00", false, 0},
        {"2001-01-01T00:00:60", false, 0},
        {"2001-01-01T00:00:00.", false, 0},
        {"2001-01-01T00:00:00.1234567", false, 0},
        {"2001-01-01T00:00:00+", false, 0},
        {"2001-01-01T00:00:00+02:", false, 0},
        {"2001-01-01T00:00:00+24:00", false, 0},
        {"2001-01-01T00:00:00Zx", false, 0},
        {"2001-01-01Z", false, 0},
        {" 2001-01-01", false, 0},
        {"", false, 0},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t us = 77;
        if (tm__time_parse(tm__str(cases[i].text), &us) != cases[i].is_time ||
            us != (cases[i].is_time ? cases[i].us : 77)) {
            fail_msg("'%s' gives %lld", cases[i].text, (long long)us);
        }
    }
}

static void moments_are_read_as_people_say_them(void **state) {
    (void)state;
    const int64_t now = INT64_C(978355860000000); /* 2001-01-01T13:31:00Z */
    static const struct {
        const char *text;
        int64_t before_us; /* now; -1: it is none */
    } cases[] = {{"2001-01-01T13:30:00Z", 60000000},
                 {"13:31", 0},
                 {"13:31:01", INT64_C(86399000000)}, /* yesterday's */
                 {"00:00", INT64_C(48660000000)},
                 {"2h", INT64_C(7200000000)},
                 {"24:00", -1},
                 {"1:31", -1},
                 {"13", -1},
                 {"", -1}};
    tm__clock_fix(now);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t us = 0;
        if (tm__moment_parse(tm__str(cases[i].text), &us) != (cases[i].before_us >= 0) ||
            (cases[i].before_us >= 0 && us != now - cases[i].before_us)) {
            fail_msg("'%s' gives %lld", cases[i].text, (long long)us);
        }
    }
    tm__clock_fix(INT64_MIN);
}

static void times_are_written(void **state) {
    (void)state;
    char text[40];
    assert_int_equal(tm__time_to_text(INT64_C(978307260000000), text), 20);
    assert_string_equal(text, "2001-01-01T00:01:00Z");
    (void)tm__time_to_text(INT64_C(978307260120000), text);
    assert_string_equal(text, "2001-01-01T00:01:00.12Z");
    (void)tm__time_to_text(-1, text);
    assert_string_equal(text, "1969-12-31T23:59:59.999999Z");
    assert_int_equal(tm__date_to_text(INT64_C(978307200000000), text), 10);
    assert_string_equal(text, "2001-01-01");
    (void)tm__time_to_text(INT64_MIN, text);
    assert_string_equal(text, "-290308-12-21T19:59:05.224192Z");
    (void)tm__time_to_text(INT64_MAX, text);
    assert_string_equal(text, "294247-01-10T04:00:54.775807Z");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_wall_clock_can_be_stopped),
        cmocka_unit_test(sleeping_takes_its_time),
        cmocka_unit_test(civil_dates_agree_with_the_system),
        cmocka_unit_test(times_are_read),
        cmocka_unit_test(moments_are_read_as_people_say_them),
        cmocka_unit_test(times_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
