/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/module.h"
#include "store/odbc_priv.h"

/* The ABI of unixODBC 2.3. */
#define LIBRARY "libodbc.so.2"

typedef struct entry {
    const char *name;
    size_t offset;
} entry;

static const entry entries[] = {
#define X(name) {#name, offsetof(tm_odbc_api, name)},
    TM_ODBC_FUNCTIONS(X)
#undef X
};

tm_status tm__odbc_api_load(tm_odbc_api *out, tm_err *err) {
    const char *const named = getenv("TIDEMILL_ODBC");
    const char *const path = named != NULL && named[0] != '\0' ? named : LIBRARY;
    tm_module *module = NULL;
    const tm_status opened = tm__module_open(path, &module, NULL);
    if (opened == TM_E_NOMEM) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory while loading unixODBC");
    }
    if (opened != TM_OK) {
        (void)TM_FAIL(err, TM_E_UNSUPPORTED, "ODBC needs unixODBC, and '%s' cannot be loaded",
                      path);
        tm_err_hint(
            err,
            "Install the package unixodbc, and a driver such as odbc-mariadb (Debian's names).");
        return TM_E_UNSUPPORTED;
    }
    tm_odbc_api api = {0};
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        const tm_module_fn fn = tm__module_find(module, entries[i].name);
        if (fn == NULL) {
            (void)TM_FAIL(err, TM_E_UNSUPPORTED, "unixODBC ('%s') has no function '%s'", path,
                          entries[i].name);
            tm_err_hint(err, "Install unixODBC 2.3 or later.");
            tm__module_close(module);
            return TM_E_UNSUPPORTED;
        }
        memcpy((char *)&api + entries[i].offset, &fn, sizeof(fn));
    }
    tm__module_close(module); /* its functions stay */
    *out = api;
    return TM_OK;
}
