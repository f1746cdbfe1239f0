/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/label_origins.h"

#include <string.h>

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

#define HOME(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        HOME(origins_come_by_their_number_of_labels),
        HOME(answers_of_the_time_alone_count),
        HOME(coverage_is_told_by_decision),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
