/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/experiment_log.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "logged.h"
#include "registry/experiment.h"
#include "temp_home.h"
#include "test.h"
#include "tiny_bundle.h"

#define HOUR INT64_C(3600000000)

static const tm_actor actor = {.name = "test"};

static tm_registry *registry;
static tm_bundle *bundles[2];

/* Two versions of "tiny". */
static void two_versions(tm_home *home) {
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    for (int i = 0; i < 2; i++) {
        tm_bundle *bundle = tm__tiny_bundle_create(home, &(tm_tiny_bundle){.auc = 0.7 + 0.01 * i});
        tm_version version = {0};
        assert_int_equal(tm__registry_add(registry, "tiny", bundle, NULL, &actor, &version, NULL),
                         TM_OK);
        tm__version_done(&version);
        tm__bundle_unref(bundle);
    }
}

typedef struct given {
    uint32_t version;
    int64_t at_us, known_us;
    const char *entity;
    double output;
    const char *label; /* NULL: none */
    uint32_t latency_us;
} given;

static void log_all(const tm_home *home, const given *rows, int n) {
    tm_monitor *monitor = NULL;
    const tm_monitor_options options = {.can_write = true};
    assert_int_equal(tm__monitor_open(home, &options, &monitor, NULL), TM_OK);
    for (int i = 0; i < n; i++) {
        char id[27];
        tm_label_result result;
        snprintf(id, sizeof(id), "%d", i);
        const tm_logged answer = {.id = id,
                                  .model = "tiny",
                                  .version = rows[i].version,
                                  .at_us = rows[i].at_us,
                                  .event_us = TM_INT_MISSING,
                                  .entity = rows[i].entity,
                                  .row = "{}",
                                  .outputs = &rows[i].output,
                                  .n_outputs = 1,
                                  .latency_us = rows[i].latency_us};
        const tm_label label = {
            .prediction_id = id, .value = rows[i].label, .observed_us = rows[i].known_us};
        assert_true(tm__logged_answer(monitor, &answer));
        if (rows[i].label != NULL) {
            assert_int_equal(tm__monitor_labels(monitor, &label, 1, &result, NULL), TM_OK);
        }
    }
    tm__monitor_close(monitor);
}

static json_t *started; /* whose names are those of what was read */

