/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <string.h>

#include "base/module.h"
#include "store/s3_priv.h"

#define LIBRARY "libcurl.so.4" /* Debian's name for its ABI */

typedef struct entry {
    const char *name;
    size_t offset;
} entry;

static const entry entries[] = {
#define X(name) {"curl_" #name, offsetof(tm_curl_api, name)},
    TM_CURL_FUNCTIONS(X)
#undef X
};

tm_status tm__curl_api_load(const char *name, tm_curl_api *out, tm_err *err) {
    const char *const path = name == NULL ? LIBRARY : name;
    tm_module *module = NULL;
    tm_curl_api api = {0};
    const tm_status opened = tm__module_open(path, &module, NULL);
    if (opened == TM_E_NOMEM) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory while loading libcurl");
    }
    if (opened != TM_OK) {
        (void)TM_FAIL(err, TM_E_UNSUPPORTED, "S3 needs libcurl, and '%s' cannot be loaded", path);
        tm_err_hint(err, "Install the package libcurl4.");
        return TM_E_UNSUPPORTED;
    }
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        const tm_module_fn fn = tm__module_find(module, entries[i].name);
        if (fn == NULL) {
            (void)TM_FAIL(err, TM_E_UNSUPPORTED, "'%s' has no function '%s'", path,
                          entries[i].name);
            tm_err_hint(err, "Install the package libcurl4 of this system.");
            tm__module_close(module);
            return TM_E_UNSUPPORTED;
        }
        memcpy((char *)&api + entries[i].offset, &fn, sizeof(fn));
    }
    tm__module_close(module); /* its functions stay */
    *out = api;
    return TM_OK;
}
