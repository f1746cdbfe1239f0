/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/clock.h"
#include "serve/client.h"
#include "serve_case.h"
#include "temp_home.h"
#include "test.h"

static void calls_share_a_connection_and_tell_problems(void **state) {
    serve_case c;
    serve_case_open(&c, *state, NULL);
    tm_client *client = NULL;
    tm_err err = {0};
    tm_buf body;
    tm_buf reply;
    tm__buf_init(&body, 1u << 16);
    tm__buf_init(&reply, 1u << 20);
    const tm_client_options options = {.address = tm__server_address(c.server)};
    assert_int_equal(tm__client_open(&options, &client, &err), TM_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(tm__client_call(client, "/livez", NULL, &reply, &err), TM_OK);
        assert_string_equal((const char *)reply.data, "{\"status\":\"ok\"}");
    }
    tm__buf_text(&body, "{\"rows\":[]}");
    assert_int_equal(tm__client_call(client, "/v1/routes/tiny/predict", &body, &reply, &err),
                     TM_OK);
    assert_non_null(strstr((const char *)reply.data, "\"predictions\":[]"));
    assert_int_equal(tm__client_call(client, "/v1/routes/nobody/predict", &body, &reply, &err),
                     TM_E_NOT_FOUND);
    assert_non_null(strstr(err.message, "404"));
    assert_int_equal(tm__client_call(client, "/v1/models/tiny:promote", &body, &reply, &err),
                     TM_E_NOT_ALLOWED);
    tm__buf_reset(&body);
    tm__buf_text(&body, "{");
    assert_int_equal(tm__client_call(client, "/v1/routes/tiny/predict", &body, &reply, &err),
                     TM_E_DATA);
    assert_int_equal(tm__client_call(client, "/livez", NULL, &reply, &err), TM_OK);
    tm__client_close(client);
    tm__buf_done(&body);
    tm__buf_done(&reply);
    serve_case_close(&c);
}

static void a_key_is_sent(void **state) {
    serve_case c;
    tm_key key;
    serve_case_open(&c, *state, NULL);
    serve_case_key(&c, TM_GUARD_VIEWER, &key);
    tm_client *client = NULL;
    tm_err err = {0};
    tm_buf reply;
    tm__buf_init(&reply, 1u << 20);
    char address[160] = "http://";
    (void)tm__str_copy(address + 7, sizeof address - 7, tm__str(tm__server_address(c.server)));
    const tm_client_options options = {.address = address, .key = key.text};
    assert_int_equal(tm__client_open(&options, &client, &err), TM_OK);
    tm_status st = TM_E_NOT_ALLOWED;
    for (int i = 0; i < TEST_LOOKS && st != TM_OK; i++) { /* the server sees the key in a moment */
        tm__sleep_ms(10);
        st = tm__client_call(client, "/v1/models", NULL, &reply, &err);
    }
    assert_int_equal(st, TM_OK);
    tm__client_close(client);
    tm__buf_done(&reply);
    serve_case_close(&c);
}

static void a_reply_without_room_is_told(void **state) {
    serve_case c;
    serve_case_open(&c, *state, NULL);
    tm_client *client = NULL;
    tm_err err = {0};
    tm_buf reply;
    tm__buf_init(&reply, 4);
    const tm_client_options options = {.address = tm__server_address(c.server)};
    assert_int_equal(tm__client_open(&options, &client, &err), TM_OK);
    assert_int_equal(tm__client_call(client, "/livez", NULL, &reply, &err), TM_E_LIMIT);
    assert_non_null(strstr(err.message, "too large"));
    tm__client_close(client);
    tm__buf_done(&reply);
    serve_case_close(&c);
}

static void no_server_is_an_error_with_a_hint(void **state) {
    (void)state;
    tm_client *client = NULL;
    tm_err err = {0};
    tm_buf reply;
    tm__buf_init(&reply, 4096);
    const tm_client_options options = {.address = "127.0.0.1:1", .timeout_ms = 60000};
    assert_int_equal(tm__client_open(&options, &client, &err), TM_OK);
    assert_int_not_equal(tm__client_call(client, "/livez", NULL, &reply, &err), TM_OK);
    assert_non_null(strstr(err.hint, "tidemill serve"));
    tm__client_close(client);
    tm__client_close(NULL);
    tm__buf_done(&reply);
}

#define IN_HOME(test) cmocka_unit_test_setup_teardown(test, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_HOME(calls_share_a_connection_and_tell_problems),
        IN_HOME(a_key_is_sent),
        IN_HOME(a_reply_without_room_is_told),
        cmocka_unit_test(no_server_is_an_error_with_a_hint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
