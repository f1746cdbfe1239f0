/* SPDX-License-Identifier: Apache-2.0 */
#include "support.h"
#include "test.h"

#include <string.h>

#include "late_case.h"
#include "registry/experiment.h"
#include "registry/rollout.h"
#include "temp_home.h"

static tm_rollout_terms terms_of(uint32_t a, uint32_t b) {
    tm_rollout_terms terms = tm__rollout_default();
    terms.n_steps = b == 0 ? 1 : 2;
    terms.steps[0] = a;
    terms.steps[1] = b;
    return terms;
}

static tm_status start(tm_registry *registry, uint32_t version, tm_err *err) {
    const tm_rollout_terms terms = terms_of(100, 5000);
    return tm__registry_rollout_start(registry, "late",
                                      &(tm_rollout_order){.version = version, .terms = &terms},
                                      &tm__late_actor, err);
}

static tm_rollout rollout_of(tm_registry *registry, bool *out_has) {
    tm_rollout rollout = {0};
    assert_int_equal(tm__registry_rollout(registry, "late", &rollout, out_has, NULL), TM_OK);
    return rollout;
}

static bool has_rollout(tm_registry *registry) {
    bool has = false;
    tm_rollout rollout = rollout_of(registry, &has);
    tm__rollout_done(&rollout);
    return has;
}

static tm_status move(tm_registry *registry, tm_rollout_move_kind kind, const tm_rollout *seen) {
    const tm_rollout_move one = {.kind = kind, .seen = seen};
    return tm__registry_rollout_move(registry, "late", &one, &tm__late_actor, NULL);
}

static uint32_t weight_of(tm_registry *registry) {
    const tm_route route = tm__late_route(registry);
    return route.n_arms == 2 ? route.arms[1].weight : 0;
}

static void steps_are_taken_up_to_the_promotion(void **state) {
    tm_registry *registry = tm__late_open(*state, 2);
    char event[32];
    bool has = false;
    assert_int_equal(start(registry, 2, NULL), TM_OK);
    assert_int_equal(weight_of(registry), 100);
    tm_rollout first = rollout_of(registry, &has);
    assert_true(has && first.version == 2 && first.champion == 1 && first.step == 0);
    assert_int_equal(first.terms.n_steps, 2);
    assert_int_equal(first.terms.steps[1], 5000);
    assert_int_equal(first.terms.hold_us, 600000000);
    assert_true(first.terms.guard.drift == 0.1);
    assert_int_equal(move(registry, TM_ROLLOUT_NEXT, &first), TM_OK);
    assert_string_equal(tm__late_last_event(registry, event), "rollout.step");
    assert_int_equal(weight_of(registry), 5000);
    /* Who looked at the step before moves nothing. */
    assert_int_equal(move(registry, TM_ROLLOUT_NEXT, &first), TM_E_CONFLICT);
    assert_int_equal(move(registry, TM_ROLLOUT_BACK, &first), TM_E_CONFLICT);
    tm_rollout second = rollout_of(registry, &has);
    assert_int_equal(move(registry, TM_ROLLOUT_NEXT, &second), TM_OK);
    assert_string_equal(tm__late_last_event(registry, event), "promoted");
    assert_int_equal(tm__late_route(registry).version, 2);
    assert_int_equal(tm__late_route(registry).n_arms, 0);
    assert_false(has_rollout(registry));
    assert_int_equal(move(registry, TM_ROLLOUT_STOP, NULL), TM_E_CONFLICT);
    tm__registry_close(registry);
}

static void a_breach_and_a_stop_go_back(void **state) {
    static const tm_rollout_move_kind kinds[] = {TM_ROLLOUT_BACK, TM_ROLLOUT_STOP};
    tm_registry *registry = tm__late_open(*state, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(start(registry, 2, NULL), TM_OK);
        assert_int_equal(move(registry, kinds[i], NULL), TM_OK);
        assert_false(has_rollout(registry));
        assert_int_equal(tm__late_route(registry).n_arms, 0);
        assert_int_equal(tm__late_route(registry).version, 1);
    }
    tm__registry_close(registry);
}

