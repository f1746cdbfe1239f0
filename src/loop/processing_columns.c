/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/processing_columns.h"

#include <string.h>

#include "table/personal.h"

/* What the profile of a source found in a column; NULL: nothing. */
static const char *found_in(const json_t *profile, const char *name) {
    size_t i = 0;
    const json_t *column = NULL;
    json_array_foreach(json_object_get(profile, "columns"), i, column) {
        if (strcmp(tm__json_text(column, "name", ""), name) == 0) {
            return tm__json_text(json_object_get(column, "personal"), "what", NULL);
        }
    }
    return NULL;
}

static void add_column(json_t *set, const char *name, const char *type, const char *role,
                       const char *personal, const char *policy) {
    json_array_append_new(json_object_get(set, "columns"),
                          json_pack("{s:s, s:s, s:s*, s:s*, s:s*}", "column", name, "type", type,
                                    "role", role, "personal", personal, "policy", policy));
    if (personal != NULL && policy == NULL) {
        json_array_append_new(json_object_get(set, "gaps"),
                              json_sprintf("a policy for '%s' (%s)", name, personal));
    }
}

void tm__processing_columns_of_source(json_t *set, const json_t *source, const json_t *profile) {
    size_t i = 0;
    const json_t *column = NULL;
    const json_t *const declared = json_object_get(json_object_get(source, "spec"), "columns");
    json_array_foreach(json_object_get(source, "columns"), i, column) {
        const char *const name = tm__json_text(column, "name", "");
        const char *const found = found_in(profile, name);
        add_column(set, name, tm__json_text(column, "type", ""),
                   tm__json_text(column, "role", NULL),
                   found != NULL ? found : tm__personal_column(name),
                   tm__json_text(column, "policy", NULL));
        const json_t *const keep = json_object_get(json_object_get(declared, name), "keep_s");
        if (keep != NULL) {
            json_object_set(json_array_get(json_object_get(set, "columns"), i), "keep_seconds",
                            (json_t *)(uintptr_t)keep);
        }
    }
}

/* Of a file or a query the columns are those of a version that learned from it. */
static const char *found_in_reason(const char *name, const char *reason) {
    const char *const opens = reason == NULL ? NULL : strrchr(reason, '(');
    char words[64] = "";
    if (opens != NULL &&
        tm__str_copy(words, sizeof(words), (tm_str){opens + 1, strcspn(opens + 1, ")")})) {
        for (int i = 0; i < TM_PERSONALS; i++) {
            if (strcmp(words, tm__personal_words((tm_personal)i)) == 0) {
                return tm__personal_words((tm_personal)i);
            }
        }
    }
    return tm__personal_column(name);
}

tm_status tm__processing_columns_of_version(tm_registry *registry, const tm_version *version,
                                            json_t *set, tm_err *err) {
    const json_t *const policies = json_object_get(
        json_object_get(json_object_get(version->info, "recipe"), "privacy"), "columns");
    tm_bundle *bundle = NULL;
    size_t i = 0;
    const json_t *left = NULL;
    if (json_array_size(json_object_get(set, "columns")) > 0 ||
        strcmp(version->state, "collected") == 0) {
        return TM_OK;
    }
    tm_err why = {0};
    const tm_status st = tm__registry_bundle(registry, version, &bundle, &why);
    if (st != TM_OK) {
        return st == TM_E_NOT_FOUND ? TM_OK : TM_FAIL(err, st, "%s", why.message);
    }
    const tm_schema *const schema = tm__bundle_schema(bundle);
    for (uint32_t c = 0; c < schema->n_cols; c++) {
        const tm_schema_column *const column = &schema->cols[c];
        add_column(set, column->name, tm__type_text(column->type), tm__role_text(column->role),
                   found_in_reason(column->name, column->reason),
                   tm__json_text(policies, column->name, NULL));
    }
    tm__bundle_unref(bundle);
    json_array_foreach(json_object_get(version->info, "left_out"), i, left) {
        const char *const name = tm__json_text(left, "column", "");
        add_column(set, name, "", "left out",
                   found_in_reason(name, tm__json_text(left, "reason", NULL)),
                   tm__json_text(policies, name, NULL));
    }
    return TM_OK;
}
