/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/net.h"
#include "serve/serve_priv.h"
#include "serve_case.h"
#include "temp_home.h"
#include "test.h"

static const tm_log quiet = {.level = TM_ERROR, .fd = -1};

static void a_home_without_models_is_served(void **state) {
    const tm_serve_options options = {.listen = "127.0.0.1:0", .log = &quiet};
    tm_server *server = NULL;
    assert_int_equal(tm__server_open(*state, &options, &server, NULL), TM_OK);
    assert_non_null(strstr(tm__server_address(server), "127.0.0.1:"));
    tm__server_stop(server);
    int signal = -1;
    assert_int_equal(tm__server_run(server, &signal, NULL), TM_OK);
    assert_int_equal(signal, 0);
    tm__server_close(server);
}

static void readyz_says_no_before_the_end(void **state) {
    const tm_serve_limits limits = {.stop_delay_ms = 600000}; /* until it is asked again */
    serve_case c;
    serve_case_open(&c, *state, &limits);
    assert_int_equal(serve_case_call(&c, "/readyz", NULL, NULL), 200);
    tm__server_stop(c.server);
    for (int i = 0; i < TEST_LOOKS && serve_case_call(&c, "/readyz", NULL, NULL) == 200; i++) {
        tm__sleep_ms(1);
    }
    assert_int_equal(c.status, 503);
    assert_int_equal(serve_case_call(&c, "/livez", NULL, NULL), 200);
    assert_int_equal(serve_case_call(&c, "/v1/routes/tiny/predict", "{\"rows\":[]}", NULL), 200);
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    tm__thread_join(c.thread);
    c.thread = NULL;
    int fd = -1;
    assert_int_not_equal(tm__net_connect(tm__server_address(c.server), 60000, &fd, NULL), TM_OK);
    serve_case_close(&c);
}

/* A call of an endpoint with names and a body that fit; what matters is who asked. */
static uint32_t call_endpoint(serve_case *c, const tm_endpoint *endpoint, const char *key) {
    char target[256];
    const char *brace = strchr(endpoint->path, '{');
    const char *end = brace == NULL ? NULL : strchr(brace, '}');
    if (brace == NULL) {
        (void)snprintf(target, sizeof target, "%s", endpoint->path);
    } else {
        (void)snprintf(target, sizeof target, "%.*stiny%s", (int)(brace - endpoint->path),
                       endpoint->path, end + 1);
    }
    return serve_case_call(c, target, endpoint->method == TM_POST ? "{}" : NULL, key);
}

/* Over the wire: every endpoint of the table for every role, for nobody and for a wrong key. */
static void every_endpoint_asks_every_role(void **state) {
    serve_case c;
    tm_key keys[TM_GUARD_AUDITOR];
    serve_case_open(&c, *state, NULL);
    for (uint32_t i = 0; i < TM_GUARD_AUDITOR; i++) {
        serve_case_key(&c, (tm_guard_role)(i + 1), &keys[i]);
    }
    for (int i = 0; i < TEST_LOOKS &&
                    serve_case_call(&c, "/version", NULL, keys[TM_GUARD_AUDITOR - 1].text) != 200;
         i++) {
        tm__sleep_ms(10);
    }
    for (uint32_t e = 0; e < tm__endpoint_count(); e++) {
        const tm_endpoint *endpoint = tm__endpoint_get(e);
        const bool is_public = endpoint->permission == TM_PERMISSION_PUBLIC ||
                               endpoint->permission == TM_PERMISSION_LOGIN;
        for (uint32_t i = 0; i < TM_GUARD_AUDITOR; i++) {
            const bool can =
                is_public || tm__guard_role_can((tm_guard_role)(i + 1), endpoint->permission);
            const uint32_t status = call_endpoint(&c, endpoint, keys[i].text);
            assert_int_not_equal(status, 401);
            assert_int_equal(status != 403, can);
        }
        assert_int_equal(call_endpoint(&c, endpoint, NULL) == 401, !is_public);
        assert_int_equal(call_endpoint(&c, endpoint, "tm_wrong") == 401, !is_public);
    }
    serve_case_close(&c);
}

#define IN_HOME(test) cmocka_unit_test_setup_teardown(test, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_HOME(every_endpoint_asks_every_role),
        IN_HOME(a_home_without_models_is_served),
        IN_HOME(readyz_says_no_before_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
