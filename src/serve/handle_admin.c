/* SPDX-License-Identifier: Apache-2.0 */
/* Labels, models and their moves. All of it waits for a disk, so it runs on the desk's thread. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "serve/handle.h"
#include "serve/label_door.h"

#define REASON_BYTES_MAX 500u

json_t *tm__handle_object(tm_exchange *x, const char *const *names, bool can_be_empty) {
    tm_err err = {0};
    json_t *object = NULL;
    const tm_buf *body = &x->http->body;
    if (body->len == 0 && can_be_empty) {
        return json_object();
    }
    if (tm__json_parse(body->data, body->len, TM_MAX_JSON_DEPTH, &object, &err) != TM_OK) {
        tm__problem_reply(x, tm_status_http(err.status), "bad-json", err.message, err.hint);
        return NULL;
    }
    bool is_good = json_is_object(object);
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(object, key, value) {
        bool known = false;
        for (uint32_t i = 0; names[i] != NULL && !known; i++) {
            known = strcmp(names[i], key) == 0;
        }
        is_good = is_good && known;
    }
    if (!is_good) {
        json_decref(object);
        tm__problem_reply(x, 400, "bad-request",
                          "the body must be an object and has a member that is not known",
                          "/openapi.json says what this takes.");
        return NULL;
    }
    return object;
}

/* Text of a label's value or an entity, in the arena; NULL when it is not one value. */
static const char *value_text(tm_arena *arena, const json_t *value) {
    char number[32];
    if (json_is_string(value)) {
        return tm__arena_strndup(arena, json_string_value(value), json_string_length(value));
    }
    if (json_is_boolean(value)) {
        return json_is_true(value) ? "true" : "false";
    }
    if (json_is_integer(value)) {
        return tm__arena_printf(arena, "%lld", (long long)json_integer_value(value));
    }
    if (json_is_real(value)) {
        return tm__arena_strndup(arena, number, tm__f64_to_text(json_real_value(value), number));
    }
    return NULL;
}

/* 2.0 is the whole number 2. */
static bool read_whole(const json_t *value, int64_t *out) {
    const double number = json_number_value(value);
    if (json_is_integer(value)) {
        *out = json_integer_value(value);
        return true;
    }
    if (!json_is_real(value) || !(fabs(number) < 0x1p63) || floor(number) != number) {
        return false;
    }
    *out = (int64_t)number;
    return true;
}

static bool read_time(const json_t *value, int64_t *out_us) {
    if (json_is_number(value)) { /* the least integer stands for no time */
        return read_whole(value, out_us) && *out_us != TM_INT_MISSING;
    }
    return json_is_string(value) && tm__time_parse(tm__str(json_string_value(value)), out_us);
}

/* One element of "labels"; what is wrong with it, or NULL. */
static const char *read_label(tm_arena *arena, const json_t *item, tm_label *out) {
    static const char *const names[] = {"prediction_id", "model",    "entity",     "time",
                                        "label",         "known_at", "observed_at"};
    *out = (tm_label){.event_us = TM_INT_MISSING, .observed_us = TM_INT_MISSING};
    if (!json_is_object(item)) {
        return "must be an object";
    }
    size_t n_known = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        n_known += json_object_get(item, names[i]) != NULL ? 1 : 0;
    }
    if (n_known != json_object_size(item)) {
        return "has a member that is none of prediction_id, model, entity, time, label and "
               "known_at";
    }
    for (size_t i = 0; i < 3; i++) {
        const json_t *name = json_object_get(item, names[i]);
        if (name != NULL && !json_is_string(name) && !(i == 2 && json_is_number(name))) {
            return "has a prediction_id, model or entity of another type than it must be";
        }
    }
    out->prediction_id = tm__json_text(item, "prediction_id", NULL);
    out->model = tm__json_text(item, "model", NULL);
    out->value = value_text(arena, json_object_get(item, "label"));
    out->entity = value_text(arena, json_object_get(item, "entity"));
    if (out->value == NULL) {
        return "needs a label: a text, a number, true or false";
    }
    const json_t *known = json_object_get(item, "known_at");
    if (known == NULL) {
        known = json_object_get(item, "observed_at"); /* its name in earlier releases */
    }
    if (known != NULL && !read_time(known, &out->observed_us)) {
        return "has a known_at that is not a time";
    }
    const json_t *time = json_object_get(item, "time");
    if (time != NULL && !read_time(time, &out->event_us)) {
        return "has a time that is not a time";
    }
    if (out->prediction_id == NULL && (out->model == NULL || out->entity == NULL)) {
        return "needs a prediction_id, or a model and an entity (and a time)";
    }
    return NULL;
}

