/* SPDX-License-Identifier: Apache-2.0 */
/* Text views, numbers from and to text without a locale, and near misses. Any thread. */
#ifndef TM_BASE_STR_H
#define TM_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct tm_str {
    const char *ptr; /* borrowed; not NUL-terminated */
    size_t len;
} tm_str;

/** Of ASCII, whatever the locale. */
static inline bool tm__is_digit(char c) {
    return c >= '0' && c <= '9';
}
static inline bool tm__is_alnum(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || tm__is_digit(c);
}
static inline bool tm__is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}
static inline char tm__lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

#define TM_STR(literal) ((tm_str){(literal), sizeof(literal) - 1})

/** View of a NUL-terminated text; NULL gives the empty text. */
tm_str tm__str(const char *text);
bool tm__str_eq(tm_str a, tm_str b);
bool tm__str_is(tm_str a, const char *text);
/** ASCII case does not matter. */
bool tm__str_is_nocase(tm_str a, const char *text);
bool tm__str_has_prefix(tm_str a, const char *prefix);
bool tm__str_has_suffix(tm_str a, const char *suffix);
/** Byte order, for sorting: <0, 0, >0. */
int tm__str_compare(tm_str a, tm_str b);
/** Without ASCII white space at both ends. */
tm_str tm__str_trim(tm_str a);
/** Cut at the first `separator`: returns the part before it and moves *rest behind it; at the end
 * *rest is empty. */
tm_str tm__str_cut(tm_str *rest, char separator);
uint64_t tm__str_count(tm_str a, char c);
/** Whether one of the parts of a list, trimmed, is the text. */
bool tm__str_lists(tm_str list, char separator, const char *text);
/** True when the bytes are valid UTF-8 (no overlong forms, no surrogates). */
bool tm__str_is_utf8(tm_str a);
/** Bytes of the valid UTF-8 character that a starts with; 0 when it starts with none. */
size_t tm__str_utf8_char(tm_str a);

/** Whole text as a number (decimal, correctly rounded, no locale, no hexadecimal, "nan"/"inf"
 * refused); false when it is not one. */
bool tm__str_to_f64(tm_str a, double *out);
/** True when the whole text is written as such a number, whether or not a double holds it. */
bool tm__str_is_number(tm_str a);
bool tm__str_to_i64(tm_str a, int64_t *out);
bool tm__str_to_u64(tm_str a, uint64_t *out);
/** A duration in microseconds: 90s, 15m, 24h, 7d, 2w, 500ms; false of a number without a unit, but
 * for 0. */
bool tm__str_to_duration_us(tm_str a, int64_t *out);
/** What to write in place of a text that is no duration: of a number without a unit "Which unit:
 * 7s, 7m, 7h or 7d?", in out (64 bytes), else `like`. */
const char *tm__duration_hint(tm_str a, const char *like, char *out);
/** A size in bytes: 512M, 1.5G, 800k (powers of 1024, in either case); a bare number is bytes. */
bool tm__str_to_bytes(tm_str a, uint64_t *out);
/** Shortest decimal text that reads back as the same double; returns its length. out holds at least
 * 32 bytes. */
size_t tm__f64_to_text(double value, char *out);

/** Copy with a NUL, cut to size - 1 bytes; returns false when it was cut. */
bool tm__str_copy(char *out, size_t size, tm_str text);
/** Edits between two texts, at most `limit` + 1. */
uint32_t tm__str_distance(tm_str a, tm_str b, uint32_t limit);
/** The nearest of n names within a third of its length (at least 2 edits), or NULL: for "did you
 * mean". */
const char *tm__str_nearest(tm_str name, const char *const *names, uint32_t n);
/** "3.2 GiB", "140 KiB"; out is returned. */
const char *tm__bytes_text(uint64_t bytes, char *out, size_t size);

#endif
