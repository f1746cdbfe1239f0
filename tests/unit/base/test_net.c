/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/net.h"
#include "base/pool.h"
#include "support.h"

static int accept_soon(int listener, char *peer, size_t size) {
    for (unsigned i = 0; i < TEST_LOOKS; i++) {
        const int fd = tm__net_accept(listener, peer, size);
        if (fd >= 0) {
            return fd;
        }
        tm__sleep_ms(1);
    }
    return -1;
}

static void check_talk(const char *address, const char *want_peer) {
    char bound[128], peer[64], bytes[16];
    int listener = -1, client = -1;
    assert_int_equal(tm__net_listen(address, &listener, bound, sizeof(bound), NULL), TM_OK);
    assert_int_equal(tm__net_accept(listener, peer, sizeof(peer)), -1);
    assert_int_equal(tm__net_connect(bound, 60000, &client, NULL), TM_OK);
    const int server = accept_soon(listener, peer, sizeof(peer));
    assert_true(server >= 0);
    assert_int_equal(strncmp(peer, want_peer, strlen(want_peer)), 0);
    assert_int_equal(tm__net_read(server, bytes, sizeof(bytes)), TM_NET_AGAIN);
    assert_false(tm__net_wait(server, false, 0));
    assert_true(tm__net_wait(server, true, 60000));
    assert_int_equal(tm__net_write(client, "ping", 4), 4);
    assert_true(tm__net_wait(server, false, 60000));
    int64_t n;
    while ((n = tm__net_read(server, bytes, sizeof(bytes))) == TM_NET_AGAIN) {
    }
    assert_int_equal(n, 4);
    assert_memory_equal(bytes, "ping", 4);
    assert_int_equal(tm__net_write(server, "pong!", 5), 5);
    assert_int_equal(tm__net_read(client, bytes, sizeof(bytes)), 5);
    tm__net_shutdown_write(client);
    while ((n = tm__net_read(server, bytes, sizeof(bytes))) == TM_NET_AGAIN) {
    }
    assert_int_equal(n, TM_NET_CLOSED);
    tm__net_close(server);
    assert_int_equal(tm__net_read(client, bytes, sizeof(bytes)), TM_NET_CLOSED);
    tm__net_close(client);
    tm__net_close(listener);
    tm__net_close(-1);
}

static void ranges_hold_addresses(void **state) {
    (void)state;
    static const struct {
        const char *range, *peer;
        bool is_range, has;
    } cases[] = {
        {"10.0.0.0/8", "10.1.2.3:5000", true, true},
        {"10.0.0.0/8", "11.1.2.3:5000", true, false},
        {"10.0.0.0/8", "[::ffff:10.9.9.9]:80", true, true},
        {"10.1.2.3", "10.1.2.3:1", true, true},
        {"10.1.2.3", "10.1.2.2:1", true, false},
        {"0.0.0.0/0", "255.1.2.3:1", true, true},
        {"0.0.0.0/0", "[2001:db8::1]:1", true, false},
        {"::/0", "1.2.3.4:1", true, true},
        {"fd00::/8", "[fd12::1]:443", true, true},
        {"fd00::/8", "[fe80::1]:443", true, false},
        {"127.0.0.1/32", "unix", true, false},
        {"127.0.0.1/32", "", true, false},
        {"10.0.0.1/8", "", false, false},
        {"10.0.0.0/33", "", false, false},
        {"10.0.0.0/", "", false, false},
        {"10.0.0.0/-1", "", false, false},
        {"10.0.0/8", "", false, false},
        {"localhost", "", false, false},
        {"", "", false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tm_net_range range;
        const bool ok = tm__net_range_parse(cases[i].range, &range);
        if (ok != cases[i].is_range ||
            (ok && tm__net_range_has(&range, cases[i].peer) != cases[i].has)) {
            fail_msg("'%s' and '%s'", cases[i].range, cases[i].peer);
        }
    }
}

static void both_ends_talk_over_tcp(void **state) {
    (void)state;
    check_talk("127.0.0.1:0", "127.0.0.1:");
    check_talk("localhost:0", "");
}

static void both_ends_talk_over_a_unix_socket(void **state) {
    (void)state;
    test_folder folder;
    char path[100], address[120];
    test_folder_make(&folder);
    test_folder_join(&folder, "s", path, sizeof(path));
    snprintf(address, sizeof(address), "unix:%s", path);
    check_talk(address, "unix");
    /* The socket of an ended process gives way, that of a living one does not. */
    check_talk(address, "unix");
    int listener = -1, second = -1;
    char bound[128];
    tm_err err = {0};
    assert_int_equal(tm__net_listen(address, &listener, bound, sizeof(bound), NULL), TM_OK);
    assert_string_equal(bound, address);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0007u, 0);
    assert_int_equal(tm__net_listen(address, &second, bound, sizeof(bound), &err), TM_E_CONFLICT);
    tm__net_close(listener);
    test_folder_remove(&folder);
}

