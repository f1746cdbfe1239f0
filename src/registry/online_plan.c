/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/online_plan.h"

#include <string.h>

#include "base/mem.h"

bool tm__online_plan_has(const json_t *info) {
    return json_array_size(json_object_get(json_object_get(info, "windows"), "features")) > 0;
}

const char *tm__online_plan_source(const tm_online_plan *plan, uint32_t group) {
    const char *const named = tm__window_live_group(plan->live, group)->source;
    return named != NULL ? named : plan->terms.source;
}

bool tm__online_plan_has_sources(const tm_online_plan *plan) {
    for (uint32_t g = 0; g < tm__window_live_count(plan->live); g++) {
        if (tm__online_plan_source(plan, g)[0] == '\0') {
            return false;
        }
    }
    return true;
}

void tm__online_plan_done(tm_online_plan *plan) {
    tm__window_live_free(plan->live);
    tm__window_set_free(plan->set);
    tm__mem_free(plan->marks);
    *plan = (tm_online_plan){0};
}

static tm_status read_choice(const json_t *online, const char *key, const char *usual,
                             const char *other, bool *out_other, tm_err *err) {
    const char *const word = tm__json_text(online, key, usual);
    *out_other = strcmp(word, other) == 0;
    return *out_other || strcmp(word, usual) == 0
               ? TM_OK
               : TM_FAIL(err, TM_E_DATA, "online: '%s' is %s or %s", key, usual, other);
}

tm_status tm__online_terms_read(const json_t *info, const json_t *recipe, tm_online_terms *out,
                                tm_err *err) {
    const json_t *const online = json_object_get(recipe, "online");
    const json_t *const from = json_object_get(json_object_get(info, "recipe"), "source");
    const char *const source = tm__json_text(online, "source", tm__json_text(from, "source", ""));
    *out = (tm_online_terms){
        .max_lag_us = tm__json_i64(online, "max_lag_us", TM_ONLINE_MAX_LAG_US),
        .late_us = tm__json_i64(online, "late_us", TM_WINDOW_LATE_US),
    };
    if (!tm__str_copy(out->source, sizeof(out->source), tm__str(source)) || out->max_lag_us <= 0 ||
        out->late_us < 0) {
        return TM_FAIL(err, TM_E_DATA, "online: what the recipe says is out of bounds");
    }
    TM_TRY(read_choice(online, "stale", "refuse", "missing", &out->stale_is_missing, err));
    return read_choice(online, "absent", "missing", "refuse", &out->absent_is_refused, err);
}

/* A view of the store: what is kept, of which source. */
static void make_mark(const tm_window_group *group, const char *source, tm_hash *out) {
    tm_hasher hasher;
    tm__hasher_init(&hasher);
    tm__hasher_update(&hasher, group->mark.bytes, TM_HASH_BYTES);
    tm__hasher_update(&hasher, source, strlen(source));
    tm__hasher_final(&hasher, out);
}

static tm_status fill(const json_t *info, const json_t *recipe, tm_online_plan *out, tm_err *err) {
    TM_TRY(tm__online_terms_read(info, recipe, &out->terms, err));
    TM_TRY(tm__window_set_from_json(json_object_get(info, "windows"), &out->set, err));
    TM_TRY(tm__window_live_create(out->set, out->terms.late_us, &out->live, err));
    const uint32_t n = tm__window_live_count(out->live);
    out->marks = tm__mem_zalloc((size_t)n + 1, sizeof(*out->marks));
    if (out->marks == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for features that are kept");
    }
    for (uint32_t i = 0; i < n; i++) {
        make_mark(tm__window_live_group(out->live, i), tm__online_plan_source(out, i),
                  &out->marks[i]);
    }
    return TM_OK;
}

tm_status tm__online_plan_read(const json_t *info, const json_t *recipe, tm_online_plan *out,
                               tm_err *err) {
    tm_online_plan plan = {0};
    const tm_status st = fill(info, recipe, &plan, err);
    if (st != TM_OK) {
        tm__online_plan_done(&plan);
        return st;
    }
    *out = plan;
    return TM_OK;
}
