/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "serve_case.h"
#include "temp_home.h"
#include "test.h"

static void health_needs_nothing_and_says_little(void **state) {
    serve_case c;
    serve_case_open(&c, *state, NULL);
    assert_int_equal(serve_case_call(&c, "/livez", NULL, NULL), 200);
    assert_string_equal(c.body, "{\"status\":\"ok\"}");
    assert_int_equal(serve_case_call(&c, "/ping", NULL, NULL), 200);
    assert_int_equal(serve_case_call(&c, "/readyz", NULL, NULL), 200);
    assert_non_null(strstr(c.body, "\"status\":\"ready\""));
    assert_null(strstr(c.body, "tiny"));
    assert_int_equal(serve_case_call(&c, "/version", NULL, NULL), 200);
    assert_int_equal(serve_case_call(&c, "/openapi.json", NULL, NULL), 200);
    serve_case_close(&c);
}

static void readyz_in_lines_has_one_for_each_check(void **state) {
    serve_case c;
    tm_key key;
    serve_case_open(&c, *state, NULL);
    assert_int_equal(serve_case_call(&c, "/readyz?verbose", NULL, NULL), 200);
    static const char *const lines[] = {"[+]running ok\n",
                                        "[+]route:tiny ok: version 1\n",
                                        "[+]log ok: 0 written, 0 waiting, 0 ",
                                        "[+]disk ok: ",
                                        "[+]queue ok\n",
                                        "[+]keys ok: none yet",
                                        "readyz check passed\n"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        if (strstr(c.body, lines[i]) == NULL) {
            fail_msg("lacks %s in %s", lines[i], c.body);
        }
    }
    assert_non_null(strstr(c.headers, "Content-Type: text/plain"));
    /* Once there are keys, who shows none learns no names. */
    serve_case_key(&c, TM_GUARD_VIEWER, &key);
    for (uint32_t i = 0; i < TEST_LOOKS && strstr(c.body, "route:tiny") != NULL; i++) {
        tm__sleep_ms(10);
        assert_int_equal(serve_case_call(&c, "/readyz?verbose", NULL, NULL), 200);
    }
    assert_non_null(strstr(c.body, "[+]route:1 ok: version 1\n"));
    assert_null(strstr(c.body, "tiny"));
    assert_non_null(strstr(c.body, "[+]keys ok: 1 keys\n"));
    serve_case_close(&c);
}

static void metrics_join_the_counters_of_the_loop_and_of_the_log(void **state) {
    serve_case c;
    serve_case_open(&c, *state, NULL);
    assert_int_equal(serve_case_call(&c, "/v1/routes/tiny/predict",
                                     "{\"rows\":[{\"x\":null,\"c\":\"red\",\"day\":null}]}", NULL),
                     200);
    assert_int_equal(serve_case_call(&c, "/metrics", NULL, NULL), 200);
    assert_non_null(strstr(c.headers, "Content-Type: text/plain; version=0.0.4"));
    assert_non_null(strstr(c.body, "tidemill_predictions_total{route=\"tiny\",version=\"1\""));
    assert_non_null(strstr(c.body, "tidemill_input_nulls_total{route=\"tiny\",version=\"1\","
                                   "arm=\"champion\"} 2\n"));
    assert_non_null(strstr(c.body, "tidemill_build_info{version=\""));
    assert_non_null(strstr(c.body, "process_resident_memory_bytes "));
    assert_non_null(strstr(c.body, "tidemill_labelled_answers{route=\"tiny\",version=\"1\"} 0\n"));
    serve_case_close(&c);
}

static void status_tells_what_is_served(void **state) {
    serve_case c;
    serve_case_open(&c, *state, NULL);
    assert_int_equal(serve_case_call(&c, "/v1/status", NULL, NULL), 200);
    json_t *v = json_loads(c.body, 0, NULL);
    assert_string_equal(tm__json_text(v, "schema", ""), "tidemill.status/1");
    const json_t *route = json_array_get(json_object_get(v, "routes"), 0);
    assert_string_equal(tm__json_text(route, "model", ""), "tiny");
    assert_int_equal(tm__json_i64(route, "version", 0), 1);
    assert_true(tm__json_bool(route, "is_loaded", false));
    json_decref(v);
    serve_case_close(&c);
}

#define IN_HOME(test) cmocka_unit_test_setup_teardown(test, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_HOME(health_needs_nothing_and_says_little),
        IN_HOME(readyz_in_lines_has_one_for_each_check),
        IN_HOME(metrics_join_the_counters_of_the_loop_and_of_the_log),
        IN_HOME(status_tells_what_is_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
