/* SPDX-License-Identifier: Apache-2.0 */
/* `model export`: a version as one signed file. */
#include "base/fs.h"
#include "base/limits.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/model_args.h"
#include "registry/trust.h"
#include "store/vault.h"

typedef struct exporting {
    tm_cli *cli;
    tm_place place;
    const char *path;
    tm_buf bytes, is_signed;
    char signer[TM_PUBLIC_KEY_TEXT];
} exporting;

static tm_status check_path(const char *path, tm_err *err) {
    if (tm__fs_info(path).kind == TM_PATH_NONE) {
        return TM_OK;
    }
    const tm_status st = TM_FAIL(err, TM_E_CONFLICT, "'%s' is there already", path);
    tm_err_hint(err, "Name a file that does not exist yet.");
    return st;
}

static tm_status sign_file(exporting *e, tm_err *err) {
    tm_signing_key key;
    char *path = tm__home_bundle_path(e->place.home, &e->place.version.bundle_hash);
    if (path == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    tm_status st = tm__vault_read_all(path, &e->bytes, err);
    tm__mem_free(path);
    TM_TRY(st);
    TM_TRY(tm__trust_own(e->place.registry, &key, err));
    tm__public_key_to_text(&key.public_key, e->signer);
    st = tm__bundle_sign(e->bytes.data, e->bytes.len, &key, &e->is_signed, err);
    tm__signing_key_done(&key);
    return st;
}

static tm_status publish(exporting *e, tm_err *err) {
    char user[80];
    const tm_actor actor = tm__cli_actor(tm__cli_text(e->cli, "reason"), user, sizeof(user));
    const tm_version *const version = &e->place.version;
    TM_TRY(tm__fs_publish(e->path, e->is_signed.data, e->is_signed.len, err));
    tm__cli_did(e->cli, "'%.100s' is written", e->path);
    json_t *details =
        json_pack("{s:s, s:I}", "signer", e->signer, "bytes", (json_int_t)e->is_signed.len);
    const tm_status st = tm__registry_note(e->place.registry, version->model, "exported",
                                           version->number, &actor, details, err);
    json_decref(details);
    return st;
}

static void say(const exporting *e) {
    char hash[TM_HASH_TEXT];
    const tm_version *const version = &e->place.version;
    tm__hash_to_text(&version->bundle_hash, hash);
    if (e->cli->json) {
        json_t *result =
            json_pack("{s:s, s:I, s:s, s:I, s:s, s:s}", "model", version->model, "version",
                      (json_int_t)version->number, "file", e->path, "bytes",
                      (json_int_t)e->is_signed.len, "bundle_hash", hash, "signer", e->signer);
        tm__cli_print_object(e->cli, "tidemill.model.export/1", result);
        json_decref(result);
        return;
    }
    tm__cli_print(e->cli, "%s@%u is in '%s', %zu bytes, signed by %s\n", version->model,
                  version->number, e->path, e->is_signed.len, e->signer);
    tm__cli_note(e->cli, "there: tidemill trust add %s", e->signer);
    tm__cli_note(e->cli, "then: tidemill model import %s", e->path);
}

tm_status cmd_model_export(tm_cli *cli, tm_err *err) {
    exporting e = {.cli = cli, .path = tm__cli_arg(cli, "FILE")};
    tm__buf_init(&e.bytes, TM_MAX_BUNDLE_BYTES);
    tm__buf_init(&e.is_signed, TM_MAX_BUNDLE_BYTES);
    tm_status st = check_path(e.path, err);
    st = st == TM_OK ? tm__place_open_version(cli, tm__cli_arg(cli, "MODEL"), &e.place, err) : st;
    st = st == TM_OK ? sign_file(&e, err) : st;
    st = st == TM_OK ? publish(&e, err) : st;
    if (st == TM_OK) {
        say(&e);
    }
    tm__buf_done(&e.bytes);
    tm__buf_done(&e.is_signed);
    tm__place_close(&e.place);
    return st;
}
