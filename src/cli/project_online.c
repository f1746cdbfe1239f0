/* SPDX-License-Identifier: Apache-2.0 */
/* A model's `online: {...}`: how requests are answered from the online store. */
#include "base/mem.h"
#include "cli/project_priv.h"

static const char *const names[] = {"source", "max_lag", "late", "stale", "absent"};
enum { SOURCE, MAX_LAG, LATE, STALE, ABSENT, N_NAMES };

static tm_status read_word(tm_yaml *r, const yaml_node_t *value, const char *name, json_t *online,
                           tm_err *err) {
    char *text = NULL;
    TM_TRY(tm__yaml_text(r, value, &text, err));
    const tm_str word = tm__str(text);
    const bool is_choice = tm__str_is(word, "refuse") || tm__str_is(word, "missing");
    tm_status st = TM_OK;
    if (tm__str_is(tm__str(name), "source") || is_choice) {
        json_object_set_new(online, name, json_string(text));
    } else {
        st = tm__yaml_bad_value(r, value, name, "refuse or missing", err);
    }
    tm__mem_free(text);
    return st;
}

static tm_status read_key(tm_yaml *r, const yaml_node_t *value, uint32_t i, json_t *online,
                          tm_err *err) {
    int64_t us = 0;
    if (i != MAX_LAG && i != LATE) {
        return read_word(r, value, names[i], online, err);
    }
    TM_TRY(tm__yaml_time(r, value, names[i], i == MAX_LAG ? 1 : 0, "5m or 1h", &us, err));
    json_object_set_new(online, i == MAX_LAG ? "max_lag_us" : "late_us", json_integer(us));
    return TM_OK;
}

tm_status tm__project_read_online(tm_yaml *r, const yaml_node_t *map, json_t *recipe, tm_err *err) {
    json_t *const online = json_object();
    json_object_set_new(recipe, "online", online);
    tm_yaml_pairs p = tm__yaml_pairs(r, map, "online", names, N_NAMES);
    tm_status st = TM_OK;
    while (tm__yaml_next(&p, &st, err)) {
        st = read_key(r, p.value, p.name, online, err);
    }
    return st;
}
