/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers as people read them, in a file between commas: $1,279.40, 12 %, 1,234,567.
 *
 * 1. A column is so written when each value of the first block is a number, all with the same mark
 *    or none, and there is a mark, or commas that can be nothing but those between thousands:
 *    1,234.5 and 1,234,567; 1,234 alone is one and a bit to some. Where the column is known to be
 *    one of numbers, a value that is none says nothing, and 1,234 is a thousand.
 * 2. The number is what is left without mark and commas: of 12 % it is 12.
 * 3. Nothing else of a file looks at this: a field that is so written is given as a plain number.
 */
#include <string.h>

#include "source/csv_priv.h"

#define GROUP_DIGITS 3u

typedef struct mark {
    const char *text;
    char style;
} mark;

static const mark marks[] = {
    {"$", '$'}, {"%", '%'}, {"\xE2\x82\xAC", 'E'}, {"\xC2\xA3", 'P'}, {"\xC2\xA5", 'Y'},
};

/* Drop a prefix, and blanks behind it; false where the text does not begin with it. */
static bool drop_prefix(tm_str *text, const char *prefix) {
    const size_t n = strlen(prefix);
    if (text->len <= n || memcmp(text->ptr, prefix, n) != 0) {
        return false;
    }
    *text = tm__str_trim((tm_str){text->ptr + n, text->len - n});
    return true;
}

static bool drop_suffix(tm_str *text, const char *suffix) {
    const size_t n = strlen(suffix);
    if (text->len <= n || memcmp(text->ptr + text->len - n, suffix, n) != 0) {
        return false;
    }
    *text = tm__str_trim((tm_str){text->ptr, text->len - n});
    return true;
}

/* The style of the mark before or behind the number, which goes; 0 for none. */
static char drop_mark(tm_str *text) {
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        const bool is_before = marks[i].style != '%' && drop_prefix(text, marks[i].text);
        if (is_before || (marks[i].style != '$' && drop_suffix(text, marks[i].text))) {
            return marks[i].style;
        }
    }
    return 0;
}

static bool drop_sign(tm_str *text) {
    return drop_prefix(text, "-") || drop_prefix(text, "+");
}

static size_t count_digits(tm_str text, size_t at) {
    const size_t first = at;
    while (at < text.len && (unsigned char)(text.ptr[at] - '0') < 10) {
        at++;
    }
    return at - first;
}

/* Whether its commas can only be those between thousands. */
static bool is_clear(tm_str text) {
    const char *const comma = memchr(text.ptr, ',', text.len);
    const size_t n = comma == NULL ? 0 : text.len - (size_t)(comma - text.ptr) - 1;
    return n > 0 && (memchr(comma + 1, ',', n) != NULL || memchr(comma + 1, '.', n) != NULL);
}

bool tm__csv_is_formatted(tm_str text, char *out_style) {
    text = tm__str_trim(text);
    const bool is_signed = drop_sign(&text);
    const char style = drop_mark(&text);
    if (!is_signed) {
        (void)drop_sign(&text); /* $-5 */
    }
    const size_t n_first = count_digits(text, 0);
    size_t at = n_first;
    if (n_first > 1 && text.ptr[0] == '0') {
        return false; /* 007 is a code */
    }
    while (at < text.len && text.ptr[at] == ',') {
        if (n_first == 0 || n_first > GROUP_DIGITS || text.ptr[0] == '0' ||
            count_digits(text, at + 1) != GROUP_DIGITS) {
            return false;
        }
        at += 1 + GROUP_DIGITS;
    }
    const bool is_grouped = at > n_first;
    if (at < text.len && text.ptr[at] == '.') {
        const size_t n = count_digits(text, at + 1);
        if (n == 0) {
            return false;
        }
        at += 1 + n;
    }
    *out_style = style != 0 ? style : is_grouped ? ',' : 0;
    return at > 0 && at == text.len;
}

tm_str tm__csv_format_write(tm_str text, char *room) {
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];
        if (tm__is_digit(c) || c == '.' || c == '-' || c == '+') {
            room[n++] = c;
        }
    }
    return (tm_str){room, n};
}

char tm__csv_find_format(const tm_csv_scanner *s, uint32_t col, uint64_t n_records,
                         bool is_number) {
    const uint32_t n_cols = tm__csv_cols(s);
    const uint64_t first = n_records > 1; /* may hold names */
    const tm_csv_field *cell = tm__csv_fields(s) + first * n_cols + col;
    char style = 0;
    bool is_plain = false; /* a number that has neither mark nor comma */
    bool is_sure = is_number;
    for (uint64_t i = first; i < n_records; i++, cell += n_cols) {
        if ((cell->len & TM_CSV_MADE) != 0) {
            return 0;
        }
        const tm_str text = tm__csv_text(s, *cell, NULL);
        char one = 0;
        if (tm__csv_is_missing(text) || tm__text_is_missing(tm__str_trim(text))) {
            continue;
        }
        const bool is_one = tm__csv_is_formatted(text, &one);
        if (!is_one && is_number) {
            continue; /* a bad value, and the others are what they are */
        }
        if (!is_one || (one != 0 && style != 0 && one != style)) {
            return 0;
        }
        style = one != 0 ? one : style;
        is_plain = is_plain || one == 0;
        is_sure = is_sure || is_clear(text);
    }
    /* 5 and 5 % are not of one unit. */
    return style == ',' ? (is_sure ? style : 0) : is_plain ? 0 : style;
}
