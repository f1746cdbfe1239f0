/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdatomic.h>

#include "base/log.h"
#include "drift_case.h"
#include "monitor/alert.h"
#include "monitor/drift.h"
#include "registry/registry.h"
#include "serve/counted.h"
#include "serve/watching.h"
#include "temp_home.h"

static void rows_that_were_answered_are_kept(void **state) {
    drift_case c;
    drift_case_open(&c, 1);
    tm_registry *registry = NULL;
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    const tm_watching_place place = {.home = *state, .registry = registry};
    tm_watching *const watching = tm__watching_create(&place);
    assert_non_null(watching);
    tm_served served = {.bundle = c.bundle, .model = "mill", .version = 1};
    tm_served broken = {.model = "other", .version = 1};
    tm_served *routes[] = {&served, &broken};
    const tm_current current = {.n = 2, .routes = routes};
    const double answer = 0.25;
    tm_cell row[16];
    bundle_data_cells(c.data, 3, row);
    assert_int_equal(tm__counted_create(c.bundle, 1, &served.counted, NULL), TM_OK);
    tm__cells_add(served.counted->cells[0], row, &answer, 1);
    tm__watching_step(watching, NULL, 5);
    tm__watching_collect(watching, &current, 7);
    tm__watching_end(watching, &current, 8);
    tm__watching_step(watching, &current, 8);
    tm__watching_step(watching, &current, 120000000);
    tm__watching_free(watching);
    tm__watching_free(NULL);
    tm__counted_free(served.counted);
    const tm_drift_ask ask = {.model = "mill", .version = 1};
    json_t *report = NULL;
    assert_int_equal(tm__drift_report(*state, c.bundle, &ask, &report, NULL), TM_OK);
    assert_int_equal(tm__json_i64(json_array_get(report, 0), "rows", 0), 1);
    json_decref(report);
    tm__registry_close(registry);
    drift_case_close(&c);
}

static size_t n_alerts(const tm_home *home) {
    const tm_alert_filter filter = {.model = "mill"};
    json_t *alerts = NULL;
    assert_int_equal(tm__alert_list(home, &filter, &alerts, NULL), TM_OK);
    const size_t n = json_array_size(alerts);
    json_decref(alerts);
    return n;
}

static void a_version_that_fails_inside_is_told_at_once(void **state) {
    tm_registry *registry = NULL;
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    const tm_watching_place place = {.home = *state, .registry = registry};
    tm_watching *const watching = tm__watching_create(&place);
    tm_served well = {.route = "mill", .model = "mill", .version = 1};
    tm_served ill = {.route = "mill", .model = "mill", .version = 2};
    tm_served *routes[] = {&well}, *kept[] = {&ill};
    const tm_current current = {.n = 1, .routes = routes, .n_kept = 1, .kept = kept};
    tm__watching_step(watching, &current, 1000000);
    assert_int_equal(n_alerts(*state), 0);
    atomic_store(&ill.n_broken, 3);
    tm__watching_step(watching, &current, 2000000);
    assert_int_equal(n_alerts(*state), 1);
    atomic_store(&ill.n_broken, 4);
    tm__watching_step(watching, &current, 90000000); /* the same one */
    assert_int_equal(n_alerts(*state), 1);
    tm__watching_free(watching);
    tm__registry_close(registry);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_that_were_answered_are_kept, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(a_version_that_fails_inside_is_told_at_once,
                                        tm__temp_home_open, tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