static void a_pause_holds_the_step_and_a_resume_begins_it_anew(void **state) {
    tm_registry *registry = tm__late_open(*state, 2);
    bool has = false;
    assert_int_equal(start(registry, 2, NULL), TM_OK);
    tm_rollout seen = rollout_of(registry, &has);
    assert_int_equal(move(registry, TM_ROLLOUT_RESUME, NULL), TM_E_CONFLICT);
    assert_int_equal(move(registry, TM_ROLLOUT_PAUSE, NULL), TM_OK);
    assert_int_equal(move(registry, TM_ROLLOUT_PAUSE, NULL), TM_E_CONFLICT);
    assert_int_equal(move(registry, TM_ROLLOUT_NEXT, &seen), TM_E_CONFLICT);
    assert_int_equal(tm__registry_rollout_keep(registry, "late", &seen, NULL), TM_E_CONFLICT);
    assert_int_equal(weight_of(registry), 100);
    assert_int_equal(move(registry, TM_ROLLOUT_RESUME, NULL), TM_OK);
    tm_rollout again = rollout_of(registry, &has);
    assert_true(has && !again.is_paused && again.entered_us >= seen.entered_us);
    again.counted = json_pack("{s:i}", "n", 7);
    assert_int_equal(tm__registry_rollout_keep(registry, "late", &again, NULL), TM_OK);
    tm__rollout_done(&again);
    again = rollout_of(registry, &has);
    assert_int_equal(tm__json_i64(again.counted, "n", 0), 7);
    tm__rollout_done(&again);
    tm__registry_close(registry);
}

static void moves_by_hand_end_it(void **state) {
    tm_registry *registry = tm__late_open(*state, 3);
    uint32_t from = 0, to = 0;
    const tm_split_order order = {2, {{1, 7000, {{0}}}, {3, 3000, {{0}}}}, false};
    const tm_promotion promotion = {.version = 3};
    assert_int_equal(start(registry, 2, NULL), TM_OK);
    assert_int_equal(tm__registry_split(registry, "late", &order, &tm__late_actor, NULL), TM_OK);
    assert_false(has_rollout(registry));
    assert_int_equal(start(registry, 2, NULL), TM_E_CONFLICT); /* beside a split */
    assert_int_equal(tm__registry_rollback(registry, "late", &tm__late_actor, &from, &to, NULL),
                     TM_OK);
    assert_int_equal(start(registry, 2, NULL), TM_OK);
    assert_int_equal(tm__registry_rollback(registry, "late", &tm__late_actor, &from, &to, NULL),
                     TM_OK);
    assert_false(has_rollout(registry));
    assert_int_equal(start(registry, 2, NULL), TM_OK);
    assert_int_equal(
        tm__registry_promote(registry, "late", &promotion, &tm__late_actor, &from, NULL), TM_OK);
    assert_false(has_rollout(registry));
    assert_int_equal(tm__late_route(registry).version, 3);
    tm__registry_close(registry);
}

static void what_cannot_begin_says_why(void **state) {
    tm_registry *registry = tm__late_open(*state, 3);
    tm_err err = {0};
    json_t *experiment = NULL;
    const tm_rollout_terms bad[] = {terms_of(0, 100), terms_of(500, 500), terms_of(100, 20000)};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(tm__registry_rollout_start(
                             registry, "late", &(tm_rollout_order){.version = 2, .terms = &bad[i]},
                             &tm__late_actor, &err),
                         TM_E_USAGE);
    }
    tm_rollout_terms endless = terms_of(100, 0);
    endless.hold_us = 0;
    endless.hold_rows = 0;
    assert_int_equal(tm__registry_rollout_start(
                         registry, "late", &(tm_rollout_order){.version = 2, .terms = &endless},
                         &tm__late_actor, &err),
                     TM_E_USAGE);
    assert_int_equal(start(registry, 1, &err), TM_E_CONFLICT);
    assert_int_equal(start(registry, 9, &err), TM_E_NOT_FOUND);
    const tm_gate_verdict no = {.is_open = false, .reason = "auc 0.6 is worse"};
    assert_int_equal(tm__registry_judge(registry, "late", 3, &no, &tm__late_actor, NULL), TM_OK);
    assert_int_equal(start(registry, 3, &err), TM_E_REFUSED);
    assert_false(has_rollout(registry));
    const tm_experiment_terms terms = {
        .versions = {1, 2}, .share = 0.5, .metric = "brier", .alpha = 0.05};
    assert_int_equal(
        tm__registry_experiment_start(registry, "late", &terms, &tm__late_actor, &experiment, NULL),
        TM_OK);
    json_decref(experiment);
    assert_int_equal(start(registry, 2, &err), TM_E_CONFLICT);
    assert_int_equal(
        tm__registry_experiment_stop(registry, "late", &tm__late_actor, &experiment, NULL), TM_OK);
    json_decref(experiment);
    assert_int_equal(start(registry, 2, &err), TM_OK);
    assert_int_equal(start(registry, 3, &err), TM_E_CONFLICT);
    tm__registry_close(registry);
}

