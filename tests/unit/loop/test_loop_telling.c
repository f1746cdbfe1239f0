/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "child_case.h"
#include "loop/alerts.h"
#include "loop/loop_priv.h"
#include "monitor/alert.h"
#include "temp_home.h"
#include "test.h"
#include "tiny_bundle.h"

/* This program is its own child: `test_loop_telling monitor deliver MARK --home DIR --json`. The
 * first receiver hangs, the others take it or fail. */
static int play_child(int argc, char **argv) {
    char hangs[TM_RECEIVER_MARK], hangs_on_moves[TM_RECEIVER_MARK];
    tm__receiver_mark(NULL, "hangs", hangs);
    tm__receiver_mark("late", "hangs", hangs_on_moves);
    if (argc != 7 || strcmp(argv[1], "monitor") != 0 || strcmp(argv[2], "deliver") != 0) {
        return 9;
    }
    if (strcmp(argv[3], hangs) == 0 || strcmp(argv[3], hangs_on_moves) == 0) {
        tm__sleep_ms(600000);
    }
    return 6;
}

static void step_until(tm_telling *t, uint32_t n) {
    for (int i = 0; i < TEST_LOOKS && t->children.n != n; i++) {
        tm__sleep_ms(5);
        tm_named_child ended;
        tm_child_state state;
        (void)tm__children_next_ended(&t->children, &ended, &state);
    }
    assert_int_equal(t->children.n, n);
}

static void each_receiver_has_a_child_of_its_own(void **state) {
    static const char *const receivers[] = {"hangs", "ops", "../who knows"};
    tm_alert_raise raise = {.model = "m",
                            .kind = "drift",
                            .subject = "x",
                            .at_us = tm__now_us(),
                            .summary = "moved",
                            .receivers = receivers,
                            .n_receivers = 3};
    tm_telling t = {.children = {.home = *state, .supervisor = child_case_supervisor}};
    tm_drift_store *store = NULL;
    tm_registry *registry = NULL;
    bool told = false;
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    (void)tm__telling_step(&t, registry);
    assert_int_equal(t.children.n, 0); /* there is no store yet */
    assert_int_equal(tm__drift_store_open(*state, true, &store, NULL), TM_OK);
    (void)tm__telling_step(&t, registry);
    assert_int_equal(t.children.n, 0); /* and nothing in it */
    assert_int_equal(tm__alert_raise(store, &raise, &told, NULL), TM_OK);
    raise.subject = "y"; /* two for each */
    assert_int_equal(tm__alert_raise(store, &raise, &told, NULL), TM_OK);
    tm__drift_store_close(store);
    (void)tm__telling_step(&t, registry);
    assert_int_equal(t.children.n, 3);
    step_until(&t, 1); /* the others have ended */
    (void)tm__telling_step(&t, registry);
    assert_int_equal(t.children.n, 3); /* and are told again while it hangs */
    tm__telling_stop(&t);
    assert_int_equal(t.children.n, 0);
    tm__registry_close(registry);
}

/* Receivers of one model's moves: the one that hangs has a child of its own too. */
static void who_is_told_of_moves_waits_for_nobody(void **state) {
    const tm_actor actor = {.name = "test"};
    tm_telling t = {.children = {.home = *state, .supervisor = child_case_supervisor}};
    tm_registry *registry = NULL;
    tm_version version = {0};
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    assert_int_equal(tm__registry_add(registry, "late", bundle, NULL, &actor, &version, NULL),
                     TM_OK);
    tm__version_done(&version);
    tm__bundle_unref(bundle);
    (void)tm__telling_step(&t, registry);
    assert_int_equal(t.children.n, 0);
    char mark[TM_RECEIVER_MARK];
    json_t *recipe =
        json_pack("{s:[{s:s},{s:s},{s:s},{s:s},{s:s},{s:s}]}", "webhooks", "name", "hangs", "name",
                  "i", "name", "j", "name", "k", "name", "l", "name", "m");
    assert_int_equal(tm__registry_set_recipe(registry, "late", recipe, &actor, NULL), TM_OK);
    json_decref(recipe);
    (void)tm__telling_step(&t, registry);
    assert_int_equal(t.children.n, TM_CHILDREN_MAX / 2); /* alerts have room still */
    step_until(&t, 1);
    tm__receiver_mark("late", "hangs", mark);
    assert_true(tm__children_has(&t.children, mark));
    (void)tm__telling_step(&t, registry);
    assert_int_equal(t.children.n, TM_CHILDREN_MAX / 2);
    tm__telling_stop(&t);
    tm__registry_close(registry);
}

int main(int argc, char **argv) {
    if (argc > 1) {
        return play_child(argc, argv);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_receiver_has_a_child_of_its_own, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(who_is_told_of_moves_waits_for_nobody, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, child_case_open, child_case_close);
}
