/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "table/sketch.h"
#include "test.h"

static tm_sketch *make(uint32_t n) {
    tm_sketch *const s = tm__sketch_create();
    for (uint32_t i = 0; i < n; i++) {
        char text[32];
        const int len = snprintf(text, sizeof(text), "%u", i % 3000);
        const tm_sketch_cell cell = {.text = {text, (size_t)len},
                                     .f64 = i % 3000,
                                     .i64 = i % 3000,
                                     .has_number = true,
                                     .has_int = true,
                                     .has_time = i % 2 == 0,
                                     .time_us = (int64_t)i * 1000000,
                                     .evidence = 1u << (i % 5)};
        assert_true(tm__sketch_add(s, &cell));
    }
    tm__sketch_add_missing(s, n / 7);
    return s;
}

static void what_is_read_back_is_the_same(void **state) {
    (void)state;
    const uint32_t sizes[] = {0, 1, 500, 20000};
    for (uint32_t i = 0; i < 4; i++) {
        tm_sketch *const s = make(sizes[i]);
        tm_sketch *back = NULL;
        tm_buf a, b;
        tm_reader in;
        tm_err err = {0};
        tm__buf_init(&a, 1 << 20);
        tm__buf_init(&b, 1 << 20);
        tm__sketch_write(s, &a);
        tm__reader_init(&in, a.data, a.len);
        assert_int_equal(tm__sketch_read(&in, &back, &err), TM_OK);
        assert_true(tm__reader_is_done(&in));
        tm__sketch_write(back, &b);
        assert_true(a.len == b.len && memcmp(a.data, b.data, a.len) == 0);
        /* Both go on alike. */
        tm_sketch *const more = make(700);
        tm__buf_reset(&a);
        tm__buf_reset(&b);
        assert_true(tm__sketch_merge(s, more) && tm__sketch_merge(back, more));
        tm__sketch_write(s, &a);
        tm__sketch_write(back, &b);
        assert_true(a.len == b.len && memcmp(a.data, b.data, a.len) == 0);
        tm__sketch_free(s);
        tm__sketch_free(back);
        tm__sketch_free(more);
        tm__buf_done(&a);
        tm__buf_done(&b);
    }
}

static tm_status read_bytes(const uint8_t *bytes, size_t len, char message[256]) {
    tm_sketch *back = NULL;
    tm_reader in;
    tm_err err = {0};
    tm__reader_init(&in, bytes, len);
    const tm_status st = tm__sketch_read(&in, &back, &err);
    tm__sketch_free(back);
    (void)snprintf(message, 256, "%s", err.message);
    return st;
}

static void damage_is_told(void **state) {
    (void)state;
    tm_sketch *const s = make(600);
    const uint64_t alive = tm__mem_alive();
    tm_buf out;
    char message[256];
    tm__buf_init(&out, 1 << 20);
    tm__sketch_write(s, &out);
    for (size_t at = 0; at < out.len; at += 13) {
        out.data[at] ^= 0x40;
        const tm_status st = read_bytes(out.data, out.len, message);
        assert_true(st == TM_E_INTEGRITY || (st == TM_E_UNSUPPORTED && at >= 4 && at < 8));
        out.data[at] ^= 0x40;
        assert_int_equal(read_bytes(out.data, at, message), TM_E_INTEGRITY);
    }
    out.data[4] = 3;
    assert_int_equal(read_bytes(out.data, out.len, message), TM_E_UNSUPPORTED);
    assert_string_equal(message, "the profile is of version 3, this release reads 2");
    out.data[4] = 2;
    /* Right check sum, wrong content: more missing rows than rows. */
    out.data[16] = 0;
    out.data[17] = 0;
    const uint32_t crc = tm__crc32c(0, out.data, out.len - 4);
    memcpy(out.data + out.len - 4, &crc, 4);
    assert_int_equal(read_bytes(out.data, out.len, message), TM_E_INTEGRITY);
    assert_string_equal(message, "the profile does not agree with itself");
    tm__buf_done(&out);
    tm__sketch_free(s);
    (void)alive;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_back_is_the_same),
        cmocka_unit_test(damage_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
