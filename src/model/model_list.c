/* SPDX-License-Identifier: Apache-2.0 */
/* Every learner, in one readable list: a new one is a folder and a line here. Those of users'
 * modules follow. */
#include "model/model.h"

#include <string.h>

#include "base/user_module.h"
#include "model/baseline/baseline.h"
#include "model/blend/blend.h"
#include "model/forest/forest.h"
#include "model/gbdt/gbdt.h"
#include "model/imported/imported.h"
#include "model/linear/linear.h"
#include "model/mlp/mlp.h"
#include "model/module/module_learner.h"
#include "model/offset/offset.h"

#define LEARNERS_MAX 16u /* of our own */

/* The rest is NULL. */
static const tm_model_ops *models[LEARNERS_MAX + TM_MAX_MODULES + 1] = {
    &tm__gbdt_ops, &tm__linear_ops, &tm__mlp_ops, &tm__baseline_ops, &tm__random_forest_ops,
};

const tm_model_ops *const *tm__model_list(void) {
    return models;
}

const tm_model_ops *tm__model_find(const char *name) {
    for (uint32_t i = 0; models[i] != NULL; i++) {
        if (strcmp(models[i]->name, name) == 0) {
            return models[i];
        }
    }
    /* Put together from others, or fitted elsewhere: files may hold one, nobody fits one by name.
     */
    return strcmp(tm__blend_ops.name, name) == 0      ? &tm__blend_ops
           : strcmp(tm__offset_ops.name, name) == 0   ? &tm__offset_ops
           : strcmp(tm__imported_ops.name, name) == 0 ? &tm__imported_ops
                                                      : NULL;
}

tm_status tm__model_add(const tm_user_module *module, tm_err *err) {
    const char *const name = module->table->name;
    uint32_t n = 0;
    if (module->table->learner == NULL) {
        return TM_OK;
    }
    const tm_model_ops *const known = tm__model_find(name);
    if (known != NULL && tm__module_of(known) == module) {
        return TM_OK;
    }
    if (known != NULL) {
        (void)TM_FAIL(err, TM_E_CONFLICT, "module '%s' has the name of a learner of Tidemill",
                      name);
        tm_err_hint(err, "Give it another name in its table.");
        return TM_E_CONFLICT;
    }
    while (models[n] != NULL) {
        n++;
    }
    models[n] = tm__module_learner(module);
    return TM_OK;
}
