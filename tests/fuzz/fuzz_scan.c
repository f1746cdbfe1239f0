/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scanner of requests against jansson: both take the same documents, and the scanner's steps
 * stay inside a document that its check passed. Numbers past a double are the one difference:
 * jansson refuses them, the scanner leaves that to the column. jansson steps over a NUL behind a
 * number, and nests deeper.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/json_scan.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Walk the whole value at p; returns behind it. */
static char *walk(char *p) {
    char *after = NULL;
    p = tm__scan_space(p);
    if (*p == '"') {
        tm_str text;
        return tm__scan_string(p, &text);
    }
    if (*p == '-' || (*p >= '0' && *p <= '9')) {
        tm_scan_number number;
        return tm__scan_number(p, &number);
    }
    if (*p != '{' && *p != '[') {
        return tm__scan_skip(p);
    }
    const bool is_object = *p == '{';
    for (char *at = tm__scan_enter(p, &after); at != NULL; at = tm__scan_more(at, &after)) {
        if (is_object) {
            tm_str name;
            at = tm__scan_name(at, &name);
        }
        at = walk(at);
    }
    return after;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    char *text = tm__mem_alloc(len + 1, 1);
    tm_scan_error e = {0};
    json_error_t theirs;
    if (text == NULL) {
        abort();
    }
    if (len > 0) {
        memcpy(text, data, len);
    }
    text[len] = '\0';
    const bool is_taken = tm__scan_check(text, len, &e);
    json_t *value = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &theirs);
    const bool is_json = value != NULL && strlen(text) == len;
    if (is_json && !is_taken && !e.is_limit) {
        fprintf(stderr, "refused: %s\n", e.reason);
        abort();
    }
    if (is_taken) {
        char *end = tm__scan_space(walk(text));
        if (end != text + len) {
            abort();
        }
    }
    json_decref(value);
    tm__mem_free(text);
    return 0;
}
