/* SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>

#include "base/clock.h"
#include "serve/serve_priv.h"
#include "temp_home.h"
#include "test.h"

static const tm_log quiet = {.level = TM_ERROR, .fd = -1};

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
    for (int i = 0; i < TEST_LOOKS && atomic_load(&t.n) < 3; i++) {
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

#define IN_HOME(test) cmocka_unit_test_setup_teardown(test, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_HOME(the_tick_is_called_again_and_again),
        IN_HOME(a_tick_can_stop_the_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