/* A version that its gate refuses meanwhile is not promoted. */
static void the_promotion_asks_the_gate(void **state) {
    tm_registry *registry = tm__late_open(*state, 2);
    bool has = false;
    const tm_rollout_terms terms = terms_of(5000, 0);
    const tm_gate_verdict no = {.is_open = false, .reason = "auc 0.6 is worse"};
    assert_int_equal(tm__registry_rollout_start(registry, "late",
                                                &(tm_rollout_order){.version = 2, .terms = &terms},
                                                &tm__late_actor, NULL),
                     TM_OK);
    assert_int_equal(tm__registry_judge(registry, "late", 2, &no, &tm__late_actor, NULL), TM_OK);
    tm_rollout seen = rollout_of(registry, &has);
    assert_int_equal(move(registry, TM_ROLLOUT_NEXT, &seen), TM_E_REFUSED);
    assert_true(has_rollout(registry)); /* as it was */
    assert_int_equal(weight_of(registry), 5000);
    tm__registry_close(registry);
}

static tm_status start_shadowed(tm_registry *registry, uint32_t first, tm_err *err) {
    tm_rollout_terms terms = terms_of(first, 0);
    terms.shadow = 2500;
    const tm_rollout_order order = {.version = 2, .terms = &terms};
    return tm__registry_rollout_start(registry, "late", &order, &tm__late_actor, err);
}

static void a_shadow_comes_before_the_first_step(void **state) {
    tm_registry *registry = tm__late_open(*state, 2);
    bool has = false;
    char event[32];
    assert_int_equal(start_shadowed(registry, 5000, NULL), TM_OK);
    tm_rollout shadow = rollout_of(registry, &has);
    assert_true(has && shadow.in_shadow && shadow.step == 0);
    assert_true(tm__rollout_percent(&shadow) == 0 && !tm__rollout_promotes(&shadow));
    assert_int_equal(tm__late_route(registry).n_arms, 0);
    assert_int_equal(tm__late_route(registry).shadow.version, 2);
    assert_int_equal(tm__late_route(registry).shadow.weight, 2500);
    assert_int_equal(move(registry, TM_ROLLOUT_NEXT, &shadow), TM_OK);
    assert_string_equal(tm__late_last_event(registry, event), "rollout.step");
    assert_int_equal(tm__late_route(registry).shadow.version, 0);
    assert_int_equal(weight_of(registry), 5000);
    tm_rollout first = rollout_of(registry, &has);
    assert_true(has && !first.in_shadow && first.step == 0 && tm__rollout_promotes(&first));
    /* Step 0 is not the shadow: who looked at that moves and keeps nothing. */
    assert_int_equal(move(registry, TM_ROLLOUT_NEXT, &shadow), TM_E_CONFLICT);
    assert_int_equal(tm__registry_rollout_keep(registry, "late", &shadow, NULL), TM_E_CONFLICT);
    assert_int_equal(move(registry, TM_ROLLOUT_STOP, NULL), TM_OK);
    /* A shadow may be all there is before the promotion. */
    assert_int_equal(start_shadowed(registry, TM_ARM_PARTS, NULL), TM_OK);
    tm_rollout only = rollout_of(registry, &has);
    assert_true(tm__rollout_promotes(&only));
    assert_int_equal(move(registry, TM_ROLLOUT_NEXT, &only), TM_OK);
    assert_int_equal(tm__late_route(registry).version, 2);
    assert_int_equal(tm__late_route(registry).shadow.version, 0);
    assert_false(has_rollout(registry));
    tm__registry_close(registry);
}

