/* SPDX-License-Identifier: Apache-2.0 */
/* Files that hold a secret: how to reach a database, keys of a bucket. Any thread. */
#ifndef TM_STORE_SECRET_H
#define TM_STORE_SECRET_H

#include "base/buf.h"
#include "tidemill/err.h"

/** TM_E_NOT_ALLOWED for a file that others can read; one that another user owns (as mounted by a
 * supervisor of services) may be readable for its group. One that is not there is TM_OK: who opens
 * it says so. */
TM_NODISCARD tm_status tm__secret_check(const char *path, tm_err *err);
/**
 * Read a file that tm__secret_check() allows: white space at both ends is left out. Whoever ends
 * the buffer calls tm__secret_done(), which clears it. Errors name the path, never what is in it.
 */
TM_NODISCARD tm_status tm__secret_read(const char *path, tm_buf *out, tm_err *err);
/** Clear the bytes and end the buffer. */
void tm__secret_done(tm_buf *secret);

#endif
