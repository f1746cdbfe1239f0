/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "metric/threshold_cells.h"
#include "registry/registry.h"

static const char *rule_of(const json_t *recipe) {
    return tm__json_text(recipe, "threshold", "");
}

/* Costs go by calibrated answers, a value by itself, a capacity by what the version keeps of its
 * validation rows. */
static tm_status find(const tm_threshold_rule *rule, const json_t *info, tm_threshold *out) {
    const tm_called_rows none = {0};
    return rule->kind == TM_RULE_COST || rule->kind == TM_RULE_VALUE
               ? tm__threshold_find(rule, &none, out, NULL)
               : tm__threshold_of_cells(
                     rule, json_object_get(json_object_get(info, "threshold"), "cells"), out, NULL);
}

double tm__registry_threshold(const json_t *recipe, const json_t *info) {
    const double own = tm__json_f64(json_object_get(info, "threshold"), "value", 0.5);
    const char *const text = rule_of(recipe);
    tm_threshold_rule rule;
    tm_threshold found;
    if (text[0] == '\0' || strcmp(text, rule_of(json_object_get(info, "recipe"))) == 0 ||
        tm__threshold_parse(text, &rule, NULL) != TM_OK || find(&rule, info, &found) != TM_OK) {
        return own;
    }
    return found.value;
}
