/* SPDX-License-Identifier: Apache-2.0 */
/* A model's `labels: {...}`: when they are known, how far before them answers may lie, whose rows
 * with a target are, and the source whose rows labels are. */
#include "base/limits.h"
#include "base/mem.h"
#include "cli/project_priv.h"

static const char *const names[] = {"delay",  "within", "origin", "source",  "id",
                                    "entity", "time",   "label",  "known_at"};
enum { DELAY, WITHIN, ORIGIN, SOURCE, ID, ENTITY, TIME, LABEL, KNOWN_AT, N_NAMES };

static tm_status read_span(const tm_yaml *r, const yaml_node_t *value, uint32_t i, json_t *labels,
                           tm_err *err) {
    static const char *const members[] = {"delay_us", "within_us"};
    int64_t us = 0;
    TM_TRY(tm__yaml_time(r, value, names[i], 0, "15m, 24h or 7d", &us, err));
    json_object_set_new(labels, members[i], json_integer(us));
    return TM_OK;
}

static tm_status read_name(tm_yaml *r, const yaml_node_t *value, uint32_t i, json_t *labels,
                           tm_err *err) {
    char *text = NULL;
    TM_TRY(tm__yaml_text(r, value, &text, err));
    const size_t len = tm__str(text).len;
    const bool ok = len > 0 && len <= TM_MAX_NAME;
    if (ok) {
        json_object_set_new(labels, names[i], json_string(text));
    }
    tm__mem_free(text);
    return ok ? TM_OK
              : tm__yaml_bad_value(r, value, names[i],
                                   i == SOURCE ? "the name of a source" : "the name of a column",
                                   err);
}

/* What says how to read a source says nothing without one. */
static tm_status check(const tm_yaml *r, const yaml_node_t *map, const json_t *labels,
                       tm_err *err) {
    tm_status st = TM_OK;
    for (uint32_t i = ID; i < N_NAMES && st == TM_OK; i++) {
        if (json_object_get(labels, names[i]) != NULL &&
            json_object_get(labels, names[SOURCE]) == NULL) {
            st = TM_FAIL(err, TM_E_DATA,
                         "'%s' of labels is a column of a source, and none is named", names[i]);
            tm_err_hint(err, "Add 'source: NAME': labels are read from its rows.");
        }
    }
    if (st == TM_OK && json_object_get(labels, names[ID]) != NULL &&
        json_object_get(labels, names[ENTITY]) != NULL) {
        st = TM_FAIL(err, TM_E_DATA, "labels have both an 'id' and an 'entity'");
        tm_err_hint(err, "Say by which of both they join their answer.");
    }
    if (st == TM_OK && json_object_get(labels, names[TIME]) != NULL &&
        json_object_get(labels, names[ENTITY]) == NULL) {
        st = TM_FAIL(err, TM_E_DATA, "'time' is for labels by 'entity'");
        tm_err_hint(err, "Name the column with what an answer was about as 'entity'.");
    }
    if (st != TM_OK) {
        tm__yaml_at(r, map, err);
    }
    return st;
}

tm_status tm__project_read_labels(tm_yaml *r, const yaml_node_t *map, json_t *recipe, tm_err *err) {
    json_t *const labels = json_object();
    json_object_set_new(recipe, "labels", labels);
    tm_yaml_pairs p = tm__yaml_pairs(r, map, "labels", names, N_NAMES);
    tm_status st = TM_OK;
    while (tm__yaml_next(&p, &st, err)) {
        st = p.name <= WITHIN ? read_span(r, p.value, p.name, labels, err)
                              : read_name(r, p.value, p.name, labels, err);
    }
    TM_TRY(st);
    return check(r, map, labels, err);
}