static tm_experiment read_with(const tm_home *home, const char *metric, int64_t delay_us,
                               const json_t *guardrails) {
    const tm_experiment_terms terms = {.versions = {1, 2},
                                       .share = 0.5,
                                       .metric = metric,
                                       .alpha = 0.05,
                                       .delay_us = delay_us,
                                       .guardrails = guardrails};
    const tm_monitor_options reading_only = {.can_write = false};
    tm_experiment out = {0};
    tm_monitor *monitor = NULL;
    tm_err err = {0};
    tm__clock_fix(HOUR);
    assert_int_equal(
        tm__registry_experiment_start(registry, "tiny", &terms, &actor, &started, NULL), TM_OK);
    tm__clock_fix(50 * HOUR);
    assert_int_equal(tm__registry_experiment_bundles(registry, "tiny", started, bundles, NULL),
                     TM_OK);
    assert_int_equal(tm__monitor_open(home, &reading_only, &monitor, NULL), TM_OK);
    const tm_experiment_ask ask = {home, monitor, "tiny", started, {bundles[0], bundles[1]}};
    if (tm__experiment_log(&ask, &out, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    tm__monitor_close(monitor);
    return out;
}

static tm_experiment read_by(const tm_home *home, const char *metric, int64_t delay_us) {
    return read_with(home, metric, delay_us, NULL);
}

static const given rows[] = {
    {1, HOUR / 2, HOUR, "z", 0.9, "yes", 0}, /* before it began */
    {1, 2 * HOUR, 3 * HOUR, "a", 0.9, "yes", 0},   {2, 3 * HOUR, 4 * HOUR, "b", 0.8, "no", 0},
    {1, 4 * HOUR, 30 * HOUR, NULL, 0.25, "no", 0}, {2, 49 * HOUR, 49 * HOUR, NULL, 0.5, NULL, 0},
};

static void answers_are_scored_by_the_version_that_gave_them(void **state) {
    two_versions(*state);
    log_all(*state, rows, 5);
    tm_experiment e = read_by(*state, "brier", 0);
    assert_int_equal(e.units.n, 4);
    assert_string_equal(e.names[1], "version 2");
    assert_true(e.metrics[0].smaller_is_better);
    assert_true(fabs(e.units.values[0][0] - 0.01) < 1e-12); /* a, known first */
    assert_true(fabs(e.units.values[0][1] - 0.64) < 1e-12);
    assert_true(fabs(e.units.values[0][2] - 0.0625) < 1e-12);
    assert_true(isnan(e.units.values[0][3]));
    tm__experiment_done(&e);
}

static void a_label_that_is_later_than_the_delay_does_not_count(void **state) {
    two_versions(*state);
    log_all(*state, rows, 5);
    tm_experiment e = read_by(*state, "outcome", 24 * HOUR);
    assert_int_equal(e.units.n, 4);
    assert_int_equal(e.units.n_matured, 3); /* the newest is an hour old */
    assert_true(e.units.values[0][0] == 1 && e.units.values[0][1] == 0);
    assert_true(isnan(e.units.values[0][2])); /* known 26 hours later */
    assert_true(e.units.is_binary[0]);
    tm__experiment_done(&e);
}

/* Another score by unit, and the first answer's time of each unit, labelled or not. */
static void guardrails_are_read_with_the_metric(void **state) {
    static const given slow[] = {
        {1, 2 * HOUR, 3 * HOUR, "a", 0.9, "yes", 100},
        {1, 3 * HOUR, 3 * HOUR, "a", 0.9, NULL, 9000},
        {2, 3 * HOUR, 4 * HOUR, "b", 0.8, "no", 9000},
        {2, 4 * HOUR, 0, NULL, 0.1, NULL, 100},
        {1, 5 * HOUR, 0, "both", 0.5, NULL, 9000},
        {2, 6 * HOUR, 0, "both", 0.5, NULL, 9000},
    };
    two_versions(*state);
    json_t *said = json_pack("[{s:s, s:f}, {s:s, s:f, s:i}, {s:s, s:f}]", "metric", "accuracy",
                             "margin", 0.02, "metric", "latency", "margin", 0.1, "slow_us", 5000,
                             "metric", "errors", "margin", 0.0);
    log_all(*state, slow, 6);
    tm_experiment e = read_with(*state, "brier", 0, said);
    json_t *result = NULL;
    assert_true(e.n_metrics == 2 && e.n_shares == 2);
    assert_string_equal(e.metrics[1].name, "accuracy");
    assert_true(e.metrics[1].margin == 0.02 && !e.metrics[1].smaller_is_better);
    assert_true(e.shares[0].n[0] == 1 && e.shares[0].k[0] == 0); /* a's first was quick */
    assert_true(e.shares[0].n[1] == 2 && e.shares[0].k[1] == 1);
    assert_true(e.shares[1].n[0] == 0 && e.shares[1].n[1] == 0); /* no server */
    assert_int_equal(tm__experiment_judge(&e, &result, NULL), TM_OK);
    assert_int_equal(json_array_size(json_object_get(result, "guardrails")), 3);
    const json_t *rule = json_object_get(result, "rule");
    assert_true(fabs(tm__json_f64(rule, "alpha", 0) - 0.045) < 1e-12);
    assert_true(fabs(tm__json_f64(rule, "alpha_guardrails", 0) - 0.005) < 1e-12);
    json_decref(result);
    json_decref(said);
    tm__experiment_done(&e);
}

static void an_experiment_is_told_with_how_it_went(void **state) {
    const tm_monitor_options reading_only = {.can_write = false};
    json_t *told = NULL;
    tm_monitor *monitor = NULL;
    two_versions(*state);
    log_all(*state, rows, 5);
    tm_experiment e = read_by(*state, "brier", 0);
    tm__experiment_done(&e);
    assert_int_equal(tm__monitor_open(*state, &reading_only, &monitor, NULL), TM_OK);
    const tm_experiment_ask ask = {*state, monitor, "tiny", started, {bundles[0], bundles[1]}};
    assert_int_equal(tm__experiment_told(&ask, 50, &told, NULL), TM_OK);
    assert_string_equal(tm__json_text(told, "model", ""), "tiny");
    assert_string_equal(tm__json_text(told, "decision", ""), "wait");
    assert_string_equal(tm__json_text(json_object_get(told, "metric"), "metric", ""), "brier");
    const json_t *points = json_object_get(told, "over_time");
    const json_t *second = json_array_get(points, 1);
    assert_int_equal(json_array_size(points), 4);
    assert_string_equal(tm__json_text(second, "at", ""), "1970-01-01T04:00:00Z");
    assert_true(fabs(tm__json_f64(second, "difference", 0) - 0.63) < 1e-12);
    json_decref(told);
    tm__monitor_close(monitor);
}

static void a_metric_is_one_of_single_answers(void **state) {
    tm_bundle *binary = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    tm_bundle *number =
        tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7, .task = "regression"});
    const char *name = NULL;
    tm_err err = {0};
    assert_int_equal(tm__experiment_metric(binary, NULL, &name, NULL), TM_OK);
    assert_string_equal(name, "brier");
    assert_int_equal(tm__experiment_metric(number, NULL, &name, NULL), TM_OK);
    assert_string_equal(name, "mae");
    assert_int_equal(tm__experiment_metric(number, "outcome", &name, NULL), TM_OK);
    assert_int_equal(tm__experiment_metric(binary, "auc", &name, &err), TM_E_USAGE);
    assert_non_null(strstr(err.message, "'auc' is no metric of single answers"));
    assert_int_equal(tm__experiment_metric(number, "accuracy", &name, NULL), TM_E_USAGE);
    assert_int_equal(tm__experiment_metric(binary, "nonsense", &name, NULL), TM_E_USAGE);
    tm__bundle_unref(binary);
    tm__bundle_unref(number);
}

static int close_home(void **state) {
    tm__clock_fix(INT64_MIN);
    json_decref(started);
    started = NULL;
    for (size_t arm = 0; arm < 2; arm++) {
        tm__bundle_unref(bundles[arm]);
        bundles[arm] = NULL;
    }
    tm__registry_close(registry);
    registry = NULL;
    return tm__temp_home_close(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_are_scored_by_the_version_that_gave_them,
                                        tm__temp_home_open, close_home),
        cmocka_unit_test_setup_teardown(a_label_that_is_later_than_the_delay_does_not_count,
                                        tm__temp_home_open, close_home),
        cmocka_unit_test_setup_teardown(guardrails_are_read_with_the_metric, tm__temp_home_open,
                                        close_home),
        cmocka_unit_test_setup_teardown(an_experiment_is_told_with_how_it_went, tm__temp_home_open,
                                        close_home),
        cmocka_unit_test_setup_teardown(a_metric_is_one_of_single_answers, tm__temp_home_open,
                                        close_home),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
