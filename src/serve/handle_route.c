/* SPDX-License-Identifier: Apache-2.0 */
/* How the requests of a route are split, and what sees them besides: POST /v1/routes/{route}:split
 * and :shadow. On the desk's thread. */
#include <string.h>

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
