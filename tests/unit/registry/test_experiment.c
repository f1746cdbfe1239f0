/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/experiment.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "late_case.h"
#include "registry/collect.h"
#include "registry/rollout.h"
#include "temp_home.h"
#include "test.h"

static const tm_experiment_terms terms = {.versions = {1, 2},
                                          .share = 0.1,
                                          .metric = "brier",
                                          .alpha = 0.05,
                                          .horizon = 4000,
                                          .delay_us = 86400000000};

static tm_status start(tm_registry *registry, const char *model, const tm_experiment_terms *t,
                       tm_err *err) {
    json_t *out = NULL;
    const tm_status st =
        tm__registry_experiment_start(registry, model, t, &tm__late_actor, &out, err);
    json_decref(out);
    return st;
}

static void its_terms_are_kept_and_its_history_told(void **state) {
    tm_registry *registry = tm__late_open(*state, 2);
    json_t *found = NULL, *story = NULL;
    tm_err err = {0};
    assert_int_equal(tm__registry_experiment(registry, "late", &found, &err), TM_E_NOT_FOUND);
    assert_non_null(strstr(err.message, "never had an experiment"));
    assert_int_equal(start(registry, "late", &terms, NULL), TM_OK);
    assert_int_equal(tm__registry_experiment(registry, "late", &found, NULL), TM_OK);
    assert_int_equal(tm__json_i64(found, "experiment", 0), 1);
    assert_string_equal(tm__json_text(found, "state", ""), "running");
    assert_true(tm__json_f64(found, "share", 0) == 0.1);
    assert_int_equal(tm__json_i64(found, "horizon", 0), 4000);
    assert_true(tm__json_f64(found, "delay_seconds", 0) == 86400);
    assert_string_equal(tm__json_text(found, "hypothesis", ""), "because");
    assert_true(json_is_null(json_object_get(found, "baseline")));
    json_decref(found);
    assert_int_equal(tm__registry_experiment_stop(registry, "late", &tm__late_actor, &found, NULL),
                     TM_OK);
    assert_string_equal(tm__json_text(found, "state", ""), "stopped");
    json_decref(found);
    assert_int_equal(tm__registry_history(registry, "late", &story, NULL), TM_OK);
    const json_t *last = json_array_get(story, json_array_size(story) - 1);
    assert_string_equal(tm__json_text(last, "event", ""), "experiment.stopped");
    assert_int_equal(tm__json_i64(last, "version", 0), 2);
    assert_int_equal(tm__json_i64(last, "from", 0), 1);
    uint64_t n = 0;
    assert_int_equal(tm__registry_history_check(registry, &n, NULL), TM_OK);
    json_decref(story);
    tm__registry_close(registry);
}

/* What was said of guardrails, and what the verdict rested on that ended it. */
static void guardrails_are_kept_with_the_figures_of_the_start(void **state) {
    tm_registry *registry = tm__late_open(*state, 2);
    json_t *found = NULL;
    json_t *guardrails = json_pack("[{s:s, s:f}]", "metric", "errors", "margin", 0.01);
    json_t *counted = json_pack("{s:s}", "server", "then");
    json_t *evidence = json_pack("{s:s}", "decision", "guardrail");
    tm_experiment_terms t = terms;
    t.guardrails = guardrails;
    t.counted = counted;
    assert_int_equal(start(registry, "late", &t, NULL), TM_OK);
    assert_int_equal(tm__registry_experiment(registry, "late", &found, NULL), TM_OK);
    assert_true(json_equal(json_object_get(found, "guardrails"), guardrails));
    assert_true(json_equal(json_object_get(found, "counted"), counted));
    assert_true(json_is_null(json_object_get(found, "evidence")));
    json_decref(found);
    const tm_experiment_end end_of = {.number = 1, .evidence = evidence};
    assert_int_equal(tm__registry_experiment_end(registry, "late", &end_of, &tm__late_actor, NULL),
                     TM_OK);
    assert_int_equal(tm__registry_experiment(registry, "late", &found, NULL), TM_OK);
    assert_true(json_equal(json_object_get(found, "evidence"), evidence));
    json_decref(found);
    json_decref(guardrails);
    json_decref(counted);
    json_decref(evidence);
    tm__registry_close(registry);
}

