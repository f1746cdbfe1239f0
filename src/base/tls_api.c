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
#define LIBRARY "libssl.so.3"

typedef struct entry {
    const char *name;
    size_t offset;
} entry;

static const entry entries[] = {
#define X(name) {#name, offsetof(tm_tls_api, name)},
    TM_TLS_FUNCTIONS(X)
#undef X
};

enum { NOT_LOADED, LOADING, LOADED };
static tm_tls_api table; /* written once, between LOADING and LOADED */
static _Atomic int stage;

static tm_status find_all(tm_module *module, tm_tls_api *out, tm_err *err) {
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        const tm_module_fn fn = tm__module_find(module, entries[i].name);
        if (fn == NULL) {
            (void)TM_FAIL(err, TM_E_UNAVAILABLE, "OpenSSL ('%s') has no function '%s'", LIBRARY,
                          entries[i].name);
            tm_err_hint(err, "Install OpenSSL 3 of this system (libssl3).");
            return TM_E_UNAVAILABLE;
        }
        memcpy((char *)out + entries[i].offset, &fn, sizeof(fn));
    }
    return TM_OK;
}

static tm_status load(tm_tls_api *out, tm_err *err) {
    tm_module *module = NULL;
    tm_err inner = {0};
    const tm_status opened = tm__module_open(LIBRARY, &module, &inner);
    if (opened == TM_E_NOMEM) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory while loading OpenSSL");
    }
    if (opened != TM_OK) {
        (void)TM_FAIL(err, TM_E_UNAVAILABLE, "TLS needs OpenSSL, and '%s' cannot be loaded",
                      LIBRARY);
        tm_err_hint(err, "Install OpenSSL 3 of this system (libssl3), or put a proxy that does TLS "
                         "in front: --behind-proxy.");
        return TM_E_UNAVAILABLE;
    }
    const tm_status st = find_all(module, out, err);
    tm__module_close(module); /* its functions stay */
    return st;
}

tm_status tm__tls_api_load(const tm_tls_api **out, tm_err *err) {
    if (atomic_load_explicit(&stage, memory_order_acquire) != LOADED) {
        tm_tls_api found;
        int expected = NOT_LOADED;
        TM_TRY(load(&found, err));
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
