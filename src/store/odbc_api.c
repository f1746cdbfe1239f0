/* SPDX-License-Identifier: Apache-2.0 */
#include "base/module.h"
#include "store/odbc_priv.h"

/* The ABI of unixODBC 2.3. */
static const char *const names[] = {
#define X(name) #name,
    TM_ODBC_FUNCTIONS(X)
#undef X
};
static const tm_library library = {
    .need = "ODBC needs unixODBC",
    .file = "libodbc.so.2",
    .variable = "TIDEMILL_ODBC",
    .missing_hint = "Install the package unixodbc, and a driver such as odbc-mariadb "
                    "(Debian's names).",
    .old_hint = "Install unixODBC 2.3 or later.",
    .names = names,
    .n = sizeof(names) / sizeof(names[0])};

tm_status tm__odbc_api_load(tm_odbc_api *out, tm_err *err) {
    return tm__library_load(&library, NULL, out, err);
}
