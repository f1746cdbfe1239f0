/* SPDX-License-Identifier: Apache-2.0 */
/* A signed message to a receiver that the project file declares: {"name", "webhook", "secret_file",
 * "ca_file", "dir"}. It waits: for children, not for threads that answer. */
#ifndef TM_LOOP_WEBHOOK_H
#define TM_LOOP_WEBHOOK_H

#include "base/json.h"
#include "base/str.h"

/**
 * POST a JSON text with the headers X-Tidemill-Timestamp (seconds) and X-Tidemill-Signature: "v1="
 * and HMAC-SHA256 in hexadecimal of the timestamp, a dot and the body, keyed with what secret_file
 * holds without white space at its ends.
 *
 * Owns:    keeps nothing.
 * Errors:  TM_E_DATA (no secret), those of the file and of tm__post_send().
 * Threads: one caller; waits up to ten seconds.
 */
TM_NODISCARD tm_status tm__webhook_send(const json_t *receiver, tm_str body, tm_err *err);
/** A path that a receiver names, from the folder of the project file; NULL when it names none or
 * memory is out. The caller frees with tm__mem_free(). */
char *tm__receiver_path(const json_t *receiver, const char *name);

#endif
