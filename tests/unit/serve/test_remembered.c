/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/remembered.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "temp_home.h"
#include "test.h"

#define SECOND UINT64_C(1000000000)

static bool is_known(tm_remembered *self, const char *key, tm_remembered_now now) {
    json_t *const value = tm__remembered_find(self, key, &now);
    json_decref(value);
    return value != NULL;
}

static void what_did_not_change_is_known_for_a_minute(void **state) {
    (void)state;
    tm_remembered *self = tm__remembered_create();
    json_t *value = json_integer(7);
    const uint64_t now = tm__mono_ns();
    assert_false(is_known(self, "a", (tm_remembered_now){1, now}));
    /* It took no time to speak of, so what is older than that must be what it was made of. */
    tm__remembered_keep(self, "a", &(tm_remembered_now){1, now}, value);
    const uint64_t made = tm__mono_ns(); /* or before */
    const uint64_t dear = made + TM_REMEMBERED_TIMES * (made - now);
    assert_true(is_known(self, "a", (tm_remembered_now){1, now + 50 * SECOND}));
    assert_false(is_known(self, "a", (tm_remembered_now){1, made + 61 * SECOND}));
    assert_false(is_known(self, "a", (tm_remembered_now){2, dear + 1}));
    assert_false(is_known(self, "b", (tm_remembered_now){1, now + SECOND}));
    json_decref(value);
    tm__remembered_free(self);
}

static void what_took_long_is_given_for_some_times_as_long(void **state) {
    (void)state;
    tm_remembered *self = tm__remembered_create();
    json_t *value = json_integer(7);
    const uint64_t now = tm__mono_ns();
    tm__remembered_keep(self, "a", &(tm_remembered_now){1, now - SECOND}, value);
    assert_true(is_known(self, "a", (tm_remembered_now){2, now + 15 * SECOND}));
    const uint64_t made = tm__mono_ns(); /* or before */
    const uint64_t dear = made + TM_REMEMBERED_TIMES * (made - now + SECOND);
    assert_false(is_known(self, "a", (tm_remembered_now){2, dear + 1}));
    tm__remembered_keep(self, "a", &(tm_remembered_now){2, now - 9 * SECOND}, value);
    assert_true(is_known(self, "a", (tm_remembered_now){3, now + 50 * SECOND}));
    assert_false(is_known(self, "a", (tm_remembered_now){3, tm__mono_ns() + 61 * SECOND}));
    json_decref(value);
    tm__remembered_free(self);
}

static void the_oldest_goes(void **state) {
    (void)state;
    tm_remembered *self = tm__remembered_create();
    json_t *value = json_integer(7);
    char key[16];
    const tm_remembered_now now = {1, tm__mono_ns()};
    for (uint32_t i = 0; i < TM_REMEMBERED_MAX + 2; i++) {
        (void)snprintf(key, sizeof(key), "%u", i);
        tm__remembered_keep(self, key, &now, value);
    }
    (void)snprintf(key, sizeof(key), "%u", TM_REMEMBERED_MAX + 1);
    assert_true(is_known(self, key, now) && is_known(self, "2", now));
    assert_false(is_known(self, "0", now) || is_known(self, "1", now));
    json_decref(value);
    tm__remembered_free(self);
}

static void a_write_of_any_process_is_seen(void **state) {
    const tm_home *home = *state;
    char wal[4096];
    const tm_remembered_now before = tm__remembered_now(home);
    (void)snprintf(wal, sizeof(wal), "%s-wal", tm__home_log_db(home));
    assert_true(before.stamp == tm__remembered_now(home).stamp);
    assert_int_equal(tm__fs_replace(wal, "a", 1, NULL), TM_OK);
    const tm_remembered_now after = tm__remembered_now(home);
    assert_true(after.stamp != before.stamp && after.ns >= before.ns);
    assert_int_equal(tm__fs_replace(tm__home_watch_db(home), "b", 1, NULL), TM_OK);
    assert_true(tm__remembered_now(home).stamp != after.stamp);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_did_not_change_is_known_for_a_minute),
        cmocka_unit_test(what_took_long_is_given_for_some_times_as_long),
        cmocka_unit_test(the_oldest_goes),
        cmocka_unit_test_setup_teardown(a_write_of_any_process_is_seen, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
