/* SPDX-License-Identifier: Apache-2.0 */
/* A model's `columns: {...}`: what columns were called before, in which unit, and what becomes of
 * rows without them; see table/renames.h. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "cli/project_priv.h"
#include "table/renames.h"

enum { WAS, SCALE, OFFSET, MISSING, N_NAMES };
static const char *const names[N_NAMES] = {"was", "scale", "offset", "missing"};

/* salary, or [salary, pay] */
static tm_status read_was(tm_yaml *r, const yaml_node_t *node, json_t *rule, tm_err *err) {
    json_t *const list = json_array();
    char *text = NULL;
    json_object_set_new(rule, names[WAS], list);
    if (node->type == YAML_SCALAR_NODE) {
        TM_TRY(tm__yaml_text(r, node, &text, err));
        json_array_append_new(list, json_string(text));
        tm__mem_free(text);
        return TM_OK;
    }
    if (node->type != YAML_SEQUENCE_NODE) {
        return tm__yaml_bad_value(r, node, names[WAS], "names of columns", err);
    }
    for (const yaml_node_item_t *i = node->data.sequence.items.start;
         i < node->data.sequence.items.top; i++) {
        TM_TRY(tm__yaml_text(r, yaml_document_get_node(&r->document, *i), &text, err));
        json_array_append_new(list, json_string(text));
        tm__mem_free(text);
    }
    return TM_OK;
}

static tm_status read_value(const tm_yaml *r, const yaml_node_t *node, uint32_t name, json_t *rule,
                            tm_err *err) {
    double number = 0;
    char *text = NULL;
    TM_TRY(tm__yaml_text(r, node, &text, err));
    const bool is_number = tm__str_to_f64(tm__str(text), &number) && isfinite(number);
    tm_status st = TM_OK;
    if (name == MISSING) {
        json_object_set_new(rule, names[name], json_string(text));
    } else if (is_number) {
        json_object_set_new(rule, names[name], json_real(number));
    } else {
        st = tm__yaml_bad_value(r, node, names[name], "a number", err);
    }
    tm__mem_free(text);
    return st;
}

static tm_status read_rule(tm_yaml *r, const yaml_node_t *map, json_t *rule, tm_err *err) {
    tm_yaml_pairs p = tm__yaml_pairs(r, map, "columns", names, N_NAMES);
    tm_status st = TM_OK;
    while (tm__yaml_next(&p, &st, err)) {
        st = p.name == WAS ? read_was(r, p.value, rule, err)
                           : read_value(r, p.value, p.name, rule, err);
    }
    return st;
}

tm_status tm__project_read_columns(tm_yaml *r, const yaml_node_t *map, json_t *recipe,
                                   tm_err *err) {
    json_t *const rules = json_object();
    json_object_set_new(recipe, "columns", rules);
    tm_yaml_pairs p = tm__yaml_pairs(r, map, "columns", NULL, 0);
    tm_status st = TM_OK;
    while (tm__yaml_next(&p, &st, err)) {
        json_t *const rule = json_object();
        json_object_set_new(rules, tm__yaml_word(p.key), rule);
        TM_TRY(read_rule(r, p.value, rule, err));
        TM_TRY(tm__json_check(err));
        st = tm__renames_check(rules, err);
        if (st != TM_OK) {
            tm__yaml_at(r, p.key, err);
        }
    }
    return st;
}

/* Rules are of columns that a model reads; a column that plays another part has no other name. */
tm_status tm__project_check_columns(const char *model, const json_t *recipe, tm_err *err) {
    static const char *const parts[] = {"target", "time",  "entity",
                                        "weight", "group", "init_score"};
    const char *name = NULL;
    json_t *rule = NULL, *old = NULL;
    size_t k = 0;
    json_object_foreach(json_object_get(recipe, "columns"), name, rule) {
        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
            const char *const column = tm__json_text(recipe, parts[i], "");
            bool is_it = strcmp(column, name) == 0;
            json_array_foreach(json_object_get(rule, names[WAS]), k, old) {
                is_it = is_it || strcmp(column, json_string_value(old)) == 0;
            }
            if (is_it) {
                (void)TM_FAIL(err, TM_E_DATA, "'%.80s' is the %s of '%.80s', and cannot be renamed",
                              column, parts[i], model);
                tm_err_hint(err, "Rules of columns are for those that the model reads.");
                return TM_E_DATA;
            }
        }
    }
    return TM_OK;
}
