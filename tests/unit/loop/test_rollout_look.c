/* SPDX-License-Identifier: Apache-2.0 */
#include "support.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "late_case.h"
#include "loop/rollout_look.h"
#include "registry/rollout.h"
#include "temp_home.h"

static void start(tm_registry *registry, int64_t hold_us, uint64_t rows) {
    tm_rollout_terms terms = tm__rollout_default();
    terms.n_steps = 2;
    terms.steps[0] = 1000;
    terms.steps[1] = 5000;
    terms.hold_us = hold_us;
    terms.hold_rows = rows;
    assert_int_equal(tm__registry_rollout_start(registry, "late",
                                                &(tm_rollout_order){.version = 2, .terms = &terms},
                                                &tm__late_actor, NULL),
                     TM_OK);
}

static void assert_look(const tm_home *home, tm_registry *registry, const char *action) {
    json_t *told = NULL;
    tm_err err = {0};
    if (tm__rollout_look(home, registry, "late", "test", &told, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    assert_string_equal(tm__json_text(told, "action", ""), action);
    json_decref(told);
}

static void a_step_is_held_for_its_time_and_its_answers(void **state) {
    tm_registry *registry = tm__late_open(*state, 2);
    json_t *told = NULL;
    assert_int_equal(tm__rollout_look(*state, registry, "late", "test", &told, NULL),
                     TM_E_CONFLICT);
    start(registry, INT64_C(3600000000), 0);
    assert_look(*state, registry, "wait");
    const tm_rollout_move stop = {.kind = TM_ROLLOUT_STOP};
    assert_int_equal(tm__registry_rollout_move(registry, "late", &stop, &tm__late_actor, NULL),
                     TM_OK);
    start(registry, 1, 100); /* nobody asks: nothing is shown by waiting */
    tm__sleep_ms(2);
    assert_look(*state, registry, "wait");
    const tm_rollout_move pause = {.kind = TM_ROLLOUT_PAUSE};
    assert_int_equal(tm__registry_rollout_move(registry, "late", &pause, &tm__late_actor, NULL),
                     TM_OK);
    assert_look(*state, registry, "paused");
    tm__registry_close(registry);
}

static void steps_end_in_the_promotion(void **state) {
    tm_registry *registry = tm__late_open(*state, 2);
    tm_route route;
    start(registry, 1, 0);
    tm__sleep_ms(2);
    assert_look(*state, registry, "next");
    tm__sleep_ms(2);
    assert_look(*state, registry, "promoted");
    assert_int_equal(tm__registry_route(registry, "late", &route, NULL), TM_OK);
    assert_int_equal(route.version, 2);
    tm__registry_close(registry);
}

static void a_version_whose_gate_refuses_it_meanwhile_goes_back(void **state) {
    tm_registry *registry = tm__late_open(*state, 2);
    tm_route route;
    const tm_gate_verdict no = {.is_open = false, .reason = "auc 0.6 is worse"};
    start(registry, 1, 0);
    assert_int_equal(tm__registry_judge(registry, "late", 2, &no, &tm__late_actor, NULL), TM_OK);
    tm__sleep_ms(2);
    assert_look(*state, registry, "rolled_back");
    assert_int_equal(tm__registry_route(registry, "late", &route, NULL), TM_OK);
    assert_true(route.version == 1 && route.n_arms == 0);
    tm__registry_close(registry);
}

/* A step that began in the future begins now: it is not held for ever. */
static void a_clock_that_went_back_begins_the_step_anew(void **state) {
    tm_registry *registry = tm__late_open(*state, 2);
    tm_rollout rollout = {0};
    bool has = false;
    start(registry, INT64_C(3600000000), 0);
    assert_int_equal(tm__registry_rollout(registry, "late", &rollout, &has, NULL), TM_OK);
    rollout.entered_us = tm__now_us() + INT64_C(86400000000);
    assert_int_equal(tm__registry_rollout_keep(registry, "late", &rollout, NULL), TM_OK);
    assert_look(*state, registry, "wait");
    assert_int_equal(tm__registry_rollout(registry, "late", &rollout, &has, NULL), TM_OK);
    assert_true(rollout.entered_us <= tm__now_us());
    tm__rollout_done(&rollout);
    tm__registry_close(registry);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_step_is_held_for_its_time_and_its_answers),
        TEST(steps_end_in_the_promotion),
        TEST(a_version_whose_gate_refuses_it_meanwhile_goes_back),
        TEST(a_clock_that_went_back_begins_the_step_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
