/* SPDX-License-Identifier: Apache-2.0 */
/*
 *      tm_tls_conn -> SSL -> BIO of our own -> tm__net_read(), tm__net_write() -> socket
 *
 * One read of the socket feeds OpenSSL as many records as it brought, where its own way is two
 * reads for each record (five bytes, then the rest). The bytes are read into the end of the
 * caller's buffer, and what they say is written to its beginning:
 *
 *      out  |--- plain text ------------------->|<--- as it came, at most came_max() ---|
 *
 * Invariants:
 *   1. The error queue of OpenSSL is a thread's, and SSL_get_error() looks into it: it is empty
 *      before each call and after it.
 *   2. A connection keeps the tm_tls that it began with, so a new certificate breaks none.
 *   3. Nothing whole stays behind in here: tm__tls_read() asks OpenSSL until it wants more, so what
 * is left is the part of a record whose rest is still to come through the socket, where the poller
 *      sees it. There is room for all: came_max() and one record that was begun before.
 */
#include "base/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <string.h>

#include "base/assert.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/net.h"
#include "base/sandbox.h"
#include "base/tls_priv.h"

#define RECORD_BYTES 16384u /* of plain text at the most: RFC 8446, 5.1 */

struct tm_tls {
    _Atomic uint32_t refs;
    const tm_tls_api *api;
    SSL_CTX *ctx;
    BIO_METHOD *method; /* of the sockets */
};

struct tm_tls_conn {
    tm_tls *tls;
    SSL *ssl;
    int fd;
    bool wants_write;
    bool at_end;         /* the socket gives no more */
    bool is_over;        /* nothing more is to be read */
    const uint8_t *came; /* not yet taken by OpenSSL; only while tm__tls_read() runs */
    size_t n_came;
};

/* The way of bytes: OpenSSL's own socket BIO would pass by the seam, and raise SIGPIPE. */

static int bio_read(BIO *bio, char *out, int len) {
    const tm_tls_api *api = tm__tls_api_get();
    tm_tls_conn *conn = api->BIO_get_data(bio);
    const size_t n = (size_t)len < conn->n_came ? (size_t)len : conn->n_came;
    api->BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
    if (n == 0) {
        api->BIO_set_flags(bio, conn->at_end ? 0 : BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY);
        return conn->at_end ? 0 : -1;
    }
    memcpy(out, conn->came, n);
    conn->came += n;
    conn->n_came -= n;
    return (int)n;
}

