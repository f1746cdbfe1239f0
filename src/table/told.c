/* SPDX-License-Identifier: Apache-2.0 */
#include "table/told.h"

#include <string.h>

#define CHARS_MIN 5u /* of fewer the first would tell too much */
#define BYTES_MAX 16u

static const char *policy_of(const json_t *policies, const char *column) {
    const char *const policy = tm__json_text(policies, column, "");
    return strncmp(policy, "mask", 4) == 0 ? policy + 4 : NULL;
}

bool tm__told_is_masked(const json_t *policies, const char *column) {
    return policy_of(policies, column) != NULL;
}

static bool has_word(const char *list, const char *word) {
    const size_t len = strlen(word);
    while (*list != '\0') {
        const size_t n = strcspn(list, ",");
        if (n == len && memcmp(list, word, len) == 0) {
            return true;
        }
        list += n + (list[n] == ',' ? 1 : 0);
    }
    return false;
}

bool tm__told_in_full(const json_t *policies, const char *column, const char *role) {
    const char *const roles = policy_of(policies, column);
    return roles == NULL || (role != NULL && has_word(roles[0] == ':' ? roles + 1 : "admin", role));
}

static bool is_begin(char c) {
    return ((unsigned char)c & 0xC0u) != 0x80u; /* of a character of UTF-8 */
}

void tm__told_mask(tm_str text, tm_buf *out) {
    size_t n_chars = 0, first = 0;
    for (size_t i = 0; i < text.len && n_chars < CHARS_MIN; i++) {
        n_chars += is_begin(text.ptr[i]) ? 1 : 0;
        first += n_chars == 1 ? 1 : 0;
    }
    if (n_chars == CHARS_MIN && first < BYTES_MAX) {
        (void)tm__buf_append(out, text.ptr, first);
    }
    tm__buf_text(out, TM_TOLD_STARS);
}

json_t *tm__told_value(const json_t *policies, const char *column, const char *role,
                       const json_t *value) {
    tm_buf text;
    if (value == NULL || json_is_null(value)) {
        return json_null();
    }
    if (tm__told_in_full(policies, column, role)) {
        return json_incref((json_t *)(uintptr_t)value);
    }
    if (!json_is_string(value)) {
        return json_string(TM_TOLD_STARS);
    }
    tm__buf_init(&text, 64);
    tm__told_mask((tm_str){json_string_value(value), json_string_length(value)}, &text);
    json_t *const masked = json_stringn((const char *)text.data, text.len);
    tm__buf_done(&text);
    return masked;
}
