/* SPDX-License-Identifier: Apache-2.0 */
/* The audit chain: its entries, and whether it is whole. On the desk's thread; the
 * check, which reads all of it and is never remembered, on the study's. */
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "registry/chain.h"
#include "registry/restored.h"
#include "registry/trust.h"
#include "serve/handle.h"

#define TEXT_MAX 65u /* with NUL: the name of an event, an actor, an object */

/* False with the exchange answered. */
static bool read_after(tm_exchange *x, int64_t *out) {
    uint64_t after = 0;
    const tm_str text = tm__http_query(x->http->query, "after");
    if (text.ptr != NULL && (!tm__str_to_u64(text, &after) || after > INT64_MAX)) {
        tm__problem_reply(x, 400, "bad-request", "after is not a number of an entry", NULL);
        return false;
    }
    *out = (int64_t)after;
    return true;
}

static const char *text_or_null(const char *text) {
    return text[0] == '\0' ? NULL : text;
}

void tm__handle_audit(tm_exchange *x) {
    char event[TEXT_MAX], actor[TEXT_MAX], object[TEXT_MAX], model[TEXT_MAX];
    tm_audit_filter filter = {0};
    tm_err err = {0};
    json_t *list = NULL;
    int64_t next = 0;
    if (!read_after(x, &filter.after) || !tm__handle_text(x, "event", event, TEXT_MAX) ||
        !tm__handle_text(x, "actor", actor, TEXT_MAX) ||
        !tm__handle_text(x, "object", object, TEXT_MAX) ||
        !tm__handle_text(x, "model", model, TEXT_MAX) ||
        !tm__handle_number(x, "newest", &filter.newest) ||
        !tm__handle_moment(x, "since", &filter.since_us)) {
        return;
    }
    filter.event = text_or_null(event);
    filter.actor = text_or_null(actor);
    filter.object = text_or_null(object);
    filter.model = text_or_null(model);
    if (tm__audit_list(x->desk->registry, &filter, &list, &next, &err) != TM_OK) {
        tm__problem_from_err(x, &err);
    } else {
        json_t *number = next == 0 ? json_null() : json_integer(next);
        tm__reply_json(x, json_pack("{s:o, s:o}", "entries", list, "next", number));
    }
}

/* ---- Is it whole? ---- */

static json_t *told(const tm_audit_report *r, bool has_anchor) {
    char key[TM_PUBLIC_KEY_TEXT], at[48];
    tm__public_key_to_text(&r->key, key);
    (void)tm__time_to_text(r->signed_us, at);
    json_t *const anchor =
        has_anchor ? json_pack("{s:I, s:I, s:I}", "checkpoints", (json_int_t)r->n_anchors, "up_to",
                               (json_int_t)r->n_anchored, "damaged_lines", (json_int_t)r->n_damaged)
                   : json_null();
    return json_pack("{s:b, s:I, s:s?, s:s?, s:b, s:o, s:n}", "ok", true, "entries",
                     (json_int_t)r->n, "key", r->is_signed ? key : NULL, "signed",
                     r->is_signed ? at : NULL, "key_known", r->is_key_known, "anchor", anchor,
                     "problem");
}

/* Held against the home's own key and its own anchor, as `audit verify` does. */
static tm_status verify(const tm_home *home, json_t **out, tm_err *err) {
    tm_public_key own;
    tm_audit_report report;
    bool has_key = false;
    const tm_ctx ctx = {0};
    TM_TRY(tm__trust_own_find(tm__home_path(home), &own, &has_key, err));
    char *const anchor = tm__fs_join(tm__home_path(home), TM_AUDIT_ANCHOR);
    if (anchor == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    const bool has_anchor = tm__fs_info(anchor).kind == TM_PATH_FILE;
    const tm_audit_check check = {.meta_db = tm__home_meta_db(home),
                                  .keys = &own,
                                  .n_keys = has_key ? 1 : 0,
                                  .anchor = has_anchor ? anchor : NULL};
    json_t *restored = NULL;
    tm_status st = tm__audit_verify(&ctx, &check, &report, err);
    tm__mem_free(anchor);
    st = st == TM_OK ? tm__restored_waiting(home, &restored, err) : st;
    if (st == TM_OK) {
        *out = told(&report, has_anchor);
        json_object_set_new(*out, "restored", restored == NULL ? json_null() : restored);
    }
    return st;
}

void tm__handle_audit_verify(tm_exchange *x) {
    tm_err err = {0};
    json_t *answer = NULL;
    const tm_status st = verify(x->desk->home, &answer, &err);
    if (st == TM_E_INTEGRITY) { /* an answer, and what was asked for */
        tm_log_event(x->log, TM_ERROR, "audit.broken", TM_FT("what", err.message));
        tm__reply_json(x, json_pack("{s:b, s:s}", "ok", false, "problem", err.message));
    } else if (st != TM_OK) {
        tm__problem_from_err(x, &err);
    } else {
        tm__reply_json(x, answer);
    }
}
