/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/clock.h"
#include "loop/loop_priv.h"
#include "temp_home.h"
#include "trained_home.h"

static const tm_actor actor = {.name = "test"};

static tm_registry *trained_twice(const tm_home *home, bool is_poisoned) {
    tm_registry *registry = NULL;
    const tm_made_rows good = {.first = 0, .n = 600};
    const tm_made_rows next = {.first = 2000, .n = 600, .is_flipped = is_poisoned};
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    tm__made_csv_write(home, &good, 1);
    (void)tm__made_train(home, registry);
    tm__made_csv_write(home, &next, 1);
    (void)tm__made_train(home, registry);
    return registry;
}

static void traffic(const tm_home *home, const tm_made_rows *rows) {
    tm_monitor *monitor = NULL;
    const tm_monitor_options options = {.can_write = true};
    assert_int_equal(tm__monitor_open(home, &options, &monitor, NULL), TM_OK);
    tm__made_traffic(monitor, rows);
    tm__monitor_close(monitor);
}

static const tm_load_tester *tester; /* of the next judge() */

static bool judge(const tm_home *home, tm_registry *registry, tm_gate_verdict *out) {
    tm_ctx ctx = {0};
    tm_version version = {0};
    tm_err err = {0};
    bool is_judged = false;
    assert_int_equal(tm__registry_find(registry, "made@2", &version, NULL), TM_OK);
    const tm_judging in = {
        .home = home, .registry = registry, .version = &version, .actor = &actor, .load = tester};
    if (tm__loop_judge(&ctx, &in, out, &is_judged, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    tm__version_done(&version);
    tm__gate_verdict_done(out); /* the words are enough */
    return is_judged;
}

static void without_a_gate_nothing_is_judged(void **state) {
    tm_registry *registry = trained_twice(*state, true);
    tm_gate_verdict verdict = {0};
    traffic(*state, &(tm_made_rows){.first = 9000, .n = 400});
    assert_false(judge(*state, registry, &verdict));
    tm__registry_close(registry);
}

static void a_poisoned_version_is_refused_on_labelled_answers(void **state) {
    tm_registry *registry = trained_twice(*state, true);
    tm_gate_verdict verdict = {0};
    uint32_t from = 0;
    const tm_gate gate = {.better_than_champion = true, .metric = "auc"};
    const tm_promotion plain = {.version = 2};
    assert_int_equal(tm__registry_set_gate(registry, "made", &gate, &actor, NULL), TM_OK);
    traffic(*state, &(tm_made_rows){.first = 9000, .n = 400});
    assert_true(judge(*state, registry, &verdict));
    assert_false(verdict.is_open);
    assert_non_null(strstr(verdict.reason, "on 400 newest labelled rows"));
    assert_int_equal(tm__registry_promote(registry, "made", &plain, &actor, &from, NULL),
                     TM_E_REFUSED);
    tm__registry_close(registry);
}

static void with_few_labels_only_the_floor_counts(void **state) {
    tm_registry *registry = trained_twice(*state, false);
    tm_gate_verdict verdict = {0};
    tm_gate gate = {.better_than_champion = true, .metric = "auc"};
    traffic(*state, &(tm_made_rows){.first = 9000, .n = 100});
    assert_int_equal(tm__registry_set_gate(registry, "made", &gate, &actor, NULL), TM_OK);
    assert_false(judge(*state, registry, &verdict));
    gate.floors[0] = (tm_gate_floor){"auc", 0.99};
    gate.n_floors = 1;
    assert_int_equal(tm__registry_set_gate(registry, "made", &gate, &actor, NULL), TM_OK);
    assert_true(judge(*state, registry, &verdict));
    assert_false(verdict.is_open);
    assert_non_null(strstr(verdict.reason, "below the floor of 0.99"));
    tm__registry_close(registry);
}

static void rows_that_the_candidate_learned_do_not_judge_it(void **state) {
    tm_registry *registry = trained_twice(*state, false);
    tm_gate_verdict verdict = {0};
    const tm_gate gate = {.better_than_champion = true, .metric = "auc"};
    assert_int_equal(tm__registry_set_gate(registry, "made", &gate, &actor, NULL), TM_OK);
    /* 600 of these rows are its training data. */
    traffic(*state, &(tm_made_rows){.first = 2000, .n = 900});
    assert_true(judge(*state, registry, &verdict));
    assert_non_null(strstr(verdict.reason, "on 300 newest labelled rows"));
    tm__registry_close(registry);
}

/* Of the newest answers the quick labels alone are there. */
static void only_matured_labels_judge(void **state) {
    const int64_t delay_us = INT64_C(3600000000);
    tm_registry *registry = trained_twice(*state, true);
    tm_gate_verdict verdict = {0};
    json_t *recipe = NULL;
    const tm_gate gate = {.better_than_champion = true, .metric = "auc"};
    assert_int_equal(tm__registry_set_gate(registry, "made", &gate, &actor, NULL), TM_OK);
    assert_int_equal(tm__registry_recipe(registry, "made", &recipe, NULL), TM_OK);
    json_object_set_new(recipe, "labels", json_pack("{s:I}", "delay_us", (json_int_t)delay_us));
    assert_int_equal(tm__registry_set_recipe(registry, "made", recipe, &actor, NULL), TM_OK);
    json_decref(recipe);
    traffic(*state, &(tm_made_rows){.first = 9000, .n = 400}); /* answered at 1,000,000, 1, ... */
    tm__clock_fix(1000000 + 149 + delay_us);
    assert_false(judge(*state, registry, &verdict)); /* 150 are too few */
    tm__clock_fix(1000000 + 249 + delay_us);
    assert_true(judge(*state, registry, &verdict));
    assert_false(verdict.is_open);
    assert_non_null(strstr(verdict.reason, "on 250 newest matured labelled rows"));
    tm__clock_fix(0);
    tm__registry_close(registry);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(without_a_gate_nothing_is_judged),
        TEST(a_poisoned_version_is_refused_on_labelled_answers),
        TEST(with_few_labels_only_the_floor_counts),
        TEST(only_matured_labels_judge),
        TEST(rows_that_the_candidate_learned_do_not_judge_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
