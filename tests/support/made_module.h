/* SPDX-License-Identifier: Apache-2.0 */
/* A module that is linked into a test: its learner answers with the mean of the targets. */
#ifndef TM_SUPPORT_MADE_MODULE_H
#define TM_SUPPORT_MADE_MODULE_H

#include "base/user_module.h"

typedef struct made_module {
    tm_module_table table;
    tm_module_learner learner;
    tm_module_param params[2];
    tm_module_transform transform;
    uint32_t inputs[2];
    tm_module_source source;
    tm_module_option options[2];
} made_module;

/** A module that keeps all rules; a test may break some, or take parts away. name lives on. */
void made_module_init(made_module *self, const char *name);
/** Put it on the list of the process, with a hash that starts with `mark`. */
const tm_user_module *made_module_add(const made_module *self, uint8_t mark);

#endif
