/* SPDX-License-Identifier: Apache-2.0 */
/* A gate as it is stored with its model: only what is asked is a member. */
#include <math.h>
#include <string.h>

#include "metric/metric.h"
#include "registry/registry_priv.h"

/* ---- What cannot be asked ---- */

static tm_status valid_metric(const char *name, tm_err *err) {
    if (name[0] == '\0' || tm__metric_find(name) != NULL) {
        return TM_OK;
    }
    const tm_status st = TM_FAIL(err, TM_E_USAGE, "a gate names the metric '%s'", name);
    tm_err_hint(err, "Use a metric such as auc, logloss, accuracy, rmse, mae or r2.");
    return st;
}

static tm_status valid_floors(const tm_gate_floor *floors, uint32_t n, tm_err *err) {
    for (uint32_t i = 0; i < n; i++) {
        TM_TRY(valid_metric(floors[i].metric, err));
        if (floors[i].metric[0] == '\0' || !isfinite(floors[i].value)) {
            return TM_FAIL(err, TM_E_USAGE, "a gate's floor is no number");
        }
    }
    return TM_OK;
}

tm_status tm__gate_valid(const tm_gate *gate, tm_err *err) {
    const double limits[] = {gate->by,
                             gate->calibration_max,
                             gate->fair_ratio,
                             gate->latency_us_max,
                             gate->load_rate,
                             gate->load_p99_us,
                             gate->load_seconds,
                             gate->coverage_min,
                             gate->coverage_after_us};
    TM_TRY(valid_metric(gate->metric, err));
    TM_TRY(valid_floors(gate->floors, gate->n_floors, err));
    TM_TRY(valid_floors(gate->slice_floors, gate->n_slice_floors, err));
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        if (!isfinite(limits[i]) || limits[i] < 0) {
            return TM_FAIL(err, TM_E_USAGE,
                           i == 0 ? "a gate's 'by' is negative or not a number"
                                  : "a gate's limit is negative or not a number");
        }
    }
    if (gate->coverage_min > 1) {
        return TM_FAIL(err, TM_E_USAGE, "a gate's coverage is over 1");
    }
    const double seconds = gate->load_seconds > 0 ? gate->load_seconds : TM_GATE_LOAD_SECONDS;
    return gate->load_rate * seconds <= TM_GATE_LOAD_ROWS_MAX
               ? TM_OK
               : TM_FAIL(err, TM_E_USAGE, "a gate's load is of more than %.0f rows",
                         TM_GATE_LOAD_ROWS_MAX);
}

/* ---- JSON ---- */

static void put_floors(json_t *object, const char *name, const tm_gate_floor *floors, uint32_t n) {
    json_t *map = json_object();
    for (uint32_t i = 0; i < n; i++) {
        json_object_set_new(map, floors[i].metric, tm__json_number(floors[i].value));
    }
    if (n > 0) {
        json_object_set(object, name, map);
    }
    json_decref(map);
}

static void put_number(json_t *object, const char *name, double value) {
    if (value > 0) {
        json_object_set_new(object, name, tm__json_number(value));
    }
}

