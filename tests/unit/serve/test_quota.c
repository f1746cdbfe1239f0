/* SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "serve/quota.h"
#include "temp_home.h"
#include "test.h"

#define SECOND UINT64_C(1000000000)
#define DAY (86400 * SECOND)
#define START_NS (10 * SECOND)
#define START_US INT64_C(1700000000000000)

/* A key of 3 a day and 100 a second. */
static tm_keyring ring_of(tm_known_key *key, tm_key_meter *meter) {
    memset(meter, 0, sizeof *meter);
    *key = (tm_known_key){
        .id = "AAAABBBB", .n_rates = 2, .rates = {{100, SECOND}, {3, DAY}}, .meter = meter};
    return (tm_keyring){.ever = true, .n = 1, .keys = key};
}

static char *path_of(const tm_home *home) {
    return tm__fs_join(tm__home_path(home), "keys.used");
}

static void a_day_s_share_outlives_a_restart_and_a_second_s_does_not(void **state) {
    tm_known_key key;
    tm_key_meter meter;
    tm_keyring ring = ring_of(&key, &meter);
    uint64_t written = 0;
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(tm__rate_take(&key.rates[0], &meter.used[0], START_NS), 0);
        assert_int_equal(tm__rate_take(&key.rates[1], &meter.used[1], START_NS), 0);
    }
    tm_quota_time now = {START_US, START_NS};
    assert_int_equal(tm__quota_save(*state, &ring, now, &written, NULL), TM_OK);
    /* Another process, whose clock began anew, ten minutes later. */
    ring = ring_of(&key, &meter);
    now = (tm_quota_time){START_US + 600 * INT64_C(1000000), 5};
    assert_int_equal(tm__quota_load(*state, &ring, now, NULL), TM_OK);
    assert_int_equal(meter.used[0], 0);
    assert_int_equal(meter.used[1], 5 + DAY / 3 * 2 - 600 * SECOND);
    assert_int_equal(tm__rate_take(&key.rates[1], &meter.used[1], 5), 0);
    const uint64_t wait_ns = tm__rate_take(&key.rates[1], &meter.used[1], 5);
    assert_int_equal(wait_ns, DAY / 3 - 600 * SECOND);
    /* After two days all is there again. */
    ring = ring_of(&key, &meter);
    now.now_us = START_US + 2 * 86400 * INT64_C(1000000);
    assert_int_equal(tm__quota_load(*state, &ring, now, NULL), TM_OK);
    assert_int_equal(meter.used[1], 0);
}

static void nothing_is_written_when_nothing_was_used(void **state) {
    tm_known_key key;
    tm_key_meter meter;
    const tm_keyring ring = ring_of(&key, &meter);
    const tm_quota_time now = {START_US, START_NS};
    uint64_t written = 0;
    char *path = path_of(*state);
    assert_int_equal(tm__rate_take(&key.rates[0], &meter.used[0], START_NS), 0); /* not kept */
    assert_int_equal(tm__quota_save(*state, &ring, now, &written, NULL), TM_OK);
    assert_int_equal(tm__fs_info(path).kind, TM_PATH_NONE);
    assert_int_equal(tm__rate_take(&key.rates[1], &meter.used[1], START_NS), 0);
    assert_int_equal(tm__quota_save(*state, &ring, now, &written, NULL), TM_OK);
    assert_int_equal(tm__fs_info(path).kind, TM_PATH_FILE);
    assert_int_equal(tm__fs_remove(path, NULL), TM_OK);
    assert_int_equal(tm__quota_save(*state, &ring, now, &written, NULL), TM_OK);
    assert_int_equal(tm__fs_info(path).kind, TM_PATH_NONE);
    tm__mem_free(path);
}

static void a_file_that_says_nonsense_is_told_and_takes_nobody_s_share(void **state) {
    static const struct {
        const char *text;
        tm_status want;
        uint64_t used;
    } cases[] = {
        {"", TM_OK, 0},
        {"tidemill.keys-used/1\n", TM_OK, 0},
        {"tidemill.keys-used/2\n", TM_E_DATA, 0},
        {"tidemill.keys-used/1\nAAAABBBB\n", TM_E_DATA, 0},
        {"tidemill.keys-used/1\nAAAABBBB 3 86400 soon\n", TM_E_DATA, 0},
        {"tidemill.keys-used/1\nAAAABBBB 4 86400 1700000001000000\n", TM_OK, 0}, /* another rate */
        {"tidemill.keys-used/1\nAAAABBBB 3 3600 1700000001000000\n", TM_OK, 0},
        {"tidemill.keys-used/1\nCCCCBBBB 3 86400 1700000001000000\n", TM_OK, 0},
        {"tidemill.keys-used/1\nAAAABBBB 3 86400 1700000001000000\n", TM_OK, START_NS + SECOND},
        {"tidemill.keys-used/1\nAAAABBBB 3 86400 -9223372036854775808\n", TM_OK, 0},
        {"tidemill.keys-used/1\nAAAABBBB 3 86400 9223372036854775807\n", TM_OK, START_NS + DAY},
        {"tidemill.keys-used/1\nAAAABBBB 3 18446744073709551615 1700000001000000\n", TM_OK, 0},
    };
    char *path = path_of(*state);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tm_known_key key;
        tm_key_meter meter;
        const tm_keyring ring = ring_of(&key, &meter);
        const tm_quota_time now = {START_US, START_NS};
        assert_int_equal(tm__fs_publish(path, cases[i].text, strlen(cases[i].text), NULL), TM_OK);
        if (tm__quota_load(*state, &ring, now, NULL) != cases[i].want ||
            meter.used[1] != cases[i].used) {
            fail_msg("'%s': %llu", cases[i].text, (unsigned long long)meter.used[1]);
        }
    }
    tm__mem_free(path);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_day_s_share_outlives_a_restart_and_a_second_s_does_not),
        TEST(nothing_is_written_when_nothing_was_used),
        TEST(a_file_that_says_nonsense_is_told_and_takes_nobody_s_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
