/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "drift_case.h"
#include "serve/counted.h"
#include "temp_home.h"

static void rows_of_all_threads_are_collected_once(void **state) {
    drift_case c;
    drift_case_open(&c, 1);
    tm_teller teller = {.home = *state};
    tm_drift_watch *const watch = tm__drift_watch_create(&teller);
    tm_served served = {.bundle = c.bundle, .model = "mill", .version = 1};
    tm_served *routes[] = {&served};
    const tm_current current = {.n = 1, .routes = routes};
    const double answer = 0.25;
    tm_cell row[16];
    bundle_data_cells(c.data, 3, row);
    assert_int_equal(tm__counted_create(c.bundle, 3, &served.counted, NULL), TM_OK);
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 3; i++) {
            tm__cells_add(served.counted->cells[i], row, &answer, 1);
        }
        assert_int_equal(tm__counted_collect(&current, watch, 7, NULL), TM_OK);
        assert_int_equal(tm__counted_collect(&current, watch, 8, NULL), TM_OK);
    }
    tm__counted_free(served.counted);
    tm__drift_watch_free(watch);
    tm__teller_done(&teller);
    const tm_drift_ask ask = {.model = "mill", .version = 1};
    json_t *report = NULL;
    assert_int_equal(tm__drift_report(*state, c.bundle, &ask, &report, NULL), TM_OK);
    assert_int_equal(tm__json_i64(json_array_get(report, 0), "rows", 0), 6);
    json_decref(report);
    drift_case_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_of_all_threads_are_collected_once, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
