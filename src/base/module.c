/* SPDX-License-Identifier: Apache-2.0 */
#include "base/module.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

struct tm_module {
    void *handle;
};

/* The loader says so only in words. */
static bool is_memory(tm_str why) {
    return tm__str_has_suffix(why, "out of memory") ||
           tm__str_has_suffix(why, "annot allocate memory");
}

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
        if (why != NULL && is_memory(tm__str(why))) {
            return TM_FAIL(err, TM_E_NOMEM, "out of memory while opening library '%s'", path);
        }
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

static tm_status find_all(const tm_library *library, tm_module *module, const char *path,
                          tm_module_fn *found, tm_err *err) {
    for (uint32_t i = 0; i < library->n; i++) {
        found[i] = tm__module_find(module, library->names[i]);
        if (found[i] == NULL) {
            (void)TM_FAIL(err, TM_E_UNSUPPORTED, "%s, and '%s' has no function '%s'", library->need,
                          path, library->names[i]);
            tm_err_hint(err, "%s", library->old_hint);
            return TM_E_UNSUPPORTED;
        }
    }
    return TM_OK;
}

tm_status tm__library_load(const tm_library *library, const char *path, void *out, tm_err *err) {
    const char *const named = library->variable == NULL ? NULL : getenv(library->variable);
    tm_module *module = NULL;
    if (path == NULL) {
        path = named != NULL && named[0] != '\0' ? named : library->file;
    }
    tm_module_fn *found = tm__mem_alloc(library->n, sizeof(*found));
    const tm_status opened = found == NULL ? TM_E_NOMEM : tm__module_open(path, &module, NULL);
    tm_status st = TM_OK;
    if (opened == TM_E_NOMEM) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory while loading '%s'", path);
    } else if (opened != TM_OK) {
        st = TM_FAIL(err, TM_E_UNSUPPORTED, "%s, and '%s' cannot be loaded", library->need, path);
        tm_err_hint(err, "%s", library->missing_hint);
    } else {
        st = find_all(library, module, path, found, err);
    }
    if (st == TM_OK) {
        memcpy(out, found, library->n * sizeof(*found));
    }
    tm__module_close(module); /* its functions stay */
    tm__mem_free(found);
    return st;
}
