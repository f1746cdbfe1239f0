/* SPDX-License-Identifier: Apache-2.0 */
/* Model files of versions: found by hash, in the home or in its bucket, and told what their model
 * says of them. */
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "registry/registry_priv.h"
#include "registry/retire.h"
#include "store/bucket.h"
#include "store/privacy_key.h"

static tm_status not_of_its_name(const char *path, tm_err *err) {
    const tm_status st =
        TM_FAIL(err, TM_E_INTEGRITY, "the model file '%s' is not the one of its name", path);
    tm_err_hint(err, "Restore it from a backup, or train the model again.");
    return st;
}

tm_status tm__registry_file_open(tm_registry *registry, const tm_hash *hash, tm_bundle **out,
                                 tm_err *err) {
    tm_bundle *bundle = NULL;
    tm_hash found = {0};
    char *path = tm__home_bundle_path(registry->home, hash);
    if (path == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    bool is_fetched = false;
    tm_status st = tm__bucket_find(NULL, path, &is_fetched, err);
    if (st != TM_OK) {
        goto out;
    }
    if (tm__fs_info(path).kind != TM_PATH_FILE) {
        st = TM_FAIL(err, TM_E_INTEGRITY, "the model file '%s' is gone", path);
        tm_err_hint(err, "Restore it from a backup, or train the model again.");
        goto out;
    }
    st = out == NULL ? tm__bundle_check(path, &found, err) : tm__bundle_open(path, &bundle, err);
    found = bundle != NULL ? *tm__bundle_hash(bundle) : found;
    if (st == TM_OK && !tm__hash_eq(&found, hash)) {
        st = not_of_its_name(path, err);
    }
    if (st != TM_OK && st != TM_E_NOMEM && is_fetched) {
        tm__bucket_refuse(path);
    }
    if (st == TM_OK && out != NULL) {
        *out = bundle;
        bundle = NULL;
    }
out:
    tm__bundle_unref(bundle);
    tm__mem_free(path);
    return st;
}

static tm_status fail_collected(const tm_version *version, tm_err *err) {
    const tm_status st =
        TM_FAIL(err, TM_E_NOT_FOUND, "the file of version %u of '%s' was collected",
                version->number, version->model);
    tm_err_hint(err, "Import it again, or train again with its recipe.");
    return st;
}

tm_status tm__registry_bundle_check(tm_registry *registry, const tm_version *version, tm_err *err) {
    return strcmp(version->state, "collected") == 0
               ? fail_collected(version, err)
               : tm__registry_file_open(registry, &version->bundle_hash, NULL, err);
}

/* Without the key it is whole, and says so when it is asked about rows that need it. */
static void give_key(tm_registry *registry, tm_bundle *bundle) {
    tm_hash key;
    if (tm__privacy_key_read(registry->home, &key, NULL) == TM_OK) {
        tm__bundle_use_key(bundle, &key);
        tm__hash_reset(&key);
    }
}

tm_status tm__registry_bundle(tm_registry *registry, const tm_version *version, tm_bundle **out,
                              tm_err *err) {
    if (strcmp(version->state, "collected") == 0) {
        return fail_collected(version, err);
    }
    tm_bundle *bundle = NULL;
    json_t *recipe = NULL;
    TM_TRY(version->model[0] != '\0' ? tm__retiring_check(registry, version, err) : TM_OK);
    TM_TRY(tm__registry_file_open(registry, &version->bundle_hash, &bundle, err));
    const bool has_recipe = version->model[0] != '\0';
    tm_status st = has_recipe ? tm__registry_recipe(registry, version->model, &recipe, err) : TM_OK;
    if (st == TM_OK && has_recipe && tm__bundle_task(bundle) == TM_TASK_BINARY) {
        tm__bundle_call_from(bundle, tm__registry_threshold(recipe, tm__bundle_info(bundle)));
    }
    if (st == TM_OK && json_object_get(recipe, "columns") != NULL) {
        st = tm__bundle_use_columns(bundle, json_object_get(recipe, "columns"), err);
    }
    json_decref(recipe);
    if (st == TM_OK && tm__bundle_needs_key(bundle)) {
        give_key(registry, bundle);
    }
    if (st != TM_OK) {
        tm__bundle_unref(bundle);
        return st;
    }
    *out = bundle;
    return TM_OK;
}

bool tm__registry_bundle_holds(tm_registry *registry, const tm_version *version,
                               const tm_bundle *bundle) {
    char *path = tm__home_bundle_path(registry->home, &version->bundle_hash);
    const bool holds = path != NULL && tm__bundle_is_file(bundle, path);
    tm__mem_free(path);
    return holds;
}

uint64_t tm__registry_bundle_bytes(tm_registry *registry, const tm_version *version) {
    char *path = tm__home_bundle_path(registry->home, &version->bundle_hash);
    const uint64_t bytes = path == NULL ? 0 : tm__fs_info(path).size_bytes;
    tm__mem_free(path);
    return bytes;
}