static int bio_write(BIO *bio, const char *data, int len) {
    const tm_tls_api *api = tm__tls_api_get();
    const tm_tls_conn *conn = api->BIO_get_data(bio);
    const int64_t n = tm__net_write(conn->fd, data, (size_t)len);
    api->BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
    if (n == TM_NET_AGAIN) {
        api->BIO_set_flags(bio, BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY);
    }
    return n >= 0 ? (int)n : -1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer) {
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static BIO_METHOD *make_method(const tm_tls_api *api) {
    BIO_METHOD *method =
        api->BIO_meth_new(api->BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    if (method != NULL && (api->BIO_meth_set_read(method, bio_read) != 1 ||
                           api->BIO_meth_set_write(method, bio_write) != 1 ||
                           api->BIO_meth_set_ctrl(method, bio_ctrl) != 1)) {
        api->BIO_meth_free(method);
        method = NULL;
    }
    return method;
}

/* The library's reason for its last failure; never a path or a byte of a file. */
static tm_status fail_file(const tm_tls_api *api, const char *what, const char *file, tm_err *err) {
    const char *reason = api->ERR_reason_error_string(api->ERR_peek_last_error());
    const bool is_missing = tm__fs_info(file).kind == TM_PATH_NONE;
    const tm_status st =
        TM_FAIL(err, is_missing ? TM_E_NOT_FOUND : TM_E_DATA, "cannot use %s '%s': %s", what, file,
                is_missing       ? "there is no such file"
                : reason != NULL ? reason
                                 : "it is not in PEM format");
    if (!is_missing) {
        tm_err_hint(err, "It must be PEM text, which has a line like -----BEGIN CERTIFICATE----- "
                         "or -----BEGIN PRIVATE KEY-----.");
    }
    api->ERR_clear_error();
    return st;
}

/* The header's macro for this names functions that would be linked. */
static void free_names(const tm_tls_api *api, STACK_OF(X509_NAME) * names) {
    OPENSSL_sk_freefunc free_one = NULL;
    memcpy(&free_one, &api->X509_NAME_free, sizeof free_one);
    api->OPENSSL_sk_pop_free((OPENSSL_STACK *)names, free_one);
}

static tm_status load_files(const tm_tls *tls, const tm_tls_options *options, tm_err *err) {
    const tm_tls_api *api = tls->api;
    SSL_CTX *ctx = tls->ctx;
    tm__process_hide();
    if (api->SSL_CTX_use_certificate_chain_file(ctx, options->cert_file) != 1) {
        return fail_file(tls->api, "the certificate", options->cert_file, err);
    }
    if (api->SSL_CTX_use_PrivateKey_file(ctx, options->key_file, SSL_FILETYPE_PEM) != 1 ||
        api->SSL_CTX_check_private_key(ctx) != 1) {
        return fail_file(tls->api, "the private key", options->key_file, err);
    }
    if (options->client_ca_file == NULL) {
        return TM_OK;
    }
    STACK_OF(X509_NAME) *names = api->SSL_load_client_CA_file(options->client_ca_file);
    if (names == NULL || api->SSL_CTX_load_verify_file(ctx, options->client_ca_file) != 1) {
        free_names(api, names);
        return fail_file(tls->api, "the clients' authority", options->client_ca_file, err);
    }
    api->SSL_CTX_set_client_CA_list(ctx, names);
    api->SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
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
    const tm_tls_api *api = NULL;
    TM_TRY(tm__tls_api_load(&api, err));
    tm_tls *tls = tm__mem_zalloc(1, sizeof *tls);
    if (tls == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    atomic_init(&tls->refs, 1);
    tls->api = api;
    tls->ctx = api->SSL_CTX_new(api->TLS_server_method());
    tls->method = make_method(api);
    tm_status st = TM_OK;
    if (tls->ctx == NULL || tls->method == NULL ||
        api->SSL_CTX_ctrl(tls->ctx, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_3_VERSION, NULL) != 1 ||
        api->SSL_CTX_set_session_id_context(tls->ctx, session_context,
                                            sizeof session_context - 1) != 1) {
        st = TM_FAIL(err, TM_E_UNAVAILABLE, "cannot start OpenSSL");
    } else {
        /* Idle connections give their buffers back. */
        (void)api->SSL_CTX_ctrl(tls->ctx, SSL_CTRL_MODE,
                                SSL_MODE_ENABLE_PARTIAL_WRITE |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS,
                                NULL);
        api->SSL_CTX_set_options(tls->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
        api->SSL_CTX_set_default_passwd_cb(tls->ctx, no_password);
        st = load_files(tls, options, err);
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
        const tm_tls_api *api = tls->api;
        api->SSL_CTX_free(tls->ctx);
        api->BIO_meth_free(tls->method);
        tm__mem_free(tls);
    }
}

tm_tls_conn *tm__tls_accept(tm_tls *tls, int fd) {
    tm_tls_conn *conn = tm__mem_zalloc(1, sizeof *conn);
    if (conn == NULL) {
        return NULL;
    }
    const tm_tls_api *api = tls->api;
    conn->fd = fd;
    conn->tls = tm__tls_ref(tls);
    conn->ssl = api->SSL_new(tls->ctx);
    BIO *bio = api->BIO_new(tls->method);
    if (conn->ssl == NULL || bio == NULL) {
        api->BIO_free(bio);
        tm__tls_free(conn);
        return NULL;
    }
    api->BIO_set_data(bio, conn);
    api->BIO_set_init(bio, 1);
    api->SSL_set_bio(conn->ssl, bio, bio); /* takes it */
    api->SSL_set_accept_state(conn->ssl);
    return conn;
}

static int64_t result_of(tm_tls_conn *conn, int ok, size_t n) {
    const tm_tls_api *api = conn->tls->api;
    conn->wants_write = false;
    if (ok == 1) {
        return (int64_t)n;
    }
    const int error = api->SSL_get_error(conn->ssl, ok);
    api->ERR_clear_error(); /* what a peer did wrong is its own affair */
    conn->wants_write = error == SSL_ERROR_WANT_WRITE;
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? TM_NET_AGAIN
                                                                         : TM_NET_CLOSED;
}

/* How much is read from the socket into the end of a buffer: its plain text, and a record begun
 * before, fit before it. */
static size_t came_max(size_t len) {
    return (len - RECORD_BYTES) / 2;
}

int64_t tm__tls_read(tm_tls_conn *conn, void *out, size_t len) {
    const tm_tls_api *api = conn->tls->api;
    TM_ASSERT(len >= TM_TLS_READ_BYTES);
    const size_t n_max = came_max(len);
    uint8_t *came = (uint8_t *)out + (len - n_max);
    const int64_t got = conn->at_end ? 0 : tm__net_read(conn->fd, came, n_max);
    conn->at_end = conn->at_end || (got < 0 && got != TM_NET_AGAIN);
    conn->came = came;
    conn->n_came = got > 0 ? (size_t)got : 0;
    size_t used = 0;
    int64_t result = 0;
    api->ERR_clear_error();
    do {
        size_t n = 0;
        TM_ASSERT(len - n_max - used > 0);
        const int ok = api->SSL_read_ex(conn->ssl, (uint8_t *)out + used, len - n_max - used, &n);
        result = result_of(conn, ok, n);
        used += result > 0 ? (size_t)result : 0;
        /* What did not come whole is asked for when it has come. */
    } while (result > 0 && conn->n_came > 0);
    conn->n_came = 0;
    conn->is_over = conn->is_over || result == TM_NET_CLOSED;
    return used > 0 ? (int64_t)used : result;
}

bool tm__tls_is_over(const tm_tls_conn *conn) {
    return conn->is_over;
}

int64_t tm__tls_write(tm_tls_conn *conn, const void *data, size_t len) {
    const tm_tls_api *api = conn->tls->api;
    size_t n = 0;
    api->ERR_clear_error();
    const int ok = api->SSL_write_ex(conn->ssl, data, len, &n);
    const int64_t result = result_of(conn, ok, n);
    conn->wants_write = false; /* who writes waits for that anyway */
    return result;
}

bool tm__tls_wants_write(const tm_tls_conn *conn) {
    return conn->wants_write;
}

void tm__tls_finish(tm_tls_conn *conn) {
    const tm_tls_api *api = conn->tls->api;
    if (api->SSL_is_init_finished(conn->ssl)) {
        (void)api->SSL_shutdown(conn->ssl); /* its alert leaves now or never: nobody waits for it */
        api->ERR_clear_error();
    }
}

void tm__tls_free(tm_tls_conn *conn) {
    if (conn != NULL) {
        conn->tls->api->SSL_free(conn->ssl);
        tm__tls_unref(conn->tls);
        tm__mem_free(conn);
    }
}

tm_status tm__tls_version(const char **out_version, tm_err *err) {
    const tm_tls_api *api = NULL;
    TM_TRY(tm__tls_api_load(&api, err));
    *out_version = api->OpenSSL_version(OPENSSL_VERSION);
    return TM_OK;
}
