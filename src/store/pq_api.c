/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/module.h"
#include "store/pq_priv.h"

/* The ABI of libpq has had this number since 2005. */
#define LIBRARY "libpq.so.5"

typedef struct entry {
    const char *name;
    size_t offset;
} entry;

static const entry entries[] = {
#define X(name) {#name, offsetof(tm_pq_api, name)},
    TM_PQ_FUNCTIONS(X)
#undef X
};

tm_status tm__pq_api_load(tm_pq_api *out, tm_err *err) {
    const char *const named = getenv("TIDEMILL_LIBPQ");
    const char *const path = named != NULL && named[0] != '\0' ? named : LIBRARY;
    tm_module *module = NULL;
    const tm_status opened = tm__module_open(path, &module, NULL);
    if (opened == TM_E_NOMEM) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory while loading libpq");
    }
    if (opened != TM_OK) {
        (void)TM_FAIL(err, TM_E_UNSUPPORTED, "PostgreSQL needs libpq, and '%s' cannot be loaded",
                      path);
        tm_err_hint(err, "Install the package libpq5 (Debian's name for it).");
        return TM_E_UNSUPPORTED;
    }
    tm_pq_api api = {0};
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        const tm_module_fn fn = tm__module_find(module, entries[i].name);
        if (fn == NULL) {
            (void)TM_FAIL(err, TM_E_UNSUPPORTED, "libpq ('%s') has no function '%s'", path,
                          entries[i].name);
            tm_err_hint(err, "Install libpq5 of PostgreSQL 13 or later.");
            tm__module_close(module);
            return TM_E_UNSUPPORTED;
        }
        memcpy((char *)&api + entries[i].offset, &fn, sizeof(fn));
    }
    tm__module_close(module); /* its functions stay */
    *out = api;
    return TM_OK;
}

tm_status tm__pq_version(uint32_t *out_version, tm_err *err) {
    tm_pq_api api = {0};
    TM_TRY(tm__pq_api_load(&api, err));
    TM_ASSERT(api.PQlibVersion != NULL);
    *out_version = (uint32_t)api.PQlibVersion();
    return TM_OK;
}
