/* SPDX-License-Identifier: Apache-2.0 */
/* Retrainings that came to nothing because too few answers have a label, and since when. */
#include <string.h>

#include "cli/status_read.h"
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

tm_status tm__status_labels(const tm_place *place, const char *model, json_t **out, tm_err *err) {
    tm_gate gate;
    json_t *turns = NULL;
    size_t i = 0;
    const json_t *turn = NULL, *newest = NULL, *first = NULL;
    *out = json_null();
    TM_TRY(tm__registry_gate(place->registry, model, &gate, err));
    if (!tm__gate_needs_coverage(&gate)) {
        return TM_OK;
    }
    TM_TRY(tm__turn_list(place->registry, model, TURNS_MAX, &turns, err));
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
