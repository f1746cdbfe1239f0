/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "serve_case.h"
#include "temp_home.h"

static void a_split_is_checked_and_told(void **state) {
    serve_case c;
    serve_case_open(&c, *state, NULL);
    tm_key key, other;
    serve_case_key(&c, TM_GUARD_OPERATOR, &key);
    serve_case_key_seen(&c, TM_GUARD_VIEWER, &other);
    static const struct {
        const char *body;
        uint32_t status;
    } orders[] = {
        {"", 400},
        {"{", 400},
        {"{}", 400},
        {"{\"weights\":[1,2]}", 400},
        {"{\"weights\":{}}", 400},
        {"{\"weights\":{\"1\":50}}", 400},
        {"{\"weights\":{\"1\":\"100\"}}", 400},
        {"{\"weights\":{\"0\":100}}", 400},
        {"{\"weights\":{\"one\":100}}", 400},
        {"{\"weights\":{\"1\":1e300}}", 400},
        {"{\"weights\":{\"1\":99.999,\"2\":0.001}}", 400},
        {"{\"weights\":{\"1\":100},\"force\":1}", 400},
        {"{\"weights\":{\"1\":100},\"other\":1}", 400},
        {"{\"weights\":{\"1\":50,\"9\":50}}", 404},
        {"{\"weights\":{\"1\":100}}", 409}, /* so it is */
    };
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        const uint32_t status =
            serve_case_call(&c, "/v1/routes/tiny:split", orders[i].body, key.text);
        if (status != orders[i].status) {
            fail_msg("%s: %u, %s", orders[i].body, status, c.body);
        }
    }
    const char *good = "{\"weights\":{\"1\":100}}";
    assert_int_equal(serve_case_call(&c, "/v1/routes/nobody:split", good, key.text), 404);
    assert_int_equal(serve_case_call(&c, "/v1/routes/tiny:split", good, other.text), 403);
    serve_case_close(&c);
}

static void a_shadow_is_checked_and_told(void **state) {
    serve_case c;
    serve_case_open(&c, *state, NULL);
    tm_key key, other;
    serve_case_key(&c, TM_GUARD_OPERATOR, &key);
    serve_case_key_seen(&c, TM_GUARD_VIEWER, &other);
    static const struct {
        const char *body;
        uint32_t status;
    } orders[] = {
        {"", 400},
        {"{}", 400},
        {"{\"version\":\"2\"}", 400},
        {"{\"version\":0}", 400},
        {"{\"version\":-1}", 400},
        {"{\"version\":1,\"share\":0}", 400},
        {"{\"version\":1,\"share\":\"5\"}", 400},
        {"{\"version\":null,\"share\":5}", 400},
        {"{\"version\":1,\"other\":1}", 400},
        {"{\"version\":9}", 404},
        {"{\"version\":1}", 409},    /* the champion */
        {"{\"version\":null}", 409}, /* so it is */
    };
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        const uint32_t status =
            serve_case_call(&c, "/v1/routes/tiny:shadow", orders[i].body, key.text);
        if (status != orders[i].status) {
            fail_msg("%s: %u, %s", orders[i].body, status, c.body);
        }
    }
    const char *good = "{\"version\":1}";
    assert_int_equal(serve_case_call(&c, "/v1/routes/nobody:shadow", good, key.text), 404);
    assert_int_equal(serve_case_call(&c, "/v1/routes/tiny:shadow", good, other.text), 403);
    serve_case_close(&c);
}

static void a_rollout_is_checked_and_told(void **state) {
    serve_case c;
    serve_case_open(&c, *state, NULL);
    tm_key key, other;
    serve_case_key(&c, TM_GUARD_OPERATOR, &key);
    serve_case_key_seen(&c, TM_GUARD_VIEWER, &other);
    static const struct {
        const char *body;
        uint32_t status;
    } orders[] = {
        {"", 400},
        {"{}", 400},
        {"{\"version\":\"2\"}", 400},
        {"{\"version\":0}", 400},
        {"{\"version\":2,\"terms\":[]}", 400},
        {"{\"version\":2,\"terms\":{\"steps\":[50,10]}}", 400},
        {"{\"version\":2,\"force\":1}", 400},
        {"{\"version\":2,\"move\":\"stop\"}", 400},
        {"{\"move\":\"next\"}", 400}, /* steps are taken by who looks at guardrails */
        {"{\"move\":\"back\"}", 400},
        {"{\"move\":7}", 400},
        {"{\"version\":2,\"other\":1}", 400},
        {"{\"version\":9}", 404},
        {"{\"version\":1}", 409},     /* the champion */
        {"{\"move\":\"stop\"}", 409}, /* there is none */
        {"{\"version\":2,\"terms\":{\"steps\":[10],\"hold_seconds\":60},\"reason\":\"trial\"}",
         200},
        {"{\"version\":2}", 409}, /* there is one */
        {"{\"move\":\"pause\"}", 200},
        {"{\"move\":\"pause\"}", 409},
        {"{\"move\":\"resume\"}", 200},
        {"{\"move\":\"stop\"}", 200},
        {"{\"version\":2,\"terms\":{\"shadow\":50}}", 200},
    };
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        const uint32_t status =
            serve_case_call(&c, "/v1/routes/tiny:rollout", orders[i].body, key.text);
        if (status != orders[i].status) {
            fail_msg("%s: %u, %s", orders[i].body, status, c.body);
        }
    }
    assert_string_equal(c.body, "{\"route\":\"tiny\",\"move\":\"start\"}");
    assert_int_equal(
        serve_case_call(&c, "/v1/routes/nobody:rollout", "{\"move\":\"stop\"}", key.text), 404);
    assert_int_equal(
        serve_case_call(&c, "/v1/routes/tiny:rollout", "{\"move\":\"stop\"}", other.text), 403);
    serve_case_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_shadow_is_checked_and_told, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(a_rollout_is_checked_and_told, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(a_split_is_checked_and_told, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
