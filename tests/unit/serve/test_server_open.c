/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

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

#define IN_HOME(test) cmocka_unit_test_setup_teardown(test, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_HOME(a_home_has_one_server),
        IN_HOME(an_open_address_needs_a_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
