/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers with a decimal comma, as in 62,8 and 1.715,24: what spreadsheets write in much of Europe
 * and South America, and then with another delimiter than a comma.
 *
 * 1. A column is so written when each value of the first block is a number with a comma or a whole
 *    one, and at least one has a comma. Whole numbers of the other columns of such a file may have
 *    marks between thousands (1.234), unless longer ones stand there without them.
 * 2. Nothing else of a file looks at this: a field that is so written is given with a point.
 */
#include <string.h>

#include "base/mem.h"
#include "source/csv_priv.h"
#include "table/schema.h"

#define GROUP_DIGITS 3u

static bool is_digit(tm_str text, size_t at) {
    return at < text.len && (unsigned char)(text.ptr[at] - '0') < 10;
}

static size_t skip_digits(tm_str text, size_t at) {
    while (is_digit(text, at)) {
        at++;
    }
    return at;
}

/* Length of the mark between thousands that stands there: a point, a blank, one that does not
 * break, or a narrow one; 0 for none. */
static size_t mark_length(tm_str text, size_t at) {
    static const char *const marks[] = {".", " ", "\xC2\xA0", "\xE2\x80\xAF"};
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        const size_t len = strlen(marks[i]);
        if (text.len - at >= len && memcmp(text.ptr + at, marks[i], len) == 0) {
            return len;
        }
    }
    return 0;
}

/* Behind the groups of three digits that follow, each behind the same mark. */
static size_t skip_groups(tm_str text, size_t at) {
    const size_t n_mark = at < text.len ? mark_length(text, at) : 0;
    const char *const mark = text.ptr + at;
    while (n_mark > 0 && text.len - at > n_mark && memcmp(text.ptr + at, mark, n_mark) == 0 &&
           skip_digits(text, at + n_mark) == at + n_mark + GROUP_DIGITS) {
        at += n_mark + GROUP_DIGITS;
    }
    return at;
}

uint32_t tm__csv_comma_kind(tm_str text) {
    text = tm__str_trim(text);
    const size_t first = text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+');
    const size_t whole = skip_digits(text, first);
    const size_t n_whole = whole - first;
    const bool is_led = n_whole > 0 && text.ptr[first] == '0';
    const bool may_group = n_whole > 0 && n_whole <= GROUP_DIGITS && !is_led;
    const size_t grouped = may_group ? skip_groups(text, whole) : whole;
    if (is_led && n_whole > 1) {
        return 0; /* 007 is a code */
    }
    if (grouped == text.len) {
        return n_whole == 0             ? 0
               : grouped > whole        ? TM_COMMA_GROUPED
               : n_whole > GROUP_DIGITS ? TM_COMMA_LONG
                                        : TM_COMMA_SHORT;
    }
    size_t at = skip_digits(text, grouped + 1);
    if (text.ptr[grouped] != ',' || at == grouped + 1) {
        return 0;
    }
    if (at < text.len && (text.ptr[at] == 'e' || text.ptr[at] == 'E')) {
        at++;
        at += at < text.len && (text.ptr[at] == '-' || text.ptr[at] == '+');
        at = is_digit(text, at) ? skip_digits(text, at) : 0;
    }
    return at == text.len ? TM_COMMA_DECIMAL : 0;
}

tm_str tm__csv_comma_write(tm_str text, char *room) {
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];
        if (c == ',') {
            room[n++] = '.';
        } else if (is_digit(text, i) || (c != '\0' && strchr("+-eE", c) != NULL)) {
            room[n++] = c;
        }
    }
    return (tm_str){room, n};
}

/* --- columns --- */

/* What the values of a column are; 0 when one is no such number, or there are none. */
static uint32_t look_at(const tm_csv_scanner *s, const tm_csv_field *cell, uint64_t n_records) {
    const uint32_t n_cols = tm__csv_cols(s);
    uint32_t kinds = 0;
    for (uint64_t i = 0; i < n_records; i++, cell += n_cols) {
        if ((cell->len & TM_CSV_MADE) != 0) {
            return 0;
        }
        const tm_str text = tm__csv_text(s, *cell, NULL);
        const uint32_t kind = tm__csv_comma_kind(text);
        if (kind == 0 && !tm__csv_is_missing(text) && !tm__text_is_missing(tm__str_trim(text))) {
            return 0;
        }
        kinds |= kind;
    }
    return (kinds & (TM_COMMA_GROUPED | TM_COMMA_DECIMAL | TM_COMMA_LONG)) ==
                   (TM_COMMA_GROUPED | TM_COMMA_LONG)
               ? 0
               : kinds;
}

/* Of files between other delimiters than commas. */
static bool find_commas(tm_csv_scanner *s, uint64_t n_records) {
    const uint32_t n_cols = tm__csv_cols(s);
    const uint64_t first = n_records > 1; /* may hold names */
    const tm_csv_field *const fields = tm__csv_fields(s) + first * n_cols;
    uint32_t all = 0;
    if (n_cols < 2) {
        return true;
    }
    uint32_t *const kinds = tm__mem_zalloc(n_cols, sizeof(*kinds));
    bool is_set = kinds != NULL;
    for (uint32_t col = 0; is_set && col < n_cols; col++) {
        kinds[col] = look_at(s, fields + col, n_records - first);
        all |= kinds[col];
    }
    for (uint32_t col = 0; is_set && (all & TM_COMMA_DECIMAL) != 0 && col < n_cols; col++) {
        is_set = kinds[col] == 0 || tm__csv_set_style(s, col, 'c');
    }
    tm__mem_free(kinds);
    return is_set;
}

static bool find_formats(tm_csv_scanner *s, uint64_t n_records) {
    bool is_set = true;
    for (uint32_t col = 0; is_set && col < tm__csv_cols(s); col++) {
        const char style = tm__csv_find_format(s, col, n_records, false);
        is_set = style == 0 || tm__csv_set_style(s, col, style);
    }
    return is_set;
}

tm_status tm__csv_find_styles(tm_csv_scanner *s, uint64_t n_records, tm_err *err) {
    const bool is_found = tm__csv_dialect(s).delimiter == ',' ? find_formats(s, n_records)
                                                              : find_commas(s, n_records);
    return is_found ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "no memory for %u columns", tm__csv_cols(s));
}

/* --- styles --- */

bool tm__csv_is_style(char style) {
    return style != 0 && strchr("c,$%EPY", style) != NULL;
}

bool tm__csv_is_styled(char style, tm_str text) {
    char one = 0;
    if (style == 'c') {
        return (tm__csv_comma_kind(text) & (TM_COMMA_GROUPED | TM_COMMA_DECIMAL)) != 0;
    }
    return tm__csv_is_formatted(text, &one) && one == style;
}

tm_str tm__csv_style_write(char style, tm_str text, char *room) {
    return style == 'c' ? tm__csv_comma_write(text, room) : tm__csv_format_write(text, room);
}
