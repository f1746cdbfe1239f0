/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/label_origins.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "logged.h"
#include "registry/registry.h"
#include "temp_home.h"
#include "test.h"
#include "trained_home.h"

static tm_bundle *trained(const tm_home *home) {
    tm_registry *registry = NULL;
    tm_version version = {0};
    tm_bundle *bundle = NULL;
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    tm__made_csv_write(home, &(tm_made_rows){.first = 0, .n = 600}, 1);
    assert_int_equal(tm__made_train(home, registry), 1);
    assert_int_equal(tm__registry_find(registry, "made", &version, NULL), TM_OK);
    assert_int_equal(tm__registry_bundle(registry, &version, &bundle, NULL), TM_OK);
    tm__version_done(&version);
    tm__registry_close(registry);
    return bundle;
}

static tm_monitor *open_log(const tm_home *home) {
    tm_monitor *monitor = NULL;
    const tm_monitor_options options = {.can_write = true};
    assert_int_equal(tm__monitor_open(home, &options, &monitor, NULL), TM_OK);
    return monitor;
}

static json_t *look(tm_monitor *monitor, const tm_bundle *bundle, int64_t from_us,
                    int64_t until_us) {
    const tm_origins_ask ask = {.model = "made", .from_us = from_us, .until_us = until_us};
    json_t *out = NULL;
    assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
    assert_int_equal(tm__label_origins(monitor, bundle, &ask, &out, NULL), TM_OK);
    return out;
}

static void origins_come_by_their_number_of_labels(void **state) {
    tm_bundle *const bundle = trained(*state);
    tm_monitor *const monitor = open_log(*state);
    json_t *found = look(monitor, bundle, INT64_MIN, INT64_MAX);
    assert_int_equal(json_array_size(json_object_get(found, "origins")), 0);
    json_decref(found);
    tm__made_traffic(monitor, &(tm_made_rows){.first = 1000, .n = 300, .is_sure = true});
    tm__made_traffic(monitor,
                     &(tm_made_rows){.first = 2000, .n = 500, .is_sure = true, .origin = "key:A"});
    found = look(monitor, bundle, INT64_MIN, INT64_MAX);
    const json_t *const origins = json_object_get(found, "origins");
    assert_int_equal(tm__json_i64(found, "labels", 0), 800);
    assert_int_equal(json_array_size(origins), 2);
    const json_t *const first = json_array_get(origins, 0), *const last =
                                                                json_array_get(origins, 1);
    assert_string_equal(tm__json_text(first, "origin", "?"), "key:A");
    assert_int_equal(tm__json_i64(first, "labels", 0), 500);
    assert_int_equal(tm__json_i64(first, "others", 0), 300);
    assert_string_equal(tm__json_text(first, "verdict", ""), "fine");
    assert_string_equal(tm__json_text(last, "origin", "?"), "");
    json_decref(found);
    tm__monitor_close(monitor);
    tm__bundle_unref(bundle);
}

static void answers_of_the_time_alone_count(void **state) {
    tm_bundle *const bundle = trained(*state);
    tm_monitor *const monitor = open_log(*state);
    tm__made_traffic(monitor, &(tm_made_rows){.first = 1000, .n = 100, .at_us = 5000});
    json_t *found = look(monitor, bundle, 5000, 5040);
    assert_int_equal(tm__json_i64(found, "labels", 0), 40);
    json_decref(found);
    tm__monitor_close(monitor);
    tm__bundle_unref(bundle);
}

static void coverage_is_told_by_decision(void **state) {
    tm_bundle *const bundle = trained(*state);
    tm_monitor *const monitor = open_log(*state);
    tm__made_traffic(monitor, &(tm_made_rows){.first = 1000, .n = 400, .is_sure = true});
    json_t *const found = look(monitor, bundle, INT64_MIN, INT64_MAX);
    const json_t *const coverage = json_object_get(found, "coverage");
    int64_t n = 0;
    assert_int_equal(json_array_size(coverage), 2);
    for (size_t i = 0; i < 2; i++) {
        const json_t *const entry = json_array_get(coverage, i);
        n += tm__json_i64(entry, "answers", 0);
        assert_true(tm__json_f64(entry, "share", 0) == 1);
    }
    assert_int_equal(n, 400);
    json_decref(found);
    tm__monitor_close(monitor);
    tm__bundle_unref(bundle);
}

