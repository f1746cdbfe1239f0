/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <zstd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "source/csv_priv.h"
#include "support.h"
#include "test.h"

#define PATH "csv-input"

/* "hello\n" by gzip. */
static const uint8_t hello_gz[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
                                   0x03, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0xe7, 0x02, 0x00,
                                   0x20, 0x30, 0x3a, 0x36, 0x06, 0x00, 0x00, 0x00};

static void write_file(const void *data, size_t len) {
    assert_int_equal(tm__fs_publish(PATH, data, len, NULL), TM_OK);
}

/* All bytes of the file, read in steps. */
static tm_status read_file(size_t step, tm_buf *out, tm_err *err) {
    tm_input *input = NULL;
    TM_TRY(tm__input_open(PATH, 1u << 18, &input, err));
    tm_status st = TM_OK;
    size_t n = step;
    while (st == TM_OK && n == step) {
        uint8_t bytes[4096];
        n = 0;
        st = tm__input_read(input, bytes, step, &n, err);
        (void)tm__buf_append(out, bytes, n);
    }
    tm__input_close(input);
    return st;
}

static void assert_reads(const void *want, size_t len) {
    const size_t steps[] = {1, 7, 4096};
    for (size_t i = 0; i < 3; i++) {
        tm_buf got;
        tm__buf_init(&got, 64u << 20);
        assert_int_equal(read_file(steps[i], &got, NULL), TM_OK);
        assert_int_equal(got.len, len);
        assert_memory_equal(len == 0 ? "" : (const char *)got.data, want, len);
        tm__buf_done(&got);
    }
}

static void plain_bytes_come_as_they_are(void **state) {
    (void)state;
    write_file("hello\n", 6);
    assert_reads("hello\n", 6);
    write_file("", 0);
    assert_reads("", 0);
}

static void gzip_is_unpacked_member_by_member(void **state) {
    (void)state;
    uint8_t twice[2 * sizeof(hello_gz)];
    memcpy(twice, hello_gz, sizeof(hello_gz));
    memcpy(twice + sizeof(hello_gz), hello_gz, sizeof(hello_gz));
    write_file(twice, sizeof(twice));
    assert_reads("hello\nhello\n", 12);
}

static void zstandard_is_unpacked(void **state) {
    (void)state;
    static char text[300000];
    static uint8_t packed[400000];
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = (char)('a' + i * i % 23);
    }
    const size_t len = ZSTD_compress(packed, sizeof(packed), text, sizeof(text), 1);
    write_file(packed, len);
    tm_buf got;
    tm__buf_init(&got, 64u << 20);
    assert_int_equal(read_file(4096, &got, NULL), TM_OK);
    assert_int_equal(got.len, sizeof(text));
    assert_memory_equal(got.data, text, sizeof(text));
    tm__buf_done(&got);
}

static void packed_bytes_cut_anywhere_are_an_error(void **state) {
    (void)state;
    uint8_t packed[64];
    const size_t len = ZSTD_compress(packed, sizeof(packed), "hello\n", 6, 1);
    for (size_t cut = 4; cut < sizeof(hello_gz); cut++) {
        tm_buf got;
        tm_err err = {0};
        tm__buf_init(&got, 4096);
        write_file(hello_gz, cut);
        assert_int_equal(read_file(4096, &got, &err), TM_E_DATA);
        assert_string_equal(err.message, "the packed data are cut short");
        assert_string_equal(err.data_path, PATH);
        if (cut < len) {
            write_file(packed, cut);
            assert_int_equal(read_file(4096, &got, &err), TM_E_DATA);
        }
        tm__buf_done(&got);
    }
}

static void damaged_packed_bytes_are_an_error(void **state) {
    (void)state;
    uint8_t bytes[sizeof(hello_gz)];
    memcpy(bytes, hello_gz, sizeof(bytes));
    bytes[19] ^= 0x40; /* the checksum */
    tm_buf got;
    tm_err err = {0};
    tm__buf_init(&got, 4096);
    write_file(bytes, sizeof(bytes));
    assert_int_equal(read_file(4096, &got, &err), TM_E_DATA);
    assert_string_equal(err.message, "the packed data are damaged");
    tm__buf_done(&got);
}

static void a_look_at_the_first_bytes_takes_nothing(void **state) {
    (void)state;
    for (size_t n = 1; n <= 24; n++) {
        tm_input *input = NULL;
        const char *head = NULL;
        char bytes[64] = "";
        size_t len = 0;
        write_file(hello_gz, sizeof(hello_gz));
        assert_int_equal(tm__input_open(PATH, 16, &input, NULL), TM_OK);
        assert_int_equal(tm__input_peek(input, n, &head, &len, NULL), TM_OK);
        assert_int_equal(len, n < 6u ? n : 6u);
        assert_memory_equal(head, "hello\n", len < 6 ? len : 6);
        size_t got = 0;
        for (size_t step = 1; step > 0; got += step) { /* across the end of what was looked at */
            assert_int_equal(tm__input_read(input, bytes + got, 2, &step, NULL), TM_OK);
        }
        assert_int_equal(got, 6u);
        assert_memory_equal(bytes, "hello\n", 6);
        tm__input_close(input);
    }
}

static void running_out_of_memory_leaks_nothing(void **state) {
    (void)state;
    write_file(hello_gz, sizeof(hello_gz));
    const uint64_t alive = tm__mem_alive();
    tm_status st = TM_E_NOMEM;
    for (uint64_t nth = 1; st != TM_OK; nth++) {
        tm_input *input = NULL;
        tm__mem_fail_at(nth, false);
        st = tm__input_open(PATH, 1u << 18, &input, NULL);
        tm__mem_fail_at(0, false);
        tm__input_close(input);
        assert_true(st == TM_OK || st == TM_E_NOMEM || st == TM_E_UNAVAILABLE);
        assert_true(tm__mem_alive() == alive);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_bytes_come_as_they_are),
        cmocka_unit_test(gzip_is_unpacked_member_by_member),
        cmocka_unit_test(zstandard_is_unpacked),
        cmocka_unit_test(packed_bytes_cut_anywhere_are_an_error),
        cmocka_unit_test(damaged_packed_bytes_are_an_error),
        cmocka_unit_test(a_look_at_the_first_bytes_takes_nothing),
        cmocka_unit_test(running_out_of_memory_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
