/* SPDX-License-Identifier: Apache-2.0 */
/* A disk whose n-th write or sync fails, in this process. */
#ifndef TM_SUPPORT_FAILING_DISK_H
#define TM_SUPPORT_FAILING_DISK_H

#include <stdbool.h>
#include <stdint.h>

/** Let write or sync number nth (1-based, from now) fail with EIO, once or for ever; 0: a sound
 * disk. */
void test_disk_fail_at(uint64_t nth, bool forever);
/** Writes and syncs that were asked of the disk since the first test_disk_fail_at(). */
uint64_t test_disk_calls(void);

#endif
