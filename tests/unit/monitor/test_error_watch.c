/* SPDX-License-Identifier: Apache-2.0 */
#include "errors_case.h"

#include <string.h>

#include "base/mem.h"
#include "monitor/error_watch.h"

typedef struct said {
    uint32_t n;
    char text[256];
} said;

static void say(void *arg, const tm_alert_raise *raise, const char *text) {
    said *const s = arg;
    s->n += raise != NULL ? 1 : 0;
    (void)tm__str_copy(s->text, sizeof(s->text), tm__str(text));
}

static void see(tm_error_watch *watch, tm_bundle *bundle, int64_t minute) {
    const tm_error_watched served = {bundle, "tiny", 1};
    assert_int_equal(tm__error_watch_see(watch, &served, minute * MINUTE + 5000000, NULL), TM_OK);
}

static void an_error_that_rose_is_told_once_and_one_that_fell_is_not(void **state) {
    errors_case c = errors_open(*state);
    tm_bundle *const bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    said s = {0};
    tm_teller teller = {.home = *state, .say = say, .arg = &s};
    tm_error_watch *watch = tm__error_watch_create(&teller);
    see(watch, bundle, 0); /* nothing came yet */
    for (int64_t minute = 1; minute <= 60; minute++) {
        errors_minute(&c, minute, minute < 30 ? 10 : 60);
        see(watch, bundle, minute);
    }
    assert_int_equal(s.n, 1);
    assert_non_null(strstr(s.text, "Brier"));
    tm__error_watch_free(watch);

    watch = tm__error_watch_create(&teller); /* a server that starts again */
    see(watch, bundle, 61);
    see(watch, bundle, 62);
    for (int64_t minute = 63; minute <= 90; minute++) {
        errors_minute(&c, minute, 5);
        see(watch, bundle, minute);
    }
    assert_int_equal(s.n, 1);
    tm__error_watch_sweep(watch, 95 * MINUTE);
    tm__error_watch_sweep(watch, 500 * MINUTE);
    tm__error_watch_free(watch);
    tm__teller_done(&teller);
    tm__bundle_unref(bundle);
    tm__monitor_close(c.monitor);
}

/* Labels that a command brought while no server ran. */
static void what_rose_while_nobody_looked_is_told_at_the_start(void **state) {
    errors_case c = errors_open(*state);
    tm_bundle *const bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    said s = {0};
    tm_teller teller = {.home = *state, .say = say, .arg = &s};
    for (int64_t minute = 0; minute < 60; minute++) {
        errors_minute(&c, minute, minute < 30 ? 10 : 60);
    }
    tm_error_watch *watch = tm__error_watch_create(&teller);
    see(watch, bundle, 61);
    assert_int_equal(s.n, 1);
    tm__error_watch_free(watch);
    s.n = 0;
    watch = tm__error_watch_create(&teller); /* it was told */
    see(watch, bundle, 62);
    assert_int_equal(s.n, 0);
    tm__error_watch_free(watch);
    tm__teller_done(&teller);
    tm__bundle_unref(bundle);
    tm__monitor_close(c.monitor);
}

/* A model that is retrained all day: of versions that are not served any more, few are kept. */
static void of_a_model_with_many_versions_the_newest_are_kept(void **state) {
    errors_case c = errors_open(*state);
    tm_bundle *const bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    said s = {0};
    tm_teller teller = {.home = *state, .say = say, .arg = &s};
    tm_error_watch *watch = tm__error_watch_create(&teller);
    for (uint32_t version = 1; version <= 10; version++) {
        const tm_error_watched served = {bundle, "tiny", version};
        assert_int_equal(tm__error_watch_see(watch, &served, MINUTE, NULL), TM_OK);
    }
    const uint64_t alive = tm__mem_alive();
    tm__error_watch_sweep(watch, 2 * MINUTE);
    assert_int_equal(alive - tm__mem_alive(), 0);
    tm__error_watch_sweep(watch, 2 * MINUTE + 1);
    assert_int_equal(alive - tm__mem_alive(), 6);
    tm__error_watch_sweep(watch, 62 * MINUTE);
    assert_int_equal(alive - tm__mem_alive(), 10);
    tm__error_watch_free(watch);
    tm__teller_done(&teller);
    tm__bundle_unref(bundle);
    tm__monitor_close(c.monitor);
}

#define HOME(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        HOME(an_error_that_rose_is_told_once_and_one_that_fell_is_not),
        HOME(what_rose_while_nobody_looked_is_told_at_the_start),
        HOME(of_a_model_with_many_versions_the_newest_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
