/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a sketch of a column. The frame with the check sum is made here, so that
 * the bytes reach the reader's own checks; what it takes must write, merge and answer.
 */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "table/sketch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define INPUT_MAX 65536u

static void frame(tm_buf *out, const uint8_t *data, size_t len) {
    (void)tm__buf_append(out, "TMSK", 4);
    (void)tm__buf_u32(out, 1);
    (void)tm__buf_u64(out, len);
    (void)tm__buf_append(out, data, len);
    (void)tm__buf_u32(out, tm__crc32c(0, out->data, out->len));
}

static void use_sketch(tm_sketch *s, tm_buf *room) {
    const double shares[] = {0, 0.25, 0.5, 1};
    tm_sketch *const twice = tm__sketch_create();
    double at[4];
    uint64_t ranks[4];
    bool is_exact = false;
    tm_sketch_item items[8];
    tm_sketch_range range;
    tm_reader in;
    if (twice == NULL || !tm__sketch_merge(twice, s) || !tm__sketch_merge(twice, s)) {
        abort();
    }
    for (int reading = TM_READ_NUMBERS; reading <= TM_READ_TEXTS; reading++) {
        tm__sketch_range(twice, (tm_sketch_reading)reading, &range);
        if (!tm__sketch_quantiles(twice, (tm_sketch_reading)reading, shares, 4, at) ||
            !tm__sketch_ranks(twice, (tm_sketch_reading)reading, shares, 4, ranks)) {
            abort();
        }
        (void)tm__sketch_distinct(twice, (tm_sketch_reading)reading, &is_exact);
    }
    (void)tm__sketch_top(twice, items, 8);
    tm__buf_reset(room);
    tm__sketch_write(s, room);
    tm_sketch *back = NULL;
    tm__reader_init(&in, room->data, room->len);
    if (tm__sketch_read(&in, &back, NULL) != TM_OK) {
        abort();
    }
    tm__sketch_free(back);
    tm__sketch_free(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    tm_buf buf;
    tm_reader in;
    tm_err err = {0};
    tm_sketch *s = NULL;
    if (len > INPUT_MAX) {
        return 0;
    }
    tm__buf_init(&buf, 16 * INPUT_MAX);
    frame(&buf, data, len);
    tm__reader_init(&in, buf.data, buf.len);
    if (tm__sketch_read(&in, &s, &err) == TM_OK) {
        use_sketch(s, &buf);
    } else if (err.message[0] == '\0') {
        abort();
    }
    tm__sketch_free(s);
    tm__buf_done(&buf);
    return 0;
}
