/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "monitor/monitor_spill.h"
#include "temp_home.h"

static tm_stream stream = {.route = (char[]){"r"},
                           .arm = (char[]){"champion"},
                           .model = (char[]){"mill"},
                           .columns = (char[]){"[\"x\"]"},
                           .version = 2,
                           .n_columns = 1,
                           .share = 0.5};

static void count(void *arg, const char *model, uint64_t n, uint64_t bytes) {
    assert_string_equal(model, "mill");
    assert_true(bytes > 0);
    *(uint64_t *)arg += n;
}

static tm_spill *open_spill(const tm_home *home, tm_spill_place place, uint64_t *out_n) {
    tm_spill *spill = NULL;
    *out_n = 0;
    assert_int_equal(tm__spill_open(home, &place, count, out_n, &spill, NULL), TM_OK);
    return spill;
}

static void put(tm_spill *spill, uint32_t n) {
    static const double output = 0.5;
    const tm_cell cell = {.type = TM_TYPE_FLOAT, .f64 = 1};
    const tm_answer answer = {.id = "A",
                              .event_us = TM_INT_MISSING,
                              .outputs = &output,
                              .n_outputs = 1,
                              .cells = &cell,
                              .n_cells = 1};
    tm_buf records;
    tm__buf_init(&records, 1u << 20);
    for (uint32_t i = 0; i < n; i++) {
        assert_true(tm__answer_append(&answer, &records));
    }
    const tm_run run = {&stream, n, (uint32_t)records.len};
    assert_int_equal(tm__spill_put(spill, &run, records.data, NULL), TM_OK);
    tm__buf_done(&records);
}

static tm_stream *find(void *arg, const tm_stream *like) {
    (void)arg;
    assert_string_equal(like->route, "r");
    assert_string_equal(like->arm, "champion");
    assert_string_equal(like->columns, "[\"x\"]");
    assert_int_equal(like->version, 2);
    assert_true(like->share == 0.5);
    return &stream;
}

/* The records of the next piece, and where it ends; is_done: they are in the log then. */
static uint32_t take(tm_spill *spill, tm_spill_place *out, bool is_done) {
    tm_spill_piece piece = {0};
    uint32_t n = 0;
    tm__buf_init(&piece.runs, 8u << 20);
    assert_int_equal(tm__spill_take(spill, find, NULL, &piece, NULL), TM_OK);
    for (size_t at = 0; at < piece.runs.len;) {
        tm_run run;
        memcpy(&run, piece.runs.data + at, sizeof(run));
        assert_ptr_equal(run.stream, &stream);
        n += run.n;
        at += sizeof(run) + run.size;
    }
    *out = piece.place;
    if (is_done) {
        tm__spill_done(spill, &piece);
    }
    tm__buf_done(&piece.runs);
    return n;
}

static void what_is_put_is_taken_once(void **state) {
    uint64_t n = 0;
    tm_spill_place place = {0}, again = {0};
    tm_spill *spill = open_spill(*state, place, &n);
    assert_int_equal(n, 0);
    assert_int_equal(take(spill, &place, false), 0);
    put(spill, 3);
    put(spill, 2);
    assert_int_equal(take(spill, &place, false), 5);
    assert_int_equal(take(spill, &again, true), 5); /* it was not in the log yet */
    assert_int_equal(take(spill, &again, false), 0);
    put(spill, 1);
    assert_int_equal(take(spill, &place, true), 1);
    tm__spill_close(spill);
}

static void another_process_goes_on_where_this_one_was(void **state) {
    uint64_t n = 0;
    tm_spill_place place = {0};
    tm_spill *spill = open_spill(*state, place, &n);
    put(spill, 3);
    assert_int_equal(take(spill, &place, false), 3);
    put(spill, 4); /* in the same file, behind what is in the log */
    tm__spill_close(spill);
    spill = open_spill(*state, place, &n);
    assert_int_equal(n, 4);
    put(spill, 2);
    assert_int_equal(take(spill, &place, true), 4);
    assert_int_equal(take(spill, &place, true), 2);
    tm__spill_close(spill);
}

static void a_torn_end_is_left_and_the_next_file_is_read(void **state) {
    uint64_t n = 0;
    char path[512];
    tm_spill_place place = {0};
    tm_spill *spill = open_spill(*state, place, &n);
    put(spill, 3);
    put(spill, 4);
    tm__spill_close(spill);
    (void)snprintf(path, sizeof(path), "%s/spill/0000000001.tms", tm__home_path(*state));
    assert_int_equal(truncate(path, (off_t)(tm__fs_info(path).size_bytes - 5)), 0);
    spill = open_spill(*state, place, &n);
    assert_int_equal(n, 3);
    put(spill, 2);
    assert_int_equal(take(spill, &place, true), 3);
    assert_int_equal(tm__fs_info(path).kind, TM_PATH_NONE);
    assert_int_equal(take(spill, &place, true), 2);
    tm__spill_close(spill);
}

static void large_files_are_closed_and_removed_when_read(void **state) {
    uint64_t n = 0, n_taken = 0, last_file = 0;
    tm_spill_place place = {0};
    tm_spill *spill = open_spill(*state, place, &n);
    for (int i = 0; i < 90; i++) {
        put(spill, 6000);
    }
    tm__spill_close(spill);
    spill = open_spill(*state, place, &n);
    assert_int_equal(n, 90 * 6000);
    for (uint32_t got = 1; got > 0; n_taken += got) {
        got = take(spill, &place, true);
        last_file = got > 0 ? place.file : last_file;
    }
    assert_int_equal(n_taken, 90 * 6000);
    assert_true(last_file > 1);
    tm__spill_close(spill);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_is_put_is_taken_once),
        TEST(another_process_goes_on_where_this_one_was),
        TEST(a_torn_end_is_left_and_the_next_file_is_read),
        TEST(large_files_are_closed_and_removed_when_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
