/* SPDX-License-Identifier: Apache-2.0 */
/* Whose versions this home takes: GET and POST /v1/trust. On the desk's thread. */
#include <string.h>

#include "registry/trust.h"
#include "serve/handle.h"

void tm__handle_trust(tm_exchange *x) {
    tm_err err = {0};
    json_t *list = NULL;
    if (tm__trust_list(x->desk->registry, &list, &err) != TM_OK) {
        tm__problem_from_err(x, &err);
        return;
    }
    tm__reply_json(x, json_pack("{s:o}", "signers", list));
}

typedef struct change {
    const char *key, *name;
    bool is_removal;
    tm_public_key signer;
} change;

/* What is wrong with the body, or NULL. */
static const char *read_change(const json_t *body, change *out) {
    const char *const action = tm__json_text(body, "action", "");
    const json_t *const name = json_object_get(body, "name");
    out->is_removal = strcmp(action, "remove") == 0;
    out->key = tm__json_text(body, "key", "");
    out->name = tm__json_text(body, "name", "unnamed");
    if (!out->is_removal && strcmp(action, "add") != 0) {
        return "an action is wanted: add or remove";
    }
    if (name != NULL && (out->is_removal || !json_is_string(name))) {
        return "a name is a text, and only who is added has one";
    }
    return tm__public_key_from_text(out->key, &out->signer) ? NULL : "that is no public key";
}

void tm__handle_trust_change(tm_exchange *x) {
    static const char *const names[] = {"action", "key", "name", "reason", NULL};
    json_t *body = tm__handle_object(x, names, false);
    change wanted = {0};
    tm_err err = {0};
    bool ok = false;
    if (body == NULL) {
        return;
    }
    const tm_actor actor = {.name = x->access.actor, .reason = tm__handle_reason(body, &ok)};
    const char *problem =
        ok ? read_change(body, &wanted) : "the reason must be a text of at most 500 bytes";
    if (problem != NULL) {
        tm__problem_reply(
            x, 400, "bad-request", problem,
            "Send {\"action\": \"add\", \"key\": \"ed25519:...\", \"name\": \"...\"}: "
            "the key is what 'tidemill trust key' prints where the files come from.");
    } else if ((wanted.is_removal
                    ? tm__trust_remove(x->desk->registry, &wanted.signer, &actor, &err)
                    : tm__trust_add(x->desk->registry, &wanted.signer, wanted.name, &actor,
                                    &err)) != TM_OK) {
        tm__problem_from_err(x, &err);
    } else {
        tm_log_event(x->log, TM_INFO, "trust.changed", TM_FT("key", wanted.key),
                     TM_FT("action", wanted.is_removal ? "remove" : "add"),
                     TM_FT("by", x->access.actor));
        /* It is done: the reply has its room already and is written without a value in between. */
        tm__buf_reset(&x->reply);
        x->status = 200;
        x->content_type = "application/json";
        tm__buf_printf(&x->reply, "{\"key\":\"%s\",\"trusted\":%s}", wanted.key,
                       wanted.is_removal ? "false" : "true");
    }
    json_decref(body);
}
