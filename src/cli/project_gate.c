/* SPDX-License-Identifier: Apache-2.0 */
/* A model's `gate: {...}`: what a new version must meet. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "cli/project_priv.h"
#include "metric/metric.h"

#define LOAD_SECONDS_MAX 60.0

static tm_status read_number(const tm_yaml *r, const yaml_node_t *node, const char *key,
                             double *out, tm_err *err) {
    char *text = NULL;
    TM_TRY(tm__yaml_text(r, node, &text, err));
    const bool is_number = tm__str_to_f64(tm__str(text), out) && isfinite(*out);
    tm__mem_free(text);
    return is_number ? TM_OK : tm__yaml_bad_value(r, node, key, "a number", err);
}

static tm_status read_limit(const tm_yaml *r, const yaml_node_t *node, const char *key, double *out,
                            tm_err *err) {
    TM_TRY(read_number(r, node, key, out, err));
    return *out > 0 ? TM_OK : tm__yaml_bad_value(r, node, key, "a number over 0", err);
}

/* {auc: 0.7, logloss: 0.4}: floors (of losses: ceilings). */
static tm_status read_floors(tm_yaml *r, const yaml_node_t *map, const char *key,
                             tm_gate_floor *out, uint32_t *out_n, tm_err *err) {
    const uint32_t n = tm__yaml_count(map);
    tm_yaml_pairs p = tm__yaml_pairs(r, map, key, NULL, 0);
    tm_status st = TM_OK;
    *out_n = 0;
    if (map->type == YAML_MAPPING_NODE && (n == 0 || n > TM_GATE_FLOORS_MAX)) {
        return tm__yaml_bad_value(r, map, key, "one to eight scores such as {auc: 0.7}", err);
    }
    while (tm__yaml_next(&p, &st, err)) {
        tm_gate_floor *const floor = &out[(*out_n)++];
        (void)tm__str_copy(floor->metric, sizeof(floor->metric), tm__yaml_scalar(p.key));
        if (tm__metric_find(floor->metric) == NULL) {
            return tm__yaml_bad_metric(r, p.key, floor->metric, err);
        }
        st = read_number(r, p.value, floor->metric, &floor->value, err);
    }
    return st;
}

static tm_status read_column(const tm_yaml *r, const yaml_node_t *node, const char *key, char *out,
                             tm_err *err) {
    char *text = NULL;
    TM_TRY(tm__yaml_text(r, node, &text, err));
    const bool fits = text[0] != '\0' && tm__str_copy(out, TM_GATE_COLUMN, tm__str(text));
    tm__mem_free(text);
    return fits ? TM_OK : tm__yaml_bad_value(r, node, key, "the name of a column", err);
}

static tm_status read_slices(tm_yaml *r, const yaml_node_t *node, tm_gate *gate, tm_err *err) {
    if (node->type != YAML_SEQUENCE_NODE) {
        return tm__yaml_bad_value(r, node, "slices", "a list of columns", err);
    }
    for (const yaml_node_item_t *i = node->data.sequence.items.start;
         i < node->data.sequence.items.top; i++) {
        if (gate->n_slices == TM_GATE_COLUMNS_MAX) {
            return tm__yaml_bad_value(r, node, "slices", "at most eight columns", err);
        }
        TM_TRY(read_column(r, yaml_document_get_node(&r->document, *i), "slices",
                           gate->slices[gate->n_slices], err));
        gate->n_slices++;
    }
    return TM_OK;
}

