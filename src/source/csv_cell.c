/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one text of a file can be, as people mean it.
 *
 * Numbers  have no leading zero (02134 is a code), no plus before an integer (+4930... is a phone)
 *          and at most 18 digits when they are integers; longer ones are identifiers unless the
 *          column has a number with a point.
 * Dates    2001-12-31 and 2001/12/31; 31.12.2001; 12/31/2001 and 12-31-2001 in either order, which
 *          the column's other cells must settle; a time of day may follow, with AM or PM.
 * Bools    true and false. Yes and No, 0 and 1 stay text and ints: they lose nothing so.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "source/csv_priv.h"

#define DAY_US INT64_C(86400000000)
#define INT_DIGITS_MAX 18u
#define EXACT_MAX (UINT64_C(1) << 53)

static bool is_digit(char c) {
    return (unsigned char)(c - '0') < 10;
}

/* --- numbers --- */

static uint32_t examine_integer(tm_str text, size_t n_sign, uint64_t digits, tm_csv_value *out) {
    const size_t n = text.len - n_sign;
    if ((n > 1 && text.ptr[n_sign] == '0') || text.ptr[0] == '+') {
        return TM_CAN_TEXT;
    }
    if (n > INT_DIGITS_MAX) {
        return tm__str_to_f64(text, &out->f64) ? TM_CAN_BIG
               : tm__str_is_number(text)       ? TM_CAN_HUGE
                                               : TM_CAN_TEXT;
    }
    out->i64 = n_sign == 1 ? -(int64_t)digits : (int64_t)digits;
    out->f64 = (double)out->i64;
    return TM_CAN_INT;
}

static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* The number that eight digits are, the first one in the lowest byte; *out_digits is false when one
 * is no digit. Pairs, then fours, then all are joined by one product each. */
static uint64_t join_digits(uint64_t text, bool *out_digits) {
    const uint64_t digits = text ^ UINT64_C(0x3030303030303030);
    /* A byte above 9 carries into its high bit when 118 is added, or has it. */
    *out_digits = (((digits & UINT64_C(0x7f7f7f7f7f7f7f7f)) + UINT64_C(0x7676767676767676)) &
                   UINT64_C(0x8080808080808080)) == 0 &&
                  (digits & UINT64_C(0x8080808080808080)) == 0;
    const uint64_t pairs = (digits * 10 + (digits >> 8)) & UINT64_C(0x00ff00ff00ff00ff);
    const uint64_t fours = (pairs * 100 + (pairs >> 16)) & UINT64_C(0x0000ffff0000ffff);
    return (fours * 10000 + (fours >> 32)) & UINT64_C(0xffffffff);
}

/* Most numbers of files: [-] 1 to 7 digits, a point, 1 to 7 digits, 8 bytes or more. The fraction
 * is read at once from the last eight bytes. False: examine_number() looks. */
static bool examine_short(tm_str text, tm_csv_value *out) {
    const bool is_negative = text.ptr[0] == '-';
    const char *const first = text.ptr + is_negative;
    const char *const end = text.ptr + text.len;
    uint64_t last, whole = 0;
    if (text.len < 8 || text.len > 16 || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__) {
        return false;
    }
    const char *point = first;
    for (; point < end && is_digit(*point); point++) {
        whole = whole * 10 + (uint64_t)(*point - '0');
    }
    const size_t n_whole = (size_t)(point - first), n = (size_t)(end - point) - 1;
    if (point == end || *point != '.' || n_whole - 1 > 6 || n - 1 > 6 ||
        (n_whole > 1 && *first == '0')) {
        return false;
    }
    memcpy(&last, end - 8, sizeof(last));
    /* The bytes before the fraction become zeros: they are digits of no weight. */
    const uint64_t unread = (UINT64_C(1) << (64 - 8 * n)) - 1;
    bool are_digits = false;
    const uint64_t fraction =
        join_digits((last & ~unread) | (UINT64_C(0x3030303030303030) & unread), &are_digits);
    static const uint64_t tens[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};
    /* At most 14 digits are exact, and so is the power: the quotient rounds once. */
    const double value = (double)(int64_t)(whole * tens[n] + fraction) / powers[n];
    out->f64 = is_negative ? -value : value;
    return are_digits;
}

