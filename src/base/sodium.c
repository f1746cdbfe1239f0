/* SPDX-License-Identifier: Apache-2.0 */
#include <sodium.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/assert.h"
#include "base/sodium_priv.h"

void tm__sodium_init(void) {
    /* sodium_init() is idempotent and takes a lock; the flag saves the lock. */
    static _Atomic bool is_ready;
    if (!atomic_load_explicit(&is_ready, memory_order_acquire)) {
        const int result = sodium_init();
        TM_ASSERT(result >= 0);
        atomic_store_explicit(&is_ready, true, memory_order_release);
    }
}
