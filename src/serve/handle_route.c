/* SPDX-License-Identifier: Apache-2.0 */
/* How the requests of a route are split: POST /v1/routes/{route}:split. On the desk's thread. */
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
