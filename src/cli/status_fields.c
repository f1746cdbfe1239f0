/* SPDX-License-Identifier: Apache-2.0 */
/* Columns that came with the version: how many rows still come without, and what that costs. */
#include <string.h>

#include "base/fmath.h"
#include "cli/status_read.h"
#include "monitor/field_days.h"

static bool names(const json_t *list, const char *name) {
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach((json_t *)(uintptr_t)list, i, item) {
        if (json_is_string(item) && strcmp(json_string_value(item), name) == 0) {
            return true;
        }
    }
    return false;
}

/* Of what requests lack, what the version was told to do without. */
static json_t *pick(const json_t *fields, const json_t *optional) {
    json_t *const out = json_array();
    size_t i = 0;
    json_t *field = NULL;
    json_array_foreach((json_t *)(uintptr_t)fields, i, field) {
        if (strcmp(tm__json_text(field, "state", ""), "absent") == 0 &&
            names(optional, tm__json_text(field, "field", ""))) {
            json_array_append(out, field);
        }
    }
    return out;
}

static tm_status price(const tm_place *place, const tm_version *version, json_t *fields,
                       tm_err *err) {
    tm_bundle *bundle = NULL;
    if (json_array_size(fields) == 0) {
        return TM_OK;
    }
    TM_TRY(tm__registry_bundle(place->registry, version, &bundle, err));
    tm__field_days_price(bundle, fields);
    tm__bundle_unref(bundle);
    return tm__json_check(err);
}

tm_status tm__status_fields(const tm_place *place, const tm_version *version, json_t **out,
                            tm_err *err) {
    const json_t *const optional = json_object_get(version->info, "optional");
    const tm_drift_window_key key = {version->model, version->number};
    json_t *fields = NULL;
    if (json_array_size(optional) == 0) {
        *out = json_array();
        return *out != NULL ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    TM_TRY(tm__field_days_report(place->home, &key, &fields, err));
    json_t *const picked = pick(fields, optional);
    json_decref(fields);
    tm_status st = picked != NULL ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "out of memory");
    st = st == TM_OK ? price(place, version, picked, err) : st;
    return tm__json_give(st, picked, out, err);
}
