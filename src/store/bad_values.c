/* SPDX-License-Identifier: Apache-2.0 */
#include "store/bad_values.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"

#define DAY_US INT64_C(86400000000)
#define CYCLE_DAYS INT64_C(146097) /* the calendar repeats after 400 years */
#define BYTES_MAX ((size_t)1 << 32)

static const char *const texts[TM_BAD_KINDS] = {
    [TM_BAD_ENCODING] = "the text is not UTF-8",
    [TM_BAD_NUMBER] = "the number is larger than a double",
    [TM_BAD_WHOLE] = "the number is out of the range of whole numbers",
    [TM_BAD_TIME] = "there is no such day, or it is too far away",
    [TM_BAD_LONG] = "the value is longer than can be taken"};

const char *tm__bad_kind_text(tm_bad_kind kind) {
    return texts[kind];
}

bool tm__bad_values_add(tm_bad_values *bad, const tm_bad_value *value) {
    if (bad->n == bad->capacity) {
        const uint32_t capacity = bad->capacity == 0 ? 16 : bad->capacity * 2;
        tm_bad_item *const items = tm__mem_realloc(bad->items, capacity, sizeof(*items));
        if (items == NULL) {
            return false;
        }
        bad->items = items;
        bad->capacity = capacity;
    }
    if (bad->bytes.size_max == 0) {
        tm__buf_init(&bad->bytes, BYTES_MAX);
    }
    /* One byte more says that it was longer. */
    const size_t len =
        value->value.len > TM_MAX_TEXT_BYTES ? TM_MAX_TEXT_BYTES + 1 : value->value.len;
    const size_t start = bad->bytes.len;
    if (!tm__buf_append(&bad->bytes, value->value.ptr, len)) {
        return false;
    }
    bad->items[bad->n++] =
        (tm_bad_item){value->row, value->col, (uint32_t)value->kind, (uint32_t)len, start};
    return true;
}

static int compare(const void *a, const void *b) {
    const tm_bad_item *const x = a, *const y = b;
    return x->row != y->row ? (x->row > y->row) - (x->row < y->row)
                            : (x->col > y->col) - (x->col < y->col);
}

void tm__bad_values_sort(tm_bad_values *bad) {
    if (bad->n > 1) {
        qsort(bad->items, bad->n, sizeof(*bad->items), compare);
    }
}

uint32_t tm__bad_values_find(const tm_bad_values *bad, uint64_t row) {
    uint32_t low = 0, high = bad == NULL ? 0 : bad->n;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (bad->items[middle].row < row) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

tm_bad_value tm__bad_values_get(const tm_bad_values *bad, uint32_t i) {
    const tm_bad_item *const item = &bad->items[i];
    const char *const bytes = (const char *)bad->bytes.data;
    return (tm_bad_value){.row = item->row,
                          .col = item->col,
                          .kind = (tm_bad_kind)item->kind,
                          .value = {item->len == 0 ? "" : bytes + item->start, item->len}};
}

bool tm__bad_values_take_rows(const tm_bad_values *bad, const uint32_t *rows, uint64_t n_rows,
                              tm_bad_values *to) {
    const uint32_t n = bad == NULL ? 0 : bad->n;
    uint32_t i = 0;
    for (uint64_t row = 0; row < n_rows && i < n; row++) {
        for (; i < n && bad->items[i].row <= rows[row]; i++) {
            tm_bad_value value = tm__bad_values_get(bad, i);
            const bool is_taken = value.row == rows[row];
            value.row = (uint32_t)row;
            if (is_taken && !tm__bad_values_add(to, &value)) {
                return false;
            }
        }
    }
    return true;
}

bool tm__far_day_text(int64_t day, tm_buf *out) {
    const int64_t cycles = day / CYCLE_DAYS - (day % CYCLE_DAYS < 0 ? 1 : 0);
    tm_civil civil;
    tm__civil_from_us((day - cycles * CYCLE_DAYS) * DAY_US, &civil);
    return tm__buf_printf(out, "%lld-%02u-%02u", (long long)(civil.year + 400 * cycles),
                          (unsigned)civil.month, (unsigned)civil.day);
}

bool tm__far_time_text(int64_t day, int64_t us_of_day, tm_buf *out) {
    tm_civil civil;
    tm__civil_from_us(us_of_day, &civil);
    (void)tm__far_day_text(day, out);
    (void)tm__buf_printf(out, "T%02u:%02u:%02u", (unsigned)civil.hour, (unsigned)civil.minute,
                         (unsigned)civil.second);
    return (civil.us == 0 || tm__buf_printf(out, ".%06u", (unsigned)civil.us)) &&
           tm__buf_byte(out, 'Z');
}

void tm__bad_values_reset(tm_bad_values *bad) {
    bad->n = 0;
    tm__buf_reset(&bad->bytes);
}

void tm__bad_values_done(tm_bad_values *bad) {
    tm__mem_free(bad->items);
    tm__buf_done(&bad->bytes);
    *bad = (tm_bad_values){0};
}
