/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of columns that hold for a bundle: those of its recipe, or what is declared since. */
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "model/bundle_priv.h"
#include "table/privacy.h"

/* What rows may leave out, by the file and then by the rules. */
static tm_status allow(tm_bundle *self, const tm_renames *renames, tm_err *err) {
    const tm_schema *const schema = tm__bundle_schema(self);
    if (self->may_lack == NULL) {
        self->may_lack = tm__mem_alloc((size_t)schema->n_cols + 1, sizeof(*self->may_lack));
        if (self->may_lack == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "out of memory for rules of columns");
        }
        for (uint32_t i = 0; i < schema->n_cols; i++) {
            self->may_lack[i] = schema->cols[i].is_nullable;
        }
    }
    for (uint32_t i = 0; i < schema->n_cols; i++) {
        const tm_missing_rule rule = tm__renames_missing(renames, i);
        tm__program_may_lack(self->program, i,
                             rule == TM_MISSING_UNSAID ? self->may_lack[i]
                                                       : rule == TM_MISSING_ACCEPT);
    }
    return TM_OK;
}

tm_status tm__bundle_use_columns(tm_bundle *bundle, const json_t *rules, tm_err *err) {
    tm_renames *renames = NULL;
    TM_TRY(tm__renames_create(rules, tm__bundle_schema(bundle), &renames, err));
    if (renames != NULL || bundle->may_lack != NULL) {
        const tm_status st = allow(bundle, renames, err);
        if (st != TM_OK) {
            tm__renames_free(renames);
            return st;
        }
    }
    json_decref(bundle->columns);
    tm__renames_free(bundle->renames);
    bundle->columns = json_incref((json_t *)(uintptr_t)rules);
    bundle->renames = renames;
    return TM_OK;
}

tm_status tm__bundle_columns_load(tm_bundle *bundle, tm_err *err) {
    const json_t *const recipe = json_object_get(bundle->info, "recipe");
    return tm__bundle_use_columns(bundle, json_object_get(recipe, "columns"), err);
}

const json_t *tm__bundle_columns(const tm_bundle *bundle) {
    return bundle->columns;
}

const tm_renames *tm__bundle_renames(const tm_bundle *bundle) {
    return bundle->renames;
}

const json_t *tm__bundle_privacy(const json_t *info) {
    const json_t *const privacy = json_object_get(json_object_get(info, "recipe"), "privacy");
    return json_is_object(privacy) ? privacy : NULL;
}

tm_status tm__bundle_privacy_check(const tm_bundle_file *file, const json_t *info, tm_err *err) {
    const tm_bytes bytes = file->sections[TM_SECTION_PRIVACY];
    const json_t *const privacy = tm__bundle_privacy(info);
    json_t *said = NULL;
    if (bytes.data != NULL) {
        TM_TRY(tm__json_parse(bytes.data, bytes.len, TM_MAX_JSON_DEPTH, &said, err));
    }
    const bool is_same = said == NULL ? privacy == NULL : json_equal(said, privacy) == 1;
    json_decref(said);
    return is_same ? TM_OK : TM_FAIL(err, TM_E_INTEGRITY, "it is not what 'info' says");
}

static const json_t *privacy_of(const tm_bundle *bundle) {
    return tm__bundle_privacy(bundle->info);
}

const json_t *tm__bundle_policies(const tm_bundle *bundle) {
    return json_object_get(privacy_of(bundle), "columns");
}

bool tm__bundle_needs_key(const tm_bundle *bundle) {
    return tm__privacy_needs_key(tm__bundle_policies(bundle));
}

void tm__bundle_use_key(tm_bundle *bundle, const tm_hash *key) {
    char check[TM_HASH_TEXT];
    tm__privacy_key_check(key, check);
    bundle->has_privacy_key = strcmp(tm__json_text(privacy_of(bundle), "key", ""), check) == 0;
    if (bundle->has_privacy_key) {
        bundle->privacy_key = *key;
    }
}

const tm_hash *tm__bundle_key(const tm_bundle *bundle) {
    return bundle->has_privacy_key ? &bundle->privacy_key : NULL;
}

tm_status tm__bundle_rename(const tm_bundle *bundle, tm_table *table, tm_table **out, tm_err *err) {
    const json_t *const policies = tm__bundle_policies(bundle);
    tm_table *named = NULL;
    if (policies == NULL) {
        return tm__renames_table(bundle->renames, table, out, err);
    }
    TM_TRY(tm__renames_table(bundle->renames, table, &named, err));
    const tm_status st = tm__privacy_table(policies, tm__bundle_key(bundle), named, out, err);
    tm__table_unref(named);
    return st;
}
