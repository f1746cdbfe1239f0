/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/loop_evidence.h"

#include <math.h>

#include "base/clock.h"
#include "monitor/alert.h"
#include "temp_home.h"
#include "test.h"
#include "trained_home.h"

static const tm_trigger_terms all = {.new_rows = 1,
                                     .new_labels = 1,
                                     .on_drift = true,
                                     .on_performance = true,
                                     .on_schema = true,
                                     .has_bound = true};

static tm_registry *trained(const tm_home *home) {
    tm_registry *registry = NULL;
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    tm__made_csv_write(home, &(tm_made_rows){.first = 0, .n = 600}, 1);
    assert_int_equal(tm__made_train(home, registry), 1);
    return registry;
}

static tm_trigger_facts look(tm_evidence *evidence, tm_registry *registry) {
    tm_trigger_facts facts;
    json_t *recipe = NULL;
    tm_err err = {0};
    assert_int_equal(tm__registry_recipe(registry, "made", &recipe, NULL), TM_OK);
    if (tm__evidence_look(evidence, "made", recipe, &all, &facts, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    json_decref(recipe);
    return facts;
}

static void labels_and_their_score_are_news(void **state) {
    tm_registry *const registry = trained(*state);
    tm_evidence *const evidence = tm__evidence_create(*state, registry);
    tm_trigger_facts facts = look(evidence, registry);
    assert_true(facts.last_us > 0 && facts.ended_us == 0 && facts.spent_us == 0);
    assert_int_equal(facts.new_labels, 0);
    assert_int_equal(facts.n_scored, 0);
    assert_true(isnan(facts.live));
    tm_monitor *monitor = NULL;
    const tm_monitor_options options = {.can_write = true};
    assert_int_equal(tm__monitor_open(*state, &options, &monitor, NULL), TM_OK);
    for (uint32_t part = 0; part < 2; part++) {
        tm__made_traffic(monitor,
                         &(tm_made_rows){.first = 1000 + 500 * part, .n = 300, .is_sure = true});
        assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
        facts = look(evidence, registry);
        assert_int_equal(facts.new_labels, 300 * (part + 1));
        assert_int_equal(facts.n_scored, 300 * (part + 1));
        assert_true(facts.smaller_is_better && facts.live > 0 && facts.live_better < facts.live);
    }
    tm__monitor_close(monitor);
    tm__evidence_free(evidence);
    tm__registry_close(registry);
}

static void alerts_since_the_last_run_count(void **state) {
    tm_registry *const registry = trained(*state);
    tm_evidence *const evidence = tm__evidence_create(*state, registry);
    tm_drift_store *store = NULL;
    bool is_told = false;
    assert_int_equal(tm__drift_store_open(*state, true, &store, NULL), TM_OK);
    const int64_t now_us = tm__now_us();
    const tm_alert_raise old = {.model = "made",
                                .version = 1,
                                .kind = "drift",
                                .subject = "x",
                                .since_us = now_us - TM_DAY_US,
                                .at_us = now_us - TM_DAY_US,
                                .summary = "x moved"};
    tm_alert_raise fresh = old;
    fresh.subject = "c";
    fresh.at_us = now_us + 1000;
    assert_int_equal(tm__alert_raise(store, &old, &is_told, NULL), TM_OK);
    assert_int_equal(json_array_size(look(evidence, registry).alerts), 0);
    assert_int_equal(tm__alert_raise(store, &fresh, &is_told, NULL), TM_OK);
    assert_int_equal(json_array_size(look(evidence, registry).alerts), 1);
    tm__drift_store_close(store);
    tm__evidence_free(evidence);
    tm__registry_close(registry);
}

static void jobs_tell_what_was_spent(void **state) {
    tm_registry *const registry = trained(*state);
    tm_evidence *const evidence = tm__evidence_create(*state, registry);
    char id[27];
    const int64_t begin_us = tm__now_us();
    tm__clock_fix(begin_us);
    assert_int_equal(tm__registry_job_add(registry, "retrain", "made", id, NULL), TM_OK);
    tm__clock_fix(begin_us + 5000000);
    assert_int_equal(look(evidence, registry).spent_us, 5000000);
    assert_int_equal(tm__registry_job_end(registry, id, "done", NULL, NULL), TM_OK);
    tm__clock_fix(begin_us + 9000000);
    tm_trigger_facts facts = look(evidence, registry);
    assert_int_equal(facts.spent_us, 5000000);
    assert_int_equal(facts.ended_us, begin_us + 5000000);
    assert_int_equal(facts.last_us, begin_us);
    tm__clock_fix(begin_us + 2 * TM_DAY_US);
    facts = look(evidence, registry);
    assert_int_equal(facts.spent_us, 0);
    tm__clock_fix(INT64_MIN);
    tm__evidence_free(evidence);
    tm__registry_close(registry);
}

static void event(tm_registry *registry, const char *name, uint32_t version, json_t *details) {
    const tm_actor actor = {.name = "test"};
    assert_int_equal(tm__registry_note(registry, "made", name, version, &actor, details, NULL),
                     TM_OK);
    json_decref(details);
}

/* What was refused would be refused again: until there is more, or a reason to think otherwise,
 * nothing is new. */
static void what_was_refused_is_not_new(void **state) {
    tm_registry *const registry = trained(*state);
    tm_evidence *const evidence = tm__evidence_create(*state, registry);
    tm_monitor *monitor = NULL;
    const tm_monitor_options options = {.can_write = true};
    int64_t until_us = 0;
    assert_int_equal(tm__monitor_open(*state, &options, &monitor, NULL), TM_OK);
    tm__made_traffic(monitor, &(tm_made_rows){.first = 1000, .n = 300, .is_sure = true});
    assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
    assert_int_equal(look(evidence, registry).new_labels, 300);
    assert_int_equal(tm__monitor_labelled_until(monitor, "made", &until_us, NULL), TM_OK);
    event(registry, "retrain.trained", 2,
          json_pack("{s:I, s:i}", "labelled_until_us", (json_int_t)until_us, "labelled_rows", 300));
    assert_int_equal(look(evidence, registry).new_labels, 300);
    event(registry, "gate.refused", 2, NULL);
    assert_int_equal(look(evidence, registry).new_labels, 0);
    event(registry, "collected", 2, NULL);
    assert_int_equal(look(evidence, registry).new_labels, 0);
    tm__made_traffic(monitor, &(tm_made_rows){.first = 2000, .n = 100, .is_sure = true});
    assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
    assert_int_equal(look(evidence, registry).new_labels, 100);
    event(registry, "gate.set", 0, NULL);
    assert_int_equal(look(evidence, registry).new_labels, 400);
    tm__monitor_close(monitor);
    tm__evidence_free(evidence);
    tm__registry_close(registry);
}

#define HOME(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        HOME(labels_and_their_score_are_news),
        HOME(what_was_refused_is_not_new),
        HOME(alerts_since_the_last_run_count),
        HOME(jobs_tell_what_was_spent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
