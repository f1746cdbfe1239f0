/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "registry/experiment.h"
#include "serve_case.h"
#include "temp_home.h"

static void the_newest_experiment_is_told_with_its_verdict(void **state) {
    static const tm_actor actor = {.name = "test"};
    const tm_experiment_terms terms = {
        .versions = {1, 2}, .share = 0.5, .metric = "brier", .alpha = 0.05};
    serve_case c;
    json_t *started = NULL;
    serve_case_open(&c, *state, NULL);
    assert_int_equal(serve_case_call(&c, "/v1/models/tiny/experiment", NULL, NULL), 404);
    assert_non_null(strstr(c.body, "never had an experiment"));
    assert_int_equal(
        tm__registry_experiment_start(c.registry, "tiny", &terms, &actor, &started, NULL), TM_OK);
    json_decref(started);
    assert_int_equal(serve_case_call(&c, "/v1/models/tiny/experiment", NULL, NULL), 200);
    assert_non_null(strstr(c.body, "\"decision\":\"wait\""));
    assert_non_null(strstr(c.body, "\"over_time\":[]"));
    serve_case_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_newest_experiment_is_told_with_its_verdict,
                                        tm__temp_home_open, tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