/* 123, -1.5, .5, 1e-3: 0 when the text is no number. */
static uint32_t examine_number(tm_str text, tm_csv_value *out) {
    const size_t n_sign = text.ptr[0] == '-' || text.ptr[0] == '+';
    uint64_t digits = 0;
    size_t at = n_sign;
    for (; at < text.len && is_digit(text.ptr[at]); at++) {
        digits = digits * 10 + (uint64_t)(text.ptr[at] - '0');
    }
    const size_t n_whole = at - n_sign;
    if (at == text.len) {
        return n_whole == 0 ? 0 : examine_integer(text, n_sign, digits, out);
    }
    size_t n_fraction = 0;
    if (text.ptr[at] == '.') {
        const size_t point = ++at;
        for (; at < text.len && is_digit(text.ptr[at]); at++) {
            digits = digits * 10 + (uint64_t)(text.ptr[at] - '0');
        }
        n_fraction = at - point;
    }
    const bool has_exponent = at < text.len && (text.ptr[at] == 'e' || text.ptr[at] == 'E');
    if (n_whole + n_fraction == 0 || (at < text.len && !has_exponent)) {
        return 0;
    }
    if (n_whole > 1 && text.ptr[n_sign] == '0') {
        return TM_CAN_TEXT;
    }
    /* Exact digits over an exact power round once (Clinger 1990). */
    if (!has_exponent && n_whole + n_fraction <= INT_DIGITS_MAX && digits <= EXACT_MAX) {
        const double value = (double)digits / powers[n_fraction];
        out->f64 = text.ptr[0] == '-' ? -value : value;
        return TM_CAN_FLOAT;
    }
    return tm__str_to_f64(text, &out->f64) ? TM_CAN_FLOAT
           : tm__str_is_number(text)       ? TM_CAN_HUGE
                                           : 0;
}

/* --- dates --- */

/* One or two digits; false when there are none. */
static bool take_short(tm_str *rest, uint32_t *out) {
    size_t n = 0;
    *out = 0;
    for (; n < 2 && n < rest->len && is_digit(rest->ptr[n]); n++) {
        *out = *out * 10 + (uint32_t)(rest->ptr[n] - '0');
    }
    *rest = (tm_str){rest->ptr + n, rest->len - n};
    return n > 0;
}

static bool take_char(tm_str *rest, char c) {
    if (rest->len == 0 || rest->ptr[0] != c) {
        return false;
    }
    *rest = (tm_str){rest->ptr + 1, rest->len - 1};
    return true;
}

static bool take_year(tm_str *rest, int64_t *out) {
    *out = 0;
    for (size_t i = 0; i < 4; i++) {
        if (rest->len <= i || !is_digit(rest->ptr[i])) {
            return false;
        }
        *out = *out * 10 + (rest->ptr[i] - '0');
    }
    *rest = (tm_str){rest->ptr + 4, rest->len - 4};
    return true;
}

