/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/project_triggers.h"

#include "base/json.h"

bool tm__recipe_reads_source(const json_t *recipe) {
    return tm__json_text(json_object_get(recipe, "source"), "source", NULL) != NULL;
}

json_t *tm__project_unfed(const tm_project *project) {
    json_t *const list = json_array();
    for (uint32_t i = 0; i < project->n_models; i++) {
        const tm_project_model *const model = &project->models[i];
        const json_t *const retrain = json_object_get(model->recipe, "retrain");
        if (tm__recipe_reads_source(model->recipe)) {
            continue;
        }
        if (json_object_get(retrain, "new_rows") != NULL) {
            json_array_append_new(
                list, json_pack("{s:s, s:s}", "model", model->name, "trigger", "new_rows"));
        }
        if (tm__json_has_text(json_object_get(retrain, "on"), "schema")) {
            json_array_append_new(
                list, json_pack("{s:s, s:s}", "model", model->name, "trigger", "schema"));
        }
    }
    return list;
}
