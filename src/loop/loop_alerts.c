/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   deliveries that are due ─> copied ─> each: receiver of the recipe ─> POST ─> noted
 *
 * The store is not held open while a receiver is waited for, and a try that failed is noted with
 * its reason, so the next one knows how long to wait.
 */
#include "loop/alerts.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/webhook.h"
#include "monitor/alert.h"
#include "registry/registry.h"
#include "store/post.h"

#define MOVES_MARK TM_RECEIVERS_OF_MOVES "-"
#define TIMEOUT_MS 10000u
#define BODY_BYTES_MAX (512u << 10)
#define ENDS_AFTER_US TM_DAY_US /* Alertmanager forgets an alert that is not sent again */

typedef struct delivering {
    tm_registry *registry;
    tm_drift_store *store;
    const char *only; /* the receiver that is told, by name or mark; NULL: all */
    json_t *due;      /* copies: nothing is sent while a statement is open */
    int64_t n_sent, n_failed;
} delivering;

void tm__receiver_mark(const char *model, const char *name, char out[TM_RECEIVER_MARK]) {
    const uint64_t of_model = model == NULL ? 0 : tm__hash64(model, strlen(model), 1);
    (void)snprintf(out, TM_RECEIVER_MARK, "%s%016llx", model == NULL ? "" : MOVES_MARK,
                   (unsigned long long)tm__hash64(name, strlen(name), of_model));
}

bool tm__receiver_is_of_moves(const char *mark) {
    static const size_t len = sizeof(MOVES_MARK) - 1;
    return strcmp(mark, TM_RECEIVERS_OF_MOVES) == 0 ||
           (strncmp(mark, MOVES_MARK, len) == 0 && strlen(mark) == len + 16 &&
            strspn(mark + len, "0123456789abcdef") == 16);
}

static bool is_told(const delivering *self, const char *receiver) {
    char mark[TM_RECEIVER_MARK];
    tm__receiver_mark(NULL, receiver, mark);
    return self->only == NULL || strcmp(self->only, receiver) == 0 || strcmp(self->only, mark) == 0;
}

static bool take(void *arg, const tm_delivery *d) {
    delivering *const self = arg;
    if (!is_told(self, d->receiver)) {
        return true;
    }
    json_array_append_new(self->due,
                          json_pack("{s:I, s:s, s:s, s:s}", "id", (json_int_t)d->id, "receiver",
                                    d->receiver, "event", d->event, "body", d->body));
    return true;
}

/* The receiver of a name, of the recipe of a model; NULL: it is no longer declared. */
static const json_t *find_receiver(const json_t *recipe, const char *name) {
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach(json_object_get(json_object_get(recipe, "monitor"), "receivers"), i, item) {
        if (strcmp(tm__json_text(item, "name", ""), name) == 0) {
            return item;
        }
    }
    return NULL;
}

/* ---- Alertmanager ---- */

static json_t *as_alertmanager(const json_t *alert, bool is_over) {
    char now[48], end[48];
    const int64_t now_us = tm__now_us();
    (void)tm__time_to_text(now_us, now);
    (void)tm__time_to_text(now_us + ENDS_AFTER_US, end);
    const json_t *const detail = json_object_get(alert, "detail");
    json_t *const labels = json_pack(
        "{s:s, s:s, s:s, s:s, s:s}", "alertname", "TidemillAlert", "model",
        tm__json_text(alert, "model", ""), "kind", tm__json_text(alert, "kind", ""), "subject",
        tm__json_text(alert, "subject", ""), "severity", tm__json_text(alert, "severity", ""));
    json_t *const annotations =
        json_pack("{s:s, s:s}", "summary", tm__json_text(alert, "summary", ""), "description",
                  tm__json_text(detail, "next", ""));
    return json_pack("[{s:o, s:o, s:s, s:s}]", "labels", labels, "annotations", annotations,
                     "startsAt", tm__json_text(alert, "opened", now), "endsAt",
                     is_over ? now : end);
}

