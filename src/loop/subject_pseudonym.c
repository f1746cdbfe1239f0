/* SPDX-License-Identifier: Apache-2.0 */
/* Whether subjects are kept by pseudonyms. */
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
static tm_status ask_version(void *arg, const tm_version *version, tm_err *err) {
    bool *const out = arg;
    const json_t *const recipe = json_object_get(version->info, "recipe");
    const json_t *const privacy = json_object_get(recipe, "privacy");
    (void)err;
    *out = *out || tm__privacy_needs_key(json_object_get(privacy, "columns"));
    return TM_OK;
}

static tm_status ask_model(tm_registry *registry, const char *model, void *arg, tm_err *err) {
    const bool *const out = arg;
    return *out ? TM_OK : tm__registry_each_version(registry, model, ask_version, arg, err);
}

tm_status tm__subject_has_pseudonyms(const tm_home *home, tm_registry *registry, bool *out,
                                     tm_err *err) {
    *out = false;
    TM_TRY(ask_sources(home, out, err));
    return *out ? TM_OK : tm__registry_each_model(registry, ask_model, out, err);
}
