/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Civil dates count in eras of 400 years (146097 days) that start on the first of March, so that
 * the leap day is the last day of a year and a day's place in it is a straight line: day
 * (153 * month + 2) / 5 of a year that starts in March (Richards 2013, in the Explanatory
 * Supplement to the Astronomical Almanac, 3rd edition, section 15.11).
 */
#include "base/clock.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define DAY_US INT64_C(86400000000)
#define ERA_DAYS 146097
#define EPOCH_DAYS 719468 /* from 0000-03-01 to 1970-01-01 */
#define YEAR_0_US (-INT64_C(62167219200000000))
#define YEAR_10000_US INT64_C(253402300800000000)
#define CLOCK_REAL INT64_MIN
#define CLOCK_UNASKED (INT64_MIN + 1)

/* The clock seam: a fixed time, CLOCK_REAL, or that the environment was not asked yet. */
static _Atomic int64_t fixed_us = CLOCK_UNASKED;

void tm__clock_fix(int64_t now_us) {
    atomic_store_explicit(&fixed_us, now_us, memory_order_relaxed);
}

int64_t tm__now_us(void) {
    int64_t fixed = atomic_load_explicit(&fixed_us, memory_order_relaxed);
    if (fixed == CLOCK_UNASKED) {
        const char *text = getenv("TIDEMILL_NOW");
        fixed = CLOCK_REAL;
        if (text != NULL && !tm__time_parse(tm__str(text), &fixed)) {
            fixed = CLOCK_REAL;
        }
        tm__clock_fix(fixed);
    }
    if (fixed != CLOCK_REAL) {
        return fixed;
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

uint64_t tm__mono_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static uint64_t used_ns(clockid_t whose) {
    struct timespec used;
    clock_gettime(whose, &used);
    return (uint64_t)used.tv_sec * UINT64_C(1000000000) + (uint64_t)used.tv_nsec;
}

uint64_t tm__cpu_ns(void) {
    return used_ns(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t tm__thread_cpu_ns(void) {
    return used_ns(CLOCK_THREAD_CPUTIME_ID);
}

static void sleep_for(struct timespec left) {
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

void tm__sleep_ms(uint32_t ms) {
    sleep_for((struct timespec){.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000});
}

void tm__sleep_us(uint32_t us) {
    sleep_for((struct timespec){.tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000});
}

/* Quotient rounded down; divisor is positive. */
static int64_t floor_div(int64_t value, int64_t divisor) {
    return value / divisor - (value % divisor < 0 ? 1 : 0);
}

static int64_t days_from_civil(int64_t year, uint32_t month, uint32_t day) {
    const int64_t year_from_march = year - (month <= 2 ? 1 : 0);
    const int64_t era = floor_div(year_from_march, 400);
    const int64_t year_of_era = year_from_march - era * 400;
    const int64_t month_from_march = month <= 2 ? (int64_t)month + 9 : (int64_t)month - 3;
    const int64_t day_of_year = (153 * month_from_march + 2) / 5 + (int64_t)day - 1;
    const int64_t day_of_era =
        year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * ERA_DAYS + day_of_era - EPOCH_DAYS;
}

int64_t tm__us_from_civil(int64_t year, uint32_t month, uint32_t day) {
    return days_from_civil(year, month, day) * DAY_US;
}

void tm__civil_from_us(int64_t us, tm_civil *out) {
    const int64_t days = floor_div(us, DAY_US);
    const int64_t rest = us % DAY_US;
    const uint64_t in_day = (uint64_t)(rest < 0 ? rest + DAY_US : rest);
    const int64_t shifted = days + EPOCH_DAYS;
    const int64_t era = floor_div(shifted, ERA_DAYS);
    const int64_t day_of_era = shifted - era * ERA_DAYS;
    /* Years of 365 days after taking out the leap days: each 4 years, not each 100, each 400. */
    const int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const int64_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const int64_t month_from_march = (5 * day_of_year + 2) / 153;
    const int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    const int64_t year = era * 400 + year_of_era + (month <= 2 ? 1 : 0);
    *out = (tm_civil){
        .year = year,
        .month = (uint32_t)month,
        .day = (uint32_t)(day_of_year - (153 * month_from_march + 2) / 5 + 1),
        .hour = (uint32_t)(in_day / UINT64_C(3600000000)),
        .minute = (uint32_t)(in_day / 60000000 % 60),
        .second = (uint32_t)(in_day / 1000000 % 60),
        .us = (uint32_t)(in_day % 1000000),
        /* 1970-01-01 was a Thursday. */
        .weekday = (uint32_t)(days + 3 - floor_div(days + 3, 7) * 7),
        .yearday = (uint32_t)(days - days_from_civil(year, 1, 1)),
    };
}

/* A reader of fixed-width digits over a text. */
typedef struct scanner {
    tm_str text;
    size_t pos;
} scanner;

static bool scan_digits(scanner *in, size_t n, uint32_t *out) {
    uint32_t value = 0;
    if (in->text.len - in->pos < n) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        const char c = in->text.ptr[in->pos + i];
        if (c < '0' || c > '9') {
            return false;
        }
        value = value * 10 + (uint32_t)(c - '0');
    }
    in->pos += n;
    *out = value;
    return true;
}

static bool scan_byte(scanner *in, char wanted) {
    if (in->pos < in->text.len && in->text.ptr[in->pos] == wanted) {
        in->pos++;
        return true;
    }
    return false;
}

static bool scan_date(scanner *in, int64_t *out_us) {
    static const uint32_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    uint32_t year, month, day;
    if (!scan_digits(in, 4, &year) || !scan_byte(in, '-') || !scan_digits(in, 2, &month) ||
        !scan_byte(in, '-') || !scan_digits(in, 2, &day) || month < 1 || month > 12 || day < 1) {
        return false;
    }
    const bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (day > days[month - 1] + (month == 2 && is_leap ? 1u : 0u)) {
        return false;
    }
    *out_us = tm__us_from_civil(year, month, day);
    return true;
}

/* hh:mm[:ss[.f]] as microseconds of the day. */
static bool scan_time(scanner *in, int64_t *out_us) {
    uint32_t hour, minute, second = 0;
    int64_t fraction = 0;
    if (!scan_digits(in, 2, &hour) || !scan_byte(in, ':') || !scan_digits(in, 2, &minute)) {
        return false;
    }
    if (scan_byte(in, ':')) {
        if (!scan_digits(in, 2, &second)) {
            return false;
        }
        if (scan_byte(in, '.')) {
            int64_t unit = 1000000;
            uint32_t digit;
            const size_t start = in->pos;
            while (unit > 1 && scan_digits(in, 1, &digit)) {
                unit /= 10;
                fraction += digit * unit;
            }
            if (in->pos == start) {
                return false;
            }
        }
    }
    if (hour > 23 || minute > 59 || second > 59) {
        return false;
    }
    *out_us = ((int64_t)hour * 3600 + minute * 60 + second) * 1000000 + fraction;
    return true;
}

/* Nothing, Z, +hh, +hhmm or +hh:mm as what must be taken away to get UTC. */
static bool scan_offset(scanner *in, int64_t *out_us) {
    *out_us = 0;
    if (in->pos == in->text.len || scan_byte(in, 'Z') || scan_byte(in, 'z')) {
        return true;
    }
    uint32_t hour, minute = 0;
    const bool is_west = scan_byte(in, '-');
    if ((!is_west && !scan_byte(in, '+')) || !scan_digits(in, 2, &hour)) {
        return false;
    }
    if (in->pos < in->text.len) {
        (void)scan_byte(in, ':');
        if (!scan_digits(in, 2, &minute)) {
            return false;
        }
    }
    if (hour > 23 || minute > 59) {
        return false;
    }
    const int64_t us = ((int64_t)hour * 60 + minute) * 60000000;
    *out_us = is_west ? -us : us;
    return true;
}

bool tm__time_parse(tm_str text, int64_t *out_us) {
    scanner in = {.text = text};
    int64_t date_us, time_us = 0, offset_us = 0;
    if (!scan_date(&in, &date_us)) {
        return false;
    }
    if (in.pos < text.len) {
        if (!scan_byte(&in, 'T') && !scan_byte(&in, 't') && !scan_byte(&in, ' ')) {
            return false;
        }
        if (!scan_time(&in, &time_us) || !scan_offset(&in, &offset_us)) {
            return false;
        }
    }
    if (in.pos != text.len) {
        return false;
    }
    const int64_t us = date_us + time_us - offset_us;
    if (us < YEAR_0_US || us >= YEAR_10000_US) {
        return false; /* An offset leads out of the years that have a text. */
    }
    *out_us = us;
    return true;
}

/* "14:05" or "14:05:30": when it was last so late. */
static bool parse_clock(tm_str rest, int64_t now_us, int64_t *out_us) {
    static const int64_t units[] = {3600, 60, 1};
    static const uint64_t bounds[] = {24, 60, 60};
    int64_t seconds = 0;
    size_t n = 0;
    for (; n < 3 && rest.len > 0; n++) {
        const tm_str part = tm__str_cut(&rest, ':');
        uint64_t value = 0;
        if (part.len != 2 || !tm__str_to_u64(part, &value) || value >= bounds[n]) {
            return false;
        }
        seconds += (int64_t)value * units[n];
    }
    if (n < 2 || rest.len > 0) {
        return false;
    }
    const int64_t at_us = now_us - now_us % DAY_US + seconds * 1000000;
    *out_us = at_us <= now_us ? at_us : at_us - DAY_US;
    return true;
}

bool tm__moment_parse(tm_str text, int64_t *out_us) {
    const int64_t now_us = tm__now_us();
    int64_t ago_us = 0;
    if (tm__time_parse(text, out_us) || parse_clock(text, now_us, out_us)) {
        return true;
    }
    if (!tm__str_to_duration_us(text, &ago_us)) {
        return false;
    }
    *out_us = now_us - ago_us;
    return true;
}

static size_t write_date(const tm_civil *civil, char *out, size_t size) {
    const int64_t year = civil->year;
    const int len = snprintf(out, size, "%s%04lld-%02u-%02u", year < 0 ? "-" : "",
                             (long long)(year < 0 ? -year : year), civil->month, civil->day);
    return (size_t)len;
}

size_t tm__time_to_text(int64_t us, char *out) {
    tm_civil civil;
    tm__civil_from_us(us, &civil);
    size_t len = write_date(&civil, out, 40);
    len += (size_t)snprintf(out + len, 40 - len, "T%02u:%02u:%02u", civil.hour, civil.minute,
                            civil.second);
    if (civil.us != 0) {
        len += (size_t)snprintf(out + len, 40 - len, ".%06u", civil.us);
        while (out[len - 1] == '0') {
            len--;
        }
    }
    out[len++] = 'Z';
    out[len] = '\0';
    return len;
}

size_t tm__date_to_text(int64_t us, char *out) {
    tm_civil civil;
    tm__civil_from_us(us, &civil);
    return write_date(&civil, out, 40);
}
