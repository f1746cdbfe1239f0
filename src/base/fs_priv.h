/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of fs share. */
#ifndef TM_BASE_FS_PRIV_H
#define TM_BASE_FS_PRIV_H

#include "base/fs.h"

/** Tell the seam of a change; 0 or the errno that it must fail with. */
int tm__disk_tell(const tm_disk_event *event);
#define TM_ERRNO_TEXT 96
/** Why a system call failed, in lower case; out holds TM_ERRNO_TEXT bytes and is returned. */
const char *tm__errno_text(int number, char *out);
/** Error of a system call: "cannot <verb> '<path>': <why>", with a status and hint by errno. */
TM_NODISCARD tm_status tm__fs_errno(tm_err *err, int number, const char *verb, const char *path);

#endif
