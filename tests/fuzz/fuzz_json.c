/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON parser takes what jansson's takes, as the same value; what it takes, it writes; and what
 * it wrote, it reads as the same.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* jansson steps over a NUL behind a number, and takes numbers of any length; both are refused. */
static void compare(const uint8_t *data, size_t len, const json_t *ours) {
    json_error_t e;
    json_t *theirs = json_loadb(len == 0 ? "" : (const char *)data, len,
                                JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
    const bool has_nul = len > 0 && memchr(data, 0, len) != NULL;
    if (theirs == NULL ? ours != NULL : !has_nul && !json_equal(ours, theirs)) {
        abort();
    }
    json_decref(theirs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    json_t *value = NULL;
    json_t *again = NULL;
    tm_err err = {0};
    tm_buf text;
    if (tm__json_parse(data, len, 64, &value, &err) != TM_OK) {
        if (err.message[0] == '\0') {
            abort();
        }
        if (err.status != TM_E_LIMIT && strstr(err.message, "too long") == NULL) {
            compare(data, len, NULL);
        }
        return 0;
    }
    compare(data, len, value);
    tm__buf_init(&text, 64u << 20);
    if (!tm__json_write(&text, value, TM_JSON_SORTED) ||
        tm__json_parse(text.data, text.len, 64, &again, &err) != TM_OK ||
        !json_equal(value, again)) {
        abort();
    }
    tm__buf_done(&text);
    json_decref(value);
    json_decref(again);
    return 0;
}