/* Answers of a version that say yes, or no, labelled with what they say or not at all. */
static void answer(tm_monitor *monitor, uint32_t version, bool is_yes, uint32_t n,
                   bool is_labelled) {
    const double output = is_yes ? 0.9 : 0.1;
    for (uint32_t i = 0; i < n; i++) {
        char id[27];
        (void)snprintf(id, sizeof(id), "v%u%c%u", version, is_yes ? 'y' : 'n', i);
        const tm_logged logged = {.id = id,
                                  .at_us = 1000 + i,
                                  .event_us = TM_INT_MISSING,
                                  .model = "made",
                                  .version = version,
                                  .row = "{\"c\":\"a\",\"x\":0.5}",
                                  .outputs = &output,
                                  .n_outputs = 1};
        const tm_label label = {
            .prediction_id = id, .value = is_yes ? "yes" : "no", .observed_us = TM_INT_MISSING};
        assert_true(tm__logged_answer(monitor, &logged));
        assert_int_equal(is_labelled ? tm__monitor_labels(monitor, &label, 1, NULL, NULL) : TM_OK,
                         TM_OK);
    }
}

/* Of the decision no: its own share, and that of the others, where both were made. */
static void check_beside(const tm_home *home, tm_monitor *monitor, double share, double others) {
    tm_bundle *const bundle = trained(home);
    json_t *const found = look(monitor, bundle, INT64_MIN, INT64_MAX);
    const json_t *const entry = json_array_get(json_object_get(found, "coverage"), 0);
    const json_t *const beside = json_object_get(entry, "beside");
    assert_string_equal(tm__json_text(entry, "decision", ""), "no");
    assert_true(fabs(tm__json_f64(beside, "share", -1) - share) < 1e-9);
    assert_true(fabs(tm__json_f64(beside, "others", -1) - others) < 1e-9);
    json_decref(found);
    tm__bundle_unref(bundle);
}

/* Version 1 mostly said no and nobody labelled it; of version 2 all is labelled. */
static void a_version_without_labels_hides_no_decision(void **state) {
    tm_monitor *const monitor = open_log(*state);
    answer(monitor, 1, false, 300, false);
    answer(monitor, 1, true, 10, false);
    answer(monitor, 2, false, 20, true);
    answer(monitor, 2, true, 200, true);
    check_beside(*state, monitor, 20.0 / 320, 20.0 / 320);
    tm__monitor_close(monitor);
}

static void answers_that_owe_no_label_yet_are_not_missed(void **state) {
    tm_bundle *const bundle = trained(*state);
    tm_monitor *const monitor = open_log(*state);
    const tm_origins_ask ask = {
        .model = "made", .from_us = INT64_MIN, .until_us = INT64_MAX, .owed_until_us = 1099};
    json_t *found = NULL;
    answer(monitor, 1, true, 300, false); /* a microsecond apart, from 1000 on */
    assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
    assert_int_equal(tm__label_origins(monitor, bundle, &ask, &found, NULL), TM_OK);
    const json_t *const yes = json_array_get(json_object_get(found, "coverage"), 1);
    assert_int_equal(tm__json_i64(yes, "answers", 0), 100);
    assert_true(json_is_null(json_object_get(yes, "beside")));
    json_decref(found);
    tm__monitor_close(monitor);
    tm__bundle_unref(bundle);
}

/* Version 1 said nothing but no, and all of it was labelled. */
static void a_version_of_one_decision_has_nothing_to_compare(void **state) {
    tm_monitor *const monitor = open_log(*state);
    answer(monitor, 1, false, 300, true);
    answer(monitor, 2, false, 150, false);
    answer(monitor, 2, true, 100, true);
    check_beside(*state, monitor, 0, 1);
    tm__monitor_close(monitor);
}

#define HOME(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        HOME(origins_come_by_their_number_of_labels),
        HOME(answers_of_the_time_alone_count),
        HOME(coverage_is_told_by_decision),
        HOME(a_version_without_labels_hides_no_decision),
        HOME(answers_that_owe_no_label_yet_are_not_missed),
        HOME(a_version_of_one_decision_has_nothing_to_compare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
