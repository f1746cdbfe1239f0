/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "cli/experiment_act.h"
#include "late_case.h"
#include "registry/experiment.h"
#include "temp_home.h"

#define SAID "'version 2' is better: the difference lies between -0.2 and -0.1."

/* One of versions 1 and 2 that runs. */
static tm_place begun(const tm_home *home, tm_experiment_then then) {
    const tm_place place = {.home = (tm_home *)(uintptr_t)home, .registry = tm__late_open(home, 3)};
    const tm_split_order order = {2, {{1, 5000, {{0}}}, {2, 5000, {{0}}}}, false};
    const tm_experiment_terms terms = {
        .versions = {1, 2}, .share = 0.5, .metric = "brier", .alpha = 0.05, .then = then};
    json_t *started = NULL;
    assert_int_equal(tm__registry_split(place.registry, "late", &order, &tm__late_actor, NULL),
                     TM_OK);
    assert_int_equal(tm__registry_experiment_start(place.registry, "late", &terms, &tm__late_actor,
                                                   &started, NULL),
                     TM_OK);
    json_decref(started);
    return place;
}

/* What is done when the log says so. */
static void assert_acts(const tm_place *place, const char *decision, const char *action,
                        const char *says) {
    json_t *status = NULL;
    tm_err err = {0};
    assert_int_equal(tm__registry_experiment(place->registry, "late", &status, NULL), TM_OK);
    json_object_set_new(status, "decision", json_string(decision));
    json_object_set_new(status, "verdict", json_string(SAID));
    json_object_set_new(status, "metric", json_pack("{s:f, s:f}", "low", -0.2, "high", -0.1));
    json_object_set_new(status, "sample_ratio", json_object());
    if (tm__experiment_act(place, "late", "loop", status, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    assert_string_equal(tm__json_text(status, "action", ""), action);
    assert_non_null(strstr(tm__json_text(status, "reason", ""), says));
    json_decref(status);
}

static json_t *last_record(tm_registry *registry) {
    json_t *story = NULL;
    assert_int_equal(tm__registry_history(registry, "late", &story, NULL), TM_OK);
    json_t *last = json_incref(json_array_get(story, json_array_size(story) - 1));
    json_decref(story);
    return last;
}

static void a_winner_is_promoted_with_its_interval_in_the_history(void **state) {
    tm_place place = begun(*state, TM_THEN_PROMOTE);
    assert_acts(&place, "wait", "wait", SAID);
    assert_acts(&place, "treatment_better", "promoted", SAID);
    json_t *last = last_record(place.registry);
    const json_t *details = json_object_get(last, "details");
    assert_string_equal(tm__json_text(last, "event", ""), "experiment.stopped");
    assert_string_equal(tm__json_text(last, "reason", ""), SAID);
    assert_string_equal(tm__json_text(last, "actor", ""), "loop");
    assert_true(tm__json_f64(json_object_get(details, "metric"), "high", 0) == -0.1);
    assert_string_equal(tm__json_text(details, "action", ""), "promoted");
    json_decref(last);
    assert_int_equal(tm__late_route(place.registry).version, 2);
    tm__registry_close(place.registry);
}

static void anything_else_is_a_stop(void **state) {
    static const struct {
        tm_experiment_then then;
        const char *decision;
    } cases[] = {{TM_THEN_PROMOTE, "treatment_worse"}, {TM_THEN_PROMOTE, "guardrail"},
                 {TM_THEN_PROMOTE, "mismatch"},        {TM_THEN_PROMOTE, "no_difference"},
                 {TM_THEN_STOP, "treatment_better"},   {TM_THEN_STOP, "mismatch"}};
    tm__registry_close(tm__late_open(*state, 0));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tm_place place = begun(*state, cases[i].then);
        assert_acts(&place, cases[i].decision, "stopped", SAID);
        const tm_route route = tm__late_route(place.registry);
        assert_true(route.version == 1 && route.n_arms == 0);
        tm__registry_close(place.registry);
    }
}

static void without_an_order_people_act(void **state) {
    tm_place place = begun(*state, TM_THEN_NOTHING);
    assert_acts(&place, "treatment_better", "nothing", SAID);
    assert_int_equal(tm__late_route(place.registry).n_arms, 2);
    tm__registry_close(place.registry);
}

static void a_winner_that_may_not_be_promoted_is_a_stop_that_says_why(void **state) {
    const tm_gate_verdict no = {.is_open = false, .reason = "auc 0.6 is worse"};
    const tm_promotion third = {.version = 3};
    uint32_t from = 0;
    tm_place place = begun(*state, TM_THEN_PROMOTE);
    assert_int_equal(tm__registry_judge(place.registry, "late", 2, &no, &tm__late_actor, NULL),
                     TM_OK);
    assert_acts(&place, "treatment_better", "stopped", "It is not promoted: the gate refuses");
    assert_int_equal(tm__late_route(place.registry).version, 1);
    const tm_gate_verdict yes = {.is_open = true, .reason = "auc 0.8"};
    assert_int_equal(tm__registry_judge(place.registry, "late", 2, &yes, &tm__late_actor, NULL),
                     TM_OK);
    tm__registry_close(place.registry);
    place = begun(*state, TM_THEN_PROMOTE);
    assert_int_equal(
        tm__registry_promote(place.registry, "late", &third, &tm__late_actor, &from, NULL), TM_OK);
    assert_acts(&place, "treatment_better", "stopped", "version 3 is the champion by now");
    assert_int_equal(tm__late_route(place.registry).version, 3);
    tm__registry_close(place.registry);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_winner_is_promoted_with_its_interval_in_the_history),
        TEST(anything_else_is_a_stop),
        TEST(without_an_order_people_act),
        TEST(a_winner_that_may_not_be_promoted_is_a_stop_that_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