/* h:mm, h:mm:ss, h:mm:ss.ffffff, and AM or PM; all of the rest. */
static bool take_time(tm_str rest, int64_t *out_us) {
    uint32_t hour, minute, second = 0;
    int64_t us = 0;
    if (!take_short(&rest, &hour) || !take_char(&rest, ':') || !take_short(&rest, &minute) ||
        (take_char(&rest, ':') && !take_short(&rest, &second))) {
        return false;
    }
    if (take_char(&rest, '.')) {
        int64_t unit = 100000;
        for (; rest.len > 0 && is_digit(rest.ptr[0]); unit /= 10) {
            us += (rest.ptr[0] - '0') * unit;
            rest = (tm_str){rest.ptr + 1, rest.len - 1};
        }
    }
    const tm_str half = tm__str_trim(rest);
    if (half.len > 0) {
        const bool is_pm = tm__str_is_nocase(half, "pm");
        if ((!is_pm && !tm__str_is_nocase(half, "am")) || hour < 1 || hour > 12) {
            return false;
        }
        hour = hour % 12 + (is_pm ? 12 : 0);
    }
    if (hour > 23 || minute > 59 || second > 59) {
        return false;
    }
    *out_us = ((int64_t)hour * 3600 + (int64_t)minute * 60 + second) * 1000000 + us;
    return true;
}

static bool make_date(int64_t year, uint32_t month, uint32_t day, int64_t *out_us) {
    static const uint8_t days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (month < 1 || month > 12 || day < 1 || day > days[month - 1]) {
        return false;
    }
    if (month == 2 && day == 29 && (year % 4 != 0 || (year % 100 == 0 && year % 400 != 0))) {
        return false;
    }
    *out_us = tm__us_from_civil(year, month, day);
    return true;
}

/* Year first: ISO with all it allows, or with slashes. */
static uint32_t examine_iso(tm_str text, tm_csv_value *out) {
    tm_str rest = text;
    int64_t year, in_day = 0;
    uint32_t month, day;
    if (!take_year(&rest, &year)) {
        return 0;
    }
    const char separator = rest.len > 0 ? rest.ptr[0] : '\0';
    if ((separator != '-' && separator != '/') || !take_char(&rest, separator) ||
        !take_short(&rest, &month) || !take_char(&rest, separator) || !take_short(&rest, &day)) {
        return 0;
    }
    if (rest.len == 0) {
        return make_date(year, month, day, &out->i64) ? TM_CAN_DATE : 0;
    }
    if (separator == '-' && tm__time_parse(text, &out->i64)) {
        return out->i64 % DAY_US == 0 ? TM_CAN_DATE : TM_CAN_DATE | TM_CAN_TIME;
    }
    if ((rest.ptr[0] != ' ' && rest.ptr[0] != 'T') || !make_date(year, month, day, &out->i64) ||
        !take_time((tm_str){rest.ptr + 1, rest.len - 1}, &in_day)) {
        return 0;
    }
    out->i64 += in_day;
    return in_day == 0 ? TM_CAN_DATE : TM_CAN_DATE | TM_CAN_TIME;
}

/* Year last. */
static uint32_t examine_national(tm_str text, tm_csv_value *out) {
    tm_str rest = text;
    uint32_t first, second;
    int64_t year, in_day = 0, day_first_us = 0, month_first_us = 0;
    if (!take_short(&rest, &first) || rest.len == 0) {
        return 0;
    }
    const char separator = rest.ptr[0];
    if ((separator != '/' && separator != '-' && separator != '.') ||
        !take_char(&rest, separator) || !take_short(&rest, &second) ||
        !take_char(&rest, separator) || !take_year(&rest, &year)) {
        return 0;
    }
    if (rest.len > 0 && ((rest.ptr[0] != ' ' && rest.ptr[0] != 'T') ||
                         !take_time((tm_str){rest.ptr + 1, rest.len - 1}, &in_day))) {
        return 0;
    }
    const bool is_day_first = make_date(year, second, first, &day_first_us);
    const bool is_month_first = separator != '.' && make_date(year, first, second, &month_first_us);
    if (!is_day_first && !is_month_first) {
        return 0;
    }
    out->i64 = day_first_us + in_day;
    out->month_first_us = month_first_us + in_day;
    return TM_CAN_DATE | TM_CAN_NATIONAL | (in_day == 0 ? 0 : TM_CAN_TIME) |
           (is_month_first ? 0 : TM_CAN_DAY_FIRST) | (is_day_first ? 0 : TM_CAN_MONTH_FIRST);
}

