/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "monitor/monitor.h"
#include "monitor/spill_frame.h"
#include "table/table.h"

static void write_file(tm_buf *out) {
    static const double output = 0.5;
    tm_buf records;
    const tm_answer answer = {
        .id = "A", .event_us = TM_INT_MISSING, .outputs = &output, .n_outputs = 1};
    tm__buf_init(&records, 4096);
    assert_true(tm__answer_append(&answer, &records) && tm__answer_append(&answer, &records));
    const tm_spill_frame stream = {TM_SPILL_STREAM, 0, 0, tm__str("{}")};
    const tm_spill_frame run = {TM_SPILL_RECORDS, 0, 2, {(const char *)records.data, records.len}};
    assert_true(tm__spill_head_write(out) && tm__spill_frame_write(&stream, out) &&
                tm__spill_frame_write(&run, out));
    tm__buf_done(&records);
}

static uint32_t count_frames(const uint8_t *data, size_t len) {
    tm_spill_frame frame;
    uint32_t n = 0;
    size_t at = TM_SPILL_HEAD;
    while (tm__spill_head_check(data, len) && tm__spill_frame_read(data, len, &at, &frame)) {
        n++;
    }
    return n;
}

static void frames_come_back_as_they_were_written(void **state) {
    (void)state;
    tm_buf file;
    tm_spill_frame frame;
    size_t at = TM_SPILL_HEAD;
    tm__buf_init(&file, 4096);
    write_file(&file);
    assert_true(tm__spill_head_check(file.data, file.len));
    assert_true(tm__spill_frame_read(file.data, file.len, &at, &frame));
    assert_int_equal(frame.kind, TM_SPILL_STREAM);
    assert_true(tm__str_is(frame.bytes, "{}"));
    assert_true(tm__spill_frame_read(file.data, file.len, &at, &frame));
    assert_int_equal(frame.n, 2);
    assert_int_equal(at, file.len);
    assert_false(tm__spill_frame_read(file.data, file.len, &at, &frame));
    tm__buf_done(&file);
}

/* Wherever a kill tears the file, whatever byte is another: nothing that was not written is read.
 */
static void what_is_not_whole_is_not_read(void **state) {
    (void)state;
    tm_buf file;
    tm__buf_init(&file, 4096);
    write_file(&file);
    for (size_t len = 0; len < file.len; len++) {
        assert_true(count_frames(file.data, len) < 2);
    }
    for (size_t i = 0; i < file.len; i++) {
        file.data[i] ^= 0x41;
        assert_true(count_frames(file.data, file.len) < 2);
        file.data[i] ^= 0x41;
    }
    assert_int_equal(count_frames(file.data, file.len), 2);
    tm__buf_done(&file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_back_as_they_were_written),
        cmocka_unit_test(what_is_not_whole_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
