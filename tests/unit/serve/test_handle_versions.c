/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/clock.h"
#include "serve_case.h"
#include "temp_home.h"

static void want(serve_case *c, const char *target, const char *body, const char *key,
                 uint32_t status, const char *says) {
    const uint32_t got = serve_case_call(c, target, body, key);
    if (got != status || (says != NULL && strstr(c->body, says) == NULL)) {
        fail_msg("%s %s: %u, %s", target, body == NULL ? "" : body, got, c->body);
    }
}

static void versions_are_tagged_and_told(void **state) {
    static const char place[] = "/v1/models/tiny/versions/2:tag";
    static const char *const bad[] = {
        "{}",
        "{\"tags\":[]}",
        "{\"note\":1}",
        "{\"tags\":{\"a b\":\"1\"}}",
        "{\"tags\":{\"a\":1}}",
        "{\"note\":\"\"}",
        "{\"tags\":{\"a\":\"1\"},\"other\":1}",
    };
    serve_case c;
    tm_key key, viewer;
    serve_case_open(&c, *state, NULL);
    serve_case_key(&c, TM_GUARD_OPERATOR, &key);
    serve_case_key_seen(&c, TM_GUARD_VIEWER, &viewer);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        want(&c, place, bad[i], key.text, 400, NULL);
    }
    want(&c, place, "{\"tags\":{\"stage\":\"trial\"},\"note\":\"by hand\"}", key.text, 200,
         "\"version\":2");
    want(&c, "/v1/models/tiny/versions/2", NULL, viewer.text, 200, "\"stage\":\"trial\"");
    want(&c, place, "{\"tags\":{\"none\":null}}", key.text, 404, NULL);
    want(&c, place, "{\"tags\":{\"stage\":null}}", key.text, 200, NULL);
    want(&c, "/v1/models/tiny/versions/2", NULL, viewer.text, 200, "\"tags\":{}");
    want(&c, place, "{\"note\":\"x\"}", viewer.text, 403, NULL);
    want(&c, "/v1/models/tiny/versions/9:tag", "{\"note\":\"x\"}", key.text, 404, NULL);
    want(&c, "/v1/models/tiny/versions/x:tag", "{\"note\":\"x\"}", key.text, 404, NULL);
    want(&c, "/v1/models/tiny/versions/2", NULL, viewer.text, 200, "by hand");
    want(&c, "/v1/models/tiny/versions/3", NULL, viewer.text, 404, NULL);
    want(&c, "/v1/models/tiny@1/versions/1", NULL, viewer.text, 404, NULL);
    serve_case_close(&c);
}

static void two_versions_are_compared_on_what_was_asked(void **state) {
    serve_case c;
    serve_case_open(&c, *state, NULL);
    want(&c, "/v1/models/tiny:diff?a=1&b=2", NULL, NULL, 200, "\"rows\":0");
    want(&c, "/v1/routes/tiny/predict",
         "{\"rows\":[{\"x\":0.5,\"c\":\"a\",\"day\":\"2024-01-01\"}]}", NULL, 200, NULL);
    for (int i = 0; i < TEST_LOOKS; i++) { /* until it is in the log */
        (void)serve_case_call(&c, "/v1/models/tiny:diff?a=1&b=2", NULL, NULL);
        if (strstr(c.body, "\"rows\":1") != NULL) {
            break;
        }
        tm__sleep_ms(10);
    }
    want(&c, "/v1/models/tiny:diff?a=1&b=2", NULL, NULL, 200, "\"rows\":1");
    assert_non_null(strstr(c.body, "\"refused\":0"));
    assert_non_null(strstr(c.body, "\"scores\":["));
    want(&c, "/v1/models/tiny:diff?a=1", NULL, NULL, 400, NULL);
    want(&c, "/v1/models/tiny:diff?a=1&b=0", NULL, NULL, 400, NULL);
    want(&c, "/v1/models/tiny:diff?a=1&b=7", NULL, NULL, 404, NULL);
    want(&c, "/v1/models/nobody:diff?a=1&b=2", NULL, NULL, 404, NULL);
    serve_case_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(versions_are_tagged_and_told, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(two_versions_are_compared_on_what_was_asked,
                                        tm__temp_home_open, tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
