/* SPDX-License-Identifier: Apache-2.0 */
/* Whether subjects are kept by pseudonyms. */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "loop/subject_ids.h"
#include "source/intake.h"

static bool has_pseudonym(const json_t *source) {
    json_t *names = tm__subject_columns_of_source(source);
    bool has = false;
    size_t i = 0;
    json_t *column = NULL;
    json_array_foreach(json_object_get(source, "columns"), i, column) {
        has = has || (tm__json_has_text(names, tm__json_text(column, "name", "")) &&
                      strcmp(tm__json_text(column, "policy", ""), "pseudonym") == 0);
    }
    json_decref(names);
    return has;
}

static tm_status ask_sources(const tm_home *home, bool *out, tm_err *err) {
    json_t *list = NULL;
    size_t i = 0;
    const json_t *one = NULL;
    if (tm__fs_info(tm__home_intake_db(home)).kind == TM_PATH_NONE) {
        return TM_OK;
    }
    TM_TRY(tm__intake_list(home, &list, err));
    tm_status st = TM_OK;
    json_array_foreach(list, i, one) {
        json_t *source = NULL;
        if (st == TM_OK && !*out) {
            st = tm__intake_show(home, tm__json_text(one, "source", ""), &source, err);
            *out = st == TM_OK && has_pseudonym(source);
            json_decref(source);
        }
    }
    json_decref(list);
    return st;
}

/* A source may be gone, and what learned from it is there. */
static tm_status ask_versions(tm_registry *registry, const char *model, bool *out, tm_err *err) {
    json_t *list = NULL;
    size_t i = 0;
    const json_t *one = NULL;
    TM_TRY(tm__registry_versions(registry, model, &list, err));
    tm_status st = TM_OK;
    json_array_foreach(list, i, one) {
        char name[TM_MAX_NAME + 16];
        tm_version version = {0};
        if (st != TM_OK || *out) {
            continue;
        }
        (void)snprintf(name, sizeof(name), "%s@%lld", model,
                       (long long)tm__json_i64(one, "version", 0));
        st = tm__registry_find(registry, name, &version, err);
        const json_t *const recipe = json_object_get(version.info, "recipe");
        *out = st == TM_OK && tm__privacy_needs_key(
                                  json_object_get(json_object_get(recipe, "privacy"), "columns"));
        tm__version_done(&version);
    }
    json_decref(list);
    return st;
}

static tm_status ask_models(tm_registry *registry, bool *out, tm_err *err) {
    json_t *models = NULL;
    size_t i = 0;
    const json_t *one = NULL;
    TM_TRY(tm__registry_models(registry, &models, err));
    tm_status st = TM_OK;
    json_array_foreach(models, i, one) {
        st = st == TM_OK && !*out
                 ? ask_versions(registry, tm__json_text(one, "model", ""), out, err)
                 : st;
    }
    json_decref(models);
    return st;
}

tm_status tm__subject_has_pseudonyms(const tm_home *home, tm_registry *registry, bool *out,
                                     tm_err *err) {
    *out = false;
    TM_TRY(ask_sources(home, out, err));
    return *out ? TM_OK : ask_models(registry, out, err);
}
