/* SPDX-License-Identifier: Apache-2.0 */
#include "store/parquet_values.h"

#include "test.h"

static tm_buf out;

static int setup(void **state) {
    (void)state;
    tm__buf_init(&out, 100000);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    tm__buf_done(&out);
    return 0;
}

/* Each byte is of its own number and place: all squares of eight, and what is left of them. */
static void bytes_of_one_place_stand_together(void **state) {
    (void)state;
    for (uint64_t n = 0; n <= 20; n++) {
        uint64_t values[20];
        for (uint64_t i = 0; i < n; i++) {
            values[i] = 0;
            for (uint64_t byte = 0; byte < 8; byte++) {
                values[i] |= (i * 8 + byte) << 8 * byte;
            }
        }
        tm__buf_reset(&out);
        tm__parquet_put_split(&out, values, n);
        assert_int_equal(out.len, 8 * n);
        for (uint64_t at = 0; at < out.len; at++) {
            assert_int_equal(out.data[at], at % n * 8 + at / n);
        }
    }
}

static void bits_are_packed_from_the_lowest(void **state) {
    (void)state;
    static const uint32_t values[] = {0, 1, 2, 3, 4, 5, 6, 7, 5};
    tm__buf_reset(&out);
    tm__parquet_put_bits(&out, values, 9, 3); /* the example of the format, and one more */
    assert_int_equal(out.len, 6);
    assert_memory_equal(out.data, "\x88\xc6\xfa\x05\x00\x00", 6);
}

static void a_value_has_the_bytes_of_its_type(void **state) {
    (void)state;
    static const struct {
        tm_type type;
        uint64_t value;
        size_t len;
        const char *bytes;
    } cases[] = {{TM_TYPE_BOOL, 1, 1, "\1"},
                 {TM_TYPE_INT, (uint64_t)-2, 8, "\xfe\xff\xff\xff\xff\xff\xff\xff"},
                 {TM_TYPE_DATE, UINT64_C(86400000000) * 3, 4, "\3\0\0\0"},
                 {TM_TYPE_TIME, 258, 8, "\2\1\0\0\0\0\0\0"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const tm_column column = {.type = cases[i].type};
        tm__buf_reset(&out);
        tm__parquet_put_plain(&column, &out, &cases[i].value, 1);
        assert_int_equal(out.len, cases[i].len);
        assert_memory_equal(out.data, cases[i].bytes, cases[i].len);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_of_one_place_stand_together),
        cmocka_unit_test(bits_are_packed_from_the_lowest),
        cmocka_unit_test(a_value_has_the_bytes_of_its_type),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
