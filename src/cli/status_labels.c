/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Labels that are too few for the gate, and what waits for labels. Two ways to know it, for the
 * first that does is early enough: the log, by what the gate will ask; and retrainings that the
 * gate refused for it, which say since when.
 */
#include <string.h>

#include "base/fmath.h"
#include "base/fs.h"
#include "cli/status_read.h"
#include "monitor/label_count.h"
#include "registry/registry.h"
#include "registry/turn.h"

#define TURNS_MAX 50u

/* What the gate said of labels; NULL where that did not close it. */
static const json_t *closed_by(const json_t *turn) {
    const json_t *const gate = json_object_get(turn, "gate");
    size_t i = 0;
    const json_t *check = NULL;
    json_array_foreach(json_object_get(gate, "checks"), i, check) {
        if (strcmp(tm__json_text(check, "check", ""), "coverage") == 0 &&
            !tm__json_bool(check, "open", true)) {
            return check;
        }
    }
    return NULL;
}

/* ---- by what the gate refused ---- */

static tm_status find_refused(const tm_status_labels_ask *ask, json_t **out, tm_err *err) {
    json_t *turns = NULL;
    size_t i = 0;
    const json_t *turn = NULL, *newest = NULL, *first = NULL;
    *out = NULL;
    TM_TRY(tm__turn_list(ask->place->registry, ask->model, TURNS_MAX, &turns, err));
    json_array_foreach(turns, i, turn) {
        const json_t *const check = closed_by(turn);
        if (check == NULL && json_object_get(turn, "gate") != NULL) {
            break;
        }
        newest = newest != NULL ? newest : check;
        first = check != NULL ? turn : first;
    }
    if (newest != NULL) {
        *out = json_pack("{s:O?, s:O?}", "since", json_object_get(first, "changed"), "reason",
                         json_object_get(newest, "said"));
    }
    json_decref(turns);
    return tm__json_check(err);
}

/* ---- by the log ---- */

typedef struct coverage {
    tm_label_counted counted;
    bool is_met;
    char text[TM_GATE_COVERAGE_TEXT];
} coverage;

static tm_status count_in(tm_monitor *monitor, const tm_status_labels_ask *ask, const tm_gate *gate,
                          coverage *out, tm_err *err) {
    const int64_t until_us = ask->now_us - (int64_t)gate->coverage_after_us;
    const tm_label_ask of = {
        .model = ask->model, .from_us = until_us - TM_GATE_COVERAGE_US, .until_us = until_us};
    TM_TRY(tm__label_count(monitor, &of, &out->counted, err));
    out->is_met = tm__gate_covers(gate, out->counted.n_answers, out->counted.n_labelled, out->text);
    return TM_OK;
}

/* Nothing is counted in a home without a log. */
static tm_status look_at_log(const tm_status_labels_ask *ask, const tm_gate *gate, coverage *out,
                             tm_err *err) {
    const tm_monitor_options reading = {.can_write = false};
    tm_monitor *monitor = NULL;
    *out = (coverage){.is_met = false};
    if (ask->monitor != NULL) {
        return count_in(ask->monitor, ask, gate, out, err);
    }
    if (tm__fs_info(tm__home_log_db(ask->place->home)).kind != TM_PATH_FILE) {
        return TM_OK;
    }
    TM_TRY(tm__monitor_open(ask->place->home, &reading, &monitor, err));
    const tm_status st = count_in(monitor, ask, gate, out, err);
    tm__monitor_close(monitor);
    return st;
}

static tm_status find_too_few(const tm_status_labels_ask *ask, const tm_gate *gate, json_t **out,
                              tm_err *err) {
    coverage found;
    *out = NULL;
    if (!tm__gate_needs_coverage(gate)) {
        return TM_OK;
    }
    TM_TRY(look_at_log(ask, gate, &found, err));
    if (found.is_met) {
        return TM_OK;
    }
    TM_TRY(find_refused(ask, out, err));
    if (found.counted.n_answers > 0 && *out == NULL) {
        *out = json_pack("{s:n}", "since");
    }
    if (found.counted.n_answers > 0) {
        json_object_set_new(*out, "reason", json_string(found.text));
    }
    return tm__json_check(err);
}

/* ---- what waits ---- */

static tm_status list_waiting(const tm_status_labels_ask *ask, const tm_gate *gate, json_t *list,
                              tm_err *err) {
    static const char *const triggers[] = {"new_labels", "worse_than"};
    const json_t *const retrain = json_object_get(ask->recipe, "retrain");
    tm_turn turn = {0};
    bool has = false;
    if (tm__gate_needs_coverage(gate)) {
        json_array_append_new(list, json_string("gate.coverage"));
    }
    for (size_t i = 0; i < sizeof(triggers) / sizeof(triggers[0]); i++) {
        if (tm__json_f64(retrain, triggers[i], 0) > 0) {
            json_array_append_new(list, json_sprintf("retrain.%s", triggers[i]));
        }
    }
    TM_TRY(tm__turn_find(ask->place->registry, ask->model, &turn, &has, err));
    if (has && turn.state == TM_TURN_WATCHING) {
        json_array_append_new(list, json_sprintf("the watch of version %u", turn.version));
    }
    tm__turn_done(&turn);
    return TM_OK;
}

static double waited_seconds(const tm_status_labels_ask *ask, const tm_gate *gate) {
    const int64_t delay_us = tm__json_i64(json_object_get(ask->recipe, "labels"), "delay_us", -1);
    if (delay_us >= 0) {
        return (double)delay_us / 1e6;
    }
    return tm__gate_needs_coverage(gate) ? gate->coverage_after_us / 1e6 : tm__nan();
}

tm_status tm__status_labels(const tm_status_labels_ask *ask, json_t **out, tm_err *err) {
    tm_gate gate;
    json_t *too_few = NULL, *const awaited = json_array();
    tm_status st = tm__registry_gate(ask->place->registry, ask->model, &gate, err);
    st = st == TM_OK ? find_too_few(ask, &gate, &too_few, err) : st;
    st = st == TM_OK ? list_waiting(ask, &gate, awaited, err) : st;
    if (st == TM_OK) {
        *out = json_pack("{s:O?, s:O, s:o}", "too_few", too_few, "awaited", awaited,
                         "waited_seconds", tm__json_number(waited_seconds(ask, &gate)));
        st = tm__json_check(err);
    }
    json_decref(too_few);
    json_decref(awaited);
    return st;
}
