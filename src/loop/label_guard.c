/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose labels count, and where a model teaches itself.
 *
 *   labels by origin ──> judged against the champion's answers ──> quarantined or trusted, with
 *                        evidence, as events of the model's history (who was asked last holds)
 *   answers ──> labels that copy them; decisions whose labels never come ──> told in the turn
 *
 * Nothing is removed here: who counts is asked when rows are read (loop_harvest.c).
 */
#include "loop/label_guard.h"

#include <stdio.h>
#include <string.h>

#include "monitor/label_origins.h"

#define LOOK_BACK_US (90 * INT64_C(86400000000))
#define HIDDEN_ANSWERS 100 /* of a decision, before its labels are missed */
#define HIDDEN_TIMES 10    /* that others get a label as often */
#define QUARANTINED "quarantined"
#define TRUSTED "trusted"

/* ---- what was said ---- */

tm_status tm__label_guard_states(tm_registry *registry, const char *model, json_t **out,
                                 tm_err *err) {
    json_t *history = NULL, *item = NULL, *states = json_object();
    size_t i = 0;
    tm_status st = tm__registry_history(registry, model, &history, err);
    json_array_foreach(history, i, item) {
        const char *const event = tm__json_text(item, "event", "");
        const json_t *const details = json_object_get(item, "details");
        const bool is_out = strcmp(event, "labels." QUARANTINED) == 0;
        if (!is_out && strcmp(event, "labels." TRUSTED) != 0) {
            continue;
        }
        json_object_set_new(
            states, tm__json_text(details, "origin", ""),
            json_pack("{s:s, s:O?, s:O?, s:O?, s:O?}", "state", is_out ? QUARANTINED : TRUSTED,
                      "at", json_object_get(item, "at"), "actor", json_object_get(item, "actor"),
                      "reason", json_object_get(item, "reason"), "evidence",
                      json_object_get(details, "evidence")));
    }
    json_decref(history);
    return tm__json_give(st, states, out, err);
}

static const char *state_of(const json_t *states, const char *origin) {
    return tm__json_text(json_object_get(states, origin), "state", "");
}

tm_status tm__label_guard_set(tm_registry *registry, const char *model, const char *origin,
                              bool is_trusted, const tm_actor *actor, const json_t *evidence,
                              tm_err *err) {
    const char *const state = is_trusted ? TRUSTED : QUARANTINED;
    json_t *states = NULL, *details = NULL;
    TM_TRY(tm__label_guard_states(registry, model, &states, err));
    tm_status st =
        strcmp(state_of(states, origin), state) == 0
            ? TM_FAIL(err, TM_E_CONFLICT, "labels of '%.80s' are %s already", origin, state)
            : TM_OK;
    json_decref(states);
    if (st == TM_OK) {
        details = json_pack("{s:s, s:O*}", "origin", origin, "evidence", evidence);
        st = tm__json_check(err);
    }
    st = st == TM_OK ? tm__registry_note(registry, model,
                                         is_trusted ? "labels." TRUSTED : "labels." QUARANTINED, 0,
                                         actor, details, err)
                     : st;
    json_decref(details);
    return st;
}

/* ---- what is found ---- */

static bool is_listed(const json_t *origins, const char *name) {
    const json_t *entry = NULL;
    size_t i = 0;
    json_array_foreach((json_t *)(uintptr_t)origins, i, entry) {
        if (strcmp(tm__json_text(entry, "origin", ""), name) == 0) {
            return true;
        }
    }
    return false;
}

/* Those that something was said of and that sent no label, with the last evidence. */
static void add_silent(const json_t *states, json_t *origins) {
    const json_t *state = NULL;
    const char *name = NULL;
    json_object_foreach((json_t *)(uintptr_t)states, name, state) {
        const json_t *const evidence = json_object_get(state, "evidence");
        if (is_listed(origins, name)) {
            continue;
        }
        json_t *const entry = json_is_object(evidence)
                                  ? json_deep_copy(evidence)
                                  : json_pack("{s:s, s:i, s:i, s:s}", "origin", name, "labels", 0,
                                              "others", 0, "verdict", "too few");
        json_object_set(entry, "state", json_object_get(state, "state"));
        json_array_append_new(origins, entry);
    }
}

static tm_status look(const tm_label_guard *guard, const json_t *states, json_t **out,
                      tm_err *err) {
    const int64_t delay_us = tm__json_i64(json_object_get(guard->recipe, "labels"), "delay_us", 0);
    const tm_origins_ask ask = {.model = guard->model,
                                .from_us = guard->now_us - LOOK_BACK_US,
                                .until_us = INT64_MAX, /* a clock that jumped back hides nothing */
                                .owed_until_us = guard->now_us - delay_us};
    json_t *found = NULL, *entry = NULL;
    size_t i = 0;
    TM_TRY(tm__label_origins(guard->monitor, guard->bundle, &ask, &found, err));
    json_array_foreach(json_object_get(found, "origins"), i, entry) {
        const char *const state = state_of(states, tm__json_text(entry, "origin", ""));
        json_object_set_new(entry, "state", json_string(state[0] != '\0' ? state : TRUSTED));
    }
    add_silent(states, json_object_get(found, "origins"));
    return tm__json_give(TM_OK, found, out, err);
}

