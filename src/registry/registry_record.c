/* SPDX-License-Identifier: Apache-2.0 */
/* All that is known of one version: its record, and what was said of it since. */
#include <string.h>

#include "registry/moments.h"
#include "registry/registry_priv.h"
#include "registry/tags.h"

static tm_status add_told(tm_registry *registry, const tm_version *version, json_t *record,
                          tm_err *err) {
    json_t *tags = NULL, *notes = NULL, *lineage = NULL, *recipe = NULL;
    tm_status st = tm__registry_tags(registry, version, &tags, err);
    st = st == TM_OK ? tm__registry_notes(registry, version, &notes, err) : st;
    st = st == TM_OK ? tm__registry_lineage(registry, version, &lineage, err) : st;
    st = st == TM_OK ? tm__registry_recipe(registry, version->model, &recipe, err) : st;
    if (st != TM_OK) {
        json_decref(tags);
        json_decref(notes);
        json_decref(lineage);
        return st;
    }
    if (strcmp(tm__json_text(version->info, "task", ""), tm__task_text(TM_TASK_BINARY)) == 0) {
        json_object_set_new(record, "calls_from",
                            tm__json_number(tm__registry_threshold(recipe, version->info)));
    }
    json_decref(recipe);
    json_object_set_new(record, "tags", tags);
    json_object_set_new(record, "notes", notes);
    json_object_set_new(record, "lineage", lineage);
    return TM_OK;
}

tm_status tm__registry_record(tm_registry *registry, const tm_version *version, json_t **out,
                              tm_err *err) {
    char hash[TM_HASH_TEXT];
    json_t *record = json_deep_copy(version->info);
    tm__hash_to_text(&version->bundle_hash, hash);
    json_object_set_new(record, "version", json_integer(version->number));
    json_object_set_new(record, "aliases", json_string(version->aliases));
    json_object_set_new(record, "state", json_string(version->state));
    json_object_set_new(record, "bundle_hash", json_string(hash));
    json_object_set_new(record, "bytes",
                        json_integer((json_int_t)tm__registry_bundle_bytes(registry, version)));
    json_object_set_new(record, "created", tm__json_time(version->created_us));
    tm_status st = add_told(registry, version, record, err);
    return tm__json_give(st, record, out, err);
}

json_t *tm__version_brief(const tm_version *version) {
    char hash[TM_HASH_TEXT];
    tm__hash_to_text(&version->bundle_hash, hash);
    return json_pack("{s:s, s:I, s:s, s:s}", "model", version->model, "version",
                     (json_int_t)version->number, "bundle_hash", hash, "aliases", version->aliases);
}
