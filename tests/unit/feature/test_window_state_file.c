/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "feature/window.h"
#include "test.h"

static const tm_window_input inputs[] = {{TM_TYPE_FLOAT, 4}, {TM_TYPE_TEXT, 0}};
static const tm_window_feature features[] = {
    {.fn = TM_WINDOW_LAG, .column = 0, .lag = 1},
    {.fn = TM_WINDOW_MEAN, .column = 0},
    {.fn = TM_WINDOW_MAX, .column = 0},
    {.fn = TM_WINDOW_DISTINCT, .column = 1, .n_last = 2},
};
static const tm_window_plan plan = {2, inputs, 4, features, 0};

/* Where things stand in the bytes of the state below: rows of 20, 30 and 40; 0 and 10 are past. */
enum {
    AT_VERSION = 4,
    AT_NEWEST = 16,
    AT_ROWS = 24,
    AT_FIRST = 32, /* three rows of 24 bytes */
    AT_SECOND = 56,
    AT_PAST = 104,                      /* n, then two entries of 16 */
    AT_EXTREME = AT_PAST + 40 + 32 + 8, /* behind what the mean keeps, and n */
    LEN = AT_EXTREME + 8 + 4
};

static void make(tm_buf *out) {
    tm_window_state *const s = tm__window_state_create(&plan);
    assert_non_null(s);
    for (uint64_t i = 0; i < 5; i++) {
        const uint64_t cells[] = {tm__window_cell_f64((double)i), i % 2};
        assert_int_equal(tm__window_state_add(s, (int64_t)(10 * i), cells, INT64_MAX, NULL), TM_OK);
    }
    tm__buf_init(out, 4096);
    tm__window_state_write(s, &plan, out);
    tm__window_state_free(s);
    assert_int_equal(out->len, LEN);
}

static tm_status read_status(const uint8_t *data, size_t len) {
    tm_window_state *s = NULL;
    const uint64_t alive = tm__mem_alive();
    const tm_status st = tm__window_state_read(&plan, data, len, &s, NULL);
    assert_true((st == TM_OK) == (s != NULL));
    tm__window_state_free(s);
    assert_int_equal(tm__mem_alive(), alive);
    return st;
}

static void any_change_of_a_byte_is_noticed(void **state) {
    (void)state;
    tm_buf bytes;
    make(&bytes);
    assert_int_equal(read_status(bytes.data, bytes.len), TM_OK);
    for (size_t i = 0; i < bytes.len; i++) {
        assert_int_equal(read_status(bytes.data, i), TM_E_INTEGRITY);
        bytes.data[i] ^= 0x10;
        assert_int_equal(read_status(bytes.data, bytes.len), TM_E_INTEGRITY);
        bytes.data[i] ^= 0x10;
    }
    tm__buf_done(&bytes);
}

static void mend(tm_buf *bytes) {
    const uint32_t sum = tm__crc32c(0, bytes->data, bytes->len - 4);
    for (uint32_t i = 0; i < 4; i++) {
        bytes->data[bytes->len - 4 + i] = (uint8_t)(sum >> 8 * i);
    }
}

/* With a sum that is right, so that what is inside is looked at. */
static void what_could_not_have_been_written_is_refused(void **state) {
    (void)state;
    const uint64_t other_nan = UINT64_C(0x7ff8000000000001), minus_zero = UINT64_C(1) << 63;
    const struct {
        const char *name;
        size_t at;
        uint64_t value;
    } cases[] = {
        {"version", AT_VERSION, 2},
        {"newest is not the last", AT_NEWEST, 41},
        {"no rows, but a newest", AT_ROWS, 0},
        {"more rows than bytes", AT_ROWS, 1000},
        {"more rows than numbers", AT_ROWS, UINT64_MAX},
        {"rows fall", AT_FIRST, 45},
        {"a row that was never known", AT_FIRST, UINT64_C(1) << 63},
        {"a NaN of another form", AT_FIRST + 8, other_nan},
        {"-0", AT_FIRST + 8, minus_zero},
        {"a code of 33 bits", AT_SECOND + 16, UINT64_C(1) << 32},
        {"past of three", AT_PAST, 3},
        {"past falls", AT_PAST + 8, 25},
        {"past behind the rows", AT_PAST + 24, 35},
        {"a missing value in the past", AT_PAST + 16, UINT64_C(0x7ff8000000000000)},
        {"an extreme that is none", AT_EXTREME, UINT64_C(0x7ff0000000000000)},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_buf bytes;
        make(&bytes);
        for (uint32_t k = 0; k < (i == 0 ? 4 : 8); k++) {
            bytes.data[cases[i].at + k] = (uint8_t)(cases[i].value >> 8 * k);
        }
        mend(&bytes);
        if (read_status(bytes.data, bytes.len) != TM_E_INTEGRITY) {
            fail_msg("%s is taken", cases[i].name);
        }
        tm__buf_done(&bytes);
    }
}

static void bytes_of_another_plan_are_refused(void **state) {
    (void)state;
    tm_buf bytes;
    tm_window_state *s = NULL;
    tm_window_feature others[4];
    make(&bytes);
    memcpy(others, features, sizeof(others));
    others[3].n_last = 3;
    const tm_window_plan other = {2, inputs, 4, others, 0}, late = {2, inputs, 4, features, 1};
    assert_int_equal(tm__window_state_read(&other, bytes.data, bytes.len, &s, NULL),
                     TM_E_INTEGRITY);
    assert_int_equal(tm__window_state_read(&late, bytes.data, bytes.len, &s, NULL), TM_E_INTEGRITY);
    assert_true(tm__buf_u32(&bytes, 0)); /* something behind it */
    mend(&bytes);
    assert_int_equal(read_status(bytes.data, bytes.len), TM_E_INTEGRITY);
    tm__buf_done(&bytes);
}

static void memory_that_fails_is_said(void **state) {
    (void)state;
    tm_buf bytes;
    make(&bytes);
    tm_status st = TM_E_NOMEM;
    uint64_t nth = 1;
    for (; st != TM_OK; nth++) {
        tm__mem_fail_at(nth, false);
        st = read_status(bytes.data, bytes.len);
        tm__mem_fail_at(0, false);
        assert_true(st == TM_OK || st == TM_E_NOMEM);
    }
    assert_true(nth > 4);
    tm__buf_done(&bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_change_of_a_byte_is_noticed),
        cmocka_unit_test(what_could_not_have_been_written_is_refused),
        cmocka_unit_test(bytes_of_another_plan_are_refused),
        cmocka_unit_test(memory_that_fails_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
