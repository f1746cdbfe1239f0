/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/monitor_report.h"

#include <string.h>

#include "base/clock.h"
#include "temp_home.h"
#include "test.h"
#include "trained_home.h"

static void a_report_has_scores_groups_labels_and_what_stands_out(void **state) {
    tm_home *home = *state;
    static const tm_made_rows learned = {.first = 0, .n = 400};
    static const tm_made_rows turned = {.first = 400, .n = 300, .is_flipped = true};
    tm_registry *registry = NULL;
    tm_monitor *monitor = NULL;
    const tm_monitor_options writing = {.can_write = true};
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    tm__made_csv_write(home, &learned, 1);
    assert_int_equal(tm__made_train(home, registry), 1);
    assert_int_equal(tm__monitor_open(home, &writing, &monitor, NULL), TM_OK);
    tm__made_traffic(monitor, &turned);
    tm_ctx ctx = {0};
    tm_place place = {.home = home, .registry = registry};
    assert_int_equal(tm__registry_find(registry, "made", &place.version, NULL), TM_OK);
    assert_int_equal(tm__registry_bundle(registry, &place.version, &place.bundle, NULL), TM_OK);
    const tm_monitor_report_options options = {
        .is_version = true,
        .live = {.from_us = INT64_MIN, .until_us = INT64_MAX, .is_by_row = true}};
    json_t *report = NULL;
    tm_err err = {0};
    if (tm__monitor_report_make(&ctx, &place, monitor, &options, &report, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    static const char *const members[] = {"live", "estimated", "coverage", "findings",
                                          "test", "model",     "metric",   "clock",
                                          "now",  "drift",     "alerts"};
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        assert_non_null(json_object_get(report, members[i]));
    }
    assert_int_equal(tm__json_i64(json_object_get(report, "coverage"), "labelled", -1), 300);
    assert_true(json_is_object(json_object_get(json_object_get(report, "live"), "slices")));
    /* The truths were turned round: it is worse than in the test, and the estimate is wrong. */
    const json_t *first = json_array_get(json_object_get(report, "findings"), 0);
    assert_string_equal(tm__json_text(first, "level", ""), "bad");
    assert_non_null(strstr(tm__json_text(first, "text", ""), "worse"));
    json_decref(report);
    tm__bundle_unref(place.bundle);
    tm__version_done(&place.version);
    tm__monitor_close(monitor);
    tm__registry_close(registry);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_report_has_scores_groups_labels_and_what_stands_out,
                                        tm__temp_home_open, tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
