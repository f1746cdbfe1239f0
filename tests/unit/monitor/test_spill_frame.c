/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "monitor/monitor.h"
#include "monitor/spill_frame.h"
#include "store/vault.h"
#include "table/table.h"
#include "temp_home.h"

#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define ENTITY "anna@example.org"

static void seal(const tm_home *home) {
    char id[TM_ENVELOPE_ID_TEXT];
    assert_int_equal(setenv("TM_TEST_KEY", KEY, 1), 0);
    assert_int_equal(tm__vault_use(home, "env:TM_TEST_KEY", id, NULL), TM_OK);
}

static char *path_of(const tm_home *home) {
    char *const path = tm__fs_join(tm__home_path(home), "spill/1.tms");
    assert_non_null(path);
    return path;
}

static void write_file(const char *path, tm_buf *out) {
    static const double output = 0.5;
    tm_buf records;
    tm_vault_parts parts;
    const tm_answer answer = {.id = "A",
                              .entity = tm__str(ENTITY),
                              .event_us = TM_INT_MISSING,
                              .outputs = &output,
                              .n_outputs = 1};
    tm__buf_init(&records, 4096);
    assert_true(tm__answer_append(&answer, &records) && tm__answer_append(&answer, &records));
    const tm_spill_frame stream = {TM_SPILL_STREAM, 0, 0, tm__str("{}")};
    const tm_spill_frame run = {TM_SPILL_RECORDS, 0, 2, {(const char *)records.data, records.len}};
    assert_int_equal(tm__spill_head_write(path, &parts, out, NULL), TM_OK);
    assert_true(tm__spill_frame_write(&stream, &parts, out->len, out) &&
                tm__spill_frame_write(&run, &parts, out->len, out));
    tm__vault_parts_done(&parts);
    tm__buf_done(&records);
}

static uint32_t count_frames(const char *path, const uint8_t *data, size_t len) {
    tm_spill_bytes file;
    tm_spill_frame frame;
    uint32_t n = 0;
    if (tm__spill_bytes_init(&file, path, data, len, NULL) == TM_OK) {
        for (size_t at = file.first; tm__spill_frame_read(&file, &at, &frame);) {
            n++;
        }
    }
    assert_int_equal(file.status, TM_OK);
    tm__spill_bytes_done(&file);
    return n;
}

static void check_frames(const char *path, const tm_buf *bytes) {
    tm_spill_bytes file;
    tm_spill_frame frame;
    assert_int_equal(tm__spill_bytes_init(&file, path, bytes->data, bytes->len, NULL), TM_OK);
    size_t at = file.first;
    assert_true(tm__spill_frame_read(&file, &at, &frame));
    assert_int_equal(frame.kind, TM_SPILL_STREAM);
    assert_true(tm__str_is(frame.bytes, "{}"));
    assert_true(tm__spill_frame_read(&file, &at, &frame));
    assert_int_equal(frame.n, 2);
    assert_non_null(memmem(frame.bytes.ptr, frame.bytes.len, ENTITY, strlen(ENTITY)));
    assert_int_equal(at, bytes->len);
    assert_false(tm__spill_frame_read(&file, &at, &frame));
    tm__spill_bytes_done(&file);
}

static void frames_come_back_as_they_were_written(void **state) {
    char *const path = path_of(*state);
    char by[TM_ENVELOPE_ID_TEXT];
    for (int is_sealed = 0; is_sealed < 2; is_sealed++) {
        tm_buf file;
        tm__buf_init(&file, 4096);
        write_file(path, &file);
        check_frames(path, &file);
        assert_int_equal(memmem(file.data, file.len, ENTITY, strlen(ENTITY)) == NULL, is_sealed);
        assert_int_equal(tm__spill_sealed_by(file.data, file.len, by), is_sealed);
        tm__buf_done(&file);
        seal(*state);
    }
    tm__mem_free(path);
}

/* Wherever a kill tears the file, whatever byte is another: nothing that was not written is read.
 */
static void what_is_not_whole_is_not_read(void **state) {
    char *const path = path_of(*state);
    for (int is_sealed = 0; is_sealed < 2; is_sealed++) {
        tm_buf file;
        tm__buf_init(&file, 4096);
        write_file(path, &file);
        for (size_t len = 0; len < file.len; len++) {
            assert_true(count_frames(path, file.data, len) < 2);
        }
        for (size_t i = 0; i < file.len; i++) {
            file.data[i] ^= 0x41;
            assert_true(count_frames(path, file.data, file.len) < 2);
            file.data[i] ^= 0x41;
        }
        assert_int_equal(count_frames(path, file.data, file.len), 2);
        tm__buf_done(&file);
        seal(*state);
    }
    tm__mem_free(path);
}

/* Under another name the key in the head does not open; at another place a frame does not. */
static void a_sealed_frame_opens_in_its_place_only(void **state) {
    char *const path = path_of(*state);
    tm_buf file, moved;
    seal(*state);
    tm__buf_init(&file, 4096);
    tm__buf_init(&moved, 8192);
    write_file(path, &file);
    const size_t first = TM_SPILL_HEAD + TM_VAULT_PARTS_HEAD;
    assert_true(tm__buf_append(&moved, file.data, file.len) &&
                tm__buf_append(&moved, file.data + first, file.len - first));
    assert_int_equal(count_frames(path, moved.data, moved.len), 2);
    assert_int_equal(count_frames("home/spill/2.tms", file.data, file.len), 0);
    char *const other = tm__fs_join(tm__home_path(*state), "spill/2.tms");
    assert_int_equal(count_frames(other, file.data, file.len), 0);
    tm__mem_free(other);
    tm__buf_done(&moved);
    tm__buf_done(&file);
    tm__mem_free(path);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(frames_come_back_as_they_were_written),
        TEST(what_is_not_whole_is_not_read),
        TEST(a_sealed_frame_opens_in_its_place_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
