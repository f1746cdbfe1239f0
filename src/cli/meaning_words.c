/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/meaning_words.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

enum { NAMES_MAX = 12 };

/* Steps by what their column was taken for. A column of several kinds is of the first; other steps
 * are parts of a time. */
static const struct {
    const char *meaning;
    const char *steps[8];
} meanings[] = {
    {"text", {"length", "words", "share of digits", "share of capitals", "text score", "terms"}},
    {"category", {"category", "target mean", "count", "code"}},
    {"number", {"number"}},
    {"time", {"minute of day", "hour", "day of week", "day of month", "month", "days"}},
};
#define N_MEANINGS (sizeof(meanings) / sizeof(meanings[0]))

static bool is_of(size_t meaning, const char *step) {
    for (size_t i = 0; i < 8 && meanings[meaning].steps[i] != NULL; i++) {
        if (strcmp(meanings[meaning].steps[i], step) == 0) {
            return true;
        }
    }
    return false;
}

/* Meaning of the column whose entries begin at i; the next column's begin at *end. */
static size_t meaning_at(const json_t *program, size_t i, size_t *end) {
    const char *const input = tm__json_text(json_array_get(program, i), "input", "");
    size_t found = N_MEANINGS;
    for (*end = i; *end < json_array_size(program); (*end)++) {
        const json_t *entry = json_array_get(program, *end);
        if (strcmp(tm__json_text(entry, "input", ""), input) != 0) {
            break;
        }
        for (size_t m = 0; m < found; m++) {
            found = is_of(m, tm__json_text(entry, "step", "")) ? m : found;
        }
    }
    return found;
}

void tm__meaning_words_fill(const json_t *program, char *out, size_t size) {
    size_t at = 0;
    out[0] = '\0';
    for (size_t m = 0; m < N_MEANINGS; m++) {
        size_t n = 0;
        for (size_t i = 0, end = 0; i < json_array_size(program); i = end) {
            const char *const name = tm__json_text(json_array_get(program, i), "input", "");
            const bool is_it = meaning_at(program, i, &end) == m;
            if (is_it && n < NAMES_MAX && at + strlen(name) + 40 < size) {
                at +=
                    (size_t)snprintf(out + at, size - at, "%s%s%s%s", n == 0 && at > 0 ? "; " : "",
                                     n == 0 ? meanings[m].meaning : ",", " ", name);
            }
            n += is_it;
        }
        if (n > NAMES_MAX && at + 40 < size) {
            at += (size_t)snprintf(out + at, size - at, " and %zu more", n - NAMES_MAX);
        }
    }
}
