/* SPDX-License-Identifier: Apache-2.0 */
/* Features over windows in words: refused with a place and a hint, or written in one way that reads
 * as the same. What reads as JSON is taken for a record of such features, too. */
#include <stdlib.h>
#include <string.h>

#include "feature/window_set.h"
#include "feature/window_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void write(const tm_window_text *feature, tm_buf *out) {
    tm__buf_init(out, 1 << 20);
    if (!tm__window_text_write(feature, out) || !tm__buf_byte(out, 0)) {
        abort();
    }
}

static void try_words(const char *text) {
    tm_window_text feature, again;
    tm_err err = {0};
    tm_buf first, second;
    const tm_status st = tm__window_text_read(text, &feature, &err);
    if (st != TM_OK) {
        if (st != TM_E_USAGE || err.message[0] == '\0' || err.hint[0] == '\0') {
            abort();
        }
        tm__window_text_done(&feature);
        return;
    }
    write(&feature, &first);
    if (tm__window_text_read((const char *)first.data, &again, NULL) != TM_OK) {
        abort();
    }
    write(&again, &second);
    if (first.len != second.len || memcmp(first.data, second.data, first.len) != 0) {
        abort();
    }
    tm__window_text_done(&feature);
    tm__window_text_done(&again);
    tm__buf_done(&first);
    tm__buf_done(&second);
}

static void try_record(const char *text, size_t len) {
    json_t *record = json_loadb(text, len, 0, NULL);
    tm_window_set *set = NULL;
    const tm_status st = record == NULL ? TM_E_DATA : tm__window_set_from_json(record, &set, NULL);
    if (st == TM_OK) {
        json_t *again = tm__window_set_to_json(set);
        json_decref(again);
    } else if (st != TM_E_DATA && st != TM_E_USAGE) {
        abort();
    }
    tm__window_set_free(set);
    json_decref(record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    char *text = malloc(len + 1);
    if (text == NULL) {
        abort();
    }
    memcpy(text, data, len);
    text[len] = '\0';
    try_words(text);
    try_record(text, len);
    free(text);
    return 0;
}
