/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "serve_case.h"
#include "temp_home.h"

#define KEY "ed25519:3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"

static void signers_come_and_go_by_an_administrator_alone(void **state) {
    static const struct {
        const char *body;
        uint32_t status;
    } cases[] = {
        {"{}", 400},
        {"{\"action\":\"add\"}", 400},
        {"{\"action\":\"trust\",\"key\":\"" KEY "\"}", 400},
        {"{\"action\":\"add\",\"key\":\"ed25519:00\"}", 400},
        {"{\"action\":\"add\",\"key\":\"" KEY "\",\"name\":1}", 400},
        {"{\"action\":\"remove\",\"key\":\"" KEY "\",\"name\":\"x\"}", 400},
        {"{\"action\":\"remove\",\"key\":\"" KEY "\"}", 404},
        {"{\"action\":\"add\",\"key\":\"" KEY "\",\"name\":\"training\"}", 200},
        {"{\"action\":\"add\",\"key\":\"" KEY "\"}", 409},
    };
    serve_case c;
    tm_key key, operator;
    serve_case_open(&c, *state, NULL);
    serve_case_key(&c, TM_GUARD_ADMIN, &key);
    serve_case_key_seen(&c, TM_GUARD_OPERATOR, &operator);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const uint32_t status = serve_case_call(&c, "/v1/trust", cases[i].body, key.text);
        if (status != cases[i].status) {
            fail_msg("%s: %u, %s", cases[i].body, status, c.body);
        }
    }
    assert_int_equal(serve_case_call(&c, "/v1/trust", NULL, key.text), 200);
    assert_non_null(strstr(c.body, KEY));
    assert_non_null(strstr(c.body, "training"));
    assert_int_equal(serve_case_call(&c, "/v1/trust", NULL, operator.text), 403);
    assert_int_equal(serve_case_call(&c, "/v1/trust",
                                     "{\"action\":\"remove\",\"key\":\"" KEY "\"}", operator.text),
                     403);
    assert_int_equal(
        serve_case_call(&c, "/v1/trust", "{\"action\":\"remove\",\"key\":\"" KEY "\"}", key.text),
        200);
    assert_int_equal(serve_case_call(&c, "/v1/trust", NULL, key.text), 200);
    assert_non_null(strstr(c.body, "\"signers\":[]"));
    serve_case_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(signers_come_and_go_by_an_administrator_alone,
                                        tm__temp_home_open, tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