/* The labels are stored: the reply has its room already and is written without values between. */
static void label_reply(tm_exchange *x, const tm_label_result *results, size_t n) {
    static const char *const words[] = {[TM_LABEL_JOINED] = "joined",
                                        [TM_LABEL_WAITING] = "waiting",
                                        [TM_LABEL_DUPLICATE] = "duplicate",
                                        [TM_LABEL_CONFLICT] = "conflict",
                                        [TM_LABEL_AMBIGUOUS] = "ambiguous"};
    tm_buf *out = &x->reply;
    size_t counts[5] = {0};
    x->status = 200;
    x->content_type = "application/json";
    for (size_t i = 0; i < n; i++) {
        counts[results[i]]++;
    }
    tm__buf_byte(out, '{');
    for (size_t k = 0; k < 5; k++) {
        tm__buf_printf(out, "\"%s\":%zu,", words[k], counts[k]);
    }
    /* The same by the names that a sender of ids looks for. */
    tm__buf_printf(out, "\"unknown\":%zu,\"duplicates\":%zu,", counts[TM_LABEL_WAITING],
                   counts[TM_LABEL_DUPLICATE]);
    tm__buf_text(out, "\"results\":[");
    for (size_t i = 0; i < n; i++) {
        tm__buf_printf(out, i == 0 ? "\"%s\"" : ",\"%s\"", words[results[i]]);
    }
    tm__buf_text(out, "]}");
}

/* A key of some models: what is wrong with the label for it, or NULL. An id does not say whose
 * answer it is, and the answer may not be there yet. */
static const char *check_scope(const char *models, const tm_label *label) {
    if (models == NULL) {
        return NULL;
    }
    if (label->prediction_id != NULL || label->model == NULL) {
        return "must name a model and an entity, for the key is for some models only";
    }
    return models[0] != '\0' && tm__key_models_have(models, tm__str(label->model))
               ? NULL
               : "is for a model that the key is not for";
}

/* How far before its label's time an answer may lie is declared with the model. A label may come
 * before its model does; then it is for an answer at its time. */
static tm_status declare_within(tm_registry *registry, tm_label *labels, size_t n, tm_err *err) {
    for (size_t i = 0; i < n; i++) {
        json_t *recipe = NULL;
        tm_err own = {0};
        if (labels[i].prediction_id != NULL || labels[i].event_us == TM_INT_MISSING) {
            continue;
        }
        if (i > 0 && labels[i - 1].model != NULL && labels[i - 1].prediction_id == NULL &&
            labels[i - 1].event_us != TM_INT_MISSING &&
            strcmp(labels[i - 1].model, labels[i].model) == 0) {
            labels[i].within_us = labels[i - 1].within_us;
            continue;
        }
        const tm_status st = tm__registry_recipe(registry, labels[i].model, &recipe, &own);
        if (st != TM_OK && st != TM_E_NOT_FOUND) {
            if (err != NULL) {
                *err = own;
            }
            return st;
        }
        labels[i].within_us = tm__json_i64(json_object_get(recipe, "labels"), "within_us", 0);
        json_decref(recipe);
    }
    return TM_OK;
}

