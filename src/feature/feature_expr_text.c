/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts that are made (lower, upper, concat, text) lie in the scratch of the evaluation, one behind
 * the other; what does not fit in TM_EXPR_TEXT_MAX bytes is cut at a character. Parts of a text
 * borrow it. Characters are bytes that are not 10xxxxxx in binary, with those behind them that are.
 */
#include "feature/feature_expr_text.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/fmath.h"
#include "feature/feature_priv.h"

#define DAY_US 86400000000.0
#define HASH_MOST 0x1p+32
#define UNUSED ((void)n, (void)scratch)

static tm_expr_value view(const char *ptr, size_t len) {
    return (tm_expr_value){.text = {ptr, len}};
}

static tm_expr_value no_text(void) {
    return view(NULL, 0);
}

static bool is_there(tm_expr_value value) {
    return value.text.ptr != NULL;
}

/* ---- Times ---- */

static tm_expr_value part_of(tm_expr_value a, tm_date_part part) {
    return tm__expr_number(tm__date_part(part, a.us));
}

tm_expr_value tm__expr_time_days_between(const tm_expr_value *a, uint32_t n,
                                         tm_expr_scratch *scratch) {
    UNUSED;
    const bool has_both = a[0].us != TM_INT_MISSING && a[1].us != TM_INT_MISSING;
    return tm__expr_number(has_both ? ((double)a[0].us - (double)a[1].us) / DAY_US : tm__nan());
}

static tm_expr_value moved(int64_t us, double days) {
    const double by = days * DAY_US;
    int64_t to = TM_INT_MISSING;
    if (us == TM_INT_MISSING || !(fabs(by) < 9.0e18) ||
        __builtin_add_overflow(us, (int64_t)by, &to)) {
        to = TM_INT_MISSING;
    }
    return (tm_expr_value){.us = to};
}

tm_expr_value tm__expr_time_later(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return moved(a[0].us, a[1].number);
}

tm_expr_value tm__expr_time_earlier(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return moved(a[0].us, -a[1].number);
}

tm_expr_value tm__expr_time_hour(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return part_of(a[0], TM_PART_HOUR);
}
tm_expr_value tm__expr_time_minute_of_day(const tm_expr_value *a, uint32_t n,
                                          tm_expr_scratch *scratch) {
    UNUSED;
    return part_of(a[0], TM_PART_MINUTE_OF_DAY);
}
tm_expr_value tm__expr_time_day_of_week(const tm_expr_value *a, uint32_t n,
                                        tm_expr_scratch *scratch) {
    UNUSED;
    return part_of(a[0], TM_PART_DAY_OF_WEEK);
}
tm_expr_value tm__expr_time_day_of_month(const tm_expr_value *a, uint32_t n,
                                         tm_expr_scratch *scratch) {
    UNUSED;
    return part_of(a[0], TM_PART_DAY_OF_MONTH);
}
tm_expr_value tm__expr_time_month(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return part_of(a[0], TM_PART_MONTH);
}
tm_expr_value tm__expr_time_days(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    return part_of(a[0], TM_PART_DAYS);
}

tm_expr_value tm__expr_time_minute(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    const double minutes = tm__date_part(TM_PART_MINUTE_OF_DAY, a[0].us);
    return tm__expr_number(minutes - 60 * floor(minutes / 60));
}

tm_expr_value tm__expr_time_year(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    tm_civil civil;
    if (a[0].us == TM_INT_MISSING) {
        return tm__expr_number(tm__nan());
    }
    tm__civil_from_us(a[0].us, &civil);
    return tm__expr_number((double)civil.year);
}

tm_expr_value tm__expr_time_day_of_year(const tm_expr_value *a, uint32_t n,
                                        tm_expr_scratch *scratch) {
    UNUSED;
    tm_civil civil;
    if (a[0].us == TM_INT_MISSING) {
        return tm__expr_number(tm__nan());
    }
    tm__civil_from_us(a[0].us, &civil);
    return tm__expr_number((double)civil.yearday + 1);
}

/* ---- Texts ---- */

static bool is_start(char c) {
    return ((unsigned char)c & 0xc0) != 0x80;
}

tm_expr_value tm__expr_text_length(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    uint32_t n_chars = 0;
    for (size_t i = 0; i < a[0].text.len; i++) {
        n_chars += is_start(a[0].text.ptr[i]);
    }
    return tm__expr_number(is_there(a[0]) ? (double)n_chars : tm__nan());
}

tm_expr_value tm__expr_text_words(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    uint32_t n_words = 0;
    for (size_t i = 0; i < a[0].text.len; i++) {
        n_words +=
            !tm__is_space(a[0].text.ptr[i]) && (i == 0 || tm__is_space(a[0].text.ptr[i - 1]));
    }
    return tm__expr_number(is_there(a[0]) ? (double)n_words : tm__nan());
}

/* Puts a text behind what is there, cut at a character. */
static void append(tm_expr_scratch *scratch, tm_str text) {
    size_t len = TM_EXPR_TEXT_MAX - scratch->n;
    if (text.len < len) {
        len = text.len;
    } else {
        while (len > 0 && len < text.len && !is_start(text.ptr[len])) {
            len--;
        }
    }
    memcpy(scratch->bytes + scratch->n, text.ptr, len);
    scratch->n += (uint32_t)len;
}

static tm_expr_value made_since(const tm_expr_scratch *scratch, uint32_t start) {
    return view(scratch->bytes + start, scratch->n - start);
}

static tm_expr_value in_case(tm_expr_value a, tm_expr_scratch *scratch, char from, char to) {
    const uint32_t start = scratch->n;
    if (!is_there(a)) {
        return no_text();
    }
    append(scratch, a.text);
    for (uint32_t i = start; i < scratch->n; i++) {
        char *c = &scratch->bytes[i];
        *c = *c >= from && *c <= from + 25 ? (char)(*c - from + to) : *c;
    }
    return made_since(scratch, start);
}

