/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "serve/away.h"
#include "temp_home.h"

static void what_is_known_is_good_for_a_time(void **state) {
    tm_health health = {0};
    const tm_log log = {0};
    const uint64_t now_ns = tm__mono_ns();
    tm_away away = {.home = *state, .log = &log, .health = &health, .max_us = 1000000};
    assert_true(tm__away_is_good(NULL, now_ns));
    assert_true(tm__away_is_good(&health, UINT64_MAX)); /* tables in a file */
    tm__away_hear(&away, now_ns);
    assert_true(tm__away_is_good(&health, now_ns + UINT64_C(1000000000)));
    assert_false(tm__away_is_good(&health, now_ns + UINT64_C(1000000001)));
    const int64_t heard_us = atomic_load(&health.heard_us);
    assert_int_equal(tm__away_age_s(&health, heard_us - 5), 0); /* a clock that went back */
    assert_int_equal(tm__away_age_s(&health, heard_us + 3000000), 3);
    tm__away_lose(&away);
    assert_true(atomic_load(&health.is_away));
    assert_true(tm__away_is_good(&health, now_ns));
    tm__away_hear(&away, now_ns);
    assert_false(atomic_load(&health.is_away));
}

static void who_knows_nothing_does_not_begin(void **state) {
    tm_health health = {0};
    const tm_log log = {0};
    tm_err err = {0};
    tm_registry *registry = NULL;
    tm_away away = {.home = *state, .log = &log, .health = &health};
    assert_int_equal(tm__away_begin(&away, &registry, &err), TM_E_UNAVAILABLE);
    assert_null(registry);
    assert_int_equal(atomic_load(&health.heard_us), 0);
    tm__away_keep(&away, NULL, 1); /* of tables in a file there is nothing to keep */
    assert_int_equal(away.n_kept, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_is_known_is_good_for_a_time),
        TEST(who_knows_nothing_does_not_begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
