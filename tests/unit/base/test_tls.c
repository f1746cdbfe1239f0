/* SPDX-License-Identifier: Apache-2.0 */
#include "base/tls.h"

#include <fcntl.h>
#include <openssl/ssl.h>
#include <string.h>

#include "base/net.h"
#include "base/pool.h"
#include "made_cert.h"
#include "support.h"
#include "test.h"

static char cert[600], key[600], other_cert[600], other_key[600];

static int set_up(void **state) {
    (void)state;
    test_folder_make(&test_dir);
    test_folder_join(&test_dir, "cert.pem", cert, sizeof cert);
    test_folder_join(&test_dir, "key.pem", key, sizeof key);
    test_folder_join(&test_dir, "other.pem", other_cert, sizeof other_cert);
    test_folder_join(&test_dir, "other-key.pem", other_key, sizeof other_key);
    made_cert_write("one", cert, key);
    made_cert_write("two", other_cert, other_key);
    return 0;
}

/* A client of OpenSSL's own, on a thread; it sends `ping` and reads an answer. */
typedef struct client {
    const char *address;
    const char *trusted; /* certificate file */
    const char *cert, *key;
    int version_max;
    bool is_answered;
} client;

static void client_main(void *arg) {
    client *c = arg;
    int fd = -1;
    char answer[8] = "";
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    (void)SSL_CTX_load_verify_file(ctx, c->trusted);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    (void)SSL_CTX_set_max_proto_version(ctx, c->version_max);
    if (c->cert != NULL) {
        (void)SSL_CTX_use_certificate_file(ctx, c->cert, SSL_FILETYPE_PEM);
        (void)SSL_CTX_use_PrivateKey_file(ctx, c->key, SSL_FILETYPE_PEM);
    }
    SSL *ssl = SSL_new(ctx);
    if (tm__net_connect(c->address, 60000, &fd, NULL) == TM_OK) {
        (void)SSL_set_fd(ssl, fd);
        c->is_answered = SSL_connect(ssl) == 1 && SSL_write(ssl, "ping", 4) == 4 &&
                         SSL_read(ssl, answer, 4) == 4 && memcmp(answer, "pong", 4) == 0;
        (void)SSL_shutdown(ssl);
    }
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    tm__net_close(fd);
}

/* Serve one client; true when both sides had what the other sent. */
static bool talk(const tm_tls_options *options, client *c) {
    char address[128];
    char peer[128];
    int listener = -1;
    tm_tls *tls = NULL;
    assert_int_equal(tm__net_listen("127.0.0.1:0", &listener, address, sizeof address, NULL),
                     TM_OK);
    assert_int_equal(tm__tls_open(options, &tls, NULL), TM_OK);
    c->address = address;
    tm_thread *thread = tm__thread_create(client_main, c, "client");
    tm_poller *poller = tm__poller_create();
    tm_poll_event event;
    assert_true(tm__poller_set(poller, listener, 1, true, false));
    assert_int_equal(tm__poller_wait(poller, &event, 1, 60000), 1);
    const int fd = tm__net_accept(listener, peer, sizeof peer);
    tm_tls_conn *conn = tm__tls_accept(tls, fd);
    tm__tls_unref(tls); /* the connection keeps it */
    assert_non_null(conn);
    tm__poller_remove(poller, listener);
    assert_true(tm__poller_set(poller, fd, 2, true, false));
    char bytes[TM_TLS_READ_BYTES] = "";
    int64_t n = TM_NET_AGAIN;
    for (int i = 0; i < TEST_LOOKS && n == TM_NET_AGAIN; i++) {
        (void)tm__poller_wait(poller, &event, 1, 50);
        n = tm__tls_read(conn, bytes, sizeof bytes);
        assert_false(tm__tls_wants_write(conn));
    }
    const bool is_heard = n == 4 && memcmp(bytes, "ping", 4) == 0;
    if (is_heard) {
        assert_int_equal(tm__tls_read(conn, bytes, sizeof bytes), TM_NET_AGAIN);
        assert_int_equal(tm__tls_write(conn, "pong", 4), 4);
        tm__tls_finish(conn);
    } else {
        assert_int_equal(n, TM_NET_CLOSED);
    }
    tm__tls_free(conn);
    tm__net_close(fd);
    tm__thread_join(thread);
    tm__poller_free(poller);
    tm__net_close(listener);
    assert_int_equal(is_heard, c->is_answered);
    return is_heard;
}