json_t *tm__gate_to_json(const tm_gate *gate) {
    json_t *object = json_object(), *slices = json_array();
    if (gate->better_than_champion) {
        json_object_set_new(object, "better_than", json_string("champion"));
        json_object_set_new(object, "by", tm__json_number(gate->by));
    }
    if (gate->metric[0] != '\0') {
        json_object_set_new(object, "metric", json_string(gate->metric));
    }
    put_floors(object, "min", gate->floors, gate->n_floors);
    if (gate->is_sure) {
        json_object_set_new(object, "sure", json_true());
    }
    for (uint32_t i = 0; i < gate->n_slices; i++) {
        json_array_append_new(slices, json_string(gate->slices[i]));
    }
    if (gate->n_slices > 0) {
        json_object_set(object, "slices", slices);
    }
    json_decref(slices);
    put_floors(object, "slice_min", gate->slice_floors, gate->n_slice_floors);
    put_number(object, "calibration_error", gate->calibration_max);
    if (gate->fair_group[0] != '\0') {
        json_object_set_new(object, "fairness",
                            json_pack("{s:s, s:o}", "group", gate->fair_group, "ratio",
                                      tm__json_number(gate->fair_ratio)));
    }
    put_number(object, "latency_us", gate->latency_us_max);
    put_number(object, "memory_bytes", (double)gate->memory_bytes_max);
    if (gate->load_rate > 0) {
        json_t *load = json_object();
        put_number(load, "rows_per_second", gate->load_rate);
        put_number(load, "p99_us", gate->load_p99_us);
        put_number(load, "seconds", gate->load_seconds);
        json_object_set_new(object, "load", load);
    }
    if (gate->coverage_min > 0) {
        json_t *coverage = json_object();
        put_number(coverage, "at_least", gate->coverage_min);
        put_number(coverage, "after_us", gate->coverage_after_us);
        json_object_set_new(object, "coverage", coverage);
    }
    return object;
}

bool tm__gate_is_same(const tm_gate *a, const tm_gate *b) {
    json_t *const of_a = tm__gate_to_json(a), *const of_b = tm__gate_to_json(b);
    const bool is_same = json_equal(of_a, of_b);
    json_decref(of_a);
    json_decref(of_b);
    return is_same;
}

static uint32_t get_floors(const json_t *map, tm_gate_floor *out) {
    const char *name = NULL;
    json_t *value = NULL;
    uint32_t n = 0;
    json_object_foreach((json_t *)(uintptr_t)map, name, value) {
        if (n < TM_GATE_FLOORS_MAX &&
            tm__str_copy(out[n].metric, sizeof(out[n].metric), tm__str(name))) {
            out[n++].value = json_number_value(value);
        }
    }
    return n;
}

void tm__gate_from_json(const json_t *json, tm_gate *out) {
    tm_gate gate = {0};
    const json_t *const slices = json_object_get(json, "slices");
    const json_t *const fairness = json_object_get(json, "fairness");
    gate.better_than_champion = strcmp(tm__json_text(json, "better_than", ""), "champion") == 0;
    gate.by = tm__json_f64(json, "by", 0);
    (void)tm__str_copy(gate.metric, sizeof(gate.metric),
                       tm__str(tm__json_text(json, "metric", "")));
    gate.n_floors = get_floors(json_object_get(json, "min"), gate.floors);
    gate.is_sure = tm__json_bool(json, "sure", false);
    for (size_t i = 0; i < json_array_size(slices) && i < TM_GATE_COLUMNS_MAX; i++) {
        const char *const name = json_string_value(json_array_get(slices, i));
        if (name != NULL &&
            tm__str_copy(gate.slices[gate.n_slices], TM_GATE_COLUMN, tm__str(name))) {
            gate.n_slices++;
        }
    }
    gate.n_slice_floors = get_floors(json_object_get(json, "slice_min"), gate.slice_floors);
    gate.calibration_max = tm__json_f64(json, "calibration_error", 0);
    (void)tm__str_copy(gate.fair_group, sizeof(gate.fair_group),
                       tm__str(tm__json_text(fairness, "group", "")));
    gate.fair_ratio = tm__json_f64(fairness, "ratio", 0);
    gate.latency_us_max = tm__json_f64(json, "latency_us", 0);
    gate.memory_bytes_max = (uint64_t)tm__json_f64(json, "memory_bytes", 0);
    const json_t *const load = json_object_get(json, "load");
    gate.load_rate = tm__json_f64(load, "rows_per_second", 0);
    gate.load_p99_us = tm__json_f64(load, "p99_us", 0);
    gate.load_seconds = tm__json_f64(load, "seconds", 0);
    const json_t *const coverage = json_object_get(json, "coverage");
    gate.coverage_min = tm__json_f64(coverage, "at_least", 0);
    gate.coverage_after_us = tm__json_f64(coverage, "after_us", 0);
    *out = gate;
}
