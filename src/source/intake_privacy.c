/* SPDX-License-Identifier: Apache-2.0 */
/* Policies of a source's columns, for those that learn from its rows and answer about others. */
#include <string.h>

#include "base/fs.h"
#include "source/intake_priv.h"
#include "store/privacy_key.h"

static json_t *policies_of(const tm_intake_columns *columns) {
    json_t *policies = json_object();
    for (uint32_t i = 0; columns->rules != NULL && i < columns->schema.n_cols; i++) {
        if (columns->rules[i].privacy.kind != TM_PRIVACY_NONE) {
            json_object_set_new(policies, columns->schema.cols[i].name,
                                json_string(columns->rules[i].policy));
        }
    }
    return policies;
}

tm_status tm__privacy_add_check(const tm_hash *key, json_t *privacy, tm_err *err) {
    char check[TM_HASH_TEXT];
    tm__privacy_key_check(key, check);
    json_object_set_new(privacy, "key", json_string(check));
    return tm__json_check(err);
}

static tm_status add_check(const tm_home *home, json_t *privacy, tm_err *err) {
    tm_hash key;
    TM_TRY(tm__privacy_key_read(home, &key, err));
    const tm_status st = tm__privacy_add_check(&key, privacy, err);
    tm__hash_reset(&key);
    return st;
}

tm_status tm__intake_privacy(const tm_home *home, const char *name, json_t **out, tm_err *err) {
    tm_intake_place place = {0};
    TM_TRY(tm__intake_place_open(home, name, &place, err));
    json_t *policies = policies_of(place.columns);
    tm__intake_place_done(&place);
    if (json_object_size(policies) == 0) {
        json_decref(policies);
        *out = NULL;
        return tm__json_check(err);
    }
    const bool needs_key = tm__privacy_needs_key(policies);
    json_t *privacy = json_pack("{s:o}", "columns", policies);
    tm_status st = tm__json_check(err);
    st = st == TM_OK && needs_key ? add_check(home, privacy, err) : st;
    return tm__json_give(st, privacy, out, err);
}

tm_status tm__intake_privacy_apply(const tm_home *home, const json_t *privacy, tm_table **table,
                                   tm_err *err) {
    const json_t *const policies = json_object_get(privacy, "columns");
    const bool needs_key = tm__privacy_needs_key(policies);
    tm_hash key;
    tm_table *kept = NULL;
    if (*table == NULL || policies == NULL) {
        return TM_OK;
    }
    TM_TRY(needs_key ? tm__privacy_key_read(home, &key, err) : TM_OK);
    const tm_status st = tm__privacy_table(policies, needs_key ? &key : NULL, *table, &kept, err);
    if (needs_key) {
        tm__hash_reset(&key);
    }
    if (st == TM_OK) {
        tm__table_unref(*table);
        *table = kept;
    }
    return st;
}

static tm_status has_pseudonyms(const tm_home *home, const char *name, bool *out, tm_err *err) {
    json_t *source = NULL;
    size_t i = 0;
    const json_t *column = NULL;
    TM_TRY(tm__intake_show(home, name, &source, err));
    json_array_foreach(json_object_get(source, "columns"), i, column) {
        *out = *out || strcmp(tm__json_text(column, "policy", ""), "pseudonym") == 0;
    }
    json_decref(source);
    return TM_OK;
}

tm_status tm__intake_has_pseudonyms(const tm_home *home, bool *out, tm_err *err) {
    json_t *list = NULL;
    size_t i = 0;
    const json_t *one = NULL;
    *out = false;
    if (tm__fs_info(tm__home_intake_db(home)).kind == TM_PATH_NONE) {
        return TM_OK;
    }
    TM_TRY(tm__intake_list(home, &list, err));
    tm_status st = TM_OK;
    json_array_foreach(list, i, one) {
        if (st == TM_OK && !*out) {
            st = has_pseudonyms(home, tm__json_text(one, "source", ""), out, err);
        }
    }
    json_decref(list);
    return st;
}