/* Read and check them; what is wrong with some is noted as errors of the exchange. */
static tm_status take_labels(tm_exchange *x, const json_t *list, tm_arena *arena, tm_label *labels,
                             bool *out_denied, tm_err *err) {
    const char *models = tm__access_models(&x->current->keyring, &x->access);
    tm_label_door door = {0};
    tm_status st = TM_OK;
    for (size_t i = 0; st == TM_OK && i < json_array_size(list); i++) {
        const char *why = read_label(arena, json_array_get(list, i), &labels[i]);
        labels[i].origin = x->access.actor;
        if (why == NULL) {
            why = check_scope(models, &labels[i]);
            *out_denied = *out_denied || why != NULL;
        }
        if (why == NULL) {
            st = tm__label_door_pass(&door, x, arena, &labels[i], &why, err);
        }
        if (why != NULL) {
            tm_row_error e = {.row = i, .has_row = true};
            (void)snprintf(e.detail, sizeof e.detail, "labels[%zu] %s", i, why);
            if (!tm__problem_row(x, &e)) {
                break;
            }
        }
    }
    tm__label_door_done(&door);
    return st;
}

static void store_labels(tm_exchange *x, const json_t *list, tm_arena *arena) {
    const size_t n = json_array_size(list);
    tm_label *labels = tm_arena_alloc(arena, tm_label, n + 1);
    tm_label_result *results = tm_arena_zalloc(arena, tm_label_result, n + 1);
    if (labels == NULL || results == NULL) {
        tm__problem_reply(x, 503, "out-of-memory", "out of memory", NULL);
        return;
    }
    bool is_denied = false;
    tm_err err = {0};
    if (take_labels(x, list, arena, labels, &is_denied, &err) != TM_OK) {
        tm__problem_from_err(x, &err);
    } else if (x->n_errors > 0) {
        tm__problem_reply(x, is_denied ? 403 : 400, is_denied ? "denied" : "bad-labels",
                          x->errors[0].detail, NULL);
    } else if (tm__buf_reserve(&x->reply, 256 + n * 16) == NULL) {
        tm__problem_reply(x, 503, "out-of-memory", "out of memory", NULL);
    } else if (declare_within(x->desk->registry, labels, n, &err) != TM_OK ||
               tm__monitor_labels(x->desk->monitor, labels, n, results, &err) != TM_OK) {
        tm__problem_from_err(x, &err);
    } else {
        label_reply(x, results, n);
    }
}

void tm__handle_labels(tm_exchange *x) {
    static const char *const names[] = {"labels", NULL};
    json_t *body = tm__handle_object(x, names, false);
    if (body == NULL) {
        return;
    }
    const json_t *list = json_object_get(body, "labels");
    tm_arena *arena = tm__arena_create((size_t)256 << 20);
    if (arena == NULL) {
        tm__problem_reply(x, 503, "out-of-memory", "out of memory", NULL);
    } else if (!json_is_array(list)) {
        tm__problem_reply(x, 400, "bad-request", "labels must be an array",
                          "Send {\"labels\": [{\"prediction_id\": ..., \"label\": ...}]}.");
    } else if (json_array_size(list) > x->limits->rows_max) {
        tm__problem_reply(x, 413, "too-many-labels", "too many labels at once",
                          "Send them in several requests.");
    } else {
        store_labels(x, list, arena);
    }
    tm__arena_free(arena);
    json_decref(body);
}

void tm__handle_keys(tm_exchange *x) {
    tm_err err = {0};
    json_t *list = NULL;
    if (tm__registry_keys(x->desk->registry, &list, &err) != TM_OK) {
        tm__problem_from_err(x, &err);
        return;
    }
    tm__reply_json(x, json_pack("{s:o}", "keys", list));
}

const char *tm__handle_reason(const json_t *body, bool *ok) {
    const json_t *reason = json_object_get(body, "reason");
    *ok = reason == NULL ||
          (json_is_string(reason) && json_string_length(reason) <= REASON_BYTES_MAX);
    return *ok ? json_string_value(reason) : NULL;
}

