/* SPDX-License-Identifier: Apache-2.0 */
#include "support.h"
#include "test.h"

#include <string.h>

#include "registry/experiment.h"
#include "registry/rollout.h"
#include "temp_home.h"
#include "tiny_bundle.h"

static const tm_actor actor = {.name = "test", .reason = "because"};

static tm_registry *open_registry(const tm_home *home) {
    tm_registry *registry = NULL;
    tm_err err = {0};
    if (tm__registry_open(home, &registry, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return registry;
}

/* A home with n versions of 'late', the first of which is the champion. */
static tm_registry *with_versions(const tm_home *home, int n) {
    tm_registry *registry = open_registry(home);
    for (int i = 0; i < n; i++) {
        tm_bundle *bundle = tm__tiny_bundle_create(home, &(tm_tiny_bundle){.auc = 0.7 + 0.01 * i});
        tm_version version = {0};
        assert_int_equal(tm__registry_add(registry, "late", bundle, NULL, &actor, &version, NULL),
                         TM_OK);
        tm__version_done(&version);
        tm__bundle_unref(bundle);
    }
    return registry;
}

static tm_route route_of(tm_registry *registry) {
    tm_route route;
    assert_int_equal(tm__registry_route(registry, "late", &route, NULL), TM_OK);
    return route;
}

static const char *last_event(tm_registry *registry, char out[32]) {
    json_t *list = NULL;
    assert_int_equal(tm__registry_history(registry, "late", &list, NULL), TM_OK);
    const json_t *last = json_array_get(list, json_array_size(list) - 1);
    (void)tm__str_copy(out, 32, tm__str(tm__json_text(last, "event", "")));
    json_decref(list);
    return out;
}

static tm_rollout_terms terms_of(uint32_t a, uint32_t b) {
    tm_rollout_terms terms = tm__rollout_default();
    terms.n_steps = b == 0 ? 1 : 2;
    terms.steps[0] = a;
    terms.steps[1] = b;
    return terms;
}

static tm_status start(tm_registry *registry, uint32_t version, tm_err *err) {
    const tm_rollout_terms terms = terms_of(100, 5000);
    return tm__registry_rollout_start(registry, "late", version, &terms, &actor, err);
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
    return tm__registry_rollout_move(registry, "late", &one, &actor, NULL);
}

static uint32_t weight_of(tm_registry *registry) {
    const tm_route route = route_of(registry);
    return route.n_arms == 2 ? route.arms[1].weight : 0;
}

static void steps_are_taken_up_to_the_promotion(void **state) {
    tm_registry *registry = with_versions(*state, 2);
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
    assert_string_equal(last_event(registry, event), "rollout.step");
    assert_int_equal(weight_of(registry), 5000);
    /* Who looked at the step before moves nothing. */
    assert_int_equal(move(registry, TM_ROLLOUT_NEXT, &first), TM_E_CONFLICT);
    assert_int_equal(move(registry, TM_ROLLOUT_BACK, &first), TM_E_CONFLICT);
    tm_rollout second = rollout_of(registry, &has);
    assert_int_equal(move(registry, TM_ROLLOUT_NEXT, &second), TM_OK);
    assert_string_equal(last_event(registry, event), "promoted");
    assert_int_equal(route_of(registry).version, 2);
    assert_int_equal(route_of(registry).n_arms, 0);
    assert_false(has_rollout(registry));
    assert_int_equal(move(registry, TM_ROLLOUT_STOP, NULL), TM_E_CONFLICT);
    tm__registry_close(registry);
}

static void a_breach_and_a_stop_go_back(void **state) {
    static const tm_rollout_move_kind kinds[] = {TM_ROLLOUT_BACK, TM_ROLLOUT_STOP};
    tm_registry *registry = with_versions(*state, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(start(registry, 2, NULL), TM_OK);
        assert_int_equal(move(registry, kinds[i], NULL), TM_OK);
        assert_false(has_rollout(registry));
        assert_int_equal(route_of(registry).n_arms, 0);
        assert_int_equal(route_of(registry).version, 1);
    }
    tm__registry_close(registry);
}

static void a_pause_holds_the_step_and_a_resume_begins_it_anew(void **state) {
    tm_registry *registry = with_versions(*state, 2);
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
    tm_registry *registry = with_versions(*state, 3);
    uint32_t from = 0, to = 0;
    const tm_split_order order = {2, {{1, 7000, {{0}}}, {3, 3000, {{0}}}}, false};
    const tm_promotion promotion = {.version = 3};
    assert_int_equal(start(registry, 2, NULL), TM_OK);
    assert_int_equal(tm__registry_split(registry, "late", &order, &actor, NULL), TM_OK);
    assert_false(has_rollout(registry));
    assert_int_equal(start(registry, 2, NULL), TM_E_CONFLICT); /* beside a split */
    assert_int_equal(tm__registry_rollback(registry, "late", &actor, &from, &to, NULL), TM_OK);
    assert_int_equal(start(registry, 2, NULL), TM_OK);
    assert_int_equal(tm__registry_rollback(registry, "late", &actor, &from, &to, NULL), TM_OK);
    assert_false(has_rollout(registry));
    assert_int_equal(start(registry, 2, NULL), TM_OK);
    assert_int_equal(tm__registry_promote(registry, "late", &promotion, &actor, &from, NULL),
                     TM_OK);
    assert_false(has_rollout(registry));
    assert_int_equal(route_of(registry).version, 3);
    tm__registry_close(registry);
}

static void what_cannot_begin_says_why(void **state) {
    tm_registry *registry = with_versions(*state, 3);
    tm_err err = {0};
    json_t *experiment = NULL;
    const tm_rollout_terms bad[] = {terms_of(0, 100), terms_of(500, 500), terms_of(100, 20000)};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(tm__registry_rollout_start(registry, "late", 2, &bad[i], &actor, &err),
                         TM_E_USAGE);
    }
    tm_rollout_terms endless = terms_of(100, 0);
    endless.hold_us = 0;
    endless.hold_rows = 0;
    assert_int_equal(tm__registry_rollout_start(registry, "late", 2, &endless, &actor, &err),
                     TM_E_USAGE);
    assert_int_equal(start(registry, 1, &err), TM_E_CONFLICT);
    assert_int_equal(start(registry, 9, &err), TM_E_NOT_FOUND);
    const tm_gate_verdict no = {.is_open = false, .reason = "auc 0.6 is worse"};
    assert_int_equal(tm__registry_judge(registry, "late", 3, &no, &actor, NULL), TM_OK);
    assert_int_equal(start(registry, 3, &err), TM_E_REFUSED);
    assert_false(has_rollout(registry));
    const tm_experiment_terms terms = {
        .versions = {1, 2}, .share = 0.5, .metric = "brier", .alpha = 0.05};
    assert_int_equal(
        tm__registry_experiment_start(registry, "late", &terms, &actor, &experiment, NULL), TM_OK);
    json_decref(experiment);
    assert_int_equal(start(registry, 2, &err), TM_E_CONFLICT);
    assert_int_equal(tm__registry_experiment_stop(registry, "late", &actor, &experiment, NULL),
                     TM_OK);
    json_decref(experiment);
    assert_int_equal(start(registry, 2, &err), TM_OK);
    assert_int_equal(start(registry, 3, &err), TM_E_CONFLICT);
    tm__registry_close(registry);
}

/* A version that its gate refuses meanwhile is not promoted. */
static void the_promotion_asks_the_gate(void **state) {
    tm_registry *registry = with_versions(*state, 2);
    bool has = false;
    const tm_rollout_terms terms = terms_of(5000, 0);
    const tm_gate_verdict no = {.is_open = false, .reason = "auc 0.6 is worse"};
    assert_int_equal(tm__registry_rollout_start(registry, "late", 2, &terms, &actor, NULL), TM_OK);
    assert_int_equal(tm__registry_judge(registry, "late", 2, &no, &actor, NULL), TM_OK);
    tm_rollout seen = rollout_of(registry, &has);
    assert_int_equal(move(registry, TM_ROLLOUT_NEXT, &seen), TM_E_REFUSED);
    assert_true(has_rollout(registry)); /* as it was */
    assert_int_equal(weight_of(registry), 5000);
    tm__registry_close(registry);
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
    tm__registry_close(with_versions(*state, 2));
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
        TEST(a_rollout_leaks_nothing_when_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
