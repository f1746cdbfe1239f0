/* SPDX-License-Identifier: Apache-2.0 */
/* What moved, on the study's thread; alerts, on the desk's. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "monitor/alert.h"
#include "monitor/drift.h"
#include "monitor/field_days.h"
#include "monitor/label_errors.h"
#include "serve/handle.h"
#include "serve/remembered.h"

bool tm__handle_may_see(const tm_exchange *x, const char *model) {
    const char *const models = tm__access_models(&x->current->keyring, &x->access);
    return models == NULL || (models[0] != '\0' && tm__key_models_have(models, tm__str(model)));
}

/* ---- drift ---- */

/* What there is to say of a version; members are set in *out as they are made. */
static tm_status describe(tm_exchange *x, const tm_served *served, int64_t budget_us, json_t *out,
                          tm_err *err) {
    json_t *columns = NULL, *errors = NULL, *fields = NULL;
    const tm_drift_ask ask = {
        .model = served->model, .version = served->version, .budget_us = budget_us};
    const tm_errors_ask labelled = {served->model, served->version, INT64_MIN};
    const tm_drift_window_key key = {served->model, served->version};
    TM_TRY(tm__drift_report(x->desk->home, served->bundle, &ask, &columns, err));
    json_object_set_new(out, "drift", columns);
    TM_TRY(tm__errors_report(x->desk->monitor, served->bundle, &labelled, ask.budget_us, &errors,
                             err));
    json_object_set_new(out, "errors", errors);
    TM_TRY(tm__field_days_report(x->desk->home, &key, &fields, err));
    tm__field_days_price(served->bundle, fields);
    json_object_set_new(out, "fields", fields);
    return TM_OK;
}

/* The same as it is remembered, or made now. New reference of what must not be changed. */
static tm_status recall(tm_exchange *x, const tm_served *served, json_t **out, tm_err *err) {
    char key[TM_MAX_NAME + 64];
    json_t *recipe = NULL;
    TM_TRY(tm__registry_recipe(x->desk->registry, served->model, &recipe, err));
    const int64_t budget_us = tm__json_i64(json_object_get(recipe, "monitor"), "false_alarm_us", 0);
    json_decref(recipe);
    (void)snprintf(key, sizeof(key), "drift %s %u %lld", served->model, served->version,
                   (long long)budget_us);
    const tm_remembered_now now = tm__remembered_now(x->desk->home);
    *out = tm__remembered_find(x->desk->remembered, key, &now);
    if (*out != NULL) {
        return TM_OK;
    }
    json_t *const made =
        json_pack("{s:s, s:I, s:b}", "model", served->model, "version", (json_int_t)served->version,
                  "has_reference", tm__bundle_reference(served->bundle) != NULL);
    tm_status st = tm__json_check(err);
    st = st == TM_OK ? describe(x, served, budget_us, made, err) : st;
    st = st == TM_OK ? tm__json_check(err) : st;
    if (st != TM_OK) {
        json_decref(made);
        return st;
    }
    tm__remembered_keep(x->desk->remembered, key, &now, made);
    *out = made;
    return TM_OK;
}

/* Of the columns those that are asked for, and how many there are. */
static void cut(tm_exchange *x, const tm_list_page *page, json_t *out) {
    const bool only_moved = tm__str_is(tm__http_query(x->http->query, "moved"), "true");
    json_t *const found = json_array();
    json_t *c = NULL;
    size_t i = 0, n_moved = 0;
    json_array_foreach(json_object_get(out, "drift"), i, c) {
        const bool moved = tm__json_bool(c, "moved", false);
        n_moved += moved ? 1 : 0;
        if ((moved || !only_moved) &&
            tm__handle_has(tm__json_text(c, "column", "answers"), page->find)) {
            json_array_append(found, c);
        }
    }
    json_object_set_new(out, "n_columns", json_integer((json_int_t)i));
    json_object_set_new(out, "n_moved", json_integer((json_int_t)n_moved));
    json_object_set_new(out, "n_found", json_integer((json_int_t)tm__handle_cut(page, found)));
    json_object_set_new(out, "drift", found);
}

static tm_status add_served(tm_exchange *x, const tm_served *served, const tm_list_page *page,
                            json_t *list, tm_err *err) {
    json_t *all = NULL;
    TM_TRY(recall(x, served, &all, err));
    json_t *const out = json_copy(all);
    json_decref(all);
    cut(x, page, out);
    json_array_append_new(list, out);
    return tm__json_check(err);
}

void tm__handle_drift(tm_exchange *x) {
    const tm_str model = tm__http_query(x->http->query, "model");
    tm_list_page page;
    if (!tm__handle_page_of(x, &page)) {
        return;
    }
    json_t *const list = json_array();
    tm_err err = {0};
    tm_status st = TM_OK;
    bool found = model.ptr == NULL;
    for (uint32_t i = 0; st == TM_OK && i < x->current->n; i++) {
        const tm_served *const served = x->current->routes[i];
        const bool is_asked = model.ptr == NULL || tm__str_is(model, served->model);
        if (is_asked && served->bundle != NULL && tm__handle_may_see(x, served->model)) {
            found = true;
            st = add_served(x, served, &page, list, &err);
        }
    }
    if (st == TM_OK && !found) {
        st = TM_FAIL(&err, TM_E_NOT_FOUND, "no model of this name is served");
    }
    if (st != TM_OK) {
        tm__problem_from_err(x, &err);
        json_decref(list);
        return;
    }
    tm__reply_json(x, json_pack("{s:o}", "models", list));
}

