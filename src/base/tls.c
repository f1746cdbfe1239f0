/* SPDX-License-Identifier: Apache-2.0 */
/*
 *      tm_tls_conn -> SSL -> BIO of our own -> tm__net_read(), tm__net_write() -> socket
 *
 * Invariants:
 *   1. The error queue of OpenSSL is a thread's, and SSL_get_error() looks into it: it is empty
 *      before each call and after it.
 *   2. A connection keeps the tm_tls that it began with, so a new certificate breaks none.
 *   3. Read-ahead is off: what is not read stays in the socket, where the poller sees it.
 */
#include "base/tls.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/net.h"

struct tm_tls {
    _Atomic uint32_t refs;
    SSL_CTX *ctx;
    BIO_METHOD *method; /* of the sockets */
};

struct tm_tls_conn {
    tm_tls *tls;
    SSL *ssl;
    int fd;
    bool wants_write;
};

/* The way of bytes: OpenSSL's own socket BIO would pass by the seam, and raise SIGPIPE. */

static int move_result(BIO *bio, int64_t n, int retry) {
    BIO_clear_retry_flags(bio);
    if (n == TM_NET_AGAIN) {
        BIO_set_flags(bio, retry | BIO_FLAGS_SHOULD_RETRY);
    }
    return n >= 0 ? (int)n : -1;
}

static int bio_read(BIO *bio, char *out, int len) {
    const tm_tls_conn *conn = BIO_get_data(bio);
    return move_result(bio, tm__net_read(conn->fd, out, (size_t)len), BIO_FLAGS_READ);
}

