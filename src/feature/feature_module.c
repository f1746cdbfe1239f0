/* SPDX-License-Identifier: Apache-2.0 */
/* Which transforms of users' modules a program calls. */
#include "feature/feature_expr_module.h"
#include "feature/feature_priv.h"

tm_status tm__program_add_module(const tm_user_module *module, tm_err *err) {
    return tm__expr_module_add(module, err);
}

bool tm__program_calls(const tm_program *program, const tm_user_module *module) {
    for (uint32_t m = 0; m < program->n_made; m++) {
        const tm_expr *expr = &program->made[m].expr;
        for (uint32_t i = 0; i < expr->n_ops; i++) {
            if (expr->ops[i].kind == TM_EXPR_OP_CALL && expr->ops[i].item >= TM_EXPR_MODULE &&
                tm__expr_module_of(expr->ops[i].item) == module) {
                return true;
            }
        }
    }
    return false;
}
