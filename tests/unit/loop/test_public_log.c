/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "monitor/monitor.h"
#include "registry/registry.h"
#include "temp_home.h"
#include "test.h"
#include "tidemill/tidemill.h"
#include "tiny_bundle.h"

static const tm_actor actor = {.name = "test"};

static tm_bundle *make(const tm_home *home, double auc) {
    const tm_tiny_bundle options = {.auc = auc, .entity = "who", .time = "asked"};
    tm_bundle *bundle = tm__tiny_bundle_create(home, &options);
    tm_registry *registry = NULL;
    tm_version version = {0};
    json_t *recipe = json_object();
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    assert_int_equal(tm__registry_add(registry, "tiny", bundle, recipe, &actor, &version, NULL),
                     TM_OK);
    tm__version_done(&version);
    tm__registry_close(registry);
    json_decref(recipe);
    return bundle;
}

static void a_program_logs_what_it_answers_and_labels_join(void **state) {
    enum { N = 5000 };
    tm_bundle *bundle = make(*state, 0.5);
    tm_answer_log *log = NULL;
    tm_row *row = NULL;
    char id[27], last[27] = "";
    double out[1];
    assert_int_equal(tm_answer_log_open(tm__home_path(*state), "tiny", bundle, &log, NULL), TM_OK);
    assert_int_equal(tm_row_create(bundle, &row, NULL), TM_OK);
    for (int i = 0; i < N; i++) {
        assert_int_equal(tm_row_set_number(row, 0, i, NULL), TM_OK);
        tm_bundle_predict_row(bundle, row, out);
        const tm_given_answer given = {
            .row = row, .out = out, .entity = i == N - 1 ? "last" : NULL, .time_us = 7};
        assert_int_equal(tm_answer_log_add(log, &given, id, NULL), TM_OK);
        assert_string_not_equal(id, last);
        memcpy(last, id, sizeof(last));
    }
    assert_int_equal(tm_answer_log_flush(log, NULL), TM_OK);
    assert_int_equal(tm_answer_log_flush(log, NULL), TM_OK); /* nothing is left */
    tm_answer_log_close(log);
    tm_row_free(row);

    tm_monitor *monitor = NULL;
    json_t *found = NULL;
    const tm_monitor_options options = {.can_write = true};
    assert_int_equal(tm__monitor_open(*state, &options, &monitor, NULL), TM_OK);
    assert_int_equal(tm__monitor_find(monitor, id, &found, NULL), TM_OK);
    assert_true(tm__json_f64(json_object_get(found, "row"), "x", 0) == N - 1);
    json_decref(found);
    const tm_label labels[] = {{.prediction_id = id, .value = "yes", .observed_us = TM_INT_MISSING},
                               {.model = "tiny",
                                .entity = "last",
                                .event_us = 7,
                                .value = "yes",
                                .observed_us = TM_INT_MISSING}};
    tm_label_result results[2];
    assert_int_equal(tm__monitor_labels(monitor, labels, 2, results, NULL), TM_OK);
    assert_int_equal(results[0], TM_LABEL_JOINED);
    assert_int_equal(results[1], TM_LABEL_DUPLICATE); /* it is the same answer */
    json_t *counters = tm__monitor_counters(monitor);
    assert_int_equal(tm__json_i64(counters, "written", 0), N);
    json_decref(counters);
    tm__monitor_close(monitor);
    tm__bundle_unref(bundle);
}

static void a_bundle_of_another_version_is_refused(void **state) {
    tm_bundle *first = make(*state, 0.5), *second = make(*state, 0.6);
    tm_answer_log *log = NULL;
    tm_err err = {0};
    const char *const home = tm__home_path(*state);
    assert_int_equal(tm_answer_log_open(home, "tiny@2", first, &log, &err), TM_E_CONFLICT);
    assert_non_null(strstr(err.message, "version 2"));
    assert_int_equal(tm_answer_log_open(home, "other", first, &log, NULL), TM_E_NOT_FOUND);
    assert_int_equal(tm_answer_log_open("/nowhere/at/all", "tiny", first, &log, NULL),
                     TM_E_NOT_FOUND);
    assert_int_equal(tm_answer_log_open(home, "tiny@1", first, &log, NULL), TM_OK);
    tm_answer_log_close(log);
    tm_answer_log_close(NULL);
    tm__bundle_unref(first);
    tm__bundle_unref(second);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_program_logs_what_it_answers_and_labels_join),
        TEST(a_bundle_of_another_version_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
