/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/label_guard.h"

#include <string.h>

#include "base/clock.h"
#include "loop/loop.h"
#include "temp_home.h"
#include "test.h"
#include "trained_home.h"

static const tm_actor actor = {.name = "test", .reason = "known"};

static tm_registry *trained(const tm_home *home) {
    tm_registry *registry = NULL;
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    tm__made_csv_write(home, &(tm_made_rows){.first = 0, .n = 600}, 1);
    assert_int_equal(tm__made_train(home, registry), 1);
    return registry;
}

/* Labels of two senders; those of the second are flipped. */
static void traffic(const tm_home *home, uint32_t first, uint32_t n_good, uint32_t n_bad) {
    tm_monitor *monitor = NULL;
    const tm_monitor_options options = {.can_write = true};
    const int64_t now_us = tm__now_us();
    const tm_made_rows good = {
        .first = first, .n = n_good, .is_sure = true, .at_us = now_us, .origin = "key:GOOD"};
    const tm_made_rows bad = {.first = first + n_good,
                              .n = n_bad,
                              .is_sure = true,
                              .is_flipped = true,
                              .at_us = now_us,
                              .origin = "key:BAD"};
    assert_int_equal(tm__monitor_open(home, &options, &monitor, NULL), TM_OK);
    tm__made_traffic(monitor, &good);
    if (n_bad > 0) {
        tm__made_traffic(monitor, &bad);
    }
    tm__monitor_close(monitor);
}

static json_t *look(const tm_home *home, tm_registry *registry, bool acts) {
    const tm_monitor_options reading = {.can_write = false};
    tm_label_guard guard = {.registry = registry, .model = "made", .now_us = tm__now_us()};
    tm_version version = {0};
    tm_bundle *bundle = NULL;
    json_t *out = NULL;
    assert_int_equal(tm__registry_find(registry, "made", &version, NULL), TM_OK);
    assert_int_equal(tm__registry_bundle(registry, &version, &bundle, NULL), TM_OK);
    guard.bundle = bundle;
    assert_int_equal(tm__monitor_open(home, &reading, &guard.monitor, NULL), TM_OK);
    assert_int_equal(acts ? tm__label_guard_act(&guard, &actor, &out, NULL, NULL)
                          : tm__label_guard_look(&guard, &out, NULL),
                     TM_OK);
    tm__monitor_close(guard.monitor);
    tm__bundle_unref(bundle);
    tm__version_done(&version);
    return out;
}

static void who_is_found_wrong_is_quarantined_once(void **state) {
    tm_registry *registry = trained(*state);
    traffic(*state, 1000, 1900, 100);
    json_t *found = look(*state, registry, false);
    const json_t *origins = json_object_get(found, "origins");
    assert_int_equal(json_array_size(origins), 2);
    const json_t *bad = json_array_get(origins, 1);
    assert_string_equal(tm__json_text(bad, "origin", ""), "key:BAD");
    assert_string_equal(tm__json_text(bad, "verdict", ""), "wrong");
    assert_string_equal(tm__json_text(bad, "state", ""), "trusted"); /* nobody acted yet */
    assert_true(tm__json_f64(json_object_get(bad, "wrong"), "low", 0) > 0.8);
    assert_string_equal(tm__json_text(json_array_get(origins, 0), "verdict", ""),
                        "too few"); /* a hundred others are too few to judge it by */
    json_decref(found);
    for (int i = 0; i < 2; i++) {
        json_t *names = look(*state, registry, true);
        assert_int_equal(json_array_size(names), 1);
        assert_string_equal(json_string_value(json_array_get(names, 0)), "key:BAD");
        json_decref(names);
    }
    json_t *states = NULL;
    assert_int_equal(tm__label_guard_states(registry, "made", &states, NULL), TM_OK);
    assert_string_equal(tm__json_text(json_object_get(states, "key:BAD"), "state", ""),
                        "quarantined");
    assert_true(json_is_object(json_object_get(json_object_get(states, "key:BAD"), "evidence")));
    json_decref(states);
    tm__registry_close(registry);
}

