/* SPDX-License-Identifier: Apache-2.0 */
/* A model's `monitor: {...}`: how often an alarm may be false, and who is told. */
#include <string.h>

#include "base/mem.h"
#include "cli/project_priv.h"

#define RECEIVERS_MAX 16u

/* "1 per month", "2 per week": the time of one in microseconds. */
static bool read_rate(tm_str text, int64_t *out_us) {
    static const struct {
        const char *word;
        int64_t days;
    } units[] = {{"day", 1}, {"week", 7}, {"month", 30}, {"year", 365}};
    tm_str rest = tm__str_trim(text);
    uint64_t n = 0;
    if (!tm__str_to_u64(tm__str_cut(&rest, ' '), &n) || n < 1 || n > 1000) {
        return false;
    }
    rest = tm__str_trim(rest);
    if (!tm__str_is(tm__str_cut(&rest, ' '), "per")) {
        return false;
    }
    rest = tm__str_trim(rest);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (tm__str_is(rest, units[i].word)) {
            *out_us = units[i].days * INT64_C(86400000000) / (int64_t)n;
            return true;
        }
    }
    return false;
}

static bool is_url(const char *text) {
    return strncmp(text, "https://", 8) == 0 || strncmp(text, "http://", 7) == 0;
}

static const char *const names[] = {"name", "webhook", "alertmanager", "secret_file", "ca_file"};
enum { NAME, WEBHOOK, ALERTMANAGER, SECRET_FILE, CA_FILE, N_NAMES };

static tm_status read_word(tm_yaml *r, const yaml_node_t *value, uint32_t i, json_t *receiver,
                           tm_err *err) {
    char *text = NULL;
    tm_status st = TM_OK;
    TM_TRY(tm__yaml_text(r, value, &text, err));
    if ((i == WEBHOOK || i == ALERTMANAGER) && !is_url(text)) {
        st = tm__yaml_bad_value(r, value, names[i], "an address such as https://host/path", err);
    }
    json_object_set_new(receiver, names[i], json_string(text));
    tm__mem_free(text);
    return st;
}

static tm_status check_receiver(tm_yaml *r, const yaml_node_t *node, const json_t *receiver,
                                const json_t *list, tm_err *err) {
    const char *const name = tm__json_text(receiver, "name", NULL);
    const bool hooks = json_object_get(receiver, "webhook") != NULL;
    const bool manager = json_object_get(receiver, "alertmanager") != NULL;
    const bool signs = json_object_get(receiver, "secret_file") != NULL;
    size_t i = 0;
    const json_t *other = NULL;
    tm_status st = TM_OK;
    if (name == NULL || hooks == manager || hooks != signs) {
        st = TM_FAIL(err, TM_E_DATA,
                     "a receiver has a name, and a webhook with its secret_file or an "
                     "alertmanager");
    }
    json_array_foreach(list, i, other) {
        if (st == TM_OK && strcmp(tm__json_text(other, "name", ""), name) == 0) {
            st = TM_FAIL(err, TM_E_DATA, "two receivers have the name '%.64s'", name);
        }
    }
    if (st != TM_OK) {
        tm__yaml_at(r, node, err);
    }
    return st;
}

static tm_status read_receiver(tm_yaml *r, const yaml_node_t *map, json_t *list, tm_err *err) {
    json_t *const receiver = json_object();
    tm_yaml_pairs p = tm__yaml_pairs(r, map, "alerts", names, N_NAMES);
    tm_status st = TM_OK;
    while (tm__yaml_next(&p, &st, err)) {
        st = read_word(r, p.value, p.name, receiver, err);
    }
    st = st == TM_OK ? check_receiver(r, map, receiver, list, err) : st;
    json_object_set_new(receiver, "dir", json_string(r->dir));
    json_array_append_new(list, receiver);
    return st;
}

static tm_status read_receivers(tm_yaml *r, const yaml_node_t *node, json_t *into, const char *key,
                                tm_err *err) {
    json_t *const list = json_array();
    json_object_set_new(into, key, list);
    if (node->type != YAML_SEQUENCE_NODE) {
        return tm__yaml_bad_value(r, node, key, "a list of receivers", err);
    }
    for (const yaml_node_item_t *i = node->data.sequence.items.start;
         i < node->data.sequence.items.top; i++) {
        if (json_array_size(list) >= RECEIVERS_MAX) {
            return tm__yaml_bad_value(r, node, key, "at most 16 receivers", err);
        }
        TM_TRY(read_receiver(r, yaml_document_get_node(&r->document, *i), list, err));
    }
    return TM_OK;
}

tm_status tm__project_read_webhooks(tm_yaml *r, const yaml_node_t *node, json_t *recipe,
                                    tm_err *err) {
    const json_t *item = NULL;
    size_t i = 0;
    TM_TRY(read_receivers(r, node, recipe, "webhooks", err));
    json_array_foreach(json_object_get(recipe, "webhooks"), i, item) {
        if (json_object_get(item, "webhook") == NULL) {
            return tm__yaml_bad_value(r, node, "webhooks", "receivers that are webhooks", err);
        }
    }
    return TM_OK;
}

tm_status tm__project_read_monitor(tm_yaml *r, const yaml_node_t *map, json_t *recipe,
                                   tm_err *err) {
    static const char *const keys[] = {"false_alarms", "alerts"};
    json_t *const monitor = json_object();
    int64_t us = 0;
    json_object_set_new(recipe, "monitor", monitor);
    tm_yaml_pairs p = tm__yaml_pairs(r, map, "monitor", keys, 2);
    tm_status st = TM_OK;
    while (tm__yaml_next(&p, &st, err)) {
        if (p.name == 1) {
            st = read_receivers(r, p.value, monitor, "receivers", err);
        } else if (p.value->type != YAML_SCALAR_NODE || !read_rate(tm__yaml_scalar(p.value), &us)) {
            st = tm__yaml_bad_value(r, p.value, keys[0],
                                    "a rate such as '1 per month' or '2 per week'", err);
        } else {
            json_object_set_new(monitor, "false_alarm_us", json_integer(us));
        }
    }
    return st;
}