/* ---- alerts ---- */

void tm__handle_alerts(tm_exchange *x) {
    const tm_str wanted = tm__http_query(x->http->query, "model");
    const tm_alert_filter filter = {.all =
                                        tm__str_is(tm__http_query(x->http->query, "all"), "true")};
    tm_err err = {0};
    json_t *alerts = NULL;
    if (tm__alert_list(x->desk->home, &filter, &alerts, &err) != TM_OK) {
        tm__problem_from_err(x, &err);
        return;
    }
    json_t *const list = json_array();
    size_t i = 0;
    json_t *alert = NULL;
    json_array_foreach(alerts, i, alert) {
        const char *const model = tm__json_text(alert, "model", "");
        if ((wanted.ptr == NULL || tm__str_is(wanted, model)) && tm__handle_may_see(x, model)) {
            json_array_append(list, alert);
        }
    }
    json_decref(alerts);
    tm__reply_json(x, json_pack("{s:o}", "alerts", list));
}

/* The body of a move; what is wrong with it, or NULL. */
static const char *read_move(const json_t *body, tm_alert_move *out) {
    static const struct {
        const char *word;
        tm_alert_state to;
    } actions[] = {{"ack", TM_ALERT_ACKNOWLEDGED},
                   {"silence", TM_ALERT_SILENCED},
                   {"resolve", TM_ALERT_RESOLVED}};
    const char *const word = tm__json_text(body, "action", "");
    const char *const time = tm__json_text(body, "for", NULL);
    int64_t for_us = 0;
    bool is_known = false;
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        if (strcmp(word, actions[i].word) == 0) {
            out->to = actions[i].to;
            is_known = true;
        }
    }
    out->id = tm__json_i64(body, "id", 0);
    if (!json_is_object(body) || !is_known || out->id <= 0) {
        return "an id and an action (ack, silence or resolve) are wanted";
    }
    const bool is_silence = out->to == TM_ALERT_SILENCED;
    if ((time != NULL) != is_silence ||
        (is_silence && (!tm__str_to_duration_us(tm__str(time), &for_us) || for_us <= 0))) {
        return "'silence', and nothing else, wants 'for': a time such as 2h";
    }
    out->now_us = tm__now_us();
    out->until_us = out->now_us + for_us;
    return NULL;
}

/* A key of some models moves their alerts only: what it may not see is not there. */
static tm_status move(tm_exchange *x, const tm_alert_move *wanted, tm_err *err) {
    const tm_alert_filter filter = {.all = true, .n_max = UINT32_MAX};
    const char *const models = tm__access_models(&x->current->keyring, &x->access);
    tm_drift_store *store = NULL;
    if (models != NULL) {
        json_t *alerts = NULL, *alert = NULL;
        size_t i = 0;
        bool found = false;
        TM_TRY(tm__alert_list(x->desk->home, &filter, &alerts, err));
        json_array_foreach(alerts, i, alert) {
            found = found || (tm__json_i64(alert, "id", 0) == wanted->id &&
                              tm__handle_may_see(x, tm__json_text(alert, "model", "")));
        }
        json_decref(alerts);
        if (!found) {
            return TM_FAIL(err, TM_E_NOT_FOUND, "there is no alert %lld", (long long)wanted->id);
        }
    }
    TM_TRY(tm__drift_store_open(x->desk->home, true, &store, err));
    const tm_status st = tm__alert_move(store, wanted, err);
    tm__drift_store_close(store);
    return st;
}

void tm__handle_alert_move(tm_exchange *x) {
    const tm_buf *const text = &x->http->body;
    tm_alert_move wanted = {.actor = x->access.actor};
    json_t *body = NULL;
    tm_err err = {0};
    if (tm__json_parse(text->data, text->len, TM_MAX_JSON_DEPTH, &body, &err) != TM_OK) {
        tm__problem_reply(x, tm_status_http(err.status), "bad-json", err.message, err.hint);
        return;
    }
    const char *const problem = read_move(body, &wanted);
    json_decref(body);
    if (problem != NULL) {
        tm__problem_reply(x, 400, "bad-request", problem,
                          "Send {\"id\": 1, \"action\": \"silence\", \"for\": \"2h\"}.");
        return;
    }
    if (move(x, &wanted, &err) != TM_OK) {
        tm__problem_from_err(x, &err);
        return;
    }
    tm_log_event(x->log, TM_INFO, "alert.moved", TM_FI("id", wanted.id),
                 TM_FT("state", tm__alert_state_text(wanted.to)), TM_FT("by", x->access.actor));
    tm__reply_json(x, json_pack("{s:I, s:s}", "id", (json_int_t)wanted.id, "state",
                                tm__alert_state_text(wanted.to)));
}
