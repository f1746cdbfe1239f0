/* SPDX-License-Identifier: Apache-2.0 */
/* Routes, and the versions between which their requests are split. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "base/rng.h"
#include "registry/registry_priv.h"

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

static void read_hash(tm_stmt *stmt, int column, tm_hash *out) {
    const tm_str hash = tm__stmt_blob(stmt, column);
    TM_ASSERT(hash.len == TM_HASH_BYTES);
    memcpy(out->bytes, hash.ptr, TM_HASH_BYTES);
}

/* ---- read ---- */

#define ROUTE_SQL                                                                                  \
    "SELECT r.name, m.name, v.number, v.bundle_hash, r.salt, s.number, s.bundle_hash,"             \
    " r.shadow_share FROM routes r"                                                                \
    " JOIN models m ON m.id = r.model_id"                                                          \
    " JOIN aliases a ON a.model_id = m.id AND a.name = 'champion'"                                 \
    " JOIN versions v ON v.model_id = m.id AND v.number = a.number"                                \
    " LEFT JOIN versions s ON s.model_id = m.id AND s.number = r.shadow"

static void read_route(tm_stmt *stmt, tm_route *out) {
    *out = (tm_route){.version = (uint32_t)tm__stmt_i64(stmt, 2),
                      .salt = (uint64_t)tm__stmt_i64(stmt, 4)};
    (void)tm__str_copy(out->name, sizeof(out->name), tm__str(tm__stmt_text(stmt, 0)));
    (void)tm__str_copy(out->model, sizeof(out->model), tm__str(tm__stmt_text(stmt, 1)));
    read_hash(stmt, 3, &out->bundle_hash);
    if (tm__stmt_i64(stmt, 5) != 0) { /* null: there is none */
        out->shadow = (tm_arm){.version = (uint32_t)tm__stmt_i64(stmt, 5),
                               .weight = (uint32_t)tm__stmt_i64(stmt, 7)};
        read_hash(stmt, 6, &out->shadow.bundle_hash);
    }
}

/* Read the arms and the salt of a route whose name is filled. */
static tm_status load_split(tm_registry *registry, tm_route *route, tm_err *err) {
    tm_stmt *stmt = NULL;
    tm_status st = TM_OK;
    route->n_arms = 0;
    TM_TRY(tm__stmt_init(registry->db,
                         "SELECT a.number, a.weight, v.bundle_hash FROM arms a"
                         " JOIN versions v ON v.model_id = a.model_id AND v.number = a.number"
                         " WHERE a.route = ? ORDER BY a.number",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, route->name);
    while (route->n_arms < TM_ARMS_MAX && tm__stmt_next(stmt, &st, err)) {
        tm_arm *arm = &route->arms[route->n_arms++];
        arm->version = (uint32_t)tm__stmt_i64(stmt, 0);
        arm->weight = (uint32_t)tm__stmt_i64(stmt, 1);
        read_hash(stmt, 2, &arm->bundle_hash);
    }
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__registry_routes(tm_registry *registry, bool (*fn)(void *arg, const tm_route *route),
                              void *arg, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db, ROUTE_SQL " ORDER BY r.name", &stmt, err));
    tm_status st = TM_OK;
    for (bool goes_on = true; goes_on && tm__stmt_next(stmt, &st, err);) {
        tm_route route;
        read_route(stmt, &route);
        st = load_split(registry, &route, err);
        goes_on = st == TM_OK && fn(arg, &route);
    }
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__registry_route(tm_registry *registry, const char *model, tm_route *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    int64_t model_id = 0;
    bool has_row = false;
    TM_TRY(tm__registry_model_id(registry, model, &model_id, err));
    TM_TRY(tm__stmt_init(registry->db, ROUTE_SQL " WHERE r.model_id = ?", &stmt, err));
    tm__stmt_bind_i64(stmt, 1, model_id);
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && !has_row) {
        st = TM_FAIL(err, TM_E_NOT_FOUND, "'%s' has no route", model);
    } else if (st == TM_OK) {
        read_route(stmt, out);
    }
    tm__stmt_done(stmt);
    return st == TM_OK ? load_split(registry, out, err) : st;
}

/* ---- write ---- */

bool tm__split_weight(double percent, uint32_t *out) {
    const double parts = percent * (TM_ARM_PARTS / 100.0);
    const double whole = floor(parts + 0.5);
    if (!(whole > 0 && whole <= TM_ARM_PARTS && fabs(parts - whole) < 1e-4)) {
        return false;
    }
    *out = (uint32_t)whole;
    return true;
}

/* {"1": 90, "2": 10}, in percent; NULL when out of memory. */
static json_t *weights_to_json(const tm_arm *arms, uint32_t n) {
    json_t *weights = json_object();
    int rc = weights == NULL;
    for (uint32_t i = 0; i < n; i++) {
        char number[16];
        (void)snprintf(number, sizeof number, "%u", arms[i].version);
        rc |= json_object_set_new(weights, number, tm__json_number(arms[i].weight / 100.0));
    }
    json_t *out = rc == 0 ? json_pack("{s:O}", "weights", weights) : NULL;
    json_decref(weights);
    return out;
}

