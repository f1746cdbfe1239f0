/* SPDX-License-Identifier: Apache-2.0 */
#include "base/module.h"

#include <dlfcn.h>
#include <string.h>

#include "base/mem.h"

struct tm_module {
    void *handle;
};

tm_status tm__module_open(const char *path, tm_module **out_module, tm_err *err) {
    tm_module *module = tm__mem_zalloc(1, sizeof(*module));
    if (module == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory while opening library '%s'", path);
    }
    /* A library may have threads and static state, so it stays mapped when it is closed. */
    module->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (module->handle == NULL) {
        const char *why = dlerror();
        tm__mem_free(module);
        return TM_FAIL(err, TM_E_UNAVAILABLE, "cannot open library '%s': %s", path,
                       why == NULL ? "unknown error" : why);
    }
    *out_module = module;
    return TM_OK;
}

tm_module_fn tm__module_find(tm_module *module, const char *name) {
    /* ISO C has no cast from a data pointer to a function pointer; POSIX has the bits be the same.
     */
    void *address = dlsym(module->handle, name);
    tm_module_fn function = NULL;
    memcpy(&function, &address, sizeof(function));
    return function;
}

void tm__module_close(tm_module *module) {
    if (module != NULL) {
        (void)dlclose(module->handle);
        tm__mem_free(module);
    }
}