tm_expr_value tm__expr_text_lower(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    (void)n;
    return in_case(a[0], scratch, 'A', 'a');
}

tm_expr_value tm__expr_text_upper(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    (void)n;
    return in_case(a[0], scratch, 'a', 'A');
}

tm_expr_value tm__expr_text_left(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    if (!is_there(a[0]) || isnan(a[1].number)) {
        return no_text();
    }
    size_t end = 0;
    for (double left = a[1].number; end < a[0].text.len; end++) {
        left -= is_start(a[0].text.ptr[end]) ? 1 : 0;
        if (left < 0) {
            break;
        }
    }
    return view(a[0].text.ptr, end);
}

tm_expr_value tm__expr_text_right(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    if (!is_there(a[0]) || isnan(a[1].number)) {
        return no_text();
    }
    size_t begin = a[0].text.len;
    double left = a[1].number;
    for (size_t i = a[0].text.len; i > 0 && left >= 1; i--) {
        if (is_start(a[0].text.ptr[i - 1])) {
            begin = i - 1;
            left -= 1;
        }
    }
    return view(a[0].text.ptr + begin, a[0].text.len - begin);
}

/* Where a text begins in another; SIZE_MAX: nowhere. */
static size_t place_of(tm_str in, tm_str what) {
    for (size_t i = 0; what.len <= in.len && i <= in.len - what.len; i++) {
        if (memcmp(in.ptr + i, what.ptr, what.len) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

tm_expr_value tm__expr_text_before(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    if (!is_there(a[0]) || !is_there(a[1])) {
        return no_text();
    }
    const size_t at = place_of(a[0].text, a[1].text);
    return view(a[0].text.ptr, at == SIZE_MAX ? a[0].text.len : at);
}

tm_expr_value tm__expr_text_after(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    if (!is_there(a[0]) || !is_there(a[1])) {
        return no_text();
    }
    const size_t at = place_of(a[0].text, a[1].text);
    if (at == SIZE_MAX) {
        return no_text();
    }
    const size_t begin = at + a[1].text.len;
    return view(a[0].text.ptr + begin, a[0].text.len - begin);
}

tm_expr_value tm__expr_text_contains(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    const bool has_both = is_there(a[0]) && is_there(a[1]);
    return tm__expr_number(!has_both ? tm__nan() : place_of(a[0].text, a[1].text) != SIZE_MAX);
}

tm_expr_value tm__expr_text_starts(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    const bool has_both = is_there(a[0]) && is_there(a[1]);
    const bool is_it = has_both && a[1].text.len <= a[0].text.len &&
                       memcmp(a[0].text.ptr, a[1].text.ptr, a[1].text.len) == 0;
    return tm__expr_number(has_both ? is_it : tm__nan());
}

tm_expr_value tm__expr_text_ends(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    const bool has_both = is_there(a[0]) && is_there(a[1]);
    const bool is_it =
        has_both && a[1].text.len <= a[0].text.len &&
        memcmp(a[0].text.ptr + a[0].text.len - a[1].text.len, a[1].text.ptr, a[1].text.len) == 0;
    return tm__expr_number(has_both ? is_it : tm__nan());
}

tm_expr_value tm__expr_text_concat(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    const uint32_t start = scratch->n;
    for (uint32_t i = 0; i < n; i++) {
        if (!is_there(a[i])) {
            scratch->n = start;
            return no_text();
        }
        append(scratch, a[i].text);
    }
    return made_since(scratch, start);
}

tm_expr_value tm__expr_text_of_number(const tm_expr_value *a, uint32_t n,
                                      tm_expr_scratch *scratch) {
    (void)n;
    char digits[32];
    const uint32_t start = scratch->n;
    if (isnan(a[0].number)) {
        return no_text();
    }
    const double value = a[0].number == 0 ? 0 : a[0].number; /* no -0 */
    append(scratch, (tm_str){digits, tm__f64_to_text(value, digits)});
    return made_since(scratch, start);
}

tm_expr_value tm__expr_text_to_number(const tm_expr_value *a, uint32_t n,
                                      tm_expr_scratch *scratch) {
    UNUSED;
    double value;
    const bool is_number = is_there(a[0]) && tm__str_to_f64(tm__str_trim(a[0].text), &value);
    return tm__expr_number(is_number ? value : tm__nan());
}

tm_expr_value tm__expr_text_trim(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    if (!is_there(a[0])) {
        return no_text();
    }
    const tm_str inner = tm__str_trim(a[0].text);
    return view(inner.ptr != NULL ? inner.ptr : a[0].text.ptr, inner.len);
}

tm_expr_value tm__expr_text_to_time(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    int64_t us = TM_INT_MISSING;
    const bool is_time = is_there(a[0]) && tm__time_parse(tm__str_trim(a[0].text), &us);
    return (tm_expr_value){.us = is_time ? us : TM_INT_MISSING};
}

tm_expr_value tm__expr_text_ordinal(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    (void)scratch;
    uint32_t i = 1;
    while (i < n && (!is_there(a[i]) || !tm__str_eq(a[0].text, a[i].text))) {
        i++;
    }
    return tm__expr_number(!is_there(a[0]) || i == n ? tm__nan() : (double)(i - 1));
}

tm_expr_value tm__expr_text_hash(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch) {
    UNUSED;
    const double most = a[1].number;
    if (!is_there(a[0]) || !(most >= 1 && most <= HASH_MOST)) {
        return tm__expr_number(tm__nan());
    }
    return tm__expr_number((double)(tm__text_hash(a[0].text) % (uint64_t)most));
}