/* {group: sex, ratio: 0.8} */
static tm_status read_fairness(tm_yaml *r, const yaml_node_t *map, tm_gate *gate, tm_err *err) {
    static const char *const parts[] = {"group", "ratio"};
    gate->fair_ratio = 0.8;
    tm_yaml_pairs p = tm__yaml_pairs(r, map, "fairness", parts, 2);
    tm_status st = TM_OK;
    while (tm__yaml_next(&p, &st, err)) {
        st = p.name == 0 ? read_column(r, p.value, parts[0], gate->fair_group, err)
                         : read_limit(r, p.value, parts[1], &gate->fair_ratio, err);
    }
    TM_TRY(st);
    return gate->fair_group[0] != '\0' && gate->fair_ratio <= 1
               ? TM_OK
               : tm__yaml_bad_value(r, map, "fairness", "a group, and a ratio up to 1", err);
}

static tm_status read_memory(const tm_yaml *r, const yaml_node_t *node, tm_gate *gate,
                             tm_err *err) {
    char *text = NULL;
    TM_TRY(tm__yaml_text(r, node, &text, err));
    const bool is_size =
        tm__str_to_bytes(tm__str(text), &gate->memory_bytes_max) && gate->memory_bytes_max > 0;
    tm__mem_free(text);
    return is_size ? TM_OK : tm__yaml_bad_value(r, node, "memory", "a size such as 200M", err);
}

/* "5ms" */
static tm_status read_time(const tm_yaml *r, const yaml_node_t *node, const char *key, double *out,
                           tm_err *err) {
    int64_t us = 0;
    TM_TRY(tm__yaml_time(r, node, key, 1, "5ms or 3s", &us, err));
    *out = (double)us;
    return TM_OK;
}

/* {rows_per_second: 1000, p99: 5ms, seconds: 3} */
static tm_status read_load(tm_yaml *r, const yaml_node_t *map, tm_gate *gate, tm_err *err) {
    static const char *const parts[] = {"rows_per_second", "p99", "seconds"};
    double *const numbers[] = {&gate->load_rate, NULL, &gate->load_seconds};
    tm_yaml_pairs p = tm__yaml_pairs(r, map, "load", parts, 3);
    tm_status st = TM_OK;
    while (tm__yaml_next(&p, &st, err)) {
        st = numbers[p.name] == NULL ? read_time(r, p.value, parts[p.name], &gate->load_p99_us, err)
                                     : read_limit(r, p.value, parts[p.name], numbers[p.name], err);
    }
    TM_TRY(st);
    const double seconds = gate->load_seconds > 0 ? gate->load_seconds : TM_GATE_LOAD_SECONDS;
    return gate->load_rate > 0 && seconds <= LOAD_SECONDS_MAX &&
                   gate->load_rate * seconds <= TM_GATE_LOAD_ROWS_MAX
               ? TM_OK
               : tm__yaml_bad_value(r, map, "load",
                                    "rows_per_second, for at most 60 seconds and 5000000 rows",
                                    err);
}

/* {at_least: 0.3, after: 7d} */
static tm_status read_coverage(tm_yaml *r, const yaml_node_t *map, tm_gate *gate, tm_err *err) {
    static const char *const parts[] = {"at_least", "after"};
    tm_yaml_pairs p = tm__yaml_pairs(r, map, "coverage", parts, 2);
    tm_status st = TM_OK;
    while (tm__yaml_next(&p, &st, err)) {
        st = p.name == 0 ? read_limit(r, p.value, parts[0], &gate->coverage_min, err)
                         : read_time(r, p.value, parts[1], &gate->coverage_after_us, err);
    }
    TM_TRY(st);
    return gate->coverage_min > 0 && gate->coverage_min <= 1 && gate->coverage_after_us > 0
               ? TM_OK
               : tm__yaml_bad_value(r, map, "coverage",
                                    "a share up to 1 as 'at_least', and a time as 'after'", err);
}

enum {
    BETTER_THAN,
    BY,
    METRIC,
    MIN,
    SURE,
    SLICES,
    SLICE_MIN,
    CALIBRATION,
    FAIRNESS,
    LATENCY,
    MEMORY,
    LOAD,
    COVERAGE,
    N_NAMES
};
static const char *const names[N_NAMES] = {
    "better_than",       "by",       "metric",     "min",    "sure", "slices",  "slice_min",
    "calibration_error", "fairness", "latency_us", "memory", "load", "coverage"};