static void one_runs_at_a_time_and_the_next_has_the_next_number(void **state) {
    tm_registry *registry = tm__late_open(*state, 2);
    json_t *found = NULL;
    tm_err err = {0};
    assert_int_equal(start(registry, "late", &terms, NULL), TM_OK);
    assert_int_equal(start(registry, "late", &terms, &err), TM_E_CONFLICT);
    assert_non_null(strstr(err.message, "experiment 1 of 'late' is running"));
    assert_int_equal(tm__registry_experiment_stop(registry, "late", &tm__late_actor, &found, NULL),
                     TM_OK);
    json_decref(found);
    assert_int_equal(tm__registry_experiment_stop(registry, "late", &tm__late_actor, &found, &err),
                     TM_E_CONFLICT);
    assert_int_equal(start(registry, "late", &terms, NULL), TM_OK);
    assert_int_equal(tm__registry_experiment(registry, "late", &found, NULL), TM_OK);
    assert_int_equal(tm__json_i64(found, "experiment", 0), 2);
    assert_true(json_is_null(json_object_get(found, "stopped")));
    json_decref(found);
    tm__registry_close(registry);
}

static void arms_that_are_not_there_are_refused(void **state) {
    tm_registry *registry = tm__late_open(*state, 2);
    tm_version version = {0};
    tm_err err = {0};
    tm_experiment_terms t = terms;
    t.versions[1] = 3;
    assert_int_equal(start(registry, "late", &t, &err), TM_E_NOT_FOUND);
    assert_non_null(strstr(err.message, "there is no version 3 of 'late'"));
    t.versions[1] = 1;
    assert_int_equal(start(registry, "late", &t, &err), TM_E_CONFLICT);
    assert_non_null(strstr(err.message, "both arms are version 1"));
    assert_int_equal(start(registry, "early", &terms, &err), TM_E_NOT_FOUND);
    assert_int_equal(tm__registry_find(registry, "late@2", &version, NULL), TM_OK);
    char *path = tm__home_bundle_path(*state, &version.bundle_hash);
    assert_int_equal(tm__fs_remove(path, NULL), TM_OK);
    assert_int_equal(start(registry, "late", &terms, &err), TM_E_INTEGRITY); /* its file is gone */
    tm__mem_free(path);
    tm__version_done(&version);
    tm__registry_close(registry);
}

static size_t collect(tm_registry *registry) {
    const tm_collection options = {.keep = 1, .actor = &tm__late_actor};
    json_t *out = NULL;
    assert_int_equal(tm__registry_collect(registry, &options, &out, NULL), TM_OK);
    const size_t n = json_array_size(json_object_get(out, "versions"));
    json_decref(out);
    return n;
}

/* Of three versions the first is champion and the third the newest: the second is collected, but
 * not while it is an arm. */
static void arms_are_not_collected_while_it_runs(void **state) {
    tm_registry *registry = tm__late_open(*state, 3);
    json_t *found = NULL;
    tm_err err = {0};
    assert_int_equal(start(registry, "late", &terms, NULL), TM_OK);
    assert_int_equal(collect(registry), 0);
    assert_int_equal(tm__registry_experiment_stop(registry, "late", &tm__late_actor, &found, NULL),
                     TM_OK);
    json_decref(found);
    assert_int_equal(collect(registry), 1);
    assert_int_equal(start(registry, "late", &terms, &err), TM_E_NOT_FOUND);
    assert_true(err.hint[0] != '\0');
    tm__registry_close(registry);
}

/* ---- what is done at the verdict ---- */

static tm_status split(tm_registry *registry, uint32_t control, uint32_t treatment) {
    const tm_split_order order = {2, {{1, control, {{0}}}, {2, treatment, {{0}}}}, false};
    return tm__registry_split(registry, "late", &order, &tm__late_actor, NULL);
}

static tm_status start_then(tm_registry *registry, tm_experiment_then then, tm_err *err) {
    tm_experiment_terms t = terms;
    t.then = then;
    return start(registry, "late", &t, err);
}

