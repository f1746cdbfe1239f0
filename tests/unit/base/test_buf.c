/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "base/fmath.h"
#include "base/mem.h"
#include "support.h"

static void what_is_written_is_read_back(void **state) {
    (void)state;
    tm_buf buf;
    tm__buf_init(&buf, 10000);
    assert_true(tm__buf_u8(&buf, 0xAB));
    assert_true(tm__buf_u16(&buf, 0xABCD));
    assert_true(tm__buf_u32(&buf, 0xDEADBEEF));
    assert_true(tm__buf_u64(&buf, UINT64_C(0x0123456789ABCDEF)));
    assert_true(tm__buf_i64(&buf, INT64_MIN));
    assert_true(tm__buf_f64(&buf, -0.0));
    assert_true(tm__buf_f64(&buf, -NAN));
    assert_true(tm__buf_str(&buf, TM_STR("abc")));
    assert_true(tm__buf_str(&buf, (tm_str){NULL, 0}));
    assert_true(tm__buf_align(&buf, 64));
    assert_int_equal(buf.len % 64, 0);
    assert_int_equal(buf.data[1], 0xCD);
    const uint32_t numbers[3] = {1, 2, 3};
    assert_true(tm__buf_append(&buf, numbers, sizeof(numbers)));

    tm_reader reader;
    tm__reader_init(&reader, buf.data, buf.len);
    assert_int_equal(tm__reader_u8(&reader), 0xAB);
    assert_int_equal(tm__reader_u16(&reader), 0xABCD);
    assert_int_equal(tm__reader_u32(&reader), 0xDEADBEEF);
    assert_true(tm__reader_u64(&reader) == UINT64_C(0x0123456789ABCDEF));
    assert_true(tm__reader_i64(&reader) == INT64_MIN);
    const double zero = tm__reader_f64(&reader);
    assert_true(zero == 0 && signbit(zero));
    assert_true(tm__f64_bits(tm__reader_f64(&reader)) == UINT64_C(0x7FF8000000000000));
    assert_true(tm__str_is(tm__reader_str(&reader), "abc"));
    assert_int_equal(tm__reader_str(&reader).len, 0);
    tm__reader_align(&reader, 64);
    assert_memory_equal(tm__reader_view(&reader, 3, sizeof(uint32_t)), numbers, sizeof(numbers));
    assert_true(tm__reader_is_done(&reader));
    tm__buf_done(&buf);
}

static void a_reader_never_leaves_its_bytes(void **state) {
    (void)state;
    const uint8_t bytes[] = {200, 0, 0, 0, 1, 2};
    tm_reader reader;
    tm__reader_init(&reader, bytes, sizeof(bytes));
    assert_int_equal(tm__reader_str(&reader).len, 0); /* says 200 bytes, has 2 */
    assert_true(reader.failed);
    assert_int_equal(tm__reader_u8(&reader), 0);
    assert_false(tm__reader_is_done(&reader));
    tm__reader_init(&reader, bytes, sizeof(bytes));
    assert_null(tm__reader_view(&reader, UINT64_MAX, 8));
    tm__reader_init(&reader, bytes, sizeof(bytes));
    assert_null(tm__reader_view(&reader, UINT64_MAX / 4 + 2, 4));
    tm__reader_init(&reader, bytes, 5);
    assert_int_equal(tm__reader_u8(&reader), 200);
    tm__reader_align(&reader, 16);
    assert_true(reader.failed);
    tm__reader_init(&reader, NULL, 0);
    assert_true(tm__reader_is_done(&reader));
    assert_int_equal(tm__reader_u64(&reader), 0);
    assert_true(reader.failed);
}

static void the_maximum_is_kept_and_remembered(void **state) {
    (void)state;
    tm_buf buf;
    tm__buf_init(&buf, 10);
    assert_true(tm__buf_text(&buf, "12345678"));
    assert_false(tm__buf_text(&buf, "abc"));
    assert_true(buf.failed);
    assert_false(tm__buf_byte(&buf, 'x'));
    assert_string_equal((char *)buf.data, "12345678");
    tm__buf_reset(&buf);
    assert_true(tm__buf_printf(&buf, "%d", 1234567890));
    assert_int_equal(buf.len, 10);
    assert_false(tm__buf_printf(&buf, "%d", 1));
    tm__buf_reset(&buf);
    /* A text goes in whole or not at all. */
    assert_false(tm__buf_str(&buf, TM_STR("1234567")));
    assert_int_equal(buf.len, 0);
    tm__buf_done(&buf);
    tm__buf_done(&buf);
    tm_buf none;
    tm__buf_init(&none, 0);
    assert_true(tm__buf_append(&none, "", 0));
    assert_false(tm__buf_byte(&none, 1));
    tm__buf_done(&none);
}

static void bytes_can_be_taken_out(void **state) {
    (void)state;
    tm_buf buf;
    size_t len;
    tm__buf_init(&buf, 100);
    assert_true(tm__buf_text(&buf, "hello"));
    uint8_t *bytes = tm__buf_take(&buf, &len);
    assert_int_equal(len, 5);
    assert_string_equal((char *)bytes, "hello");
    assert_null(buf.data);
    assert_true(tm__buf_text(&buf, "again"));
    tm__buf_done(&buf);
    tm__mem_free(bytes);
}

static bool use_buf(void *arg) {
    (void)arg;
    tm_buf buf;
    tm__buf_init(&buf, SIZE_MAX);
    for (uint32_t i = 0; i < 2000; i++) {
        (void)tm__buf_u32(&buf, i);
    }
    (void)tm__buf_printf(&buf, "%s", "x");
    (void)tm__buf_str(&buf, TM_STR("y"));
    const bool is_done = !buf.failed;
    assert_true(!is_done || buf.len == 8006);
    tm__buf_done(&buf);
    return is_done;
}

static void running_out_of_memory_is_remembered(void **state) {
    (void)state;
    test_each_mem_fault(use_buf, NULL);
}

static void a_buffer_knows_why_it_failed(void **state) {
    (void)state;
    tm_buf buf;
    tm__buf_init(&buf, 10);
    assert_int_equal(tm__buf_status(&buf), TM_OK);
    assert_false(tm__buf_text(&buf, "more than ten"));
    assert_int_equal(tm__buf_status(&buf), TM_E_LIMIT);
    tm__buf_reset(&buf);
    tm__mem_fail_at(1, false);
    assert_false(tm__buf_text(&buf, "ten"));
    tm__mem_fail_at(0, false);
    assert_int_equal(tm__buf_status(&buf), TM_E_NOMEM);
    tm__buf_reset(&buf);
    assert_true(tm__buf_text(&buf, "ten"));
    assert_int_equal(tm__buf_status(&buf), TM_OK);
    tm__buf_done(&buf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(a_reader_never_leaves_its_bytes),
        cmocka_unit_test(the_maximum_is_kept_and_remembered),
        cmocka_unit_test(bytes_can_be_taken_out),
        cmocka_unit_test(running_out_of_memory_is_remembered),
        cmocka_unit_test(a_buffer_knows_why_it_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
