/* SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/net.h"
#include "serve/serve_priv.h"
#include "serve_case.h"
#include "temp_home.h"
#include "test.h"

static const tm_log quiet = {.level = TM_ERROR, .fd = -1};
static const tm_actor actor = {.name = "test"};

static void a_home_has_one_server(void **state) {
    serve_case c;
    serve_case_open(&c, *state, NULL);
    const tm_serve_options options = {.listen = "127.0.0.1:0", .log = &quiet};
    tm_server *second = NULL;
    tm_err err = {0};
    assert_int_equal(tm__server_open(c.home, &options, &second, &err), TM_E_CONFLICT);
    assert_null(second);
    assert_non_null(strstr(err.message, "another server"));
    serve_case_close(&c);
}

static void an_open_address_needs_a_key(void **state) {
    const tm_serve_options options = {.listen = "0.0.0.0:0", .log = &quiet};
    tm_server *server = NULL;
    tm_err err = {0};
    assert_int_equal(tm__server_open(*state, &options, &server, &err), TM_E_NOT_ALLOWED);
    assert_non_null(strstr(err.hint, "tidemill key create"));
    tm_registry *registry = NULL;
    tm_key key;
    tm__key_create(&key);
    assert_int_equal(tm__registry_open(*state, &registry, &err), TM_OK);
    assert_int_equal(tm__registry_key_add(registry, &key, &(tm_key_terms){.role = TM_GUARD_CLIENT},
                                          &actor, &err),
                     TM_OK);
    tm__registry_close(registry);
    assert_int_equal(tm__server_open(*state, &options, &server, &err), TM_E_NOT_ALLOWED);
    assert_non_null(strstr(err.hint, "--tls-cert"));
    tm_serve_options behind = options;
    behind.behind_proxy = "127.0.0.0/8";
    assert_int_equal(tm__server_open(*state, &behind, &server, &err), TM_OK);
    tm__server_close(server);
}

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

static void a_move_by_another_process_is_served_in_a_moment(void **state) {
    serve_case c;
    serve_case_open(&c, *state, NULL);
    uint32_t from = 0;
    uint32_t to = 0;
    for (int i = 0; i < 5; i++) {
        const tm_promotion promotion = {.version = 2};
        assert_int_equal(tm__registry_promote(c.registry, "tiny", &promotion, &actor, &from, NULL),
                         TM_OK);
        assert_true(serve_case_wait_version(&c, 2, NULL));
        assert_int_equal(tm__registry_rollback(c.registry, "tiny", &actor, &from, &to, NULL),
                         TM_OK);
        assert_true(serve_case_wait_version(&c, 1, NULL));
    }
    serve_case_close(&c);
}

static void readyz_says_no_before_the_end(void **state) {
    const tm_serve_limits limits = {.stop_delay_ms = 2000}; /* time for three calls */
    serve_case c;
    serve_case_open(&c, *state, &limits);
    assert_int_equal(serve_case_call(&c, "/readyz", NULL, NULL), 200);
    tm__server_stop(c.server);
    tm__sleep_ms(100);
    assert_int_equal(serve_case_call(&c, "/readyz", NULL, NULL), 503);
    assert_int_equal(serve_case_call(&c, "/livez", NULL, NULL), 200);
    assert_int_equal(serve_case_call(&c, "/v1/routes/tiny/predict", "{\"rows\":[]}", NULL), 200);
    const uint64_t start = tm__mono_ns();
    tm__thread_join(c.thread);
    c.thread = NULL;
    assert_true(tm__mono_ns() - start < UINT64_C(20000000000));
    int fd = -1;
    assert_int_not_equal(tm__net_connect(tm__server_address(c.server), 200, &fd, NULL), TM_OK);
    serve_case_close(&c);
}

typedef struct ticker {
    _Atomic uint32_t n;
} ticker;

static uint32_t tick(void *arg) {
    ticker *t = arg;
    atomic_fetch_add(&t->n, 1);
    return 5;
}

static void the_tick_is_called_again_and_again(void **state) {
    ticker t = {0};
    const tm_serve_options options = {
        .listen = "127.0.0.1:0", .log = &quiet, .tick = tick, .tick_arg = &t};
    tm_server *server = NULL;
    assert_int_equal(tm__server_open(*state, &options, &server, NULL), TM_OK);
    for (int i = 0; i < 200 && atomic_load(&t.n) < 3; i++) {
        tm__sleep_ms(5);
    }
    assert_true(atomic_load(&t.n) >= 3);
    tm__server_close(server);
}

static uint32_t tick_once(void *arg) {
    ticker *t = arg;
    atomic_fetch_add(&t->n, 1);
    return TM_TICK_STOP;
}

static void a_tick_can_stop_the_server(void **state) {
    ticker t = {0};
    int signal = -1;
    const tm_serve_options options = {
        .listen = "127.0.0.1:0", .log = &quiet, .tick = tick_once, .tick_arg = &t};
    tm_server *server = NULL;
    assert_int_equal(tm__server_open(*state, &options, &server, NULL), TM_OK);
    assert_int_equal(tm__server_run(server, &signal, NULL), TM_OK);
    assert_int_equal(signal, 0);
    assert_int_equal(atomic_load(&t.n), 1);
    tm__server_close(server);
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
    for (int i = 0;
         i < 100 && serve_case_call(&c, "/version", NULL, keys[TM_GUARD_AUDITOR - 1].text) != 200;
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
        IN_HOME(a_home_has_one_server),
        IN_HOME(an_open_address_needs_a_key),
        IN_HOME(a_home_without_models_is_served),
        IN_HOME(a_move_by_another_process_is_served_in_a_moment),
        IN_HOME(readyz_says_no_before_the_end),
        IN_HOME(the_tick_is_called_again_and_again),
        IN_HOME(a_tick_can_stop_the_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
