/* SPDX-License-Identifier: Apache-2.0 */
/* Transforms of users' modules as functions of expressions, by the module's name. In files such a
 * function has a number that follows from the name, from TM_EXPR_MODULE on. */
#ifndef TM_FEATURE_FEATURE_EXPR_MODULE_H
#define TM_FEATURE_FEATURE_EXPR_MODULE_H

#include "base/user_module.h"
#include "feature/feature_expr_fn.h"

#define TM_EXPR_MODULE 0x8000u

/** Let expressions call a module's transform, if it has one. TM_E_CONFLICT when its name is that of
 * a function, or its number another module's. One caller, before other threads start. */
TM_NODISCARD tm_status tm__expr_module_add(const tm_user_module *module, tm_err *err);
/** NULL: no module has it. */
const tm_expr_fn *tm__expr_module_get(uint32_t number);
const tm_expr_fn *tm__expr_module_named(tm_str name);
/** The module whose function has this number, or NULL. */
const tm_user_module *tm__expr_module_of(uint32_t number);

#endif
