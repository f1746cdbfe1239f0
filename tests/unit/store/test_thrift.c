/* SPDX-License-Identifier: Apache-2.0 */
#include "store/thrift.h"

#include "test.h"

static tm_buf out;

static void check_bytes(const uint8_t *bytes, size_t n) {
    assert_false(out.failed);
    assert_int_equal(out.len, n);
    assert_memory_equal(out.data, bytes, n);
    tm__buf_done(&out);
}

#define assert_bytes(...)                                                                          \
    check_bytes((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void numbers_take_as_many_bytes_as_they_need(void **state) {
    (void)state;
    tm__buf_init(&out, 1000);
    tm__thrift_varint(&out, 300);
    tm__thrift_number(&out, -1);
    tm__thrift_number(&out, 64);
    assert_bytes(0xac, 0x02, 0x01, 0x80, 0x01);
    tm__buf_init(&out, 1000);
    tm__thrift_number(&out, INT64_MIN);
    assert_bytes(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01);
}

static void fields_say_how_far_they_are_from_the_one_before(void **state) {
    (void)state;
    tm__buf_init(&out, 1000);
    tm_thrift at = {.out = &out};
    tm__thrift_i32(&at, 1, 2);
    tm__thrift_i64(&at, 16, -2);
    tm__thrift_bool(&at, 32, false);
    tm_thrift inner = tm__thrift_struct(&at, 33);
    tm__thrift_str(&inner, 2, tm__str("ab"));
    tm__thrift_end(&inner);
    tm__thrift_end(&at);
    assert_bytes(0x15, 0x04, 0xf6, 0x03, 0x02, 0x40, 0x1c, 0x28, 0x02, 'a', 'b', 0x00, 0x00);
}

static void lists_of_fifteen_and_more_have_a_longer_header(void **state) {
    (void)state;
    tm__buf_init(&out, 1000);
    tm_thrift at = {.out = &out};
    tm__thrift_list(&at, 1, TM_THRIFT_I32, 14);
    tm__thrift_list(&at, 2, TM_THRIFT_STRUCT, 15);
    tm__thrift_list(&at, 3, TM_THRIFT_BINARY, 0);
    assert_bytes(0x19, 0xe5, 0x19, 0xfc, 0x0f, 0x19, 0x08);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_take_as_many_bytes_as_they_need),
        cmocka_unit_test(fields_say_how_far_they_are_from_the_one_before),
        cmocka_unit_test(lists_of_fifteen_and_more_have_a_longer_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
