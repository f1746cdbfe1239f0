/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates for tests, made on the spot. */
#ifndef TM_SUPPORT_MADE_CERT_H
#define TM_SUPPORT_MADE_CERT_H

/** Write a self-signed certificate for "localhost" and its key as PEM files; it may sign for
 * itself, so it is its own authority too. name is its common name. */
void made_cert_write(const char *name, const char *cert_file, const char *key_file);

#endif
