/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "base/clock.h"
#include "table/schema.h"

bool tm__text_write_csv(tm_str text, tm_buf *out) {
    bool quote = false;
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];
        quote = quote || c == ',' || c == '"' || c == '\n' || c == '\r';
    }
    if (!quote) {
        return tm__buf_append(out, text.ptr, text.len);
    }
    (void)tm__buf_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"') {
            (void)tm__buf_byte(out, '"');
        }
        (void)tm__buf_byte(out, (uint8_t)text.ptr[i]);
    }
    return tm__buf_byte(out, '"');
}

static bool write_int(int64_t value, tm_buf *out) {
    char text[20];
    char *p = text + sizeof(text);
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        *--p = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0) {
        *--p = '-';
    }
    return tm__buf_append(out, p, (size_t)(text + sizeof(text) - p));
}

bool tm__cell_write_csv(const tm_cell *cell, tm_buf *out) {
    char text[64];
    switch (cell->type) {
    case TM_TYPE_NONE:
        return true;
    case TM_TYPE_BOOL:
        return tm__buf_text(out, cell->i64 != 0 ? "true" : "false");
    case TM_TYPE_INT:
        return write_int(cell->i64, out);
    case TM_TYPE_FLOAT:
        return !isfinite(cell->f64) || tm__buf_append(out, text, tm__f64_to_text(cell->f64, text));
    case TM_TYPE_TEXT:
        return tm__text_write_csv(cell->text, out);
    case TM_TYPE_DATE:
        return tm__buf_append(out, text, tm__date_to_text(cell->i64, text));
    case TM_TYPE_TIME:
        return tm__buf_append(out, text, tm__time_to_text(cell->i64, text));
    }
    return true;
}
