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

tm_status tm__declared_log_policy(const char *text, tm_log_terms *out, tm_err *err) {
    *out = tm__log_terms_default;
    if (text != NULL && !tm__log_terms_parse(tm__str(text), out)) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "'%.40s' is no policy of the log", text);
        tm_err_hint(err, "Policies are drop, spill, sync and sample:SHARE, such as sample:0.1.");
        return st;
    }
    return TM_OK;
}
