/* SPDX-License-Identifier: Apache-2.0 */
/* What `tidemill doctor` says about the machine. */
#ifndef TM_CLI_MACHINE_H
#define TM_CLI_MACHINE_H

#include <stdint.h>

/** Bytes of memory that this process may use: of the machine, or less by its cgroup; 0 when not
 * known. */
uint64_t tm__memory_bytes(void);
/** Free bytes of the file system that holds a path; 0 when not known. */
uint64_t tm__disk_bytes(const char *path);

#endif
