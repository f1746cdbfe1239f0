/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/route_json.h"

#include "registry/rollout.h"
#include "store/serving_file.h"

json_t *tm__route_json_arms(const tm_arm *arms, uint32_t n) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < n; i++) {
        json_array_append_new(list, json_pack("{s:I, s:f}", "version", (json_int_t)arms[i].version,
                                              "weight", arms[i].weight / 100.0));
    }
    return list;
}

static json_t *shadow_json(const tm_arm *shadow) {
    return shadow->version == 0 ? json_null()
                                : json_pack("{s:I, s:f}", "version", (json_int_t)shadow->version,
                                            "share", shadow->weight / 100.0);
}

tm_status tm__registry_route_json(tm_registry *registry, const tm_route *route, json_t **out,
                                  tm_err *err) {
    const tm_arm alone = {.version = route->version, .weight = TM_ARM_PARTS};
    const bool is_split = route->n_arms > 0;
    tm_rollout rollout = {0};
    bool has = false;
    TM_TRY(tm__registry_rollout(registry, route->model, &rollout, &has, err));
    json_t *made = json_pack(
        "{s:s, s:s, s:I, s:o, s:o, s:o}", "route", route->name, "model", route->model, "champion",
        (json_int_t)route->version, "arms",
        tm__route_json_arms(is_split ? route->arms : &alone, is_split ? route->n_arms : 1),
        "shadow", shadow_json(&route->shadow), "rollout",
        has ? tm__rollout_json(&rollout) : json_null());
    tm__rollout_done(&rollout);
    const tm_status st = tm__json_check(err);
    if (st == TM_OK) {
        *out = made;
    } else {
        json_decref(made);
    }
    return st;
}

void tm__route_json_count(json_t *route, const json_t *arms) {
    json_t *const shadow = json_object_get(route, "shadow");
    if (json_is_object(shadow)) {
        json_t *counted = tm__serving_shadow(arms, (uint32_t)tm__json_i64(shadow, "version", 0));
        json_object_update(shadow, counted);
        json_decref(counted);
    }
}
