/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scanner of requests against jansson: both take the same documents, and the scanner's steps
 * stay inside a document that its check passed. Numbers past a double are the one difference:
 * jansson refuses them, the scanner leaves that to the column.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "serve/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Walk the whole value at p; returns behind it. */
static char *walk(char *p) {
    char *after = NULL;
    p = tm__scan_space(p);
    if (*p != '{' && *p != '[') {
        tm_cell cell;
        bool ok;
        return tm__scan_cell(p, &cell, &ok);
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
    tm_err err = {0};
    json_t *value = NULL;
    if (text == NULL) {
        abort();
    }
    if (len > 0) {
        memcpy(text, data, len);
    }
    text[len] = '\0';
    const bool is_taken = tm__scan_check(text, len, &e);
    const bool is_json = tm__json_parse(data, len, TM_MAX_JSON_DEPTH, &value, &err) == TM_OK;
    if (is_json && !is_taken) {
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
