/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as the profile of a segment. After an even first byte the check sums of its sketches
 * are made right, so that the bytes reach the reader's own checks: a profile that is read must
 * merge, be told, and be written so that it reads the same again.
 */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "source/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define INPUT_MAX 65536u

static uint64_t number_at(const uint8_t *at, uint32_t n_bytes) {
    uint64_t value = 0;
    for (uint32_t i = 0; i < n_bytes; i++) {
        value |= (uint64_t)at[i] << (8 * i);
    }
    return value;
}

/* Bytes of a profile whose sketches get the check sums that are right for what is in them, as far
 * as columns can be followed. */
static void put_mended(tm_buf *out, const uint8_t *data, size_t len) {
    enum { HEAD = 20, FRAME = 16, SUM = 4 };
    size_t at = HEAD;
    (void)tm__buf_append(out, data, len);
    while (at + 4 <= len) {
        const uint64_t n_name = number_at(data + at, 4);
        if (n_name > len - at - 4) {
            return;
        }
        at += 4 + (size_t)n_name + 1; /* name and type */
        if (at > len || len - at < FRAME + SUM || memcmp(data + at, "TMSK", 4) != 0) {
            return;
        }
        const uint64_t n_sketch = number_at(data + at + 8, 8);
        if (n_sketch > len - at - FRAME - SUM) {
            return;
        }
        const size_t end = at + FRAME + (size_t)n_sketch;
        const uint32_t sum = tm__crc32c(0, out->data + at, end - at);
        for (uint32_t i = 0; i < SUM; i++) {
            out->data[end + i] = (uint8_t)(sum >> (8 * i));
        }
        at = end + SUM;
    }
}

static void write_profile(const tm_profile_sheet *sheet, tm_buf *out) {
    tm__buf_reset(out);
    tm__profile_write(sheet, out);
}

static void use_profile(tm_profile_sheet *sheet, tm_buf *room) {
    const tm_profile_words words = {.shows_values = true};
    tm_profile_sheet *back = NULL, *twice = tm__profile_create();
    tm_buf again;
    json_t *const told = tm__profile_to_json(sheet, &words);
    if (told == NULL || json_array_size(json_object_get(told, "columns")) > 65536) {
        abort();
    }
    json_decref(told);
    write_profile(sheet, room);
    if (tm__profile_read_bytes(room->data, room->len, &back, NULL) != TM_OK ||
        tm__profile_rows(back) != tm__profile_rows(sheet)) {
        abort();
    }
    tm__buf_init(&again, (size_t)64 << 20);
    write_profile(back, &again);
    if (again.len != room->len || memcmp(again.data, room->data, again.len) != 0) {
        abort();
    }
    tm__buf_done(&again);
    /* Rows that are too many together are refused; nothing else is. */
    if (twice == NULL || tm__profile_merge(twice, sheet, NULL) != TM_OK) {
        abort();
    }
    (void)!tm__profile_merge(twice, back, NULL);
    tm__profile_free(back);
    tm__profile_free(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    tm_buf buf;
    tm_err err = {0};
    tm_profile_sheet *sheet = NULL;
    if (len < 1 || len > INPUT_MAX) {
        return 0;
    }
    tm__buf_init(&buf, (size_t)64 << 20);
    if (data[0] % 2 == 0) {
        put_mended(&buf, data + 1, len - 1);
    } else {
        (void)tm__buf_append(&buf, data + 1, len - 1);
    }
    if (tm__profile_read_bytes(buf.data, buf.len, &sheet, &err) == TM_OK) {
        use_profile(sheet, &buf);
    } else if (err.message[0] == '\0' || sheet != NULL) {
        abort();
    }
    tm__profile_free(sheet);
    tm__buf_done(&buf);
    return 0;
}
