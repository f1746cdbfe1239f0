/* SPDX-License-Identifier: Apache-2.0 */
#include "tidemill/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct status_row {
    const char *text;
    unsigned http;
    unsigned exit_code;
} status_row;

static const status_row rows[] = {
#define TM_STATUS(name, number, text, http, exit_code) [number] = {text, http, exit_code},
#include "tidemill/status.def"
#undef TM_STATUS
};

static const status_row *find_row(tm_status status) {
    static const status_row unknown = {"unknown", 500, 70};
    const unsigned number = (unsigned)status;
    if (number >= sizeof(rows) / sizeof(rows[0]) || rows[number].text == NULL) {
        return &unknown;
    }
    return &rows[number];
}

const char *tm_status_text(tm_status status) {
    return find_row(status)->text;
}

unsigned tm_status_http(tm_status status) {
    return find_row(status)->http;
}

unsigned tm_status_exit(tm_status status) {
    return find_row(status)->exit_code;
}

/* Copy a text that may be too long; it is never cut inside a UTF-8 character. */
static void copy_cut(char *out, size_t size, const char *text) {
    size_t len = strlen(text);
    if (len >= size) {
        len = size - 1;
        while (len > 0 && ((unsigned char)text[len] & 0xC0u) == 0x80u) {
            len--;
        }
    }
    memcpy(out, text, len);
    out[len] = '\0';
}

tm_status tm_err_set(tm_err *err, tm_status status, const char *src_file, int src_line,
                     const char *fmt, ...) {
    if (err == NULL) {
        return status;
    }
    /* Formatted aside first: the arguments may point into the error that is being wrapped. */
    char text[sizeof(err->message) + 8];
    va_list args;
    va_start(args, fmt);
    if (vsnprintf(text, sizeof(text), fmt, args) < 0) {
        text[0] = '\0';
    }
    va_end(args);
    *err = (tm_err){.status = status, .src_file = src_file, .src_line = src_line};
    copy_cut(err->message, sizeof(err->message), text);
    return status;
}

void tm_err_hint(tm_err *err, const char *fmt, ...) {
    if (err == NULL) {
        return;
    }
    char text[sizeof(err->hint) + 8];
    va_list args;
    va_start(args, fmt);
    if (vsnprintf(text, sizeof(text), fmt, args) < 0) {
        text[0] = '\0';
    }
    va_end(args);
    copy_cut(err->hint, sizeof(err->hint), text);
}

void tm_err_at(tm_err *err, const char *path, uint64_t row, uint32_t col) {
    if (err == NULL) {
        return;
    }
    if (path != NULL) {
        copy_cut(err->data_path, sizeof(err->data_path), path);
    }
    err->data_row = row != 0 ? row : err->data_row;
    err->data_col = col != 0 ? col : err->data_col;
}
