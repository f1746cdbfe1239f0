/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/declared_log.h"

tm_status tm__declared_log_read(const tm_current *current, tm_registry *registry,
                                tm_monitor *monitor, const tm_log_terms *otherwise, tm_err *err) {
    for (uint32_t i = 0; i < current->n; i++) {
        const char *const model = current->routes[i]->model;
        json_t *recipe = NULL;
        tm_log_terms terms = *otherwise;
        TM_TRY(tm__registry_recipe(registry, model, &recipe, err));
        tm__log_terms_read(json_object_get(recipe, "log"), &terms);
        json_decref(recipe);
        tm__monitor_declare(monitor, model, &terms);
    }
    return TM_OK;
}
