/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The learner of a user's module as one of ours: what goes in is what every learner gets, but for
 * text terms, and what comes out is checked. Bytes of a model begin with the module's name and
 * hash.
 */
#ifndef TM_MODEL_MODULE_LEARNER_H
#define TM_MODEL_MODULE_LEARNER_H

#include "base/user_module.h"
#include "model/model.h"

/** Ops of a module's learner, for the life of the process; the same ones each time. Modules with a
 * learner are at most TM_MAX_MODULES. Threads: one caller, before others start. */
const tm_model_ops *tm__module_learner(const tm_user_module *module);
/** The module whose learner these are, or NULL. Any thread. */
const tm_user_module *tm__module_of(const tm_model_ops *ops);
/** Bytes before the module's own in what save() wrote. */
size_t tm__module_learner_head(const void *data, size_t len);

#endif
