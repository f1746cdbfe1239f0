/* SPDX-License-Identifier: Apache-2.0 */
/* How the requests of a route are split, and what sees them besides: GET /v1/routes/{route}, POST
 * /v1/routes/{route}:split, :shadow and :rollout. On the desk's thread. */
#include <string.h>

#include "registry/rollout.h"
#include "registry/route_json.h"
#include "serve/handle.h"

/* {"1": 90, "2": 10}; false when it is no split. */
static bool read_weights(const json_t *weights, tm_split_order *out) {
    const char *key = NULL;
    json_t *value = NULL;
    bool ok = json_is_object(weights);
    json_object_foreach((json_t *)(uintptr_t)weights, key, value) {
        uint64_t version = 0;
        uint32_t weight = 0;
        ok = ok && out->n < TM_ARMS_MAX && json_is_number(value) &&
             tm__str_to_u64(tm__str(key), &version) && version > 0 && version <= UINT32_MAX &&
             tm__split_weight(json_number_value(value), &weight);
        if (ok) {
            out->arms[out->n++] = (tm_arm){.version = (uint32_t)version, .weight = weight};
        }
    }
    return ok;
}

/* Each version is made ready before the registry is told, so that one that cannot be served is
 * refused and not fallen back from. */
static tm_status prepare(tm_exchange *x, const char *model, const tm_split_order *order,
                         tm_err *err) {
    for (uint32_t i = 0; i < order->n; i++) {
        TM_TRY(x->desk->prepare(x->desk->refresh_arg, model, order->arms[i].version, err));
    }
    return TM_OK;
}

static void reply(tm_exchange *x, const char *route, const tm_split_order *order) {
    tm_buf *out = &x->reply;
    x->desk->refresh(x->desk->refresh_arg);
    tm_log_event(x->log, TM_INFO, "route.split", TM_FT("route", route), TM_FI("arms", order->n),
                 TM_FT("by", x->access.actor));
    tm__buf_reset(out);
    x->status = 200;
    x->content_type = "application/json";
    tm__buf_text(out, "{\"route\":");
    tm__json_write_text(out, tm__str(route));
    tm__buf_text(out, ",\"weights\":");
    for (uint32_t i = 0; i < order->n; i++) {
        tm__buf_printf(out, "%c\"%u\":%g", i == 0 ? '{' : ',', order->arms[i].version,
                       order->arms[i].weight / 100.0);
    }
    tm__buf_text(out, "}}");
}

void tm__handle_split(tm_exchange *x) {
    static const char *const names[] = {"weights", "force", "reason", NULL};
    const char *route = x->match.params[0]; /* a route has its model's name */
    tm_split_order order = {0};
    tm_err err = {0};
    bool ok = false;
    json_t *body = tm__handle_object(x, names, false);
    if (body == NULL) {
        return;
    }
    const tm_actor actor = {.name = x->access.actor, .reason = tm__handle_reason(body, &ok)};
    const json_t *force = json_object_get(body, "force");
    order.force = json_is_true(force);
    if (!ok || (force != NULL && !json_is_boolean(force)) ||
        !read_weights(json_object_get(body, "weights"), &order)) {
        tm__problem_reply(x, 400, "bad-request",
                          "split wants weights in percent by version, at most a hundredth exact, "
                          "force as true or false and a reason of at most 500 bytes",
                          "Send {\"weights\": {\"1\": 90, \"2\": 10}, \"reason\": \"...\"}.");
    } else if (prepare(x, route, &order, &err) != TM_OK ||
               tm__registry_split(x->desk->registry, route, &order, &actor, &err) != TM_OK) {
        tm__handle_refuse(x, &err);
    } else {
        reply(x, route, &order);
    }
    json_decref(body);
}

/* ---- shadow ---- */

