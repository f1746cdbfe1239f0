/* SPDX-License-Identifier: Apache-2.0 */
#include "made_cert.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "test.h"

static void add_extension(X509 *cert, int nid, const char *value) {
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(cert, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

void made_cert_write(const char *name, const char *cert_file, const char *key_file) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    assert_non_null(key);
    assert_non_null(cert);
    assert_int_equal(X509_set_version(cert, 2), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(cert), 1), 1);
    (void)X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    (void)X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    assert_int_equal(X509_set_pubkey(cert, key), 1);
    X509_NAME *subject = X509_get_subject_name(cert);
    assert_int_equal(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                                (const unsigned char *)name, -1, -1, 0),
                     1);
    assert_int_equal(X509_set_issuer_name(cert, subject), 1);
    add_extension(cert, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
    add_extension(cert, NID_basic_constraints, "CA:TRUE");
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    BIO *out = BIO_new_file(cert_file, "w");
    assert_non_null(out);
    assert_int_equal(PEM_write_bio_X509(out, cert), 1);
    BIO_free(out);
    out = BIO_new_file(key_file, "w");
    assert_non_null(out);
    assert_int_equal(PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL), 1);
    BIO_free(out);
    X509_free(cert);
    EVP_PKEY_free(key);
}