tm_status tm__label_guard_look(const tm_label_guard *guard, json_t **out, tm_err *err) {
    json_t *states = NULL;
    TM_TRY(tm__label_guard_states(guard->registry, guard->model, &states, err));
    const tm_status st = look(guard, states, out, err);
    json_decref(states);
    return st;
}

/* ---- a model that teaches itself ---- */

/* Where labels come for one decision alone, the model never hears of its other mistakes. */
static json_t *find_hidden(const json_t *coverage) {
    const json_t *entry = NULL, *least = NULL;
    double most_apart = 0;
    size_t i = 0;
    json_array_foreach((json_t *)(uintptr_t)coverage, i, entry) {
        const json_t *const beside = json_object_get(entry, "beside");
        const double share = tm__json_f64(beside, "share", 0);
        const double others = tm__json_f64(beside, "others", 0);
        const bool has_many = tm__json_i64(beside, "answers", 0) >= HIDDEN_ANSWERS &&
                              tm__json_i64(beside, "other_answers", 0) >= HIDDEN_ANSWERS;
        if (has_many && share * HIDDEN_TIMES < others && others - share > most_apart) {
            most_apart = others - share;
            least = entry;
        }
    }
    const json_t *const beside = json_object_get(least, "beside");
    return least == NULL
               ? json_null()
               : json_pack("{s:O, s:O, s:O}", "decision", json_object_get(least, "decision"),
                           "share", json_object_get(beside, "share"), "others",
                           json_object_get(beside, "others"));
}

json_t *tm__label_guard_feedback(const json_t *found) {
    json_t *const copies = json_array();
    json_t *const hidden = find_hidden(json_object_get(found, "coverage"));
    const json_t *entry = NULL;
    size_t i = 0;
    json_array_foreach(json_object_get(found, "origins"), i, entry) {
        if (strcmp(tm__json_text(entry, "verdict", ""), "copies") == 0) {
            json_array_append(copies, json_object_get(entry, "origin"));
        }
    }
    if (json_array_size(copies) == 0 && json_is_null(hidden)) {
        json_decref(copies);
        return NULL;
    }
    return json_pack("{s:o, s:o}", "copies", copies, "hidden", hidden);
}

/* ---- what is done about it ---- */

static tm_status quarantine(tm_registry *registry, const char *model, const tm_actor *actor,
                            const json_t *entry, tm_err *err) {
    const json_t *const wrong = json_object_get(entry, "wrong");
    char reason[160];
    (void)snprintf(reason, sizeof(reason),
                   "%.0f %% of its labels (%.0f to %.0f) do not fit the answers as those of others "
                   "do",
                   100 * tm__json_f64(wrong, "share", 0), 100 * tm__json_f64(wrong, "low", 0),
                   100 * tm__json_f64(wrong, "high", 1));
    const tm_actor with = {.name = actor->name, .reason = reason};
    return tm__label_guard_set(registry, model, tm__json_text(entry, "origin", ""), false, &with,
                               entry, err);
}

tm_status tm__label_guard_found(tm_registry *registry, const char *model, const json_t *origins,
                                const tm_actor *actor, json_t *names, tm_err *err) {
    json_t *states = NULL;
    const json_t *entry = NULL;
    size_t i = 0;
    TM_TRY(tm__label_guard_states(registry, model, &states, err));
    tm_status st = TM_OK;
    json_array_foreach((json_t *)(uintptr_t)origins, i, entry) {
        const char *const origin = tm__json_text(entry, "origin", "");
        if (st == TM_OK && strcmp(tm__json_text(entry, "verdict", ""), "wrong") == 0 &&
            json_object_get(states, origin) == NULL) {
            st = quarantine(registry, model, actor, entry, err);
            json_array_append_new(names, json_string(origin));
        }
    }
    json_decref(states);
    return st;
}

static tm_status act(const tm_label_guard *guard, const tm_actor *actor, const json_t *states,
                     json_t *names, json_t **out_feedback, tm_err *err) {
    json_t *found = NULL;
    const json_t *state = NULL;
    const char *origin = NULL;
    json_object_foreach((json_t *)(uintptr_t)states, origin, state) {
        if (strcmp(tm__json_text(state, "state", ""), QUARANTINED) == 0) {
            json_array_append_new(names, json_string(origin));
        }
    }
    tm_status st = look(guard, states, &found, err);
    st = st == TM_OK ? tm__label_guard_found(guard->registry, guard->model,
                                             json_object_get(found, "origins"), actor, names, err)
                     : st;
    if (st == TM_OK && out_feedback != NULL) {
        *out_feedback = tm__label_guard_feedback(found);
    }
    json_decref(found);
    return st;
}

tm_status tm__label_guard_act(const tm_label_guard *guard, const tm_actor *actor,
                              json_t **out_names, json_t **out_feedback, tm_err *err) {
    json_t *states = NULL, *names = json_array();
    tm_status st = tm__label_guard_states(guard->registry, guard->model, &states, err);
    st = st == TM_OK ? act(guard, actor, states, names, out_feedback, err) : st;
    st = st == TM_OK ? tm__json_check(err) : st;
    json_decref(states);
    return tm__json_give(st, names, out_names, err);
}
