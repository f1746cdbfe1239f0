/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/fs.h"
#include "base/hash.h"
#include "loop/subject_scan.h"

#define SUFFIX ".parquet"

typedef struct search {
    const json_t *named;
    json_t *rest;
} search;

static bool is_named(const json_t *named, const char *hash) {
    size_t i = 0;
    const json_t *one = NULL;
    json_array_foreach(named, i, one) {
        if (strcmp(json_string_value(one), hash) == 0) {
            return true;
        }
    }
    return false;
}

static bool look_at(void *arg, const char *name) {
    const search *const s = arg;
    char hash[TM_HASH_TEXT];
    const bool is_snapshot = strlen(name) == TM_HASH_TEXT - 1 + strlen(SUFFIX) &&
                             strcmp(name + TM_HASH_TEXT - 1, SUFFIX) == 0;
    if (is_snapshot && tm__str_copy(hash, sizeof(hash), (tm_str){name, TM_HASH_TEXT - 1}) &&
        !is_named(s->named, hash)) {
        json_array_append_new(
            s->rest, json_pack("{s:o, s:s}", "what", json_sprintf("snapshot:%s", hash), "why",
                               "no version names it, so nothing says which column names a subject; "
                               "'tidemill model gc' removes it once it is a day old"));
    }
    return true;
}

tm_status tm__subject_unnamed(const tm_home *home, tm_registry *registry, json_t *rest,
                              tm_err *err) {
    json_t *files = NULL;
    const char *const dir = tm__home_snapshots(home);
    if (tm__fs_info(dir).kind != TM_PATH_DIR) {
        return TM_OK;
    }
    TM_TRY(tm__registry_files(registry, &files, err));
    search s = {.named = json_object_get(files, "snapshots"), .rest = rest};
    const tm_status st = tm__fs_list(dir, look_at, &s, err);
    json_decref(files);
    return st;
}