/* A version, or null (version 0); false when it is neither, or the share is none. */
static bool read_shadow(const json_t *body, tm_arm *out) {
    const json_t *version = json_object_get(body, "version");
    const json_t *share = json_object_get(body, "share");
    *out = (tm_arm){0};
    if (json_is_null(version)) {
        return share == NULL;
    }
    const json_int_t number = json_integer_value(version);
    out->version = number > 0 && number <= UINT32_MAX ? (uint32_t)number : 0;
    return out->version > 0 && (share == NULL || json_is_number(share)) &&
           tm__split_weight(share == NULL ? 100 : json_number_value(share), &out->weight);
}

static void reply_shadow(tm_exchange *x, const char *route, const tm_arm *shadow) {
    tm_buf *out = &x->reply;
    x->desk->refresh(x->desk->refresh_arg);
    tm_log_event(x->log, TM_INFO, "route.shadow", TM_FT("route", route),
                 TM_FI("version", shadow->version), TM_FT("by", x->access.actor));
    tm__buf_reset(out);
    x->status = 200;
    x->content_type = "application/json";
    tm__buf_text(out, "{\"route\":");
    tm__json_write_text(out, tm__str(route));
    if (shadow->version == 0) {
        tm__buf_text(out, ",\"shadow\":null}");
    } else {
        tm__buf_printf(out, ",\"shadow\":{\"version\":%u,\"share\":%g}}", shadow->version,
                       shadow->weight / 100.0);
    }
}

void tm__handle_shadow(tm_exchange *x) {
    static const char *const names[] = {"version", "share", "reason", NULL};
    const char *route = x->match.params[0];
    tm_arm shadow;
    tm_err err = {0};
    bool ok = false;
    json_t *body = tm__handle_object(x, names, false);
    if (body == NULL) {
        return;
    }
    const tm_actor actor = {.name = x->access.actor, .reason = tm__handle_reason(body, &ok)};
    if (!ok || !read_shadow(body, &shadow)) {
        tm__problem_reply(x, 400, "bad-request",
                          "shadow wants a version or null, a share in percent, at most a hundredth "
                          "exact, and a reason of at most 500 bytes",
                          "Send {\"version\": 2, \"share\": 10}.");
    } else if ((shadow.version != 0 &&
                x->desk->prepare(x->desk->refresh_arg, route, shadow.version, &err) != TM_OK) ||
               tm__registry_shadow(x->desk->registry, route, &shadow, &actor, &err) != TM_OK) {
        tm__handle_refuse(x, &err);
    } else {
        reply_shadow(x, route, &shadow);
    }
    json_decref(body);
}

/* ---- who answers ---- */

/* Who answers a model's route, as tm__registry_route_json() gives it, with what this server
 * counted of its shadow. New reference; NULL with err. Desk's thread. */
static json_t *moves_of(tm_exchange *x, const char *model, tm_err *err) {
    tm_route route;
    json_t *out = NULL;
    if (tm__registry_route(x->desk->registry, model, &route, err) != TM_OK ||
        tm__registry_route_json(x->desk->registry, &route, &out, err) != TM_OK) {
        return NULL;
    }
    json_t *arms = tm__prom_arms(x->desk->proms, x->desk->n_proms, route.name);
    tm__route_json_count(out, arms);
    json_decref(arms);
    return out;
}

void tm__handle_route(tm_exchange *x) {
    tm_err err = {0};
    json_t *out = moves_of(x, x->match.params[0], &err);
    if (out == NULL) {
        tm__problem_from_err(x, &err);
    } else {
        tm__reply_json(x, out);
    }
}

/* ---- rollout ---- */

