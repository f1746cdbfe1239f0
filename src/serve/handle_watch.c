/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the dashboard watches besides: how the server fares, trainings that run, the hours of a
 * route, the sources. On
 * the desk's thread.
 *
 * A stream of events ends after what there is to say now, with the time after which the browser is
 * to ask again, as the standard has it (HTML, 9.2.3: "retry"). So who looks holds no memory here,
 * is asked each time who they are, and a page that is closed costs nothing.
 */
#include "base/clock.h"
#include "base/fs.h"
#include "monitor/traffic_store.h"
#include "serve/handle.h"
#include "store/serving_file.h"
#include "store/training_file.h"

#define RETRY_MS 2000u /* the figures are those of a second; two halve the cost of a page */

static bool put_event(tm_buf *out, const char *name, const json_t *value) {
    tm__buf_printf(out, "retry: %u\nevent: %s\ndata: ", RETRY_MS, name);
    const bool is_whole = tm__json_write(out, value, 0);
    tm__buf_text(out, "\n\n");
    return is_whole && !out->failed;
}

void tm__handle_events(tm_exchange *x) {
    tm_err err = {0};
    json_t *told = NULL, *trainings = NULL;
    tm_status st = tm__serving_read(x->desk->home, &told, &err);
    st = st == TM_OK ? tm__trainings_read(x->desk->home, tm__now_us(), &trainings, &err) : st;
    if (st != TM_OK) {
        json_decref(told);
        tm__problem_from_err(x, &err);
        return;
    }
    json_t *const nothing = json_object();
    tm__buf_reset(&x->reply);
    x->status = 200;
    x->content_type = "text/event-stream";
    const bool is_fresh = told != NULL && tm__serving_is_fresh(told, tm__now_us());
    if (!put_event(&x->reply, is_fresh ? "serving" : "silent", is_fresh ? told : nothing) ||
        !put_event(&x->reply, "training", trainings)) {
        tm__problem_reply(x, 503, "out-of-memory", "out of memory", NULL);
    }
    json_decref(nothing);
    json_decref(trainings);
    json_decref(told);
}

/* ---- Hours of a route ---- */

static void add_hour(void *arg, const tm_traffic_hour *hour) {
    char at[48];
    (void)tm__time_to_text(hour->at_us, at);
    json_t *const times = json_array();
    for (uint32_t i = 0; i < TM_TRAFFIC_LATENCIES; i++) {
        json_array_append_new(times,
                              json_integer((json_int_t)hour->counts[TM_TRAFFIC_LATENCY + i]));
    }
    json_array_append_new(arg,
                          json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "at", at,
                                    "answered", (json_int_t)hour->counts[TM_TRAFFIC_ANSWERED],
                                    "refused", (json_int_t)hour->counts[TM_TRAFFIC_REFUSED],
                                    "failed", (json_int_t)hour->counts[TM_TRAFFIC_FAILED], "rows",
                                    (json_int_t)hour->counts[TM_TRAFFIC_ROWS], "far",
                                    (json_int_t)hour->counts[TM_TRAFFIC_FAR], "seconds",
                                    (json_int_t)hour->counts[TM_TRAFFIC_SECONDS], "times", times));
}

static json_t *bounds_of_times(void) {
    json_t *const out = json_array();
    for (uint32_t i = 0; i + 1 < TM_TRAFFIC_LATENCIES; i++) {
        json_array_append_new(out, tm__json_number(tm__traffic_latency_bound_s(i)));
    }
    return out;
}

void tm__handle_hours(tm_exchange *x) {
    tm_err err = {0};
    tm_drift_store *store = NULL;
    const tm_served *const served = tm__current_find(x->current, x->match.params[0]);
    if (served == NULL) {
        tm__problem_reply(x, 404, "not-found", "there is no route of this name", NULL);
        return;
    }
    json_t *const hours = json_array();
    tm_status st = tm__drift_store_open(x->desk->home, false, &store, &err);
    if (st == TM_OK && store != NULL) {
        st = tm__traffic_store_read(store, served->route, add_hour, hours, &err);
    }
    tm__drift_store_close(store);
    if (st != TM_OK) {
        json_decref(hours);
        tm__problem_from_err(x, &err);
        return;
    }
    tm__reply_json(x, json_pack("{s:s, s:o, s:o}", "route", served->route, "bounds_seconds",
                                bounds_of_times(), "hours", hours));
}

/* ---- Sources ---- */

static bool has_sources(const tm_exchange *x) {
    return tm__fs_info(tm__home_intake_db(x->desk->home)).kind == TM_PATH_FILE;
}

static tm_status check_sources(const tm_exchange *x, tm_err *err) {
    return has_sources(x) ? TM_OK : TM_FAIL(err, TM_E_NOT_FOUND, "there is no source of this name");
}

void tm__handle_quarantine(tm_exchange *x) {
    const tm_intake_choice all = {0};
    tm_err err = {0};
    json_t *groups = NULL;
    tm_status st = check_sources(x, &err);
    if (st == TM_OK) {
        st = tm__intake_quarantine_groups(x->desk->home, x->match.params[0], &all, &groups, &err);
    }
    if (st != TM_OK) {
        tm__problem_from_err(x, &err);
    } else {
        tm__reply_json(x, groups);
    }
}

static void hide_place(json_t *source) { /* how it is reached is its admin's */
    (void)json_object_del(source, "spec");
    (void)json_object_del(source, "from");
}

void tm__handle_source(tm_exchange *x) {
    tm_err err = {0};
    json_t *source = NULL;
    tm_status st = check_sources(x, &err);
    st = st == TM_OK ? tm__intake_show(x->desk->home, x->match.params[0], &source, &err) : st;
    if (st != TM_OK) {
        tm__problem_from_err(x, &err);
        return;
    }
    hide_place(source);
    tm__reply_json(x, source);
}

void tm__handle_sources(tm_exchange *x) {
    tm_err err = {0};
    json_t *list = NULL, *one = NULL;
    size_t i = 0;
    tm_status st = TM_OK;
    if (has_sources(x)) {
        st = tm__intake_list(x->desk->home, &list, &err);
    } else {
        list = json_array();
    }
    if (st != TM_OK) {
        tm__problem_from_err(x, &err);
        return;
    }
    json_array_foreach(list, i, one) {
        hide_place(one);
    }
    tm__reply_json(x, json_pack("{s:o}", "sources", list));
}