static void who_may_talk(void **state) {
    (void)state;
    const tm_tls_options plain = {.cert_file = cert, .key_file = key};
    const tm_tls_options mutual = {
        .cert_file = cert, .key_file = key, .client_ca_file = other_cert};
    const struct {
        const char *name;
        const tm_tls_options *options;
        client client;
        bool want;
    } cases[] = {
        {"TLS 1.3", &plain, {.trusted = cert}, true},
        {"TLS 1.2", &plain, {.trusted = cert, .version_max = TLS1_2_VERSION}, false},
        {"a client that trusts another", &plain, {.trusted = other_cert}, false},
        {"a client without a certificate", &mutual, {.trusted = cert}, false},
        {"a client of another authority",
         &mutual,
         {.trusted = cert, .cert = cert, .key = key},
         false},
        {"a client of this authority",
         &mutual,
         {.trusted = cert, .cert = other_cert, .key = other_key},
         true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        client c = cases[i].client;
        if (talk(cases[i].options, &c) != cases[i].want) {
            fail_msg("%s", cases[i].name);
        }
    }
}

static void files_that_do_not_do_are_named(void **state) {
    (void)state;
    const struct {
        tm_tls_options options;
        tm_status want;
        const char *words;
    } cases[] = {
        {{.cert_file = "/nowhere.pem", .key_file = key}, TM_E_NOT_FOUND, "/nowhere.pem"},
        {{.cert_file = key, .key_file = key}, TM_E_DATA, "the certificate"},
        {{.cert_file = cert, .key_file = cert}, TM_E_DATA, "the private key"},
        {{.cert_file = cert, .key_file = other_key}, TM_E_DATA, "the private key"},
        {{.cert_file = cert, .key_file = key, .client_ca_file = key},
         TM_E_DATA,
         "the clients' authority"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tm_tls *tls = NULL;
        tm_err err = {0};
        assert_int_equal(tm__tls_open(&cases[i].options, &tls, &err), cases[i].want);
        assert_non_null(strstr(err.message, cases[i].words));
        assert_null(tls);
    }
    const char *version = NULL;
    assert_int_equal(tm__tls_version(&version, NULL), TM_OK);
    assert_non_null(strstr(version, "OpenSSL 3"));
    tm__tls_unref(NULL);
    tm__tls_free(NULL);
}

/* Byte number i of what a client sends. */
static uint8_t pattern(size_t i) {
    return (uint8_t)(i * 2654435761u >> 13);
}

#define FLOOD_BYTES ((size_t)3 << 20)

/* Sends records of all sizes, several at a time. */
static void flood_main(void *arg) {
    const char *address = arg;
    int fd = -1;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    (void)SSL_CTX_load_verify_file(ctx, cert);
    SSL *ssl = SSL_new(ctx);
    assert_int_equal(tm__net_connect(address, 60000, &fd, NULL), TM_OK);
    assert_int_equal(fcntl(fd, F_SETFL, 0), 0); /* it waits */
    (void)SSL_set_fd(ssl, fd);
    if (SSL_connect(ssl) == 1) {
        static uint8_t bytes[40000];
        size_t sent = 0;
        for (size_t k = 0; sent < FLOOD_BYTES; k++) {
            size_t n = k % 7 == 0 ? 1 : k * 7919 % sizeof bytes + 1;
            n = n < FLOOD_BYTES - sent ? n : FLOOD_BYTES - sent;
            for (size_t i = 0; i < n; i++) {
                bytes[i] = pattern(sent + i);
            }
            if (SSL_write(ssl, bytes, (int)n) != (int)n) {
                break;
            }
            sent += n;
        }
        (void)SSL_shutdown(ssl);
        while (SSL_read(ssl, bytes, (int)sizeof bytes) > 0) {
        } /* what is not read makes a reset of the end, which overtakes what was sent */
    }
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    tm__net_close(fd);
}

static void records_of_all_sizes_arrive_whole_and_none_stays_behind(void **state) {
    (void)state;
    const tm_tls_options options = {.cert_file = cert, .key_file = key};
    static uint8_t bytes[65536];
    char address[128];
    char peer[128];
    int listener = -1;
    tm_tls *tls = NULL;
    tm_poll_event event;
    assert_int_equal(tm__net_listen("127.0.0.1:0", &listener, address, sizeof address, NULL),
                     TM_OK);
    assert_int_equal(tm__tls_open(&options, &tls, NULL), TM_OK);
    tm_thread *thread = tm__thread_create(flood_main, address, "client");
    tm_poller *poller = tm__poller_create();
    assert_true(tm__poller_set(poller, listener, 1, true, false));
    assert_int_equal(tm__poller_wait(poller, &event, 1, 60000), 1);
    const int fd = tm__net_accept(listener, peer, sizeof peer);
    tm_tls_conn *conn = tm__tls_accept(tls, fd);
    tm__poller_remove(poller, listener);
    assert_true(tm__poller_set(poller, fd, 2, true, false));
    size_t n_all = 0;
    size_t n_largest = 0;
    while (!tm__tls_is_over(conn)) {
        /* A record that stayed behind would not wake the poller, and this would be 0. */
        assert_int_equal(tm__poller_wait(poller, &event, 1, 60000), 1);
        const size_t len = n_all % 2 == 0 ? sizeof bytes : TM_TLS_READ_BYTES;
        const int64_t n = tm__tls_read(conn, bytes, len);
        for (int64_t i = 0; i < n; i++) {
            assert_int_equal(bytes[i], pattern(n_all + (size_t)i));
        }
        n_all += n > 0 ? (size_t)n : 0;
        n_largest = n > 0 && (size_t)n > n_largest ? (size_t)n : n_largest;
    }
    assert_int_equal(n_all, FLOOD_BYTES);
    assert_true(n_largest > 16384); /* several records of one read */
    tm__tls_finish(conn);
    tm__tls_free(conn);
    tm__tls_unref(tls);
    tm__net_close(fd);
    tm__net_close(listener);
    tm__poller_free(poller);
    tm__thread_join(thread);
}

/* Bytes that are no handshake end it and do nothing else. */
static void noise_is_not_a_handshake(void **state) {
    (void)state;
    static const char *const noises[] = {"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                                         "\x16\x03\x01\x00\x05hello", "\x16\x03\x01\xff\xff",
                                         "\x15\x03\x03\x00\x02\x01\x00"};
    const tm_tls_options options = {.cert_file = cert, .key_file = key};
    tm_tls *tls = NULL;
    char address[128];
    char peer[128];
    int listener = -1;
    assert_int_equal(tm__tls_open(&options, &tls, NULL), TM_OK);
    assert_int_equal(tm__net_listen("127.0.0.1:0", &listener, address, sizeof address, NULL),
                     TM_OK);
    for (size_t i = 0; i < sizeof noises / sizeof noises[0]; i++) {
        int client_fd = -1;
        assert_int_equal(tm__net_connect(address, 60000, &client_fd, NULL), TM_OK);
        tm_poller *poller = tm__poller_create();
        tm_poll_event event;
        assert_true(tm__poller_set(poller, listener, 1, true, false));
        assert_int_equal(tm__poller_wait(poller, &event, 1, 60000), 1);
        const int fd = tm__net_accept(listener, peer, sizeof peer);
        tm_tls_conn *conn = tm__tls_accept(tls, fd);
        assert_true(tm__net_write(client_fd, noises[i], strlen(noises[i])) > 0);
        tm__net_shutdown_write(client_fd);
        tm__poller_remove(poller, listener);
        assert_true(tm__poller_set(poller, fd, 2, true, false));
        char bytes[TM_TLS_READ_BYTES];
        int64_t n = TM_NET_AGAIN;
        for (int k = 0; k < TEST_LOOKS && n == TM_NET_AGAIN; k++) {
            (void)tm__poller_wait(poller, &event, 1, 50);
            n = tm__tls_read(conn, bytes, sizeof bytes);
        }
        assert_int_equal(n, TM_NET_CLOSED);
        tm__tls_finish(conn);
        tm__tls_free(conn);
        tm__poller_free(poller);
        tm__net_close(fd);
        tm__net_close(client_fd);
    }
    tm__net_close(listener);
    tm__tls_unref(tls);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_may_talk, set_up, test_dir_remove),
        cmocka_unit_test_setup_teardown(files_that_do_not_do_are_named, set_up, test_dir_remove),
        cmocka_unit_test_setup_teardown(noise_is_not_a_handshake, set_up, test_dir_remove),
        cmocka_unit_test_setup_teardown(records_of_all_sizes_arrive_whole_and_none_stays_behind,
                                        set_up, test_dir_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