static tm_status read_word(tm_yaml *r, uint32_t name, const yaml_node_t *value, tm_gate *gate,
                           tm_err *err) {
    const tm_str text = value->type == YAML_SCALAR_NODE ? tm__yaml_scalar(value) : (tm_str){"", 0};
    if (name == BETTER_THAN) {
        gate->better_than_champion = tm__str_is(text, "champion");
        return gate->better_than_champion
                   ? TM_OK
                   : tm__yaml_bad_value(r, value, "better_than", "the word champion", err);
    }
    if (name == METRIC) {
        return tm__str_copy(gate->metric, sizeof(gate->metric), text) &&
                       tm__metric_find(gate->metric) != NULL
                   ? TM_OK
                   : tm__yaml_bad_value(r, value, "metric", "the name of a score", err);
    }
    gate->is_sure = tm__str_is(text, "true");
    return gate->is_sure || tm__str_is(text, "false")
               ? TM_OK
               : tm__yaml_bad_value(r, value, "sure", "true or false", err);
}

static tm_status read_one(tm_yaml *r, uint32_t name, const yaml_node_t *value, tm_gate *gate,
                          tm_err *err) {
    switch (name) {
    case BY:
        TM_TRY(read_number(r, value, "by", &gate->by, err));
        return gate->by >= 0 ? TM_OK : tm__yaml_bad_value(r, value, "by", "0 or more", err);
    case MIN:
        return read_floors(r, value, "min", gate->floors, &gate->n_floors, err);
    case SLICES:
        return read_slices(r, value, gate, err);
    case SLICE_MIN:
        return read_floors(r, value, "slice_min", gate->slice_floors, &gate->n_slice_floors, err);
    case CALIBRATION:
        return read_limit(r, value, "calibration_error", &gate->calibration_max, err);
    case FAIRNESS:
        return read_fairness(r, value, gate, err);
    case LATENCY:
        return read_limit(r, value, "latency_us", &gate->latency_us_max, err);
    case MEMORY:
        return read_memory(r, value, gate, err);
    case LOAD:
        return read_load(r, value, gate, err);
    case COVERAGE:
        return read_coverage(r, value, gate, err);
    default:
        return read_word(r, name, value, gate, err);
    }
}

tm_status tm__project_read_gate(tm_yaml *r, const yaml_node_t *map, tm_gate *out, tm_err *err) {
    tm_yaml_pairs p = tm__yaml_pairs(r, map, "gate", names, N_NAMES);
    tm_status st = TM_OK;
    while (tm__yaml_next(&p, &st, err)) {
        st = read_one(r, p.name, p.value, out, err);
    }
    return st;
}

static bool has_score(const char *name, tm_task task) {
    const tm_metric_ops *const metric = tm__metric_find(name);
    return name[0] == '\0' || (metric != NULL && (metric->tasks & (1u << task)) != 0);
}

static const char *floor_misfit(const tm_gate_floor *floors, uint32_t n, tm_task task) {
    for (uint32_t i = 0; i < n; i++) {
        if (!has_score(floors[i].metric, task)) {
            return floors[i].metric;
        }
    }
    return NULL;
}

const char *tm__project_gate_misfit(const tm_gate *gate, tm_task task) {
    const char *const own = floor_misfit(gate->floors, gate->n_floors, task);
    const char *const of_slices = floor_misfit(gate->slice_floors, gate->n_slice_floors, task);
    return !has_score(gate->metric, task) ? gate->metric
           : own != NULL                  ? own
           : of_slices != NULL            ? of_slices
           : task == TM_TASK_BINARY       ? NULL
           : gate->calibration_max > 0    ? "calibration_error"
           : gate->fair_group[0] != '\0'  ? "fairness"
                                          : NULL;
}
