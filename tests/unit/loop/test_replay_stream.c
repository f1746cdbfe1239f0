/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "replay_case.h"
#include "test.h"

static void labels_are_known_so_many_rows_later(void **state) {
    (void)state;
    tm_replay_stream s;
    replay_case_stream(&(replay_made){0}, 100, &s);
    assert_int_equal(s.first, REPLAY_ROWS / 5);
    assert_int_equal(s.n_outputs, 2);
    for (uint64_t row = 0; row < s.n_rows; row++) {
        assert_int_equal(s.known[row], row >= 100 ? row - 99 : 0);
        assert_true(s.known[row] <= row); /* never its own */
    }
    tm__replay_stream_done(&s);
}

static void labels_are_known_so_long_after_their_rows(void **state) {
    (void)state;
    tm_replay_stream s;
    tm_table *const table = replay_case_table(&(replay_made){.is_reversed = true});
    const tm_replay_options options = {
        .target = "y", .time = "t", .first = 0.5, .delay_us = INT64_C(10) * 1000000};
    assert_int_equal(tm__replay_stream_init(table, &options, &s, NULL), TM_OK);
    assert_true(s.was_sorted);
    assert_int_equal(s.known[9], 0);
    assert_int_equal(s.known[10], 1);
    assert_int_equal(s.known[5000], 4991);
    tm__replay_stream_done(&s);
    tm__table_unref(table);
}

static void whole_numbers_have_no_unit(void **state) {
    (void)state;
    tm_replay_stream s;
    tm_err err = {0};
    tm_table_builder *const b = tm__builder_create();
    tm_table *table = NULL;
    assert_int_equal(tm__builder_add_column(b, "t", TM_TYPE_INT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "y", TM_TYPE_INT, NULL), TM_OK);
    for (int64_t i = 0; i < 1000; i++) {
        const tm_cell row[] = {{.type = TM_TYPE_INT, .i64 = 1700000000 + 600 * i},
                               {.type = TM_TYPE_INT, .i64 = i % 2}};
        assert_int_equal(tm__builder_add_row(b, row, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(b, &table, NULL), TM_OK);
    tm_replay_options options = {
        .target = "y", .time = "t", .first = 0.2, .delay_us = INT64_C(86400) * 1000000};
    assert_int_equal(tm__replay_stream_init(table, &options, &s, &err), TM_E_USAGE);
    assert_non_null(strstr(err.message, "whole numbers"));
    assert_non_null(strstr(err.hint, "make_timestamp"));
    options.delay_us = 0;
    options.delay_rows = 100;
    assert_int_equal(tm__replay_stream_init(table, &options, &s, &err), TM_OK);
    tm__replay_stream_done(&s);
    tm__table_unref(table);
}

static void a_class_has_the_number_of_its_turn(void **state) {
    (void)state;
    tm_replay_stream s;
    double most = 0.0;
    replay_case_stream(&(replay_made){0}, 1, &s);
    for (uint64_t row = 0; row < s.n_rows; row++) {
        assert_true(s.y[row] <= most + 1.0);
        most = row == 0 ? s.y[0] : fmax(most, s.y[row]);
    }
    assert_true(s.y[0] == 0.0 && most == 1.0);
    tm__replay_stream_done(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_are_known_so_many_rows_later),
        cmocka_unit_test(labels_are_known_so_long_after_their_rows),
        cmocka_unit_test(whole_numbers_have_no_unit),
        cmocka_unit_test(a_class_has_the_number_of_its_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
