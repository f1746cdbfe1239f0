/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop/loop_priv.h"
#include "monitor/alert.h"
#include "temp_home.h"
#include "test.h"

static tm_supervisor *supervisor;

/* This program is its own child: `test_loop_telling monitor deliver --home DIR --json`. */
static int play_child(int argc, char **argv) {
    return argc == 6 && strcmp(argv[1], "monitor") == 0 && strcmp(argv[2], "deliver") == 0 ? 6 : 9;
}

static void a_child_is_started_when_something_is_due(void **state) {
    static const char *const receivers[] = {"ops"};
    const tm_alert_raise raise = {.model = "m",
                                  .kind = "drift",
                                  .subject = "x",
                                  .at_us = tm__now_us(),
                                  .summary = "moved",
                                  .receivers = receivers,
                                  .n_receivers = 1};
    tm_telling t = {.child = {.home = *state, .supervisor = supervisor}};
    tm_drift_store *store = NULL;
    tm_registry *registry = NULL;
    bool told = false;
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    (void)tm__telling_step(&t, registry);
    assert_false(t.child.is_running); /* there is no store yet */
    assert_int_equal(tm__drift_store_open(*state, true, &store, NULL), TM_OK);
    (void)tm__telling_step(&t, registry);
    assert_false(t.child.is_running); /* and nothing in it */
    assert_int_equal(tm__alert_raise(store, &raise, &told, NULL), TM_OK);
    tm__drift_store_close(store);
    (void)tm__telling_step(&t, registry);
    assert_true(t.child.is_running);
    for (int i = 0; i < 2000 && t.child.is_running; i++) {
        tm__sleep_ms(5);
        (void)tm__telling_step(&t, registry);
    }
    assert_false(t.child.is_running);
    assert_true(t.not_before_ns > tm__mono_ns()); /* it failed: not at once again */
    (void)tm__telling_step(&t, registry);
    assert_false(t.child.is_running);
    t.not_before_ns = 0;
    (void)tm__telling_step(&t, registry);
    assert_true(t.child.is_running);
    tm__telling_stop(&t);
    assert_false(t.child.is_running);
    tm__registry_close(registry);
}

int main(int argc, char **argv) {
    if (argc > 1) {
        return play_child(argc, argv);
    }
    if (tm__supervisor_open(&supervisor, NULL) != TM_OK) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_child_is_started_when_something_is_due,
                                        tm__temp_home_open, tm__temp_home_close),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tm__supervisor_close(supervisor);
    return failed;
}
