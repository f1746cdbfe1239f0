/* SPDX-License-Identifier: Apache-2.0 */
/* A model's `rollout: {...}`: by what steps its versions come (registry/rollout.h). */
#include "base/mem.h"
#include "cli/project_priv.h"
#include "registry/rollout.h"

static const char *const names[] = {"errors", "latency", "drift", "metric",
                                    "shadow", "rows",    "hold",  "steps"};
enum { ERRORS, LATENCY, DRIFT, METRIC, SHADOW, ROWS, HOLD, STEPS, N_NAMES };

static tm_status read_number(tm_yaml *r, const yaml_node_t *value, uint32_t i, json_t *into,
                             tm_err *err) {
    char *text = NULL;
    double number = 0;
    int64_t us = 0;
    if (i == HOLD) {
        TM_TRY(tm__yaml_time(r, value, names[i], 0, "10m", &us, err));
        json_object_set_new(into, "hold_seconds", tm__json_number((double)us / 1e6));
        return TM_OK;
    }
    TM_TRY(tm__yaml_text(r, value, &text, err));
    const bool ok = tm__str_to_f64(tm__str(text), &number);
    tm__mem_free(text);
    json_object_set_new(into, names[i], tm__json_number(number));
    return ok ? TM_OK : tm__yaml_bad_value(r, value, names[i], "a number, 0 or more", err);
}

static tm_status read_steps(tm_yaml *r, const yaml_node_t *value, json_t *into, tm_err *err) {
    json_t *const steps = json_array();
    json_object_set_new(into, "steps", steps);
    if (value->type != YAML_SEQUENCE_NODE) {
        return tm__yaml_bad_value(r, value, "steps", "a list such as [1, 10, 50, 100]", err);
    }
    for (const yaml_node_item_t *item = value->data.sequence.items.start;
         item < value->data.sequence.items.top; item++) {
        const yaml_node_t *const node = yaml_document_get_node(&r->document, *item);
        double percent = 0;
        if (node->type != YAML_SCALAR_NODE || !tm__str_to_f64(tm__yaml_scalar(node), &percent)) {
            return tm__yaml_bad_value(r, node, "steps", "percent", err);
        }
        json_array_append_new(steps, tm__json_number(percent));
    }
    return TM_OK;
}

static tm_status read_terms(tm_yaml *r, const yaml_node_t *map, json_t *said, tm_rollout_terms *out,
                            tm_err *err) {
    json_t *const guard = json_object();
    json_object_set_new(said, "guard", guard);
    tm_yaml_pairs p = tm__yaml_pairs(r, map, "rollout", names, N_NAMES);
    tm_status st = TM_OK;
    while (tm__yaml_next(&p, &st, err)) {
        st = p.name == STEPS
                 ? read_steps(r, p.value, said, err)
                 : read_number(r, p.value, p.name, p.name <= METRIC ? guard : said, err);
    }
    TM_TRY(st);
    TM_TRY(tm__json_check(err));
    *out = tm__rollout_default();
    if (tm__rollout_terms_read(said, out, err) == TM_OK) {
        return TM_OK;
    }
    if (err != NULL) {
        err->status = TM_E_DATA; /* a wrong word on the command line, a wrong value in a file */
    }
    tm__yaml_at(r, map, err);
    return TM_E_DATA;
}

tm_status tm__project_read_rollout(tm_yaml *r, const yaml_node_t *map, json_t *recipe,
                                   tm_err *err) {
    tm_rollout_terms terms;
    json_t *said = json_object();
    const tm_status st = read_terms(r, map, said, &terms, err);
    json_decref(said);
    TM_TRY(st);
    json_t *whole = tm__rollout_terms_json(&terms);
    json_object_del(whole, "forced"); /* nobody declares that a gate is overridden */
    json_object_set_new(recipe, "rollout", whole);
    return tm__json_check(err);
}