static tm_status end(tm_registry *registry, int64_t number, bool promotes, tm_err *err) {
    json_t *evidence = json_pack("{s:s}", "decision", "treatment_better");
    const tm_experiment_end one = {.number = number, .promotes = promotes, .evidence = evidence};
    const tm_status st = tm__registry_experiment_end(registry, "late", &one, &tm__late_actor, err);
    json_decref(evidence);
    return st;
}

static bool is_running(tm_registry *registry) {
    json_t *found = NULL;
    assert_int_equal(tm__registry_experiment(registry, "late", &found, NULL), TM_OK);
    const bool is = strcmp(tm__json_text(found, "state", ""), "running") == 0;
    json_decref(found);
    return is;
}

static size_t n_acting(tm_registry *registry) {
    json_t *names = NULL;
    assert_int_equal(tm__registry_experiments_acting(registry, &names, NULL), TM_OK);
    const size_t n = json_array_size(names);
    assert_true(n == 0 || strcmp(json_string_value(json_array_get(names, 0)), "late") == 0);
    json_decref(names);
    return n;
}

static void a_winner_is_promoted_and_the_experiment_ends(void **state) {
    tm_registry *registry = tm__late_open(*state, 2);
    json_t *story = NULL;
    assert_int_equal(split(registry, 9000, 1000), TM_OK);
    assert_int_equal(n_acting(registry), 0);
    assert_int_equal(start_then(registry, TM_THEN_PROMOTE, NULL), TM_OK);
    assert_int_equal(n_acting(registry), 1);
    assert_int_equal(end(registry, 2, true, NULL), TM_E_CONFLICT); /* of another */
    assert_int_equal(end(registry, 1, true, NULL), TM_OK);
    assert_int_equal(tm__late_route(registry).version, 2);
    assert_int_equal(tm__late_route(registry).n_arms, 0);
    assert_int_equal(n_acting(registry), 0);
    assert_int_equal(tm__registry_history(registry, "late", &story, NULL), TM_OK);
    const size_t n = json_array_size(story);
    const json_t *promoted = json_array_get(story, n - 2), *last = json_array_get(story, n - 1);
    assert_string_equal(tm__json_text(promoted, "event", ""), "promoted");
    assert_string_equal(tm__json_text(last, "event", ""), "experiment.stopped");
    assert_string_equal(tm__json_text(json_object_get(last, "details"), "decision", ""),
                        "treatment_better");
    json_decref(story);
    assert_int_equal(end(registry, 1, true, NULL), TM_E_CONFLICT); /* it is done */
    tm__registry_close(registry);
}

static void a_stop_sends_all_requests_to_the_champion(void **state) {
    tm_registry *registry = tm__late_open(*state, 3);
    const tm_split_order other = {2, {{1, 5000, {{0}}}, {3, 5000, {{0}}}}, false};
    assert_int_equal(split(registry, 9000, 1000), TM_OK);
    assert_int_equal(start_then(registry, TM_THEN_STOP, NULL), TM_OK);
    assert_int_equal(end(registry, 1, false, NULL), TM_OK);
    assert_true(tm__late_route(registry).version == 1 && tm__late_route(registry).n_arms == 0);
    /* A split that has nothing of it any more is nobody else's to end. */
    assert_int_equal(split(registry, 9000, 1000), TM_OK);
    assert_int_equal(start_then(registry, TM_THEN_STOP, NULL), TM_OK);
    assert_int_equal(tm__registry_split(registry, "late", &other, &tm__late_actor, NULL), TM_OK);
    assert_int_equal(end(registry, 2, false, NULL), TM_OK);
    assert_int_equal(tm__late_route(registry).n_arms, 2);
    tm__registry_close(registry);
}

static void nothing_is_promoted_against_its_gate_or_another_champion(void **state) {
    tm_registry *registry = tm__late_open(*state, 3);
    const tm_gate_verdict no = {.is_open = false, .reason = "auc 0.6 is worse"};
    const tm_promotion third = {.version = 3};
    uint32_t from = 0;
    assert_int_equal(split(registry, 9000, 1000), TM_OK);
    assert_int_equal(start_then(registry, TM_THEN_PROMOTE, NULL), TM_OK);
    assert_int_equal(tm__registry_judge(registry, "late", 2, &no, &tm__late_actor, NULL), TM_OK);
    assert_int_equal(end(registry, 1, true, NULL), TM_E_REFUSED);
    assert_true(is_running(registry) && tm__late_route(registry).n_arms == 2);
    assert_int_equal(tm__registry_promote(registry, "late", &third, &tm__late_actor, &from, NULL),
                     TM_OK);
    assert_int_equal(end(registry, 1, true, NULL), TM_E_CONFLICT);
    assert_true(is_running(registry) && tm__late_route(registry).version == 3);
    assert_int_equal(end(registry, 1, false, NULL), TM_OK);
    assert_false(is_running(registry));
    tm__registry_close(registry);
}