static int bio_write(BIO *bio, const char *data, int len) {
    const tm_tls_conn *conn = BIO_get_data(bio);
    return move_result(bio, tm__net_write(conn->fd, data, (size_t)len), BIO_FLAGS_WRITE);
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer) {
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static BIO_METHOD *make_method(void) {
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    if (method != NULL &&
        (BIO_meth_set_read(method, bio_read) != 1 || BIO_meth_set_write(method, bio_write) != 1 ||
         BIO_meth_set_ctrl(method, bio_ctrl) != 1)) {
        BIO_meth_free(method);
        method = NULL;
    }
    return method;
}

/* The library's reason for its last failure; never a path or a byte of a file. */
static tm_status fail_file(const char *what, const char *file, tm_err *err) {
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    const bool is_missing = tm__fs_info(file).kind == TM_PATH_NONE;
    const tm_status st =
        TM_FAIL(err, is_missing ? TM_E_NOT_FOUND : TM_E_DATA, "cannot use %s '%s': %s", what, file,
                is_missing       ? "there is no such file"
                : reason != NULL ? reason
                                 : "it is not in PEM format");
    ERR_clear_error();
    return st;
}

static tm_status load_files(const tm_tls_options *options, SSL_CTX *ctx, tm_err *err) {
    if (SSL_CTX_use_certificate_chain_file(ctx, options->cert_file) != 1) {
        return fail_file("the certificate", options->cert_file, err);
    }
    if (SSL_CTX_use_PrivateKey_file(ctx, options->key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1) {
        return fail_file("the private key", options->key_file, err);
    }
    if (options->client_ca_file == NULL) {
        return TM_OK;
    }
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(options->client_ca_file);
    if (names == NULL || SSL_CTX_load_verify_file(ctx, options->client_ca_file) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return fail_file("the clients' authority", options->client_ca_file, err);
    }
    SSL_CTX_set_client_CA_list(ctx, names);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return TM_OK;
}

/* No password is ever asked for: a server has no terminal. */
static int no_password(char *out, int size, int is_writing, void *arg) {
    (void)out;
    (void)size;
    (void)is_writing;
    (void)arg;
    return -1;
}

tm_status tm__tls_open(const tm_tls_options *options, tm_tls **out, tm_err *err) {
    static const unsigned char session_context[] = "tidemill";
    tm_tls *tls = tm__mem_zalloc(1, sizeof *tls);
    if (tls == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    atomic_init(&tls->refs, 1);
    tls->ctx = SSL_CTX_new(TLS_server_method());
    tls->method = make_method();
    tm_status st = TM_OK;
    if (tls->ctx == NULL || tls->method == NULL ||
        SSL_CTX_set_min_proto_version(tls->ctx, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_session_id_context(tls->ctx, session_context, sizeof session_context - 1) !=
            1) {
        st = TM_FAIL(err, TM_E_UNAVAILABLE, "cannot start OpenSSL");
    } else {
        /* Idle connections give their buffers back. */
        SSL_CTX_set_mode(tls->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                       SSL_MODE_RELEASE_BUFFERS);
        SSL_CTX_set_options(tls->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
        SSL_CTX_set_default_passwd_cb(tls->ctx, no_password);
        st = load_files(options, tls->ctx, err);
    }
    if (st != TM_OK) {
        tm__tls_unref(tls);
        return st;
    }
    *out = tls;
    return TM_OK;
}

tm_tls *tm__tls_ref(tm_tls *tls) {
    if (tls != NULL) {
        atomic_fetch_add(&tls->refs, 1);
    }
    return tls;
}

void tm__tls_unref(tm_tls *tls) {
    if (tls != NULL && atomic_fetch_sub(&tls->refs, 1) == 1) {
        SSL_CTX_free(tls->ctx);
        BIO_meth_free(tls->method);
        tm__mem_free(tls);
    }
}

tm_tls_conn *tm__tls_accept(tm_tls *tls, int fd) {
    tm_tls_conn *conn = tm__mem_zalloc(1, sizeof *conn);
    if (conn == NULL) {
        return NULL;
    }
    conn->fd = fd;
    conn->tls = tm__tls_ref(tls);
    conn->ssl = SSL_new(tls->ctx);
    BIO *bio = BIO_new(tls->method);
    if (conn->ssl == NULL || bio == NULL) {
        BIO_free(bio);
        tm__tls_free(conn);
        return NULL;
    }
    BIO_set_data(bio, conn);
    BIO_set_init(bio, 1);
    SSL_set_bio(conn->ssl, bio, bio); /* takes it */
    SSL_set_accept_state(conn->ssl);
    return conn;
}

static int64_t result_of(tm_tls_conn *conn, int ok, size_t n) {
    conn->wants_write = false;
    if (ok == 1) {
        return (int64_t)n;
    }
    const int error = SSL_get_error(conn->ssl, ok);
    ERR_clear_error(); /* what a peer did wrong is its own affair */
    conn->wants_write = error == SSL_ERROR_WANT_WRITE;
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? TM_NET_AGAIN
                                                                         : TM_NET_CLOSED;
}

int64_t tm__tls_read(tm_tls_conn *conn, void *out, size_t len) {
    size_t n = 0;
    ERR_clear_error();
    const int ok = SSL_read_ex(conn->ssl, out, len, &n);
    return result_of(conn, ok, n);
}

int64_t tm__tls_write(tm_tls_conn *conn, const void *data, size_t len) {
    size_t n = 0;
    ERR_clear_error();
    const int ok = SSL_write_ex(conn->ssl, data, len, &n);
    const int64_t result = result_of(conn, ok, n);
    conn->wants_write = false; /* who writes waits for that anyway */
    return result;
}

bool tm__tls_wants_write(const tm_tls_conn *conn) {
    return conn->wants_write;
}

void tm__tls_finish(tm_tls_conn *conn) {
    if (SSL_is_init_finished(conn->ssl)) {
        (void)SSL_shutdown(conn->ssl); /* its alert leaves now or never: nobody waits for it */
        ERR_clear_error();
    }
}

void tm__tls_free(tm_tls_conn *conn) {
    if (conn != NULL) {
        SSL_free(conn->ssl);
        tm__tls_unref(conn->tls);
        tm__mem_free(conn);
    }
}

const char *tm__tls_version(void) {
    return OpenSSL_version(OPENSSL_VERSION);
}
