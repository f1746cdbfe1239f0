/* SPDX-License-Identifier: Apache-2.0 */
#include "source/strict.h"

#include <string.h>

#include "source/intake.h"
#include "source/profile.h"
#include "table/personal.h"

#define HINT                                                                                       \
    "Declare its policy in tidemill.yaml (docs/privacy.md has them), or policy: plain where its "  \
    "values may stay as they are."

static bool is_strict(const json_t *spec) {
    return strcmp(tm__json_text(spec, "personal", ""), "declared") == 0;
}

static tm_status refuse(tm_status status, const char *column, const char *words, tm_err *err) {
    const tm_status st =
        TM_FAIL(err, status, "column '%s' looks like %s and declares no policy", column, words);
    tm_err_hint(err, "%s", HINT);
    return st;
}

static tm_status check_name(const json_t *columns, const char *name, tm_err *err) {
    const char *const words = tm__personal_column(name);
    const bool has_policy = tm__json_text(json_object_get(columns, name), "policy", NULL) != NULL;
    return words == NULL || has_policy ? TM_OK : refuse(TM_E_USAGE, name, words, err);
}

tm_status tm__strict_check(const json_t *spec, const char *const *keys, uint32_t n_keys,
                           tm_err *err) {
    const char *const said = tm__json_text(spec, "personal", NULL);
    const json_t *const columns = json_object_get(spec, "columns");
    const char *name = NULL;
    json_t *column = NULL;
    if (said != NULL && !is_strict(spec)) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "'personal' is not '%.40s'", said);
        tm_err_hint(err, "Write personal: declared, or leave it out.");
        return st;
    }
    if (!is_strict(spec)) {
        return TM_OK;
    }
    json_object_foreach((json_t *)(uintptr_t)columns, name, column) {
        TM_TRY(check_name(columns, name, err));
    }
    for (uint32_t i = 0; i < n_keys; i++) {
        TM_TRY(check_name(columns, keys[i], err));
    }
    return TM_OK;
}

/* Columns of a profile, which have what their values or names tell. */
static tm_status check_profile(const json_t *source, const json_t *profile, tm_err *err) {
    const json_t *const declared = json_object_get(json_object_get(source, "spec"), "columns");
    size_t i = 0;
    const json_t *column = NULL;
    json_array_foreach(json_object_get(profile, "columns"), i, column) {
        const char *const name = tm__json_text(column, "name", "");
        const char *const words = tm__json_text(json_object_get(column, "personal"), "what", NULL);
        const bool has_policy =
            tm__json_text(json_object_get(declared, name), "policy", NULL) != NULL;
        if (words != NULL && !has_policy) {
            return refuse(TM_E_NOT_ALLOWED, name, words, err);
        }
    }
    return TM_OK;
}

static tm_status look(tm_ctx *ctx, const tm_home *home, const json_t *source, tm_err *err) {
    static const tm_profile_window all = {0};
    static const tm_profile_words quiet = {0};
    tm_profile_sheet *sheet = NULL;
    tm_profile_span span = {0};
    if (!is_strict(json_object_get(source, "spec")) || tm__json_i64(source, "rows", 0) == 0) {
        return TM_OK;
    }
    TM_TRY(tm__profile_source(ctx, home, tm__json_text(source, "source", ""), &all, &sheet, &span,
                              err));
    json_t *const profile = tm__profile_to_json(sheet, &quiet);
    tm__profile_free(sheet);
    tm_status st = tm__json_check(err);
    st = st == TM_OK ? check_profile(source, profile, err) : st;
    json_decref(profile);
    return st;
}

tm_status tm__strict_check_rows(tm_ctx *ctx, const tm_home *home, const char *source, tm_err *err) {
    json_t *shown = NULL;
    TM_TRY(tm__intake_show(home, source, &shown, err));
    const tm_status st = look(ctx, home, shown, err);
    json_decref(shown);
    return st;
}