static void what_nobody_watches_begins_in_order(void **state) {
    tm_registry *registry = tm__late_open(*state, 3);
    const tm_rollout_order rollout = {.version = 2};
    const tm_gate_verdict no = {.is_open = false, .reason = "auc 0.6 is worse"};
    tm_experiment_terms t = terms;
    tm_err err = {0};
    t.then = TM_THEN_STOP;
    t.versions[0] = 2;
    t.versions[1] = 1;
    assert_int_equal(start_then(registry, TM_THEN_STOP, &err), TM_E_CONFLICT);
    assert_non_null(strstr(err.message, "not split"));
    assert_non_null(strstr(err.hint, "1=90 2=10"));
    assert_int_equal(split(registry, 5000, 5000), TM_OK);
    assert_int_equal(start_then(registry, TM_THEN_STOP, &err), TM_E_CONFLICT); /* 90 and 10 */
    assert_int_equal(split(registry, 1000, 9000), TM_OK);
    assert_int_equal(start(registry, "late", &t, &err), TM_E_CONFLICT);
    assert_non_null(strstr(err.message, "champion"));
    assert_int_equal(split(registry, 9000, 1000), TM_OK);
    assert_int_equal(tm__registry_judge(registry, "late", 2, &no, &tm__late_actor, NULL), TM_OK);
    assert_int_equal(start_then(registry, TM_THEN_PROMOTE, &err), TM_E_REFUSED);
    assert_int_equal(start_then(registry, TM_THEN_STOP, &err), TM_OK);
    assert_int_equal(end(registry, 1, false, NULL), TM_OK);
    const tm_gate_verdict yes = {.is_open = true, .reason = "auc 0.8"};
    assert_int_equal(tm__registry_judge(registry, "late", 2, &yes, &tm__late_actor, NULL), TM_OK);
    assert_int_equal(tm__registry_rollout_start(registry, "late", &rollout, &tm__late_actor, NULL),
                     TM_OK);
    assert_int_equal(start_then(registry, TM_THEN_PROMOTE, &err), TM_E_CONFLICT);
    tm__registry_close(registry);
}

static tm_status promote_winner(tm_registry *registry) {
    return end(registry, 1, true, NULL);
}

static void ended_or_not(tm_registry *registry, bool is_made) {
    assert_int_equal(tm__late_route(registry).version, is_made ? 2 : 1);
    assert_int_equal(tm__late_route(registry).n_arms, is_made ? 0 : 2);
    assert_int_equal(is_running(registry), !is_made);
}

static void a_kill_at_any_write_promotes_and_stops_or_neither(void **state) {
    tm_registry *registry = tm__late_open(*state, 2);
    assert_int_equal(split(registry, 9000, 1000), TM_OK);
    assert_int_equal(start_then(registry, TM_THEN_PROMOTE, NULL), TM_OK);
    tm__registry_close(registry);
    tm__late_each_write(*state, true, promote_winner, ended_or_not);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(its_terms_are_kept_and_its_history_told),
        TEST(guardrails_are_kept_with_the_figures_of_the_start),
        TEST(one_runs_at_a_time_and_the_next_has_the_next_number),
        TEST(arms_are_not_collected_while_it_runs),
        TEST(arms_that_are_not_there_are_refused),
        TEST(a_winner_is_promoted_and_the_experiment_ends),
        TEST(a_stop_sends_all_requests_to_the_champion),
        TEST(nothing_is_promoted_against_its_gate_or_another_champion),
        TEST(what_nobody_watches_begins_in_order),
        TEST(a_kill_at_any_write_promotes_and_stops_or_neither),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