void tm__handle_refuse(tm_exchange *x, const tm_err *err) {
    tm__problem_from_err(x, err);
    x->desk->refresh(x->desk->refresh_arg);
}

static void reply_move(tm_exchange *x, uint32_t version, uint32_t from) {
    const char *model = x->match.params[0];
    x->desk->refresh(x->desk->refresh_arg);
    tm_log_event(x->log, TM_INFO, "model.moved", TM_FT("model", model), TM_FI("version", version),
                 TM_FI("from", from), TM_FT("by", x->access.actor));
    /* It is done: the reply has its room already and is written without a value in between. */
    tm_buf *out = &x->reply;
    tm__buf_reset(out);
    x->status = 200;
    x->content_type = "application/json";
    tm__buf_text(out, "{\"model\":");
    tm__json_write_text(out, tm__str(model));
    tm__buf_printf(out, ",\"version\":%u,\"from\":", version);
    tm__buf_printf(out, from == 0 ? "null}" : "%u}", from);
}

void tm__handle_promote(tm_exchange *x) {
    static const char *const names[] = {"version", "champion", "force", "reason", NULL};
    json_t *body = tm__handle_object(x, names, false);
    if (body == NULL) {
        return;
    }
    bool ok = false;
    const tm_actor actor = {.name = x->access.actor, .reason = tm__handle_reason(body, &ok)};
    const json_t *force = json_object_get(body, "force");
    int64_t number = 0, champion = 0;
    (void)read_whole(json_object_get(body, "version"), &number);
    const bool has_champion = json_object_get(body, "champion") != NULL;
    (void)read_whole(json_object_get(body, "champion"), &champion);
    const tm_promotion promotion = {.version = (uint32_t)number,
                                    .champion = (uint32_t)champion,
                                    .force = json_is_true(force),
                                    .is_checked = true};
    tm_err err = {0};
    uint32_t from = 0;
    if (!ok || number < 1 || number > UINT32_MAX || (force != NULL && !json_is_boolean(force)) ||
        (has_champion && (champion < 1 || champion > UINT32_MAX))) {
        tm__problem_reply(x, 400, "bad-request",
                          "promote wants a version from 1, perhaps the champion that it replaces, "
                          "force as true or false and a reason of at most 500 bytes",
                          "Send {\"version\": 2, \"reason\": \"...\"}.");
    } else if (x->desk->prepare(x->desk->refresh_arg, x->match.params[0], promotion.version,
                                &err) != TM_OK ||
               tm__registry_promote(x->desk->registry, x->match.params[0], &promotion, &actor,
                                    &from, &err) != TM_OK) {
        tm__handle_refuse(x, &err);
    } else {
        reply_move(x, promotion.version, from);
    }
    json_decref(body);
}

void tm__handle_rollback(tm_exchange *x) {
    static const char *const names[] = {"reason", NULL};
    json_t *body = tm__handle_object(x, names, true);
    if (body == NULL) {
        return;
    }
    bool ok = false;
    const tm_actor actor = {.name = x->access.actor, .reason = tm__handle_reason(body, &ok)};
    tm_registry *registry = x->desk->registry;
    const char *model = x->match.params[0];
    tm_promotion target = {.is_checked = true};
    tm_err err = {0};
    uint32_t from = 0;
    if (!ok) {
        tm__problem_reply(x, 400, "bad-request", "the reason must be a text of at most 500 bytes",
                          NULL);
    } else if (tm__registry_earlier(registry, model, &target.version, &err) != TM_OK ||
               (target.version != 0 &&
                x->desk->prepare(x->desk->refresh_arg, model, target.version, &err) != TM_OK) ||
               tm__registry_rollback_to(registry, model, &target, &actor, &from, &err) != TM_OK) {
        tm__handle_refuse(x, &err);
    } else {
        reply_move(x, target.version, from);
    }
    json_decref(body);
}