static tm_status delete_arms(tm_registry *registry, const char *route, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__db_changes_answers(registry->db, err));
    TM_TRY(tm__stmt_init(registry->db, "DELETE FROM arms WHERE route = ?", &stmt, err));
    tm__stmt_bind_text(stmt, 1, route);
    return tm__stmt_run_done(stmt, err);
}

static tm_status note(tm_registry *registry, const tm_event *event, const tm_route *route,
                      const tm_split_order *order, const char *overridden, tm_err *err) {
    json_t *details = weights_to_json(order == NULL ? route->arms : order->arms,
                                      order == NULL ? route->n_arms : order->n);
    tm_event full = *event;
    tm_status st = details == NULL ? no_memory(err) : TM_OK;
    if (st == TM_OK && overridden[0] != '\0' &&
        json_object_set_new(details, "overridden", json_string(overridden)) != 0) {
        st = no_memory(err);
    }
    full.details = details;
    st = st == TM_OK ? tm__history_append_locked(registry, &full, err) : st;
    json_decref(details);
    return st;
}

tm_status tm__split_end_locked(tm_registry *registry, const char *model, const tm_actor *actor,
                               uint32_t *out_from, tm_err *err) {
    tm_route route;
    uint32_t weight = 0;
    *out_from = 0;
    TM_TRY(tm__registry_route(registry, model, &route, err));
    for (uint32_t i = 0; i < route.n_arms; i++) {
        if (route.arms[i].version != route.version && route.arms[i].weight > weight) {
            weight = route.arms[i].weight;
            *out_from = route.arms[i].version;
        }
    }
    TM_TRY(tm__rollout_end_locked(registry, model, actor, err));
    if (route.n_arms == 0) {
        return TM_OK;
    }
    const tm_event event = {
        .model = model, .event = "split.ended", .version = route.version, .actor = actor};
    TM_TRY(delete_arms(registry, route.name, err));
    return note(registry, &event, &route, NULL, "", err);
}

static tm_status insert_arm(tm_registry *registry, const tm_route *route, int64_t model_id,
                            const tm_arm *arm, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__db_changes_answers(registry->db, err));
    TM_TRY(tm__stmt_init(registry->db,
                         "INSERT INTO arms(route, model_id, number, weight) VALUES(?, ?, ?, ?)",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, route->name);
    tm__stmt_bind_i64(stmt, 2, model_id);
    tm__stmt_bind_i64(stmt, 3, arm->version);
    tm__stmt_bind_i64(stmt, 4, arm->weight);
    return tm__stmt_run_done(stmt, err);
}

/* Made once: who came to an arm stays there from one split to the next. */
static tm_status make_salt(tm_registry *registry, const tm_route *route, tm_err *err) {
    tm_stmt *stmt = NULL;
    int64_t salt = 0;
    if (route->salt != 0) {
        return TM_OK;
    }
    while (salt == 0) {
        tm__random_bytes(&salt, sizeof salt);
    }
    TM_TRY(tm__stmt_init(registry->db, "UPDATE routes SET salt = ? WHERE name = ?", &stmt, err));
    tm__stmt_bind_i64(stmt, 1, salt);
    tm__stmt_bind_text(stmt, 2, route->name);
    return tm__stmt_run_done(stmt, err);
}

/* Whether a version may answer; of one that is forced why not is left in out_why. */
static tm_status check_arm(tm_registry *registry, const tm_route *route, uint32_t number,
                           bool is_forced, tm_buf *out_why, tm_err *err) {
    int64_t model_id = 0;
    tm_version version = {0};
    TM_TRY(tm__registry_model_id(registry, route->model, &model_id, err));
    TM_TRY(tm__registry_load(registry, model_id, number, &version, err));
    tm__version_done(&version);
    if (number == route->version) {
        return TM_OK;
    }
    TM_TRY(tm__registry_refusal(registry, model_id, route->version, number, out_why, err));
    if (out_why->len > 0 && !is_forced) {
        const tm_status st = TM_FAIL(err, TM_E_REFUSED, "the gate refuses version %u of '%s': %s",
                                     number, route->model, (const char *)out_why->data);
        tm_err_hint(err, "--force overrides the gate; history records that.");
        return st;
    }
    return TM_OK;
}

tm_status tm__split_may_answer(tm_registry *registry, const tm_route *route, uint32_t number,
                               bool is_forced, tm_err *err) {
    tm_buf why;
    tm__buf_init(&why, 4096);
    const tm_status st = check_arm(registry, route, number, is_forced, &why, err);
    tm__buf_done(&why);
    return st;
}

