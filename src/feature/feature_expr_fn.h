/* SPDX-License-Identifier: Apache-2.0 */
/* What an expression can call, operators among it: one table. Not for other folders. */
#ifndef TM_FEATURE_FEATURE_EXPR_FN_H
#define TM_FEATURE_FEATURE_EXPR_FN_H

#include "feature/feature_expr.h"

/* Types of arguments and of the result: N a number, S a text, T a time. The last argument may come
 * again and again when `is_open`. */
typedef struct tm_expr_fn {
    uint16_t number;  /* in files: never reuse one */
    const char *name; /* of functions: in lower case; of operators: as they are written */
    const char *args;
    char result;
    bool is_open;
    tm_expr_value (*run)(const tm_expr_value *args, uint32_t n, tm_expr_scratch *scratch);
} tm_expr_fn;

char tm__expr_letter(tm_expr_type type);
tm_expr_type tm__expr_type_of_letter(char letter);
/** NULL: there is none. */
const tm_expr_fn *tm__expr_fn_get(uint32_t number);
/** The function of a name (case does not matter) that takes these types, letters [n]. */
const tm_expr_fn *tm__expr_fn_find(tm_str name, const char *letters, uint32_t n);
/** The first one of a name, whatever it takes. */
const tm_expr_fn *tm__expr_fn_named(tm_str name);
/** The function whose name is nearest, for a hint. */
const char *tm__expr_fn_nearest(tm_str name);

#endif
