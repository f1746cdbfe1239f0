/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/json.h"
#include "cli/project_triggers.h"
#include "test.h"

static void triggers_that_wait_for_a_source_are_named_where_there_is_none(void **state) {
    (void)state;
    static const char text[] =
        "models:\n"
        "  file: {from: a.csv, target: y, retrain: {new_rows: 5, on: [drift, schema]}}\n"
        "  query: {from: SELECT 1 AS y, target: y, retrain: {new_rows: 5, new_labels: 5}}\n"
        "  kept: {from: orders, target: y, retrain: {new_rows: 5, on: [schema]}}\n"
        "  timed: {from: a.csv, target: y, retrain: {every: 7d, on: [drift]}}\n";
    static const char *const want[][2] = {
        {"file", "new_rows"}, {"file", "schema"}, {"query", "new_rows"}};
    tm_project project = {0};
    tm_err err = {0};
    if (tm__project_parse(tm__str(text), "tidemill.yaml", ".", &project, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    json_t *const unfed = tm__project_unfed(&project);
    assert_int_equal(json_array_size(unfed), 3);
    for (size_t i = 0; i < 3; i++) {
        const json_t *const one = json_array_get(unfed, i);
        assert_string_equal(tm__json_text(one, "model", ""), want[i][0]);
        assert_string_equal(tm__json_text(one, "trigger", ""), want[i][1]);
    }
    json_decref(unfed);
    tm__project_done(&project);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(triggers_that_wait_for_a_source_are_named_where_there_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
