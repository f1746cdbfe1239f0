/* SPDX-License-Identifier: Apache-2.0 */
/* Files that hold a secret: how to reach a database, keys of a bucket. Any thread. */
#ifndef TM_STORE_SECRET_H
#define TM_STORE_SECRET_H

#include "base/buf.h"
#include "tidemill/err.h"

/**
 * Read a file that only its owner may read: white space at both ends is left out. Whoever ends the
 * buffer calls tm__secret_done(), which clears it. A file that others can read is TM_E_NOT_ALLOWED;
 * one that another user owns (as mounted by a supervisor of services) may be readable for its
 * group. Errors name the path, never what is in it.
 */
TM_NODISCARD tm_status tm__secret_read(const char *path, tm_buf *out, tm_err *err);
/** Clear the bytes and end the buffer. */
void tm__secret_done(tm_buf *secret);

#endif