static void what_ends_a_rollout_ends_its_shadow(void **state) {
    tm_registry *registry = tm__late_open(*state, 3);
    const tm_split_order split = {2, {{1, 7000, {{0}}}, {3, 3000, {{0}}}}, false};
    const tm_arm none = {0}, other = {.version = 3, .weight = 100}, more = {2, 9000, {{0}}};
    const tm_arm *const orders[] = {&none, &other, &more};
    assert_int_equal(start_shadowed(registry, 100, NULL), TM_OK);
    assert_int_equal(move(registry, TM_ROLLOUT_BACK, NULL), TM_OK);
    assert_int_equal(tm__late_route(registry).shadow.version, 0);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(start_shadowed(registry, 100, NULL), TM_OK);
        assert_int_equal(tm__registry_shadow(registry, "late", orders[i], &tm__late_actor, NULL),
                         TM_OK);
        assert_false(has_rollout(registry));
        assert_int_equal(tm__late_route(registry).shadow.version, orders[i]->version);
        assert_int_equal(tm__late_route(registry).shadow.weight, orders[i]->weight);
        if (orders[i]->version == 3) { /* beside a shadow of another version */
            assert_int_equal(start_shadowed(registry, 100, NULL), TM_E_CONFLICT);
        }
        if (orders[i]->version != 0) {
            assert_int_equal(tm__registry_shadow(registry, "late", &none, &tm__late_actor, NULL),
                             TM_OK);
        }
    }
    assert_int_equal(start_shadowed(registry, 100, NULL), TM_OK);
    assert_int_equal(tm__registry_split(registry, "late", &split, &tm__late_actor, NULL), TM_OK);
    assert_false(has_rollout(registry));
    assert_int_equal(tm__late_route(registry).shadow.version, 0);
    tm__registry_close(registry);
}

static void a_refused_version_does_not_begin_as_a_shadow(void **state) {
    tm_registry *registry = tm__late_open(*state, 2);
    const tm_gate_verdict no = {.is_open = false, .reason = "auc 0.6 is worse"};
    assert_int_equal(tm__registry_judge(registry, "late", 2, &no, &tm__late_actor, NULL), TM_OK);
    assert_int_equal(start_shadowed(registry, 100, NULL), TM_E_REFUSED);
    assert_int_equal(tm__late_route(registry).shadow.version, 0);
    tm__registry_close(registry);
}

/* What the recipe declares is what begins when nobody says otherwise; promotions keep it. */
static void a_rollout_begins_as_it_is_declared(void **state) {
    tm_registry *registry = tm__late_open(*state, 3);
    json_t *recipe = json_pack("{s:{s:f, s:[f, f], s:f, s:i}}", "rollout", "shadow", 20.0, "steps",
                               5.0, 100.0, "hold_seconds", 60.0, "rows", 7);
    tm_rollout_order order = {.version = 2, .champion = 3};
    uint32_t from = 0;
    bool has = false;
    assert_int_equal(tm__registry_set_recipe(registry, "late", recipe, &tm__late_actor, NULL),
                     TM_OK);
    json_decref(recipe);
    assert_int_equal(tm__registry_rollout_start(registry, "late", &order, &tm__late_actor, NULL),
                     TM_E_CONFLICT); /* it was compared with another champion */
    order.champion = 1;
    assert_int_equal(tm__registry_rollout_start(registry, "late", &order, &tm__late_actor, NULL),
                     TM_OK);
    const tm_rollout rollout = rollout_of(registry, &has);
    assert_true(has && rollout.in_shadow && rollout.terms.shadow == 2000);
    assert_true(rollout.terms.n_steps == 2 && rollout.terms.steps[0] == 500);
    assert_true(rollout.terms.hold_us == 60000000 && rollout.terms.hold_rows == 7);
    assert_true(rollout.terms.guard.latency == 2); /* by default */
    const tm_promotion promotion = {.version = 3};
    assert_int_equal(
        tm__registry_promote(registry, "late", &promotion, &tm__late_actor, &from, NULL), TM_OK);
    assert_int_equal(tm__registry_recipe(registry, "late", &recipe, NULL), TM_OK);
    assert_int_equal(tm__json_i64(json_object_get(recipe, "rollout"), "rows", 0), 7);
    json_decref(recipe);
    tm__registry_close(registry);
}

static bool start_shadowed_anew(void *home) {
    tm_registry *registry = NULL;
    tm_status st = tm__registry_open(home, &registry, NULL);
    st = st == TM_OK ? start_shadowed(registry, 100, NULL) : st;
    st = st == TM_OK || st == TM_E_CONFLICT ? move(registry, TM_ROLLOUT_STOP, NULL) : st;
    assert_true(st == TM_OK || st == TM_E_NOMEM || st == TM_E_CONFLICT);
    tm__registry_close(registry);
    return st != TM_E_NOMEM;
}

