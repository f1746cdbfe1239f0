/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "serve/rehearse.h"
#include "temp_home.h"
#include "test.h"
#include "tiny_bundle.h"

static tm_status ask(const tm_bundle *bundle, const char *text, uint64_t n, double *out,
                     tm_err *err) {
    tm_buf rows;
    tm__buf_init(&rows, 1u << 20);
    tm__buf_text(&rows, text);
    const tm_status st = tm__rehearse(bundle, &rows, n, out, err);
    tm__buf_done(&rows);
    return st;
}

static void rows_are_answered_as_by_a_server(void **state) {
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    double out[2] = {-1, -1}, want = -1;
    tm_cell cells[3] = {{.type = TM_TYPE_NONE}, {.type = TM_TYPE_NONE}, {.type = TM_TYPE_NONE}};
    tm_bundle_scratch *scratch = tm__bundle_scratch_create(bundle);
    tm__bundle_predict_row(bundle, scratch, cells, &want);
    assert_int_equal(ask(bundle,
                         "[{\"x\":0.5,\"c\":\"a\",\"day\":\"2024-01-01\"},"
                         "{\"x\":null,\"c\":null,\"day\":null}]",
                         2, out, NULL),
                     TM_OK);
    assert_true(out[0] == want && out[1] == want); /* the baseline gives one answer */
    tm__bundle_scratch_free(scratch);
    tm__bundle_unref(bundle);
}

static void what_a_request_could_not_bring_is_told(void **state) {
    static const char *const bad[] = {
        "[{\"x\":\"far\",\"c\":\"a\",\"day\":null}]", /* no number */
        "[]",                                         /* too few rows */
        "[{\"x\":1,\"c\":\"a\",\"day\":null},{\"x\":1,\"c\":\"a\",\"day\":null}]", /* too many */
        "[{\"x\":1",                                                               /* no JSON */
    };
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        tm_err err = {0};
        double out = 0;
        if (ask(bundle, bad[i], 1, &out, &err) != TM_E_DATA) {
            fail_msg("%s", bad[i]);
        }
        assert_null(strstr(err.message, "far")); /* no value is told */
    }
    tm__bundle_unref(bundle);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_are_answered_as_by_a_server, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(what_a_request_could_not_bring_is_told, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
