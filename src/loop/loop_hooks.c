/* SPDX-License-Identifier: Apache-2.0 */
/* Records of the history, sent to the receivers of their model one after the other. */
#include <string.h>

#include "base/clock.h"
#include "loop/alerts.h"
#include "loop/webhook.h"
#include "registry/hooks.h"

#define AT_ONCE 100u /* records a receiver and call: others wait no longer than for these */
#define BODY_BYTES_MAX (512u << 10)

typedef struct sending {
    tm_registry *registry;
    const char *only; /* who is told, by name or mark; NULL: all */
    int64_t n_sent, n_failed;
} sending;

static tm_status send_record(const json_t *receiver, const json_t *event, tm_err *err) {
    tm_buf text;
    tm__buf_init(&text, BODY_BYTES_MAX);
    tm_status st = tm__json_write(&text, event, TM_JSON_SORTED)
                       ? TM_OK
                       : TM_FAIL(err, TM_E_LIMIT, "the record is too large for a message");
    if (st == TM_OK) {
        st = tm__webhook_send(receiver, (tm_str){(const char *)text.data, text.len}, err);
    }
    tm__buf_done(&text);
    return st;
}

/* One record, if it is owed one: *out_more says whether to ask again. */
static tm_status send_next(sending *s, const char *model, const json_t *receiver, bool *out_more,
                           tm_err *err) {
    const char *const name = tm__json_text(receiver, "name", "");
    json_t *event = NULL;
    tm_err problem = {0};
    *out_more = false;
    TM_TRY(tm__hook_next(s->registry, model, name, tm__now_us(), &event, err));
    if (json_is_null(event)) {
        return TM_OK;
    }
    const tm_status sent = send_record(receiver, event, &problem);
    s->n_sent += sent == TM_OK ? 1 : 0;
    s->n_failed += sent == TM_OK ? 0 : 1;
    *out_more = sent == TM_OK;
    const tm_status st = tm__hook_done(s->registry, model, name, tm__json_i64(event, "seq", 0),
                                       sent == TM_OK ? NULL : problem.message, tm__now_us(), err);
    json_decref(event);
    return st;
}

static bool is_told(const sending *s, const char *model, const char *name) {
    char mark[TM_RECEIVER_MARK];
    tm__receiver_mark(model, name, mark);
    return s->only == NULL || strcmp(s->only, TM_RECEIVERS_OF_MOVES) == 0 ||
           strcmp(s->only, name) == 0 || strcmp(s->only, mark) == 0;
}

static tm_status send_model(tm_registry *registry, const char *model, void *arg, tm_err *err) {
    sending *const s = arg;
    json_t *recipe = NULL;
    const json_t *receiver = NULL;
    size_t i = 0;
    TM_TRY(tm__registry_recipe(registry, model, &recipe, err));
    tm_status st = TM_OK;
    json_array_foreach(json_object_get(recipe, "webhooks"), i, receiver) {
        bool more = is_told(s, model, tm__json_text(receiver, "name", ""));
        for (uint32_t n = 0; st == TM_OK && more && n < AT_ONCE; n++) {
            st = send_next(s, model, receiver, &more, err);
        }
    }
    json_decref(recipe);
    return st;
}

tm_status tm__hooks_deliver(const tm_home *home, const char *only, json_t **out, tm_err *err) {
    sending s = {.only = only};
    TM_TRY(tm__registry_open(home, &s.registry, err));
    tm_status st = tm__registry_each_model(s.registry, send_model, &s, err);
    tm__registry_close(s.registry);
    if (st == TM_OK) {
        *out =
            json_pack("{s:I, s:I}", "sent", (json_int_t)s.n_sent, "failed", (json_int_t)s.n_failed);
        st = tm__json_check(err);
    }
    return st;
}
