/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/mem.h"
#include "monitor/monitor_priv.h"

static const tm_cell cells[] = {
    {.type = TM_TYPE_NONE},
    {.type = TM_TYPE_BOOL, .i64 = 1},
    {.type = TM_TYPE_INT, .i64 = -5},
    {.type = TM_TYPE_FLOAT, .f64 = 0.1},
    {.type = TM_TYPE_TEXT, .text = {"\xC3\xA9t\xC3\xA9", 5}},
    {.type = TM_TYPE_TEXT, .text = {"", 0}},
    {.type = TM_TYPE_DATE, .i64 = 86400000000},
    {.type = TM_TYPE_TIME, .i64 = -1},
};
#define N_CELLS (sizeof(cells) / sizeof(cells[0]))

static const double outputs[] = {0.25, 1e300};
static const tm_answer answer = {.id = "01M8CJ49AG611STC373VSQPHS4",
                                 .event_us = TM_INT_MISSING,
                                 .entity = {"r7", 2},
                                 .cells = cells,
                                 .outputs = outputs,
                                 .n_cells = N_CELLS,
                                 .n_outputs = 2};

static void an_answer_comes_back_as_it_was(void **state) {
    (void)state;
    tm_buf bytes;
    tm_record record;
    tm_cell got[N_CELLS];
    tm__buf_init(&bytes, 4096);
    assert_true(tm__answer_append(&answer, &bytes));
    assert_int_equal(tm__record_stamp(bytes.data, 7, 9), bytes.len);
    tm_str rest = {(const char *)bytes.data, bytes.len};
    assert_true(tm__record_read(&rest, &record));
    assert_int_equal(rest.len, 0);
    assert_true(tm__str_is(record.id, answer.id));
    assert_true(tm__str_is(record.entity, "r7"));
    assert_int_equal(record.at_us, 7);
    assert_int_equal(record.latency_us, 9);
    assert_int_equal(record.event_us, TM_INT_MISSING);
    assert_int_equal(record.n_outputs, 2);
    assert_true(tm__record_output(&record, 0) == 0.25 && tm__record_output(&record, 1) == 1e300);
    assert_true(tm__record_cells(&record, got, N_CELLS));
    for (size_t i = 0; i < N_CELLS; i++) {
        assert_int_equal(got[i].type, cells[i].type);
        assert_int_equal(got[i].i64, cells[i].i64);
        assert_true(got[i].f64 == cells[i].f64);
        assert_true(tm__str_eq(got[i].text, cells[i].text));
    }
    assert_false(tm__record_cells(&record, got, N_CELLS - 1)); /* another number of columns */
    tm__buf_done(&bytes);
}

static void an_answer_without_entity_has_none_rather_than_an_empty_one(void **state) {
    (void)state;
    tm_buf bytes;
    tm_record record;
    tm__buf_init(&bytes, 4096);
    for (int i = 0; i < 2; i++) {
        const tm_answer one = {.id = "A", .entity = {i == 0 ? NULL : "", 0}};
        tm__buf_reset(&bytes);
        assert_true(tm__answer_append(&one, &bytes));
        tm_str rest = {(const char *)bytes.data, bytes.len};
        assert_true(tm__record_read(&rest, &record));
        assert_int_equal(record.entity.ptr != NULL, i);
    }
    tm__buf_done(&bytes);
}

/* Each part of the bytes cut off or changed: read as something or refused, never past the end. */
static void damaged_bytes_are_refused_or_harmless(void **state) {
    (void)state;
    tm_buf bytes;
    tm__buf_init(&bytes, 4096);
    assert_true(tm__answer_append(&answer, &bytes));
    for (size_t len = 0; len <= bytes.len; len++) {
        for (int bit = 0; bit < 8; bit++) {
            char *copy = tm__mem_alloc(len, 1); /* of its own, so that a sanitizer sees its end */
            assert_non_null(copy);
            memcpy(copy, bytes.data, len);
            if (len > 0) {
                copy[len / 2] = (char)(copy[len / 2] ^ (1 << bit));
            }
            tm_str rest = {copy, len};
            tm_record record;
            tm_cell got[N_CELLS];
            if (tm__record_read(&rest, &record)) {
                (void)tm__record_cells(&record, got, N_CELLS);
                assert_true(rest.len <= len);
            } else {
                assert_int_equal(rest.len, len);
            }
            tm__mem_free(copy);
        }
    }
    tm__buf_done(&bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_comes_back_as_it_was),
        cmocka_unit_test(an_answer_without_entity_has_none_rather_than_an_empty_one),
        cmocka_unit_test(damaged_bytes_are_refused_or_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
