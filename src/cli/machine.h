/* SPDX-License-Identifier: Apache-2.0 */
/* What `tidemill version` and `tidemill doctor` say about the program and the machine. */
#ifndef TM_CLI_MACHINE_H
#define TM_CLI_MACHINE_H

#include <stdint.h>

/** Vector instructions that this processor has, of those that matter here: "avx2 avx512f". */
const char *tm__simd_text(void);
/** Bytes of memory that this process may use: of the machine, or less by its cgroup; 0 when not
 * known. */
uint64_t tm__memory_bytes(void);
/** Free bytes of the file system that holds a path; 0 when not known. */
uint64_t tm__disk_bytes(const char *path);

#endif
