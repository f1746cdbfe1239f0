/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/door.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "made_cert.h"
#include "support.h"
#include "test.h"

static const tm_log quiet = {.level = TM_ERROR, .fd = -1};
static char cert[600], key[600], sock[600];

static int set_up(void **state) {
    (void)state;
    test_folder_make(&test_dir);
    test_folder_join(&test_dir, "cert.pem", cert, sizeof cert);
    test_folder_join(&test_dir, "key.pem", key, sizeof key);
    made_cert_write("one", cert, key);
    (void)snprintf(sock, sizeof sock, "unix:");
    test_folder_join(&test_dir, "s", sock + 5, sizeof sock - 5);
    return 0;
}

/* Ways to start: what is open to others needs a key and TLS, or a key and a proxy. */
static const struct {
    const char *name;
    tm_serve_options options;
    bool has_key;
    tm_status want;
    const char *words; /* in message or hint */
} starts[] = {
    {"loopback", {.listen = "127.0.0.1:0"}, false, TM_OK, ""},
    {"loopback of IPv4 with a key", {.listen = "127.0.0.1:0"}, true, TM_OK, ""},
    {"a unix socket", {.listen = sock}, false, TM_OK, ""},
    {"TLS on loopback",
     {.listen = "127.0.0.1:0", .tls_cert = cert, .tls_key = key},
     false,
     TM_OK,
     ""},
    {"all interfaces", {.listen = "0.0.0.0:0"}, false, TM_E_NOT_ALLOWED, "tidemill key create"},
    {"all interfaces by leaving the host out",
     {.listen = ":0"},
     false,
     TM_E_NOT_ALLOWED,
     "tidemill key create"},
    {"a key without TLS", {.listen = "0.0.0.0:0"}, true, TM_E_NOT_ALLOWED, "--tls-cert"},
    {"a key without TLS says what else would do",
     {.listen = "0.0.0.0:0"},
     true,
     TM_E_NOT_ALLOWED,
     "--behind-proxy"},
    {"TLS without a key",
     {.listen = "0.0.0.0:0", .tls_cert = cert, .tls_key = key},
     false,
     TM_E_NOT_ALLOWED,
     "tidemill key create"},
    {"a key and TLS", {.listen = "0.0.0.0:0", .tls_cert = cert, .tls_key = key}, true, TM_OK, ""},
    {"a proxy without a key",
     {.listen = "127.0.0.1:0", .behind_proxy = "127.0.0.1"},
     false,
     TM_E_NOT_ALLOWED,
     "tidemill key create"},
    {"a proxy and a key",
     {.listen = "0.0.0.0:0", .behind_proxy = "10.0.0.0/8, fd00::/8"},
     true,
     TM_OK,
     ""},
    {"a proxy that is no address",
     {.listen = "0.0.0.0:0", .behind_proxy = "ingress"},
     true,
     TM_E_USAGE,
     "CIDR"},
    {"a range with bits behind it",
     {.listen = "0.0.0.0:0", .behind_proxy = "10.0.0.1/8"},
     true,
     TM_E_USAGE,
     "CIDR"},
    {"an empty list of proxies",
     {.listen = "0.0.0.0:0", .behind_proxy = ""},
     true,
     TM_E_USAGE,
     "no address"},
    {"TLS and a proxy",
     {.listen = "127.0.0.1:0", .tls_cert = cert, .tls_key = key, .behind_proxy = "10.0.0.0/8"},
     true,
     TM_E_USAGE,
     "--behind-proxy"},
    {"a certificate without its key",
     {.listen = "127.0.0.1:0", .tls_cert = cert},
     true,
     TM_E_USAGE,
     "--tls-key"},
    {"clients' authority without TLS",
     {.listen = "127.0.0.1:0", .tls_client_ca = cert},
     true,
     TM_E_USAGE,
     "--tls-key"},
    {"a file that is not there",
     {.listen = "127.0.0.1:0", .tls_cert = "/nowhere", .tls_key = key},
     true,
     TM_E_NOT_FOUND,
     "/nowhere"},
};

static void configurations(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        tm_door *door = NULL;
        tm_err err = {0};
        const tm_status st = tm__door_open(&starts[i].options, starts[i].has_key, &door, &err);
        if (st != starts[i].want || (strstr(err.message, starts[i].words) == NULL &&
                                     strstr(err.hint, starts[i].words) == NULL)) {
            fail_msg("%s: %d, %s (%s)", starts[i].name, (int)st, err.message, err.hint);
        }
        assert_int_equal(door != NULL, st == TM_OK);
        tm__door_free(door);
    }
}

