/* SPDX-License-Identifier: Apache-2.0 */
/* The shadow of a route: a version that sees live requests and answers none. */
#include "registry/registry_priv.h"

typedef struct shadowing {
    const char *model;
    const tm_arm *shadow;
    const tm_actor *actor;
} shadowing;

static tm_status save(tm_registry *registry, const tm_route *route, const tm_arm *shadow,
                      tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(
        registry->db, "UPDATE routes SET shadow = ?, shadow_share = ? WHERE name = ?", &stmt, err));
    tm__stmt_bind_i64(stmt, 1, shadow->version);
    tm__stmt_bind_i64(stmt, 2, shadow->weight);
    tm__stmt_bind_text(stmt, 3, route->name);
    return tm__stmt_run_done(stmt, err);
}

static tm_status check(tm_registry *registry, const shadowing *in, const tm_route *route,
                       tm_err *err) {
    const tm_arm *want = in->shadow;
    int64_t model_id = 0;
    tm_version version = {0};
    if (want->version == route->shadow.version && want->weight == route->shadow.weight) {
        return want->version == 0
                   ? TM_FAIL(err, TM_E_CONFLICT, "'%s' has no shadow", in->model)
                   : TM_FAIL(err, TM_E_CONFLICT, "version %u is the shadow of '%s' already",
                             want->version, in->model);
    }
    if (want->version == 0) {
        return TM_OK;
    }
    TM_TRY(tm__registry_model_id(registry, in->model, &model_id, err));
    TM_TRY(tm__registry_load(registry, model_id, want->version, &version, err));
    tm__version_done(&version);
    if (want->version == route->version) {
        const tm_status st =
            TM_FAIL(err, TM_E_CONFLICT, "version %u of '%s' is its champion, which answers",
                    want->version, in->model);
        tm_err_hint(err, "A shadow is another version that is to be compared with it.");
        return st;
    }
    return TM_OK;
}

tm_status tm__shadow_order_locked(tm_registry *registry, const tm_route *route, const tm_arm *want,
                                  const tm_actor *actor, tm_err *err) {
    const bool ends = want->version == 0;
    json_t *details = json_pack(
        "{s:o}", "share", tm__json_number((ends ? route->shadow.weight : want->weight) / 100.0));
    const tm_event event = {.model = route->model,
                            .event = ends ? "shadow.ended" : "shadow",
                            .version = ends ? route->shadow.version : want->version,
                            .from = route->version,
                            .actor = actor,
                            .details = details};
    tm_status st = details == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory") : TM_OK;
    st = st == TM_OK ? save(registry, route, want, err) : st;
    st = st == TM_OK ? tm__history_append_locked(registry, &event, err) : st;
    json_decref(details);
    return st;
}

/* By hand: it ends the shadow that a rollout began with. */
static tm_status shadow_locked(tm_registry *registry, void *arg, tm_err *err) {
    const shadowing *in = arg;
    tm_route route;
    TM_TRY(tm__registry_route(registry, in->model, &route, err));
    TM_TRY(check(registry, in, &route, err));
    TM_TRY(tm__rollout_unshadow_locked(registry, in->model, in->actor, err));
    TM_TRY(tm__registry_route(registry, in->model, &route, err));
    return in->shadow->version == 0 && route.shadow.version == 0
               ? TM_OK
               : tm__shadow_order_locked(registry, &route, in->shadow, in->actor, err);
}

tm_status tm__registry_shadow(tm_registry *registry, const char *model, const tm_arm *shadow,
                              const tm_actor *actor, tm_err *err) {
    if (shadow->version != 0) {
        TM_TRY(tm__registry_file_check(registry, model, shadow->version, err));
    }
    shadowing in = {.model = model, .shadow = shadow, .actor = actor};
    return tm__registry_transact(registry, shadow_locked, &in, err);
}

tm_status tm__shadow_end_locked(tm_registry *registry, int64_t model_id, uint32_t champion,
                                tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db,
                         "UPDATE routes SET shadow = 0, shadow_share = 0"
                         " WHERE model_id = ? AND shadow = ?",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, model_id);
    tm__stmt_bind_i64(stmt, 2, champion);
    return tm__stmt_run_done(stmt, err);
}
