/* SPDX-License-Identifier: Apache-2.0 */
/* What the JSON parser takes, it writes; and what it wrote, it reads as the same. */
#include <stdlib.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    json_t *value = NULL;
    json_t *again = NULL;
    tm_err err = {0};
    tm_buf text;
    if (tm__json_parse(data, len, 64, &value, &err) != TM_OK) {
        if (err.message[0] == '\0') {
            abort();
        }
        return 0;
    }
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