/* --- words --- */

bool tm__csv_is_missing(tm_str text) {
    static const char *const words[] = {"NA",   "N/A", "n/a", "#N/A", "null", "NULL",
                                        "Null", "nan", "NaN", "NAN",  "?"};
    text = tm__str_trim(text); /* as tm__csv_examine does */
    if (text.len == 0) {
        return true;
    }
    for (size_t i = 0; text.len <= 4 && i < sizeof(words) / sizeof(words[0]); i++) {
        if (tm__str_is(text, words[i])) {
            return true;
        }
    }
    return false;
}

static uint32_t examine_word(tm_str text, tm_csv_value *out) {
    if (text.len > 9) {
        return TM_CAN_TEXT;
    }
    if (tm__csv_is_missing(text)) {
        return TM_CAN_MISSING;
    }
    if (tm__text_is_missing(text)) {
        return TM_CAN_MARK;
    }
    if (tm__str_is_nocase(text, "true") || tm__str_is_nocase(text, "false")) {
        out->i64 = text.len == 4;
        return TM_CAN_BOOL;
    }
    const tm_str bare =
        text.ptr[0] == '-' || text.ptr[0] == '+' ? (tm_str){text.ptr + 1, text.len - 1} : text;
    if (tm__str_is_nocase(bare, "inf") || tm__str_is_nocase(bare, "infinity")) {
        out->f64 = text.ptr[0] == '-' ? -__builtin_inf() : __builtin_inf();
        return TM_CAN_FLOAT;
    }
    return TM_CAN_TEXT;
}

uint32_t tm__csv_examine(tm_str text, tm_csv_value *out) {
    if (text.len > 0 &&
        ((unsigned char)text.ptr[0] <= ' ' || (unsigned char)text.ptr[text.len - 1] <= ' ')) {
        text = tm__str_trim(text);
    }
    if (text.len == 0) {
        return TM_CAN_MISSING;
    }
    const char first = text.ptr[0];
    if (!is_digit(first) && first != '-' && first != '+' && first != '.') {
        return examine_word(text, out);
    }
    if (examine_short(text, out)) {
        return TM_CAN_FLOAT;
    }
    uint32_t kind = examine_number(text, out);
    if (kind == 0 && is_digit(first)) {
        kind = examine_iso(text, out);
        kind = kind != 0 ? kind : examine_national(text, out);
    }
    return kind != 0 ? kind : examine_word(text, out);
}

tm_type tm__csv_decide(uint32_t kinds) {
    const uint32_t numbers = kinds & (TM_CAN_INT | TM_CAN_FLOAT | TM_CAN_BIG);
    const uint32_t dates = kinds & TM_CAN_DATE;
    const uint32_t bools = kinds & TM_CAN_BOOL;
    const uint32_t both = TM_CAN_DAY_FIRST | TM_CAN_MONTH_FIRST;
    if ((kinds & TM_CAN_TEXT) != 0 || (numbers != 0) + (dates != 0) + (bools != 0) != 1 ||
        ((kinds & TM_CAN_HUGE) != 0 && numbers == 0)) {
        return TM_TYPE_TEXT;
    }
    if ((kinds & TM_CAN_HUGE) != 0 || (kinds & both) == both) {
        return TM_TYPE_NONE;
    }
    if (bools != 0) {
        return TM_TYPE_BOOL;
    }
    if (numbers != 0) {
        return numbers == TM_CAN_INT           ? TM_TYPE_INT
               : (numbers & TM_CAN_FLOAT) != 0 ? TM_TYPE_FLOAT
                                               : TM_TYPE_TEXT;
    }
    if ((kinds & TM_CAN_NATIONAL) != 0 && (kinds & both) == 0) {
        return TM_TYPE_NONE;
    }
    return (kinds & TM_CAN_TIME) != 0 ? TM_TYPE_TIME : TM_TYPE_DATE;
}