static void a_shadowed_rollout_leaks_nothing_when_memory_runs_out(void **state) {
    tm__registry_close(tm__late_open(*state, 2));
    tm__temp_home_needs_file();
    test_each_mem_fault(start_shadowed_anew, *state);
}

/* ---- kills ---- */

static tm_status begin_with_shadow(tm_registry *registry) {
    return start_shadowed(registry, 5000, NULL);
}

static tm_status go_on(tm_registry *registry) {
    return move(registry, TM_ROLLOUT_NEXT, NULL);
}

static tm_status go_back(tm_registry *registry) {
    return move(registry, TM_ROLLOUT_BACK, NULL);
}

/* Where the rollout and the route stand: the shadow's weight, the split's, the champion. */
static void assert_stands(tm_registry *registry, bool has, uint32_t shadow, uint32_t weight,
                          uint32_t champion) {
    const tm_route route = tm__late_route(registry);
    assert_int_equal(has_rollout(registry), has);
    assert_int_equal(route.shadow.weight, shadow);
    assert_int_equal(weight_of(registry), weight);
    assert_int_equal(route.version, champion);
}

static void begun_or_not(tm_registry *registry, bool is_made) {
    assert_stands(registry, is_made, is_made ? 2500 : 0, 0, 1);
}

static void stepped_or_not(tm_registry *registry, bool is_made) {
    assert_stands(registry, true, is_made ? 0 : 2500, is_made ? 5000 : 0, 1);
}

static void promoted_or_not(tm_registry *registry, bool is_made) {
    assert_stands(registry, !is_made, 0, is_made ? 0 : 5000, is_made ? 2 : 1);
}

static void back_or_not(tm_registry *registry, bool is_made) {
    assert_stands(registry, !is_made, is_made ? 0 : 2500, 0, 1);
}

/* From the start over the step to the promotion, killed at each write of each: the home is as
 * before the move or as after it, and the same move goes on from there. */
static void a_kill_at_any_write_leaves_the_step_before_or_after(void **state) {
    tm__registry_close(tm__late_open(*state, 2));
    tm__late_each_write(*state, true, begin_with_shadow, begun_or_not);
    tm__late_each_write(*state, true, go_on, stepped_or_not);
    tm__late_each_write(*state, true, go_on, promoted_or_not);
}

static void a_kill_while_it_goes_back_leaves_the_step_or_the_champion(void **state) {
    tm__registry_close(tm__late_open(*state, 2));
    tm__late_each_write(*state, false, begin_with_shadow, begun_or_not);
    tm__late_each_write(*state, true, go_back, back_or_not);
}

static bool start_anew(void *home) {
    tm_registry *registry = NULL;
    tm_status st = tm__registry_open(home, &registry, NULL);
    st = st == TM_OK ? start(registry, 2, NULL) : st;
    st = st == TM_OK || st == TM_E_CONFLICT ? move(registry, TM_ROLLOUT_NEXT, NULL) : st;
    assert_true(st == TM_OK || st == TM_E_NOMEM || st == TM_E_CONFLICT);
    tm__registry_close(registry);
    return st != TM_E_NOMEM;
}

static void a_rollout_leaks_nothing_when_memory_runs_out(void **state) {
    tm__registry_close(tm__late_open(*state, 2));
    tm__temp_home_needs_file();
    test_each_mem_fault(start_anew, *state);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(steps_are_taken_up_to_the_promotion),
        TEST(a_breach_and_a_stop_go_back),
        TEST(a_pause_holds_the_step_and_a_resume_begins_it_anew),
        TEST(moves_by_hand_end_it),
        TEST(what_cannot_begin_says_why),
        TEST(the_promotion_asks_the_gate),
        TEST(a_shadow_comes_before_the_first_step),
        TEST(what_ends_a_rollout_ends_its_shadow),
        TEST(a_refused_version_does_not_begin_as_a_shadow),
        TEST(a_rollout_begins_as_it_is_declared),
        TEST(a_kill_at_any_write_leaves_the_step_before_or_after),
        TEST(a_kill_while_it_goes_back_leaves_the_step_or_the_champion),
        TEST(a_rollout_leaks_nothing_when_memory_runs_out),
        TEST(a_shadowed_rollout_leaks_nothing_when_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
