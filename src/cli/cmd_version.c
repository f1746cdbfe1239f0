/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <sodium.h>
#include <sqlite3.h>

#include "base/simd.h"
#include "base/tls.h"
#include "cli/sbom.h"
#include "store/duck.h"
#include "tidemill/bundle.h"

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

tm_status cmd_version(tm_cli *cli, tm_err *err) {
    if (tm__cli_flag(cli, "sbom")) {
        json_t *bill = NULL;
        TM_TRY(tm__sbom_program(&bill, err));
        tm__cli_print_json(cli, bill);
        json_decref(bill);
        return TM_OK;
    }
    if (!cli->json) {
        tm__cli_print(cli, "tidemill %s\n", tm_version_text());
        return TM_OK;
    }
    const char *duck = NULL;
    const char *duck_path = NULL;
    const tm_status st = tm__duck_version(&duck, &duck_path, err);
    if (st == TM_E_NOMEM) {
        return st;
    }
    if (st != TM_OK) {
        duck = NULL; /* said as null: the program works without it where no file is read */
    }
    const char *openssl = NULL; /* as null: only TLS of the server needs it */
    if (tm__tls_version(&openssl, err) == TM_E_NOMEM) {
        return TM_E_NOMEM;
    }
    json_t *value =
        json_pack("{s:s, s:s, s:s, s:s, s:{s:s?, s:s, s:s, s:s?}}", "schema", "tidemill.version/1",
                  "version", tm_version_text(), "compiler", COMPILER, "simd",
                  tm__simd_text(tm__simd()), "libraries", "duckdb", duck, "sqlite",
                  sqlite3_libversion(), "libsodium", sodium_version_string(), "openssl", openssl);
    if (value == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    tm__cli_print_json(cli, value);
    json_decref(value);
    return TM_OK;
}
