/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/experiment.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "registry/collect.h"
#include "temp_home.h"
#include "test.h"
#include "tiny_bundle.h"

static const tm_actor actor = {.name = "test", .reason = "it is better"};
static const tm_experiment_terms terms = {.versions = {1, 2},
                                          .share = 0.1,
                                          .metric = "brier",
                                          .alpha = 0.05,
                                          .horizon = 4000,
                                          .delay_us = 86400000000};

/* A home with versions of 'late'. */
static tm_registry *with_versions(const tm_home *home, int n) {
    tm_registry *registry = NULL;
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
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

static tm_registry *two_versions(const tm_home *home) {
    return with_versions(home, 2);
}

static tm_status start(tm_registry *registry, const char *model, const tm_experiment_terms *t,
                       tm_err *err) {
    json_t *out = NULL;
    const tm_status st = tm__registry_experiment_start(registry, model, t, &actor, &out, err);
    json_decref(out);
    return st;
}

static void its_terms_are_kept_and_its_history_told(void **state) {
    tm_registry *registry = two_versions(*state);
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
    assert_string_equal(tm__json_text(found, "hypothesis", ""), "it is better");
    assert_true(json_is_null(json_object_get(found, "baseline")));
    json_decref(found);
    assert_int_equal(tm__registry_experiment_stop(registry, "late", &actor, &found, NULL), TM_OK);
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

static void one_runs_at_a_time_and_the_next_has_the_next_number(void **state) {
    tm_registry *registry = two_versions(*state);
    json_t *found = NULL;
    tm_err err = {0};
    assert_int_equal(start(registry, "late", &terms, NULL), TM_OK);
    assert_int_equal(start(registry, "late", &terms, &err), TM_E_CONFLICT);
    assert_non_null(strstr(err.message, "experiment 1 of 'late' is running"));
    assert_int_equal(tm__registry_experiment_stop(registry, "late", &actor, &found, NULL), TM_OK);
    json_decref(found);
    assert_int_equal(tm__registry_experiment_stop(registry, "late", &actor, &found, &err),
                     TM_E_CONFLICT);
    assert_int_equal(start(registry, "late", &terms, NULL), TM_OK);
    assert_int_equal(tm__registry_experiment(registry, "late", &found, NULL), TM_OK);
    assert_int_equal(tm__json_i64(found, "experiment", 0), 2);
    assert_true(json_is_null(json_object_get(found, "stopped")));
    json_decref(found);
    tm__registry_close(registry);
}

static void arms_that_are_not_there_are_refused(void **state) {
    tm_registry *registry = two_versions(*state);
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
    const tm_collection options = {.keep = 1, .actor = &actor};
    json_t *out = NULL;
    assert_int_equal(tm__registry_collect(registry, &options, &out, NULL), TM_OK);
    const size_t n = json_array_size(json_object_get(out, "versions"));
    json_decref(out);
    return n;
}

/* Of three versions the first is champion and the third the newest: the second is collected, but
 * not while it is an arm. */
static void arms_are_not_collected_while_it_runs(void **state) {
    tm_registry *registry = with_versions(*state, 3);
    json_t *found = NULL;
    tm_err err = {0};
    assert_int_equal(start(registry, "late", &terms, NULL), TM_OK);
    assert_int_equal(collect(registry), 0);
    assert_int_equal(tm__registry_experiment_stop(registry, "late", &actor, &found, NULL), TM_OK);
    json_decref(found);
    assert_int_equal(collect(registry), 1);
    assert_int_equal(start(registry, "late", &terms, &err), TM_E_NOT_FOUND);
    assert_true(err.hint[0] != '\0');
    tm__registry_close(registry);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(its_terms_are_kept_and_its_history_told, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(one_runs_at_a_time_and_the_next_has_the_next_number,
                                        tm__temp_home_open, tm__temp_home_close),
        cmocka_unit_test_setup_teardown(arms_are_not_collected_while_it_runs, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(arms_that_are_not_there_are_refused, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
