/* SPDX-License-Identifier: Apache-2.0 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/fs.h"
#include "base/proc.h"
#include "store/duck_priv.h"

#define PATH_SIZE 4096u

static const char *const names[] = {
#define X(name) "duckdb_" #name,
    TM_DUCK_FUNCTIONS(X)
#undef X
};
static const tm_library library = {
    .need = "this needs DuckDB",
    .file = "libduckdb.so",
    .missing_hint = "Run ./run setup to fetch it, or name libduckdb.so in "
                    "TIDEMILL_DUCKDB. CSV files are read without it.",
    .old_hint = "Run ./run setup to fetch the version Tidemill was made for.",
    .names = names,
    .n = sizeof(names) / sizeof(names[0])};

/* Below the folder of the program: a build folder in the tree, the tests' folder in a build
 * folder, an installation. */
static const char *const places[] = {"../third_party/duckdb/libduckdb.so",
                                     "../../third_party/duckdb/libduckdb.so",
                                     "../lib/tidemill/libduckdb.so"};

static tm_status find_library(char *out, size_t size, tm_err *err) {
    const char *const program = tm__program_path();
    const char *const slash = program == NULL ? NULL : strrchr(program, '/');
    for (size_t i = 0; slash != NULL && i < sizeof(places) / sizeof(places[0]); i++) {
        tm_buf path;
        tm__buf_init(&path, size - 1);
        (void)tm__buf_append(&path, program, (size_t)(slash - program) + 1);
        const bool fits = tm__buf_text(&path, places[i]);
        const bool no_memory = path.failed && path.len + strlen(places[i]) < size - 1;
        const bool is_there = fits && tm__fs_info((const char *)path.data).kind == TM_PATH_FILE &&
                              tm__str_copy(out, size, (tm_str){(const char *)path.data, path.len});
        tm__buf_done(&path);
        if (no_memory) {
            return TM_FAIL(err, TM_E_NOMEM, "out of memory while looking for DuckDB");
        }
        if (is_there) {
            break;
        }
    }
    return TM_OK; /* else the loader looks where it looks for libraries */
}

tm_status tm__duck_api_load(tm_duck_api *out, const char **out_path, tm_err *err) {
    char path[PATH_SIZE] = "libduckdb.so";
    const char *const named = getenv("TIDEMILL_DUCKDB");
    if (named != NULL && named[0] != '\0') {
        (void)tm__str_copy(path, sizeof(path), tm__str(named));
    } else {
        TM_TRY(find_library(path, sizeof(path), err));
    }
    tm_duck_api api = {0};
    TM_TRY(tm__library_load(&library, path, &api, err));
    if (out_path != NULL) {
        /* The loader keeps the library's path as long as it is loaded, which is for good. */
        void *symbol = NULL;
        Dl_info info = {0};
        memcpy(&symbol, &api.library_version, sizeof(symbol));
        *out_path = dladdr(symbol, &info) != 0 ? info.dli_fname : "libduckdb.so";
    }
    *out = api;
    return TM_OK;
}

tm_status tm__duck_version(const char **out_version, const char **out_path, tm_err *err) {
    tm_duck_api api = {0};
    const char *path = NULL;
    TM_TRY(tm__duck_api_load(&api, &path, err));
    TM_ASSERT(api.library_version != NULL);
    *out_version = api.library_version();
    *out_path = path;
    return TM_OK;
}
