/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files without a place on a disk: their bytes are in memory and end with their last user. A
 * library that opens files by name opens the path of one. Their changes pass no seam.
 */
#ifndef TM_BASE_FS_MEMORY_H
#define TM_BASE_FS_MEMORY_H

#include "base/fs.h"

/** Empty, to be read and written by the calls of fs.h. */
TM_NODISCARD tm_status tm__memory_file_open(tm_file **out_file, tm_err *err);
/** Nobody can change its bytes or its size from here on; TM_E_CONFLICT while it is mapped for
 * writing. Reading starts at its first byte. */
TM_NODISCARD tm_status tm__memory_file_seal(tm_file *file, tm_err *err);
/** Borrowed: the path that opens this file, of a file in memory in this process alone. */
const char *tm__file_path(const tm_file *file);

#endif