static void a_taken_port_is_a_conflict(void **state) {
    (void)state;
    int listener = -1, second = -1;
    char bound[128];
    tm_err err = {0};
    assert_int_equal(tm__net_listen("127.0.0.1:0", &listener, bound, sizeof(bound), NULL), TM_OK);
    assert_int_equal(tm__net_listen(bound, &second, bound, sizeof(bound), &err), TM_E_CONFLICT);
    assert_non_null(strstr(err.hint, "another port"));
    assert_non_null(strstr(err.message, ": address already in use"));
    assert_int_equal(second, -1);
    tm__net_close(listener);
    assert_int_equal(tm__net_connect(bound, 60000, &second, &err), TM_E_UNAVAILABLE);
}

static void a_read_ends_at_its_limit(void **state) {
    (void)state;
    int listener = -1, client = -1;
    char bound[128], byte;
    assert_int_equal(tm__net_listen("127.0.0.1:0", &listener, bound, sizeof(bound), NULL), TM_OK);
    assert_int_equal(tm__net_connect(bound, 500, &client, NULL), TM_OK);
    const uint64_t start = tm__mono_ns();
    assert_int_equal(tm__net_read(client, &byte, 1), TM_NET_AGAIN);
    assert_true(tm__mono_ns() - start > 400000000);
    tm__net_close(client);
    tm__net_close(listener);
}

static void bad_addresses_are_refused(void **state) {
    (void)state;
    static const char *const cases[] = {
        "",       "localhost", "localhost:",   "localhost:x",  "h:70000",
        "::1:80", "unix:",     "127.0.0.1:-1", "127.0.0.1:80 "};
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int fd = -1;
        char bound[128];
        tm_err err = {0};
        assert_int_equal(tm__net_listen(cases[i], &fd, bound, sizeof(bound), &err), TM_E_USAGE);
        assert_int_equal(tm__net_connect(cases[i], 10, &fd, &err), TM_E_USAGE);
        assert_non_null(strstr(err.hint, "HOST:PORT"));
        assert_false(tm__net_is_loopback(cases[i]));
        assert_int_equal(fd, -1);
    }
}

static void loopback_is_known_by_its_address(void **state) {
    (void)state;
    static const struct {
        const char *address;
        bool is_loopback;
    } cases[] = {
        {"127.0.0.1:80", true},
        {"127.9.9.9:80", true},
        {"localhost:80", true},
        {"LocalHost:80", true},
        {"[::1]:80", true},
        {"[::ffff:127.0.0.1]:80", true},
        {"unix:/tmp/x", true},
        {"0.0.0.0:80", false},
        {":80", false},
        {"[::]:80", false},
        {"10.0.0.1:80", false},
        {"localhost.example.com:80", false},
        {"[::ffff:10.0.0.1]:80", false},
        {"127.0.0.1.example.com:80", false},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (tm__net_is_loopback(cases[i].address) != cases[i].is_loopback) {
            fail_msg("'%s'", cases[i].address);
        }
    }
}

static void the_limit_of_files_is_raised(void **state) {
    (void)state;
    const uint64_t limit = tm__net_raise_limit();
    assert_true(limit >= 64);
    assert_int_equal(tm__net_raise_limit(), limit);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_hold_addresses),
        cmocka_unit_test(both_ends_talk_over_tcp),
        cmocka_unit_test(both_ends_talk_over_a_unix_socket),
        cmocka_unit_test(a_taken_port_is_a_conflict),
        cmocka_unit_test(a_read_ends_at_its_limit),
        cmocka_unit_test(bad_addresses_are_refused),
        cmocka_unit_test(loopback_is_known_by_its_address),
        cmocka_unit_test(the_limit_of_files_is_raised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
