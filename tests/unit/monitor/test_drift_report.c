/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "drift_case.h"
#include "monitor/drift.h"
#include "temp_home.h"

/* What a report says of rows is in test_drift_watch.c; here is what there is without any. */
static void without_rows_or_reference_a_report_is_empty(void **state) {
    drift_case c;
    json_t *report = NULL;
    const tm_drift_ask ask = {.model = "mill", .version = 1};
    drift_case_open(&c, 1);
    assert_int_equal(tm__drift_report(*state, c.bundle, &ask, &report, NULL), TM_OK);
    assert_int_equal(json_array_size(report), 0);
    json_decref(report);
    tm_reference *const made = c.data->reference;
    tm_bundle *bundle = NULL;
    tm_buf buf;
    tm_hash hash;
    c.data->reference = NULL;
    bundle_data_write(c.data, &buf, &hash);
    c.data->reference = made;
    assert_int_equal(tm__bundle_load(buf.data, buf.len, &bundle, NULL), TM_OK);
    assert_int_equal(tm__drift_report(*state, bundle, &ask, &report, NULL), TM_OK);
    assert_int_equal(json_array_size(report), 0);
    json_decref(report);
    tm__bundle_unref(bundle);
    tm__buf_done(&buf);
    drift_case_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_rows_or_reference_a_report_is_empty,
                                        tm__temp_home_open, tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