static tm_status send_alertmanager(const json_t *receiver, const char *body, tm_err *err) {
    char url[2048];
    char *const ca_file = tm__receiver_path(receiver, "ca_file");
    json_t *parsed = NULL;
    tm_buf text;
    const char *const base = tm__json_text(receiver, "alertmanager", "");
    const size_t len = strlen(base);
    tm_status st = tm__json_parse(body, strlen(body), 32, &parsed, err);
    if (st != TM_OK) {
        tm__mem_free(ca_file);
        return st;
    }
    json_t *const list =
        as_alertmanager(json_object_get(parsed, "alert"),
                        strcmp(tm__json_text(parsed, "event", ""), "resolved") == 0);
    tm__buf_init(&text, BODY_BYTES_MAX);
    const bool is_made = tm__json_write(&text, list, TM_JSON_SORTED);
    json_decref(list);
    json_decref(parsed);
    (void)snprintf(url, sizeof(url), "%.2000s%s", base,
                   len > 0 && base[len - 1] == '/' ? "api/v2/alerts" : "/api/v2/alerts");
    const tm_post post = {.url = url,
                          .body = {(const char *)text.data, text.len},
                          .headers = {"Content-Type: application/json"},
                          .ca_file = ca_file,
                          .timeout_ms = TIMEOUT_MS};
    st = is_made ? tm__post_send(&post, err) : TM_FAIL(err, TM_E_NOMEM, "no memory for an alert");
    tm__buf_done(&text);
    tm__mem_free(ca_file);
    return st;
}

/* ---- all ---- */

static tm_status send_one(delivering *self, const json_t *d, tm_err *err) {
    const char *const body = tm__json_text(d, "body", "");
    json_t *parsed = NULL, *recipe = NULL;
    TM_TRY(tm__json_parse(body, strlen(body), 32, &parsed, err));
    tm_status st = tm__registry_recipe(
        self->registry, tm__json_text(json_object_get(parsed, "alert"), "model", ""), &recipe, err);
    const json_t *const receiver = find_receiver(recipe, tm__json_text(d, "receiver", ""));
    if (st == TM_OK && receiver == NULL) {
        st = TM_FAIL(err, TM_E_NOT_FOUND, "the receiver is no longer declared");
    }
    if (st == TM_OK) {
        st = json_object_get(receiver, "webhook") != NULL
                 ? tm__webhook_send(receiver, tm__str(body), err)
                 : send_alertmanager(receiver, body, err);
    }
    json_decref(parsed);
    json_decref(recipe);
    return st;
}

/* A receiver that did not take one is not asked for the next: each would take ten seconds. */
static tm_status try_one(delivering *self, json_t *silent, const json_t *d, tm_err *problem) {
    const char *const name = tm__json_text(d, "receiver", "");
    if (json_object_get(silent, name) != NULL) {
        return TM_FAIL(problem, TM_E_UNAVAILABLE, "the receiver did not take the one before");
    }
    const tm_status st = send_one(self, d, problem);
    if (st == TM_E_UNAVAILABLE) {
        json_object_set_new(silent, name, json_true());
    }
    return st;
}

static tm_status send_all(delivering *self, json_t *silent, tm_err *err) {
    size_t i = 0;
    const json_t *d = NULL;
    json_array_foreach(self->due, i, d) {
        tm_err problem = {0};
        const tm_status st = try_one(self, silent, d, &problem);
        self->n_sent += st == TM_OK ? 1 : 0;
        self->n_failed += st == TM_OK ? 0 : 1;
        TM_TRY(tm__delivery_done(self->store, tm__json_i64(d, "id", 0),
                                 st == TM_OK ? NULL : problem.message, tm__now_us(), err));
    }
    return TM_OK;
}

tm_status tm__alerts_deliver(const tm_home *home, const char *only, json_t **out, tm_err *err) {
    delivering self = {.only = only, .due = json_array()};
    json_t *const silent = json_object();
    tm_status st = tm__registry_open(home, &self.registry, err);
    st = st == TM_OK ? tm__drift_store_open(home, true, &self.store, err) : st;
    st = st == TM_OK ? tm__delivery_due(self.store, tm__now_us(), take, &self, err) : st;
    st = st == TM_OK ? tm__json_check(err) : st;
    st = st == TM_OK ? send_all(&self, silent, err) : st;
    json_decref(silent);
    if (st == TM_OK) {
        *out = json_pack("{s:I, s:I}", "sent", (json_int_t)self.n_sent, "failed",
                         (json_int_t)self.n_failed);
        st = tm__json_check(err);
    }
    json_decref(self.due);
    tm__drift_store_close(self.store);
    tm__registry_close(self.registry);
    return st;
}
