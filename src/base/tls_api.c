/* SPDX-License-Identifier: Apache-2.0 */
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "base/assert.h"
#include "base/module.h"
#include "base/tls_priv.h"

/* Debian's name for the ABI of OpenSSL 3; libcrypto comes with it, and its functions are found
 * through it. */
static const char *const names[] = {
#define X(name) #name,
    TM_TLS_FUNCTIONS(X)
#undef X
};
static const tm_library library = {.need = "TLS needs OpenSSL",
                                   .file = "libssl.so.3",
                                   .missing_hint =
                                       "Install OpenSSL 3 of this system (libssl3), or put a proxy "
                                       "that does TLS in front: --behind-proxy.",
                                   .old_hint = "Install OpenSSL 3 of this system (libssl3).",
                                   .names = names,
                                   .n = sizeof(names) / sizeof(names[0])};

enum { NOT_LOADED, LOADING, LOADED };
static tm_tls_api table; /* written once, between LOADING and LOADED */
static _Atomic int stage;

tm_status tm__tls_api_load(const tm_tls_api **out, tm_err *err) {
    if (atomic_load_explicit(&stage, memory_order_acquire) != LOADED) {
        tm_tls_api found;
        int expected = NOT_LOADED;
        TM_TRY(tm__library_load(&library, NULL, &found, err));
        if (atomic_compare_exchange_strong(&stage, &expected, LOADING)) {
            table = found;
            atomic_store_explicit(&stage, LOADED, memory_order_release);
        }
        while (atomic_load_explicit(&stage, memory_order_acquire) != LOADED) {
            (void)sched_yield(); /* another thread copies */
        }
    }
    *out = &table;
    return TM_OK;
}

const tm_tls_api *tm__tls_api_get(void) {
    TM_ASSERT(atomic_load_explicit(&stage, memory_order_acquire) == LOADED);
    return &table;
}
