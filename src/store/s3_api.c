/* SPDX-License-Identifier: Apache-2.0 */
#include "base/module.h"
#include "store/s3_priv.h"

/* Debian's name for the ABI of libcurl. */
static const char *const names[] = {
#define X(name) "curl_" #name,
    TM_CURL_FUNCTIONS(X)
#undef X
};
static const tm_library library = {.need = "S3 needs libcurl",
                                   .file = "libcurl.so.4",
                                   .missing_hint = "Install the package libcurl4.",
                                   .old_hint = "Install the package libcurl4 of this system.",
                                   .names = names,
                                   .n = sizeof(names) / sizeof(names[0])};

tm_status tm__curl_api_load(const char *name, tm_curl_api *out, tm_err *err) {
    return tm__library_load(&library, name, out, err);
}