static tm_door_result come_in(tm_door *door, tm_accepted *out) {
    int fd = -1;
    tm_door_result result = TM_DOOR_NOBODY;
    assert_int_equal(tm__net_connect(tm__door_address(door), 60000, &fd, NULL), TM_OK);
    for (int i = 0; i < TEST_LOOKS && result == TM_DOOR_NOBODY; i++) {
        result = tm__door_accept(door, out);
        tm__sleep_ms(result == TM_DOOR_NOBODY ? 1 : 0);
    }
    assert_int_equal(tm__door_accept(door, &(tm_accepted){0}), TM_DOOR_NOBODY);
    tm__net_close(fd);
    return result;
}

static void who_comes_in_as_what(void **state) {
    (void)state;
    const struct {
        const char *name;
        tm_serve_options options;
        tm_door_result want;
        bool is_local;
    } cases[] = {
        {"loopback", {.listen = "127.0.0.1:0"}, TM_DOOR_LET_IN, true},
        {"a unix socket", {.listen = sock}, TM_DOOR_LET_IN, true},
        {"from the proxy",
         {.listen = "127.0.0.1:0", .behind_proxy = "10.0.0.0/8,127.0.0.0/30"},
         TM_DOOR_LET_IN,
         false},
        {"a proxy on a unix socket",
         {.listen = sock, .behind_proxy = "10.0.0.0/8"},
         TM_DOOR_LET_IN,
         false},
        {"not from the proxy",
         {.listen = "127.0.0.1:0", .behind_proxy = "127.0.0.4/30"},
         TM_DOOR_SENT_AWAY,
         false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tm_door *door = NULL;
        tm_accepted accepted = {0};
        assert_int_equal(tm__door_open(&cases[i].options, true, &door, NULL), TM_OK);
        if (come_in(door, &accepted) != cases[i].want || accepted.is_local != cases[i].is_local) {
            fail_msg("%s", cases[i].name);
        }
        if (cases[i].want == TM_DOOR_LET_IN) {
            tm__net_close(accepted.fd);
        }
        tm__door_shut(door);
        assert_int_equal(tm__door_fd(door), -1);
        tm__door_free(door);
    }
    assert_int_equal(tm__fs_info(sock + 5).kind, TM_PATH_NONE); /* it leaves no socket behind */
}

static void a_certificate_that_changes_is_taken_and_a_broken_one_is_not(void **state) {
    (void)state;
    const tm_serve_options options = {.listen = "127.0.0.1:0", .tls_cert = cert, .tls_key = key};
    tm_door *door = NULL;
    tm_accepted first = {0};
    tm_accepted again = {0};
    assert_int_equal(tm__door_open(&options, false, &door, NULL), TM_OK);
    assert_true(tm__door_has_tls(door));
    assert_int_equal(come_in(door, &first), TM_DOOR_LET_IN);
    tm__door_reload(door, false, &quiet);
    assert_int_equal(come_in(door, &again), TM_DOOR_LET_IN);
    assert_ptr_equal(again.tls, first.tls); /* nothing changed */
    tm__tls_unref(again.tls);
    tm__net_close(again.fd);
    assert_int_equal(tm__fs_publish(cert, "no certificate", 14, NULL), TM_OK);
    tm__door_reload(door, false, &quiet);
    assert_int_equal(come_in(door, &again), TM_DOOR_LET_IN);
    assert_ptr_equal(again.tls, first.tls); /* it cannot be used */
    tm__tls_unref(again.tls);
    tm__net_close(again.fd);
    tm__sleep_ms(20); /* file times are no finer than a tick of the kernel */
    made_cert_write("two", cert, key);
    tm__door_reload(door, false, &quiet);
    assert_int_equal(come_in(door, &again), TM_DOOR_LET_IN);
    assert_ptr_not_equal(again.tls, first.tls);
    tm__tls_unref(again.tls);
    tm__net_close(again.fd);
    tm__tls_unref(first.tls);
    tm__net_close(first.fd);
    tm__door_free(door);
    tm__door_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(configurations, set_up, test_dir_remove),
        cmocka_unit_test_setup_teardown(who_comes_in_as_what, set_up, test_dir_remove),
        cmocka_unit_test_setup_teardown(a_certificate_that_changes_is_taken_and_a_broken_one_is_not,
                                        set_up, test_dir_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
