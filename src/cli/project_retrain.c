/* SPDX-License-Identifier: Apache-2.0 */
/* A model's `retrain: {...}`: when `tidemill run` learns again (loop/loop_trigger.h). */
#include <math.h>

#include "base/mem.h"
#include "cli/project_priv.h"
#include "loop/loop_choice.h"
#include "loop/loop_how.h"

static const char *const words[] = {"drift", "performance", "schema"};
#define N_WORDS (sizeof(words) / sizeof(words[0]))

typedef enum kind { SECONDS, COUNT, NUMBER, WORDS, WINDOW, HOW, SWITCH } kind;
static const struct {
    const char *name, *member;
    kind kind;
    int64_t least;      /* seconds or rows */
    const char *wanted; /* of seconds: an example */
} terms[] = {
    {"every", "every_s", SECONDS, 1, "15m, 24h or 7d"},
    {"on", "on", WORDS, 0, "a list of drift, performance and schema"},
    {"new_rows", "new_rows", COUNT, 1, "a number of rows, 1 or more"},
    {"new_labels", "new_labels", COUNT, 1, "a number of labels, 1 or more"},
    {"worse_than", "worse_than", NUMBER, 0, "a value of the model's metric"},
    {"drift_cost", "drift_cost", NUMBER, 0, "a growth of the expected loss, over 0"},
    {"cool_down", "cool_down_s", SECONDS, 0, "1h"},
    {"per_day", "per_day_s", SECONDS, 1, "2h"},
    {"watch", "watch", COUNT, 0, "a number of labels, 0 for none"},
    {"consent", "consent", SWITCH, 0, "true or false"},
    {"how", "how", HOW, 0, "recipe, trees, update, policy or auto"},
    {"window", "window", WINDOW, 0, "all, sliding, weighted, cut, auto, or sliding:5000"},
};
#define N_TERMS (sizeof(terms) / sizeof(terms[0]))

static tm_status read_words(tm_yaml *r, const yaml_node_t *value, json_t *list, tm_err *err) {
    if (value->type != YAML_SEQUENCE_NODE) {
        return tm__yaml_bad_value(r, value, "on", "a list such as [drift, performance]", err);
    }
    for (const yaml_node_item_t *item = value->data.sequence.items.start;
         item < value->data.sequence.items.top; item++) {
        const yaml_node_t *const node = yaml_document_get_node(&r->document, *item);
        uint32_t k = 0;
        while (k < N_WORDS && !tm__str_is(tm__yaml_scalar(node), words[k])) {
            k++;
        }
        if (k == N_WORDS) {
            return tm__yaml_bad_value(r, node, "on", "one of drift, performance and schema", err);
        }
        json_array_append_new(list, json_string(words[k]));
    }
    return TM_OK;
}

static bool read_window(tm_str text, json_t *retrain) {
    char window[32];
    tm_window_ask ask;
    const bool ok =
        tm__str_copy(window, sizeof(window), text) && tm__window_ask(window, &ask, NULL) == TM_OK;
    json_object_set_new(retrain, "window", json_string(ok ? window : ""));
    return ok;
}

static bool read_how(tm_str text, json_t *retrain) {
    char how[16];
    tm_turn_how way;
    const bool ok = tm__str_copy(how, sizeof(how), text) && tm__how_ask(how, &way, NULL) == TM_OK;
    json_object_set_new(retrain, "how", json_string(ok ? how : ""));
    return ok;
}

static tm_status read_term(tm_yaml *r, const yaml_node_t *value, size_t i, json_t *retrain,
                           tm_err *err) {
    const tm_str text = tm__yaml_scalar(value);
    int64_t us = 0;
    uint64_t n = 0;
    double number = 0;
    bool ok = false;
    if (terms[i].kind == WORDS) {
        json_t *const list = json_array();
        json_object_set_new(retrain, terms[i].member, list);
        return read_words(r, value, list, err);
    }
    if (value->type == YAML_SCALAR_NODE && terms[i].kind == SECONDS) {
        TM_TRY(tm__yaml_time(r, value, terms[i].name, terms[i].least * 1000000, terms[i].wanted,
                             &us, err));
        ok = true;
        json_object_set_new(retrain, terms[i].member, json_integer(us / 1000000));
    } else if (value->type == YAML_SCALAR_NODE && terms[i].kind == COUNT) {
        ok = tm__str_to_u64(text, &n) && n >= (uint64_t)terms[i].least && n <= INT64_MAX;
        json_object_set_new(retrain, terms[i].member, json_integer((json_int_t)n));
    } else if (value->type == YAML_SCALAR_NODE && terms[i].kind == SWITCH) {
        ok = tm__str_is(text, "true") || tm__str_is(text, "false");
        json_object_set_new(retrain, terms[i].member, json_boolean(tm__str_is(text, "true")));
    } else if (value->type == YAML_SCALAR_NODE && terms[i].kind == WINDOW) {
        ok = read_window(text, retrain);
    } else if (value->type == YAML_SCALAR_NODE && terms[i].kind == HOW) {
        ok = read_how(text, retrain);
    } else if (value->type == YAML_SCALAR_NODE) {
        ok = tm__str_to_f64(text, &number) && isfinite(number);
        json_object_set_new(retrain, terms[i].member, json_real(ok ? number : 0));
    }
    return ok ? TM_OK : tm__yaml_bad_value(r, value, terms[i].name, terms[i].wanted, err);
}

/* What is asked for and could never be. */
static tm_status check(tm_yaml *r, const yaml_node_t *map, const json_t *retrain, tm_err *err) {
    if (json_object_get(retrain, "drift_cost") != NULL &&
        !tm__json_has_text(json_object_get(retrain, "on"), "drift")) {
        return tm__yaml_bad_value(r, map, "drift_cost", "with `on: [drift]`", err);
    }
    return TM_OK;
}

tm_status tm__project_read_retrain(tm_yaml *r, const yaml_node_t *map, json_t *recipe,
                                   tm_err *err) {
    const char *names[N_TERMS];
    json_t *const retrain = json_object();
    json_object_set_new(recipe, "retrain", retrain);
    for (size_t i = 0; i < N_TERMS; i++) {
        names[i] = terms[i].name;
    }
    tm_yaml_pairs p = tm__yaml_pairs(r, map, "retrain", names, N_TERMS);
    tm_status st = TM_OK;
    while (tm__yaml_next(&p, &st, err)) {
        st = read_term(r, p.value, p.name, retrain, err);
    }
    TM_TRY(st);
    return check(r, map, retrain, err);
}
