/* SPDX-License-Identifier: Apache-2.0 */
/* Files that hold a secret: how to reach a database, keys of a bucket. Any thread. */
#ifndef TM_STORE_SECRET_H
#define TM_STORE_SECRET_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/system.h"
#include "tidemill/err.h"

/**
 * Whether nobody else reads a file: it is its owner's alone; or another user owns it and its group
 * may read, as supervisors of services mount it (systemd 0400 and 0440, Kubernetes 0440 by
 * fsGroup); or it is on a read-only mount in memory of a container (Docker Swarm 0444, Kubernetes
 * 0644), which has no other users. Never one that others may write.
 */
bool tm__secret_is_private(const tm_file_access *access, bool is_container);
/** TM_E_NOT_ALLOWED for a file that is not, with what can be done where it is. One that is not
 * there is TM_OK: who opens it says so. */
TM_NODISCARD tm_status tm__secret_check(const char *path, tm_err *err);
/**
 * Read a file that tm__secret_check() allows: white space at both ends is left out. Whoever ends
 * the buffer calls tm__secret_done(), which clears it. Errors name the path, never what is in it.
 */
TM_NODISCARD tm_status tm__secret_read(const char *path, tm_buf *out, tm_err *err);
/** Clear the bytes and end the buffer. */
void tm__secret_done(tm_buf *secret);

#endif
