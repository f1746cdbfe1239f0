/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/mem.h"
#include "bundle_data.h"

static void save(const tm_reference *reference, tm_buf *out) {
    tm__buf_init(out, 1u << 20);
    tm__reference_save(reference, out);
    assert_false(out->failed);
}

/* A copy, since a short read must not find what lies behind. */
static tm_status load(const uint8_t *data, size_t len, tm_reference **out, tm_err *err) {
    uint8_t *const copy = tm__mem_alloc(len, 1);
    memcpy(copy, data, len);
    const tm_status st = tm__reference_load(copy, len, out, err);
    tm__mem_free(copy);
    return st;
}

static void a_reference_comes_back_as_it_was(void **state) {
    (void)state;
    static const tm_task tasks[] = {TM_TASK_BINARY, TM_TASK_MULTICLASS, TM_TASK_REGRESSION};
    for (size_t i = 0; i < 3; i++) {
        bundle_data *const data = bundle_data_create(300, tasks[i], "baseline");
        tm_reference *back = NULL;
        tm_buf first, again;
        save(data->reference, &first);
        assert_int_equal(load(first.data, first.len, &back, NULL), TM_OK);
        save(back, &again);
        assert_int_equal(first.len, again.len);
        assert_memory_equal(first.data, again.data, first.len);
        tm__reference_free(back);
        tm__buf_done(&first);
        tm__buf_done(&again);
        bundle_data_free(data);
    }
}

static void what_is_cut_or_longer_is_refused(void **state) {
    (void)state;
    bundle_data *const data = bundle_data_create(300, TM_TASK_BINARY, "baseline");
    tm_reference *back = NULL;
    tm_buf buf;
    tm_err err = {0};
    save(data->reference, &buf);
    for (size_t len = 0; len < buf.len; len++) {
        assert_int_equal(load(buf.data, len, &back, &err), TM_E_INTEGRITY);
    }
    (void)tm__buf_u8(&buf, 0);
    assert_int_equal(load(buf.data, buf.len, &back, &err), TM_E_INTEGRITY);
    assert_string_equal(err.message, "the reference has wrong length");
    buf.data[4] = 2;
    assert_int_equal(load(buf.data, buf.len, &back, &err), TM_E_UNSUPPORTED);
    assert_null(back);
    tm__buf_done(&buf);
    bundle_data_free(data);
}

/* Whatever a byte becomes: refused, or a reference that gives just these bytes again. */
static void every_byte_counts(void **state) {
    (void)state;
    static const uint8_t flips[] = {0x01, 0x80, 0xFF};
    bundle_data *const data = bundle_data_create(300, TM_TASK_BINARY, "baseline");
    tm_buf buf, again;
    save(data->reference, &buf);
    for (size_t i = 0; i < 3 * buf.len; i++) {
        tm_reference *back = NULL;
        tm_err err = {0};
        buf.data[i / 3] ^= flips[i % 3];
        const tm_status st = load(buf.data, buf.len, &back, &err);
        if (st == TM_OK) {
            save(back, &again);
            assert_int_equal(again.len, buf.len);
            assert_memory_equal(again.data, buf.data, buf.len);
            tm__buf_done(&again);
        } else {
            assert_true(st == TM_E_INTEGRITY || st == TM_E_UNSUPPORTED);
            assert_null(back);
        }
        tm__reference_free(back);
        buf.data[i / 3] ^= flips[i % 3];
    }
    tm__buf_done(&buf);
    bundle_data_free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reference_comes_back_as_it_was),
        cmocka_unit_test(what_is_cut_or_longer_is_refused),
        cmocka_unit_test(every_byte_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