/* As the model declares, but for what the body says; then it begins. */
static tm_status start_rollout(tm_exchange *x, const json_t *body, const tm_actor *actor,
                               tm_err *err) {
    const char *model = x->match.params[0];
    const json_t *said = json_object_get(body, "terms");
    const uint32_t version = (uint32_t)tm__json_i64(body, "version", 0);
    tm_rollout_terms terms;
    bool has = false;
    TM_TRY(tm__registry_rollout_declared(x->desk->registry, model, &terms, &has, err));
    TM_TRY(said == NULL ? TM_OK : tm__rollout_terms_read(said, &terms, err));
    terms.force = json_is_true(json_object_get(body, "force"));
    TM_TRY(x->desk->prepare(x->desk->refresh_arg, model, version, err));
    const tm_rollout_order order = {.version = version, .terms = &terms};
    return tm__registry_rollout_start(x->desk->registry, model, &order, actor, err);
}

/* False when it is none. */
static bool read_move(const json_t *move, tm_rollout_move_kind *out) {
    static const struct {
        const char *name;
        tm_rollout_move_kind kind;
    } moves[] = {
        {"stop", TM_ROLLOUT_STOP}, {"pause", TM_ROLLOUT_PAUSE}, {"resume", TM_ROLLOUT_RESUME}};
    for (size_t i = 0; i < sizeof moves / sizeof moves[0]; i++) {
        if (json_is_string(move) && strcmp(json_string_value(move), moves[i].name) == 0) {
            *out = moves[i].kind;
            return true;
        }
    }
    return false;
}

/* Either a version with its terms, or a move of the rollout that is there. */
static bool is_order(const json_t *body, tm_rollout_move_kind *out) {
    static const json_int_t most = UINT32_MAX;
    const json_t *version = json_object_get(body, "version");
    const json_t *terms = json_object_get(body, "terms"), *force = json_object_get(body, "force");
    if (json_object_get(body, "move") != NULL) {
        return version == NULL && terms == NULL && force == NULL &&
               read_move(json_object_get(body, "move"), out);
    }
    return json_is_integer(version) && json_integer_value(version) > 0 &&
           json_integer_value(version) <= most && (terms == NULL || json_is_object(terms)) &&
           (force == NULL || json_is_boolean(force));
}

/* It is done, and durable: nothing is asked for any more, not even memory. */
static void reply_rollout(tm_exchange *x, const char *move) {
    tm_buf *out = &x->reply;
    x->desk->refresh(x->desk->refresh_arg);
    tm_log_event(x->log, TM_INFO, "route.rollout", TM_FT("route", x->match.params[0]),
                 TM_FT("move", move), TM_FT("by", x->access.actor));
    tm__buf_reset(out);
    x->status = 200;
    x->content_type = "application/json";
    tm__buf_text(out, "{\"route\":");
    tm__json_write_text(out, tm__str(x->match.params[0]));
    tm__buf_printf(out, ",\"move\":\"%s\"}", move);
}

void tm__handle_rollout(tm_exchange *x) {
    static const char *const names[] = {"version", "terms", "force", "move", "reason", NULL};
    tm_rollout_move one = {0};
    tm_err err = {0};
    bool ok = false;
    json_t *body = tm__handle_object(x, names, false);
    if (body == NULL) {
        return;
    }
    const tm_actor actor = {.name = x->access.actor, .reason = tm__handle_reason(body, &ok)};
    if (!ok || !is_order(body, &one.kind)) {
        tm__problem_reply(x, 400, "bad-request",
                          "rollout wants a version, with terms as an object and force as true or "
                          "false, or one of the moves stop, pause and resume; and a reason of at "
                          "most 500 bytes",
                          "Send {\"version\": 2, \"terms\": {\"steps\": [1, 10, 100]}}.");
    } else {
        const char *move = tm__json_text(body, "move", NULL);
        const tm_status st = move == NULL
                                 ? start_rollout(x, body, &actor, &err)
                                 : tm__registry_rollout_move(x->desk->registry, x->match.params[0],
                                                             &one, &actor, &err);
        if (st == TM_OK) {
            reply_rollout(x, move == NULL ? "start" : move);
        } else {
            tm__handle_refuse(x, &err);
        }
    }
    json_decref(body);
}
