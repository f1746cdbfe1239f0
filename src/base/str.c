/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Views, comparison, UTF-8 and near misses. Numbers are in str_number.c.
 * A view's ptr may be NULL when len is 0, so nothing here touches ptr before it looked at len.
 */
#include "base/str.h"

#include <stdio.h>
#include <string.h>

#define DISTANCE_MAX 255u /* longer names are compared by their first bytes only */

tm_str tm__str(const char *text) {
    return text == NULL ? (tm_str){"", 0} : (tm_str){text, strlen(text)};
}

bool tm__str_eq(tm_str a, tm_str b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool tm__str_is(tm_str a, const char *text) {
    return tm__str_eq(a, tm__str(text));
}

bool tm__str_is_nocase(tm_str a, const char *text) {
    if (a.len != strlen(text)) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (tm__lower(a.ptr[i]) != tm__lower(text[i])) {
            return false;
        }
    }
    return true;
}

bool tm__str_has_prefix(tm_str a, const char *prefix) {
    const size_t len = strlen(prefix);
    return a.len >= len && tm__str_is((tm_str){a.ptr, len}, prefix);
}

bool tm__str_has_suffix(tm_str a, const char *suffix) {
    const size_t len = strlen(suffix);
    return len == 0 || (a.len >= len && tm__str_is((tm_str){a.ptr + (a.len - len), len}, suffix));
}

int tm__str_compare(tm_str a, tm_str b) {
    const size_t len = a.len < b.len ? a.len : b.len;
    const int order = len == 0 ? 0 : memcmp(a.ptr, b.ptr, len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

tm_str tm__str_trim(tm_str a) {
    while (a.len > 0 && tm__is_space(a.ptr[0])) {
        a.ptr++;
        a.len--;
    }
    while (a.len > 0 && tm__is_space(a.ptr[a.len - 1])) {
        a.len--;
    }
    return a;
}

tm_str tm__str_cut(tm_str *rest, char separator) {
    const tm_str all = *rest;
    const char *found = all.len == 0 ? NULL : memchr(all.ptr, separator, all.len);
    if (found == NULL) {
        *rest = all.len == 0 ? all : (tm_str){all.ptr + all.len, 0};
        return all;
    }
    const size_t len = (size_t)(found - all.ptr);
    *rest = (tm_str){found + 1, all.len - len - 1};
    return (tm_str){all.ptr, len};
}

/* Unicode 15, table 3-7. */
size_t tm__str_utf8_char(tm_str a) {
    if (a.len == 0) {
        return 0;
    }
    const uint8_t *bytes = (const uint8_t *)a.ptr;
    const uint8_t first = bytes[0];
    if (first < 0x80) {
        return 1;
    }
    const size_t n = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || a.len < n) {
        return 0;
    }
    const uint8_t low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    const uint8_t high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    if (bytes[1] < low || bytes[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < n; i++) {
        if ((bytes[i] & 0xC0u) != 0x80u) {
            return 0;
        }
    }
    return n;
}

uint64_t tm__str_count(tm_str a, char c) {
    uint64_t n = 0;
#pragma omp simd reduction(+ : n)
    for (size_t i = 0; i < a.len; i++) {
        n += a.ptr[i] == c;
    }
    return n;
}

bool tm__str_lists(tm_str list, char separator, const char *text) {
    while (list.len > 0) {
        if (tm__str_is(tm__str_trim(tm__str_cut(&list, separator)), text)) {
            return true;
        }
    }
    return false;
}

bool tm__str_is_utf8(tm_str a) {
    const uint8_t *bytes = (const uint8_t *)a.ptr;
    size_t pos = 0;
    while (pos < a.len) {
        /* Eight ASCII bytes at once: most text is ASCII. */
        if (a.len - pos >= 8) {
            uint64_t word;
            memcpy(&word, bytes + pos, 8);
            if ((word & UINT64_C(0x8080808080808080)) == 0) {
                pos += 8;
                continue;
            }
        }
        const size_t n = tm__str_utf8_char((tm_str){a.ptr + pos, a.len - pos});
        if (n == 0) {
            return false;
        }
        pos += n;
    }
    return true;
}

bool tm__str_copy(char *out, size_t size, tm_str text) {
    if (size == 0) {
        return false;
    }
    const size_t len = text.len < size ? text.len : size - 1;
    if (len > 0) {
        memcpy(out, text.ptr, len);
    }
    out[len] = '\0';
    return len == text.len;
}

uint32_t tm__str_distance(tm_str a, tm_str b, uint32_t limit) {
    const size_t n = a.len < DISTANCE_MAX ? a.len : DISTANCE_MAX;
    const size_t m = b.len < DISTANCE_MAX ? b.len : DISTANCE_MAX;
    /* before[j], last[j], row[j]: edits from a[0..i-2], a[0..i-1], a[0..i) to b[0..j). */
    uint32_t rows[3][DISTANCE_MAX + 1];
    uint32_t *before = rows[0], *last = rows[1], *row = rows[2];
    for (uint32_t j = 0; j <= m; j++) {
        last[j] = j;
    }
    for (size_t i = 1; i <= n; i++) {
        row[0] = (uint32_t)i;
        for (size_t j = 1; j <= m; j++) {
            const uint32_t change = last[j - 1] + (a.ptr[i - 1] != b.ptr[j - 1] ? 1u : 0u);
            const uint32_t other = (last[j] < row[j - 1] ? last[j] : row[j - 1]) + 1;
            row[j] = change < other ? change : other;
            const bool is_swap =
                i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1];
            if (is_swap && before[j - 2] + 1 < row[j]) {
                row[j] = before[j - 2] + 1;
            }
        }
        uint32_t *const free_row = before;
        before = last;
        last = row;
        row = free_row;
    }
    return last[m] > limit ? limit + 1 : last[m];
}

const char *tm__str_nearest(tm_str name, const char *const *names, uint32_t n) {
    const size_t third = name.len / 3;
    const uint32_t limit = third < 2 ? 2 : third > DISTANCE_MAX ? DISTANCE_MAX : (uint32_t)third;
    const char *nearest = NULL;
    uint32_t least = limit + 1;
    for (uint32_t i = 0; i < n; i++) {
        if (tm__str_is_nocase(name, names[i])) {
            return names[i];
        }
        const uint32_t distance = tm__str_distance(name, tm__str(names[i]), limit);
        /* A name that shares nothing is no near miss, however short both are. */
        if (distance < least && distance < name.len) {
            least = distance;
            nearest = names[i];
        }
    }
    return nearest;
}

const char *tm__bytes_text(uint64_t bytes, char *out, size_t size) {
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        value /= 1024;
        unit++;
    }
    (void)snprintf(out, size, value < 10 && unit > 0 ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return out;
}
