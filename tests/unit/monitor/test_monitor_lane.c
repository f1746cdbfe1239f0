/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "log_case.h"
#include "temp_home.h"

static void path_of(const tm_home *home, char out[512]) {
    (void)snprintf(out, 512, "%s/log.counts", tm__home_path(home));
}

static void log_some(const tm_home *home, const char *prefix) {
    tm_monitor *monitor = log_case_open(home, "drop", 0);
    assert_int_equal(log_case_answers(monitor, "mill", prefix, 10), 0);
    assert_int_equal(log_case_answers(monitor, "late", prefix, 5), 0);
    tm__monitor_close(monitor);
}

static void expect(const tm_home *home, int64_t n_mill, int64_t n_killed) {
    tm_monitor *monitor = log_case_open(home, "drop", 0);
    assert_int_equal(log_case_count(monitor, "mill", "accepted"), n_mill);
    assert_int_equal(log_case_count(monitor, NULL, "killed"), n_killed);
    log_case_check_sums(monitor);
    tm__monitor_close(monitor);
}

static void counts_go_on_after_a_restart(void **state) {
    log_some(*state, "a");
    log_some(*state, "b");
    expect(*state, 20, 0);
}

/* A backup has no such file, and another home's may lie there. */
static void a_missing_or_damaged_file_takes_no_count_away(void **state) {
    static const uint8_t noise[] = {1, 2, 3};
    char path[512];
    path_of(*state, path);
    log_some(*state, "a");
    assert_int_equal(tm__fs_remove(path, NULL), TM_OK);
    expect(*state, 10, 0);
    assert_int_equal(tm__fs_publish(path, noise, sizeof(noise), NULL), TM_OK);
    expect(*state, 10, 0);
    log_some(*state, "b");
    expect(*state, 20, 0);
}

/* What a server took and did not write before it was killed. */
static void what_was_taken_and_is_nowhere_counts_as_killed(void **state) {
    char path[512];
    tm_buf bytes;
    uint64_t n_taken = 0;
    path_of(*state, path);
    log_some(*state, "a");
    tm__buf_init(&bytes, 1u << 20);
    assert_int_equal(tm__fs_read_all(path, &bytes, NULL), TM_OK);
    uint8_t *const slot = bytes.data + 64;
    assert_string_equal((const char *)slot + 16, "mill");
    memcpy(&n_taken, slot, 8);
    assert_int_equal(n_taken, 10);
    n_taken += 3;
    memcpy(slot, &n_taken, 8);
    assert_int_equal(tm__fs_publish(path, bytes.data, bytes.len, NULL), TM_OK);
    tm__buf_done(&bytes);
    tm_monitor *reader = log_case_read(*state);
    assert_int_equal(log_case_count(reader, "mill", "queued"), 3);
    log_case_check_sums(reader);
    tm__monitor_close(reader);
    expect(*state, 13, 3);
    expect(*state, 13, 3);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(counts_go_on_after_a_restart),
        TEST(a_missing_or_damaged_file_takes_no_count_away),
        TEST(what_was_taken_and_is_nowhere_counts_as_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
