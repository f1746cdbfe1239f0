/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/experiment_act.h"

#include <stdio.h>
#include <string.h>

#include "registry/experiment.h"

typedef struct acting {
    const tm_place *place;
    const char *model;
    const char *actor;
    const json_t *status;
    char reason[600];
} acting;

static bool is_text(const json_t *status, const char *member, const char *text) {
    return strcmp(tm__json_text(status, member, ""), text) == 0;
}

static tm_status end(acting *a, bool promotes, tm_err *err) {
    json_t *evidence = json_pack(
        "{s:s, s:s, s:O, s:O, s:O?}", "decision", tm__json_text(a->status, "decision", ""),
        "action", promotes ? "promoted" : "stopped", "metric", json_object_get(a->status, "metric"),
        "sample_ratio", json_object_get(a->status, "sample_ratio"), "guardrails",
        json_object_get(a->status, "guardrails"));
    const tm_actor actor = {.name = a->actor, .reason = a->reason};
    const tm_experiment_end one = {.number = tm__json_i64(a->status, "experiment", 0),
                                   .promotes = promotes,
                                   .evidence = evidence};
    tm_status st = tm__json_check(err);
    st = st == TM_OK ? tm__registry_experiment_end(a->place->registry, a->model, &one, &actor, err)
                     : st;
    json_decref(evidence);
    return st;
}

/* What says that this version may not be promoted, not that the machine is in trouble. */
static bool is_of_version(tm_status st) {
    return st == TM_E_REFUSED || st == TM_E_INTEGRITY || st == TM_E_NOT_FOUND;
}

static tm_status promote(acting *a, const char **out_action, tm_err *err) {
    const json_t *versions = json_object_get(a->status, "versions");
    const json_int_t control = json_integer_value(json_array_get(versions, 0));
    tm_route route;
    tm_err own = {0};
    TM_TRY(tm__registry_route(a->place->registry, a->model, &route, err));
    const size_t len = strlen(a->reason);
    if (route.version != control) {
        (void)snprintf(a->reason + len, sizeof a->reason - len,
                       " It is not promoted: version %u is the champion by now.", route.version);
        return end(a, false, err);
    }
    const tm_status st = end(a, true, &own);
    if (is_of_version(st)) {
        (void)snprintf(a->reason + len, sizeof a->reason - len, " It is not promoted: %s.",
                       own.message);
        return end(a, false, err);
    }
    *out_action = "promoted";
    return st == TM_OK ? TM_OK : TM_FAIL(err, st, "%s", own.message);
}

tm_status tm__experiment_act(const tm_place *place, const char *model, const char *actor,
                             json_t *status, tm_err *err) {
    acting a = {.place = place, .model = model, .actor = actor, .status = status};
    const char *action = "stopped";
    tm_status st = TM_OK;
    if (!is_text(status, "state", "running")) {
        return TM_FAIL(err, TM_E_CONFLICT, "no experiment of '%s' is running", model);
    }
    (void)snprintf(a.reason, sizeof a.reason, "%s", tm__json_text(status, "verdict", ""));
    if (is_text(status, "then", tm__then_names[TM_THEN_NOTHING])) {
        action = "nothing";
    } else if (is_text(status, "decision", "wait")) {
        action = "wait";
    } else if (is_text(status, "then", tm__then_names[TM_THEN_PROMOTE]) &&
               is_text(status, "decision", "treatment_better")) {
        st = promote(&a, &action, err);
    } else {
        st = end(&a, false, err);
    }
    if (st == TM_OK) {
        json_object_set_new(status, "action", json_string(action));
        json_object_set_new(status, "reason", json_string(a.reason));
        st = tm__json_check(err);
    }
    return st;
}
