/* SPDX-License-Identifier: Apache-2.0 */
/* What goes over time, for charts: the evidence of a column, scores with their labels. On the
 * study's thread. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "monitor/drift_series.h"
#include "monitor/monitor_live.h"
#include "serve/handle.h"
#include "serve/remembered.h"

#define KEY_MAX 512u
#define SINCE_DEFAULT_US (INT64_C(30) * 86400 * 1000000) /* as of `monitor report` */

/* What serves a model; NULL with the exchange answered. */
static const tm_served *find_served(tm_exchange *x) {
    for (uint32_t i = 0; i < x->current->n; i++) {
        const tm_served *const served = x->current->routes[i];
        if (strcmp(served->model, x->match.params[0]) == 0 && served->bundle != NULL) {
            return served;
        }
    }
    tm__problem_reply(x, 404, "not-found", "no model of this name is served", NULL);
    return NULL;
}

static void reply(tm_exchange *x, const tm_served *served, tm_status st, json_t *value,
                  const tm_err *err) {
    if (st != TM_OK) {
        tm__problem_from_err(x, err);
        return;
    }
    json_object_set_new(value, "model", json_string(served->model));
    json_object_set_new(value, "version", json_integer((json_int_t)served->version));
    tm__reply_json(x, value);
}

void tm__handle_column(tm_exchange *x) {
    char column[TM_MAX_NAME + 1];
    tm_err err = {0};
    json_t *recipe = NULL, *series = NULL;
    const tm_served *const served = find_served(x);
    if (served == NULL || !tm__handle_text(x, "column", column, sizeof(column))) {
        return;
    }
    tm_drift_series_ask ask = {.model = served->model,
                               .version = served->version,
                               .column = column[0] == '\0' ? NULL : column};
    tm_status st = tm__registry_recipe(x->desk->registry, served->model, &recipe, &err);
    if (st == TM_OK) {
        ask.budget_us = tm__json_i64(json_object_get(recipe, "monitor"), "false_alarm_us", 0);
        st = tm__drift_series(x->desk->home, served->bundle, &ask, &series, &err);
    }
    json_decref(recipe);
    reply(x, served, st, series, &err);
}

/* What was asked, as it was asked: "since" of two requests is another moment and the same days. */
static void scores_key(const tm_exchange *x, const tm_served *served, uint32_t window_s,
                       char out[KEY_MAX]) {
    const tm_str since = tm__http_query(x->http->query, "since");
    const tm_str until = tm__http_query(x->http->query, "until");
    (void)snprintf(out, KEY_MAX, "scores %s %u %u %.*s %.*s", served->model, served->version,
                   window_s, (int)since.len, since.len > 0 ? since.ptr : "", (int)until.len,
                   until.len > 0 ? until.ptr : "");
}

void tm__handle_scores(tm_exchange *x) {
    tm_err err = {0};
    char key[KEY_MAX];
    uint32_t window_s = 0;
    const tm_served *const served = find_served(x);
    tm_live_options options = {.from_us = tm__now_us() - SINCE_DEFAULT_US, .until_us = INT64_MAX};
    if (served == NULL || !tm__handle_moment(x, "since", &options.from_us) ||
        !tm__handle_moment(x, "until", &options.until_us) ||
        !tm__handle_number(x, "window_seconds", &window_s)) {
        return;
    }
    options.model = served->model;
    options.window_us = (int64_t)window_s * 1000000;
    scores_key(x, served, window_s, key);
    const tm_remembered_now now = tm__remembered_now(x->desk->home);
    json_t *known = tm__remembered_find(x->desk->remembered, key, &now);
    tm_status st = TM_OK;
    if (known == NULL) {
        st = tm__monitor_live_report(x->desk->monitor, served->bundle, &options, &known, &err);
        st = st == TM_OK ? tm__json_check(&err) : st;
        if (st == TM_OK) {
            tm__remembered_keep(x->desk->remembered, key, &now, known);
        }
    }
    json_t *const report = st == TM_OK ? json_copy(known) : NULL; /* members are added to it */
    json_decref(known);
    reply(x, served, st, report, &err);
}
