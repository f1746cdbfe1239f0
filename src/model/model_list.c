/* SPDX-License-Identifier: Apache-2.0 */
/* Every learner, in one readable list: a new one is a folder and a line here. */
#include "model/model.h"

#include <string.h>

#include "model/baseline/baseline.h"
#include "model/blend/blend.h"
#include "model/forest/forest.h"
#include "model/gbdt/gbdt.h"
#include "model/imported/imported.h"
#include "model/linear/linear.h"
#include "model/mlp/mlp.h"
#include "model/offset/offset.h"

static const tm_model_ops *const models[] = {
    &tm__gbdt_ops,
    &tm__linear_ops,
    &tm__mlp_ops,
    &tm__baseline_ops,
    &tm__random_forest_ops,
    NULL,
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
