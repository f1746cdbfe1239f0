/* SPDX-License-Identifier: Apache-2.0 */
/* OpenSSL as a table of functions, opened when TLS is first asked for. Only for base/tls. */
#ifndef TM_BASE_TLS_PRIV_H
#define TM_BASE_TLS_PRIV_H

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "tidemill/err.h"

#define TM_TLS_FUNCTIONS(X)                                                                        \
    X(BIO_clear_flags)                                                                             \
    X(BIO_free)                                                                                    \
    X(BIO_get_data)                                                                                \
    X(BIO_get_new_index)                                                                           \
    X(BIO_meth_free)                                                                               \
    X(BIO_meth_new)                                                                                \
    X(BIO_meth_set_ctrl)                                                                           \
    X(BIO_meth_set_read)                                                                           \
    X(BIO_meth_set_write)                                                                          \
    X(BIO_new)                                                                                     \
    X(BIO_set_data)                                                                                \
    X(BIO_set_flags)                                                                               \
    X(BIO_set_init)                                                                                \
    X(ERR_clear_error)                                                                             \
    X(ERR_peek_last_error)                                                                         \
    X(ERR_reason_error_string)                                                                     \
    X(OPENSSL_sk_pop_free)                                                                         \
    X(OpenSSL_version)                                                                             \
    X(SSL_CTX_check_private_key)                                                                   \
    X(SSL_CTX_ctrl)                                                                                \
    X(SSL_CTX_free)                                                                                \
    X(SSL_CTX_load_verify_file)                                                                    \
    X(SSL_CTX_new)                                                                                 \
    X(SSL_CTX_set_client_CA_list)                                                                  \
    X(SSL_CTX_set_default_passwd_cb)                                                               \
    X(SSL_CTX_set_options)                                                                         \
    X(SSL_CTX_set_session_id_context)                                                              \
    X(SSL_CTX_set_verify)                                                                          \
    X(SSL_CTX_use_PrivateKey_file)                                                                 \
    X(SSL_CTX_use_certificate_chain_file)                                                          \
    X(SSL_free)                                                                                    \
    X(SSL_get_error)                                                                               \
    X(SSL_is_init_finished)                                                                        \
    X(SSL_load_client_CA_file)                                                                     \
    X(SSL_new)                                                                                     \
    X(SSL_read_ex)                                                                                 \
    X(SSL_set_accept_state)                                                                        \
    X(SSL_set_bio)                                                                                 \
    X(SSL_shutdown)                                                                                \
    X(SSL_write_ex)                                                                                \
    X(TLS_server_method)                                                                           \
    X(X509_NAME_free)

typedef struct tm_tls_api {
#define X(name) __typeof__(&name) name;
    TM_TLS_FUNCTIONS(X)
#undef X
} tm_tls_api;

/** Open the library and find all of TM_TLS_FUNCTIONS, once for the process; it stays loaded. Any
 * thread. TM_E_UNSUPPORTED with a hint when it is not there. */
TM_NODISCARD tm_status tm__tls_api_load(const tm_tls_api **out, tm_err *err);
/** The same table, which must be loaded: for callbacks. */
const tm_tls_api *tm__tls_api_get(void);

#endif