static void who_is_trusted_stays_trusted(void **state) {
    tm_registry *registry = trained(*state);
    traffic(*state, 1000, 1900, 100);
    assert_int_equal(tm__label_guard_set(registry, "made", "key:BAD", true, &actor, NULL, NULL),
                     TM_OK);
    assert_int_equal(tm__label_guard_set(registry, "made", "key:BAD", true, &actor, NULL, NULL),
                     TM_E_CONFLICT);
    json_t *names = look(*state, registry, true);
    assert_int_equal(json_array_size(names), 0);
    json_decref(names);
    assert_int_equal(tm__label_guard_set(registry, "made", "key:GOOD", false, &actor, NULL, NULL),
                     TM_OK);
    names = look(*state, registry, true);
    assert_int_equal(json_array_size(names), 1);
    json_decref(names);
    tm__registry_close(registry);
}

static json_t *retrain(const tm_home *home) {
    const tm_retrain_options options = {.model = "made", .promote = true, .actor = "test"};
    tm_ctx ctx = {0};
    json_t *story = NULL;
    tm_err err = {0};
    if (tm__loop_retrain(&ctx, home, &options, &story, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return story;
}

static void labels_in_quarantine_are_neither_learned_nor_judged_by(void **state) {
    tm_registry *registry = trained(*state);
    traffic(*state, 1000, 1900, 100);
    json_t *story = retrain(*state);
    assert_int_equal(tm__json_i64(story, "new_rows", 0), 1900);
    int64_t n_rows = tm__json_i64(story, "rows", 0) + tm__json_i64(story, "gate_rows", 0);
    assert_int_equal(json_array_size(json_object_get(story, "quarantined")), 1);
    json_decref(story);
    assert_int_equal(tm__label_guard_set(registry, "made", "key:BAD", true, &actor, NULL, NULL),
                     TM_OK);
    const int64_t n_before = n_rows;
    traffic(*state, 9000, 400, 0);
    story = retrain(*state);
    n_rows = tm__json_i64(story, "rows", 0) + tm__json_i64(story, "gate_rows", 0);
    assert_int_equal(n_rows, n_before + 400 + 100);
    assert_null(json_object_get(story, "quarantined"));
    json_decref(story);
    tm__registry_close(registry);
}

static json_t *coverage(int64_t answers, double share, int64_t others, double expected) {
    return json_pack("{s:[], s:[{s:s, s:{s:I, s:f, s:I, s:f}}, {s:s, s:n}]}", "origins", "coverage",
                     "decision", "no", "beside", "answers", (json_int_t)answers, "share", share,
                     "other_answers", (json_int_t)others, "others", expected, "decision", "yes",
                     "beside");
}

static void a_decision_is_hidden_beside_others_of_its_versions(void **state) {
    static const struct {
        int64_t answers, others;
        double share, expected;
        bool is_hidden;
    } cases[] = {
        {100, 100, 0.0, 0.5, true},   {1000, 200, 0.049, 0.5, true},
        {100, 100, 0.05, 0.5, false}, {99, 100, 0.0, 0.5, false}, /* too few of either */
        {100, 99, 0.0, 0.5, false},   {100, 100, 0.0, 0.0, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *const found =
            coverage(cases[i].answers, cases[i].share, cases[i].others, cases[i].expected);
        json_t *const told = tm__label_guard_feedback(found);
        if ((told != NULL) != cases[i].is_hidden) {
            fail_msg("case %zu", i);
        }
        if (told != NULL) {
            const json_t *const hidden = json_object_get(told, "hidden");
            assert_string_equal(tm__json_text(hidden, "decision", ""), "no");
            assert_true(tm__json_f64(hidden, "others", 0) == 0.5);
        }
        json_decref(told);
        json_decref(found);
    }
}

#define HOME(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        HOME(who_is_found_wrong_is_quarantined_once),
        HOME(who_is_trusted_stays_trusted),
        HOME(labels_in_quarantine_are_neither_learned_nor_judged_by),
        cmocka_unit_test(a_decision_is_hidden_beside_others_of_its_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