/* Whether each arm may answer; out_overridden: why the first of those that are forced may not. */
static tm_status check_arms(tm_registry *registry, const tm_route *route,
                            const tm_split_order *order, tm_buf *out_overridden, tm_err *err) {
    for (uint32_t i = 0; i < order->n; i++) {
        const uint32_t number = order->arms[i].version;
        tm_buf why;
        tm__buf_init(&why, 4096);
        tm_status st = check_arm(registry, route, number, order->force, &why, err);
        if (st == TM_OK && why.len > 0 && out_overridden->len == 0 &&
            !tm__buf_printf(out_overridden, "version %u: %s", number, (const char *)why.data)) {
            st = no_memory(err);
        }
        tm__buf_done(&why);
        TM_TRY(st);
    }
    return TM_OK;
}

/* All requests to the champion: no split. */
static bool is_end(const tm_route *route, const tm_split_order *order) {
    return order->n == 1 && order->arms[0].version == route->version;
}

static bool is_as_ordered(const tm_route *route, const tm_split_order *order) {
    if (is_end(route, order)) {
        return route->n_arms == 0;
    }
    uint32_t n_same = 0;
    for (uint32_t i = 0; i < order->n; i++) {
        for (uint32_t k = 0; k < route->n_arms; k++) {
            n_same += route->arms[k].version == order->arms[i].version &&
                      route->arms[k].weight == order->arms[i].weight;
        }
    }
    return n_same == order->n && n_same == route->n_arms;
}

typedef struct splitting {
    const char *model;
    const tm_split_order *order;
    const tm_actor *actor;
} splitting;

static tm_status begin_locked(tm_registry *registry, const splitting *in, const tm_route *route,
                              int64_t model_id, const char *overridden, tm_err *err) {
    const tm_event event = {
        .model = in->model, .event = "split", .version = route->version, .actor = in->actor};
    TM_TRY(delete_arms(registry, route->name, err));
    TM_TRY(make_salt(registry, route, err));
    for (uint32_t i = 0; i < in->order->n; i++) {
        TM_TRY(insert_arm(registry, route, model_id, &in->order->arms[i], err));
    }
    return note(registry, &event, route, in->order, overridden, err);
}

tm_status tm__split_locked(tm_registry *registry, const char *model, const tm_split_order *order,
                           const tm_actor *actor, tm_err *err) {
    const splitting all = {.model = model, .order = order, .actor = actor};
    const splitting *in = &all;
    tm_route route;
    int64_t model_id = 0;
    uint32_t from = 0;
    tm_buf overridden;
    TM_TRY(tm__registry_model_id(registry, in->model, &model_id, err));
    TM_TRY(tm__registry_route(registry, in->model, &route, err));
    if (is_as_ordered(&route, order)) {
        return TM_FAIL(err, TM_E_CONFLICT, "the requests of '%s' are split like that already",
                       in->model);
    }
    tm__buf_init(&overridden, 4096);
    tm_status st = check_arms(registry, &route, order, &overridden, err);
    if (st == TM_OK && is_end(&route, order)) {
        st = tm__split_end_locked(registry, in->model, in->actor, &from, err);
    } else if (st == TM_OK) {
        st = begin_locked(registry, in, &route, model_id,
                          overridden.len > 0 ? (const char *)overridden.data : "", err);
    }
    tm__buf_done(&overridden);
    return st;
}

/* By hand: it ends a rollout. */
static tm_status split_locked(tm_registry *registry, void *arg, tm_err *err) {
    const splitting *in = arg;
    TM_TRY(tm__split_locked(registry, in->model, in->order, in->actor, err));
    return tm__rollout_end_locked(registry, in->model, in->actor, err);
}

/* The order by itself, whatever there is. */
static tm_status check_order(const tm_split_order *order, tm_err *err) {
    uint64_t sum = 0;
    bool is_good = order->n > 0 && order->n <= TM_ARMS_MAX;
    for (uint32_t i = 0; is_good && i < order->n; i++) {
        const tm_arm *arm = &order->arms[i];
        is_good = arm->weight > 0;
        sum += arm->weight;
        for (uint32_t k = 0; k < i; k++) {
            if (order->arms[k].version == arm->version) {
                return TM_FAIL(err, TM_E_USAGE, "version %u stands twice in the split",
                               arm->version);
            }
        }
    }
    if (!is_good) {
        return TM_FAIL(err, TM_E_USAGE, "a split has 1 to %u versions, each with a weight over 0",
                       TM_ARMS_MAX);
    }
    if (sum != TM_ARM_PARTS) {
        const tm_status st =
            TM_FAIL(err, TM_E_USAGE, "the weights sum to %.6g and not to 100", (double)sum / 100);
        tm_err_hint(err, "Give percent: 1=90 2=10.");
        return st;
    }
    return TM_OK;
}

tm_status tm__registry_split(tm_registry *registry, const char *model, const tm_split_order *order,
                             const tm_actor *actor, tm_err *err) {
    TM_TRY(check_order(order, err));
    for (uint32_t i = 0; i < order->n; i++) {
        TM_TRY(tm__registry_file_check(registry, model, order->arms[i].version, err));
    }
    splitting in = {.model = model, .order = order, .actor = actor};
    return tm__registry_transact(registry, split_locked, &in, err);
}
