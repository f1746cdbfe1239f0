/* SPDX-License-Identifier: Apache-2.0 */
#include "failing_disk.h"

#include <errno.h>
#include <stdatomic.h>

#include "base/fs.h"

static _Atomic uint64_t n_calls;
static _Atomic uint64_t fail_at;
static _Atomic bool fail_forever;

static int count(const tm_disk_event *event) {
    if (event->op != TM_DISK_WRITE && event->op != TM_DISK_SYNC &&
        event->op != TM_DISK_SYNC_FOLDER) {
        return 0;
    }
    const uint64_t call = atomic_fetch_add(&n_calls, 1) + 1;
    const uint64_t nth = atomic_load(&fail_at);
    const bool fails = nth != 0 && (call == nth || (call > nth && atomic_load(&fail_forever)));
    return fails ? EIO : 0;
}

void test_disk_fail_at(uint64_t nth, bool forever) {
    atomic_store(&fail_forever, forever);
    atomic_store(&fail_at, nth == 0 ? 0 : atomic_load(&n_calls) + nth);
    tm__disk_watch(count);
}

uint64_t test_disk_calls(void) {
    return atomic_load(&n_calls);
}
